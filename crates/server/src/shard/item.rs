//! What can wait in a shard's inbox.

use std::sync::Arc;

use bytes::Bytes;
use quorate_coordinator::Origin;
use quorate_node::{DialFailure, Drain, Event, LinkLoss};
use quorate_types::{NodeId, Trace};
use quorate_wire::{Request, Response};

use crate::connections::ConnectionId;
use crate::connections::arrival::Arrival;
use crate::connections::http::asks::Waiting;
use crate::connections::resp::door::RespArrival;
use crate::give_back::Pace;
use crate::shard::walk_step::WalkStep;
use crate::view::gathering::{Scrape, StatusGathering};

/// One thing for a shard to handle in its next turn.
#[derive(Debug)]
pub(crate) enum Item {
    /// What one read of a connection's socket gave: complete frames, still encoded.
    Frames { connection: ConnectionId, frames: Vec<Bytes>, bytes: usize },
    /// A connection that has shaken hands, with the half that frames are sent through.
    Arrived(Box<Arrival>),
    /// A Redis client has come.
    RespArrived(Box<RespArrival>),
    /// What one read of a Redis client's socket gave.
    RespBytes { connection: ConnectionId, bytes: Bytes },
    /// A Redis client sends no more; it may still read.
    RespFinished(ConnectionId),
    /// A Redis client's socket takes more replies.
    RespWritable(ConnectionId),
    /// Time to look for Redis clients that are overdue.
    RespSweep,
    /// Another client ends this Redis client's connection.
    RespKill(ConnectionId),
    /// What an HTTP client asks; its place was reserved within `http.requests_max`.
    Ask(Box<Ask>, Waiting),
    /// A connection is gone.
    Closed { connection: ConnectionId, why: LinkLoss },
    /// A dial came to nothing.
    DialFailed { peer: NodeId, why: DialFailure },
    /// What another shard's connections ask of this shard's partitions, from one turn.
    Requests(Vec<(Origin, Request)>),
    /// What this shard's connections asked of another, settled.
    Answers(Settled),
    /// A status is ready; its place was reserved within `status_requests_max`.
    Answer(Origin, Box<Response>),
    /// What became of hints: made by the hint thread for the machine as it is.
    Happened(Box<Event>),
    /// The next slice of a checkpoint's walk.
    Walk(WalkStep),
    /// Add this shard's part to a status.
    Status(Arc<StatusGathering>),
    /// Add this shard's part to what metrics are made of.
    Scrape(Arc<Scrape>),
    /// Take no new requests; end when nothing is under way.
    Drain(Drain),
    /// How much the shard's thread had to do: memory that is free may go back.
    GiveBack(Pace),
}

/// What an HTTP client asks.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) request: Request,
    /// What replicas are told, if it belongs to a trace.
    pub(crate) trace: Option<Trace>,
}

/// Requests of one shard's connections that shard `from` is done with, from one turn.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) from: usize,
    pub(crate) answers: Vec<(Origin, Response)>,
    /// Those that get no answer of their own.
    pub(crate) unanswered: Vec<Origin>,
}
