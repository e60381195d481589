//! Those who read: subscribers and tails miss no advance; who reads ahead says the same as who does not.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use quorate_wal::{Lsn, Wal};
use shuttle::future;
use shuttle::thread;

use crate::{explore, join_all, open, options, payload, spawn_each};

#[test]
fn subscribers_and_tails_miss_no_advance() {
    explore(|| {
        let (_disk, wal) = open(&options());
        let (mut blocking, mut awaiting) = (wal.subscribe(), wal.subscribe());
        let blocking = thread::spawn(move || {
            let mut seen = Lsn::ZERO;
            while seen < Lsn::new(4) {
                let mark = blocking.wait_changed().unwrap();
                assert!(mark > seen, "{mark:?} after {seen:?}");
                seen = mark;
            }
        });
        let awaiting = thread::spawn(move || {
            while awaiting.lsn() < Lsn::new(4) {
                future::block_on(awaiting.changed()).unwrap();
            }
        });
        let mut tail = wal.tail(Lsn::ZERO).unwrap();
        let tail = thread::spawn(move || {
            (1..=4).for_each(|lsn| assert_eq!(tail.wait_next().unwrap().unwrap().lsn, Lsn::new(lsn)));
        });
        let writers = spawn_each(2, move |writer| {
            for nth in 0..2 {
                wal.append(1, &[&payload(writer, nth)]).unwrap().wait().unwrap();
            }
        });
        join_all(writers);
        join_all(vec![blocking, awaiting, tail]);
    });
}

#[test]
fn a_subscriber_that_gives_up_takes_no_one_elses_wake_up_along() {
    explore(|| {
        let (_disk, wal) = open(&options());
        let mark = wal.subscribe();
        let fickle = spawn_each(1, {
            let mark = mark.clone();
            move |_| {
                let mut reached = pin!(mark.reached(Lsn::new(1)));
                drop(reached.as_mut().poll(&mut Context::from_waker(Waker::noop())));
            }
        });
        let steady = thread::spawn(move || mark.wait_reached(Lsn::new(1)).unwrap());
        wal.append(1, &[b"x"]).unwrap().wait().unwrap();
        join_all(fickle);
        assert_eq!(steady.join().unwrap(), Lsn::new(1));
    });
}

#[test]
fn who_reads_ahead_delivers_all_and_who_gives_up_early_waits_for_nobody() {
    explore(|| {
        let options = options().segment_bytes(4096);
        let (disk, wal) = open(&options);
        for nth in 0..12 {
            wal.append(1, &[&payload(0, nth), &[0; 700]]).unwrap().wait().unwrap();
        }
        drop(wal);
        let (_wal, recovery) = Wal::open(&options, Arc::new(disk.reopened())).unwrap();
        let mut early = recovery.replay_ahead(Lsn::ZERO).unwrap();
        assert_eq!(early.next_record().unwrap().unwrap().lsn, Lsn::new(1));
        let mut whole = recovery.replay_ahead(Lsn::ZERO).unwrap();
        drop(early);
        for nth in 0..12 {
            let record = whole.next_record().unwrap().unwrap();
            assert_eq!(record.payload[..2], payload(0, nth));
        }
        assert!(whole.next_record().unwrap().is_none());
    });
}
