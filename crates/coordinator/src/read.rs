//! The read machine: ask as many replicas as the level needs, merge, repair, answer once.
//!
//! ```text
//!  asking ──enough answered──► a value that would win was only seen as a digest? fetch it, stay
//!    │                         replicas behind, and repair is blocking ► mending ──enough hold the winner──► answer
//!    │                         otherwise ► answer ── repair is background ► comparing ► finishing
//!    └─ nobody left to ask, or deadline ► answer: TimedOut (Rejected if everyone refused by name)
//! ```
//!
//! Invariants:
//! - exactly one answer, from the merge of at least `required` distinct replicas;
//! - under blocking repair a record is answered only when `required` replicas are known to hold it, which makes
//!   quorum reads of one key monotonic (CASSANDRA-10726, -14740);
//! - expiry is judged here, by this node's wall clock, at the moment of the answer; replicas return what they hold;
//! - repair writes make no hints and never last longer than the read, or than `background_timeout` after it
//!   (CASSANDRA-15442);
//! - a replica is asked once, and once more only for a value that it told the digest of.
//!
//! Sources: Dynamo (SOSP 2007) §5; Dean and Barroso, The Tail at Scale (2013), for hedging.

use quorate_types::NodeId;

use self::task::ReadTask;
use crate::plan::Plan;
use crate::request::{ClientRead, Liveness, Origin, ReadReply};
use crate::slab::{Kind, Slab, Slot};
use crate::turn::Turn;
use crate::write::Fate;

mod asks;
mod copies;
mod repair;
mod task;

/// All reads in flight.
#[derive(Debug)]
pub(crate) struct Reads {
    tasks: Slab<ReadTask>,
}

impl Reads {
    pub(crate) fn new() -> Reads {
        Reads { tasks: Slab::new(Kind::Read) }
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whose request it is, while it is in flight.
    pub(crate) fn origin(&self, slot: Slot) -> Option<Origin> {
        self.tasks.look(slot).map(ReadTask::origin)
    }

    pub(crate) fn start(&mut self, turn: &mut Turn, live: &dyn Liveness, read: ClientRead, plan: &Plan) {
        turn.shared.load.enter(read.key.len() as u64);
        let hedge = turn.shared.config.hedge;
        turn.shared.hedges.earn(&hedge);
        let slot = self.tasks.insert(ReadTask::new(turn, live, read, plan));
        if let Some(task) = self.tasks.at(slot) {
            task.begin(turn, slot);
        }
    }

    pub(crate) fn on_reply(&mut self, turn: &mut Turn, live: &dyn Liveness, reply: ReadReply) {
        let slot = reply.handle.slot();
        let Some(task) = self.tasks.at(slot) else {
            turn.counters().answers_stale += 1;
            return;
        };
        task.look(turn, live);
        task.take(turn, reply.from, reply.result);
        self.proceed(turn, slot);
    }

    pub(crate) fn on_repair_fate(&mut self, turn: &mut Turn, from: NodeId, slot: Slot, fate: &Fate) {
        let Some(task) = self.tasks.at(slot) else {
            turn.counters().answers_stale += 1;
            return;
        };
        task.repaired(turn, from, fate);
        self.proceed(turn, slot);
    }

    pub(crate) fn on_peer_down(&mut self, turn: &mut Turn, live: &dyn Liveness, node: NodeId) {
        for slot in self.tasks.slots_where(|task| task.waits_for(node)) {
            if let Some(task) = self.tasks.at(slot) {
                task.look(turn, live);
                task.stop_waiting_for(node);
                self.proceed(turn, slot);
            }
        }
    }

    pub(crate) fn on_timer(&mut self, turn: &mut Turn, live: &dyn Liveness, slot: Slot) {
        let Some(task) = self.tasks.at(slot) else { return };
        task.look(turn, live);
        task.on_time(turn, slot);
        self.proceed(turn, slot);
    }

    fn proceed(&mut self, turn: &mut Turn, slot: Slot) {
        let Some(task) = self.tasks.at(slot) else { return };
        task.proceed(turn, slot);
        if task.is_over() {
            task.release(turn);
            self.tasks.end(slot);
        }
    }
}
