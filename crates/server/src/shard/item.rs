//! What can wait in a shard's inbox.

use std::sync::Arc;

use bytes::Bytes;
use quorate_coordinator::Origin;
use quorate_node::{DialFailure, Event, LinkLoss};
use quorate_types::NodeId;
use quorate_wire::{Request, Response};

use crate::connections::arrival::Arrival;
use crate::shard::walking::WalkStep;
use crate::view::status::Gathering;

/// One thing for a shard to handle in its next turn.
#[derive(Debug)]
pub(crate) enum Item {
    /// What one read of a connection's socket gave: complete frames, still encoded.
    Frames { connection: ConnectionId, frames: Vec<Bytes>, bytes: usize },
    /// A connection that has shaken hands, with the half that frames are sent through.
    Arrived(Box<Arrival>),
    /// A connection is gone.
    Closed { connection: ConnectionId, why: LinkLoss },
    /// A dial came to nothing.
    DialFailed { peer: NodeId, why: DialFailure },
    /// What another shard's connections ask of this shard's partitions, from one turn.
    Requests(Vec<(Origin, Request)>),
    /// What this shard's connections asked of another, settled.
    Answers(Settled),
    /// A status is ready; its place was reserved within `GATHERINGS_MAX`.
    Answer(Origin, Box<Response>),
    /// What became of hints: made by the hint thread for the machine as it is.
    Happened(Box<Event>),
    /// The next slice of a checkpoint's walk.
    Walk(WalkStep),
    /// Add this shard's part to a status.
    Status(Arc<Gathering>),
    /// Take no new requests; end when nothing is under way.
    Drain,
}

/// Requests of one shard's connections that shard `from` is done with, from one turn.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) from: usize,
    pub(crate) answers: Vec<(Origin, Response)>,
    /// Those that get no answer of their own.
    pub(crate) unanswered: Vec<Origin>,
}

/// A connection's number, unique in one incarnation of the node; the low bits name the shard that owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionId(pub(crate) u64);

const SHARD_BITS: u32 = quorate_types::limits::SHARDS_MAX.trailing_zeros();

impl ConnectionId {
    pub(crate) fn new(serial: u64, shard: usize) -> ConnectionId {
        ConnectionId(serial << SHARD_BITS | shard as u64)
    }

    /// The shard that owns the connection.
    pub(crate) fn shard(self) -> usize {
        (self.0 & ((1 << SHARD_BITS) - 1)) as usize
    }
}
