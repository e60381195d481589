//! What users hold can be shown, wherever the program stands.

use std::sync::mpsc;
use std::thread;

use quorate_wal::testkit::SimIo;
use quorate_wal::{Error, Lsn, Wal};

use crate::{PATIENCE, open, options, shared};

#[test]
fn all_that_a_log_hands_out_is_shown_under_its_lock_too_and_shows_no_payload() {
    let disk = SimIo::new(1);
    let (wal, recovery) = open(&disk).unwrap();
    let append = wal.append(1, &[b"a secret"]).unwrap();
    append.wait().unwrap();
    let held = (wal.clone(), recovery, append, wal.retain("a", Lsn::ZERO).unwrap(), wal.subscribe());
    let tail = wal.tail(Lsn::ZERO).unwrap();
    let stager = wal.stager();
    let (tell, told) = mpsc::channel();
    let shows = thread::spawn(move || tell.send(format!("{held:?} {tail:?}")));
    let shown = told.recv_timeout(PATIENCE).expect("it waits for the lock");
    drop(stager);
    shows.join().unwrap().unwrap();
    for part in [
        "Wal { durable_lsn: Lsn(1), committed_lsn: Lsn(1), .. }",
        "Recovery { log_id: LogId(",
        "oldest_lsn: Lsn(1), last_lsn: Lsn(0), tail: Created, copied_records: 0, .. }",
        "Append { lsn: Lsn(1), .. }",
        "Retention { lsn: Lsn(1), .. }",
        "Watermark { lsn: Lsn(1), .. }",
        "Tail { next_lsn: Lsn(1), .. }",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert!(!shown.contains("secret"));
}

#[test]
fn a_refusal_can_be_unwrapped() {
    let disk = SimIo::new(1);
    let (wal, _) = open(&disk).unwrap();
    assert!(matches!(wal.append(1, &[&[0; 4096]]).unwrap_err(), Error::TooLarge { .. }));
    assert!(matches!(Wal::open(&options(), shared(&disk)).unwrap_err(), Error::Locked { .. }));
}
