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

// A name is that of the field beside it: what the limit itself is called, the metrics' table says.
macro_rules! reached {
    (|$node:ident, $coordinator:ident| $($counters:ident.$counter:ident),+ $(,)?) => {
        impl LimitsReached {
            pub(crate) fn new($node: &NodeCounters, $coordinator: &Counters) -> LimitsReached {
                LimitsReached([$($counters.$counter),+])
            }

            /// Each by the name of its counter.
            pub fn counted(self) -> impl Iterator<Item = (&'static str, u64)> {
                [$(stringify!($counter)),+].into_iter().zip(self.0)
            }
        }
    };
}

reached! { |node, coordinator|
    coordinator.limit_requests,
    coordinator.limit_request_bytes,
    node.limit_hints_pending,
    node.limit_clock_parked,
    node.limit_peer_requests,
    node.limit_peer_bytes,
    node.limit_link_outstanding,
}
