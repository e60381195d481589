//! The first phase of a LINEARIZABLE write: ask all replicas, until a majority said which newest version it holds,
//! have the clock stamp a larger one, and hand the write over to the write machine, which is the second phase.
//!
//! ```text
//!  asking ──a majority said it──► stamping ──a larger version was issued──► a write like any other, to a majority
//!    │                               └─ the clock may not follow, or is too late ► answer: Rejected
//!    └─ a majority can't be reached any more, or deadline ► answer: Rejected
//! ```
//!
//! Why this makes registers that are linearizable under any skew of the clocks: whatever a LINEARIZABLE operation
//! returned or wrote was on a majority when it ended, so the majority that a later write asks tells of a version at
//! least as new, and the later write's is larger. Reads see to the other half ([`crate::read`]): they answer only
//! what a majority holds. So the order of the versions is one that agrees with time, and versions are unique.
//!
//! Invariants:
//! - nothing is written, and no hint taken, before the write has its stamp: until then every failure is `Rejected`,
//!   from then on none is unless every replica refuses the write by name;
//! - what counts as a replica's newest version is the newer one of its value's and its expiry's; tombstones and
//!   expired values count like any other;
//! - a retry that carries its version has no first phase: its version was chosen in that of the first attempt, after
//!   the operation began, and the operation lasts until its last attempt is answered;
//! - exactly one answer, here or by the write machine; one deadline for both phases.
//!
//! Sources: Attiya, Bar-Noy, Dolev, Sharing Memory Robustly in Message-Passing Systems (JACM 1995); Lynch and
//! Shvartsman (FTCS 1997) for several writers.

use quorate_types::mutants::{Mutant, planted};
use quorate_types::{
    Mono, NodeId, NodeTiming, Receipt, Record, Refusal, Version, WriteOutcome, crash_point, rarely,
};
use quorate_wire::{FullIf, ReadResult, ResponseBody};

use crate::effect::Effect;
use crate::plan::Plan;
use crate::replicas::Members;
use crate::request::{Attempt, Liveness, Origin, ReadHandle, ReadReply, StampHandle, UnstampedWrite};
use crate::slab::{Kind, Slab, Slot};
use crate::slow::{Replies, Sought, Timings};
use crate::turn::Turn;
use crate::write::Writes;

/// How far a query is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// For a majority.
    Asking,
    /// For the clock.
    Stamping,
}

/// What the first phase heard, for the receipt.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// When replicas answered.
    pub(crate) timings: Timings,
    /// The same with versions, if the request wants a receipt.
    pub(crate) queried: Vec<NodeTiming>,
    pub(crate) refused: Vec<(NodeId, Refusal)>,
}

#[derive(Debug)]
struct QueryTask {
    write: UnstampedWrite,
    plan: Plan,
    started: Mono,
    phase: Phase,
    waiting: Members,
    answered: Members,
    newest: Option<Version>,
    found: Found,
}

/// All first phases in flight.
#[derive(Debug)]
pub(crate) struct Queries {
    tasks: Slab<QueryTask>,
}

impl Queries {
    pub(crate) fn new() -> Queries {
        Queries { tasks: Slab::new(Kind::Query) }
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whose request it is, while it is in flight.
    pub(crate) fn origin(&self, slot: Slot) -> Option<Origin> {
        self.tasks.look(slot).map(|task| task.write.origin)
    }

    pub(crate) fn start(&mut self, turn: &mut Turn, write: UnstampedWrite, plan: &Plan) {
        turn.counters().queries += 1;
        turn.shared.load.enter(write.bytes());
        let deadline = write.deadline;
        let slot = self.tasks.insert(QueryTask::new(turn, write, plan));
        self.tasks.at(slot).expect("it was just inserted").ask(turn, slot);
        crash_point!("linearizable.asked");
        turn.wake(deadline, slot);
    }

    pub(crate) fn on_reply(&mut self, turn: &mut Turn, reply: ReadReply) {
        let slot = reply.handle.slot();
        let Some(task) = self.tasks.at(slot) else {
            turn.counters().answers_stale += 1;
            return;
        };
        if task.take(turn, reply.from, reply.result) {
            self.proceed(turn, slot);
        }
    }

    pub(crate) fn on_peer_down(&mut self, turn: &mut Turn, node: NodeId) {
        for slot in self.tasks.slots_where(|task| task.waits_for(node)) {
            if let Some(task) = self.tasks.at(slot) {
                task.stop_waiting_for(node);
                self.proceed(turn, slot);
            }
        }
    }

    /// The clock has issued a version larger than all that were told of, or did not: then nothing was written.
    pub(crate) fn on_stamp(
        &mut self,
        (turn, live): (&mut Turn, &dyn Liveness),
        slot: Slot,
        stamp: Result<Version, Refusal>,
        writes: &mut Writes,
    ) {
        let Some(task) = self.tasks.at(slot).filter(|task| task.phase == Phase::Stamping) else {
            turn.counters().answers_stale += 1;
            return;
        };
        let late = task.write.deadline <= turn.now.mono || rarely!("linearizable.late");
        match stamp {
            Ok(_) if late => self.fail(turn, slot, Refusal::DeadlinePassed),
            Ok(version) => {
                let Some(task) = self.release(turn, slot) else { return };
                let plan = task.second_plan(turn, live);
                crash_point!("linearizable.second");
                writes.start_second(turn, task.write.stamped(version, Attempt::First), (&plan, task.found));
            }
            Err(reason) => self.fail(turn, slot, reason),
        }
    }

    /// The deadline, if it has come.
    pub(crate) fn on_timer(&mut self, turn: &mut Turn, slot: Slot) {
        let Some(task) = self.tasks.at(slot).filter(|task| task.write.deadline <= turn.now.mono) else {
            return;
        };
        let reason = match task.phase {
            Phase::Asking => task.newest_unknown(),
            Phase::Stamping => Refusal::DeadlinePassed,
        };
        self.fail(turn, slot, reason);
    }

    fn proceed(&mut self, turn: &mut Turn, slot: Slot) {
        let Some(task) = self.tasks.at(slot).filter(|task| task.phase == Phase::Asking) else { return };
        if task.answered.len() >= task.plan.required || planted(Mutant::LinearizableAskOne) {
            task.phase = Phase::Stamping;
            crash_point!("linearizable.known");
            turn.out.push(Effect::Stamp { handle: StampHandle::from(slot), above: task.newest });
        } else if task.answered.len() + task.waiting.len() < task.plan.required {
            let reason = task.why_too_few();
            self.fail(turn, slot, reason);
        }
    }

    /// Answers that nothing was written, and never will be.
    fn fail(&mut self, turn: &mut Turn, slot: Slot, reason: Refusal) {
        let Some(task) = self.release(turn, slot) else { return };
        turn.counters().queries_failed += 1;
        turn.counters().writes_rejected += 1;
        turn.report_if_slow((task.write.origin, task.started), |turn| {
            let silent = task.plan.replicas.nodes_of(task.waiting);
            let replies = Replies { receipt: task.late_receipt(turn), silent };
            (task.write.keyspace, Sought::Key(task.write.key.clone()), replies)
        });
        let mut receipt = turn.receipt(&task.plan.replicas, task.write.want_receipt.into());
        if let Some(receipt) = &mut receipt {
            (receipt.queried, receipt.refused) = (task.found.queried, task.found.refused);
        }
        turn.answer(task.write.origin, ResponseBody::Write(WriteOutcome::Rejected { reason }), receipt);
    }

    /// Takes it out, with what was accounted for it: the second phase is accounted for as a write.
    fn release(&mut self, turn: &mut Turn, slot: Slot) -> Option<QueryTask> {
        let task = self.tasks.remove(slot)?;
        turn.shared.load.unanswered -= 1;
        turn.shared.load.bytes -= task.write.bytes();
        Some(task)
    }
}

impl QueryTask {
    fn new(turn: &Turn, write: UnstampedWrite, plan: &Plan) -> QueryTask {
        QueryTask {
            write,
            plan: *plan,
            started: turn.now.mono,
            phase: Phase::Asking,
            waiting: plan.alive,
            answered: Members::NONE,
            newest: None,
            found: Found::default(),
        }
    }

    /// Asks all that are alive at once: the slowest of a majority decides how long it takes, not a slow one among
    /// those chosen. Versions are wanted, not values.
    fn ask(&self, turn: &mut Turn, slot: Slot) {
        for member in self.waiting.iter() {
            turn.out.push(Effect::Read {
                to: self.plan.replicas.node(member),
                handle: ReadHandle::from(slot),
                keyspace: self.write.keyspace,
                key: self.write.key.clone(),
                token: self.write.token,
                full: FullIf::UpTo(0),
                deadline: self.write.deadline,
            });
        }
    }

    /// Takes in what `from` said; false if that changes nothing.
    fn take(&mut self, turn: &mut Turn, from: NodeId, result: ReadResult) -> bool {
        let Some(member) = self.plan.replicas.member(from) else {
            turn.counters().answers_stale += 1;
            return false;
        };
        if !self.waiting.remove(member) {
            turn.counters().answers_duplicate += 1;
            return false;
        }
        let newest = match result {
            ReadResult::Record(record) => record.as_ref().map(Record::newest),
            ReadResult::Digest(digest) => Some(digest.newest()),
            ReadResult::Refused(reason) => {
                self.found.refused.push((from, reason));
                return true;
            }
        };
        self.answered.insert(member);
        self.newest = self.newest.max(newest);
        let elapsed_us = turn.elapsed_us(self.started);
        self.found.timings.note(member, elapsed_us);
        if self.write.want_receipt {
            self.found.queried.push(NodeTiming { node: from, elapsed_us, version: newest });
        }
        true
    }

    fn waits_for(&self, node: NodeId) -> bool {
        self.plan.replicas.member(node).is_some_and(|member| self.waiting.contains(member))
    }

    fn stop_waiting_for(&mut self, node: NodeId) {
        if let Some(member) = self.plan.replicas.member(node) {
            self.waiting.remove(member);
        }
    }

    fn late_receipt(&self, turn: &Turn) -> Receipt {
        let replicas = &self.plan.replicas;
        Receipt {
            queried: self.found.timings.of(replicas),
            refused: self.found.refused.clone(),
            ..turn.empty_receipt(replicas)
        }
    }

    /// Whom to write to: those alive now, and whoever has just answered, so that they are a majority in any case.
    fn second_plan(&self, turn: &Turn, live: &dyn Liveness) -> Plan {
        let alive = self.plan.replicas.members_where(|node| turn.shared.is_alive(live, node));
        Plan { alive: alive.or(self.answered), ..self.plan }
    }

    /// If all refused by name, in the words of the first.
    fn why_too_few(&self) -> Refusal {
        let unanimous = self.found.refused.len() == usize::from(self.plan.alive.len());
        match self.found.refused.first().filter(|_| unanimous) {
            Some((_, reason)) => reason.clone(),
            None => self.newest_unknown(),
        }
    }

    fn newest_unknown(&self) -> Refusal {
        Refusal::NewestUnknown { answered: self.answered.len(), required: self.plan.required }
    }
}
