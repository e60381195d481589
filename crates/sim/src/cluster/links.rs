//! Connections: one for each (dialling shard, answering shard), alive between two incarnations.
//!
//! The end of one is heard of at once, but behind what its sender had sent: where that waits, the link is *half open*,
//! and messages of a former life arrive after the new one is known.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use quorate_node::{DialFailure, Direction, Event, LinkId, LinkLoss, LinkPeer};
use quorate_types::NodeId;
use quorate_wire::{LinkEpoch, Message, PROTOCOL_MAX, PeerMessage, decode};

use quorate_transport::memory;

use super::{Action, Cluster};
use crate::observe::Passing;

/// How long after a loss a link is dialled again.
pub(super) const REDIAL: Duration = Duration::from_millis(200);

/// How long after what had waited the end of a link is heard of: longer than that takes to arrive.
const FAREWELL: Duration = Duration::from_millis(1);

/// A shard of a node.
pub(super) type Place = (usize, usize);

/// Which links there are.
#[derive(Default)]
pub(super) struct Links {
    up: BTreeMap<LinkId, (Place, Place)>,
    /// Links whose one end is gone, with the node that it was on, and the end that has not heard of it.
    half_open: BTreeMap<LinkId, (usize, Place)>,
    dialled: u64,
}

impl Links {
    fn between(&self, from: Place, to: Place) -> Option<LinkId> {
        self.up.iter().find(|(_, ends)| **ends == (from, to)).map(|(link, _)| *link)
    }

    /// Whether the end at `place` has not heard that the other one is gone.
    fn is_half_open(&self, link: LinkId, place: Place) -> bool {
        self.half_open.get(&link).is_some_and(|(_, end)| *end == place)
    }

    /// The node that sent what arrives on `link` at `place`.
    fn sender(&self, link: LinkId, place: Place) -> Option<usize> {
        let gone = self.half_open.get(&link).filter(|(_, end)| *end == place).map(|(node, _)| *node);
        gone.or_else(|| self.other_end(link, place).map(|(node, _)| node))
    }

    /// The place at the other end of `link`.
    pub fn other_end(&self, link: LinkId, of: Place) -> Option<Place> {
        let (from, to) = *self.up.get(&link)?;
        Some(if from == of { to } else { from })
    }
}

impl Cluster {
    /// Dials, if both ends run and nothing between them is cut.
    pub(super) fn dial(&mut self, from: Place, to: Place) {
        let gone = |cluster: &Cluster, place: Place| place.1 >= cluster.replicas[place.0 - 1].shards;
        if !self.replica(from.0).is_up() || gone(self, from) || self.links.between(from, to).is_some() {
            return;
        }
        if !self.replica(to.0).is_up() {
            let why = DialFailure::Refused;
            self.feed(from.0, from.1, Event::DialFailed { peer: super::node_id(to.0), why });
            return self.redial(from, to);
        }
        if gone(self, to) {
            return; // it came back with fewer shards
        }
        let stands = self.replica(from.0).is_paused() || self.replica(to.0).is_paused();
        if stands || self.unseen.contains(&to.0) || self.is_cut(from.0, to.0) || self.is_cut(to.0, from.0) {
            return self.redial(from, to);
        }
        self.links.dialled += 1;
        let link = LinkId(self.links.dialled);
        self.links.up.insert(link, (from, to));
        let epoch = LinkEpoch { generation: self.replica(from.0).generation, connection: link.0 };
        let (dialler, answerer) = (self.link_peer(from), self.link_peer(to));
        let inbound = Event::LinkUp { link, peer: dialler, direction: Direction::Inbound };
        self.feed(to.0, to.1, inbound);
        let outbound = Event::LinkUp {
            link,
            peer: answerer,
            direction: Direction::Outbound { epoch, protocol: PROTOCOL_MAX },
        };
        self.feed(from.0, from.1, outbound);
    }

    fn link_peer(&mut self, place: Place) -> LinkPeer {
        let replica = self.replica(place.0);
        let shards = replica.shards as u16;
        LinkPeer { node: replica.id, generation: replica.generation, shard: place.1 as u16, shards }
    }

    fn redial(&mut self, from: Place, to: Place) {
        self.kernel.at(self.kernel.now() + REDIAL, Action::Dial { from, to });
    }

    /// A shard closes a link: the other end sees it closed, and it is dialled afresh.
    pub(super) fn close(&mut self, link: LinkId, by: Place) {
        self.replica(by.0).forget_link(by.1, link);
        self.links.half_open.remove(&link);
        let Some((from, to)) = self.links.up.remove(&link) else { return };
        let other = if from == by { to } else { from };
        if !self.is_cut(by.0, other.0) {
            self.feed(other.0, other.1, Event::LinkDown { link, why: LinkLoss::Closed });
        }
        self.redial(from, to);
    }

    /// Every shard of this replica is gone: its links are reset.
    pub(super) fn reset_links(&mut self, k: usize) {
        let gone: Vec<_> = self
            .links
            .up
            .iter()
            .filter(|(_, (from, to))| from.0 == k || to.0 == k)
            .map(|(l, e)| (*l, *e))
            .collect();
        self.links.half_open.retain(|_, (_, end)| end.0 != k);
        for (link, (from, to)) in gone {
            self.links.up.remove(&link);
            let other = if from.0 == k { to } else { from };
            if self.is_clogged(k, other.0) {
                self.links.half_open.insert(link, (k, other));
            } else if !self.is_cut(k, other.0) {
                self.feed(other.0, other.1, Event::LinkDown { link, why: LinkLoss::Reset });
            }
            if from.0 != k {
                self.redial(from, to);
            }
        }
    }

    /// What waited on the way from one node to another is let go: the ends of links come behind it.
    pub(super) fn end_half_open(&mut self, from: usize, to: usize) {
        let ended = self.links.half_open.iter().filter(|(_, (gone, end))| (*gone, end.0) == (from, to));
        for link in ended.map(|(link, _)| *link).collect::<Vec<_>>() {
            self.kernel.at(self.kernel.now() + FAREWELL, Action::Farewell { link });
        }
    }

    pub(super) fn bid_farewell(&mut self, link: LinkId) {
        let Some((gone, end)) = self.links.half_open.remove(&link) else { return };
        if !self.is_cut(gone, end.0) {
            self.feed(end.0, end.1, Event::LinkDown { link, why: LinkLoss::Reset });
        }
    }

    /// A replica has started: it dials all others.
    pub(super) fn dial_all_from(&mut self, k: usize) {
        for to in (1..=self.spec.nodes).filter(|to| *to != k) {
            for from_shard in 0..self.replicas[k - 1].shards {
                for to_shard in 0..self.replicas[to - 1].shards {
                    self.kernel
                        .at(self.kernel.now(), Action::Dial { from: (k, from_shard), to: (to, to_shard) });
                }
            }
        }
    }

    /// A replica has started with another number of shards: the others dial those that are new.
    pub(super) fn dial_all_to(&mut self, k: usize) {
        for from in (1..=self.spec.nodes).filter(|from| *from != k) {
            for from_shard in 0..self.replicas[from - 1].shards {
                for to_shard in 0..self.replicas[k - 1].shards {
                    let when = self.kernel.now() + REDIAL;
                    self.kernel.at(when, Action::Dial { from: (from, from_shard), to: (k, to_shard) });
                }
            }
        }
    }

    /// A shard wants a peer dialled now.
    pub(super) fn urge(&mut self, from: Place, peer: NodeId) {
        let to = self.number_of(peer);
        self.unseen.remove(&to);
        for to_shard in 0..self.replicas[to - 1].shards {
            self.kernel.at(self.kernel.now(), Action::Dial { from, to: (to, to_shard) });
        }
    }

    /// A frame arrives: its messages go to the shard, if the link that it was sent on is still there.
    pub(super) fn deliver(&mut self, to: memory::Place, enveloped: &Bytes) {
        let (link, frame) = enveloped.split_first_chunk::<8>().expect("the sender put it there");
        let link = LinkId(u64::from_be_bytes(*link));
        let (k, shard) = (self.number_of(to.node), to.port as usize);
        self.note((k, shard), "frame", [link.0, xxhash_rust::xxh3::xxh3_64(frame)]);
        for message in decode(enveloped.slice_ref(frame)) {
            self.see_arrive(link, (k, shard), &message);
            let is_late = self.links.is_half_open(link, (k, shard));
            if is_late || self.links.up.contains_key(&link) {
                let message = peer_message(message.expect("the network corrupts nothing"));
                self.replica(k).heard_late += u64::from(is_late);
                self.feed(k, shard, Event::Peer { link, message });
            }
        }
    }
}

impl Cluster {
    fn see_arrive<E>(&mut self, link: LinkId, to: Place, message: &Result<Message, E>) {
        let at = self.kernel.now();
        if let (Some(messages), Ok(message)) = (&mut self.messages, message)
            && let Some(from) = self.links.sender(link, to)
        {
            let kind = message.kind();
            messages.push(Passing { at, from, to: to.0, kind, bytes: 0, arrived: true });
        }
    }
}

fn peer_message(message: Message) -> PeerMessage {
    match message {
        Message::Peer(message) => message,
        other => panic!("{other:?} between nodes"),
    }
}
