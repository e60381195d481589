//! The real disk, until it is told to fail or to wait.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use quorate_wal::io::{LockGuard, OpenMode};
use quorate_wal::{Io, IoFile, StdIo};

/// Every sync fails once [`Faulty::breaks`] was called; no file is opened between [`Faulty::hold`] and [`Faulty::let_go`].
pub(super) struct Faulty {
    disk: Arc<dyn Io>,
    broken: Arc<AtomicBool>,
    held: Mutex<bool>,
    let_go: Condvar,
}

struct FaultyFile {
    file: Arc<dyn IoFile>,
    broken: Arc<AtomicBool>,
}

impl Faulty {
    pub(super) fn new() -> Arc<Faulty> {
        Arc::new(Faulty {
            disk: StdIo::shared(),
            broken: Arc::default(),
            held: Mutex::default(),
            let_go: Condvar::new(),
        })
    }

    pub(super) fn hold(&self) {
        *self.held.lock().unwrap() = true;
    }

    pub(super) fn let_go(&self) {
        *self.held.lock().unwrap() = false;
        self.let_go.notify_all();
    }

    pub(super) fn breaks(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }
}

impl Io for Faulty {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn IoFile>> {
        drop(self.let_go.wait_while(self.held.lock().unwrap(), |held| *held).unwrap());
        let file = self.disk.open(path, mode)?;
        Ok(Arc::new(FaultyFile { file, broken: Arc::clone(&self.broken) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn LockGuard>> {
        self.disk.lock(path)
    }

    fn fill_random(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.disk.fill_random(bytes)
    }

    fn monotonic(&self) -> Duration {
        self.disk.monotonic()
    }

    fn unix_ms(&self) -> u64 {
        self.disk.unix_ms()
    }
}

impl IoFile for FaultyFile {
    fn pread(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.pread(buf, offset)
    }

    fn pwrite(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.file.pwrite(buf, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is broken"));
        }
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}
