//! What a lab's replicas are set to beside the keyspace's policy: sizes, limits and how slow a disk is.

use std::time::Duration;

use quorate_node::{ClockConfig, ShardLimits};
use quorate_store::hints::HintOptions;

/// See the module.
#[derive(Clone, Debug)]
pub struct Tuning {
    pub wal_segment_bytes: u64,
    pub hints: HintOptions,
    pub limits: ShardLimits,
    pub clock: ClockConfig,
    /// What a sync takes.
    pub sync_least: Duration,
    pub sync_most: Duration,
    /// Slices of a checkpoint, and the time between two.
    pub slice_bytes: usize,
    pub slice_every: Duration,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            wal_segment_bytes: 1 << 20,
            hints: HintOptions { segment_bytes: 256 << 10, ..HintOptions::default() },
            limits: ShardLimits::default(),
            clock: ClockConfig::default(),
            sync_least: Duration::from_micros(200),
            sync_most: Duration::from_micros(200),
            slice_bytes: 4 << 10,
            slice_every: Duration::from_millis(1),
        }
    }
}
