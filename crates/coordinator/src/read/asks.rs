//! Whom a read has asked, in which order, and who has answered.

use std::time::Duration;

use quorate_types::limits::REPLICAS_MAX;
use quorate_types::{Mono, NodeId};
use quorate_wire::FullIf;

use crate::replicas::{Members, Replicas};
use crate::request::Liveness;
use crate::turn::Turn;

/// Why one more replica is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// One that is needed is missing.
    Needed,
    /// One that was asked is slow.
    Hedge,
}

/// The replicas of a read, in the order in which they are asked, and where each stands.
#[derive(Debug)]
pub(super) struct Asks {
    pub(super) replicas: Replicas,
    pub(super) alive: Members,
    pub(super) asked: Members,
    pub(super) waiting: Members,
    pub(super) answered: Members,
    /// Of those asked: without a condition on the value's size.
    wholly: Members,
    /// Of those: for the second time, after a digest.
    again: Members,
    asked_at: [Mono; REPLICAS_MAX],
}

impl Asks {
    /// Nobody asked yet; nearest first.
    pub(super) fn new(replicas: Replicas, alive: Members) -> Asks {
        Asks {
            replicas,
            alive,
            asked: Members::NONE,
            waiting: Members::NONE,
            answered: Members::NONE,
            wholly: Members::NONE,
            again: Members::NONE,
            asked_at: [Mono(0); REPLICAS_MAX],
        }
    }

    /// The next one to ask.
    pub(super) fn next(&self) -> Option<u8> {
        self.alive.without(self.asked).first()
    }

    /// How much of the record to ask the next one for: one whole record must be on its way.
    pub(super) fn full(&self, reason: Reason, digest_above: u32) -> FullIf {
        let here = !self.wholly.and(self.answered).is_empty();
        let coming = !self.wholly.and(self.waiting).is_empty();
        match reason {
            _ if here => FullIf::UpTo(digest_above),
            Reason::Needed if coming => FullIf::UpTo(digest_above),
            _ => FullIf::Always,
        }
    }

    /// `member` is being asked for `full`, for the first time or again.
    pub(super) fn ask(&mut self, now: Mono, member: u8, full: FullIf) {
        if self.asked.contains(member) {
            self.again.insert(member);
        }
        self.asked.insert(member);
        self.waiting.insert(member);
        self.answered.remove(member);
        self.asked_at[usize::from(member)] = now;
        if full == FullIf::Always {
            self.wholly.insert(member);
        }
    }

    pub(super) fn was_asked_wholly(&self, member: u8) -> bool {
        self.wholly.contains(member)
    }

    pub(super) fn was_asked_again(&self, member: u8) -> bool {
        self.again.contains(member)
    }

    pub(super) fn asked_at(&self, member: u8) -> Mono {
        self.asked_at[usize::from(member)]
    }

    /// Replicas that have answered or still may.
    pub(super) fn in_prospect(&self) -> u8 {
        self.answered.len() + self.waiting.len()
    }
}

/// `replicas` in the order of asking: ourselves, then by speed as far as it differs by half, then by the ring.
pub(super) fn nearest_first(turn: &Turn, live: &dyn Liveness, replicas: &Replicas) -> Replicas {
    let mut order = [(0, NodeId(0)); REPLICAS_MAX];
    let nodes = replicas.as_slice();
    for (place, &node) in order.iter_mut().zip(nodes) {
        *place = (distance(turn, live, node), node);
    }
    order[..nodes.len()].sort_by_key(|&(distance, _)| distance);
    Replicas::new(order[..nodes.len()].iter().map(|&(_, node)| node))
}

/// 0 for ourselves, else the binary magnitude of its p99; an unmeasured one is tried first.
fn distance(turn: &Turn, live: &dyn Liveness, node: NodeId) -> u32 {
    if node == turn.shared.config.node {
        return 0;
    }
    turn.shared.p99(live, node).map_or(1, |p99| 2 + p99.as_micros().max(1).ilog2())
}

/// How long to wait for the slowest of the first `count` replicas before another one is asked.
pub(super) fn hedge_delay(turn: &Turn, live: &dyn Liveness, replicas: &Replicas, count: u8) -> Duration {
    let policy = turn.shared.config.hedge;
    let others =
        replicas.as_slice().iter().take(usize::from(count)).filter(|&&n| n != turn.shared.config.node);
    let slowest = others.map(|&n| turn.shared.p99(live, n).unwrap_or(policy.delay_unmeasured)).max();
    slowest.unwrap_or(policy.delay_unmeasured).max(policy.delay_min)
}
