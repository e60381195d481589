//! The first frame each way on a connection: who is there, and whether the two may talk.
//!
//! Invariants:
//! - the bytes before the frame are [`MAGIC`] in both directions and in every version of the protocol, so that a
//!   stranger is told apart at its first byte;
//! - a handshake frame has at most [`HANDSHAKE_BYTES_MAX`] bytes: a stranger can't make us allocate;
//! - nothing but the handshake is sent before the other side's half has been read and accepted.

mod host;

use quorate_types::{ClusterId, Generation, NodeId, SessionId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::host::Host;

/// What every connection begins with, in both directions.
pub const MAGIC: [u8; 8] = *b"QUORATE\n";
/// The largest handshake frame, bytes, without the magic.
pub const HANDSHAKE_BYTES_MAX: usize = 4096;
/// The oldest protocol that this build speaks.
pub const PROTOCOL_MIN: u16 = 1;
/// The newest protocol that this build speaks.
pub const PROTOCOL_MAX: u16 = PROTOCOL_TRACED;
/// The first protocol in which a question may be a [`Traced`](crate::PeerMessage::Traced) one: whoever speaks an older
/// one is asked without.
pub const PROTOCOL_TRACED: u16 = 2;

/// What the dialling side says first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The oldest protocol it speaks.
    pub protocol_min: u16,
    /// The newest protocol it speaks.
    pub protocol_max: u16,
    /// Its cluster; `None`: a client that takes any.
    pub cluster: Option<ClusterId>,
    /// The cluster's name, for messages only.
    pub cluster_name: String,
    /// Whom it believes it is calling; `None`: whoever answers.
    pub dialled: Option<NodeId>,
    /// What it is.
    pub role: Role,
}

/// What the dialling side is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// A node of the cluster: a link from one of its shards to one of ours.
    Peer {
        /// Its number.
        node: NodeId,
        /// The incarnation of its process.
        generation: Generation,
        /// The connection's number in that incarnation: together they are the link's epoch.
        connection: u64,
        /// The shard that sends.
        from_shard: u16,
        /// The shard that is to receive.
        to_shard: u16,
        /// How many shards the sender has.
        shards: u16,
        /// The ring it computes.
        ring_hash: u64,
    },
    /// A client.
    Client {},
}

/// What the answering side says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HelloReply {
    /// Come in.
    Welcome(Welcome),
    /// Not here. The connection is closed after it.
    Refused(HandshakeRefusal),
}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The protocol that both speak from now on.
    pub protocol: u16,
    /// The answering node.
    pub node: NodeId,
    /// The incarnation of its process.
    pub generation: Generation,
    /// How many shards it has.
    pub shards: u16,
    /// The ring it computes.
    pub ring_hash: u64,
    /// The session that a client's request numbers count within.
    pub session: SessionId,
}

/// Why the answering side does not want the connection. Nothing was read or written.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum HandshakeRefusal {
    /// No common protocol.
    #[error(
        "no common protocol: it speaks {ours_min} to {ours_max}, the caller {theirs_min} to {theirs_max}; \
         upgrade the older of the two"
    )]
    ProtocolMismatch {
        /// The answerer's oldest.
        ours_min: u16,
        /// The answerer's newest.
        ours_max: u16,
        /// The caller's oldest.
        theirs_min: u16,
        /// The caller's newest.
        theirs_max: u16,
    },
    /// Another cluster.
    #[error(
        "the node belongs to cluster {ours_name:?} ({ours}), the caller to {theirs_name:?} ({theirs}); \
         check addresses and [cluster] name"
    )]
    ClusterMismatch {
        /// The answerer's cluster.
        ours: ClusterId,
        /// Its name.
        ours_name: String,
        /// The caller's cluster.
        theirs: ClusterId,
        /// Its name.
        theirs_name: String,
    },
    /// The two nodes compute different rings.
    #[error(
        "the node computes ring {ours:016x}, the caller {theirs:016x}; \
         give both the same [[node]] and [[keyspace]] entries"
    )]
    RingMismatch {
        /// The answerer's.
        ours: u64,
        /// The caller's.
        theirs: u64,
    },
    /// The answerer's config has no such node.
    #[error("the config of node {ours} has no node {theirs}; add it there or stop the caller")]
    NodeUnknown {
        /// The answerer.
        ours: NodeId,
        /// The caller.
        theirs: NodeId,
    },
    /// Somebody else was called.
    #[error("node {dialled} was called and node {answers} answers; check addr of both in the config")]
    WrongNode {
        /// Whom the caller wanted.
        dialled: NodeId,
        /// Who answers.
        answers: NodeId,
    },
    /// The receiver has fewer shards than the sender believes.
    #[error("shard {shard} was called and the node has {shards}; call again with this count")]
    NoSuchShard {
        /// The shard that was asked for.
        shard: u16,
        /// How many there are.
        shards: u16,
    },
    /// A limit is reached.
    #[error("the node has {connections_max} connections, its limit connections_max; close some or raise it")]
    TooManyConnections {
        /// The limit.
        connections_max: u32,
    },
    /// The process is going down.
    #[error("the node is shutting down; call another one")]
    ShuttingDown,
}
