//! [`SimIo`]: the simulated disk as an [`Io`], and its lives.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::disk::Disk;
use crate::io::{Io, IoFile, LockGuard, OpenMode};

/// A disk in memory. Clones are the same disk.
#[derive(Clone)]
pub struct SimIo {
    disk: Arc<Mutex<Disk>>,
}

impl SimIo {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        Self::of(Disk::new(seed))
    }

    pub(super) fn of(disk: Disk) -> Self {
        Self { disk: Arc::new(Mutex::new(disk)) }
    }

    pub(super) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of the disk as it is, with another future.
    #[must_use]
    pub fn fork(&self, seed: u64) -> Self {
        let mut disk = self.disk().clone();
        disk.reseed(seed);
        Self::of(disk)
    }

    /// The power goes and comes back: what was not synced is lost, kept or torn. Open files and locks are void.
    pub fn cut_power(&self) {
        self.disk().cut_power();
    }

    /// The process dies: open files and locks are void, everything written stays as it is shown.
    pub fn kill(&self) {
        self.disk().kill();
    }

    /// Whether the power went.
    pub fn is_dark(&self) -> bool {
        self.disk().dark
    }

    /// The file as it is shown; `None` if there is none.
    pub fn contents(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        self.disk().contents(path.as_ref())
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

    /// How much of the time that passed was the disk's work.
    pub fn busy_time(&self) -> Duration {
        self.disk().busy
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
