//! Requests that were answered late, and whom they waited for: what a driver may log.
//!
//! A receipt takes allocations. It is made in advance for a request that asked for one, and afterwards for one that
//! turned out to be slow: until then a task only notes, in place, when each replica answered.

use std::time::Duration;

use bytes::Bytes;
use quorate_types::limits::REPLICAS_MAX;
use quorate_types::{KeyspaceId, Mono, NodeId, NodeTiming, PageStart, PartitionId, Receipt};

use crate::effect::Effect;
use crate::replicas::{Members, Replicas};
use crate::request::Origin;
use crate::turn::Turn;

/// A request whose answer comes [`slow_after`](crate::CoordinatorConfig::slow_after) after it did, or later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowRequest {
    /// Which.
    pub origin: Origin,
    /// The keyspace.
    pub keyspace: KeyspaceId,
    /// What was asked for in it.
    pub sought: Sought,
    /// How long after it came its replicas were asked; at LINEARIZABLE those that the write was sent to.
    pub asked_after: Duration,
    /// What became of it at them.
    pub replies: Replies,
}

/// What became of a slow request at its replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replies {
    /// Who did what. If the request did not ask for it, without the versions that replicas told of.
    pub receipt: Receipt,
    /// Who had been asked and had not said anything when it was answered.
    pub silent: Vec<NodeId>,
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// A key.
    Key(Bytes),
    /// A page of a partition.
    Page {
        /// The partition.
        partition: PartitionId,
        /// Where the page begins.
        start: PageStart,
    },
}

impl Turn<'_> {
    /// Reports the request of `origin`, answered now, if it is slow; what is reported of it is made only then.
    ///
    /// `started`: when its replicas were asked.
    #[inline]
    pub(crate) fn report_if_slow(
        &mut self,
        (origin, started): (Origin, Mono),
        told: impl FnOnce(&Turn) -> (KeyspaceId, Sought, Replies),
    ) {
        if self.shared.config.is_slow(self.now.mono, origin.tag) {
            let (keyspace, sought, replies) = told(self);
            let asked_after = origin.tag.elapsed(started);
            let slow = SlowRequest { origin, keyspace, sought, asked_after, replies };
            self.out.push(Effect::Slow(Box::new(slow)));
        }
    }
}

/// When each replica answered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timings {
    answered: Members,
    /// Those that had not when they were waited for no more.
    pub(crate) silent: Members,
    elapsed_us: [u32; REPLICAS_MAX],
}

impl Timings {
    /// The replica `member` answered; a second answer takes the place of its first.
    pub(crate) fn note(&mut self, member: u8, elapsed_us: u32) {
        self.answered.insert(member);
        self.elapsed_us[usize::from(member)] = elapsed_us;
    }

    /// As a receipt has them: in the order in which they answered.
    pub(crate) fn of(&self, replicas: &Replicas) -> Vec<NodeTiming> {
        let timing = |member| NodeTiming {
            node: replicas.node(member),
            elapsed_us: self.elapsed_us[usize::from(member)],
            version: None,
        };
        let mut timings: Vec<NodeTiming> = self.answered.iter().map(timing).collect();
        timings.sort_by_key(|timing| timing.elapsed_us);
        timings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_answers_again_counts_with_its_last_answer_and_all_have_room() {
        let replicas = Replicas::new((0..REPLICAS_MAX as u32).map(NodeId));
        let mut timings = Timings::default();
        for member in 0..REPLICAS_MAX as u8 {
            timings.note(member, 10 + u32::from(member));
        }
        timings.note(1, 99);
        let noted: Vec<(u32, u32)> =
            timings.of(&replicas).iter().map(|timing| (timing.node.0, timing.elapsed_us)).collect();
        assert_eq!(noted, [(0, 10), (2, 12), (3, 13), (4, 14), (5, 15), (6, 16), (1, 99)]);
    }
}
