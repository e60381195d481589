//! A node's status, merged from the parts of its shards.

use std::collections::BTreeMap;

use quorate_node::{PeerView, ShardStatus};
use quorate_types::{KeyspaceId, Mono};
use quorate_wire::{HintStatus, KeyspaceStatus, NodeStatus, PeerStatus};

use crate::common::Common;
use crate::metrics::process;

/// The status of the node whose shards gave `parts`.
pub(crate) fn merged(common: &Common, parts: &[ShardStatus]) -> NodeStatus {
    let now = common.clock.mono();
    NodeStatus {
        node: common.about.node,
        name: common.about.name.clone(),
        cluster: common.about.cluster,
        generation: common.about.generation,
        uptime_ms: now.0 / 1_000_000,
        shards: parts.len() as u16,
        ring_hash: common.ring.hash(),
        peers: peers(common, parts, now),
        keyspaces: keyspaces(common, parts),
        hints: hints(parts),
        wal: common.overview.wal(),
        counters: counters(common, parts),
    }
}

/// The peers as all shards together see them: down if any shard believes so.
fn peers(common: &Common, parts: &[ShardStatus], now: Mono) -> Vec<PeerStatus> {
    let mut merged: BTreeMap<_, PeerView> = BTreeMap::new();
    for view in parts.iter().flat_map(|part| &part.peers) {
        merged.entry(view.node).and_modify(|known| *known = both(known, view)).or_insert_with(|| *view);
    }
    merged.values().map(|view| peer_status(common, view, now)).collect()
}

/// One peer as one shard sees it.
pub(crate) fn peer_status(common: &Common, view: &PeerView, now: Mono) -> PeerStatus {
    let mut status = PeerStatus {
        node: view.node,
        alive: view.alive,
        since_ms: now.since(view.since).as_millis() as u64,
        rtt_us: view.rtt_us,
        in_flight: view.in_flight,
        why_down: view.why_down.as_ref().map(ToString::to_string),
    };
    common.overview.explain(&mut status);
    status
}

fn both(a: &PeerView, b: &PeerView) -> PeerView {
    let worse = if a.alive { b } else { a };
    PeerView { in_flight: a.in_flight + b.in_flight, rtt_us: a.rtt_us.max(b.rtt_us), ..*worse }
}

fn keyspaces(common: &Common, parts: &[ShardStatus]) -> Vec<KeyspaceStatus> {
    let of = |id: KeyspaceId| {
        let totals =
            parts.iter().flat_map(|part| &part.keyspaces).filter(move |(keyspace, _)| *keyspace == id);
        totals.fold((0, 0, 0), |sum, (_, t)| (sum.0 + t.keys, sum.1 + t.tombstones, sum.2 + t.bytes))
    };
    let status = |keyspace: &quorate_wire::RingKeyspace| {
        let (keys, tombstones, bytes) = of(keyspace.id);
        let (id, name, n) = (keyspace.id, keyspace.name.clone(), keyspace.n);
        KeyspaceStatus { id, name, n, keys, tombstones, bytes }
    };
    common.overview.keyspaces().iter().map(status).collect()
}

/// Every shard knows the backlogs of all targets: one part says it all.
fn hints(parts: &[ShardStatus]) -> Vec<HintStatus> {
    let status = |(target, backlog): &(_, quorate_node::HintBacklog)| HintStatus {
        target: *target,
        durable: backlog.durable,
        bytes: backlog.bytes,
        oldest_wall_ms: backlog.oldest_wall_ms,
    };
    parts.first().map(|part| part.hints.iter().map(status).collect()).unwrap_or_default()
}

fn counters(common: &Common, parts: &[ShardStatus]) -> Vec<(String, u64)> {
    let mut sums: BTreeMap<String, u64> = common.counters.list().into_iter().collect();
    sums.insert("resp_connections".to_owned(), common.resp_clients.len() as u64);
    sums.insert("resp_connections_max".to_owned(), common.overview.resp_connections_max);
    if let Some(bytes) = process::resident_bytes() {
        sums.insert("process_resident_bytes".to_owned(), bytes);
    }
    for part in parts {
        for (name, value) in &part.counters {
            *sums.entry((*name).to_owned()).or_default() += value;
        }
        let in_flight = &part.in_flight;
        for (name, value) in [
            ("hints_pending", part.hints_pending),
            ("requests_in_flight", in_flight.load.unanswered as u64),
            ("log_records_pending", part.log_pending),
            ("sessions", part.sessions),
        ] {
            *sums.entry(name.to_owned()).or_default() += value;
        }
    }
    sums.into_iter().collect()
}
