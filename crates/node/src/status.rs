//! How a shard is, for `status` and metrics.

use std::collections::BTreeMap;

use quorate_coordinator::{Counters, InFlight};
use quorate_store::Totals;
use quorate_types::{KeyspaceId, NodeId};

use crate::counters::NodeCounters;
use crate::event::HintBacklog;
use crate::liveness::PeerView;

/// One shard of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardStatus {
    /// What it holds, in order of the keyspaces' numbers.
    pub keyspaces: Vec<(KeyspaceId, Totals)>,
    /// The peers as its own links show them, in order of their numbers.
    pub peers: Vec<PeerView>,
    /// Hints on the node's disk by target: the same on every shard, so not to be summed.
    pub hints: Vec<(NodeId, HintBacklog)>,
    /// Hints of this shard that wait for the disk.
    pub hints_pending: u64,
    /// Requests that its coordinator has in flight.
    pub in_flight: InFlight,
    /// Log records that it waits for.
    pub log_pending: u64,
    /// Client sessions remembered.
    pub sessions: u64,
    /// Whether its log failed.
    pub log_failed: bool,
    /// Everything that is counted, by name.
    pub counters: BTreeMap<&'static str, u64>,
}

/// How often the limits of a shard were reached since its start. Compared after every turn: small, and without names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitsReached([u64; 7]);

impl LimitsReached {
    pub(crate) fn new(node: &NodeCounters, coordinator: &Counters) -> LimitsReached {
        LimitsReached([
            coordinator.limit_requests,
            coordinator.limit_request_bytes,
            node.limit_hints_pending,
            node.limit_clock_parked,
            node.limit_peer_requests,
            node.limit_peer_bytes,
            node.limit_link_outstanding,
        ])
    }

    /// Each with its name.
    pub fn named(self) -> [(&'static str, u64); 7] {
        const NAMES: [&str; 7] = [
            "requests_max",
            "request_bytes_max",
            "hints_pending_max",
            "clock_parked_max",
            "peer_requests_max",
            "peer_bytes_max",
            "link_outstanding_bytes_max",
        ];
        std::array::from_fn(|at| (NAMES[at], self.0[at]))
    }
}
