//! One write, from its stamp to the last replica's fate.

use quorate_types::mutants::{Mutant, planted};
use quorate_types::{Mono, NodeId, NodeTiming, Receipt, Refusal, Version, WriteOutcome};
use quorate_wire::{Purpose, ReplicaWrite, ResponseBody};

use super::Fate;
use crate::effect::{Effect, HintedWrite};
use crate::plan::Plan;
use crate::query::Found;
use crate::replicas::{Members, Replicas};
use crate::request::{Attempt, ClientWrite, Origin, WriteHandle};
use crate::slab::Slot;
use crate::slow::{Replies, Sought, Timings};
use crate::turn::Turn;

/// How far the client is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It waits.
    Open,
    /// It has its answer.
    Answered,
    /// It has its answer, and the write still waits for a replica.
    Straggling,
}

/// What became of the write at its replicas. A replica is in one of `waiting`, `acked` and `missed`.
#[derive(Clone, Copy, Debug, Default)]
struct Fates {
    waiting: Members,
    acked: Members,
    missed: Members,
    /// Of those that missed it.
    hinted: Members,
    /// A replica that did not say may have it, or one that an earlier attempt was sent to.
    doubtful: bool,
}

impl Fates {
    /// Whether the write may be read one day, as far as we know.
    fn may_exist(self) -> bool {
        self.doubtful || !self.acked.is_empty() || !self.hinted.is_empty()
    }
}

#[derive(Debug)]
pub(super) struct WriteTask {
    origin: Origin,
    /// What this write stamped of the record, which may hold an older stamp beside it.
    stamp: Version,
    write: HintedWrite,
    started: Mono,
    deadline: Mono,
    replicas: Replicas,
    required: u8,
    hands_off: bool,
    phase: Phase,
    fates: Fates,
    /// When replicas answered in the first phase, if there was one.
    queried: Timings,
    timings: Timings,
    /// Those that refused it, in the order in which they did.
    refusals: Vec<(NodeId, Refusal)>,
    receipt: Option<Box<Receipt>>,
}

impl WriteTask {
    pub(super) fn new(turn: &Turn, write: ClientWrite, plan: &Plan) -> WriteTask {
        let all = plan.replicas.members_where(|_| true);
        let fates = Fates {
            waiting: plan.alive,
            missed: if planted(Mutant::NoHintForDown) { Members::NONE } else { all.without(plan.alive) },
            doubtful: write.attempt == Attempt::Retry,
            ..Fates::default()
        };
        let record = write.record();
        WriteTask {
            origin: write.origin,
            stamp: write.version,
            write: HintedWrite { keyspace: write.keyspace, key: write.key, record },
            started: turn.now.mono,
            deadline: write.deadline,
            replicas: plan.replicas,
            required: plan.required,
            hands_off: plan.policy.hinted_handoff,
            phase: Phase::Open,
            fates,
            queried: Timings::default(),
            timings: Timings::default(),
            refusals: Vec::new(),
            receipt: turn.receipt(&plan.replicas, write.want_receipt.into()),
        }
    }

    /// Notes who answered in the first phase; in the receipt, if one is wanted, with what they told of.
    pub(super) fn note_found(&mut self, found: Found) {
        self.queried = found.timings;
        if let Some(receipt) = &mut self.receipt {
            (receipt.queried, receipt.refused) = (found.queried, found.refused);
        }
    }

    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    pub(super) fn deadline(&self) -> Mono {
        self.deadline
    }

    /// Bytes of key and value.
    pub(super) fn bytes(&self) -> u64 {
        (self.write.key.len() + self.write.record.value.as_ref().map_or(0, bytes::Bytes::len)) as u64
    }

    pub(super) fn is_over(&self) -> bool {
        self.phase != Phase::Open && self.fates.waiting.is_empty()
    }

    pub(super) fn straggles(&self) -> bool {
        self.phase == Phase::Straggling
    }

    /// Whether the answer has just left replicas behind; says so once.
    pub(super) fn begins_to_straggle(&mut self) -> bool {
        let begins = self.phase == Phase::Answered && !self.fates.waiting.is_empty();
        if begins {
            self.phase = Phase::Straggling;
        }
        begins
    }

    pub(super) fn send(&self, turn: &mut Turn, slot: Slot) {
        let HintedWrite { keyspace, key, record } = &self.write;
        let time_left_ms = turn.time_left_ms(self.deadline);
        let handle = WriteHandle::from(slot);
        for member in self.fates.waiting.iter() {
            let mut write = ReplicaWrite::from_record(*keyspace, key.clone(), record.clone());
            (write.purpose, write.time_left_ms) = (Purpose::Write, time_left_ms);
            turn.out.push(Effect::Write { to: self.replicas.node(member), handle, write });
        }
        let own = turn.shared.config.node;
        if planted(Mutant::ForeignAckCounts) && self.replicas.member(own).is_none() {
            let mut write = ReplicaWrite::from_record(*keyspace, key.clone(), record.clone());
            (write.purpose, write.time_left_ms) = (Purpose::Write, time_left_ms);
            turn.out.push(Effect::Write { to: own, handle, write });
        }
    }

    /// Notes what became of the write at `from`; false if that is nothing new.
    pub(super) fn settle(&mut self, turn: &mut Turn, from: NodeId, fate: Fate) -> bool {
        let Some(member) = self.replicas.member(from) else {
            turn.counters().answers_stale += 1;
            return planted(Mutant::ForeignAckCounts) && self.take_for_another(&fate);
        };
        if !self.fates.waiting.remove(member) {
            turn.counters().answers_duplicate += 1;
            return planted(Mutant::DuplicateAckCounts) && self.take_for_another(&fate);
        }
        match fate {
            Fate::Lost if planted(Mutant::LostIsRefused) => {
                self.refused_by(turn, member, from, Refusal::Unreachable);
            }
            Fate::Acked => self.acked_by(turn, member, from),
            Fate::Refused(reason) => self.refused_by(turn, member, from, reason),
            Fate::Lost => {
                turn.counters().write_losses += 1;
                if !planted(Mutant::NoHintForLost) {
                    self.fates.missed.insert(member);
                }
                self.fates.doubtful = true;
            }
        }
        true
    }

    /// What [`Mutant::ForeignAckCounts`] and [`Mutant::DuplicateAckCounts`] do.
    fn take_for_another(&mut self, fate: &Fate) -> bool {
        let Some(other) = self.fates.waiting.first().filter(|_| matches!(fate, Fate::Acked)) else {
            return false;
        };
        self.fates.waiting.remove(other);
        self.fates.acked.insert(other);
        true
    }

    fn acked_by(&mut self, turn: &mut Turn, member: u8, from: NodeId) {
        turn.counters().write_acks += 1;
        self.fates.acked.insert(member);
        let elapsed_us = turn.elapsed_us(self.started);
        self.timings.note(member, elapsed_us);
        if let Some(receipt) = &mut self.receipt {
            receipt.answered.push(NodeTiming { node: from, elapsed_us, version: None });
        }
    }

    fn refused_by(&mut self, turn: &mut Turn, member: u8, from: NodeId, reason: Refusal) {
        turn.counters().write_refusals += 1;
        if !planted(Mutant::NoHintForRefused) {
            self.fates.missed.insert(member);
        }
        if let Some(receipt) = &mut self.receipt {
            receipt.refused.push((from, reason.clone()));
        }
        self.refusals.push((from, reason));
    }

    /// Whoever has not answered has missed it. How many these are.
    pub(super) fn stop_waiting(&mut self) -> u8 {
        let silent = std::mem::take(&mut self.fates.waiting);
        self.timings.silent = silent;
        if !planted(Mutant::NoHintForSilent) {
            self.fates.missed = self.fates.missed.or(silent);
        }
        self.fates.doubtful |= !silent.is_empty();
        silent.len()
    }

    /// Hints for those believed down when the write began: nothing has been heard yet that could be waited for.
    pub(super) fn hint_those_down(&mut self, turn: &mut Turn) {
        if self.hands_off {
            self.hint(turn);
        }
    }

    /// Hints for those that missed it since, unless the write may still turn out to exist nowhere.
    pub(super) fn hint_the_missed(&mut self, turn: &mut Turn) {
        if self.hands_off && self.fates.may_exist() {
            self.hint(turn);
        }
    }

    fn hint(&mut self, turn: &mut Turn) {
        if planted(Mutant::NoHintForDelete) && self.write.record.value.is_none() {
            return;
        }
        for member in self.fates.missed.without(self.fates.hinted).iter() {
            let target = self.replicas.node(member);
            turn.out.push(Effect::Hint { target, hint: self.write.clone() });
            turn.counters().hints_taken += 1;
            self.fates.hinted.insert(member);
            if let Some(receipt) = &mut self.receipt {
                receipt.hinted.push(target);
            }
        }
    }

    /// Answers if the acks suffice, or no longer can.
    pub(super) fn answer_if_decided(&mut self, turn: &mut Turn) {
        let acked = self.fates.acked.len() + u8::from(planted(Mutant::WriteOneShort));
        let decided = acked >= self.required || acked + self.fates.waiting.len() < self.required;
        if self.phase != Phase::Open || !decided {
            return;
        }
        self.phase = Phase::Answered;
        turn.shared.load.unanswered -= 1;
        let outcome = self.outcome(acked);
        match outcome {
            WriteOutcome::Written { .. } => turn.counters().writes_written += 1,
            WriteOutcome::Rejected { .. } => turn.counters().writes_rejected += 1,
            _ => turn.counters().writes_indeterminate += 1,
        }
        turn.report_if_slow((self.origin, self.started), |turn| {
            let HintedWrite { keyspace, key, .. } = &self.write;
            let silent = self.replicas.nodes_of(self.fates.waiting.or(self.timings.silent));
            (*keyspace, Sought::Key(key.clone()), Replies { receipt: self.late_receipt(turn), silent })
        });
        turn.answer(self.origin, ResponseBody::Write(outcome), self.receipt.take());
    }

    fn late_receipt(&self, turn: &Turn) -> Receipt {
        self.receipt.as_deref().cloned().unwrap_or_else(|| Receipt {
            queried: self.queried.of(&self.replicas),
            answered: self.timings.of(&self.replicas),
            hinted: self.replicas.nodes_of(self.fates.hinted),
            refused: self.refusals.clone(),
            ..turn.empty_receipt(&self.replicas)
        })
    }

    fn outcome(&self, acked: u8) -> WriteOutcome {
        let (required, version) = (self.required, self.stamp);
        let expires_at_ms = self.write.record.expiry.at_ms;
        if acked >= required {
            return WriteOutcome::Written { version, expires_at_ms, acked, required };
        }
        let nowhere = self.fates.waiting.is_empty() && !self.fates.may_exist();
        match self.refusals.first().filter(|_| nowhere) {
            Some((_, reason)) => WriteOutcome::Rejected { reason: reason.clone() },
            None => WriteOutcome::Indeterminate { acked, required, version: Some(version), expires_at_ms },
        }
    }
}
