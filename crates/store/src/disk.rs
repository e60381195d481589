//! A node's data directory: what it holds, how it is opened, how it comes back.
//!
//! ```text
//! identity               whose it is                                   written once
//! MANIFEST               log id, replay point, ceiling, generation     replaced as a whole
//! lock                   held while a process has the directory
//! wal/                   the log (quorate-wal)
//! checkpoints/N-S.part   checkpoint N's records of shard S
//! hints/NODE/            hints kept for another node, each a log
//! ```
//!
//! Invariants:
//! - [`open`] returns after identity, manifest and log agree and a new generation is durable, or changes nothing
//!   that was there;
//! - the number of shards may differ from start to start: records are placed by their keys;
//! - a first start makes identity, log, manifest in this order, and a start that finds the first of them goes on; a
//!   log with records, or a checkpoint, without a manifest is a loss, never a first start.

mod checkpoints;
mod identity;
mod manifest;
mod part;
mod recovery;
mod sealed;

pub use checkpoints::{CheckpointRun, Checkpoints};
pub use identity::Identity;
pub use manifest::{Manifest, Part};
pub use part::{BLOCK_BYTES_MAX, PartDone, PartWriter, SLICE_BYTES_MAX};
pub use recovery::{OpenOptions, Opened, RecoveryReport, open, wal_dir};

use std::io::ErrorKind;
use std::path::Path;

use quorate_wal::Io;
use quorate_wal::io::LockGuard;

use crate::error::DiskError;

/// Makes `dir` and what it lies in, durably.
pub(crate) fn ensure_dir(io: &dyn Io, dir: &Path) -> Result<(), DiskError> {
    io.ensure_dir(dir).map_err(DiskError::io("create, or sync the directory above,", dir))
}

/// The names in `dir`; `None` if there is no such directory.
pub(crate) fn names(io: &dyn Io, dir: &Path) -> Result<Option<Vec<String>>, DiskError> {
    match io.list(dir) {
        Ok(names) => Ok(Some(names)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(DiskError::io("list", dir)(e)),
    }
}

fn lock(io: &dyn Io, dir: &Path) -> Result<Box<dyn LockGuard>, DiskError> {
    let path = dir.join("lock");
    io.lock(&path).map_err(|e| match e.kind() {
        ErrorKind::WouldBlock => DiskError::Locked { dir: dir.into() },
        _ => DiskError::io("lock", path)(e),
    })
}
