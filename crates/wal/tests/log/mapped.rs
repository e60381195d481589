//! Replay by memory map: what is mapped stays as it is, whatever becomes of the log meanwhile.

use std::path::Path;

use quorate_wal::{Chores, Error, Io, Lsn, Options, Recovery, Replay, StdIo, Wal};

/// A log on real files with several full segments, open anew.
fn several_segments(options: &Options) -> (Wal, Recovery) {
    let (wal, _) = Wal::open(options, StdIo::shared()).unwrap();
    fill(&wal, 40);
    wal.close().unwrap();
    drop(wal);
    Wal::open(options, StdIo::shared()).unwrap()
}

/// Frames of two records, each filled with the lower byte of its LSN; four frames fill a segment.
fn fill(wal: &Wal, records: u64) {
    for _ in 0..records / 2 {
        let last = wal.last_lsn().get();
        let [one, other] = [1, 2].map(|nth| [(last + nth) as u8; 1750]);
        let batch: [(u8, &[&[u8]]); 2] = [(1, &[&one]), (1, &[&other])];
        wal.append_batch(batch).unwrap().wait().unwrap();
    }
}

fn options(dir: &Path) -> Options {
    Options::new(dir).segment_bytes(16 << 10).chores(Chores::Inline)
}

fn assert_next(replay: &mut Replay, lsn: u64) {
    let record = replay.next_record().unwrap().unwrap();
    assert_eq!(record.lsn, Lsn::new(lsn));
    assert!(record.payload.iter().all(|byte| *byte == lsn as u8), "record {lsn} was changed underfoot");
}

#[test]
fn a_segment_is_not_used_again_while_it_is_mapped() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, recovery) = several_segments(&options(dir.path()));
    let mut replay = recovery.replay(Lsn::ZERO).unwrap();
    assert_next(&mut replay, 1);
    wal.checkpoint(wal.last_lsn());
    fill(&wal, 40);
    wal.checkpoint(wal.last_lsn());
    fill(&wal, 40);
    (2..=3).for_each(|lsn| assert_next(&mut replay, lsn));
    let names = StdIo.list(dir.path()).unwrap();
    assert!(names.iter().all(|name| !name.contains(".free")), "removed instead: {names:?}");
    drop(replay);
    fill(&wal, 40);
    wal.checkpoint(wal.last_lsn());
    let names = StdIo.list(dir.path()).unwrap();
    assert!(
        names.iter().any(|name| Path::new(name).extension().is_some_and(|kind| kind == "free")),
        "used again from now on: {names:?}"
    );
}

#[test]
fn once_segments_are_used_again_replay_goes_through_buffers_and_meets_no_strange_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, recovery) = several_segments(&options(dir.path()));
    wal.checkpoint(Lsn::new(8));
    fill(&wal, 40);
    let mut replay = recovery.replay(Lsn::new(20)).unwrap();
    assert_next(&mut replay, 20);
    wal.checkpoint(wal.last_lsn());
    fill(&wal, 80);
    let mut last = 20;
    while let Ok(Some(record)) = replay.next_record() {
        last += 1;
        assert_eq!(record.lsn, Lsn::new(last));
        assert!(record.payload.iter().all(|byte| *byte == last as u8), "record {last} was changed underfoot");
    }
}

#[test]
fn the_directory_stays_locked_until_the_last_map_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    let (wal, recovery) = several_segments(&options);
    let mut replay = recovery.replay(Lsn::ZERO).unwrap();
    assert_next(&mut replay, 1);
    drop(wal);
    assert!(matches!(Wal::open(&options, StdIo::shared()), Err(Error::Locked { .. })));
    assert_next(&mut replay, 2);
    drop(replay);
    let (wal, _) = Wal::open(&options, StdIo::shared()).unwrap();
    drop(wal);
    // Its log is gone: whoever has the directory may change it, so nothing is mapped, and nothing locked.
    let mut late = recovery.replay(Lsn::ZERO).unwrap();
    assert_next(&mut late, 1);
    drop(Wal::open(&options, StdIo::shared()).unwrap());
    assert_next(&mut late, 2);
}
