//! The replicas of one request, and sets of them as bits.

use quorate_types::NodeId;
use quorate_types::limits::REPLICAS_MAX;

/// At most [`REPLICAS_MAX`] distinct nodes in an order; no heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replicas {
    nodes: [NodeId; REPLICAS_MAX],
    len: u8,
}

impl Replicas {
    /// The first [`REPLICAS_MAX`] of `nodes`.
    pub(crate) fn new(nodes: impl IntoIterator<Item = NodeId>) -> Replicas {
        let mut replicas = Replicas { nodes: [NodeId(0); REPLICAS_MAX], len: 0 };
        for node in nodes.into_iter().take(REPLICAS_MAX) {
            replicas.nodes[usize::from(replicas.len)] = node;
            replicas.len += 1;
        }
        replicas
    }

    /// The same, but with `node` first if it is among them.
    pub(crate) fn with_first(&self, node: NodeId) -> Replicas {
        let own = self.as_slice().iter().filter(|&&n| n == node);
        Replicas::new(own.chain(self.as_slice().iter().filter(|&&n| n != node)).copied())
    }

    pub(crate) fn as_slice(&self) -> &[NodeId] {
        &self.nodes[..usize::from(self.len)]
    }

    pub(crate) fn node(&self, member: u8) -> NodeId {
        self.as_slice()[usize::from(member)]
    }

    pub(crate) fn member(&self, node: NodeId) -> Option<u8> {
        self.as_slice().iter().position(|&n| n == node).map(|i| i as u8)
    }

    /// The members for whose node `holds`.
    pub(crate) fn members_where(&self, mut holds: impl FnMut(NodeId) -> bool) -> Members {
        (0..self.len).filter(|&m| holds(self.node(m))).collect()
    }

    pub(crate) fn nodes_of(&self, members: Members) -> Vec<NodeId> {
        members.iter().map(|m| self.node(m)).collect()
    }
}

/// A set of positions in a [`Replicas`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Members(u8);

impl Members {
    pub(crate) const NONE: Members = Members(0);

    pub(crate) fn len(self) -> u8 {
        self.0.count_ones() as u8
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn contains(self, member: u8) -> bool {
        self.0 & (1 << member) != 0
    }

    pub(crate) fn insert(&mut self, member: u8) {
        self.0 |= 1 << member;
    }

    /// Takes `member` out; whether it was in.
    pub(crate) fn remove(&mut self, member: u8) -> bool {
        let was = self.contains(member);
        self.0 &= !(1 << member);
        was
    }

    pub(crate) fn first(self) -> Option<u8> {
        self.iter().next()
    }

    pub(crate) fn or(self, other: Members) -> Members {
        Members(self.0 | other.0)
    }

    pub(crate) fn and(self, other: Members) -> Members {
        Members(self.0 & other.0)
    }

    pub(crate) fn without(self, other: Members) -> Members {
        Members(self.0 & !other.0)
    }

    /// In the order of the replicas.
    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        let mut bits = self.0;
        std::iter::from_fn(move || {
            let member = bits.trailing_zeros() as u8;
            (bits != 0).then(|| {
                bits &= bits - 1;
                member
            })
        })
    }
}

impl FromIterator<u8> for Members {
    fn from_iter<I: IntoIterator<Item = u8>>(members: I) -> Members {
        let mut set = Members::NONE;
        members.into_iter().for_each(|m| set.insert(m));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_walked_in_the_order_of_the_replicas() {
        let replicas = Replicas::new([NodeId(9), NodeId(4), NodeId(7)]);
        let set = replicas.members_where(|n| n != NodeId(4));
        assert_eq!(replicas.nodes_of(set), [NodeId(9), NodeId(7)]);
        assert_eq!((set.len(), replicas.member(NodeId(7)), replicas.member(NodeId(1))), (2, Some(2), None));
        assert_eq!(set.or(Members(2)).without(set), Members(2));
        assert_eq!(set.and(Members(6)), Members(4));
        assert_eq!(replicas.with_first(NodeId(7)).as_slice(), [NodeId(7), NodeId(9), NodeId(4)]);
        assert_eq!(replicas.with_first(NodeId(1)), replicas);
    }
}
