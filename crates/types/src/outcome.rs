//! What became of a request: one vocabulary for every front door.
//!
//! The kinds differ in what the caller may do next, and that is why they exist:
//! - *Written*, *Found*, *Deleted*, *NotFound*: answered;
//! - *Unavailable*, *Overloaded*: nothing was sent, nothing has changed, any retry is safe;
//! - *Indeterminate*: it may survive; a retry is safe only with the same version;
//! - *Rejected*: it will never be applied.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{NodeId, Record, Version};

/// Why a node refused, by name. A refused write was not and will not be applied by the node that says so.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Refusal {
    /// The request's deadline had passed before work on it began.
    #[error("the deadline had passed before the work began")]
    DeadlinePassed,
    /// A bounded queue or budget is full; `limit` is its name in the config.
    #[error("overloaded: {limit} is exhausted")]
    Overloaded {
        /// The name of the limit.
        limit: String,
    },
    /// The two nodes compute different rings.
    #[error("ring {theirs:016x} is not our ring {ours:016x}")]
    RingMismatch {
        /// The asker's ring hash.
        theirs: u64,
        /// The answerer's ring hash.
        ours: u64,
    },
    /// The node is no replica of the key's partition.
    #[error("this node holds no copy of the key")]
    NotReplica,
    /// No such keyspace.
    #[error("no such keyspace")]
    UnknownKeyspace,
    /// The stamp lies too far in the future.
    #[error("the stamp is {ahead_ms} ms ahead of our clock, more than clock_skew_max = {skew_max_ms} ms")]
    ClockSkew {
        /// How far, milliseconds.
        ahead_ms: u64,
        /// The bound, milliseconds.
        skew_max_ms: u64,
    },
    /// The key is empty or too long.
    #[error("the key has {bytes} bytes; a key has 1 to {bytes_max} bytes")]
    KeyLength {
        /// Its length.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// The value is too large.
    #[error("the value has {bytes} bytes, more than value_bytes_max = {bytes_max}")]
    ValueTooLarge {
        /// Its length.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// The level asks for more replicas than the keyspace has.
    #[error("the level needs {required} replicas, but the keyspace has n = {n}")]
    LevelUnmeetable {
        /// Asked for.
        required: u8,
        /// There are.
        n: u8,
    },
    /// The node's log failed: it serves no more writes until it is restarted and recovers.
    #[error("the node's log failed; it takes no writes until it is restarted")]
    LogFailed,
    /// The node is shutting down.
    #[error("the node is shutting down")]
    ShuttingDown,
    /// The request is of a kind that this version does not serve.
    #[error("not supported: {what}")]
    Unsupported {
        /// What was asked for.
        what: String,
    },
    /// No link to the node's shard is up: nothing was sent to it, or its answer can't come any more.
    #[error("no link to the node's shard is up")]
    Unreachable,
    /// A LINEARIZABLE write did not get to know the newest version of its key, so it stamped and wrote nothing.
    #[error("{answered} of the {required} replicas needed said which version they hold; nothing was written")]
    NewestUnknown {
        /// Replicas that said it.
        answered: u8,
        /// Replicas that the level needs.
        required: u8,
    },
    /// A LINEARIZABLE write must be newer than what its key holds, and the coordinator's clock may not follow that
    /// far. Nothing was written.
    #[error(
        "the key's newest version is of {newest_ms} ms, the coordinator's clock says {ours_ms} ms: {} ms ahead, more \
         than clock_skew_max = {skew_max_ms} ms; nothing was written",
        newest_ms.saturating_sub(*ours_ms)
    )]
    ClockBehind {
        /// The newest version's clock, milliseconds since the Unix epoch.
        newest_ms: u64,
        /// The coordinator's wall clock, milliseconds since the Unix epoch.
        ours_ms: u64,
        /// The bound, milliseconds.
        skew_max_ms: u64,
    },
    /// The coordinator would stamp the write later than most nodes' clocks allow: they would refuse it. Nothing was
    /// sent and nothing written.
    #[error(
        "the coordinator's clock is {ahead_ms} ms ahead of most nodes' clocks, more than clock_skew_max = \
         {skew_max_ms} ms; nothing was written"
    )]
    ClockAhead {
        /// How far, milliseconds.
        ahead_ms: u64,
        /// The bound, milliseconds.
        skew_max_ms: u64,
    },
}

/// What became of a put or a delete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WriteOutcome {
    /// `required` replicas have it on disk.
    Written {
        /// The write's version; a later write of the key has a larger one.
        version: Version,
        /// The absolute expiry that was stored, wall milliseconds.
        expires_at_ms: Option<u64>,
        /// Replicas that had acknowledged when the answer was sent.
        acked: u8,
        /// Replicas that the level needed.
        required: u8,
    },
    /// Fewer replicas than the level needs are alive: nothing was sent, nothing has changed.
    Unavailable {
        /// Replicas that the level needs.
        required: u8,
        /// Replicas believed alive.
        alive: u8,
    },
    /// Fewer replicas than the level needs acknowledged: it may survive, on some replicas or later on all.
    Indeterminate {
        /// Replicas that acknowledged.
        acked: u8,
        /// Replicas that the level needed.
        required: u8,
        /// Send it again only with this version; `None`: the coordinator died unheard, never send it again.
        version: Option<Version>,
        /// The absolute expiry to send again with it.
        expires_at_ms: Option<u64>,
    },
    /// It was not applied anywhere and never will be.
    Rejected {
        /// Why.
        reason: Refusal,
    },
}

/// What became of a get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadOutcome {
    /// The newest record among the replicas that answered; it has a value and is not expired.
    Found {
        /// The record.
        record: Record,
    },
    /// The newest among the answers is a tombstone.
    Deleted {
        /// The deletion's version.
        version: Version,
    },
    /// No replica among those that answered has the key, or it has expired.
    NotFound {
        /// The version of the expired record, if that is why.
        expired: Option<Version>,
    },
    /// Fewer replicas than the level needs are alive: nothing was sent.
    Unavailable {
        /// Replicas that the level needs.
        required: u8,
        /// Replicas believed alive.
        alive: u8,
    },
    /// Fewer replicas than the level needs answered (or took a blocking repair) before the deadline.
    TimedOut {
        /// Replicas that answered.
        answered: u8,
        /// Replicas that the level needs.
        required: u8,
    },
    /// The request can't be served as it is.
    Rejected {
        /// Why.
        reason: Refusal,
    },
}

/// How long one replica took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeTiming {
    /// The replica.
    pub node: NodeId,
    /// From the coordinator's sending to its hearing of it, microseconds.
    pub elapsed_us: u32,
    /// The newest version that it told of; none for an acknowledgement.
    pub version: Option<Version>,
}

/// What a read did about replicas that were behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadRepair {
    /// Every replica that answered agreed, or repair is off.
    #[default]
    None,
    /// These replicas were written to before the answer.
    Blocking(Vec<NodeId>),
}

/// Who did what for one request, if the request asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The node that coordinated.
    pub coordinator: NodeId,
    /// The replicas of the key, nearest first on the ring.
    pub replicas: Vec<NodeId>,
    /// LINEARIZABLE writes: those that said in the first phase which newest version they hold, in that order.
    pub queried: Vec<NodeTiming>,
    /// Those that had answered or acknowledged, in that order.
    pub answered: Vec<NodeTiming>,
    /// Those for which a hint was taken before the answer was sent.
    pub hinted: Vec<NodeId>,
    /// Those that refused, and why.
    pub refused: Vec<(NodeId, Refusal)>,
    /// Repair done before the answer.
    pub repair: ReadRepair,
}
