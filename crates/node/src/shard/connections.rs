//! Links coming up and going down, and what their life says about the peers.

use quorate_types::{Now, crash_point};

use super::Shard;
use crate::effects::Effects;
use crate::event::{Direction, LinkId, LinkLoss, LinkPeer};

impl Shard {
    pub(super) fn on_link_up(
        &mut self,
        now: Now,
        link: LinkId,
        (peer, direction): (LinkPeer, Direction),
        out: &mut Effects,
    ) {
        if !self.peers.knows(peer.node) || peer.shard >= peer.shards {
            return out.close.push(link);
        }
        crash_point!("link.up");
        match direction {
            Direction::Inbound => {
                self.links.up_inbound(link, peer.node);
                if self.peers.on_life(now.mono, peer.node) {
                    out.urge.push(peer.node);
                }
            }
            Direction::Outbound { epoch, protocol } => {
                let replaced = self.links.up(link, peer, (epoch, protocol));
                self.peers.on_outbound_up(now.mono, link, peer);
                for old in replaced {
                    out.close.push(old);
                    self.on_link_down(now, old, LinkLoss::Ours);
                }
            }
        }
    }

    pub(super) fn on_link_down(&mut self, now: Now, link: LinkId, why: LinkLoss) {
        self.peers.on_link_down(now.mono, link, why);
        let Some(gone) = self.links.down(link) else { return };
        crash_point!("link.lost");
        let from = gone.node();
        let mut settled = std::mem::take(&mut self.scratch.settled);
        let reads = gone.lose(now.mono, &mut settled);
        for (waiter, verdict) in settled.drain(..) {
            self.settle(now, from, waiter, verdict);
        }
        self.scratch.settled = settled;
        for read in reads.into_values() {
            self.fail_read(now, from, read);
        }
    }

    pub(super) fn on_liveness_changes(&mut self, now: Now, out: &mut Effects) {
        for change in self.peers.take_changes() {
            if change.down.is_none() {
                self.counters.peers_up += 1;
                self.hints.handoff.on_alive(now.mono, change.peer);
            } else {
                self.counters.peers_down += 1;
                let effects = &mut self.scratch.effects;
                self.coordinator.on_peer_down(now, &self.peers, change.peer, effects);
            }
            out.peers.push(change);
        }
    }

    /// What leaves together at the end of a turn: a batch of writes, acknowledgements and a ping per link.
    pub(super) fn flush_links(&mut self, now: Now, out: &mut Effects) {
        let (ring_hash, credit_bytes) = (self.ring.hash(), self.credit_bytes());
        for (link, outbound) in self.links.all_outbound() {
            outbound.flush(now.mono, link, ring_hash, &mut out.sends);
        }
        for (link, inbound) in self.links.all_inbound() {
            if let Some(acks) = inbound.take_acks(credit_bytes) {
                crash_point!("peer.acks_sent");
                out.sends.push((link, quorate_wire::PeerMessage::Acks(acks)));
            }
        }
        self.peers.pings(now, &mut out.sends);
    }
}
