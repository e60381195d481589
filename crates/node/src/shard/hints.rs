//! Hints: the coordinator's go to the hint logs, those of the logs to their targets.

use quorate_coordinator::HintedWrite;
use quorate_store::{Hint, HintNumber};
use quorate_types::{NodeId, Now, PartitionId, Refusal, crash_point, rarely};
use quorate_wire::{Purpose, ReplicaWrite};

use super::Shard;
use crate::effects::{Effects, HintCommand};
use crate::handoff::HintSlot;
use crate::log_queue::Waiter;
use crate::outbound::Verdict;

impl Shard {
    /// Keeps a hint, unless the target has been missing writes for longer than the window.
    pub(super) fn keep_hint(&mut self, now: Now, target: NodeId, hint: HintedWrite, out: &mut Effects) {
        if target == self.config.node {
            return self.counters.hints_for_self += 1;
        }
        let HintedWrite { keyspace, key, record } = hint;
        if !self.hints.handoff.is_within_window(now.wall_ms, target) {
            return self.counters.hints_beyond_window += 1;
        }
        self.append_hint(target, Hint { keyspace, key, record, created_wall_ms: now.wall_ms }, out);
    }

    fn append_hint(&mut self, target: NodeId, hint: Hint, out: &mut Effects) {
        self.counters.hints_appended += 1;
        self.hints.pending += 1;
        out.hints.push(HintCommand::Append { target, hint });
        crash_point!("hint.taken");
    }

    /// Ends pages that are settled and asks for those that are due.
    pub(super) fn poll_hints(&mut self, now: Now, out: &mut Effects) {
        if self.is_ending() {
            return;
        }
        for end in self.hints.handoff.finish(now.mono, &mut out.hints) {
            self.counters.hints_replayed += end.delivered;
            self.counters.hints_dropped += end.dropped;
            self.counters.hints_expired += end.expired;
            self.counters.hint_pages_failed += u64::from(!end.complete);
            if end.complete {
                crash_point!("handoff.page_done");
            }
        }
        let (ring, peers) = (&self.ring, &self.peers);
        self.hints.handoff.poll(now.mono, |target| is_ready(ring, peers, target), &mut out.hints);
    }

    pub(super) fn is_hint_target_ready(&self, target: NodeId) -> bool {
        is_ready(&self.ring, &self.peers, target)
    }

    pub(super) fn on_hint_page(
        &mut self,
        now: Now,
        target: NodeId,
        hints: Vec<(HintNumber, Hint)>,
        out: &mut Effects,
    ) {
        let opened = self.hints.handoff.on_page(now, target, hints);
        crash_point!("handoff.page_read");
        for (slot, hint) in opened {
            self.send_hint(now, slot, &hint, out);
        }
        self.hints.handoff.on_sent(target);
        crash_point!("handoff.page_sent");
    }

    fn send_hint(&mut self, now: Now, slot: HintSlot, hint: &Hint, out: &mut Effects) {
        let Some(n) = self.ring.n(hint.keyspace) else {
            return self.hints.handoff.on_dropped(slot);
        };
        let partition = self.ring.token(&hint.key).partition();
        if self.ring.is_replica(partition, n, slot.target) {
            self.hints.handoff.on_copy(slot);
            let write = self.hint_write(hint, Purpose::Hint);
            return self.write_there(now, (slot.target, partition), write, (Waiter::Handoff(slot), None));
        }
        self.counters.hints_rerouted += 1;
        for owner in self.ring.replicas(partition, n).to_vec() {
            self.reroute_hint(now, slot, (owner, partition), hint, out);
        }
    }

    /// One copy for a current owner, in place of a target that owns the partition no more.
    fn reroute_hint(
        &mut self,
        now: Now,
        slot: HintSlot,
        (owner, partition): (NodeId, PartitionId),
        hint: &Hint,
        out: &mut Effects,
    ) {
        let write = self.hint_write(hint, Purpose::Repair);
        if owner != self.config.node {
            if !quorate_coordinator::Liveness::is_alive(&self.peers, owner) {
                return self.append_hint(owner, hint.clone(), out);
            }
            self.hints.handoff.on_copy(slot);
            return self.write_there(now, (owner, partition), write, (Waiter::Handoff(slot), None));
        }
        self.hints.handoff.on_copy(slot);
        if self.owns(partition) {
            self.write_here(now, write, Waiter::Handoff(slot), out);
        } else if self.ring.n(hint.keyspace).is_some_and(|n| n > 1) {
            // Our copy is another shard's: the other owners have it, and a read brings it here.
            self.on_hint_verdict(slot, &Verdict::Acked);
        } else {
            self.on_hint_verdict(slot, &Verdict::Refused(Refusal::Unreachable));
        }
    }

    fn hint_write(&self, hint: &Hint, purpose: Purpose) -> ReplicaWrite {
        let wait_ms = u32::try_from(self.config.handoff.wait.as_millis()).unwrap_or(u32::MAX);
        let write = ReplicaWrite::from_record(hint.keyspace, hint.key.clone(), hint.record.clone());
        ReplicaWrite { purpose, time_left_ms: wait_ms, ..write }
    }

    pub(super) fn on_hint_verdict(&mut self, slot: HintSlot, verdict: &Verdict) {
        crash_point!("handoff.hint_settled");
        let repeats = *verdict == Verdict::Acked && rarely!("handoff.repeats");
        let verdict = if repeats { &Verdict::Lost } else { verdict };
        self.hints.handoff.on_verdict(slot, verdict);
    }
}

/// Whether hints for `target` can go: it is alive, or gone from the ring, so that they go to others.
fn is_ready(ring: &quorate_ring::Ring, peers: &crate::liveness::Peers, target: NodeId) -> bool {
    quorate_coordinator::Liveness::is_alive(peers, target) || !ring.contains(target)
}
