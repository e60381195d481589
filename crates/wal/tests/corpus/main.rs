//! The corpora of the fuzz targets, on any toolchain: the same checks over the same bytes, so that neither can rot.
//!
//! `fuzz/src/lib.rs` says what is checked. To look for more: `cargo +nightly fuzz run recover`, in `crates/wal`.
#![expect(clippy::unwrap_used, reason = "a test that unwraps an error fails, as it should")]

#[path = "../../fuzz/src/lib.rs"]
mod fuzzed;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use quorate_wal::{Io, StdIo};

/// Says which input it was, if the check fails.
struct Named(PathBuf);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the input was {}", self.0.display());
        }
    }
}

/// The bound on memory is the process's: one check at a time.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn replay(target: &str, check: fn(&[u8])) {
    let _alone = alone();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let inputs = StdIo.list(&folder).unwrap();
    assert!(inputs.len() > 50, "only {} inputs in {}", inputs.len(), folder.display());
    for name in inputs {
        let input = Named(folder.join(name));
        check(&StdIo.read(&input.0, 1 << 20).unwrap());
    }
}

#[test]
fn recovery_answers_whatever_bytes_there_are_and_what_it_delivers_stays() {
    replay("recover", fuzzed::recover);
}

#[test]
fn readers_of_files_that_change_underfoot_all_stop_at_the_same_place() {
    replay("replay", fuzzed::replay);
}

#[test]
fn salvage_ends_and_a_cut_does_what_was_planned_or_nothing() {
    replay("repair", fuzzed::repair);
}

#[test]
fn the_originals_that_edits_start_from_are_logs_without_fault_of_different_kinds() {
    let _alone = alone();
    let kinds: Vec<_> = fuzzed::originals().iter().map(|files| files.keys().len()).collect();
    assert_eq!(kinds, [1, 1, 1, 4, 4, 1, 3, 5]);
    for nth in 0..8 {
        fuzzed::recover(&[1, nth]);
        (0..fuzzed::EDITS).for_each(|edit| fuzzed::repair(&[3, 1, nth, edit, 0, 1, 130]));
    }
}
