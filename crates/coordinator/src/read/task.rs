//! One read, from its first question to its last repair.

use std::time::Duration;

use bytes::Bytes;
use quorate_types::mutants::{Mutant, planted};
use quorate_types::{
    KeyspaceId, Mono, NodeId, NodeTiming, ReadOutcome, Receipt, Record, Refusal, Token, Version, crash_point,
    rarely,
};
use quorate_wire::{FullIf, ReadResult, ResponseBody};

use super::asks::{Asks, Reason, hedge_delay, nearest_first};
use super::copies::Copies;
use super::repair::Repairs;
use crate::config::ReadRepairPolicy;
use crate::effect::Effect;
use crate::plan::Plan;
use crate::replicas::Members;
use crate::request::{ClientRead, Liveness, Origin, ReadHandle};
use crate::slab::Slot;
use crate::slow::{Replies, Sought, Timings};
use crate::turn::Turn;

/// How far the read is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The client waits for replicas to answer.
    Asking,
    /// The client waits for replicas to take the winner.
    Mending,
    /// Answered; all replicas are being compared.
    Comparing,
    /// Answered; repairs are on their way.
    Finishing,
    /// Nothing is left to wait for.
    Over,
}

#[derive(Debug)]
pub(super) struct Timing {
    pub(super) started: Mono,
    pub(super) deadline: Mono,
    hedge_at: Option<Mono>,
    pub(super) hedge_delay: Duration,
}

#[derive(Debug)]
pub(super) struct ReadTask {
    origin: Origin,
    pub(super) keyspace: KeyspaceId,
    pub(super) key: Bytes,
    token: Token,
    pub(super) required: u8,
    policy: ReadRepairPolicy,
    pub(super) phase: Phase,
    pub(super) timing: Timing,
    pub(super) asks: Asks,
    pub(super) copies: Copies,
    pub(super) repairs: Repairs,
    refusals: Vec<(NodeId, Refusal)>,
    timings: Timings,
    pub(super) receipt: Option<Box<Receipt>>,
    /// What is accounted for it beside the key.
    held_bytes: u64,
    in_background: bool,
}

impl ReadTask {
    pub(super) fn new(turn: &Turn, live: &dyn Liveness, read: ClientRead, plan: &Plan) -> ReadTask {
        let replicas = nearest_first(turn, live, &plan.replicas);
        let alive = replicas.members_where(|node| turn.shared.is_alive(live, node));
        let started = turn.now.mono;
        let hedge_delay = hedge_delay(turn, live, &replicas, plan.required);
        ReadTask {
            origin: read.origin,
            keyspace: read.keyspace,
            key: read.key,
            token: read.token,
            required: plan.required,
            policy: plan.policy.read_repair_at(plan.level),
            phase: Phase::Asking,
            timing: Timing { started, deadline: read.deadline, hedge_at: None, hedge_delay },
            asks: Asks::new(replicas, alive),
            copies: Copies::default(),
            repairs: Repairs::default(),
            refusals: Vec::new(),
            timings: Timings::default(),
            receipt: turn.receipt(&plan.replicas, read.want_receipt.into()),
            held_bytes: 0,
            in_background: false,
        }
    }

    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    pub(super) fn begin(&mut self, turn: &mut Turn, slot: Slot) {
        for _ in 0..self.required {
            self.ask_next(turn, slot, Reason::Needed);
        }
        turn.wake(self.timing.deadline, slot);
        self.hedge_later(turn, slot);
    }

    /// Notes who is alive now.
    pub(super) fn look(&mut self, turn: &Turn, live: &dyn Liveness) {
        self.asks.alive = self.asks.replicas.members_where(|node| turn.shared.is_alive(live, node));
    }

    fn ask_next(&mut self, turn: &mut Turn, slot: Slot, reason: Reason) -> bool {
        let Some(member) = self.asks.next() else { return false };
        let digests_only = rarely!("read.digests_only");
        let digest_above = if digests_only { 0 } else { turn.shared.config.digest_above_bytes };
        let full = self.asks.full(reason, digest_above);
        self.ask(turn, slot, member, full);
        true
    }

    fn ask(&mut self, turn: &mut Turn, slot: Slot, member: u8, full: FullIf) {
        self.asks.ask(turn.now.mono, member, full);
        turn.out.push(Effect::Read {
            to: self.asks.replicas.node(member),
            handle: ReadHandle::from(slot),
            keyspace: self.keyspace,
            key: self.key.clone(),
            token: self.token,
            full,
            deadline: self.timing.deadline,
        });
    }

    /// Takes in what `from` answered.
    pub(super) fn take(&mut self, turn: &mut Turn, from: NodeId, result: ReadResult) {
        let Some(member) = self.asks.replicas.member(from).filter(|&m| self.asks.asked.contains(m)) else {
            turn.counters().answers_stale += 1;
            return;
        };
        let listening = matches!(self.phase, Phase::Asking | Phase::Comparing);
        if !listening || !self.asks.waiting.remove(member) {
            turn.counters().answers_duplicate += 1;
            return;
        }
        let elapsed = turn.now.mono.since(self.asks.asked_at(member));
        turn.shared.latencies.took(from, elapsed);
        match result {
            ReadResult::Record(record) => {
                self.note_answer(turn, from, record.as_ref().map(Record::newest));
                self.asks.answered.insert(member);
                self.copies.record(member, record);
            }
            ReadResult::Digest(digest) if !self.asks.was_asked_wholly(member) => {
                self.note_answer(turn, from, Some(digest.newest()));
                self.asks.answered.insert(member);
                self.copies.digest(member, digest);
            }
            // Its first answer once more: the second one is still to come.
            ReadResult::Digest(_) if self.asks.was_asked_again(member) => {
                turn.counters().answers_duplicate += 1;
                self.asks.waiting.insert(member);
            }
            // It was asked for the value itself: as good as no answer.
            ReadResult::Digest(_) => turn.counters().answers_stale += 1,
            ReadResult::Refused(reason) => self.refusals.push((from, reason)),
        }
        self.account(turn);
    }

    fn note_answer(&mut self, turn: &Turn, node: NodeId, version: Option<Version>) {
        let elapsed_us = turn.elapsed_us(self.timing.started);
        if let Some(member) = self.asks.replicas.member(node) {
            self.timings.note(member, elapsed_us);
        }
        if let Some(receipt) = &mut self.receipt {
            receipt.answered.retain(|earlier| earlier.node != node);
            receipt.answered.push(NodeTiming { node, elapsed_us, version });
        }
    }

    fn account(&mut self, turn: &mut Turn) {
        let held = self.copies.bytes();
        turn.shared.load.bytes = turn.shared.load.bytes + held - self.held_bytes;
        self.held_bytes = held;
    }

    pub(super) fn waits_for(&self, node: NodeId) -> bool {
        self.asks.replicas.member(node).is_some_and(|member| self.asks.waiting.contains(member))
    }

    pub(super) fn stop_waiting_for(&mut self, node: NodeId) {
        if let Some(member) = self.asks.replicas.member(node) {
            self.asks.waiting.remove(member);
        }
    }

    /// Does whatever has become possible.
    pub(super) fn proceed(&mut self, turn: &mut Turn, slot: Slot) {
        match self.phase {
            Phase::Asking => self.proceed_asking(turn, slot),
            Phase::Mending => self.proceed_mending(turn, slot),
            Phase::Comparing if self.asks.waiting.is_empty() => self.compare(turn, slot),
            Phase::Finishing if self.repairs.waiting.is_empty() => self.phase = Phase::Over,
            Phase::Comparing | Phase::Finishing | Phase::Over => {}
        }
    }

    fn proceed_asking(&mut self, turn: &mut Turn, slot: Slot) {
        while self.asks.in_prospect() < self.required && self.ask_next(turn, slot, Reason::Needed) {}
        let short = planted(Mutant::ReadOneShort) && !self.asks.answered.is_empty();
        if self.asks.answered.len() + u8::from(short) >= self.required {
            self.decide(turn, slot);
        } else if self.asks.in_prospect() < self.required {
            self.give_up(turn);
        }
    }

    fn decide(&mut self, turn: &mut Turn, slot: Slot) {
        if self.fetch_winner(turn, slot) {
            return;
        }
        let behind = self.copies.behind(self.asks.answered);
        match self.policy {
            ReadRepairPolicy::Blocking if !behind.is_empty() => self.mend(turn, slot, behind),
            ReadRepairPolicy::Background => {
                let newest = self.copies.newest().cloned();
                self.answer(turn, newest);
                self.begin_comparing(turn, slot);
            }
            ReadRepairPolicy::Blocking | ReadRepairPolicy::Off => {
                self.answer_last(turn);
                self.phase = Phase::Over;
            }
        }
    }

    /// Asks for a value that would win and was only told by its digest; false if there is none.
    fn fetch_winner(&mut self, turn: &mut Turn, slot: Slot) -> bool {
        let Some(member) = self.copies.unseen_winner() else { return false };
        turn.counters().digest_mismatches += 1;
        crash_point!("read.winner_asked");
        self.ask(turn, slot, member, FullIf::Always);
        true
    }

    fn begin_comparing(&mut self, turn: &mut Turn, slot: Slot) {
        let config = &turn.shared.config;
        if turn.shared.load.background >= config.background_max {
            turn.counters().background_skipped += 1;
            self.phase = Phase::Over;
            return;
        }
        let full = FullIf::UpTo(config.digest_above_bytes);
        self.timing.deadline = turn.now.mono + config.background_timeout;
        self.in_background = true;
        turn.shared.load.background += 1;
        self.phase = Phase::Comparing;
        for member in self.asks.alive.without(self.asks.asked).iter() {
            self.ask(turn, slot, member, full);
        }
        turn.wake(self.timing.deadline, slot);
        self.proceed(turn, slot);
    }

    fn compare(&mut self, turn: &mut Turn, slot: Slot) {
        if self.fetch_winner(turn, slot) {
            return;
        }
        let behind = self.copies.behind(self.asks.answered);
        if behind.is_empty() {
            self.phase = Phase::Over;
            return;
        }
        turn.counters().repairs_background += 1;
        self.timing.deadline = turn.now.mono + turn.shared.config.background_timeout;
        turn.wake(self.timing.deadline, slot);
        self.phase = Phase::Finishing;
        self.repair(turn, slot, behind);
    }

    /// Compares without those that are still silent.
    fn compare_late(&mut self, turn: &mut Turn, slot: Slot) {
        self.asks.waiting = Members::NONE;
        while let Some(unseen) = self.copies.unseen_winner() {
            self.asks.answered.remove(unseen);
        }
        self.compare(turn, slot);
    }

    /// The deadline or the moment to hedge, if either has come.
    pub(super) fn on_time(&mut self, turn: &mut Turn, slot: Slot) {
        if self.timing.deadline <= turn.now.mono {
            match self.phase {
                Phase::Asking => self.time_out(turn, self.asks.answered.len()),
                Phase::Mending => self.time_out(turn, self.repairs.holders.len()),
                Phase::Comparing => self.compare_late(turn, slot),
                Phase::Finishing | Phase::Over => self.phase = Phase::Over,
            }
        } else if self.timing.hedge_at.is_some_and(|at| at <= turn.now.mono) {
            self.timing.hedge_at = None;
            self.hedge(turn, slot);
        }
    }

    /// Comes back after the p99 of those asked, if there is someone else to ask.
    pub(super) fn hedge_later(&mut self, turn: &mut Turn, slot: Slot) {
        let at_once = rarely!("read.hedged_at_once");
        let at = turn.now.mono + if at_once { Duration::ZERO } else { self.timing.hedge_delay };
        if self.can_hedge() && at < self.timing.deadline && turn.shared.config.hedge.extra_percent_max > 0 {
            self.timing.hedge_at = Some(at);
            turn.wake(at, slot);
        }
    }

    /// Whether the client waits for a replica, and another one might do instead.
    fn can_hedge(&self) -> bool {
        match self.phase {
            Phase::Asking => !self.asks.waiting.is_empty() && self.asks.next().is_some(),
            Phase::Mending => self.spare_holder().is_some(),
            Phase::Comparing | Phase::Finishing | Phase::Over => false,
        }
    }

    fn hedge(&mut self, turn: &mut Turn, slot: Slot) {
        if !self.can_hedge() {
            return;
        }
        if !turn.shared.hedges.spend() {
            turn.counters().hedges_withheld += 1;
            return;
        }
        turn.counters().reads_hedged += 1;
        if self.phase == Phase::Asking {
            self.ask_next(turn, slot, Reason::Hedge);
        } else {
            self.mend_another(turn, slot);
        }
    }

    fn give_up(&mut self, turn: &mut Turn) {
        let unanimous = self.refusals.len() == usize::from(self.asks.asked.len());
        match self.refusals.first().filter(|_| unanimous) {
            Some((_, reason)) => {
                let outcome = ReadOutcome::Rejected { reason: reason.clone() };
                turn.counters().reads_rejected += 1;
                self.respond(turn, outcome);
                self.phase = Phase::Over;
            }
            None => self.time_out(turn, self.asks.answered.len()),
        }
    }

    pub(super) fn time_out(&mut self, turn: &mut Turn, answered: u8) {
        turn.counters().reads_timed_out += 1;
        self.respond(turn, ReadOutcome::TimedOut { answered, required: self.required });
        self.phase = Phase::Over;
    }

    /// Answers with the newest record there is, as it looks at this moment.
    pub(super) fn answer(&mut self, turn: &mut Turn, newest: Option<Record>) {
        turn.counters().reads_answered += 1;
        let outcome = match newest {
            None => ReadOutcome::NotFound { expired: None },
            Some(Record { value: None, version, .. }) => ReadOutcome::Deleted { version },
            Some(record) if record.is_expired(turn.now.wall_ms) => {
                ReadOutcome::NotFound { expired: Some(record.version) }
            }
            Some(record) => ReadOutcome::Found { record },
        };
        self.respond(turn, outcome);
    }

    /// Answers with the newest record, which nothing else needs any more: it is not copied.
    pub(super) fn answer_last(&mut self, turn: &mut Turn) {
        let newest = self.copies.take_newest();
        self.answer(turn, newest);
    }

    fn respond(&mut self, turn: &mut Turn, outcome: ReadOutcome) {
        turn.shared.load.unanswered -= 1;
        let mut receipt = self.receipt.take();
        if let Some(receipt) = &mut receipt {
            receipt.refused = std::mem::take(&mut self.refusals);
        }
        turn.report_if_slow((self.origin, self.timing.started), |turn| {
            let receipt = receipt.as_deref().cloned().unwrap_or_else(|| self.late_receipt(turn));
            let silent = self.asks.replicas.nodes_of(self.asks.waiting.or(self.repairs.waiting));
            (self.keyspace, Sought::Key(self.key.clone()), Replies { receipt, silent })
        });
        turn.answer(self.origin, ResponseBody::Read(outcome), receipt);
    }

    fn late_receipt(&self, turn: &Turn) -> Receipt {
        let replicas = &self.asks.replicas;
        Receipt {
            answered: self.timings.of(replicas),
            refused: self.refusals.clone(),
            ..turn.empty_receipt(replicas)
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Gives back what was accounted for it.
    pub(super) fn release(&self, turn: &mut Turn) {
        turn.shared.load.bytes -= self.key.len() as u64 + self.held_bytes;
        turn.shared.load.background -= usize::from(self.in_background);
    }
}
