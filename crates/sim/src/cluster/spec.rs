//! What a simulated cluster looks like, as data: its keyspaces, and everything that can be set, in plain numbers.
//!
//! Times are in milliseconds or microseconds, sizes in bytes, as the names say. What a file leaves out has its default,
//! which is production's where there is one.

use std::time::Duration;

use quorate_coordinator::{CoordinatorConfig, KeyspacePolicy, ReadRepairPolicy};
use quorate_node::ShardConfig;
use quorate_store::hints::HintOptions;
use quorate_types::{Generation, KeyspaceId, Level, NodeId};
use serde::{Deserialize, Serialize};

use crate::kernel::Order;

/// What of the largest record is not for its value.
const KEY_AND_OVERHEAD_BYTES: u32 = 1024;

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterSpec {
    /// Nodes, n1 and so on.
    pub nodes: usize,
    /// Shards of each at its first start.
    pub shards: usize,
    /// Order of what is simultaneous.
    pub order: Order,
    /// Sizes, limits, speeds.
    pub tuning: Tuning,
    /// Keyspaces, one at least.
    pub keyspaces: Vec<KeyspaceSpec>,
}

impl Default for ClusterSpec {
    /// Four nodes and the keyspace `default`.
    fn default() -> ClusterSpec {
        ClusterSpec {
            nodes: 4,
            shards: 1,
            order: Order::default(),
            tuning: Tuning::default(),
            keyspaces: vec![KeyspaceSpec::default()],
        }
    }
}

/// A keyspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyspaceSpec {
    /// Its name.
    pub name: String,
    /// Replicas of a key.
    pub n: usize,
    /// What reads do about replicas that are behind.
    pub read_repair: Repair,
    /// Whether hints are taken.
    pub hinted_handoff: bool,
}

impl Default for KeyspaceSpec {
    /// n = 3, blocking repair, handoff.
    fn default() -> KeyspaceSpec {
        KeyspaceSpec { name: "default".to_owned(), n: 3, read_repair: Repair::Blocking, hinted_handoff: true }
    }
}

/// [`ReadRepairPolicy`] as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// Before the answer.
    Blocking,
    /// After the answer.
    Background,
    /// Not at all.
    Off,
}

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tuning {
    /// A segment of the log.
    pub wal_segment_bytes: u64,
    /// A segment of a hint log.
    pub hint_segment_bytes: u64,
    /// Hints on disk for one target.
    pub hint_bytes_per_target_max: u64,
    /// What a sync takes at least.
    pub sync_us_least: u64,
    /// What a sync takes at most.
    pub sync_us_most: u64,
    /// How long a shard takes to turn to what has come; everything that came meanwhile is one turn.
    pub turn_us: u64,
    /// A slice of a checkpoint.
    pub slice_bytes: usize,
    /// The time between two slices.
    pub slice_us: u64,
    /// `session_numbers`.
    pub session_numbers: usize,
    /// `clock_parked_max`.
    pub clock_parked_max: usize,
    /// `hints_pending_max`.
    pub hints_pending_max: u64,
    /// `peer_requests_max`.
    pub peer_requests_max: usize,
    /// `link_outstanding_batches_max`.
    pub link_outstanding_batches_max: usize,
    /// `link_outstanding_bytes_max`.
    pub link_outstanding_bytes_max: usize,
    /// `clock_skew_max`.
    pub clock_skew_max_ms: u64,
    /// `clock_ahead`.
    pub clock_ahead_ms: u64,
    /// `hint_window`.
    pub hint_window_ms: u64,
    /// Most bytes of hints on their way to one target.
    pub hint_page_bytes_max: u32,
    /// Values above this are compared by hash first.
    pub digest_above_bytes: u32,
    /// Whether rare branches are taken: see `quorate_types::points`.
    pub rare_branches: bool,
}

impl Default for Tuning {
    fn default() -> Tuning {
        let shard = ShardConfig::new(CoordinatorConfig::new(NodeId(0)), Generation(0), 0, 1);
        let (limits, millis) = (shard.limits, |time: Duration| time.as_millis() as u64);
        Tuning {
            wal_segment_bytes: 1 << 20,
            hint_segment_bytes: 256 << 10,
            hint_bytes_per_target_max: HintOptions::default().bytes_per_target_max,
            sync_us_least: 200,
            sync_us_most: 200,
            turn_us: 0,
            slice_bytes: 4 << 10,
            slice_us: 1_000,
            session_numbers: limits.session_numbers,
            clock_parked_max: limits.clock_parked_max,
            hints_pending_max: limits.hints_pending_max,
            peer_requests_max: limits.peer_requests_max,
            link_outstanding_batches_max: limits.link_outstanding_batches_max,
            link_outstanding_bytes_max: limits.link_outstanding_bytes_max,
            clock_skew_max_ms: millis(shard.clock.skew_max),
            clock_ahead_ms: millis(shard.clock.ahead),
            hint_window_ms: millis(shard.handoff.window),
            hint_page_bytes_max: shard.handoff.page_bytes_max,
            digest_above_bytes: shard.coordinator.digest_above_bytes,
            rare_branches: false,
        }
    }
}

impl Tuning {
    /// The largest record that the log takes.
    pub(crate) fn record_bytes_max(&self) -> u64 {
        self.wal_segment_bytes / 8
    }

    /// How hint logs are set.
    pub(crate) fn hints(&self) -> HintOptions {
        HintOptions {
            segment_bytes: self.hint_segment_bytes,
            bytes_per_target_max: self.hint_bytes_per_target_max,
        }
    }
}

impl KeyspaceSpec {
    /// Its id.
    pub fn id(&self) -> KeyspaceId {
        KeyspaceId::of_name(&self.name)
    }

    fn policy(&self) -> KeyspacePolicy {
        KeyspacePolicy {
            n: self.n,
            read_level: Level::Quorum,
            write_level: Level::Quorum,
            read_repair: match self.read_repair {
                Repair::Blocking => ReadRepairPolicy::Blocking,
                Repair::Background => ReadRepairPolicy::Background,
                Repair::Off => ReadRepairPolicy::Off,
            },
            hinted_handoff: self.hinted_handoff,
        }
    }
}

impl ClusterSpec {
    /// The same with `n` replicas of each key.
    #[must_use]
    pub fn with_n(mut self, n: usize) -> ClusterSpec {
        self.keyspaces.iter_mut().for_each(|keyspace| keyspace.n = n);
        self
    }

    /// The same with so many nodes.
    #[must_use]
    pub fn with_nodes(self, nodes: usize) -> ClusterSpec {
        ClusterSpec { nodes, ..self }
    }

    /// The same with so many shards each.
    #[must_use]
    pub fn with_shards(self, shards: usize) -> ClusterSpec {
        ClusterSpec { shards, ..self }
    }

    /// The same with this read repair.
    #[must_use]
    pub fn with_repair(mut self, repair: Repair) -> ClusterSpec {
        self.keyspaces.iter_mut().for_each(|keyspace| keyspace.read_repair = repair);
        self
    }

    /// The same without hints.
    #[must_use]
    pub fn without_handoff(mut self) -> ClusterSpec {
        self.keyspaces.iter_mut().for_each(|keyspace| keyspace.hinted_handoff = false);
        self
    }

    /// How one shard of a node is set.
    pub(crate) fn shard_config(
        &self,
        node: NodeId,
        generation: Generation,
        (shard, shards): (usize, usize),
    ) -> ShardConfig {
        let tuning = &self.tuning;
        let mut coordinator = CoordinatorConfig::new(node);
        coordinator.keyspaces = self.keyspaces.iter().map(|space| (space.id(), space.policy())).collect();
        coordinator.digest_above_bytes = tuning.digest_above_bytes;
        coordinator.slow_after = Some(super::turns::SLOW_AFTER);
        let mut config = ShardConfig::new(coordinator, generation, shard, shards);
        let limits = &mut config.limits;
        // A record fits into its log, as the replica's own configuration makes sure: keys here are short.
        let record_bytes = u32::try_from(tuning.record_bytes_max()).unwrap_or(u32::MAX);
        limits.value_bytes_max =
            limits.value_bytes_max.min(record_bytes.saturating_sub(KEY_AND_OVERHEAD_BYTES));
        limits.session_numbers = tuning.session_numbers;
        limits.clock_parked_max = tuning.clock_parked_max;
        limits.hints_pending_max = tuning.hints_pending_max;
        limits.peer_requests_max = tuning.peer_requests_max;
        limits.link_outstanding_batches_max = tuning.link_outstanding_batches_max;
        limits.link_outstanding_bytes_max = tuning.link_outstanding_bytes_max;
        config.clock.skew_max = Duration::from_millis(tuning.clock_skew_max_ms);
        config.clock.ahead = Duration::from_millis(tuning.clock_ahead_ms);
        config.handoff.window = Duration::from_millis(tuning.hint_window_ms);
        config.handoff.page_bytes_max = tuning.hint_page_bytes_max;
        config
    }

    /// What makes no cluster, in words.
    ///
    /// # Errors
    /// What is wrong, and with which value.
    pub fn check(&self) -> Result<(), String> {
        let within = |what: &str, value: usize, most: usize| {
            if (1..=most).contains(&value) {
                Ok(())
            } else {
                Err(format!("{what} = {value} is not within 1 to {most}"))
            }
        };
        within("nodes", self.nodes, 32)?;
        within("shards", self.shards, 8)?;
        within("the number of keyspaces", self.keyspaces.len(), 8)?;
        self.keyspaces.iter().try_for_each(|space| within("n", space.n, self.nodes.min(7)))?;
        let names: std::collections::BTreeSet<_> = self.keyspaces.iter().map(|space| &space.name).collect();
        if names.len() < self.keyspaces.len() {
            return Err("two keyspaces have one name".to_owned());
        }
        for (what, bytes) in [
            ("wal_segment_bytes", self.tuning.wal_segment_bytes),
            ("hint_segment_bytes", self.tuning.hint_segment_bytes),
        ] {
            if !bytes.is_multiple_of(8) {
                return Err(format!("{what} = {bytes} is no multiple of 8"));
            }
        }
        if self.tuning.sync_us_least > self.tuning.sync_us_most {
            return Err("sync_us_least is more than sync_us_most".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_leaves_out_has_its_default_and_a_word_that_is_unknown_is_refused() {
        let spec: ClusterSpec = toml::from_str("nodes = 3\n[tuning]\nturn_us = 7\n").unwrap();
        assert_eq!((spec.nodes, spec.tuning.turn_us, spec.keyspaces.len()), (3, 7, 1));
        assert_eq!(toml::from_str::<ClusterSpec>(&toml::to_string(&spec).unwrap()).unwrap(), spec);
        assert!(toml::from_str::<ClusterSpec>("nodse = 3\n").is_err());
    }

    #[test]
    fn a_cluster_that_can_not_be_is_refused_with_the_value_that_makes_it_so() {
        let error = ClusterSpec::default().with_n(5).check().unwrap_err();
        assert_eq!(error, "n = 5 is not within 1 to 4");
        assert!(ClusterSpec::default().check().is_ok());
    }
}
