//! A simulated disk, to crash-test this log and *your own* replay code.
//!
//! [`SimIo`] is an [`Io`] in memory that keeps apart what a program sees and what is on the disk. Everything about it
//! is decided by its seed and the calls made to it.
//!
//! ```
//! use std::sync::Arc;
//! use quorate_wal::testkit::SimIo;
//! use quorate_wal::{Chores, Lsn, Options, Wal};
//!
//! let disk = SimIo::new(7);
//! let options = Options::new("/log").segment_bytes(16 << 10).chores(Chores::Inline);
//! let (wal, _) = Wal::open(&options, Arc::new(disk.clone()))?;
//! wal.append(1, &[b"safe"])?.wait()?;
//! drop(wal.append(1, &[b"nobody was told"])?);
//!
//! disk.cut_power();
//! let (_, recovery) = Wal::open(&options, Arc::new(disk.clone()))?;
//! assert_eq!(recovery.last_lsn(), Lsn::new(1));
//! # Ok::<(), quorate_wal::Error>(())
//! ```
//!
//! What it does at a power cut, per file: un-synced writes are all lost, all kept, kept up to some point with the last
//! one torn, or kept sector by sector at random, with garbage where the head was just writing; names made, renamed or
//! removed and not synced persist or vanish each by itself. On demand: a sync that fails and throws the pages away
//! while reads go on showing them, a full disk, short and interrupted writes, unreadable files, flipped bits, and
//! power that goes at the n-th operation.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::io::{Io, IoFile, LockGuard, OpenMode};

mod disk;
mod random;

use disk::Disk;
pub use random::SplitMix;

/// A disk in memory. Clones are the same disk.
#[derive(Clone)]
pub struct SimIo {
    disk: Arc<Mutex<Disk>>,
}

impl SimIo {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        Self { disk: Arc::new(Mutex::new(Disk::new(seed))) }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of the disk as it is, with another future.
    #[must_use]
    pub fn fork(&self, seed: u64) -> Self {
        let mut disk = self.disk().clone();
        disk.reseed(seed);
        Self { disk: Arc::new(Mutex::new(disk)) }
    }

    /// The power goes and comes back: what was not synced is lost, kept or torn. Open files and locks are void.
    pub fn cut_power(&self) {
        self.disk().cut_power();
    }

    /// The process dies: open files and locks are void, everything written stays as it is shown.
    pub fn kill(&self) {
        self.disk().kill();
    }

    /// The power goes at the `operations`-th change from now (1: the next), which is not carried out; until
    /// [`SimIo::cut_power`] everything then fails.
    pub fn cut_power_after(&self, operations: u64) {
        self.disk().plan.power_cut_in = Some(operations);
    }

    /// Whether the power went.
    pub fn is_dark(&self) -> bool {
        self.disk().dark
    }

    /// The `syncs`-th sync of a file from now (1: the next) fails, once, and throws the pages away.
    pub fn fail_sync_after(&self, syncs: u64) {
        self.disk().plan.sync_failure_in = Some(syncs);
    }

    /// The `writes`-th write from now (1: the next) fails, once, and writes nothing.
    pub fn fail_write_after(&self, writes: u64) {
        self.disk().plan.write_failure_in = Some(writes);
    }

    /// One write in `one_in` is short, one in `one_in` interrupted; 0 turns it off.
    pub fn short_writes(&self, one_in: u64) {
        self.disk().plan.short_one_in = one_in;
    }

    /// Room for this many bytes of file contents; `None`: no bound.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.disk().plan.capacity = bytes;
    }

    /// Reads of this file fail from now on.
    pub fn fail_reads(&self, path: impl Into<PathBuf>) {
        self.disk().plan.unreadable.insert(path.into());
    }

    /// Flips a bit on the disk. Panics if there is no such byte.
    pub fn flip_bit(&self, path: impl AsRef<Path>, offset: u64, bit: u8) {
        self.disk().flip_bit(path.as_ref(), offset, bit);
    }

    /// The file as it is shown; `None` if there is none.
    pub fn contents(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        self.disk().contents(path.as_ref())
    }

    /// Makes a file with these contents, durable at once.
    pub fn set_contents(&self, path: impl Into<PathBuf>, contents: Vec<u8>) {
        self.disk().set_contents(path.into(), contents);
    }

    /// Removes a file, durably, behind everybody's back.
    pub fn vanish(&self, path: impl AsRef<Path>) {
        self.disk().vanish(path.as_ref());
    }

    /// All files, sorted.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.disk().paths()
    }

    /// Changes carried out so far: writes, syncs, names.
    pub fn operations(&self) -> u64 {
        self.disk().operations
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.disk().clock += by;
    }
}

struct SimFile {
    disk: Arc<Mutex<Disk>>,
    inode: u64,
    life: u64,
    writable: bool,
}

impl SimFile {
    fn disk(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        if disk.life != self.life {
            return Err(io::Error::other("this handle belongs to an earlier life of the machine"));
        }
        Ok(disk)
    }
}

struct SimLock {
    disk: Arc<Mutex<Disk>>,
    path: PathBuf,
    life: u64,
}

impl LockGuard for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        if disk.life == self.life {
            disk.locks.remove(&self.path);
        }
    }
}

impl Io for SimIo {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn IoFile>> {
        let mut disk = self.disk();
        let inode = disk.open(path, mode)?;
        let (life, writable) = (disk.life, mode != OpenMode::Read);
        Ok(Arc::new(SimFile { disk: Arc::clone(&self.disk), inode, life, writable }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk().rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk().remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk().list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk().create_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk().sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn LockGuard>> {
        let mut disk = self.disk();
        if !disk.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock { disk: Arc::clone(&self.disk), path: path.to_owned(), life: disk.life }))
    }

    fn fill_random(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.disk().fill_random(bytes);
        Ok(())
    }

    fn monotonic(&self) -> Duration {
        self.disk().clock
    }

    fn unix_ms(&self) -> u64 {
        self.disk().clock.as_millis() as u64
    }
}

impl IoFile for SimFile {
    fn pread(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk()?.pread(self.inode, buf, offset)
    }

    fn pwrite(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.disk()?.pwrite(self.inode, buf, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk()?.sync_data(self.inode)
    }

    fn len(&self) -> io::Result<u64> {
        self.disk()?.len(self.inode)
    }
}
