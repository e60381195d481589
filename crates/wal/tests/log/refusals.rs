//! What the log does not take, and what it says.

use quorate_wal::testkit::SimIo;
use quorate_wal::{Chores, Error, Foreign, Lsn, Options, RecoveryMode, StdIo, TailState, Wal};

use crate::{DIR, append, open, options, records, segment, shared};

#[test]
fn a_second_opener_is_refused_and_the_directory_named() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new(dir.path()).segment_bytes(4096);
    let (wal, _) = Wal::open(&options, StdIo::shared()).unwrap();
    let Err(error) = Wal::open(&options, StdIo::shared()) else { panic!("opened twice") };
    assert_eq!(
        error.to_string(),
        format!(
            "the log in {} is in use by another process: stop it first, or name another directory",
            dir.path().display()
        )
    );
    drop(wal);
    Wal::open(&options, StdIo::shared()).unwrap();
}

#[test]
fn a_record_larger_than_the_bound_is_not_taken_and_one_of_the_bound_is() {
    let disk = SimIo::new(1);
    let (wal, _) = open(&disk).unwrap();
    let bound = (4096 - 128 - 48 - 32) / 2;
    let Err(Error::TooLarge { bytes, bytes_max }) = wal.stage(1, &[&vec![1; bound - 4]]) else {
        panic!("taken")
    };
    assert_eq!((bytes, bytes_max), (bound as u64 + 1, bound as u64));
    assert_eq!(append(&wal, &vec![1; bound - 5]), Lsn::new(1));
}

#[test]
fn an_empty_batch_and_one_beyond_the_bound_leave_no_trace() {
    let disk = SimIo::new(1);
    let (wal, _) = open(&disk).unwrap();
    assert!(matches!(wal.append_batch([]), Err(Error::EmptyBatch)));
    let half: &[&[u8]] = &[&[1; 1000]];
    assert!(matches!(wal.append_batch([(1, half), (1, half)]), Err(Error::TooLarge { .. })));
    assert_eq!(append(&wal, b"next"), Lsn::new(1));
}

#[test]
fn staging_beyond_the_bound_is_refused_until_the_disk_has_caught_up() {
    let disk = SimIo::new(1);
    let (wal, _) = Wal::open(&options().staged_bytes_max(4000), shared(&disk)).unwrap();
    let taken = (0..1000).take_while(|_| wal.stage(1, &[&[0; 95]]).is_ok()).count();
    assert_eq!(taken, 40);
    let Err(Error::Full { staged_bytes, staged_bytes_max }) = wal.stage(1, &[&[0; 95]]) else {
        panic!("taken")
    };
    assert_eq!((staged_bytes, staged_bytes_max), (4000, 4000));
    wal.sync_to(wal.last_lsn()).unwrap();
    assert_eq!(wal.stage(1, &[&[0; 95]]).unwrap(), Lsn::new(41));
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    let disk = SimIo::new(1);
    for (options, name) in [
        (options().segment_bytes(4095), "segment_bytes"),
        (options().segment_bytes(1 << 40), "segment_bytes"),
        (options().staged_bytes_max(10), "staged_bytes_max"),
    ] {
        let Err(Error::Option { option, .. }) = Wal::open(&options, shared(&disk)) else { panic!("{name}") };
        assert_eq!(option, name);
    }
    assert!(disk.paths().is_empty(), "refused before anything was made");
}

#[test]
fn a_failed_sync_is_told_to_every_waiter_and_every_later_call_and_never_retried() {
    let disk = SimIo::new(1);
    let (wal, _) = open(&disk).unwrap();
    append(&wal, b"safe");
    let first = wal.append(1, &[b"in doubt"]).unwrap();
    let second = wal.append(1, &[b"in doubt too"]).unwrap();
    disk.fail_sync_after(1);
    let Err(Error::Poisoned { action, durable, .. }) = first.wait() else { panic!("acknowledged") };
    assert_eq!((action, durable), ("sync", Lsn::new(1)));
    let syncs = disk.operations();
    assert!(matches!(second.wait(), Err(Error::Poisoned { .. })));
    assert!(matches!(wal.stage(1, &[b"later"]), Err(Error::Poisoned { .. })));
    assert!(matches!(wal.try_lead(), Err(Error::Poisoned { .. })));
    assert!(matches!(wal.sync_to(Lsn::new(2)), Err(Error::Poisoned { .. })));
    assert!(matches!(wal.close(), Err(Error::Poisoned { .. })));
    assert_eq!(wal.sync_to(Lsn::new(1)).ok(), Some(()), "what is durable stays durable");
    assert_eq!(disk.operations(), syncs, "the disk is left alone");
    assert!(wal.stopped().is_some());
    assert_eq!(wal.durable_lsn(), Lsn::new(1));
}

#[test]
fn what_only_the_page_cache_has_after_a_failed_sync_is_copied_before_it_is_believed() {
    let disk = SimIo::new(1);
    let (wal, _) = open(&disk).unwrap();
    append(&wal, b"safe");
    let doubtful = wal.append(1, &[b"in doubt"]).unwrap();
    disk.fail_sync_after(1);
    doubtful.wait().unwrap_err();
    drop(wal);
    disk.kill();
    let (wal, recovery) = open(&disk).unwrap();
    let found = records(&recovery).unwrap();
    assert_eq!(found.len(), 2, "the page cache still shows it");
    drop(wal);
    disk.cut_power();
    let (_, recovery) = open(&disk).unwrap();
    assert_eq!(records(&recovery).unwrap(), found, "what was recovered once stays");
}

#[test]
fn a_full_disk_poisons_only_when_the_segment_is_full_and_opens_again() {
    let disk = SimIo::new(1);
    let (wal, _) = open(&disk).unwrap();
    disk.set_capacity(Some(4096 + 2048));
    let mut acked = 0;
    let stopped = loop {
        match wal.append(1, &[&[5; 100]]).and_then(|append| append.wait()) {
            Ok(lsn) => acked = lsn.get(),
            Err(error) => break error,
        }
    };
    let Error::Poisoned { action, source, .. } = &stopped else { panic!("{stopped}") };
    assert_eq!(*action, "make the next segment");
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
    assert!(acked > 20, "the whole first segment was used: {acked}");
    drop(wal);
    disk.cut_power();
    disk.set_capacity(None);
    let (_, recovery) = open(&disk).unwrap();
    assert_eq!(recovery.last_lsn(), Lsn::new(acked));
}

#[test]
fn recovery_works_on_a_full_disk_if_a_prepared_segment_is_there() {
    let disk = SimIo::new(1);
    let (wal, _) = open(&disk).unwrap();
    while disk.contents(segment(2)).is_none() {
        append(&wal, &[5; 100]);
    }
    let last = wal.last_lsn();
    drop(wal);
    disk.set_capacity(Some(2 * 4096));
    disk.cut_power();
    let (wal, recovery) = open(&disk).unwrap();
    assert_eq!(recovery.last_lsn(), last);
    assert_eq!(append(&wal, b"and on"), last.next());
}

#[test]
fn a_segment_of_another_log_and_one_of_a_later_format_are_foreign() {
    let (ours, theirs) = (SimIo::new(1), SimIo::new(2));
    for disk in [&ours, &theirs] {
        let (wal, _) = open(disk).unwrap();
        for _ in 0..100 {
            append(&wal, &[5; 100]);
        }
        drop(wal);
        disk.kill();
    }
    let mixed = ours.fork(3);
    mixed.set_contents(segment(2), theirs.contents(segment(2)).unwrap());
    let Err(Error::Foreign { reason, .. }) = open(&mixed) else { panic!("taken for ours") };
    assert_eq!(reason, Foreign::Log);

    let mut file = ours.contents(segment(1)).unwrap();
    file[8] = 2;
    let crc = crc32fast::hash(&file[..124]);
    file[124..128].copy_from_slice(&crc.to_le_bytes());
    ours.set_contents(segment(1), file);
    let Err(error) = open(&ours) else { panic!("taken for version 1") };
    assert_eq!(
        error.to_string(),
        "/log/0000000001.seg is not usable by this build: format version 2 is unknown, this build reads 1. Nothing \
         was changed"
    );
}

#[test]
fn a_log_read_as_it_was_before_its_last_record_is_refused_unsealed_if_that_record_is_asked_for() {
    let disk = SimIo::new(1);
    let (wal, _) = open(&disk).unwrap();
    for record in [b"one", b"two", b"end"] {
        append(&wal, record);
    }
    drop(wal);
    let before = disk.paths();
    disk.stale_reads(segment(1), 0..4096, u64::MAX);
    let opened = Wal::open(&options().at_least(Lsn::new(3)), shared(&disk));
    let Err(Error::Behind { last, at_least, .. }) = opened else { panic!("opened") };
    assert_eq!((last, at_least), (Lsn::new(2), Lsn::new(3)));
    assert_eq!(disk.paths(), before, "no segment was begun");
    disk.end_read_faults();
    let cut = RecoveryMode::TruncateAt(Lsn::new(2));
    let opened = Wal::open(&options().at_least(Lsn::new(3)).recovery(cut), shared(&disk));
    assert!(matches!(opened, Err(Error::Behind { .. })), "a cut below it is refused before anything is cut");
    let (_wal, recovery) = Wal::open(&options().at_least(Lsn::new(3)), shared(&disk)).unwrap();
    assert_eq!(records(&recovery).unwrap().len(), 3);
}

#[test]
fn a_closed_log_says_so_and_takes_nothing_more() {
    let disk = SimIo::new(1);
    let (wal, recovery) = open(&disk).unwrap();
    assert_eq!((recovery.tail(), recovery.last_lsn()), (TailState::Created, Lsn::ZERO));
    let clone = wal.clone();
    wal.stage(1, &[b"staged, nobody waits"]).unwrap();
    wal.close().unwrap();
    assert!(matches!(clone.stage(1, &[b"late"]), Err(Error::Closed)));
    wal.close().unwrap();
    let (_wal, recovery) = open(&disk).unwrap();
    assert_eq!((recovery.tail(), recovery.last_lsn()), (TailState::Closed, Lsn::new(1)));
    assert_eq!(disk.paths().len(), 2, "{:?}", disk.paths());
    assert!(Options::new(DIR).chores(Chores::Inline).dir().ends_with("log"));
}
