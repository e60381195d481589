//! What one scrape found: all that the table's rows read their samples from.

use std::collections::BTreeMap;

use quorate_http::Under;
use quorate_node::ShardStatus;
use quorate_types::NodeId;
use quorate_wal::{Marks, Stats};
use quorate_wire::NodeStatus;

use super::process::Process;
use super::requests::RequestCounts;
use crate::clock::wall_ms;
use crate::common::Common;
use crate::view::gathering::ShardPart;
use crate::view::status::merged;

/// One value with the labels that tell it from the others of its metric.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    /// In the order of the table's row.
    pub(crate) labels: Vec<String>,
    pub(crate) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Whole(u64),
    Real(f64),
    Histogram { sum: f64, buckets: Vec<(f64, u64)> },
}

impl Sample {
    /// Without a label.
    pub(crate) fn bare(value: impl Into<Value>) -> Sample {
        Sample { labels: Vec::new(), value: value.into() }
    }

    /// Under one label.
    pub(crate) fn of(label: &str, value: impl Into<Value>) -> Sample {
        Sample { labels: vec![label.to_owned()], value: value.into() }
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Value {
        Value::Whole(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Real(value)
    }
}

/// A peer, as all links of this node show it.
#[derive(Clone, Debug)]
pub(crate) struct PeerScene {
    pub(crate) name: String,
    pub(crate) alive: bool,
    pub(crate) rtt_us: u32,
    pub(crate) in_flight: u64,
    pub(crate) queue_bytes: u64,
    pub(crate) links: u64,
    /// Of what the shards measured, that which is furthest from zero.
    pub(crate) clock_ahead_ms: i64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) status: NodeStatus,
    pub(crate) cluster_name: String,
    pub(crate) counters: BTreeMap<String, u64>,
    pub(crate) requests: RequestCounts,
    pub(crate) peers: Vec<PeerScene>,
    /// Hints by target, with the target's name.
    pub(crate) hints: Vec<(String, quorate_wire::HintStatus)>,
    pub(crate) clients: [u64; 3],
    pub(crate) half_commands_bytes: u64,
    pub(crate) http: Under,
    pub(crate) wal: (Stats, Marks),
    pub(crate) wall_ms: u64,
    pub(crate) process: Process,
}

impl Scene {
    /// What the shards gave, and what the node knows beside it.
    pub(crate) fn new(common: &Common, parts: Vec<ShardPart>, http: Under) -> Scene {
        let mut requests = RequestCounts::new();
        let (mut connections, mut links, mut statuses) = (0, Vec::new(), Vec::new());
        for part in parts {
            requests.add(&part.requests);
            connections += part.connections;
            links.extend(part.links);
            statuses.push(part.status);
        }
        let mut status = merged(common, &statuses);
        let name = |node: NodeId| common.overview.name(node).map_or_else(|| node.to_string(), str::to_owned);
        Scene {
            counters: std::mem::take(&mut status.counters).into_iter().collect(),
            cluster_name: common.about.cluster_name.clone(),
            requests,
            peers: peers(&status, &statuses, &links, name),
            hints: status.hints.iter().map(|hints| (name(hints.target), hints.clone())).collect(),
            clients: [connections, common.resp_clients.len() as u64, http.connections],
            half_commands_bytes: common.resp_clients.half_commands.bytes() as u64,
            http,
            wal: common.overview.wal_counts(),
            wall_ms: wall_ms(),
            process: Process::read(),
            status,
        }
    }

    /// The counter of this name; 0 if there is none.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or(0)
    }
}

fn peers(
    status: &NodeStatus,
    shards: &[ShardStatus],
    links: &[(NodeId, u64)],
    name: impl Fn(NodeId) -> String,
) -> Vec<PeerScene> {
    let ahead = |node: NodeId| {
        let views = shards.iter().flat_map(|shard| &shard.peers).filter(move |view| view.node == node);
        views.map(|view| view.clock_ahead_ms).max_by_key(|ahead| ahead.unsigned_abs()).unwrap_or(0)
    };
    let peer = |peer: &quorate_wire::PeerStatus| {
        let queues = links.iter().filter(|(node, _)| *node == peer.node);
        PeerScene {
            name: name(peer.node),
            alive: peer.alive,
            rtt_us: peer.rtt_us,
            in_flight: peer.in_flight,
            queue_bytes: queues.clone().map(|(_, bytes)| bytes).sum(),
            links: queues.count() as u64,
            clock_ahead_ms: ahead(peer.node),
        }
    };
    status.peers.iter().map(peer).collect()
}
