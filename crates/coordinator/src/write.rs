//! The write machine: send to all replicas, answer once, keep a hint for everyone who did not acknowledge.
//!
//! Per replica of a write:
//! ```text
//!  alive ─ sent ─► waiting ─┬─ ack ─────────────► acked
//!                           ├─ refused by name ─┐
//!                           ├─ link lost        ├─► missed ─► hinted (if the keyspace hands off, and the write
//!                           └─ deadline passed ─┘             may exist somewhere at all)
//!  believed down ───────────────────────────────► missed ─► hinted, at once
//! ```
//!
//! Invariants:
//! - nothing is sent unless as many replicas as the level needs are believed alive;
//! - exactly one answer: at the required acks, or as soon as they can't be met any more, or at the deadline;
//! - `Rejected` only if every replica it was sent to refused it by name and no hint was taken: so a refused replica
//!   gets its hint only once the write may exist somewhere (an ack, a lost link, silence, another hint);
//! - the write stays after its answer until every replica is acked or missed; at most one hint per replica.
//!
//! Source: Cassandra lowers a raced ack count (CASSANDRA-6491) and calls everything after sending a timeout; riak_kv's
//! `enough()` fails early. The outcome's kind must tell a client whether it may retry (gocql#1075).

use std::collections::VecDeque;

use quorate_types::mutants::{Mutant, planted};
use quorate_types::{NodeId, Refusal, crash_point};

use self::task::WriteTask;
use crate::plan::Plan;
use crate::query::Found;
use crate::request::{ClientWrite, Origin};
use crate::slab::{Kind, Slab, Slot};
use crate::turn::Turn;

mod task;

/// What became of a write at one replica.
#[derive(Debug)]
pub(crate) enum Fate {
    /// Durable and applied.
    Acked,
    /// Not applied, never will be.
    Refused(Refusal),
    /// It may or may not be applied.
    Lost,
}

/// All writes in flight.
#[derive(Debug)]
pub(crate) struct Writes {
    tasks: Slab<WriteTask>,
    /// Answered writes that still wait for a replica, oldest first, among some that have ended.
    stragglers: VecDeque<Slot>,
    straggling: usize,
}

impl Writes {
    pub(crate) fn new() -> Writes {
        Writes { tasks: Slab::new(Kind::Write), stragglers: VecDeque::new(), straggling: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whose request it is, while it is in flight.
    pub(crate) fn origin(&self, slot: Slot) -> Option<Origin> {
        self.tasks.look(slot).map(WriteTask::origin)
    }

    pub(crate) fn straggling(&self) -> usize {
        self.straggling
    }

    pub(crate) fn start(&mut self, turn: &mut Turn, write: ClientWrite, plan: &Plan) {
        let task = WriteTask::new(turn, write, plan);
        self.begin(turn, task);
    }

    /// The second phase of a LINEARIZABLE write; the receipt goes on with what the first one found.
    pub(crate) fn start_second(
        &mut self,
        turn: &mut Turn,
        write: ClientWrite,
        (plan, found): (&Plan, Found),
    ) {
        let mut task = WriteTask::new(turn, write, plan);
        task.note_found(found);
        self.begin(turn, task);
    }

    fn begin(&mut self, turn: &mut Turn, task: WriteTask) {
        turn.shared.load.enter(task.bytes());
        let deadline = task.deadline();
        let slot = self.tasks.insert(task);
        let task = self.tasks.at(slot).expect("it was just inserted");
        task.send(turn, slot);
        crash_point!("write.sent");
        task.hint_those_down(turn);
        turn.wake(deadline, slot);
    }

    pub(crate) fn on_fate(&mut self, turn: &mut Turn, from: NodeId, slot: Slot, fate: Fate) {
        let Some(task) = self.tasks.at(slot) else {
            turn.counters().answers_stale += 1;
            return;
        };
        if task.settle(turn, from, fate) {
            crash_point!("write.acked");
            self.conclude(turn, slot);
        }
    }

    /// The deadline, if it has come: whoever was silent has missed the write.
    pub(crate) fn on_timer(&mut self, turn: &mut Turn, slot: Slot) {
        let Some(task) = self.tasks.at(slot).filter(|task| task.deadline() <= turn.now.mono) else { return };
        turn.counters().write_silences += u64::from(task.stop_waiting());
        crash_point!("write.given_up");
        self.conclude(turn, slot);
    }

    /// Lets the oldest answered writes go, with their hints, until a request of `bytes` fits.
    pub(crate) fn make_room(&mut self, turn: &mut Turn, bytes: u64) {
        while self.crowded(turn, bytes) {
            let Some(slot) = self.stragglers.pop_front() else { return };
            if let Some(task) = self.tasks.at(slot) {
                task.stop_waiting();
                turn.counters().stragglers_cut += 1;
                self.conclude(turn, slot);
            }
        }
    }

    fn crowded(&self, turn: &Turn, bytes: u64) -> bool {
        let config = &turn.shared.config;
        self.straggling > config.stragglers_max || !turn.shared.load.bytes_fit(config, bytes)
    }

    /// Answers and takes hints as far as that is decided, and lets the write go once nobody is waited for.
    fn conclude(&mut self, turn: &mut Turn, slot: Slot) {
        let Some(task) = self.tasks.at(slot) else { return };
        task.hint_the_missed(turn);
        task.answer_if_decided(turn);
        if task.begins_to_straggle() {
            self.straggle(slot);
        }
        let Some(task) = self.tasks.at(slot).filter(|task| task.is_over()) else { return };
        if planted(Mutant::PendingLeaks) && task.deadline() <= turn.now.mono {
            return;
        }
        turn.shared.load.bytes -= task.bytes();
        self.straggling -= usize::from(task.straggles());
        self.tasks.end(slot);
    }

    fn straggle(&mut self, slot: Slot) {
        while self.stragglers.front().is_some_and(|&oldest| self.tasks.at(oldest).is_none()) {
            self.stragglers.pop_front();
        }
        self.stragglers.push_back(slot);
        self.straggling += 1;
    }
}
