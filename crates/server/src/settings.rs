//! From the configuration of a node to the settings of its parts. Limits that are promised per node are divided among
//! its shards here, and nowhere else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quorate_coordinator as coordinator;
use quorate_coordinator::{CoordinatorConfig, HedgePolicy, KeyspacePolicy};
use quorate_node as node;
use quorate_node::{HandoffConfig, ShardConfig, ShardLimits};
use quorate_resp::{ClusterDoor, ClusterMap, Settings};
use quorate_ring::Ring;
use quorate_store::disk::Identity;
use quorate_transport::{Tcp, TcpOptions, Transport};
use quorate_types::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use quorate_types::{Generation, KeyspaceId, NodeId, PartitionId};
use quorate_wal as wal;

use crate::common::About;
use crate::config::{Config, KeyspaceConfig, NodeConfig, ReadRepairPolicy, RespListener, SyncPolicy};
use crate::connections::bound::Bound;
use crate::connections::http::thread::HttpListening;
use crate::connections::resp::door::RespListening;
use crate::error::StartError;

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
        slow_after: slow_after(config),
        ..CoordinatorConfig::new(node)
    }
}

/// From when on a request is slow; `None`: none is.
fn slow_after(config: &Config) -> Option<Duration> {
    Some(config.log.slow_request).filter(|after| !after.is_zero())
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

/// Bytes of an argument over the largest value: a key or a value that is a little too large is refused by name, and the
/// connection goes on.
const ARGUMENT_SLACK_BYTES: u64 = 64 << 10;

/// The door for Redis clients at `listener`, which is bound.
pub(crate) fn resp(
    config: &Config,
    about: &About,
    ring: &Ring,
    (listener, bound): (&RespListener, Bound),
) -> Result<RespListening, StartError> {
    let keyspace = config.keyspace(&config.resp.keyspace);
    let (name, replicas) =
        keyspace.map_or((String::new(), 1), |keyspace| (keyspace.name.clone(), keyspace.n));
    let held = PartitionId::all().filter(|&at| ring.replicas(at, replicas).contains(&about.node)).count();
    let settings = Settings {
        limits: resp_limits(config),
        keyspace: KeyspaceId::of_name(&config.resp.keyspace),
        hash_seed: ring.seed(),
        read: listener.read,
        write: listener.write,
        password: password(&config.resp.password_file)?,
        cluster: config.resp.cluster.then(|| cluster_map(config, about, (listener, bound.local_addr.port()))),
        about: quorate_resp::About {
            node: about.name.clone(),
            cluster: about.cluster_name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            port: bound.local_addr.port(),
            keyspace: name,
            replicas,
            partitions_held: held,
            appendfsync: match config.wal.sync {
                SyncPolicy::Always => "always",
                SyncPolicy::Interval => "everysec",
                SyncPolicy::Os => "no",
            },
            names: config.nodes.iter().map(|node| (node.number(), node.id.clone())).collect(),
        },
    };
    Ok(RespListening { bound, settings })
}

/// The doors of all nodes that are like `listener`, which the node of `about` has open at `port`.
fn cluster_map(config: &Config, about: &About, (listener, port): (&RespListener, u16)) -> ClusterMap {
    let door = |node: &NodeConfig, at: &RespListener| {
        let (host, port) = at.addr.rsplit_once(':')?;
        // Who listens everywhere is reached where its peers reach it.
        let peers_host = node.addr.rsplit_once(':').map_or(host, |(host, _)| host);
        let everywhere = ["0.0.0.0", "[::]", "*", ""].contains(&host);
        let host = if everywhere { peers_host } else { host };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(ClusterDoor { node: node.number(), host, port: port.parse().ok()? })
    };
    let alike = |other: &&RespListener| (other.read, other.write) == (listener.read, listener.write);
    let others = config.nodes.iter().filter(|node| node.number() != about.node);
    let others = others.filter_map(|node| door(node, node.resp_addr.0.iter().find(alike)?)).collect();
    let own = config.nodes.iter().find(|node| node.number() == about.node);
    let host = own.and_then(|node| door(node, listener)).map_or_else(String::new, |door| door.host);
    let own = ClusterDoor { node: about.node, host, port };
    ClusterMap::new(config.cluster_id(), own, others)
}

fn resp_limits(config: &Config) -> quorate_resp::Limits {
    let resp = &config.resp;
    quorate_resp::Limits {
        arguments_max: resp.arguments_max,
        argument_bytes_max: (config.limits.value_bytes_max.0 + ARGUMENT_SLACK_BYTES) as u32,
        command_bytes_max: resp.command_bytes_max.0 as u32,
        pipeline_max: resp.pipeline_max,
        reads_max: resp.reads_max,
        output_pause_bytes: resp.output_pause_bytes.0 as usize,
        output_bytes_max: resp.output_bytes_max.0 as usize,
        write_timeout: resp.write_timeout,
        command_timeout: resp.command_timeout,
        commands_bytes_max: resp.commands_bytes_max.0 as usize,
        ..quorate_resp::Limits::default()
    }
}

/// The door for HTTP clients.
pub(crate) fn http(config: &Config, about: &About, bound: Bound) -> HttpListening {
    let http = &config.http;
    let about = quorate_http::About {
        node: about.name.clone(),
        cluster: about.cluster_name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        generation: about.generation.0,
        names: config.nodes.iter().map(|node| (node.number(), node.id.clone())).collect(),
        keyspaces: config.keyspaces.iter().map(|keyspace| keyspace.name.clone()).collect(),
        keyspace: http.keyspace.clone(),
    };
    let limits = quorate_http::Limits {
        connections_max: http.connections_max,
        requests_max: http.requests_max,
        head_bytes_max: http.head_bytes_max.0 as usize,
        body_bytes_max: http.body_bytes_max.0 as usize,
        bodies_bytes_max: http.bodies_bytes_max.0 as usize,
        head_timeout: http.head_timeout,
        body_timeout: http.body_timeout,
        write_timeout: http.write_timeout,
        subscribers_max: http.subscribers_max,
        heartbeat_every: http.heartbeat_every,
    };
    HttpListening { bound, about, limits }
}

/// The door for operators.
pub(crate) fn admin(config: &Config, about: &About, bound: Bound) -> HttpListening {
    let clients = http(config, about, bound);
    let limits = quorate_http::Limits { connections_max: config.admin.connections_max, ..clients.limits };
    HttpListening { limits, ..clients }
}

/// The first line of the file; an empty path is no password.
fn password(path: &Path) -> Result<Option<Vec<u8>>, StartError> {
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let unreadable = |source| StartError::PasswordFile { path: path.to_owned(), source };
    let text = std::fs::read(path).map_err(unreadable)?;
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(unreadable(std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(Some(line.to_vec()))
}

/// The other nodes, and where they are dialled.
pub(crate) fn peers(config: &Config, node: NodeId) -> Vec<(NodeId, String)> {
    let others = config.nodes.iter().filter(|other| other.number() != node);
    others.map(|other| (other.number(), other.addr.clone())).collect()
}

#[cfg(test)]
mod tests {
    use quorate_types::ClusterId;

    use super::*;

    #[test]
    fn cluster_clients_are_told_of_the_doors_with_the_same_levels_where_they_can_be_reached() {
        let node = |k: u8, resp: &str| {
            format!("[[node]]\nid = \"n{k}\"\naddr = \"10.0.0.{k}:7381\"\nresp_addr = \"{resp}\"\n")
        };
        let nodes = [
            node(1, "0.0.0.0:7379, 0.0.0.0:7378 read=ONE"),
            node(2, "0.0.0.0:7388 read=ONE, 0.0.0.0:7389"),
            node(3, "[::1]:7379"),
            node(4, ""),
        ];
        let text = format!("[cluster]\nname = \"c\"\n{}", nodes.concat());
        let config = Config::parse(&text, Path::new(".")).unwrap();
        let about = About {
            node: NodeId::of_name("n1"),
            name: "n1".to_owned(),
            cluster: config.cluster_id(),
            cluster_name: "c".to_owned(),
            generation: Generation(1),
        };
        let door = |name: &str, host: &str, port| ClusterDoor {
            node: NodeId::of_name(name),
            host: host.to_owned(),
            port,
        };
        let told = |own: ClusterDoor, others| ClusterMap::new(ClusterId::of_name("c"), own, others);
        let listeners = &config.nodes[0].resp_addr.0;
        let plain = vec![door("n2", "10.0.0.2", 7389), door("n3", "::1", 7379)];
        assert_eq!(
            cluster_map(&config, &about, (&listeners[0], 7379)),
            told(door("n1", "10.0.0.1", 7379), plain)
        );
        let at_one = vec![door("n2", "10.0.0.2", 7388)];
        assert_eq!(
            cluster_map(&config, &about, (&listeners[1], 7378)),
            told(door("n1", "10.0.0.1", 7378), at_one)
        );
    }
}
