//! A shard's use of the node's log: what it appended, in order, and how far that is durable.
//!
//! Invariants:
//! - records are appended in the order of their sequence numbers and reported durable in that order, cumulatively;
//! - the shard commits in its own thread while it would not stand still for long: without a sync (`interval`, `os`)
//!   always; with one only for few records, while nothing more waits for its next turn and the log's recent sync time is
//!   below `inline_sync_below`, for a hop to another thread and back costs more than a sync on a fast disk;
//! - it leaves the rest to the flusher thread and goes on meanwhile;
//! - whoever comes first leads for all shards; a shard whose records another carries is woken when they are durable.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quorate_node::{LogBuffer, LogRecord};
use quorate_wal::{Durability, Error, Lead, Lsn, Stager, Wal};

use crate::common::Common;
use crate::config::{SyncPolicy, WalConfig};
use crate::counters::Counters;

/// Records of a sync in the shard's own thread, at most: clients who have more under way send the next while this one
/// runs, and would find a shard that stands still (benches/RESULTS.md).
const INLINE_RECORDS_MAX: u64 = 128;

/// The log took no record, or will never say whether one is durable. What was acknowledged is durable.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct LogFailure(#[from] Error);

/// When a shard commits in its own thread; see the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inline {
    sync_below: Duration,
    /// Whether every commit syncs, or only one of records that must be durable.
    always_syncs: bool,
}

impl Inline {
    pub(crate) fn of(config: &WalConfig) -> Inline {
        Inline { sync_below: config.inline_sync_below, always_syncs: config.sync == SyncPolicy::Always }
    }

    /// Whether a shard commits few ordinary records in its own thread, if syncs take that long lately.
    pub(crate) fn allows(self, recent_sync: Duration) -> bool {
        !self.always_syncs || recent_sync < self.sync_below
    }
}

/// See the module.
pub(crate) struct ShardLog {
    wal: Wal,
    inline: Inline,
    outstanding: VecDeque<Appended>,
    /// Set while the shard counts on somebody else's sync to wake it.
    waits: Arc<AtomicBool>,
    failed: bool,
    counters: Arc<Counters>,
}

/// What one turn appended.
#[derive(Clone, Copy, Debug)]
struct Appended {
    first: Lsn,
    last: Lsn,
    /// The sequence number of the last record.
    through: u64,
    /// How safe it must be: some records must be durable under any policy.
    durable: bool,
}

impl ShardLog {
    /// Shard `index`'s use of `wal`.
    pub(crate) fn new(wal: Wal, common: &Arc<Common>, index: usize, inline: Inline) -> ShardLog {
        let waits = Arc::new(AtomicBool::new(false));
        let (waiting, inbox) = (Arc::clone(&waits), Arc::clone(&common.inboxes[index]));
        wal.on_durable(Arc::new(move |_| {
            if waiting.swap(false, Ordering::AcqRel) {
                inbox.wake();
            }
        }));
        let counters = Arc::clone(&common.counters);
        ShardLog { wal, inline, outstanding: VecDeque::new(), waits, failed: false, counters }
    }

    /// Appends the records of a turn; nothing of them is on disk yet.
    pub(crate) fn append(&mut self, records: &LogBuffer) -> Result<(), LogFailure> {
        let Some(through) = records.last_sequence() else { return Ok(()) };
        if self.failed {
            return Ok(());
        }
        let durable = records.records().any(|record| record.must_be_durable);
        let (mut first, mut last) = (None, Lsn::ZERO);
        let mut stager = self.wal.stager();
        for record in records.records() {
            last = match stage(&mut stager, &record) {
                Err(Error::Full { .. }) => {
                    drop(stager);
                    // Bounded by what the log lets wait: this shard stands until that is written.
                    self.wal.commit_to(self.wal.last_lsn())?;
                    stager = self.wal.stager();
                    stage(&mut stager, &record)?
                }
                staged => staged?,
            };
            first = first.or(Some(last));
        }
        drop(stager);
        self.outstanding.push_back(Appended { first: first.unwrap_or(last), last, through, durable });
        Ok(())
    }

    /// Commits what is outstanding, here or by the flusher; whether more is safe now. `waiting`: items that wait for the
    /// shard's next turn.
    pub(crate) fn commit(&mut self, waiting: usize) -> bool {
        if self.is_idle() {
            return false;
        }
        if !self.is_inline(waiting) {
            self.counters.log_batches_flushed.increment();
            self.wal.request_commit();
            return self.wait_for_others();
        }
        match self.wal.try_lead() {
            Ok(Lead::Led(_)) | Err(_) => {
                self.counters.log_batches_inline.increment();
                true
            }
            Ok(_) => self.wait_for_others(),
        }
    }

    fn is_inline(&self, waiting: usize) -> bool {
        let syncs = self.inline.always_syncs || self.outstanding.iter().any(|appended| appended.durable);
        let is_small = waiting == 0 && self.outstanding_records() <= INLINE_RECORDS_MAX;
        !syncs || is_small && self.wal.recent_sync() < self.inline.sync_below
    }

    /// From the oldest to the newest, with what other shards appended between.
    fn outstanding_records(&self) -> u64 {
        let newest = self.outstanding.back().map_or(0, |newest| newest.last.get());
        self.outstanding.front().map_or(0, |oldest| newest + 1 - oldest.first.get())
    }

    fn wait_for_others(&self) -> bool {
        self.waits.store(true, Ordering::Release);
        // It may have become durable before the flag was up; then nobody wakes us.
        self.outstanding.front().is_some_and(|oldest| self.is_safe(oldest))
    }

    /// The last sequence number that became durable since this was last asked.
    pub(crate) fn newly_durable(&mut self) -> Result<Option<u64>, LogFailure> {
        let mut through = None;
        while let Some(oldest) = self.outstanding.front().filter(|oldest| self.is_safe(oldest)) {
            through = Some(oldest.through);
            self.outstanding.pop_front();
        }
        match self.wal_stopped() {
            Some(error) if through.is_none() => Err(error.into()),
            _ => Ok(through),
        }
    }

    /// Up to here everything that this shard appended has been reported durable.
    pub(crate) fn applied_through(&self) -> Lsn {
        match self.outstanding.front() {
            Some(oldest) => Lsn::new(oldest.first.get() - 1),
            None => self.wal.durable_lsn(),
        }
    }

    /// Whether nothing is outstanding.
    pub(crate) fn is_idle(&self) -> bool {
        self.outstanding.is_empty() || self.failed
    }

    /// Gives up on the log; whether this is the first time.
    pub(crate) fn give_up(&mut self) -> bool {
        self.outstanding.clear();
        !std::mem::replace(&mut self.failed, true)
    }

    fn is_safe(&self, appended: &Appended) -> bool {
        let safe = if appended.durable { self.wal.durable_lsn() } else { self.wal.committed_lsn() };
        safe >= appended.last
    }

    /// Why the log stopped, if it did and that matters to us.
    fn wal_stopped(&self) -> Option<Error> {
        if self.failed || self.outstanding.is_empty() { None } else { self.wal.stopped() }
    }
}

fn stage(stager: &mut Stager<'_>, record: &LogRecord<'_>) -> Result<Lsn, Error> {
    if record.must_be_durable {
        stager.stage_with(Durability::Durable, record.kind, &[record.bytes])
    } else {
        stager.stage(record.kind, &[record.bytes])
    }
}
