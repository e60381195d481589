//! What happens to a shard: everything that its driver may tell it.
//!
//! Invariants that the driver keeps:
//! - a [`LinkId`] names one connection and is never used again; `LinkUp` comes before anything else of it, and
//!   nothing comes after its `LinkDown`;
//! - everything appended by [`Effects::log`](crate::Effects) is answered by `Logged` (in order, cumulative) or by
//!   `LogFailed` (once, for good);
//! - each `Append` of a hint is settled by one `HintsStored`; each `ReadPage` is answered by one `HintPage` or
//!   `HintPageFailed`.

use std::fmt;

use quorate_coordinator::Origin;
use quorate_store::{Hint, HintNumber, Ticket};
use quorate_types::{Generation, NodeId, SessionId, Trace};
use quorate_wire::{LinkEpoch, PeerMessage, Request};

/// One connection between this shard and a shard of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Who dialled, and so who asks on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// We did: we send pings, writes and reads on it.
    Outbound {
        /// What our batch numbers count within.
        epoch: LinkEpoch,
        /// The protocol that both sides speak: what we may say.
        protocol: u16,
    },
    /// The peer did: we answer on it.
    Inbound,
}

/// How a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LinkLoss {
    /// The peer closed it.
    Closed,
    /// The peer's system reset it: most likely its process is gone.
    Reset,
    /// What was sent could not be written in time.
    WriteTimeout,
    /// More was queued for it than it may hold.
    QueueFull,
    /// What came was no message of ours.
    Garbage,
    /// We closed it.
    Ours,
}

impl fmt::Display for LinkLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LinkLoss::Closed => "it closed the link",
            LinkLoss::Reset => "the link was reset",
            LinkLoss::WriteTimeout => "it did not take what was sent in time",
            LinkLoss::QueueFull => "more was queued for it than a link may hold",
            LinkLoss::Garbage => "it sent what is no message",
            LinkLoss::Ours => "we closed the link",
        })
    }
}

/// Why a link did not come up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DialFailure {
    /// Nobody listens at its address.
    Refused,
    /// The connection was reset before the handshake ended.
    Reset,
    /// No answer in time.
    TimedOut,
    /// There is no way to its address.
    Unreachable,
    /// It answered and refused the handshake.
    HandshakeRefused,
}

impl fmt::Display for DialFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DialFailure::Refused => "nobody listens at its address",
            DialFailure::Reset => "the connection was reset",
            DialFailure::TimedOut => "no answer in time",
            DialFailure::Unreachable => "its address can't be reached",
            DialFailure::HandshakeRefused => "it refused the handshake",
        })
    }
}

/// The hints on disk for one target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HintBacklog {
    /// Hints on disk and not yet delivered.
    pub durable: u64,
    /// Their size on disk, bytes.
    pub bytes: u64,
    /// When the oldest was taken, wall milliseconds.
    pub oldest_wall_ms: Option<u64>,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A client asks. `Status` and `Ring` are the driver's to answer.
    Request {
        /// Where the answer goes.
        origin: Origin,
        /// What is asked; its key or partition belongs to this shard.
        request: Request,
    },
    /// A client asks, and the request is part of a trace.
    TracedRequest(Box<TracedRequest>),
    /// A client's connection is gone: its session is forgotten after a grace.
    SessionClosed {
        /// The session.
        session: SessionId,
    },
    /// A link's handshake is done.
    LinkUp {
        /// The link.
        link: LinkId,
        /// Who is at the other end.
        peer: LinkPeer,
        /// Who dialled.
        direction: Direction,
    },
    /// A link ended.
    LinkDown {
        /// The link.
        link: LinkId,
        /// How.
        why: LinkLoss,
    },
    /// A link to a peer did not come up.
    DialFailed {
        /// The peer.
        peer: NodeId,
        /// Why.
        why: DialFailure,
    },
    /// A peer said something.
    Peer {
        /// The link it came on.
        link: LinkId,
        /// What it said.
        message: PeerMessage,
    },
    /// The log is durable up to and including this sequence number of [`LogBuffer`](crate::LogBuffer).
    Logged {
        /// The last durable record.
        through: u64,
    },
    /// The log failed for good: nothing that was not `Logged` ever will be.
    LogFailed,
    /// Hints were settled, or what is on disk changed. Every shard is told of every change, after each sync of the
    /// target's log and after each delivery, so that each knows what is held for whom.
    HintsStored {
        /// Whom they are for.
        target: NodeId,
        /// How many of *this shard's* appends have been settled since the last time, stored or refused.
        settled: u64,
        /// How many of those were refused, because the target's log is full or failed.
        refused: u64,
        /// What is on disk now.
        backlog: HintBacklog,
    },
    /// Hints as they were found at the start; every shard is told.
    HintsFound {
        /// Whom they are for.
        target: NodeId,
        /// What is on disk.
        backlog: HintBacklog,
    },
    /// The answer to a `ReadPage`, in the log's order; empty: there is nothing behind `after`.
    HintPage {
        /// Whom they are for.
        target: NodeId,
        /// The hints.
        hints: Vec<(HintNumber, Hint)>,
    },
    /// The other answer to a `ReadPage`: the disk failed it. It will be asked again.
    HintPageFailed {
        /// Whom they are for.
        target: NodeId,
    },
    /// The store has what it was asked for.
    StoreReady {
        /// What was asked for.
        ticket: Ticket,
    },
    /// Time passed; come when [`Shard::next_timer`](crate::Shard::next_timer) said.
    Tick,
    /// Take no new requests; what is in flight is finished.
    Drain(Drain),
}

/// Whose requests a node that drains takes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drain {
    /// Those of clients: as a replica it goes on.
    Clients,
    /// Those of peers neither: it is about to end.
    Everybody,
}

/// A client's request, with the trace that it is part of until it is answered.
#[derive(Clone, Debug)]
pub struct TracedRequest {
    /// Where the answer goes. No other request that is under way has its connection and number.
    pub origin: Origin,
    /// What is asked, as in [`Event::Request`].
    pub request: Request,
    /// What replicas are told; its parent is the coordinator's own span.
    pub trace: Trace,
}

/// Who is at the other end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkPeer {
    /// The peer.
    pub node: NodeId,
    /// The incarnation of its process.
    pub generation: Generation,
    /// Its shard.
    pub shard: u16,
    /// Its number of shards.
    pub shards: u16,
}
