//! The simulated disk, with a scheduling point before each call, and an eye on what may not happen.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quorate_wal::io::{LockGuard, OpenMode};
use quorate_wal::testkit::SimIo;
use quorate_wal::{Error, Io, IoFile, Lsn, Machine};
use shuttle::rand::RngCore;
use shuttle::sync::atomic::AtomicU64;

use crate::options;

/// How far the clock goes each time somebody looks at it, so that timers come to an end. A sync takes 80 µs.
const TICK: Duration = Duration::from_micros(20);

/// Records as (LSN, payload).
pub type Records = Vec<(Lsn, Vec<u8>)>;

#[derive(Clone)]
pub struct Disk {
    pub sim: SimIo,
    watch: Arc<Watch>,
}

#[derive(Default)]
struct Watch {
    /// The checker's: it may run others before each call that is counted.
    calls: AtomicU64,
    /// The log's lock was let go: the directory may be another's.
    released: AtomicBool,
    /// A sync failed: nothing may be written any more.
    failed: AtomicBool,
}

impl Watch {
    fn call(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
    }

    fn change(&self) {
        self.call();
        assert!(!self.released.load(Ordering::SeqCst), "the disk was changed after the lock was let go");
        assert!(!self.failed.load(Ordering::SeqCst), "the disk was changed after a sync had failed");
    }
}

struct WatchedFile {
    file: Arc<dyn IoFile>,
    watch: Arc<Watch>,
}

struct WatchedLock {
    #[expect(dead_code, reason = "dropping it releases the lock")]
    lock: Box<dyn LockGuard>,
    watch: Arc<Watch>,
}

impl Disk {
    pub fn new() -> Self {
        Self { sim: SimIo::new(1), watch: Arc::default() }
    }

    /// The same disk, for who opens the log anew.
    pub fn reopened(&self) -> Self {
        Self { sim: self.sim.clone(), watch: Arc::default() }
    }

    /// What a restart would find if the power went now.
    pub fn after_power_cut(&self) -> Records {
        let fork = self.sim.fork(shuttle::rand::thread_rng().next_u64());
        fork.cut_power();
        records(&fork)
    }

    /// What a restart would find if the process died now.
    pub fn after_kill(&self) -> Records {
        let fork = self.sim.fork(0);
        fork.kill();
        records(&fork)
    }

    /// A power cut now would leave what was acknowledged.
    #[track_caller]
    pub fn assert_safe(&self, lsn: Lsn, payload: &[u8]) {
        assert_holds(&self.after_power_cut(), lsn, payload);
    }
}

#[track_caller]
pub fn assert_holds(found: &Records, lsn: Lsn, payload: &[u8]) {
    let record = found.iter().find(|(found, _)| *found == lsn);
    assert_eq!(record.map(|(_, payload)| &payload[..payload.len().min(2)]), Some(payload), "{lsn:?}");
}

/// All that is there, on a disk that fails no more.
fn records(sim: &SimIo) -> Records {
    sim.set_capacity(None);
    sim.fail_sync_after(u64::MAX);
    let io: Arc<dyn Io> = Arc::new(sim.clone());
    let opened = Machine::open(&options(), &io).unwrap();
    let mut all = Records::new();
    let replay = opened.recovery.replay(opened.recovery.oldest_lsn()).unwrap();
    let note = |record: quorate_wal::Record<'_>| {
        all.push((record.lsn, record.payload.to_vec()));
        Ok::<(), Error>(())
    };
    replay.for_each(note).unwrap();
    all
}

impl Io for Disk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn IoFile>> {
        self.watch.call();
        let file = self.sim.open(path, mode)?;
        Ok(Arc::new(WatchedFile { file, watch: Arc::clone(&self.watch) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.watch.change();
        self.sim.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.watch.change();
        self.sim.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.watch.call();
        self.sim.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.sim.create_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.watch.change();
        self.sim.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn LockGuard>> {
        let lock = self.sim.lock(path)?;
        Ok(Box::new(WatchedLock { lock, watch: Arc::clone(&self.watch) }))
    }

    fn fill_random(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.sim.fill_random(bytes)
    }

    fn monotonic(&self) -> Duration {
        self.sim.advance(TICK);
        self.sim.monotonic()
    }

    fn unix_ms(&self) -> u64 {
        self.sim.unix_ms()
    }
}

impl IoFile for WatchedFile {
    fn pread(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.watch.call();
        self.file.pread(buf, offset)
    }

    fn pwrite(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.watch.change();
        self.file.pwrite(buf, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.watch.change();
        let synced = self.file.sync_data();
        self.watch.failed.fetch_or(synced.is_err(), Ordering::SeqCst);
        synced
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}

impl LockGuard for WatchedLock {}

impl Drop for WatchedLock {
    fn drop(&mut self) {
        self.watch.released.store(true, Ordering::SeqCst);
    }
}
