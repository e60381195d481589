//! Hints kept on disk for replicas that did not acknowledge: one log per target.
//!
//! Invariants:
//! - a log is made at the first hint for its target, and lives in `hints/NODE/` of the data directory, whatever the
//!   number of shards;
//! - a hint counts as durable after [`HintLogs::sync`] and not before;
//! - per target at most `bytes_per_target_max`; what does not fit is refused by name, never dropped silently;
//! - a hint leaves only by [`HintLogs::delivered`]; after a crash some may be handed out again;
//! - a log that the disk failed is recovered from that disk and goes on: a failed sync costs the hints that it was
//!   for, not all that come after.
//!
//! Source: CASSANDRA-6230 (append-only files per target), -11960 (resumable delivery), -12728 (torn tails).

mod pending;
mod recent;
mod target;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_types::NodeId;
use quorate_wal::Io;

use crate::disk;
use crate::error::DiskError;
use crate::hint::{Hint, HintNumber};
use target::TargetLog;

/// Limits of the hint logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HintOptions {
    /// Bytes of each segment: 4 MiB by default. The largest hint is a little less than half of it.
    pub segment_bytes: u64,
    /// Bytes of hints that may wait for one target: 256 MiB by default.
    pub bytes_per_target_max: u64,
}

impl Default for HintOptions {
    fn default() -> HintOptions {
        HintOptions { segment_bytes: 4 << 20, bytes_per_target_max: 256 << 20 }
    }
}

/// What waits for one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HintStatus {
    /// The target.
    pub target: NodeId,
    /// Hints that survive a power cut.
    pub durable: u64,
    /// Hints taken, those not yet synced too.
    pub taken: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When the oldest was taken, wall milliseconds since the Unix epoch, at most a second too early.
    pub oldest_wall_ms: Option<u64>,
}

/// The hint logs of one node. One owner; the calls block on the disk.
pub struct HintLogs {
    io: Arc<dyn Io>,
    dir: PathBuf,
    options: HintOptions,
    logs: BTreeMap<NodeId, TargetLog>,
}

impl HintLogs {
    /// The hint logs of the data directory `data_dir`; reads each of them once. Open the directory itself first
    /// ([`disk::open`]): its lock covers these.
    pub fn open(io: Arc<dyn Io>, data_dir: &Path, options: HintOptions) -> Result<HintLogs, DiskError> {
        let dir = data_dir.join("hints");
        let mut logs = HintLogs { io, dir, options, logs: BTreeMap::new() };
        let names = disk::names(&*logs.io, &logs.dir)?.unwrap_or_default();
        for target in names.iter().filter_map(|name| target_of(name)) {
            logs.log(target)?;
        }
        Ok(logs)
    }

    /// Logs at whose end half a batch was cut off when they were opened last.
    pub fn torn(&self) -> u64 {
        self.logs.values().filter(|log| log.was_torn()).count() as u64
    }

    /// Takes a hint for `target`; durable after [`HintLogs::sync`].
    ///
    /// [`DiskError::HintsFull`] and errors of the log mean that it was not taken.
    pub fn append(&mut self, target: NodeId, hint: &Hint) -> Result<HintNumber, DiskError> {
        let log = self.log(target)?;
        let taken = log.append(hint);
        if let Err(failure) = &taken
            && !matches!(failure, DiskError::HintsFull { .. })
        {
            log.recover(failure.clone());
        }
        taken
    }

    /// Makes everything taken durable: for each target that had anything to sync, up to which hint, or why not.
    ///
    /// After an error the hints since the last sync don't count, though some may be delivered; the log goes on.
    pub fn sync(&mut self) -> Vec<(NodeId, Result<HintNumber, DiskError>)> {
        let synced = self.logs.iter_mut().filter_map(|(&target, log)| {
            let result = log.sync().transpose()?;
            if let Err(failure) = &result {
                log.recover(failure.clone());
            }
            Some((target, result))
        });
        synced.collect()
    }

    /// Durable hints for `target` above `after`, in order, one at least if there is one, until they pass `bytes_max`.
    pub fn page(
        &mut self,
        target: NodeId,
        after: HintNumber,
        bytes_max: usize,
    ) -> Result<Vec<(HintNumber, Hint)>, DiskError> {
        let Some(log) = self.logs.get_mut(&target) else { return Ok(Vec::new()) };
        log.page(after, bytes_max).or_else(|failure| {
            if !log.has_stopped() {
                return Err(failure);
            }
            log.recover(failure);
            log.page(after, bytes_max)
        })
    }

    /// `target` has all its hints up to `through`: they are forgotten, their segments recycled. Durable with the
    /// next [`HintLogs::sync`]; until then a crash brings them back.
    pub fn delivered(&mut self, target: NodeId, through: HintNumber) -> Result<(), DiskError> {
        self.logs.get_mut(&target).map_or(Ok(()), |log| log.delivered(through))
    }

    /// What waits, by target, targets for which nothing waits left out.
    pub fn status(&self) -> Vec<HintStatus> {
        self.logs.values().map(TargetLog::status).filter(|status| status.taken > 0).collect()
    }

    /// The targets for which something waits.
    pub fn targets(&self) -> Vec<NodeId> {
        self.status().iter().map(|status| status.target).collect()
    }

    /// Makes everything durable and ends all logs in good order; the first error, after all were tried.
    pub fn close(self) -> Result<(), DiskError> {
        let results: Vec<_> = self.logs.values().map(TargetLog::close).collect();
        results.into_iter().collect()
    }

    fn log(&mut self, target: NodeId) -> Result<&mut TargetLog, DiskError> {
        if !self.logs.contains_key(&target) {
            let dir = self.dir.join(target.to_string());
            let log = TargetLog::open(Arc::clone(&self.io), dir, target, self.options)?;
            self.logs.insert(target, log);
        }
        Ok(self.logs.get_mut(&target).expect("it is there or was inserted above"))
    }
}

/// The node whose hints lie in a directory of this name.
fn target_of(name: &str) -> Option<NodeId> {
    let node = NodeId(u32::from_str_radix(name, 16).ok()?);
    (node.to_string() == name).then_some(node)
}
