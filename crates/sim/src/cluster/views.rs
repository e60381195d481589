//! What a test may see of a replica that no client can: its copies, its hints, its counters.

use std::collections::BTreeMap;

use quorate_coordinator::Counters;
use quorate_node::{NodeCounters, Shard};
use quorate_store::disk::RecoveryReport;
use quorate_types::{NodeId, Record};

use super::Cluster;

/// What the simulator counts beside a shard.
const HINT_SYNCS_FAILED: &str = "hint syncs failed";
const HEARD_LATE: &str = "messages of a former life";

/// The names of all that [`Cluster::counters`] counts.
pub(crate) fn counter_names() -> impl Iterator<Item = &'static str> {
    let shards = NodeCounters::DESCRIPTIONS.iter().chain(Counters::DESCRIPTIONS).map(|(name, _)| *name);
    shards.chain([HINT_SYNCS_FAILED, HEARD_LATE])
}

impl Cluster {
    /// Whether replica `k` runs (it may be paused).
    pub fn is_up(&self, k: usize) -> bool {
        self.replicas[k - 1].is_up()
    }

    /// Whether replica `k` stands.
    pub fn is_paused(&self, k: usize) -> bool {
        self.replicas[k - 1].is_paused()
    }

    /// How often replica `k` was started.
    pub fn life(&self, k: usize) -> u64 {
        self.replicas[k - 1].life
    }

    /// Shards of replica `k`, now or at its next start.
    pub fn shards(&self, k: usize) -> usize {
        self.replicas[k - 1].shards
    }

    /// How many shards replica `k` will have from its next start on; it must be down.
    pub fn set_shards(&mut self, k: usize, shards: usize) {
        assert!(!self.is_up(k), "a running replica keeps its shards");
        self.replica(k).shards = shards;
    }

    /// What the last start of replica `k` found on its disk.
    pub fn report(&self, k: usize) -> Option<RecoveryReport> {
        self.replicas[k - 1].report
    }

    /// Hint logs whose tail the last start of replica `k` found torn.
    pub fn torn_hint_logs(&self, k: usize) -> u64 {
        self.replicas[k - 1].torn_hint_logs
    }

    /// Whether the log of replica `k` has failed.
    pub fn refuses_writes(&self, k: usize) -> bool {
        self.replicas[k - 1].running.as_ref().is_some_and(|running| running.failed)
    }

    /// The copy of `key` in the first keyspace that replica `k`, which must run, has in memory.
    pub fn copy(&self, k: usize, key: &[u8]) -> Option<Record> {
        self.copy_in(0, k, key)
    }

    /// The same in keyspace number `space`.
    pub fn copy_in(&self, space: usize, k: usize, key: &[u8]) -> Option<Record> {
        let token = self.ring.token(key);
        let running = self.replicas[k - 1].running.as_ref().expect("it runs");
        let shard = &running.shards[token.partition().shard(running.shards.len())];
        shard
            .store()
            .read(self.spec.keyspaces[space].id(), token, key)
            .ready()
            .expect("memory answers at once")
    }

    /// Hints on disk and not yet delivered at replica `k`, for all targets.
    pub fn hints_at(&self, k: usize) -> u64 {
        self.durable_hints(k).values().sum()
    }

    /// Hints on disk and not yet delivered at replica `k`, by target.
    pub fn durable_hints(&self, k: usize) -> BTreeMap<NodeId, u64> {
        let running = self.replicas[k - 1].running.as_ref().expect("it runs");
        running.hints.status().iter().map(|status| (status.target, status.durable)).collect()
    }

    /// Hints of replica `k` that wait for the disk, as its shards count them.
    pub fn hints_pending(&self, k: usize) -> u64 {
        let running = self.replicas[k - 1].running.as_ref().expect("it runs");
        running.shards.iter().map(|shard| shard.status().hints_pending).sum()
    }

    /// What of replica `k` waits for something, in words; `None`: nothing, or it is down.
    pub fn in_flight(&self, k: usize) -> Option<String> {
        let shards = self.replicas[k - 1].running.iter().flat_map(|running| &running.shards);
        shards.into_iter().find_map(|shard| {
            let (status, parked) = (shard.status(), shard.parked());
            let is_idle = status.in_flight.is_idle() && parked == 0;
            let busy = !is_idle || status.log_pending > 0 || status.hints_pending > 0;
            let (in_flight, log, hints) = (status.in_flight, status.log_pending, status.hints_pending);
            busy.then(|| format!("{in_flight:?}, parked {parked}, log {log}, hints {hints}"))
        })
    }

    /// What the shards of replica `k` have counted in this life, added up.
    pub fn counters(&self, k: usize) -> BTreeMap<&'static str, u64> {
        let mut sum = BTreeMap::new();
        let shards = self.replicas[k - 1].running.iter().flat_map(|running| &running.shards);
        for (name, count) in shards.map(Shard::status).flat_map(|status| status.counters) {
            *sum.entry(name).or_default() += count;
        }
        let failed = self.replicas[k - 1].running.as_ref().map_or(0, |running| running.hint_syncs_failed);
        sum.insert(HINT_SYNCS_FAILED, failed);
        sum.insert(HEARD_LATE, self.replicas[k - 1].heard_late);
        sum
    }
}
