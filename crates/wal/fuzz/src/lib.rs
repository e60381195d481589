//! What must hold whatever bytes lie in a log's directory: no panic, no hang, no memory beyond what the files justify,
//! nothing delivered that is gone later.
//!
//! Three functions of arbitrary bytes, for libFuzzer (`cargo fuzz run recover`) and, over the kept corpus, for
//! `cargo test` (`tests/corpus` includes this file). The bytes are a [`Scene`]: files of noise, or a real log with edits,
//! with checksums put right afterwards if the bytes say so; else nothing would ever get past the first checksum.
//!
//! They panic if something does not hold.

mod edit;
mod input;
mod log;
mod memory;
mod original;
mod scene;

use std::path::Path;
use std::sync::Arc;

use quorate_wal::repair::{Cut, Salvaged, plan, salvage, truncate};
use quorate_wal::testkit::SimIo;
use quorate_wal::{Error, Io, Lsn, inspect};

use input::Input;
use log::{DIR, Delivered, open, segments};
pub use original::originals;
use scene::Scene;

/// Kinds of edits.
pub const EDITS: u8 = edit::EDITS.len() as u8;

/// Recovery: opens what lies there, or refuses; goes on writing, closes, opens again.
pub fn recover(bytes: &[u8]) {
    let scene = Scene::of(&mut Input::new(bytes));
    memory::assert_bounded(scene.bytes(), || {
        let disk = scene.disk();
        let before = disk.fork(0);
        let verdict = inspect::verify(&disk, Path::new(DIR));
        let (wal, recovery) = match open(&disk) {
            Ok(opened) => opened,
            Err(refusal) => {
                assert!(!matches!(verdict, Ok(Some(_))), "verified, but {refusal}");
                return assert!(segments(&before) == segments(&disk), "{refusal}, and yet changed");
            }
        };
        let delivered = Delivered::from(&recovery);
        log::assert_agrees(verdict, &recovery, &delivered);
        log::assert_untouched(&before, &disk);
        let appended = log::append_some(&wal, recovery.last_lsn());
        wal.close().expect("a disk that works");
        drop(wal);
        let (wal, recovery) = open(&disk).expect("it was open before");
        Delivered::from(&recovery).assert_continues(&delivered, &appended);
        // Gives everything back, and goes on all the same.
        wal.checkpoint(recovery.last_lsn());
        log::append_some(&wal, recovery.last_lsn());
    });
}

/// Replay: a log is open, and its files change underfoot. Every reader stops at the same place, for the same reason.
pub fn replay(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let from = Lsn::new(u64::from(input.byte() % 8));
    let scene = Scene::edited(&mut input);
    memory::assert_bounded(scene.bytes(), || {
        let disk = scene.original();
        let (wal, recovery) = open(&disk).expect("a log without fault");
        scene.put_on(&disk);
        let Ok(plain) = recovery.replay(from) else { return };
        let plain = Delivered::all(plain, |replay| log::owned(replay.next_record()));
        let ahead = recovery.replay_ahead(from).expect("as without");
        let ahead = Delivered::all(ahead, |replay| log::owned(replay.next_record()));
        assert_eq!(plain, ahead, "reading ahead differs");
        if let Ok(tail) = wal.tail(from) {
            let tail = Delivered::all(tail, |tail| log::owned(tail.try_next()));
            assert!(
                tail.is_prefix_of_or_equal(&plain) || plain.is_prefix_of_or_equal(&tail),
                "{tail:?} and {plain:?}"
            );
        }
        let io: Arc<dyn Io> = Arc::new(disk.clone());
        if let Ok(Some(replay)) = inspect::records(&io, Path::new(DIR), from) {
            Delivered::all(replay, |replay| log::owned(replay.next_record()));
        }
    });
}

/// Repair: everything that reads a damaged log, and the cut.
pub fn repair(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let last = Lsn::new(input.number());
    let scene = Scene::of(&mut input);
    memory::assert_bounded(scene.bytes(), || {
        let disk = scene.disk();
        log::look_at_everything(&disk);
        let (salvaged, gaps) = salvaged(&disk);
        match inspect::verify(&disk, Path::new(DIR)) {
            Ok(_) => assert_eq!(gaps, 0, "a gap in a sound log"),
            Err(fault) => assert!(gaps > 0, "no gap, but {fault}"),
        }
        let planned = plan(&disk, Path::new(DIR), last);
        match (planned, truncate(&disk, Path::new(DIR), last)) {
            (Ok(planned), Ok(cut)) => assert_cut(&disk, &planned, &cut, &salvaged),
            (Err(planned), Err(refused)) => assert_eq!(planned.to_string(), refused.to_string()),
            (planned, cut) => panic!("planned {planned:?}, came to {cut:?}"),
        }
    });
}

/// The intact records and the number of gaps; there is an end. What cannot be begun is a gap.
fn salvaged(disk: &SimIo) -> (Delivered, usize) {
    let bytes: usize =
        disk.paths().iter().filter_map(|path| disk.contents(path)).map(|file| file.len()).sum();
    let mut delivered = Delivered::default();
    let Ok(mut intact) = salvage(Arc::new(disk.clone()), Path::new(DIR)) else { return (delivered, 1) };
    let mut gaps = 0;
    while let Some(found) = intact.next_item() {
        match found {
            Salvaged::Record(record) => delivered.push(&record),
            Salvaged::Gap(_) => gaps += 1,
            other => panic!("nobody judges {other:?} yet"),
        }
        assert!(delivered.len() + gaps <= 16 + bytes, "more items than bytes");
    }
    (delivered, gaps)
}

fn assert_cut(disk: &SimIo, planned: &Cut, cut: &Cut, salvaged: &Delivered) {
    assert_eq!(planned, cut);
    assert!(cut.aside.iter().all(|(_, to)| disk.contents(to).is_some()), "the evidence stays");
    let (_wal, recovery) = open(disk).unwrap_or_else(|error| panic!("cut, and yet {error}"));
    assert_eq!(recovery.last_lsn(), cut.last_lsn);
    let delivered = Delivered::from(&recovery);
    delivered.assert_within(salvaged);
    assert!(delivered.error().is_none_or(|error| matches!(error, Error::Corrupt(_))));
}
