//! The scenarios that ship: plans with a name, each of which shows one thing and says what is expected.
//!
//! As files they lie in `scenarios/` (the cases that people bring to a store of this kind, and a tour) and in the
//! project's `tests/regressions/` (bugs, our own and others'). docs/simulation.md lists them.

use crate::plan::{Plan, PlanInvalid};

/// A plan with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its name; the file's.
    pub name: &'static str,
    /// The plan, as in the file.
    pub text: &'static str,
    /// It is kept because of a bug.
    pub is_regression: bool,
}

macro_rules! files {
    ($folder:literal, $is_regression:literal: $($name:literal),* $(,)?) => {
        [$(Scenario {
            name: $name,
            text: include_str!(concat!($folder, $name, ".toml")),
            is_regression: $is_regression,
        }),*]
    };
}

/// The named cases.
pub const NAMED: &[Scenario] = &files!("../scenarios/", false:
    "cap-two-nodes",
    "classic-four-two",
    "create-replicates",
    "delay",
    "delete-half",
    "drop",
    "duplicate",
    "fail-put-recover",
    "handoff-by-coordinating",
    "partition-lww",
    "primary-down-forward",
    "read-invalid",
    "read-nonreplica-failed",
    "read-one-failed",
    "read-repair-only",
    "read-two-failed",
    "recover-merge-newer",
    "rwn-grid",
    "snapshot-plus-log",
    "stale-own-version",
    "three-of-four",
    "tombstone-not-revived",
    "update-nonreplica-failed",
    "update-one-failed",
    "update-replicates",
    "update-two-failed",
    "wal-replay",
    "tour",
);

/// The bugs.
pub const REGRESSIONS: &[Scenario] = &files!("../../../tests/regressions/", true:
    "aerospike-pause-27s",
    "all-restart-at-once",
    "cassandra-digest-side-effect",
    "cassandra-hint-window-doubled",
    "cassandra-lww-lost-updates",
    "cassandra-same-timestamp-tie",
    "clock-an-hour-ahead-and-back",
    "clock-an-hour-ahead-at-a-replica",
    "clock-back-over-a-restart",
    "cords-corruption-spreads",
    "delete-outlives-the-hint-window",
    "expiry-races-repair",
    "fsync-eio-retry",
    "garage-delete-needs-larger-ts",
    "gossip-generation-far-future",
    "hint-half-written-at-the-tail",
    "hint-oversize-at-the-head",
    "hint-owner-crashes-before-flush",
    "hint-page-ack-lost",
    "hint-window-counts-from-the-oldest",
    "monotonic-read-without-its-repair",
    "old-disk-does-not-revive",
    "one-way-link",
    "ours-ceiling-outrun",
    "ours-delivered-hints-come-back",
    "ours-duplicated-put",
    "ours-expiry-without-its-value",
    "ours-hints-behind-a-failed-page",
    "ours-parked-while-ahead",
    "overload-and-retries",
    "pause-of-30-s",
    "redis-raft-21",
    "riak-amnesia-then-repair",
    "riak-bad-crc-blocks-writes",
    "riak-claim-same-node-twice",
    "riak-doomstone-crashed-primary",
    "riak-doomstone-fallback",
    "riak-duplicate-actor-ids",
    "riak-handoff-merge-order",
    "riak-lost-clock-coordinator",
    "riak-lost-put-acks",
    "scylla-commitlog-min-position",
    "scylla-digest-ignores-tombstones",
    "scylla-hints-drained-too-early",
    "scylla-partial-replay-counted",
    "scylla-repair-beyond-cl",
    "scylla-shutdown-msg-vs-restart",
    "scylla-tombstone-gc-needs-all-sources",
    "three-islands",
    "voldemort-hints-stuck-after-topology-change",
    "voldemort-no-hint-for-delete",
    "voldemort-quota-fail-no-hint",
    "voldemort-version-bump-on-restart",
    "wiped-node-reuses-its-id",
);

impl Scenario {
    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Scenario> {
        all().find(|scenario| scenario.name == name)
    }

    /// Its plan.
    ///
    /// # Errors
    /// If the file is no plan; a test sees to it that none is.
    pub fn plan(&self) -> Result<Plan, PlanInvalid> {
        Plan::parse(self.text)
    }
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Scenario> {
    NAMED.iter().chain(REGRESSIONS)
}
