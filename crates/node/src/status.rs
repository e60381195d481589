//! How a shard is, for `status` and metrics.

use std::collections::BTreeMap;

use quorate_coordinator::InFlight;
use quorate_store::Totals;
use quorate_types::{KeyspaceId, NodeId};

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
