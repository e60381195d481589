//! Reading a partition page by page: ask as many replicas as the level needs for their next page, merge.
//!
//! Invariants:
//! - exactly one answer, from the merge of at least `required` distinct replicas;
//! - the level holds entry by entry: what is returned is the newest that any of those asked holds of the key;
//! - pages repair nothing: a scan over stale replicas stays as dear as it was, and two scans may go back in time
//!   where single reads with blocking repair do not.
//!
//! Source: short reads are what makes merged pages wrong (CASSANDRA-8933): see `merge`.

use quorate_types::{Mono, NodeId, Receipt, Refusal};
use quorate_wire::{PageOutcome, PageResult, ResponseBody};

use self::merge::{Bounds, Part, entry_bytes, merge};
use crate::effect::{Effect, PageAsk};
use crate::plan::Plan;
use crate::replicas::{Members, Replicas};
use crate::request::{ClientPage, Liveness, Origin, PageHandle, PageReply};
use crate::slab::{Kind, Slab, Slot};
use crate::slow::{Replies, Sought, Timings};
use crate::turn::Turn;

mod merge;

#[derive(Debug)]
struct PageTask {
    origin: Origin,
    started: Mono,
    ask: PageAsk,
    required: u8,
    replicas: Replicas,
    asked: Members,
    waiting: Members,
    parts: Vec<Part>,
    timings: Timings,
    refusals: Vec<(NodeId, Refusal)>,
    held_bytes: u64,
}

/// All pages being read.
#[derive(Debug)]
pub(crate) struct Pages {
    tasks: Slab<PageTask>,
}

impl Pages {
    pub(crate) fn new() -> Pages {
        Pages { tasks: Slab::new(Kind::Page) }
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whose request it is, while it is in flight.
    pub(crate) fn origin(&self, slot: Slot) -> Option<Origin> {
        self.tasks.look(slot).map(|task| task.origin)
    }

    pub(crate) fn start(&mut self, turn: &mut Turn, live: &dyn Liveness, page: ClientPage, plan: &Plan) {
        let task = PageTask::new(turn, page, plan);
        turn.shared.load.enter(task.held_bytes);
        let deadline = task.ask.deadline;
        let slot = self.tasks.insert(task);
        turn.wake(deadline, slot);
        self.proceed(turn, live, slot);
    }

    pub(crate) fn on_reply(&mut self, turn: &mut Turn, live: &dyn Liveness, reply: PageReply) {
        let slot = reply.handle.slot();
        let Some(task) = self.tasks.at(slot) else {
            turn.counters().answers_stale += 1;
            return;
        };
        task.take(turn, reply.from, reply.result);
        self.proceed(turn, live, slot);
    }

    pub(crate) fn on_peer_down(&mut self, turn: &mut Turn, live: &dyn Liveness, node: NodeId) {
        for slot in self.tasks.slots_where(|task| task.waits_for(node).is_some()) {
            if let Some(task) = self.tasks.at(slot) {
                task.stop_waiting_for(node);
                self.proceed(turn, live, slot);
            }
        }
    }

    pub(crate) fn on_timer(&mut self, turn: &mut Turn, slot: Slot) {
        let Some(task) = self.tasks.at(slot).filter(|task| task.ask.deadline <= turn.now.mono) else {
            return;
        };
        let timed_out = task.timed_out();
        self.end(turn, slot, timed_out);
    }

    fn proceed(&mut self, turn: &mut Turn, live: &dyn Liveness, slot: Slot) {
        let Some(task) = self.tasks.at(slot) else { return };
        task.ask_as_many_as_needed(turn, live, slot);
        if task.parts.len() >= usize::from(task.required) {
            let merged = task.merged(turn);
            self.end(turn, slot, merged);
        } else if task.in_prospect() < usize::from(task.required) {
            let failed = task.failed();
            self.end(turn, slot, failed);
        }
    }

    fn end(&mut self, turn: &mut Turn, slot: Slot, outcome: PageOutcome) {
        let Some(task) = self.tasks.remove(slot) else { return };
        turn.shared.load.unanswered -= 1;
        turn.shared.load.bytes -= task.held_bytes;
        match outcome {
            PageOutcome::Page { .. } => turn.counters().pages_answered += 1,
            PageOutcome::Rejected { .. } => turn.counters().reads_rejected += 1,
            _ => turn.counters().reads_timed_out += 1,
        }
        turn.report_if_slow((task.origin, task.started), |turn| {
            let PageAsk { keyspace, partition, start, .. } = &task.ask;
            let sought = Sought::Page { partition: *partition, start: start.clone() };
            let silent = task.replicas.nodes_of(task.waiting);
            (*keyspace, sought, Replies { receipt: task.late_receipt(turn), silent })
        });
        turn.answer(task.origin, ResponseBody::Page(outcome), None);
    }
}

impl PageTask {
    fn new(turn: &Turn, page: ClientPage, plan: &Plan) -> PageTask {
        let config = &turn.shared.config;
        let held_bytes = page.start.key_bytes() as u64;
        let ask = PageAsk {
            keyspace: page.keyspace,
            partition: page.partition,
            start: page.start,
            limit: page.limit.clamp(1, config.page_entries_max),
            bytes_max: config.page_bytes_max,
            deadline: page.deadline,
        };
        PageTask {
            origin: page.origin,
            started: turn.now.mono,
            ask,
            required: plan.required,
            replicas: plan.replicas.with_first(config.node),
            asked: Members::NONE,
            waiting: Members::NONE,
            parts: Vec::new(),
            timings: Timings::default(),
            refusals: Vec::new(),
            held_bytes,
        }
    }

    fn in_prospect(&self) -> usize {
        self.parts.len() + usize::from(self.waiting.len())
    }

    fn ask_as_many_as_needed(&mut self, turn: &mut Turn, live: &dyn Liveness, slot: Slot) {
        let alive = self.replicas.members_where(|node| turn.shared.is_alive(live, node));
        while self.in_prospect() < usize::from(self.required) {
            let Some(member) = alive.without(self.asked).first() else { return };
            self.asked.insert(member);
            self.waiting.insert(member);
            let (to, handle) = (self.replicas.node(member), PageHandle::from(slot));
            turn.out.push(Effect::ReadPage { to, handle, ask: self.ask.clone() });
        }
    }

    fn waits_for(&self, node: NodeId) -> Option<u8> {
        self.replicas.member(node).filter(|&member| self.waiting.contains(member))
    }

    fn stop_waiting_for(&mut self, node: NodeId) {
        if let Some(member) = self.waits_for(node) {
            self.waiting.remove(member);
        }
    }

    fn take(&mut self, turn: &mut Turn, from: NodeId, result: PageResult) {
        let Some(member) = self.waits_for(from) else {
            turn.counters().answers_duplicate += 1;
            return;
        };
        self.waiting.remove(member);
        match result {
            // It says that there is more but shows nothing to go on from: as good as no answer.
            PageResult::Page { entries, done: false } if entries.is_empty() => {
                turn.counters().answers_stale += 1;
            }
            PageResult::Page { entries, done } => {
                let bytes: u64 = entries.iter().map(entry_bytes).sum();
                self.timings.note(member, turn.elapsed_us(self.started));
                self.held_bytes += bytes;
                turn.shared.load.bytes += bytes;
                self.parts.push(Part { entries, done });
            }
            PageResult::Refused(reason) => self.refusals.push((from, reason)),
        }
    }

    fn merged(&mut self, turn: &Turn) -> PageOutcome {
        let bounds = Bounds {
            entries_max: self.ask.limit as usize,
            bytes_max: u64::from(self.ask.bytes_max),
            wall_ms: turn.now.wall_ms,
        };
        let (entries, next) = merge(&turn.shared.ring, std::mem::take(&mut self.parts), &bounds);
        PageOutcome::Page { entries, next }
    }

    fn late_receipt(&self, turn: &Turn) -> Receipt {
        Receipt {
            answered: self.timings.of(&self.replicas),
            refused: self.refusals.clone(),
            ..turn.empty_receipt(&self.replicas)
        }
    }

    fn timed_out(&self) -> PageOutcome {
        PageOutcome::TimedOut { answered: self.parts.len() as u8, required: self.required }
    }

    /// `Rejected` if everyone who was asked refused by name.
    fn failed(&self) -> PageOutcome {
        let unanimous = self.refusals.len() == usize::from(self.asked.len());
        match self.refusals.last().filter(|_| unanimous) {
            Some((_, reason)) => PageOutcome::Rejected { reason: reason.clone() },
            None => self.timed_out(),
        }
    }
}
