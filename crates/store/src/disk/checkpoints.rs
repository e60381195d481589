//! Checkpoints: all records as they are now, so that the log before them can go.
//!
//! The order that makes every crash safe:
//! 1. each shard notes the LSN up to which it has applied everything, then its walk begins and its part is written
//!    beside whatever serves now;
//! 2. parts are synced, then their directory; the log is synced up to the replay point, the least of those LSNs;
//! 3. the manifest is replaced: from here on the new checkpoint serves;
//! 4. the log is cut up to the replay point, the old parts go.
//!
//! A crash before 3 leaves the old checkpoint and a log that reaches back to it, one after it the new checkpoint
//! and at worst a log longer than needed.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_types::mutants::{Mutant, planted};
use quorate_types::{Timestamp, crash_point};
use quorate_wal::io::LockGuard;
use quorate_wal::{Io, Lsn, Wal};

use super::manifest::Manifest;
use super::part::{PartDone, PartId, PartWriter};
use crate::error::DiskError;

/// The checkpoints of one data directory, and its lock.
pub struct Checkpoints {
    io: Arc<dyn Io>,
    dir: PathBuf,
    manifest: Manifest,
    begun: u64,
    /// A checkpoint whose manifest may or may not have reached the disk.
    in_doubt: Option<u64>,
    _lock: Box<dyn LockGuard>,
}

/// A checkpoint in the making. Dropped without [`Checkpoints::publish`], it leaves files that the next one removes.
pub struct CheckpointRun {
    io: Arc<dyn Io>,
    parts_dir: PathBuf,
    number: u64,
    shards: usize,
}

/// Where the parts of the data directory `dir` are.
pub(crate) fn parts_dir(dir: &Path) -> PathBuf {
    dir.join("checkpoints")
}

impl CheckpointRun {
    /// The file for one shard's walk. `applied`: the shard has applied all its records up to this LSN (nothing
    /// outstanding: the log's durable LSN) and its walk begins *after* this was noted.
    pub fn part(&self, shard: usize, applied: Lsn) -> Result<PartWriter, DiskError> {
        assert!(shard < self.shards, "shard {shard} of {}", self.shards);
        let id = PartId { checkpoint: self.number, shard: shard as u16 };
        PartWriter::create(&*self.io, &self.parts_dir, id, applied)
    }

    /// The checkpoint's number.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Checkpoints {
    pub(crate) fn new(
        io: Arc<dyn Io>,
        dir: &Path,
        manifest: Manifest,
        lock: Box<dyn LockGuard>,
    ) -> Checkpoints {
        let begun = manifest.checkpoint;
        Checkpoints { io, dir: dir.into(), manifest, begun, in_doubt: None, _lock: lock }
    }

    /// What serves now.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Begins a checkpoint of `shards` shards; removes what unfinished ones left.
    pub fn begin(&mut self, shards: usize) -> Result<CheckpointRun, DiskError> {
        self.sweep()?;
        crash_point!("checkpoint.begun");
        self.begun += 1;
        let (io, parts_dir) = (Arc::clone(&self.io), parts_dir(&self.dir));
        Ok(CheckpointRun { io, parts_dir, number: self.begun, shards })
    }

    /// Makes `run` the checkpoint that serves, then cuts `wal` up to its replay point and removes the old parts.
    ///
    /// `ceiling`: at least every clock ceiling that the log holds up to the replay point. On an error the
    /// old checkpoint or the new one serves, either is sound, and the log still reaches back to both.
    pub fn publish(
        &mut self,
        run: CheckpointRun,
        mut parts: Vec<PartDone>,
        wal: &Wal,
        ceiling: Timestamp,
    ) -> Result<&Manifest, DiskError> {
        let CheckpointRun { parts_dir, number, shards, .. } = run;
        check_parts(&mut parts, number, shards);
        let mut manifest = self.next_manifest(number, &parts, ceiling);
        if planted(Mutant::LogCutTooEarly) {
            manifest.replay_point = wal.durable_lsn();
        }
        wal.sync_to(manifest.replay_point)?;
        crash_point!("checkpoint.log_synced");
        if !planted(Mutant::PartNameNotSynced) {
            self.io.sync_dir(&parts_dir).map_err(DiskError::io("sync", &parts_dir))?;
        }
        crash_point!("checkpoint.parts_named");
        self.in_doubt = Some(number);
        manifest.publish(&*self.io, &self.dir)?;
        crash_point!("checkpoint.published");
        self.manifest = manifest;
        self.in_doubt = None;
        wal.checkpoint(self.manifest.replay_point);
        crash_point!("checkpoint.log_cut");
        self.sweep()?;
        crash_point!("checkpoint.swept");
        Ok(&self.manifest)
    }

    fn next_manifest(&self, checkpoint: u64, parts: &[PartDone], ceiling: Timestamp) -> Manifest {
        let least = parts.iter().map(|part| part.applied).min().unwrap_or_default();
        Manifest {
            log_id: self.manifest.log_id,
            // Every walk began after recovery had applied all up to the old replay point.
            replay_point: least.max(self.manifest.replay_point),
            clock_ceiling: ceiling.max(self.manifest.clock_ceiling),
            generation: self.manifest.generation,
            checkpoint,
            parts: parts.iter().map(|part| part.part).collect(),
        }
    }

    /// Removes the parts that no manifest on disk can name.
    pub(crate) fn sweep(&self) -> Result<(), DiskError> {
        let dir = parts_dir(&self.dir);
        let names = match self.io.list(&dir) {
            Ok(names) => names,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(DiskError::io("list", &dir)(e)),
        };
        for name in names {
            let number = PartId::checkpoint_of(&name);
            if number.is_some() && number != Some(self.manifest.checkpoint) && number != self.in_doubt {
                let path = dir.join(&name);
                self.io.remove(&path).map_err(DiskError::io("remove", &path))?;
            }
        }
        Ok(())
    }
}

/// Sorts the parts by shard; they must be one of each shard, all of this checkpoint.
fn check_parts(parts: &mut [PartDone], checkpoint: u64, shards: usize) {
    parts.sort_unstable_by_key(|part| part.id.shard);
    let found: Vec<usize> = parts.iter().map(|part| usize::from(part.id.shard)).collect();
    assert!(found.iter().copied().eq(0..shards), "parts of shards {found:?}, want each of {shards}");
    assert!(parts.iter().all(|part| part.id.checkpoint == checkpoint), "a part of another checkpoint");
}
