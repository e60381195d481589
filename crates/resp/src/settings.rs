//! What a door knows before anybody comes: its limits, its defaults, and what it says of itself.

use std::collections::BTreeMap;

use quorate_types::{KeyspaceId, Level, NodeId};

use crate::Limits;
use crate::cluster::ClusterMap;
use crate::limits::Who;

/// The version of Redis whose behaviour clients may expect of the commands that are offered.
pub const REDIS_VERSION: &str = "7.2.0";

/// One listener's settings, shared by its connections.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What bounds a connection.
    pub limits: Limits,
    /// Where the keys live.
    pub keyspace: KeyspaceId,
    /// The seed of the token hash.
    pub hash_seed: u64,
    /// Replicas that must answer a read; `None`: as the keyspace has it.
    pub read: Option<Level>,
    /// Replicas that must have a write on disk; `None`: as the keyspace has it.
    pub write: Option<Level>,
    /// What must be said before anything else; `None`: nothing.
    pub password: Option<Vec<u8>>,
    /// What cluster clients are told; `None`: that this is none.
    pub cluster: Option<ClusterMap>,
    /// What the node is.
    pub about: About,
}

impl Settings {
    /// Who a client is that has said nothing yet.
    pub(crate) fn newcomer(&self) -> Who {
        if self.password.is_some() { Who::Stranger } else { Who::Known }
    }

    /// What clients call the kind of server that this is.
    pub(crate) fn mode(&self) -> &'static str {
        if self.cluster.is_some() { "cluster" } else { "standalone" }
    }
}

/// What a node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The node's name in the configuration.
    pub node: String,
    /// The cluster's name.
    pub cluster: String,
    /// The version of this software.
    pub version: String,
    /// The port of the door.
    pub port: u16,
    /// The keyspace's name.
    pub keyspace: String,
    /// How many replicas a key has.
    pub replicas: usize,
    /// Partitions of which the node holds a copy.
    pub partitions_held: usize,
    /// When writes are synced to disk, in the words of Redis' `appendfsync`.
    pub appendfsync: &'static str,
    /// The names of all nodes in the configuration.
    pub names: BTreeMap<NodeId, String>,
}

impl About {
    /// `node` as replies name it: by name and number.
    pub(crate) fn named(&self, node: NodeId) -> String {
        self.names.get(&node).map_or_else(|| node.to_string(), |name| format!("{name} {node}"))
    }
}

/// Who is at the other end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// The connection's number.
    pub id: u64,
    /// Where it comes from.
    pub addr: String,
    /// Where it came to.
    pub local_addr: String,
}

/// What a node's other connections may be told of one, and what `CLIENT KILL` goes by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFacts {
    /// Who.
    pub peer: Peer,
    /// The name that it gave itself.
    pub name: String,
    /// The name of its library.
    pub lib_name: String,
    /// The version of its library.
    pub lib_version: String,
    /// The version of the protocol that it speaks.
    pub protocol: u8,
    /// When it came, wall milliseconds.
    pub since_ms: u64,
}

impl ClientFacts {
    /// Its line in `CLIENT LIST`, at `wall_ms`.
    pub fn line(&self, wall_ms: u64) -> String {
        let ClientFacts { peer, name, lib_name, lib_version, protocol, since_ms } = self;
        let age = wall_ms.saturating_sub(*since_ms) / 1_000;
        format!(
            "id={} addr={} laddr={} name={name} age={age} db=0 resp={protocol} lib-name={lib_name} lib-ver={lib_version}\n",
            peer.id, peer.addr, peer.local_addr
        )
    }
}
