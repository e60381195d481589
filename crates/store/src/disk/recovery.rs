//! From a data directory to stores that can serve: checkpoint, then log.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_types::mutants::{Mutant, planted};
use quorate_types::{Generation, KeyspaceId, RecordRef, Timestamp, Token, crash_point};
use quorate_wal::io::LockGuard;
use quorate_wal::{Io, Lsn, Options, Recovery, TailState, Wal};

use super::checkpoints::{Checkpoints, parts_dir};
use super::identity::Identity;
use super::manifest::Manifest;
use super::part::{self, PartId};
use super::{ensure_dir, lock, names};
use crate::error::DiskError;
use crate::log::{self, LogEntry};
use crate::memory::{Store, StoreConfig};

/// How a data directory is opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Whose it must be; a new directory becomes this node's.
    pub identity: Identity,
    /// Shards to spread the records over, 1 at least.
    pub shards: usize,
    /// Seed of the cluster's token hash.
    pub hash_seed: u64,
    /// The log's settings, made with [`Options::new`] of [`wal_dir`].
    pub wal: Options,
}

/// A data directory in use.
pub struct Opened {
    /// What it holds, one store per shard.
    pub stores: Vec<Store>,
    /// The log; everything in it is applied.
    pub wal: Wal,
    /// Takes the next checkpoint; holds the manifest and the directory's lock: keep it.
    pub checkpoints: Checkpoints,
    /// This start of the node, durable.
    pub generation: Generation,
    /// No stamp at or above this was issued before: the clock's start.
    pub clock_start: Timestamp,
    /// What recovery found.
    pub report: RecoveryReport,
}

/// What recovery found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The checkpoint's number; 0 if there was none.
    pub checkpoint: u64,
    /// Records read from it.
    pub checkpoint_records: u64,
    /// Records of the log replayed on top.
    pub log_records: u64,
    /// The last record of the log.
    pub last_lsn: Lsn,
    /// How the log had ended.
    pub tail: TailState,
}

/// Where the log of the data directory `dir` is.
pub fn wal_dir(dir: &Path) -> PathBuf {
    dir.join("wal")
}

/// Opens the data directory `dir`, makes it if there is none, and brings back all that was durable in it.
///
/// Reads the checkpoint and the log behind it: O(records). Whatever is refused ([`DiskError`] says what, where and
/// how to go on), nothing that was there is overwritten. `wall_ms` only seeds the generation.
pub fn open(io: Arc<dyn Io>, dir: &Path, options: OpenOptions, wall_ms: u64) -> Result<Opened, DiskError> {
    let OpenOptions { identity, shards, hash_seed, wal } = options;
    assert_eq!(wal.dir(), wal_dir(dir), "the log lies in the data directory");
    ensure_dir(&*io, dir)?;
    let lock = lock(&*io, dir)?;
    let old = survey(&*io, dir, &identity)?;
    crash_point!("start.surveyed");
    ensure_dir(&*io, &parts_dir(dir))?;
    ensure_dir(&*io, &wal_dir(dir))?;
    let mut replay = Replay::new(hash_seed, shards);
    if let Some(manifest) = &old {
        replay.checkpoint(&*io, dir, manifest)?;
    }
    crash_point!("start.checkpoint_loaded");
    let replay_point = old.as_ref().map_or(Lsn::ZERO, |manifest| manifest.replay_point);
    // Asked of the log before it is opened: opening begins a segment, and with it seals where the log ended.
    let (wal, recovery) = Wal::open(&wal.at_least(replay_point), Arc::clone(&io)).map_err(behind)?;
    crash_point!("start.log_opened");
    check_log(dir, old.as_ref(), &recovery)?;
    replay.log(dir, &recovery, replay_point)?;
    crash_point!("start.log_replayed");
    let manifest = replay.manifest(old, &recovery, wall_ms);
    let opener = Opener { io, dir, lock };
    opener.opened(replay, wal, &recovery, manifest)
}

/// What is left to do once everything is read.
struct Opener<'a> {
    io: Arc<dyn Io>,
    dir: &'a Path,
    lock: Box<dyn LockGuard>,
}

impl Opener<'_> {
    fn opened(
        self,
        replay: Replay,
        wal: Wal,
        recovery: &Recovery,
        manifest: Manifest,
    ) -> Result<Opened, DiskError> {
        manifest.publish(&*self.io, self.dir)?;
        crash_point!("start.published");
        let report = RecoveryReport {
            checkpoint: manifest.checkpoint,
            checkpoint_records: replay.checkpoint_records,
            log_records: replay.log_records,
            last_lsn: recovery.last_lsn(),
            tail: recovery.tail(),
        };
        let (generation, clock_start) = (manifest.generation, manifest.clock_ceiling);
        let checkpoints = Checkpoints::new(self.io, self.dir, manifest, self.lock);
        checkpoints.sweep()?;
        Ok(Opened { stores: replay.stores, wal, checkpoints, generation, clock_start, report })
    }
}

/// Checks whose directory it is, makes a new one this node's, and reads the manifest.
fn survey(io: &dyn Io, dir: &Path, identity: &Identity) -> Result<Option<Manifest>, DiskError> {
    let found = Identity::read(io, dir)?;
    if let Some(found) = &found {
        identity.check(dir, found)?;
    }
    let manifest = Manifest::read(io, dir)?;
    let segment = first_with(io, &wal_dir(dir), ".seg")?;
    let part = first_with(io, &parts_dir(dir), ".part")?;
    if found.is_none() {
        let manifest = manifest.as_ref().map(|_| Manifest::path(dir));
        if let Some(proof) = manifest.or(segment).or(part) {
            return Err(DiskError::Lost { path: Identity::path(dir), proof });
        }
        identity.publish(io, dir)?;
        return Ok(None);
    }
    match (&manifest, segment, part) {
        (Some(_), None, _) => Err(DiskError::Lost { path: wal_dir(dir), proof: Manifest::path(dir) }),
        (None, _, Some(proof)) => Err(DiskError::Lost { path: Manifest::path(dir), proof }),
        _ => Ok(manifest),
    }
}

fn first_with(io: &dyn Io, dir: &Path, suffix: &str) -> Result<Option<PathBuf>, DiskError> {
    let names = names(io, dir)?.unwrap_or_default();
    Ok(names.iter().find(|name| name.ends_with(suffix)).map(|name| dir.join(name)))
}

/// Refuses a log that is not the manifest's; without a manifest, one that ever had a record.
fn check_log(dir: &Path, manifest: Option<&Manifest>, recovery: &Recovery) -> Result<(), DiskError> {
    let (found, last) = (recovery.log_id(), recovery.last_lsn());
    let dir_of_log = || wal_dir(dir);
    match manifest {
        None if last > Lsn::ZERO => Err(DiskError::Lost { path: Manifest::path(dir), proof: dir_of_log() }),
        Some(manifest) if manifest.log_id != found => {
            Err(DiskError::OtherLog { dir: dir_of_log(), expected: manifest.log_id, found })
        }
        _ => Ok(()),
    }
}

fn behind(error: quorate_wal::Error) -> DiskError {
    match error {
        quorate_wal::Error::Behind { dir, last, at_least } => {
            DiskError::LogBehind { dir, last, replay_point: at_least }
        }
        other => other.into(),
    }
}

/// Stores that fill up.
struct Replay {
    stores: Vec<Store>,
    hash_seed: u64,
    ceiling: Timestamp,
    checkpoint_records: u64,
    log_records: u64,
}

impl Replay {
    fn new(hash_seed: u64, shards: usize) -> Replay {
        let stores = (0..shards).map(|shard| Store::new(StoreConfig { hash_seed, shard, shards })).collect();
        Replay { stores, hash_seed, ceiling: Timestamp(0), checkpoint_records: 0, log_records: 0 }
    }

    fn checkpoint(&mut self, io: &dyn Io, dir: &Path, manifest: &Manifest) -> Result<(), DiskError> {
        self.ceiling = manifest.clock_ceiling;
        for (shard, &expected) in (0..).zip(&manifest.parts) {
            let id = PartId { checkpoint: manifest.checkpoint, shard };
            let apply = &mut |keyspace, key: &[u8], record: RecordRef<'_>| {
                if record.value.is_some() || !planted(Mutant::TombstonesNotInCheckpoint) {
                    self.apply(keyspace, key, record);
                }
            };
            part::load(io, &parts_dir(dir), id, expected, apply)?;
            self.checkpoint_records += expected.records;
        }
        Ok(())
    }

    fn log(&mut self, dir: &Path, recovery: &Recovery, replay_point: Lsn) -> Result<(), DiskError> {
        let mut records = recovery.replay(replay_point.next())?;
        while let Some(record) = records.next_record()? {
            let entry = log::decode(record.kind, record.payload).map_err(|source| DiskError::Entry {
                dir: wal_dir(dir),
                lsn: record.lsn,
                source,
            })?;
            match entry {
                LogEntry::Mutation { record, .. }
                    if record.value.is_none() && planted(Mutant::TombstonesNotReplayed) => {}
                LogEntry::Mutation { keyspace, key, record } => self.apply(keyspace, key, record),
                LogEntry::ClockCeiling(ceiling) => self.ceiling = self.ceiling.max(ceiling),
            }
            self.log_records += 1;
        }
        Ok(())
    }

    fn apply(&mut self, keyspace: KeyspaceId, key: &[u8], record: RecordRef<'_>) {
        let token = Token::of(key, self.hash_seed);
        let shard = token.partition().shard(self.stores.len());
        // Memory answers at once; a cold tier queues what it merges later.
        let _ = self.stores[shard].apply_view(keyspace, token, key, record);
    }

    /// The manifest of this start: as `old`, with the next generation and all ceilings.
    fn manifest(&self, old: Option<Manifest>, recovery: &Recovery, wall_ms: u64) -> Manifest {
        let generation = Generation::next(old.as_ref().map(|manifest| manifest.generation), wall_ms);
        let fresh = Manifest {
            log_id: recovery.log_id(),
            replay_point: Lsn::ZERO,
            clock_ceiling: Timestamp(0),
            generation,
            checkpoint: 0,
            parts: Vec::new(),
        };
        Manifest { generation, clock_ceiling: self.ceiling, ..old.unwrap_or(fresh) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_open_gives_can_be_handed_to_the_threads_that_need_it() {
        fn send<T: Send>() {}
        send::<Opened>();
        send::<super::super::PartWriter>();
        send::<crate::hints::HintLogs>();
        send::<crate::Walk>();
    }
}
