//! Why a ring can't be made. In every case no ring came to be and the one in use stays as it is.

use quorate_types::{KeyspaceId, NodeId, PARTITIONS, PartitionId, limits::REPLICAS_MAX};
use thiserror::Error;

use crate::MEMBERS_MAX;

/// The members or keyspaces do not make a ring; no ring was made, an existing one is untouched.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum RingError {
    /// No members.
    #[error("a ring needs at least one node")]
    NoMembers,
    /// More than [`MEMBERS_MAX`].
    #[error("{count} nodes in one ring; at most {MEMBERS_MAX} are supported")]
    TooManyMembers {
        /// How many there were.
        count: usize,
    },
    /// Two members with one number.
    #[error("two nodes have the number {id}; rename one of them")]
    MemberTwice {
        /// The number.
        id: NodeId,
    },
    /// A capacity that is no share of anything.
    #[error("node {id} has capacity {capacity}; it must be a finite number above zero")]
    CapacityInvalid {
        /// The node.
        id: NodeId,
        /// Its capacity.
        capacity: f64,
    },
    /// One member names a zone, another does not: where the second one stands can't be known.
    #[error("node {with} names a zone and node {without} does not; name one for all nodes or for none")]
    ZonesMixed {
        /// A member with a zone.
        with: NodeId,
        /// A member without.
        without: NodeId,
    },
    /// A token outside the ring.
    #[error("node {id} holds a token on partition {partition}; the last one is {}", PARTITIONS - 1)]
    TokenOutOfRange {
        /// The node.
        id: NodeId,
        /// What it holds.
        partition: PartitionId,
    },
    /// Two claims to one boundary.
    #[error("nodes {first} and {second} both hold the token on partition {partition}")]
    TokenTwice {
        /// The boundary.
        partition: PartitionId,
        /// One holder.
        first: NodeId,
        /// The other.
        second: NodeId,
    },
    /// Two keyspaces with one number.
    #[error("two keyspaces have the number {keyspace}; rename one of them")]
    KeyspaceTwice {
        /// The number.
        keyspace: KeyspaceId,
    },
    /// A replication factor that no partition can have.
    #[error("keyspace {keyspace} has n = {n}; it must be 1 to {REPLICAS_MAX}")]
    ReplicasInvalid {
        /// The keyspace.
        keyspace: KeyspaceId,
        /// Its `n`.
        n: usize,
    },
    /// A node to remove that is none.
    #[error("node {id} is not a member of the ring")]
    NotAMember {
        /// The node.
        id: NodeId,
    },
}
