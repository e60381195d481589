//! What a shard holds of what it bounds.

use super::Shard;

/// A queue, named by the limit that bounds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// The limit's name.
    pub limit: &'static str,
    /// What is in it now.
    pub depth: u64,
    /// The most that may be.
    pub bound: u64,
}

impl Shard {
    /// Its queues with a strict bound. Not among them: limits that one large item may pass, and `hints_pending_max`, which
    /// the writes under way when it is reached may pass.
    pub fn queues(&self) -> [Queue; 6] {
        let (limits, coordinator) = (&self.config.limits, self.coordinator.config());
        let in_flight = self.coordinator.in_flight();
        let queue =
            |limit, depth: usize, bound: usize| Queue { limit, depth: depth as u64, bound: bound as u64 };
        [
            queue("requests_max", in_flight.load.unanswered, coordinator.requests_max),
            queue("stragglers_max", in_flight.stragglers, coordinator.stragglers_max),
            queue("background_max", in_flight.load.background, coordinator.background_max),
            queue("clock_parked_max", self.clients.parked.len(), limits.clock_parked_max),
            queue("peer_requests_max", self.replica.peer_writes, limits.peer_requests_max),
            queue("session_slots_max", self.clients.sessions.slots(), limits.session_slots_max),
        ]
    }
}
