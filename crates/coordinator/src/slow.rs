//! Requests that were answered late, and whom they waited for: what a driver may log.
//!
//! A receipt takes allocations. It is made in advance for a request that asked for one, and afterwards for one that
//! turned out to be slow: until then a task only notes, in place, when each replica answered.

use bytes::Bytes;
use quorate_types::limits::REPLICAS_MAX;
use quorate_types::{KeyspaceId, NodeTiming, Receipt};

use crate::replicas::Replicas;
use crate::request::Origin;

/// A request whose answer took [`slow_after`](crate::CoordinatorConfig::slow_after).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowRequest {
    /// Which.
    pub origin: Origin,
    /// The keyspace.
    pub keyspace: KeyspaceId,
    /// The key.
    pub key: Bytes,
    /// Who did what. If the request did not ask for it, without the versions that replicas told of.
    pub receipt: Receipt,
}

/// When replicas answered, in the order in which they did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timings {
    answers: [(u8, u32); REPLICAS_MAX],
    count: u8,
}

impl Timings {
    /// The replica `member` answered; a second answer takes the place of its first.
    pub(crate) fn note(&mut self, member: u8, elapsed_us: u32) {
        let known = self.answers[..usize::from(self.count)].iter().position(|(who, _)| *who == member);
        if let Some(at) = known {
            self.answers.copy_within(at + 1..usize::from(self.count), at);
            self.count -= 1;
        }
        if let Some(free) = self.answers.get_mut(usize::from(self.count)) {
            *free = (member, elapsed_us);
            self.count += 1;
        }
    }

    /// As a receipt has them.
    pub(crate) fn of(&self, replicas: &Replicas) -> Vec<NodeTiming> {
        let timing = |&(member, elapsed_us): &(u8, u32)| NodeTiming {
            node: replicas.node(member),
            elapsed_us,
            version: None,
        };
        self.answers[..usize::from(self.count)].iter().map(timing).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_answers_again_counts_with_its_last_answer_and_all_have_room() {
        let mut timings = Timings::default();
        for member in 0..REPLICAS_MAX as u8 {
            timings.note(member, 10 + u32::from(member));
        }
        timings.note(1, 99);
        let noted: Vec<(u8, u32)> = timings.answers[..usize::from(timings.count)].to_vec();
        assert_eq!(noted, [(0, 10), (2, 12), (3, 13), (4, 14), (5, 15), (6, 16), (1, 99)]);
    }
}
