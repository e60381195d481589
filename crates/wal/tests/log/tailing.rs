//! Following a log in use: what is durable, all of it, in order, and nothing else.

use std::pin::pin;
use std::sync::{Arc, Barrier, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;

use quorate_wal::testkit::SimIo;
use quorate_wal::{CorruptionProof, Error, Lsn, Options, StdIo, SyncPolicy, Tail, Wal};

use crate::{PATIENCE, append, block_on, open, options, segment, shared};

/// Everything the tail has to give now.
fn drain(tail: &mut Tail) -> Vec<(u64, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some(record) = tail.try_next().unwrap() {
        all.push((record.lsn.get(), record.payload.to_vec()));
    }
    all
}

#[test]
fn a_tail_never_passes_what_is_durable() {
    let disk = SimIo::new(1);
    let (wal, _) = Wal::open(&options().sync(SyncPolicy::Os), shared(&disk)).unwrap();
    let mut tail = wal.tail(Lsn::ZERO).unwrap();
    wal.append(1, &[b"one"]).unwrap().wait().unwrap();
    wal.append(1, &[b"two"]).unwrap().wait().unwrap();
    assert_eq!(wal.marks().written, Lsn::new(2), "the file has them");
    assert_eq!(drain(&mut tail), [], "the disk has not acknowledged them");
    wal.sync_to(Lsn::new(2)).unwrap();
    assert_eq!(drain(&mut tail), [(1, b"one".to_vec()), (2, b"two".to_vec())]);
    wal.append(1, &[b"three"]).unwrap().wait().unwrap();
    assert_eq!((drain(&mut tail), tail.next_lsn()), (vec![], Lsn::new(3)));
}

#[test]
fn a_tail_reads_frames_that_were_written_over_an_idle_watermark_it_has_seen() {
    let disk = SimIo::new(1);
    let (wal, _) = open(&disk).unwrap();
    let mut tail = wal.tail(Lsn::ZERO).unwrap();
    for number in 1..40_u64 {
        append(&wal, &number.to_le_bytes());
        wal.note_idle();
        assert_eq!(drain(&mut tail), [(number, number.to_le_bytes().to_vec())]);
    }
}

#[test]
fn a_tail_goes_through_rotations_restarts_and_copied_records() {
    let disk = SimIo::new(2);
    let mut sent = 0_u64;
    for life in 1..6_u64 {
        let (wal, _) = open(&disk).unwrap();
        let mut behind = wal.tail(Lsn::ZERO).unwrap();
        let mut ahead = wal.tail(wal.last_lsn().next()).unwrap();
        let before = sent;
        for _ in 0..60 {
            sent += 1;
            append(&wal, &sent.to_le_bytes().repeat(10));
            assert_eq!(drain(&mut ahead), [(sent, sent.to_le_bytes().repeat(10))]);
        }
        assert!(wal.stats().rotations > 0, "life {life}");
        let all = drain(&mut behind);
        assert_eq!(all.len() as u64, before + 60, "life {life}");
        assert!(all.iter().zip(1..).all(|((lsn, payload), n)| *lsn == n && payload[..8] == n.to_le_bytes()));
        // Synced and vouched for by nobody: the next life copies it.
        drop(wal);
        disk.kill();
    }
}

#[test]
fn a_tail_under_which_segments_are_given_back_says_so_wherever_it_stood() {
    for read_first in [0, 1, 30] {
        let disk = SimIo::new(3);
        let (wal, _) = open(&disk).unwrap();
        (0..100).for_each(|_| _ = append(&wal, &[5; 100]));
        let mut tail = wal.tail(Lsn::ZERO).unwrap();
        for _ in 0..read_first {
            assert!(tail.try_next().unwrap().is_some());
        }
        wal.checkpoint(Lsn::new(100));
        // The files live on as other segments.
        (0..200).for_each(|_| _ = append(&wal, &[6; 100]));
        wal.checkpoint(Lsn::new(250));
        let outcome = loop {
            match tail.try_next() {
                Ok(Some(record)) => assert_eq!(record.payload, [5; 100]),
                other => break other.map(drop),
            }
        };
        let Err(Error::Recycled { from, oldest }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(oldest, wal.oldest_lsn());
        assert!(from > Lsn::new(read_first) && from < oldest, "{from}");
        assert!(matches!(wal.tail(Lsn::new(1)), Err(Error::Recycled { .. })));
    }
}

#[test]
fn a_tail_at_the_end_of_a_segment_that_is_given_back_goes_on_in_the_next() {
    let disk = SimIo::new(8);
    let (wal, _) = open(&disk).unwrap();
    // The tail has all there is, of the segment that is being written.
    let mut tail = wal.tail(Lsn::ZERO).unwrap();
    while wal.stats().retained_bytes < 3900 {
        append(&wal, &[1; 100]);
    }
    let first = drain(&mut tail).len() as u64;
    append(&wal, &[2; 100]);
    assert_eq!(
        (wal.stats().segments, tail.next_lsn()),
        (2, Lsn::new(first + 1)),
        "the next record is elsewhere"
    );
    wal.checkpoint(Lsn::new(first));
    // The file lives on as another segment.
    while disk.contents(segment(3)).is_none() {
        append(&wal, &[3; 100]);
    }
    assert_eq!(wal.oldest_lsn(), tail.next_lsn());
    assert_eq!(tail.try_next().unwrap().unwrap().payload, [2; 100]);
    assert_eq!(drain(&mut tail).len() as u64, wal.last_lsn().get() - first - 1);
}

#[test]
fn rot_of_what_was_acknowledged_is_an_error_and_no_end() {
    let disk = SimIo::new(4);
    let (wal, _) = open(&disk).unwrap();
    (0..3).for_each(|_| _ = append(&wal, b"payload"));
    disk.flip_bit(segment(1), 128 + 48 + 40, 1);
    let mut tail = wal.tail(Lsn::ZERO).unwrap();
    assert_eq!(tail.try_next().unwrap().unwrap().lsn, Lsn::new(1));
    let Err(Error::Corrupt(at)) = tail.try_next().map(drop) else { panic!("went unnoticed") };
    assert_eq!((at.offset, at.after_lsn), (176, Lsn::new(1)));
    assert_eq!(at.proof, CorruptionProof::Acknowledged { durable: Lsn::new(3) });
    assert_eq!(tail.next_lsn(), Lsn::new(2), "it stands where it stood");
}

#[test]
fn blocked_tails_get_everything_written_by_many_threads_on_real_files_and_end_at_the_close() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = Wal::open(&Options::new(dir.path()).segment_bytes(16 << 10), StdIo::shared()).unwrap();
    thread::scope(|scope| {
        let tails: Vec<_> = (0..3)
            .map(|_| {
                let mut tail = wal.tail(Lsn::ZERO).unwrap();
                let mut watermark = wal.subscribe();
                scope.spawn(move || {
                    let mut count = 0;
                    while let Some(record) = tail.wait_next().unwrap() {
                        count += 1;
                        assert_eq!(record.lsn, Lsn::new(count));
                        assert!(record.lsn <= watermark.lsn());
                    }
                    while watermark.wait_changed().is_ok() {}
                    count
                })
            })
            .collect();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..200).for_each(|_| _ = append(&wal, &[1; 150])));
            }
        });
        wal.close().unwrap();
        for tail in tails {
            assert_eq!(tail.join().unwrap(), 800);
        }
    });
    assert!(wal.stats().rotations > 3);
}

#[test]
fn awaiting_tails_and_subscribers_are_woken_and_end_when_the_log_goes() {
    let disk = SimIo::new(5);
    let (wal, _) = open(&disk).unwrap();
    let (mut tail, watermark) = (wal.tail(Lsn::ZERO).unwrap(), wal.subscribe());
    let (told, heard) = mpsc::channel();
    let readers: Vec<_> = (0..2)
        .map(|n| {
            let (told, mut watermark) = (told.clone(), watermark.clone());
            thread::spawn(move || {
                let first = block_on(watermark.changed()).unwrap();
                told.send((n, first)).unwrap();
                block_on(watermark.changed())
            })
        })
        .collect();
    append(&wal, b"one");
    assert_eq!(block_on(tail.await_next()).unwrap().unwrap().payload, b"one");
    let mut got: Vec<_> = (0..2).map(|_| heard.recv_timeout(PATIENCE).unwrap()).collect();
    got.sort_unstable();
    assert_eq!(got, [(0, Lsn::new(1)), (1, Lsn::new(1))]);
    assert_eq!(watermark.wait_reached(Lsn::new(1)).unwrap(), Lsn::new(1));
    drop(wal);
    for reader in readers {
        assert!(matches!(reader.join().unwrap(), Err(Error::Dropped { .. })));
    }
    assert!(block_on(tail.await_next()).unwrap().is_none());
}

#[test]
fn an_await_that_is_given_up_loses_no_record_and_leaves_nothing_behind() {
    let disk = SimIo::new(6);
    let (wal, _) = open(&disk).unwrap();
    let mut tail = wal.tail(Lsn::ZERO).unwrap();
    for _ in 0..10 {
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(pin!(tail.await_next()).poll(&mut context), Poll::Pending));
    }
    append(&wal, b"one");
    assert_eq!(tail.try_next().unwrap().unwrap().payload, b"one");
}

#[test]
fn a_poisoned_log_gives_its_tails_what_is_durable_and_then_the_cause() {
    let disk = SimIo::new(7);
    let (wal, _) = open(&disk).unwrap();
    append(&wal, b"safe");
    let mut tail = wal.tail(Lsn::ZERO).unwrap();
    let begun = Arc::new(Barrier::new(2));
    let reader = thread::spawn({
        let begun = Arc::clone(&begun);
        move || {
            assert_eq!(tail.wait_next().unwrap().unwrap().payload, b"safe");
            begun.wait();
            tail.wait_next().map(drop)
        }
    });
    begun.wait();
    disk.fail_sync_after(1);
    assert!(wal.append(1, &[b"lost"]).unwrap().wait().is_err());
    assert!(matches!(reader.join().unwrap(), Err(Error::Poisoned { durable, .. }) if durable == Lsn::new(1)));
}
