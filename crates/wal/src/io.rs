//! The file system as the log sees it.
//!
//! [`Io`] is everything this crate asks of the outside: files, directories, a clock, a random source. Two
//! implementations ship: [`StdIo`] and the simulated disk [`testkit::SimIo`](crate::testkit::SimIo).
//!
//! The contract, which both hold:
//! - what was written is safe after [`IoFile::sync_data`] returned `Ok`, and not before;
//! - a created, renamed or removed name, a directory's too, is safe after [`Io::sync_dir`] of the directory it is in
//!   returned `Ok`, if that directory is safe itself;
//! - after a file's sync returned an error nothing is known about what was written since the last good one, and a later
//!   `Ok` does not mend it. (Names are journalled: of a directory, a later `Ok` covers what an earlier one did not.)

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::mutants::{Mutant, planted};

mod std_io;
mod writer;

pub use std_io::StdIo;
pub use writer::FileWriter;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, to read.
    Read,
    /// An existing file, to read and write.
    ReadWrite,
    /// A new file, to read and write; an existing one is emptied.
    Create,
}

/// The outside world: one file system, one clock, one random source.
pub trait Io: Send + Sync {
    /// Opens or creates a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn IoFile>>;
    /// Gives `from` the name `to`, atomically replacing what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file's name.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes a directory; fine if it is there. What it is to lie in must be: else [`io::ErrorKind::NotFound`]. Its name is
    /// not durable before a [`Io::sync_dir`], as a file's is not: see [`Io::ensure_dir`].
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes the exclusive lock on a file, made if need be, until the guard is dropped.
    /// Held elsewhere: [`io::ErrorKind::WouldBlock`], at once.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn LockGuard>>;
    /// Fills `bytes` with random bits.
    fn fill_random(&self, bytes: &mut [u8]) -> io::Result<()>;
    /// Time since some fixed moment; never runs backwards.
    fn monotonic(&self) -> Duration;
    /// Wall clock, milliseconds since 1970; informative only.
    fn unix_ms(&self) -> u64;

    /// Sees to it that a directory is there, durably: makes it, and what it lies in, if need be. Of each that it makes,
    /// of the one that all of them lie in, and of `dir` though it was there, it syncs the directory that has the name: whoever
    /// made it, before a crash or in another process, may not have done that.
    fn ensure_dir(&self, dir: &Path) -> io::Result<()> {
        match self.list(dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.ensure_dir(parent_of(dir).ok_or(e)?)?;
                self.create_dir(dir)?;
            }
            there => drop(there?),
        }
        match parent_of(dir) {
            _ if planted(Mutant::NoParentDirSync) => Ok(()),
            // `.` and `..` say nothing of where they lie.
            Some(_) if dir.file_name().is_none() => self.sync_dir(&dir.join("..")),
            Some(parent) => self.sync_dir(parent),
            None => Ok(()),
        }
    }

    /// The whole file, if it has at most `bytes_max` bytes; larger: [`io::ErrorKind::FileTooLarge`], nothing read.
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let file = self.open(path, OpenMode::Read)?;
        let bytes = file.len()?;
        if bytes > bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut contents = vec![0; usize::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)?];
        file.read_exact_at(&mut contents, 0)?;
        Ok(contents)
    }

    /// Makes `contents` the contents of `path`, atomically and durably: written beside (`path` with `.tmp` added),
    /// synced, renamed, directory synced. On an error `path` holds the old contents or the new, never a mixture.
    fn replace(&self, path: &Path, contents: &[u8]) -> io::Result<()> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".tmp");
        let beside = Path::new(&beside);
        let file = self.open(beside, OpenMode::Create)?;
        file.write_all_at(contents, 0)?;
        file.sync_data()?;
        self.rename(beside, path)?;
        self.sync_dir(parent_of(path).unwrap_or(Path::new(".")))
    }
}

/// An open file. Positions are explicit, so that threads share one handle.
pub trait IoFile: Send + Sync {
    /// Reads at most `buf.len()` bytes at `offset`; 0 is the end of the file.
    fn pread(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at most `buf.len()` bytes at `offset`, growing the file if need be.
    fn pwrite(&self, buf: &[u8], offset: u64) -> io::Result<usize>;
    /// Makes everything written so far (and the length) durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Bytes in the file.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// A read-only map of the whole file, where that is to be had.
    ///
    /// # Safety
    /// Nobody writes to the file, or cuts it short, until the map is dropped: not by this handle, nor by another, nor in
    /// another process.
    #[cfg(feature = "mmap")]
    #[allow(unsafe_code)]
    unsafe fn map(&self) -> io::Result<Option<Map>> {
        Ok(None)
    }

    /// Writes all of `buf`, repeating short and interrupted writes.
    fn write_all_at(&self, mut buf: &[u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match self.pwrite(buf, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    buf = &buf[n..];
                    offset += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Fills as much of `buf` as the file has; returns the bytes filled.
    fn read_at_most(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.pread(&mut buf[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(filled)
    }

    /// Fills `buf`; a file that ends before: [`io::ErrorKind::UnexpectedEof`].
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if self.read_at_most(buf, offset)? < buf.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

/// Keeps a lock until dropped.
pub trait LockGuard: Send + Sync {}

/// A file's bytes in memory, read-only.
#[cfg(feature = "mmap")]
pub type Map = Box<dyn AsRef<[u8]> + Send + Sync>;

/// The directory that has the name of `path`; of a root, none.
fn parent_of(path: &Path) -> Option<&Path> {
    path.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
}

/// 64 random bits.
pub(crate) fn random_u64(io: &dyn Io) -> io::Result<u64> {
    let mut bytes = [0; 8];
    io.fill_random(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}
