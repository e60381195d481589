//! A thread that reads ahead of a replay: whole blocks, in order, bounded, and never the end of the log by accident.
//! That it delivers what a plain replay does, and stops where that stops, every test that reads a log back checks.

use quorate_wal::testkit::{SimIo, SplitMix};
use quorate_wal::{Chores, Error, Lsn, Options, Recovery, SyncPolicy, Wal};

use crate::{DIR, records, segment, shared};

/// Several segments of several blocks each, with frames from tiny to larger than a block.
fn many_blocks() -> (SimIo, Recovery) {
    let (disk, mut chance) = (SimIo::new(8), SplitMix::new(8));
    let options = options();
    let (wal, _) = Wal::open(&options, shared(&disk)).unwrap();
    for number in 0..3000_u64 {
        let bytes = if number % 500 == 7 { 1_300_000 } else { chance.below(9000) };
        drop(wal.append(number as u8, &[&vec![number as u8; bytes as usize]]).unwrap());
        if chance.one_in(20) {
            wal.commit_to(wal.last_lsn()).unwrap();
            wal.checkpoint(Lsn::ZERO);
        }
    }
    wal.close().unwrap();
    drop(wal);
    let (_, recovery) = Wal::open(&options, shared(&disk)).unwrap();
    (disk, recovery)
}

fn options() -> Options {
    Options::new(DIR).segment_bytes(6 << 20).sync(SyncPolicy::Os).chores(Chores::Inline)
}

#[test]
fn blocks_of_all_sizes_come_in_order_from_any_record_on() {
    let (_, recovery) = many_blocks();
    let all = records(&recovery).unwrap();
    assert_eq!(all.iter().map(|(lsn, ..)| *lsn).collect::<Vec<_>>(), (1..=3000).collect::<Vec<_>>());
    assert!(all.iter().all(|(lsn, kind, payload)| {
        *kind == (*lsn - 1) as u8 && payload.iter().all(|byte| *byte == *kind)
    }));
    for from in [0, 1, 2, 777, 1508, 2999, 3000, 3001] {
        let (mut ahead, mut lsns) = (recovery.replay_ahead(Lsn::new(from)).unwrap(), Vec::new());
        while let Some(record) = ahead.next_record().unwrap() {
            lsns.push(record.lsn.get());
        }
        assert_eq!(lsns, (from.max(1)..=3000).collect::<Vec<_>>(), "from {from}");
        assert!(ahead.next_record().unwrap().is_none(), "and it stays at the end");
    }
}

#[test]
fn a_reader_that_nobody_listens_to_any_more_ends() {
    let (_, recovery) = many_blocks();
    for taken in [0, 1, 500] {
        let mut ahead = recovery.replay_ahead(Lsn::ZERO).unwrap();
        for _ in 0..taken {
            assert!(ahead.next_record().unwrap().is_some());
        }
        // Dropping joins the thread, which waits for room or for a spent block.
        drop(ahead);
    }
}

#[test]
fn what_lies_before_the_damage_is_delivered_and_nothing_after_it() {
    let (disk, recovery) = many_blocks();
    disk.flip_bit(segment(2), 3_000_000, 1);
    let mut ahead = recovery.replay_ahead(Lsn::ZERO).unwrap();
    let mut last = Lsn::ZERO;
    let error = loop {
        match ahead.next_record() {
            Ok(Some(record)) => last = record.lsn,
            Ok(None) => panic!("the damage was taken for the end"),
            Err(error) => break error,
        }
    };
    let Error::Corrupt(at) = error else { panic!("{error}") };
    assert_eq!((at.path.to_str(), at.after_lsn), (Some(&segment(2)[..]), last));
    assert!(ahead.next_record().unwrap().is_none(), "it stopped for good");
}

#[test]
fn an_unreadable_segment_is_an_error_and_not_the_end() {
    let (disk, recovery) = many_blocks();
    disk.fail_reads(segment(3));
    let result = recovery.replay_ahead(Lsn::ZERO).unwrap().for_each::<Error>(|_| Ok(()));
    assert!(matches!(result, Err(Error::Io { .. })), "{result:?}");
}
