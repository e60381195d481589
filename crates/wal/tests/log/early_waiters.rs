//! Who waits for a record that is not taken yet, and who gives up waiting.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::thread;

use quorate_wal::testkit::SimIo;
use quorate_wal::{Append, Error, Lsn, SyncPolicy, Wal};

use crate::waiting::{await_until, gated};
use crate::{append, block_on, open, options, shared};

/// Counts who holds it.
struct Counted;

impl Wake for Counted {
    fn wake(self: Arc<Self>) {}
}

fn is_pending(future: &mut Pin<Box<Append>>) -> bool {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

/// Takes records, and makes none of them durable, until `last` is taken.
fn stage_until(wal: &Wal, last: Lsn) {
    while wal.stage(1, &[b"x"]).unwrap() < last {}
}

#[test]
fn who_waits_for_a_record_not_taken_yet_is_told_when_it_is_durable_and_not_before() {
    let disk = SimIo::new(1);
    let (wal, _) = Wal::open(&options().sync(SyncPolicy::Os), shared(&disk)).unwrap();
    append(&wal, b"the only one");
    let tenth = Lsn::new(10);
    thread::scope(|scope| {
        let blocked = scope.spawn(|| (wal.when_durable(tenth).wait(), wal.durable_lsn()));
        let awaited = scope.spawn(|| (block_on(wal.when_durable(tenth)), wal.durable_lsn()));
        // Nobody asks for a sync but those who wait: they are there.
        wal.subscribe().wait_reached(Lsn::new(1)).unwrap();
        stage_until(&wal, Lsn::new(9));
        assert!(!wal.when_durable(tenth).is_done());
        stage_until(&wal, tenth);
        for (outcome, durable) in [blocked.join().unwrap(), awaited.join().unwrap()] {
            assert_eq!(outcome.unwrap(), tenth);
            assert!(durable >= tenth, "told at {durable}");
        }
    });
}

#[test]
fn a_wish_for_records_to_come_keeps_nobody_busy_and_ends_with_who_had_it() {
    let disk = SimIo::new(1);
    let (wal, _) = Wal::open(&options().sync(SyncPolicy::Os), shared(&disk)).unwrap();
    append(&wal, b"the only one");
    let mut early = Box::pin(wal.when_durable(Lsn::new(100)));
    assert!(is_pending(&mut early));
    // Made durable on the way, by the flusher; it then has nothing to do.
    wal.subscribe().wait_reached(Lsn::new(1)).unwrap();
    let batches = || wal.stats().flusher_batches;
    for _ in 0..1000 {
        thread::yield_now();
    }
    assert!(batches() <= 2, "{} turns of the flusher for one record", batches());
    drop(early);
    stage_until(&wal, Lsn::new(100));
    // The flusher does first what is to be durable.
    wal.request_commit();
    await_until("nobody writes", || wal.committed_lsn() >= Lsn::new(100));
    assert_eq!(wal.durable_lsn(), Lsn::new(1), "no sync for who is gone");
}

#[test]
fn who_waits_for_a_record_that_never_comes_is_told_how_the_log_ended() {
    let never = Lsn::new(1000);
    let ended = |end: fn(Wal, &SimIo)| {
        let disk = SimIo::new(1);
        let (wal, _) = open(&disk).unwrap();
        append(&wal, b"the only one");
        let (blocked, mut awaited) = (wal.when_durable(never), Box::pin(wal.when_durable(never)));
        assert!(is_pending(&mut awaited));
        thread::scope(|scope| {
            let blocked = scope.spawn(move || blocked.wait());
            end(wal, &disk);
            [blocked.join().unwrap().unwrap_err(), block_on(awaited).unwrap_err()]
        })
    };
    let closed = ended(|wal, _| wal.close().unwrap());
    assert!(closed.iter().all(|error| matches!(error, Error::Closed)), "{closed:?}");
    let dropped = ended(|wal, _| drop(wal));
    assert!(dropped.iter().all(|error| matches!(error, Error::Dropped { .. })), "{dropped:?}");
    let poisoned = ended(|wal, disk| {
        disk.fail_sync_after(1);
        wal.append(1, &[b"lost"]).unwrap().wait().unwrap_err();
    });
    assert!(poisoned.iter().all(|error| matches!(error, Error::Poisoned { .. })), "{poisoned:?}");
}

#[test]
fn who_gives_up_waiting_leaves_no_waker_behind() {
    let (gate, wal) = gated();
    let counted = Arc::new(Counted);
    let waker = Waker::from(Arc::clone(&counted));
    gate.close();
    for n in 0..1000 {
        let future =
            if n % 2 == 0 { wal.append(1, &[b"x"]).unwrap() } else { wal.when_durable(Lsn::new(1 << 40)) };
        let mut future = Box::pin(future);
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(Arc::strong_count(&counted), 2, "the test's own, and its waker's");
    gate.open();
    let last = wal.append(1, &[b"x"]).unwrap();
    assert_eq!(block_on(last).unwrap(), Lsn::new(501), "the records of those who gave up are there");
}

#[test]
fn who_awaited_to_the_end_leaves_no_waker_behind_either() {
    let (gate, wal) = gated();
    let counted = Arc::new(Counted);
    let waker = Waker::from(Arc::clone(&counted));
    gate.close();
    let mut future = Box::pin(wal.append(1, &[b"x"]).unwrap());
    assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    gate.open();
    wal.sync_to(Lsn::new(1)).unwrap();
    assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
    wal.close().unwrap();
    assert_eq!(Arc::strong_count(&counted), 2);
}
