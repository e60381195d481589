//! Hooks, subscribers and wakers that panic: the log stops by name, and hangs nobody.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use quorate_wal::testkit::SimIo;
use quorate_wal::{BatchReport, Error, Hooks, Lsn, Wal};

use crate::{append, block_on, options, shared};

/// Panics where it is told to, and remembers why the log stopped.
#[derive(Default)]
struct Fragile {
    at: &'static str,
    causes: Mutex<Vec<String>>,
}

impl Fragile {
    fn hit(&self, here: &str) {
        assert!(self.at != here, "the hook broke");
    }
}

impl Hooks for Fragile {
    fn on_append(&self, _last: Lsn, _records: u64, _payload_bytes: u64) {
        self.hit("append");
    }
    fn on_batch(&self, _batch: &BatchReport) {
        self.hit("batch");
    }
    fn on_sync(&self, _took: Duration) {
        self.hit("sync");
    }
    fn on_rotate(&self, _index: u64) {
        self.hit("rotate");
    }
    fn on_recycle(&self, _index: u64) {
        self.hit("recycle");
    }
    fn on_poison(&self, cause: &Error) {
        self.causes.lock().unwrap().push(cause.to_string());
        self.hit("poison");
    }
}

fn watched(at: &'static str) -> (Arc<Fragile>, SimIo, Wal) {
    let (disk, hooks) = (SimIo::new(1), Arc::new(Fragile { at, ..Fragile::default() }));
    let (wal, _) = Wal::open(&options().hooks(hooks.clone()), shared(&disk)).unwrap();
    (hooks, disk, wal)
}

fn assert_stopped_by(wal: &Wal, what: &str) {
    let Some(Error::Poisoned { action, source, .. }) = wal.stopped() else { panic!("{:?}", wal.stopped()) };
    assert_eq!(action, what);
    assert!(source.to_string().contains("the hook broke"), "{source}");
    assert!(matches!(wal.append(1, &[b"more"]), Err(Error::Poisoned { .. })));
}

#[test]
fn a_hook_that_panics_in_the_flusher_stops_the_log_and_every_future_is_told() {
    for at in ["batch", "sync"] {
        let (hooks, _disk, wal) = watched(at);
        let told = block_on(wal.append(1, &[b"awaited"]).unwrap());
        assert!(
            matches!(told, Ok(lsn) if lsn == Lsn::new(1)) || matches!(told, Err(Error::Poisoned { .. })),
            "{at}"
        );
        let never = block_on(wal.when_durable(Lsn::new(1000)));
        assert!(matches!(never, Err(Error::Poisoned { .. })), "{at}: {never:?}");
        assert_stopped_by(&wal, "call a hook");
        drop(wal);
        assert_eq!(hooks.causes.lock().unwrap().len(), 1, "{at}: told once");
    }
}

#[test]
fn a_hook_that_panics_in_the_thread_of_who_waits_stops_the_log_too() {
    let (_hooks, _disk, wal) = watched("batch");
    assert_eq!(append(&wal, b"durable before the hook"), Lsn::new(1));
    assert_stopped_by(&wal, "call a hook");
    let (_hooks, _disk, wal) = watched("rotate");
    let refused = loop {
        match wal.append(1, &[&[1; 300]]).and_then(|append| append.wait()) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, Error::Poisoned { .. }));
    assert_stopped_by(&wal, "call a hook");
}

#[test]
fn a_hook_that_panics_about_the_end_changes_nothing_about_the_end() {
    let (hooks, disk, wal) = watched("poison");
    disk.fail_sync_after(1);
    let told = wal.append(1, &[b"lost"]).unwrap().wait();
    assert!(matches!(told, Err(Error::Poisoned { action: "sync", .. })), "{told:?}");
    assert_eq!(hooks.causes.lock().unwrap().len(), 1);
}

#[test]
fn a_subscriber_that_panics_stops_the_log_and_keeps_the_others_from_nothing() {
    let (_hooks, _disk, wal) = watched("nowhere");
    let called = Arc::new(AtomicBool::new(false));
    let calling = Arc::clone(&called);
    wal.on_durable(Arc::new(|_| panic!("the hook broke")));
    wal.on_durable(Arc::new(move |_| calling.store(true, Ordering::SeqCst)));
    let never = block_on(async {
        wal.append(1, &[b"awaited"]).unwrap().await.map(drop).unwrap_or_default();
        wal.when_durable(Lsn::new(1000)).await
    });
    assert!(matches!(never, Err(Error::Poisoned { .. })), "{never:?}");
    assert_stopped_by(&wal, "call a subscriber");
    drop(wal);
    assert!(called.load(Ordering::SeqCst));
}

struct FragileWaker;

impl Wake for FragileWaker {
    fn wake(self: Arc<Self>) {
        panic!("the hook broke");
    }
}

#[test]
fn a_waker_that_panics_stops_the_log_and_the_others_are_woken() {
    let (_hooks, _disk, wal) = watched("nowhere");
    wal.stage(1, &[b"x"]).unwrap();
    let mut fragile = Box::pin(wal.when_durable(Lsn::new(1000)));
    let waker = Waker::from(Arc::new(FragileWaker));
    assert!(fragile.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let mut first = Box::pin(wal.when_durable(Lsn::new(2)));
    assert!(first.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let woken = wal.subscribe();
    append(&wal, b"the second");
    let never = block_on(woken.reached(Lsn::new(1000)));
    assert!(matches!(never, Err(Error::Poisoned { .. })), "{never:?}");
    assert_stopped_by(&wal, "wake a future");
}

#[test]
fn a_panic_about_an_append_goes_through_to_who_appends_and_the_log_goes_on() {
    let (_hooks, disk, wal) = watched("append");
    let appending = wal.clone();
    let panicked = std::thread::spawn(move || drop(appending.append(1, &[b"taken"]))).join();
    assert!(panicked.is_err());
    assert_eq!(wal.last_lsn(), Lsn::new(1), "taken all the same");
    wal.sync_to(Lsn::new(1)).unwrap();
    assert!(wal.stopped().is_none());
    drop(wal);
    assert_eq!(crate::open(&disk).unwrap().1.last_lsn(), Lsn::new(1));
}
