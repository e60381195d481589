//! From the configuration of a node to the settings of its parts. Limits that are promised per node are divided among
//! its shards here, and nowhere else.

use std::path::PathBuf;
use std::sync::Arc;

use quorate_coordinator as coordinator;
use quorate_coordinator::{CoordinatorConfig, HedgePolicy, KeyspacePolicy};
use quorate_node as node;
use quorate_node::{HandoffConfig, ShardConfig, ShardLimits};
use quorate_store::disk::Identity;
use quorate_transport::{Tcp, TcpOptions, Transport};
use quorate_types::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use quorate_types::{Generation, NodeId};
use quorate_wal as wal;

use crate::config::{Config, KeyspaceConfig, ReadRepairPolicy, SyncPolicy};

/// The settings of shard `shard` of `shards`.
pub(crate) fn shard_config(
    config: &Config,
    node: NodeId,
    generation: Generation,
    (shard, shards): (usize, usize),
) -> ShardConfig {
    ShardConfig {
        clock: clock(config),
        limits: limits(config, shards),
        liveness: liveness(config),
        handoff: handoff(config),
        ..ShardConfig::new(coordinator_config(config, node, shards), generation, shard, shards)
    }
}

fn coordinator_config(config: &Config, node: NodeId, shards: usize) -> CoordinatorConfig {
    CoordinatorConfig {
        keyspaces: config.keyspaces.iter().map(|k| (k.number(), policy(k))).collect(),
        digest_above_bytes: config.reads.digest_above.0 as u32,
        hedge: HedgePolicy { extra_percent_max: config.reads.hedge_percent_max, ..HedgePolicy::default() },
        requests_max: share(config.limits.requests_max, shards),
        request_bytes_max: config.limits.request_bytes_max.0 / shards as u64,
        ..CoordinatorConfig::new(node)
    }
}

fn policy(keyspace: &KeyspaceConfig) -> KeyspacePolicy {
    KeyspacePolicy {
        n: keyspace.n,
        read_level: keyspace.read,
        write_level: keyspace.write,
        read_repair: match keyspace.read_repair {
            ReadRepairPolicy::Blocking => coordinator::ReadRepairPolicy::Blocking,
            ReadRepairPolicy::Background => coordinator::ReadRepairPolicy::Background,
            ReadRepairPolicy::Off => coordinator::ReadRepairPolicy::Off,
        },
        hinted_handoff: keyspace.hinted_handoff,
    }
}

fn clock(config: &Config) -> node::ClockConfig {
    node::ClockConfig {
        skew_max: config.clock.clock_skew_max,
        skew_warn: config.clock.clock_skew_warn,
        ahead: config.clock.clock_ahead,
        ..node::ClockConfig::default()
    }
}

fn limits(config: &Config, shards: usize) -> ShardLimits {
    ShardLimits {
        value_bytes_max: config.limits.value_bytes_max.0 as u32,
        peer_requests_max: share(config.limits.peer_requests_max, shards),
        hints_pending_max: share(config.hints.hints_pending_max, shards) as u64,
        ..ShardLimits::default()
    }
}

fn liveness(config: &Config) -> node::LivenessConfig {
    node::LivenessConfig {
        ping_every: config.liveness.ping_every,
        silent_after: config.liveness.silent_after,
        ..node::LivenessConfig::default()
    }
}

fn handoff(config: &Config) -> HandoffConfig {
    HandoffConfig {
        window: config.hints.hint_window,
        page_bytes_max: config.hints.hint_credit_bytes.0 as u32,
        ..HandoffConfig::default()
    }
}

/// A shard's share of a limit that is promised per node; never nothing.
fn share(limit: usize, shards: usize) -> usize {
    limit.div_ceil(shards)
}

/// Whose data directory it must be.
pub(crate) fn identity(config: &Config, node: NodeId, name: &str) -> Identity {
    Identity {
        cluster: config.cluster_id(),
        cluster_name: config.cluster.name.clone(),
        node,
        node_name: name.to_owned(),
    }
}

/// A record's overhead over key and value, generously.
const RECORD_OVERHEAD_BYTES: usize = 4096;

/// The log in `dir`. A record of the largest key and value always fits.
pub(crate) fn wal(config: &Config, dir: PathBuf) -> wal::Options {
    let record_bytes_max = VALUE_BYTES_MAX + KEY_BYTES_MAX + RECORD_OVERHEAD_BYTES;
    let policy = match config.wal.sync {
        SyncPolicy::Always => wal::SyncPolicy::Always,
        SyncPolicy::Interval => wal::SyncPolicy::Interval { every: config.wal.sync_interval },
        SyncPolicy::Os => wal::SyncPolicy::Os,
    };
    wal::Options::new(dir)
        .segment_bytes(config.wal.segment_bytes.0)
        .record_bytes_max(record_bytes_max as u64)
        .sync(policy)
}

/// How connections are made.
pub(crate) fn transport(config: &Config) -> Arc<dyn Transport> {
    let link_queue_bytes_max = config.limits.link_queue_bytes_max.0 as usize;
    Arc::new(Tcp::new(TcpOptions { link_queue_bytes_max, ..TcpOptions::default() }))
}

/// The other nodes, and where they are dialled.
pub(crate) fn peers(config: &Config, node: NodeId) -> Vec<(NodeId, String)> {
    let others = config.nodes.iter().filter(|other| other.number() != node);
    others.map(|other| (other.number(), other.addr.clone())).collect()
}
