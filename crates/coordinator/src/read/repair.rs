//! Writing a read's winner to replicas that are behind.
//!
//! Invariants:
//! - only the merge of what was read is written, and never to a replica known to hold it;
//! - if a stale replica can't be repaired, another one is written to instead, so that enough replicas hold the
//!   winner (Cassandra's BlockingPartitionRepair does the same).

use quorate_types::mutants::{Mutant, planted};
use quorate_types::{NodeId, ReadRepair, Timestamp, Version, crash_point};
use quorate_wire::{Purpose, ReplicaWrite};

use super::task::{Phase, ReadTask};
use crate::effect::Effect;
use crate::replicas::Members;
use crate::request::WriteHandle;
use crate::slab::Slot;
use crate::turn::Turn;
use crate::write::Fate;

/// Who holds the winner, who is being written to, and who did not take it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Repairs {
    pub(super) holders: Members,
    pub(super) waiting: Members,
    failed: Members,
}

impl ReadTask {
    /// Repairs those `behind` before the client is answered.
    pub(super) fn mend(&mut self, turn: &mut Turn, slot: Slot, behind: Members) {
        turn.counters().repairs_blocking += 1;
        self.phase = Phase::Mending;
        self.repairs.holders = self.asks.answered.without(behind);
        if planted(Mutant::RepairNotAwaited) {
            self.repairs.holders = self.asks.answered;
        }
        if let Some(receipt) = &mut self.receipt {
            receipt.repair = ReadRepair::Blocking(self.asks.replicas.nodes_of(behind));
        }
        self.repair(turn, slot, behind);
        crash_point!("read.repair_sent");
        self.hedge_later(turn, slot);
        self.proceed(turn, slot);
    }

    pub(super) fn proceed_mending(&mut self, turn: &mut Turn, slot: Slot) {
        let prospect = |repairs: &Repairs| repairs.holders.len() + repairs.waiting.len();
        while prospect(&self.repairs) < self.required && self.mend_another(turn, slot) {}
        if self.repairs.holders.len() >= self.required {
            self.answer_last(turn);
            self.phase = Phase::Finishing;
            self.proceed(turn, slot);
        } else if prospect(&self.repairs) < self.required {
            self.time_out(turn, self.repairs.holders.len());
        }
    }

    /// A replica that may hold the winner if it is written to.
    pub(super) fn spare_holder(&self) -> Option<u8> {
        let Repairs { holders, waiting, failed } = self.repairs;
        self.asks.alive.without(holders).without(waiting).without(failed).first()
    }

    pub(super) fn mend_another(&mut self, turn: &mut Turn, slot: Slot) -> bool {
        let Some(member) = self.spare_holder() else { return false };
        self.repair(turn, slot, [member].into_iter().collect());
        true
    }

    /// Writes the winner to `behind`.
    pub(super) fn repair(&mut self, turn: &mut Turn, slot: Slot, behind: Members) {
        let Some(winner) = self.copies.winner() else { return };
        let time_left_ms = turn.time_left_ms(self.timing.deadline);
        for member in behind.iter() {
            let mut write = ReplicaWrite::from_record(self.keyspace, self.key.clone(), winner.clone());
            (write.purpose, write.time_left_ms) = (Purpose::Repair, time_left_ms);
            if planted(Mutant::RepairRestamps) {
                let now = Timestamp::from_parts(turn.now.wall_ms, 0);
                write.version = Version::new(now, turn.shared.config.node);
            }
            let to = self.asks.replicas.node(member);
            turn.out.push(Effect::Write { to, handle: WriteHandle::from(slot), write });
            turn.counters().repair_writes += 1;
            self.repairs.waiting.insert(member);
        }
    }

    /// Notes what became of a repair at `from`.
    pub(super) fn repaired(&mut self, turn: &mut Turn, from: NodeId, fate: &Fate) {
        let member = self.asks.replicas.member(from);
        let Some(member) = member.filter(|&m| self.repairs.waiting.contains(m)) else {
            turn.counters().answers_duplicate += 1;
            return;
        };
        self.repairs.waiting.remove(member);
        if matches!(fate, Fate::Acked) {
            turn.counters().repair_acks += 1;
            self.repairs.holders.insert(member);
        } else {
            self.repairs.failed.insert(member);
        }
    }
}
