//! What each life of a replica was given and what came of it: books that the checker balances.
//!
//! Hints and requests are counted here, where they pass between shards and the world; what became of them the shards count
//! themselves. So neither side can forget one unnoticed.

use std::collections::BTreeMap;

use quorate_node::{Queue, Shard};
use quorate_store::hints::HintLogs;
use quorate_types::PartitionId;
use xxhash_rust::xxh3::xxh3_64;

use super::replica::Running;
use super::{Cluster, node_id};
use crate::history::{BucketSeen, HintLedger, Moment, NetworkCounts, QueueDepth, RequestCounts, StateSeen};

/// The books of one life.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts {
    /// Hints on disk when it began.
    pub hints_found: u64,
    /// Hints that their logs took.
    pub hints_taken: u64,
    /// A hint log failed: what it had not made durable may have gone with it, or not.
    pub hint_log_failed: bool,
    /// Requests that were given to the shards.
    pub requests: u64,
    /// Requests that they answered, or said they would not.
    pub answered: u64,
    /// The most that was ever in each queue of a shard, at the end of a turn.
    queues: BTreeMap<&'static str, Queue>,
}

impl Accounts {
    /// Of a life that begins with these hints.
    pub fn of_life(hints: &HintLogs) -> Accounts {
        Accounts { hints_found: kept(hints).0, ..Accounts::default() }
    }

    /// Looks into the queues of a shard.
    pub fn look(&mut self, shard: &Shard) {
        for queue in shard.queues() {
            let fullest = self.queues.entry(queue.limit).or_insert(queue);
            fullest.depth = fullest.depth.max(queue.depth);
        }
    }
}

impl Cluster {
    /// The hints of the life of replica `k`, which runs, up to now; `None`: a hint log failed, or its power is going, or its
    /// disk showed or put something wrong, and what it holds nobody knows.
    pub fn hint_ledger(&self, k: usize, at_ns: u64) -> Option<HintLedger> {
        let running = self.running(k);
        let Accounts { hints_found: found, hints_taken: taken, hint_log_failed, .. } = running.accounts;
        let counters = self.counters(k);
        let count = |name| counters.get(name).copied().unwrap_or(0);
        let (left, durable) = kept(&running.hints);
        let disk = &self.replicas[k - 1].disk;
        let is_true = disk.fired().reads_stale == 0 && disk.fired().writes_misdirected == 0;
        let is_known = !hint_log_failed && !disk.is_dark() && is_true;
        is_known.then(|| HintLedger {
            at_ns,
            node: node_id(k),
            life: Some(self.life(k)),
            found,
            taken,
            delivered: count("hints_replayed"),
            expired: count("hints_expired"),
            dropped: count("hints_dropped"),
            left,
            durable,
        })
    }

    /// The requests of the life of replica `k`, which runs and has nothing in flight.
    pub fn request_counts(&self, k: usize, at_ns: u64) -> RequestCounts {
        let Accounts { requests: taken, answered, .. } = self.running(k).accounts;
        RequestCounts { at_ns, node: node_id(k), taken, answered, under_way: 0 }
    }

    /// The most that was in each queue of a shard of replica `k` in this life.
    pub fn queue_depths(&self, k: usize, at_ns: u64) -> Vec<QueueDepth> {
        let queues = self.running(k).accounts.queues.values();
        let seen = queues.map(|&Queue { limit, depth, bound }| QueueDepth {
            at_ns,
            node: Some(node_id(k)),
            name: limit.to_owned(),
            depth_max: depth,
            bound,
        });
        seen.collect()
    }

    /// What became of the frames.
    pub fn network_counts(&self, at_ns: u64) -> NetworkCounts {
        let counts = self.network.statistics();
        NetworkCounts {
            at_ns,
            sent: counts.sent,
            duplicated: counts.duplicated,
            delivered: counts.delivered,
            dropped: counts.dropped,
            under_way: self.network.in_flight(),
            reordered: counts.reordered,
        }
    }

    /// All that replica `k` holds in memory.
    pub fn state(&self, k: usize, at_ns: u64, moment: Moment) -> StateSeen {
        let shards = &self.running(k).shards;
        let records = shards
            .iter()
            .flat_map(|shard| shard.store().stats())
            .map(|(_, totals)| totals.keys + totals.tombstones);
        let mut digests = Vec::new();
        for space in &self.spec.keyspaces {
            for partition in PartitionId::all() {
                let store = shards[partition.shard(shards.len())].store();
                digests.extend_from_slice(&store.digest(space.id(), partition).0.to_le_bytes());
            }
        }
        let hash = format!("{:016x}", xxh3_64(&digests));
        StateSeen { at_ns, node: node_id(k), moment, records: records.sum(), hash }
    }

    /// The digests of all buckets that any of their replicas holds something of, on each of these; all must run.
    pub fn buckets(&self, at_ns: u64) -> Vec<BucketSeen> {
        let mut seen = Vec::new();
        for (place, space) in self.spec.keyspaces.iter().enumerate() {
            for partition in PartitionId::all() {
                let owners = self.ring.replicas(partition, space.n);
                let digests = owners.iter().map(|node| {
                    (*node, self.replicas[self.number_of(*node) - 1].digests(space.id(), partition))
                });
                let digests: Vec<_> = digests.collect();
                if digests.iter().all(|(_, digests)| *digests == [0, 0]) {
                    continue;
                }
                seen.extend(digests.into_iter().map(|(node, [kept, recomputed])| BucketSeen {
                    at_ns,
                    node,
                    keyspace: (place > 0).then(|| space.name.clone()),
                    partition: partition.0,
                    kept: format!("{kept:032x}"),
                    recomputed: format!("{recomputed:032x}"),
                }));
            }
        }
        seen
    }

    fn running(&self, k: usize) -> &Running {
        self.replicas[k - 1].running.as_ref().expect("it runs")
    }
}

/// Hints that a replica keeps, and those of them that are durable.
fn kept(hints: &HintLogs) -> (u64, u64) {
    let status = hints.status();
    (status.iter().map(|s| s.taken).sum(), status.iter().map(|s| s.durable).sum())
}
