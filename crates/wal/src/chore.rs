//! Chores: making the next segment ready, retiring old ones.
//!
//! They are effects of the machine like batches, but off the hot path and in no hurry.
//!
//! Invariants:
//! - a file gets the name of a segment only when its first 4 KiB are zero and durable: it never looks like one before
//!   it is one;
//! - segments retire oldest first, the directory synced after each: two renames at once could persist only the second,
//!   and leave a gap.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::io::{Io, IoFile, OpenMode, random_u64};
use crate::mutants::{Mutant, planted};
use crate::segment::{BLANK_BYTES, FileRole};

/// Zeros are written and synced in pieces of this size: a sync of the log waits for one of them at most. Eight times as
/// much stood in its way for 17 to 20 ms, one percent of the requests of a busy node (benches/RESULTS.md).
const ZERO_PIECE_BYTES: usize = 1 << 20;

/// Work off the hot path.
#[must_use = "the machine waits for `chore_completed`"]
#[derive(Debug)]
pub struct Chore(pub(crate) ChoreKind);

#[derive(Debug)]
pub(crate) enum ChoreKind {
    /// Make segment `index`, from the free file `from` if there is one.
    Prepare { index: u64, from: Option<u64>, segment_bytes: u64 },
    /// Take the oldest segment out of the log.
    Retire { index: u64, fate: Fate },
}

/// What becomes of a retired segment's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Spare,
    Removed,
}

/// How a chore went.
#[derive(Debug)]
pub struct ChoreDone(pub(crate) ChoreResult);

pub(crate) enum ChoreResult {
    Prepared(Prepared),
    Retired,
    /// Nothing of the log was touched; it can be tried again.
    Failed {
        source: io::Error,
    },
    /// The log's own files are in doubt.
    Broken {
        action: &'static str,
        source: io::Error,
    },
}

impl std::fmt::Debug for ChoreResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Prepared(prepared) => write!(f, "Prepared({})", prepared.index),
            Self::Retired => f.write_str("Retired"),
            Self::Failed { source } => write!(f, "Failed({source})"),
            Self::Broken { action, source } => write!(f, "Broken({action}: {source})"),
        }
    }
}

/// A segment without a header, ready for one.
pub(crate) struct Prepared {
    pub(crate) index: u64,
    pub(crate) epoch: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) created_unix_ms: u64,
    pub(crate) file: Arc<dyn IoFile>,
}

impl Chore {
    /// The segment it takes out of the log, if that is what it does.
    pub(crate) fn retires(&self) -> Option<u64> {
        if let ChoreKind::Retire { index, .. } = self.0 { Some(index) } else { None }
    }

    /// Does it; blocks for as long as the disk takes.
    pub fn carry_out(&self, io: &dyn Io, dir: &Path) -> ChoreDone {
        ChoreDone(match &self.0 {
            ChoreKind::Prepare { index, from, segment_bytes } => {
                prepare(io, dir, (*index, *from, *segment_bytes))
            }
            ChoreKind::Retire { index, fate } => match retire(io, dir, *index, *fate) {
                Ok(()) => ChoreResult::Retired,
                Err(source) => ChoreResult::Broken { action: "retire a segment", source },
            },
        })
    }
}

fn prepare(io: &dyn Io, dir: &Path, (index, from, segment_bytes): (u64, Option<u64>, u64)) -> ChoreResult {
    let source = FileRole::Free(from.unwrap_or(index)).path(dir);
    let file = match blank_file(io, &source, segment_bytes) {
        Ok(file) => file,
        Err(source) => return ChoreResult::Failed { source },
    };
    let epoch = match random_u64(io) {
        Ok(epoch) => epoch,
        Err(source) => return ChoreResult::Failed { source },
    };
    let syncs = !planted(Mutant::NoDirSyncAfterPrepare);
    let named = io.rename(&source, &FileRole::Segment(index).path(dir));
    match named.and_then(|()| if syncs { io.sync_dir(dir) } else { Ok(()) }) {
        Ok(()) => {
            let created_unix_ms = io.unix_ms();
            ChoreResult::Prepared(Prepared { index, epoch, segment_bytes, created_unix_ms, file })
        }
        Err(source) => ChoreResult::Broken { action: "name a prepared segment", source },
    }
}

/// `path` as a file of `bytes` bytes, allocated, whose first 4 KiB are zero, durable but for its name.
fn blank_file(io: &dyn Io, path: &Path, bytes: u64) -> io::Result<Arc<dyn IoFile>> {
    if let Ok(file) = io.open(path, OpenMode::ReadWrite)
        && file.len()? == bytes
    {
        if !planted(Mutant::RecycledNotBlanked) {
            file.write_all_at(&[0; BLANK_BYTES], 0)?;
        }
        fix_size(&*file, bytes)?;
        file.sync_data()?;
        return Ok(file);
    }
    let file = io.open(path, OpenMode::Create)?;
    if let Err(e) = fill_zero(&*file, bytes) {
        drop(file);
        // It is no part of the log; its room may help whoever filled the disk.
        drop(io.remove(path));
        return Err(e);
    }
    Ok(file)
}

/// Writes the last bytes anew: if the sync that covered them failed once, the file may be shorter than it is shown.
pub(crate) fn fix_size(file: &dyn IoFile, bytes: u64) -> io::Result<()> {
    file.write_all_at(&[0; 8], bytes - 8)
}

/// Overwrites the whole file with zeros and syncs it: later syncs then change no metadata, which makes them up to ten
/// times as fast as in a growing file.
pub(crate) fn fill_zero(file: &dyn IoFile, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; ZERO_PIECE_BYTES.min(bytes as usize)];
    let mut offset = 0;
    while offset < bytes {
        let piece = zeros.len().min((bytes - offset) as usize);
        file.write_all_at(&zeros[..piece], offset)?;
        file.sync_data()?;
        offset += piece as u64;
    }
    Ok(())
}

fn retire(io: &dyn Io, dir: &Path, index: u64, fate: Fate) -> io::Result<()> {
    let segment = FileRole::Segment(index).path(dir);
    match fate {
        Fate::Spare => io.rename(&segment, &FileRole::Free(index).path(dir))?,
        Fate::Removed => io.remove(&segment)?,
    }
    let is_second = index.is_multiple_of(2);
    if planted(Mutant::NoDirSyncAfterRetire) || planted(Mutant::TwoRetirementsInOneDirSync) && !is_second {
        return Ok(());
    }
    io.sync_dir(dir)
}
