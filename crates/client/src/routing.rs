//! Which node to ask: the ring as the cluster told it, and the nodes behind it.
//!
//! Invariants:
//! - immutable; a newer ring is a new `Routing` that keeps the nodes, and with them their connections;
//! - requests for a key go to its first replica that is not known to be gone: one client's writes of one key are then
//!   stamped by one clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_ring::{Member, Ring};
use quorate_types::{KeyspaceId, NodeId, PartitionId};
use quorate_wire::{RingNode, RingView};

use crate::node::Node;

/// A snapshot of the cluster.
pub(crate) struct Routing {
    /// All that can be asked: the ring's nodes, or the endpoints as long as there is no ring.
    nodes: Vec<Arc<Node>>,
    ring: Option<Learned>,
}

struct Learned {
    ring: Ring,
    /// As the nodes compute it.
    hash: u64,
    by_number: BTreeMap<NodeId, usize>,
}

/// Where a request belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// On the replicas of a key of this keyspace.
    Key(KeyspaceId, u64),
    /// On the replicas of this partition.
    Partition(KeyspaceId, PartitionId),
    /// Anywhere.
    Anywhere,
}

impl Routing {
    /// Nothing but where to begin.
    pub(crate) fn of_endpoints(nodes: Vec<Arc<Node>>) -> Routing {
        Routing { nodes, ring: None }
    }

    /// What `view` says. Nodes known by number or address are kept, `make` makes the others.
    pub(crate) fn of_view(&self, view: &RingView, make: impl Fn(&RingNode) -> Arc<Node>) -> Routing {
        let known = |shown: &RingNode| {
            let by_number = self.nodes.iter().find(|node| node.number() == Some(shown.node));
            by_number.or_else(|| self.nodes.iter().find(|node| node.addr() == shown.addr)).cloned()
        };
        let of = |shown: &RingNode| {
            let node = known(shown).unwrap_or_else(|| make(shown));
            node.is_number(shown.node);
            if !shown.alive {
                node.note_reported_down();
            }
            node
        };
        let nodes: Vec<_> = view.nodes.iter().map(of).collect();
        let by_number = view.nodes.iter().enumerate().map(|(index, shown)| (shown.node, index)).collect();
        let ring = ring_of(view).map(|ring| Learned { ring, hash: view.ring_hash, by_number });
        if nodes.is_empty() {
            Routing { nodes: self.nodes.clone(), ring: None }
        } else {
            Routing { nodes, ring }
        }
    }

    /// The hash that nodes with this ring compute, `None` without a ring.
    pub(crate) fn hash(&self) -> Option<u64> {
        self.ring.as_ref().map(|learned| learned.hash)
    }

    /// The hash of `key` in this cluster.
    pub(crate) fn place_of(&self, keyspace: KeyspaceId, key: &[u8]) -> Place {
        match &self.ring {
            Some(learned) => Place::Key(keyspace, learned.ring.token(key).0),
            None => Place::Anywhere,
        }
    }

    /// The node of this number; without a ring, the endpoint that said so.
    pub(crate) fn node(&self, number: NodeId) -> Option<&Arc<Node>> {
        match &self.ring {
            Some(learned) => learned.by_number.get(&number).map(|index| &self.nodes[*index]),
            None => self.nodes.iter().find(|node| node.number() == Some(number)),
        }
    }

    pub(crate) fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    /// The best node for `place`: of those that `fits`, the first replica, else any, beginning with `turn`.
    pub(crate) fn pick(&self, place: Place, turn: usize, fits: impl Fn(&Node) -> bool) -> Option<&Arc<Node>> {
        let mut replicas = self.replicas(place).iter().filter_map(|number| self.node(*number));
        replicas.find(|node| fits(node)).or_else(|| {
            let count = self.nodes.len();
            (0..count).map(|step| &self.nodes[(turn + step) % count]).find(|node| fits(node))
        })
    }

    fn replicas(&self, place: Place) -> &[NodeId] {
        let Some(learned) = &self.ring else { return &[] };
        let (keyspace, partition) = match place {
            Place::Key(keyspace, token) => (keyspace, quorate_types::Token(token).partition()),
            Place::Partition(keyspace, partition) => (keyspace, partition),
            Place::Anywhere => return &[],
        };
        learned.ring.n(keyspace).map_or(&[], |n| learned.ring.replicas(partition, n))
    }
}

/// The ring that `view` describes, with the nodes' placement and hash; `None` if it describes none.
pub fn ring_of(view: &RingView) -> Option<Ring> {
    let member = |node: &RingNode| Member {
        id: node.node,
        capacity: node.capacity.value(),
        zone: node.zone.clone(),
        tokens: node.vnodes.clone(),
    };
    let members: Vec<Member> = view.nodes.iter().map(member).collect();
    let keyspaces: Vec<_> =
        view.keyspaces.iter().map(|keyspace| (keyspace.id, usize::from(keyspace.n))).collect();
    Ring::build(view.hash_seed, &members, &keyspaces).ok()
}
