//! The ring as a node sees it: everything that a client needs to compute the same placement.

use quorate_types::{ClusterId, KeyspaceId, Level, NodeId, PartitionId};
use serde::{Deserialize, Serialize};

/// The members of a cluster and their places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingView {
    /// The cluster.
    pub cluster: ClusterId,
    /// Its name.
    pub cluster_name: String,
    /// The hash of members, capacities, zones, tokens, hash seed, and keyspaces with their `n`.
    pub ring_hash: u64,
    /// The seed of the token hash.
    pub hash_seed: u64,
    /// The members, by number.
    pub nodes: Vec<RingNode>,
    /// The keyspaces.
    pub keyspaces: Vec<RingKeyspace>,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingNode {
    /// Its number.
    pub node: NodeId,
    /// Its id in the config.
    pub name: String,
    /// Where it listens for nodes and clients, `host:port`.
    pub addr: String,
    /// Its share relative to the others', as in the config.
    pub capacity: Capacity,
    /// Its failure domain, if it has one.
    pub zone: Option<String>,
    /// Whether the answering node believes it alive.
    pub alive: bool,
    /// The partitions at which its vnodes sit, ascending.
    pub vnodes: Vec<PartitionId>,
    /// Partitions of which it is the first owner.
    pub owned_partitions: u32,
}

/// A node's capacity: the bits of the config's double, so that a ring built from a view hashes like the node's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity(u64);

impl Capacity {
    /// The number in the config. Whatever came over the wire is possible here; the ring refuses what is no capacity.
    pub fn value(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl From<f64> for Capacity {
    fn from(value: f64) -> Capacity {
        Capacity(value.to_bits())
    }
}

/// One keyspace, as far as clients need it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingKeyspace {
    /// Its number.
    pub id: KeyspaceId,
    /// Its name.
    pub name: String,
    /// Replicas per key.
    pub n: u8,
    /// The level of reads that name none.
    pub read: Level,
    /// The level of writes that name none.
    pub write: Level,
}
