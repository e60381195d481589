//! The links of a shard, and which of them leads to a partition of a peer.
//!
//! Invariants:
//! - at most one link leads from here to each shard of a peer; a newer one takes the place of an older one, whose
//!   writes are lost;
//! - a partition's writes and reads go over the link to the peer's shard p mod its number of shards;
//! - what a link belongs to is decided when it comes up: a message on a link that is not up is nobody's.

use std::collections::BTreeMap;

use quorate_types::{NodeId, PartitionId};
use quorate_wire::LinkEpoch;

use crate::event::{LinkId, LinkPeer};
use crate::inbound::Inbound;
use crate::log_queue::Waiter;
use crate::outbound::Outbound;

/// The way to one peer: its shards, each with the link that leads to it.
#[derive(Debug)]
struct Route {
    peer: NodeId,
    links: Vec<Option<Way>>,
}

#[derive(Clone, Copy, Debug)]
struct Way {
    link: LinkId,
    slot: usize,
}

/// All links of one shard.
#[derive(Debug, Default)]
pub(crate) struct Links {
    outbound: Vec<Option<(LinkId, Outbound<Waiter>)>>,
    slots: BTreeMap<LinkId, usize>,
    /// Sorted by peer: few, and looked into for every write.
    routes: Vec<Route>,
    inbound: BTreeMap<LinkId, Inbound>,
}

impl Links {
    /// A link that we dialled is up: the links that it replaces, to be ended by [`Links::down`].
    pub(crate) fn up(
        &mut self,
        link: LinkId,
        peer: LinkPeer,
        (epoch, protocol): (LinkEpoch, u16),
    ) -> Vec<LinkId> {
        let replaced = self.replaced_by(peer);
        let slot = self.outbound.iter().position(Option::is_none).unwrap_or(self.outbound.len());
        if slot == self.outbound.len() {
            self.outbound.push(None);
        }
        self.outbound[slot] = Some((link, Outbound::new(peer, epoch, protocol)));
        self.slots.insert(link, slot);
        let route = self.route_of(peer.node);
        route.links.resize_with(usize::from(peer.shards), || None);
        route.links[usize::from(peer.shard)] = Some(Way { link, slot });
        replaced
    }

    /// Links of an older life of the peer, and the one to the same shard.
    fn replaced_by(&self, peer: LinkPeer) -> Vec<LinkId> {
        let same_peer = |other: &&(LinkId, Outbound<Waiter>)| other.1.node() == peer.node;
        let is_replaced = |other: &LinkPeer| {
            other.generation < peer.generation || other.shards != peer.shards || other.shard == peer.shard
        };
        let links = self.outbound.iter().flatten().filter(same_peer);
        links.filter(|(_, other)| is_replaced(&other.peer)).map(|&(link, _)| link).collect()
    }

    fn route_of(&mut self, peer: NodeId) -> &mut Route {
        let at = self.routes.binary_search_by_key(&peer, |route| route.peer).unwrap_or_else(|at| {
            self.routes.insert(at, Route { peer, links: Vec::new() });
            at
        });
        &mut self.routes[at]
    }

    /// A link ended: what it was.
    pub(crate) fn down(&mut self, link: LinkId) -> Option<Outbound<Waiter>> {
        self.inbound.remove(&link);
        let slot = self.slots.remove(&link)?;
        let (_, gone) = self.outbound[slot].take()?;
        let route = self.route_of(gone.node());
        for way in route.links.iter_mut().filter(|way| way.is_some_and(|way| way.link == link)) {
            *way = None;
        }
        Some(gone)
    }

    /// A peer dialled us.
    pub(crate) fn up_inbound(&mut self, link: LinkId, peer: NodeId) {
        self.inbound.insert(link, Inbound::new(peer));
    }

    /// The link to the shard of `peer` that holds `partition`, if it is up. Two table lookups.
    pub(crate) fn to(
        &mut self,
        peer: NodeId,
        partition: PartitionId,
    ) -> Option<(LinkId, &mut Outbound<Waiter>)> {
        let at = self.routes.binary_search_by_key(&peer, |route| route.peer).ok()?;
        let links = &self.routes[at].links;
        let way = (*links.get(partition.shard(links.len().max(1)))?)?;
        let (link, outbound) = self.outbound[way.slot].as_mut()?;
        Some((*link, outbound))
    }

    /// A link that we dialled.
    pub(crate) fn outbound(&mut self, link: LinkId) -> Option<&mut Outbound<Waiter>> {
        let slot = *self.slots.get(&link)?;
        self.outbound[slot].as_mut().map(|(_, outbound)| outbound)
    }

    /// All links that we dialled.
    pub(crate) fn all_outbound(&mut self) -> impl Iterator<Item = (LinkId, &mut Outbound<Waiter>)> {
        self.outbound.iter_mut().flatten().map(|(link, outbound)| (*link, outbound))
    }

    /// Writes and reads sent to `peer` and not answered.
    pub(crate) fn in_flight(&self, peer: NodeId) -> u64 {
        let links = self.outbound.iter().flatten().filter(|(_, link)| link.node() == peer);
        links.map(|(_, link)| link.in_flight()).sum()
    }

    /// A link that a peer dialled.
    pub(crate) fn inbound(&mut self, link: LinkId) -> Option<&mut Inbound> {
        self.inbound.get_mut(&link)
    }

    /// Who dialled a link, if it was a peer.
    pub(crate) fn inbound_peer(&self, link: LinkId) -> Option<NodeId> {
        self.inbound.get(&link).map(|inbound| inbound.peer)
    }

    /// All links that peers dialled.
    pub(crate) fn all_inbound(&mut self) -> impl Iterator<Item = (LinkId, &mut Inbound)> {
        self.inbound.iter_mut().map(|(&link, inbound)| (link, inbound))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_types::Generation;

    const PEER: NodeId = NodeId(2);

    fn peer(generation: u64, shard: u16, shards: u16) -> LinkPeer {
        LinkPeer { node: PEER, generation: Generation(generation), shard, shards }
    }

    fn up(links: &mut Links, link: u64, peer: LinkPeer) -> Vec<LinkId> {
        let epoch = LinkEpoch { generation: Generation(1), connection: link };
        let replaced = links.up(LinkId(link), peer, (epoch, 1));
        for &link in &replaced {
            drop(links.down(link));
        }
        replaced
    }

    fn way(links: &mut Links, partition: u16) -> Option<u64> {
        links.to(PEER, PartitionId(partition)).map(|(link, _)| link.0)
    }

    #[test]
    fn a_partition_goes_to_the_shard_that_holds_it_and_nowhere_if_its_link_is_down() {
        let mut links = Links::default();
        assert_eq!(way(&mut links, 4), None);
        up(&mut links, 1, peer(1, 0, 2));
        up(&mut links, 2, peer(1, 1, 2));
        assert_eq!([4, 5].map(|p| way(&mut links, p)), [Some(1), Some(2)]);
        links.down(LinkId(1));
        assert_eq!([4, 5].map(|p| way(&mut links, p)), [None, Some(2)]);
    }

    #[test]
    fn a_newer_link_to_the_same_shard_replaces_the_older_one_and_survives_its_end() {
        let mut links = Links::default();
        up(&mut links, 1, peer(1, 0, 1));
        let epoch = LinkEpoch { generation: Generation(1), connection: 2 };
        assert_eq!(links.up(LinkId(2), peer(1, 0, 1), (epoch, 1)), [LinkId(1)]);
        assert!(links.down(LinkId(1)).is_some());
        assert!(links.down(LinkId(1)).is_none());
        assert_eq!(way(&mut links, 9), Some(2));
    }

    #[test]
    fn a_peer_that_came_back_with_another_number_of_shards_is_routed_anew() {
        let mut links = Links::default();
        up(&mut links, 1, peer(1, 0, 2));
        up(&mut links, 2, peer(1, 1, 2));
        assert_eq!(up(&mut links, 3, peer(2, 0, 1)), [LinkId(1), LinkId(2)]);
        assert_eq!([4, 5].map(|p| way(&mut links, p)), [Some(3), Some(3)]);
    }
}
