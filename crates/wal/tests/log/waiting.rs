//! Waiting for the disk: leaders, followers, the flusher, futures, callbacks. Real threads, real or simulated files.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use quorate_wal::testkit::SimIo;
use quorate_wal::{Chores, Error, Io, IoFile, Lead, Lsn, Options, Recovery, StdIo, SyncPolicy, Wal};

use crate::{PATIENCE, block_on, open, options, records, shared};

/// A disk whose syncs wait until they are let through.
#[derive(Clone)]
pub struct Gate {
    pub disk: SimIo,
    open: Arc<(Mutex<Permits>, Condvar)>,
    clock: Arc<ClockReads>,
}

/// Who looked at the clock.
#[derive(Default)]
struct ClockReads {
    count: AtomicU64,
    latest_nanos: AtomicU64,
}

#[derive(Default)]
struct Permits {
    closed: bool,
    waiting: u64,
    let_through: u64,
}

struct GatedFile {
    file: Arc<dyn IoFile>,
    gate: Arc<(Mutex<Permits>, Condvar)>,
}

impl Gate {
    pub fn new() -> Self {
        Self { disk: SimIo::new(1), open: Arc::default(), clock: Arc::default() }
    }

    pub fn close(&self) {
        self.open.0.lock().unwrap().closed = true;
    }

    pub fn open(&self) {
        self.open.0.lock().unwrap().closed = false;
        self.open.1.notify_all();
    }

    /// Waits until `count` syncs have arrived at the closed gate.
    pub fn await_arrivals(&self, count: u64) {
        let permits = self.open.0.lock().unwrap();
        let (_permits, waited) =
            self.open.1.wait_timeout_while(permits, PATIENCE, |permits| permits.waiting < count).unwrap();
        assert!(!waited.timed_out(), "no sync arrived");
    }

    /// Waits until somebody looked at the clock `count` times more.
    pub fn await_clock_reads(&self, count: u64) {
        let before = self.clock.count.load(Ordering::SeqCst);
        await_until("nobody looks at the clock", || {
            self.clock.count.load(Ordering::SeqCst) >= before + count
        });
    }

    /// Moves the clock, and waits until somebody saw it.
    pub fn advance_and_be_seen(&self, by: Duration) {
        self.disk.advance(by);
        let now = nanos(self.disk.monotonic());
        await_until("nobody sees the time", || self.clock.latest_nanos.load(Ordering::SeqCst) >= now);
    }

    pub fn syncs(&self) -> u64 {
        self.open.0.lock().unwrap().let_through
    }
}

impl IoFile for GatedFile {
    fn pread(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize> {
        self.file.pread(buf, offset)
    }
    fn pwrite(&self, buf: &[u8], offset: u64) -> std::io::Result<usize> {
        self.file.pwrite(buf, offset)
    }
    fn len(&self) -> std::io::Result<u64> {
        self.file.len()
    }
    fn sync_data(&self) -> std::io::Result<()> {
        let mut permits = self.gate.0.lock().unwrap();
        permits.waiting += 1;
        self.gate.1.notify_all();
        let mut permits = self.gate.1.wait_while(permits, |permits| permits.closed).unwrap();
        permits.waiting -= 1;
        permits.let_through += 1;
        drop(permits);
        self.file.sync_data()
    }
}

impl Io for Gate {
    fn open(
        &self,
        path: &std::path::Path,
        mode: quorate_wal::io::OpenMode,
    ) -> std::io::Result<Arc<dyn IoFile>> {
        let file = self.disk.open(path, mode)?;
        Ok(Arc::new(GatedFile { file, gate: Arc::clone(&self.open) }))
    }
    fn rename(&self, from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &std::path::Path) -> std::io::Result<()> {
        self.disk.remove(path)
    }
    fn list(&self, dir: &std::path::Path) -> std::io::Result<Vec<String>> {
        self.disk.list(dir)
    }
    fn create_dir(&self, dir: &std::path::Path) -> std::io::Result<()> {
        self.disk.create_dir(dir)
    }
    fn sync_dir(&self, dir: &std::path::Path) -> std::io::Result<()> {
        self.disk.sync_dir(dir)
    }
    fn lock(&self, path: &std::path::Path) -> std::io::Result<Box<dyn quorate_wal::io::LockGuard>> {
        self.disk.lock(path)
    }
    fn fill_random(&self, bytes: &mut [u8]) -> std::io::Result<()> {
        self.disk.fill_random(bytes)
    }
    fn monotonic(&self) -> Duration {
        let now = self.disk.monotonic();
        self.clock.latest_nanos.fetch_max(nanos(now), Ordering::SeqCst);
        self.clock.count.fetch_add(1, Ordering::SeqCst);
        now
    }
    fn unix_ms(&self) -> u64 {
        self.disk.unix_ms()
    }
}

fn nanos(time: Duration) -> u64 {
    time.as_nanos().try_into().unwrap()
}

pub fn await_until(otherwise: &str, mut is_so: impl FnMut() -> bool) {
    let came = (0..PATIENCE.as_millis()).any(|_| {
        thread::park_timeout(Duration::from_millis(1));
        is_so()
    });
    assert!(came, "{otherwise}");
}

pub fn gated() -> (Gate, Wal) {
    let gate = Gate::new();
    let (wal, _) = Wal::open(&options().segment_bytes(1 << 20), Arc::new(gate.clone())).unwrap();
    (gate, wal)
}

#[test]
fn who_comes_during_a_sync_is_carried_together_by_the_next() {
    let (gate, wal) = gated();
    let before = gate.syncs();
    gate.close();
    thread::scope(|scope| {
        let leader = scope.spawn(|| wal.append(1, &[b"leader"]).unwrap().wait());
        gate.await_arrivals(1);
        let (staged, all_staged) = mpsc::channel();
        let followers: Vec<_> = (0..16)
            .map(|_| {
                let (wal, staged) = (wal.clone(), staged.clone());
                scope.spawn(move || {
                    let append = wal.append(1, &[b"follower"]).unwrap();
                    staged.send(()).unwrap();
                    append.wait()
                })
            })
            .collect();
        (0..16).for_each(|_| all_staged.recv().unwrap());
        assert_eq!(wal.durable_lsn(), Lsn::ZERO, "nothing is durable while the sync runs");
        gate.open();
        assert_eq!(leader.join().unwrap().unwrap(), Lsn::new(1));
        for follower in followers {
            assert!(follower.join().unwrap().unwrap() > Lsn::new(1));
        }
    });
    assert_eq!(gate.syncs() - before, 2, "one for the leader, one for all the others");
    assert_eq!(wal.durable_lsn(), Lsn::new(17));
}

#[test]
fn try_lead_returns_at_once_while_another_leads_and_its_records_are_carried_all_the_same() {
    let (gate, wal) = gated();
    let (told, durable) = mpsc::channel();
    let told = Mutex::new(told);
    wal.on_durable(Arc::new(move |lsn| told.lock().unwrap().send(lsn).unwrap_or_default()));
    gate.close();
    thread::scope(|scope| {
        wal.stage(1, &[b"leader"]).unwrap();
        let leader = scope.spawn(|| wal.try_lead());
        gate.await_arrivals(1);
        let late = wal.stage(1, &[b"late"]).unwrap();
        assert_eq!(wal.try_lead().unwrap(), Lead::HandedOver, "does not wait");
        gate.open();
        assert!(matches!(leader.join().unwrap().unwrap(), Lead::Led(_)));
        // Nobody asks again: the hand-off alone must see to it.
        while durable.recv_timeout(PATIENCE).expect("the late record is carried") < late {}
    });
    assert_eq!(wal.durable_lsn(), Lsn::new(2));
}

#[test]
fn try_lead_alone_writes_and_syncs_in_the_callers_thread() {
    let disk = SimIo::new(1);
    let (wal, _) = open(&disk).unwrap();
    assert_eq!(wal.try_lead().unwrap(), Lead::Led(Lsn::ZERO), "nothing to do");
    wal.stage(1, &[b"a"]).unwrap();
    wal.stage(1, &[b"b"]).unwrap();
    assert_eq!(wal.try_lead().unwrap(), Lead::Led(Lsn::new(2)));
    let stats = wal.stats();
    assert_eq!((stats.batches, stats.syncs, stats.batch_records, stats.flusher_batches), (1, 1, 2, 0));
    assert!(wal.recent_sync() > Duration::ZERO);
}

#[test]
fn futures_are_woken_by_the_flusher_on_any_executor() {
    let disk = SimIo::new(1);
    let (wal, _) = open(&disk).unwrap();
    assert_eq!(block_on(wal.append(1, &[b"awaited"]).unwrap()).unwrap(), Lsn::new(1));
    let all: Vec<_> = (0..100).map(|_| wal.append(1, &[b"x"]).unwrap()).collect();
    for append in all {
        block_on(append).unwrap();
    }
    assert_eq!(wal.durable_lsn(), Lsn::new(101));
    assert_eq!(block_on(wal.when_durable(Lsn::new(50))).unwrap(), Lsn::new(50));
}

#[test]
fn a_thousand_futures_on_one_thread_share_few_syncs() {
    let (gate, wal) = gated();
    let before = gate.syncs();
    gate.close();
    let mut appends: Vec<_> = (0..1000).map(|_| Box::pin(wal.append(1, &[b"x"]).unwrap())).collect();
    let waker = Waker::noop();
    for append in &mut appends {
        assert!(append.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
    }
    gate.open();
    for append in appends {
        block_on(append).unwrap();
    }
    assert!(gate.syncs() - before <= 2, "{} syncs", gate.syncs() - before);
}

#[test]
fn a_poisoned_log_wakes_futures_and_callbacks_with_the_error() {
    let disk = SimIo::new(1);
    let (wal, _) = open(&disk).unwrap();
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    wal.on_durable(Arc::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    }));
    disk.fail_sync_after(1);
    let Err(Error::Poisoned { action, .. }) = block_on(wal.append(1, &[b"x"]).unwrap()) else {
        panic!("durable")
    };
    assert_eq!(action, "sync");
    drop(wal);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn interval_acknowledges_when_written_and_a_timer_syncs_the_last_record() {
    let disk = SimIo::new(1);
    let policy = SyncPolicy::Interval { every: Duration::from_millis(5) };
    let (wal, _) = Wal::open(&options().sync(policy), shared(&disk)).unwrap();
    let (told, durable) = mpsc::channel();
    let told = Mutex::new(told);
    wal.on_durable(Arc::new(move |lsn| told.lock().unwrap().send(lsn).unwrap_or_default()));
    let lsn = wal.append(1, &[b"last"]).unwrap().wait().unwrap();
    assert!(wal.committed_lsn() >= lsn);
    // The simulated clock stands; once it passes the interval, the timer finds the record without being asked.
    while wal.durable_lsn() < lsn {
        disk.advance(Duration::from_millis(5));
        let _told = durable.recv_timeout(Duration::from_millis(1));
    }
}

#[test]
fn interval_syncs_by_the_next_append_when_the_timer_is_late() {
    let disk = SimIo::new(1);
    let every = Duration::from_hours(1);
    let (wal, _) = Wal::open(&options().sync(SyncPolicy::Interval { every }), shared(&disk)).unwrap();
    let append = || wal.append(1, &[b"x"]).unwrap().wait().unwrap();
    append();
    append();
    assert_eq!((wal.committed_lsn(), wal.durable_lsn()), (Lsn::new(2), Lsn::ZERO));
    // The simulated clock passes the hour; the timer, which sleeps by a real one, knows nothing of it.
    disk.advance(every);
    append();
    assert_eq!(wal.durable_lsn(), Lsn::new(3), "nobody is acknowledged on top of an overdue sync");
    append();
    assert_eq!(wal.durable_lsn(), Lsn::new(3), "and the interval begins anew");
}

#[test]
fn who_waits_when_the_last_handle_goes_is_told_so_and_nothing_is_written_after_the_lock_is_free() {
    let (gate, wal) = gated();
    gate.close();
    thread::scope(|scope| {
        let leading = wal.append(1, &[b"on its way"]).unwrap();
        let leader = scope.spawn(move || leading.wait());
        gate.await_arrivals(1);
        let mut awaited = Box::pin(wal.append(1, &[b"awaited"]).unwrap());
        let blocked = wal.append(1, &[b"blocked"]).unwrap();
        let late = wal.append(1, &[b"nobody waits yet"]).unwrap();
        let waiting = scope.spawn(move || blocked.wait());
        assert!(awaited.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let dropped = scope.spawn(move || drop(wal));
        assert!(matches!(block_on(awaited), Err(Error::Dropped { .. })), "told at once");
        let refused = Wal::open(&options(), Arc::new(gate.clone())).map(drop);
        assert!(matches!(refused, Err(Error::Locked { .. })), "a sync is under way: {refused:?}");
        gate.open();
        dropped.join().unwrap();
        assert_eq!(leader.join().unwrap().unwrap(), Lsn::new(1), "what was under way is finished");
        assert!(matches!(waiting.join().unwrap(), Err(Error::Dropped { .. })));
        let before = gate.disk.operations();
        let Err(Error::Dropped { durable, .. }) = late.wait() else { panic!("acknowledged") };
        assert_eq!((durable, gate.disk.operations()), (Lsn::ZERO, before), "no lock, no write");
    });
    let (_wal, recovery) = open(&gate.disk).unwrap();
    assert_eq!(recovery.last_lsn(), Lsn::new(1));
}

#[test]
fn one_durable_append_under_policy_os_makes_its_whole_batch_durable() {
    let disk = SimIo::new(1);
    let (wal, _) = Wal::open(&options().sync(SyncPolicy::Os), shared(&disk)).unwrap();
    wal.append(1, &[b"written"]).unwrap().wait().unwrap();
    assert_eq!((wal.committed_lsn(), wal.durable_lsn()), (Lsn::new(1), Lsn::ZERO));
    wal.append(1, &[b"weak"]).map(drop).unwrap();
    let strict = wal.append_durable(1, &[b"strict"]).unwrap();
    wal.append(1, &[b"weak"]).unwrap().wait().unwrap();
    assert!(strict.is_done(), "whoever leads syncs for the strictest member");
    assert_eq!(wal.durable_lsn(), Lsn::new(4));
}

#[test]
fn what_was_written_under_policy_os_survives_the_process() {
    let disk = SimIo::new(1);
    let (wal, _) = Wal::open(&options().sync(SyncPolicy::Os), shared(&disk)).unwrap();
    wal.append(1, &[b"written"]).unwrap().wait().unwrap();
    drop(wal);
    disk.kill();
    let (_wal, recovery) = open(&disk).unwrap();
    assert_eq!(recovery.last_lsn(), Lsn::new(1));
}

/// All ways to wait at once, on real files, with rotation, preparation and recycling in their thread.
#[test]
fn many_threads_waiting_in_every_way_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options =
        Options::new(dir.path()).segment_bytes(128 << 10).staged_bytes_max(1 << 20).chores(Chores::Thread);
    let (wal, _) = Wal::open(&options, StdIo::shared()).unwrap();
    let taken: Vec<Vec<(u64, u64)>> = thread::scope(|scope| {
        let mut writers = Vec::new();
        for writer in 0..8_u64 {
            let wal = wal.clone();
            writers.push(scope.spawn(move || {
                (0..150).map(|n| (waited(&wal, writer, n).get(), writer << 32 | n)).collect()
            }));
        }
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    drop(wal);
    let (_wal, recovery): (Wal, Recovery) = Wal::open(&options, StdIo::shared()).unwrap();
    let mut expected: Vec<_> = taken.concat();
    expected.sort_unstable();
    let found: Vec<_> = records(&recovery)
        .unwrap()
        .into_iter()
        .map(|(lsn, _, payload)| (lsn, u64::from_le_bytes(payload[..8].try_into().unwrap())))
        .collect();
    assert_eq!(found, expected);
}

fn waited(wal: &Wal, writer: u64, n: u64) -> Lsn {
    let payload = (writer << 32 | n).to_le_bytes();
    let parts: &[&[u8]] = &[&payload, &[0; 300]];
    match writer % 4 {
        0 => wal.append(1, parts).unwrap().wait().unwrap(),
        1 => block_on(wal.append(1, parts).unwrap()).unwrap(),
        2 => {
            let lsn = wal.stage(1, parts).unwrap();
            while wal.try_lead().unwrap() == Lead::HandedOver && wal.durable_lsn() < lsn {
                thread::yield_now();
            }
            wal.sync_to(lsn).unwrap();
            lsn
        }
        _ => {
            let lsn = wal.stage(1, parts).unwrap();
            wal.request_sync();
            block_on(wal.when_durable(lsn)).unwrap()
        }
    }
}

#[test]
fn the_preparer_thread_makes_segments_ahead_and_recycles_what_a_checkpoint_gives_back() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options::new(dir.path()).segment_bytes(64 << 10).chores(Chores::Thread);
    let (wal, _) = Wal::open(&options, StdIo::shared()).unwrap();
    let mut last = Lsn::ZERO;
    while wal.stats().rotations < 20 {
        last = wal.append(1, &[&[1; 4000]]).unwrap().wait().unwrap();
        wal.checkpoint(last);
    }
    while wal.stats().segments > 1 {
        thread::yield_now();
    }
    assert!(wal.oldest_lsn() > Lsn::new(1));
    wal.close().unwrap();
    drop(wal);
    let files = StdIo.list(dir.path()).unwrap();
    assert!(files.len() < 10, "recycled, not piled up: {files:?}");
    let (_wal, recovery) = Wal::open(&options, StdIo::shared()).unwrap();
    assert_eq!(recovery.last_lsn(), last);
}
