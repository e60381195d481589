//! A failed sync is final: every waiter gets the error, every later call too, and the disk is not asked again.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use quorate_wal::testkit::SimIo;
use quorate_wal::{Chores, Durability, Error, Hooks, Lead, Lsn, Wal};

use crate::waiting::Gate;
use crate::{PATIENCE, append, block_on, open, options, records, shared};

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicU64);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Default)]
struct Poisonings(Mutex<Vec<Error>>);

impl Hooks for Poisonings {
    fn on_poison(&self, cause: &Error) {
        self.0.lock().unwrap().push(cause.clone());
    }
}

fn is_poison(error: &Error) -> bool {
    matches!(error, Error::Poisoned { action: "sync", durable, .. } if *durable == Lsn::new(1))
}

/// Every call that takes, waits or asks; each must be refused.
fn later_calls(wal: &Wal) -> Vec<(&'static str, Error)> {
    let (second, parts): (_, &[&[u8]]) = (Lsn::new(2), &[b"late"]);
    let mut refused = Vec::new();
    let mut note = |call, outcome: Result<(), Error>| match outcome {
        Err(error) => refused.push((call, error)),
        Ok(()) => panic!("{call} is not refused"),
    };
    note("append", wal.append(1, parts).map(drop));
    note("append_durable", wal.append_durable(1, parts).map(drop));
    note("append_with", wal.append_with(Durability::Written, 1, parts).map(drop));
    note("append_batch", wal.append_batch([(1, parts)]).map(drop));
    note("stage", wal.stage(1, parts).map(drop));
    note("stager", wal.stager().stage(1, parts).map(drop));
    note("try_lead", wal.try_lead().map(drop));
    note("sync_to", wal.sync_to(second));
    note("commit_to", wal.commit_to(second));
    note("when_durable", block_on(wal.when_durable(second)).map(drop));
    note("subscribe", wal.subscribe().wait_changed().map(drop));
    note("reached", wal.subscribe().wait_reached(second).map(drop));
    note("tail", wal.tail(second).and_then(|mut tail| tail.wait_next().map(drop)));
    note("close", wal.close());
    refused
}

/// Calls that neither take nor wait do no harm.
fn harmless_calls(wal: &Wal) {
    wal.checkpoint(Lsn::new(9));
    wal.note_idle();
    wal.request_sync();
    wal.request_commit();
    drop(wal.retain("late", Lsn::new(1)).unwrap());
    assert_eq!(wal.sync_to(Lsn::new(1)).ok(), Some(()), "what is durable stays durable");
    let mut tail = wal.tail(Lsn::ZERO).unwrap();
    assert_eq!(tail.try_next().unwrap().unwrap().payload, b"safe");
    assert!(pin!(tail.await_next()).poll(&mut Context::from_waker(Waker::noop())).is_ready());
    assert_eq!((wal.durable_lsn(), wal.committed_lsn()), (Lsn::new(1), Lsn::new(1)));
}

type Blocking = Box<dyn FnOnce() -> Result<(), Error> + Send>;

/// Every way to block until more than LSN 1 is durable.
fn blocking(wal: &Wal) -> Vec<(&'static str, Blocking)> {
    let follower = wal.append(1, &[b"next batch"]).unwrap();
    let mut watermark = wal.subscribe();
    let reached = wal.subscribe();
    let mut tail = wal.tail(Lsn::new(2)).unwrap();
    let [sync, commit, close] = [wal.clone(), wal.clone(), wal.clone()];
    vec![
        ("a follower", Box::new(move || follower.wait().map(drop))),
        ("a subscriber", Box::new(move || watermark.wait_changed().map(drop))),
        ("a subscriber to a record", Box::new(move || reached.wait_reached(Lsn::new(2)).map(drop))),
        ("a tail", Box::new(move || tail.wait_next().map(drop))),
        ("sync_to", Box::new(move || sync.sync_to(Lsn::new(2)))),
        ("commit_to", Box::new(move || commit.commit_to(Lsn::new(3)))),
        ("close", Box::new(move || close.close())),
    ]
}

type Waiting = Pin<Box<dyn Future<Output = Result<Lsn, Error>>>>;

/// Every way to await that: a record of the batch that is in flight, one of the next, the mark.
fn futures(wal: &Wal) -> Vec<Waiting> {
    vec![
        Box::pin(wal.when_durable(Lsn::new(2))),
        Box::pin(wal.append(1, &[b"next batch"]).unwrap()),
        Box::pin(wal.subscribe().reached(Lsn::new(3))),
    ]
}

#[test]
fn every_waiter_and_every_later_call_gets_the_error_and_the_disk_is_left_alone() {
    let (gate, heard) = (Gate::new(), Arc::new(Poisonings::default()));
    let options = options().segment_bytes(1 << 20).hooks(heard.clone());
    let (wal, _) = Wal::open(&options, Arc::new(gate.clone())).unwrap();
    append(&wal, b"safe");
    let told = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&told);
    wal.on_durable(Arc::new(move |lsn| {
        assert_eq!(lsn, Lsn::new(1));
        counted.fetch_add(1, Ordering::SeqCst);
    }));
    gate.disk.fail_sync_after(1);
    gate.close();
    let syncs = gate.syncs();
    thread::scope(|scope| {
        let (answers, all) = mpsc::channel();
        let ask = |who, wait: Blocking| {
            let answers = answers.clone();
            scope.spawn(move || answers.send((who, wait())).unwrap());
        };
        let leader = wal.append(1, &[b"in doubt"]).unwrap();
        ask("the leader", Box::new(move || leader.wait().map(drop)));
        // It is inside its sync, which will fail: who comes now is in the next batch.
        gate.await_arrivals(1);
        let (bell, mut futures) = (Arc::new(Bell::default()), futures(&wal));
        let waker = Waker::from(Arc::clone(&bell));
        for future in &mut futures {
            assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        let blocking = blocking(&wal);
        let asked = 1 + blocking.len();
        for (who, wait) in blocking {
            ask(who, wait);
        }
        assert_eq!(wal.try_lead().unwrap(), Lead::HandedOver);

        gate.open();
        for _ in 0..asked {
            let (who, answer) = all.recv_timeout(PATIENCE).expect("everybody is answered");
            let error = answer.expect_err(who);
            assert!(is_poison(&error), "{who}: {error}");
        }
        for future in &mut futures {
            let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Ready(Err(error)) if is_poison(&error)));
        }
        assert_eq!(bell.0.load(Ordering::SeqCst), 3, "each future was woken");
    });
    assert_eq!((told.load(Ordering::SeqCst), heard.0.lock().unwrap().len()), (1, 1), "told once");

    let operations = gate.disk.operations();
    for (call, error) in later_calls(&wal) {
        assert!(is_poison(&error), "{call}: {error}");
    }
    harmless_calls(&wal);
    assert!(wal.stopped().is_some_and(|cause| is_poison(&cause)));
    drop(wal);
    assert_eq!(gate.disk.operations(), operations, "nothing was written, synced or renamed any more");
    assert_eq!(gate.syncs(), syncs + 1, "one sync, which failed");
}

type Fail = fn(&SimIo, u64);

/// What fails, and how to make the n-th of it fail.
const FAILURES: [(&str, Fail); 3] = [
    ("write", SimIo::fail_write_after),
    ("sync", SimIo::fail_sync_after),
    ("directory sync", SimIo::fail_dir_sync_after),
];

/// Appends and checkpoints, until something fails or the log has gone through a few segments; what was acknowledged.
fn live(wal: &Wal) -> (u64, Option<Error>) {
    let mut acked = 0;
    for _ in 0..120 {
        match wal.append(1, &[&[7; 200]]).and_then(|append| append.wait()) {
            Ok(lsn) => acked = lsn.get(),
            Err(error) => return (acked, Some(error)),
        }
        if acked % 30 == 0 {
            wal.checkpoint(Lsn::new(acked));
        }
    }
    (acked, wal.stopped())
}

#[test]
fn whichever_write_or_sync_fails_in_a_batch_a_rotation_or_a_chore_nothing_is_retried_and_nothing_lost() {
    for (what, fail) in FAILURES {
        let (mut stopped, mut unharmed, mut actions) = (0, 0, Vec::new());
        for nth in 1.. {
            let disk = SimIo::new(nth);
            let (wal, _) = open(&disk).unwrap();
            fail(&disk, nth);
            let (acked, error) = live(&wal);
            let operations = disk.operations();
            if let Some(Error::Poisoned { action, .. }) = &error {
                stopped += 1;
                actions.push(*action);
                assert!(matches!(wal.append(1, &[b"x"]), Err(Error::Poisoned { .. })), "{what} {nth}");
                // Where a chore failed, everything taken may be durable, and stays so.
                let in_doubt = wal.last_lsn() > wal.durable_lsn();
                assert_eq!(wal.try_lead().is_err(), in_doubt, "{what} {nth}");
                assert!(matches!(wal.close(), Err(Error::Poisoned { .. })), "{what} {nth}");
                wal.checkpoint(Lsn::new(acked));
                assert_eq!(disk.operations(), operations, "{what} {nth}: the disk is left alone");
            } else {
                assert!(error.is_none(), "{what} {nth}: {error:?}");
                unharmed += 1;
            }
            drop(wal);
            disk.end_faults();
            disk.cut_power();
            let (_wal, recovery) = open(&disk).unwrap();
            assert!(recovery.last_lsn().get() >= acked, "{what} {nth}");
            let last = records(&recovery).unwrap().last().map_or(0, |(lsn, _, _)| *lsn);
            assert_eq!(last, recovery.last_lsn().get(), "{what} {nth}");
            if error.is_none() && nth > 200 {
                break;
            }
        }
        actions.sort_unstable();
        actions.dedup();
        println!("{what}: {stopped} stop the log ({actions:?}), {unharmed} do not");
        // The others hit nothing, or the zeros of a segment that is not part of the log yet: it is made again.
        assert!(stopped > 4, "{what}: {stopped}");
    }
}

#[test]
fn a_chore_that_fails_in_its_own_thread_tells_those_who_wait() {
    let disk = SimIo::new(1);
    let (wal, _) = Wal::open(&options().chores(Chores::Thread), shared(&disk)).unwrap();
    let mut watermark = wal.subscribe();
    disk.fail_dir_sync_after(1);
    let outcome = loop {
        match wal.append(1, &[&[7; 200]]).and_then(|append| append.wait()) {
            Ok(_) => _ = watermark.wait_changed(),
            Err(error) => break error,
        }
    };
    assert!(matches!(outcome, Error::Poisoned { action: "name a prepared segment", .. }), "{outcome}");
    let ended = std::iter::from_fn(|| Some(watermark.wait_changed())).find_map(Result::err).unwrap();
    assert!(matches!(ended, Error::Poisoned { .. }), "{ended}");
}
