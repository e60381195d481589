//! The loop of a shard: take everything that is ready, feed it to the machine, carry out its effects as batches,
//! and only then wait.
//!
//! Invariants:
//! - frames for peers leave before the own sync, so that the syncs of all replicas overlap;
//! - a write is applied and acknowledged only after the log says that it is durable;
//! - a turn takes at most [`TURN_MESSAGES_MAX`] messages or [`TURN_BYTES_MAX`] bytes (and what is left of the read
//!   that reached them), so that timers and other sockets get their turn however much one of them sends;
//! - no task, channel or allocation per request here: requests are events in a batch, answers messages in a frame.
//!
//! Why: group commit of everything that is ready makes durability nearly free when clients pipeline, and a hop to
//! another thread costs more than a sync on a fast disk (both measured: docs/adr/0005).

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use quorate_coordinator::Origin;
use quorate_node::{Drain, Effects, Event, LimitsReached, Shard};
use quorate_types::Now;
use tokio::time::Sleep;
use tracing::error;

use crate::common::Common;
use crate::connections::desk::Desk;
use crate::connections::http::asks::Asks;
use crate::connections::links::Links;
use crate::connections::resp::desk::RespDesk;
use crate::disk::hints::HintQueue;
use crate::metrics::requests::Meter;
use crate::shard::across::Across;
use crate::shard::admission::Admission;
use crate::shard::item::Item;
use crate::shard::log::{LogFailure, ShardLog};
use crate::shard::slow::SlowLog;
use crate::shard::walking::Walking;
use crate::switch::Step;

mod carry_out;
mod intake;

pub(crate) use intake::home;

/// Messages after which a turn ends: of 4,096 the tasks and replies did not fit a processor's cache (benches/RESULTS.md).
const TURN_MESSAGES_MAX: usize = 512;
/// Bytes of frames after which a turn ends.
const TURN_BYTES_MAX: usize = 4 << 20;

/// The limit on batches of requests between two shards.
const SHARD_QUEUE_MAX: &str = "shard_queue_max";
/// The limit on requests that wait for a status.
const STATUS_REQUESTS_MAX: &str = "status_requests_max";

/// The driver of one shard; see the module.
pub(crate) struct ShardLoop {
    pub(crate) index: usize,
    pub(crate) common: Arc<Common>,
    pub(crate) shard: Shard,
    pub(crate) log: ShardLog,
    pub(crate) links: Links,
    pub(crate) hints: HintQueue,
    pub(crate) desk: Desk,
    pub(crate) resp: RespDesk,
    pub(crate) asks: Asks,
    pub(crate) across: Across,
    pub(crate) admission: Admission,
    pub(crate) walking: Walking,
    pub(crate) waiting: VecDeque<Item>,
    pub(crate) effects: Effects,
    /// Requests that found another shard's queue full; kept for its memory.
    pub(crate) refused: Vec<Origin>,
    pub(crate) draining: Draining,
    pub(crate) meter: Meter,
    pub(crate) slow_log: SlowLog,
    /// What time it is in this turn.
    pub(crate) now: Now,
    /// How often the machine's limits had been reached when that was last told.
    pub(crate) limits_told: LimitsReached,
}

/// How far a graceful end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Draining {
    /// Not asked for.
    No,
    /// No new requests are taken; some are under way.
    Begun(Drain),
    /// Nothing is under way, and whoever asked knows.
    Done,
}

impl ShardLoop {
    /// Until the switch says stop. What is then under way is dropped where it stands.
    pub(crate) async fn run(mut self) {
        let mut timer = Box::pin(tokio::time::sleep(Duration::ZERO));
        while self.common.switch.step() == Step::Go {
            let now = self.tell_time();
            let over_budget = self.take_in(now);
            self.finish_turn(now);
            self.common.counters.turns.increment();
            if over_budget {
                self.common.counters.turns_over_budget.increment();
            }
            if over_budget || self.is_due() {
                // Not at once: readers and timers first, or they would starve behind a busy shard or a past timer.
                tokio::task::yield_now().await;
            } else {
                self.wait(timer.as_mut()).await;
            }
        }
        if self.common.is_killed() {
            self.desk.reset_all();
            self.resp.reset_all();
        } else {
            self.resp.close_all().await;
            self.desk.close_all().await;
        }
    }

    /// Ends the turn: appends, sends, commits, and all of that again for what the commit brought about, at the time that
    /// it is then: a receipt shows what the disk took. What waits for the next turn waits for no sync.
    fn finish_turn(&mut self, mut now: Now) {
        loop {
            self.learn_durable(now);
            self.shard.end_turn(now, &mut self.effects);
            self.append(now);
            self.carry_out();
            if !self.log.commit(self.waiting.len()) {
                break;
            }
            now = self.tell_time();
        }
        self.common.standing.clock_seen(self.index, self.shard.clock_ahead_ms(now));
        self.tell_limits();
        self.report_drained();
    }

    fn tell_time(&mut self) -> Now {
        self.now = self.common.clock.now();
        self.resp.at(self.now);
        self.now
    }

    fn learn_durable(&mut self, now: Now) {
        match self.log.newly_durable() {
            Ok(None) => {}
            Ok(Some(through)) => self.shard.on_event(now, Event::Logged { through }, &mut self.effects),
            Err(failure) => self.log_failed(now, &failure),
        }
    }

    fn append(&mut self, now: Now) {
        self.common.appended(self.effects.log.len());
        let appended = self.log.append(&self.effects.log);
        self.effects.log.clear();
        if let Err(failure) = appended {
            self.log_failed(now, &failure);
        }
    }

    fn log_failed(&mut self, now: Now, failure: &LogFailure) {
        if self.log.give_up() {
            error!(%failure, "the log failed: this node takes no writes until it is restarted and has recovered");
            self.common.fail(&failure.to_string());
            self.shard.on_event(now, Event::LogFailed, &mut self.effects);
        }
    }

    fn tell_limits(&mut self) {
        let reached = self.shard.limits_reached();
        if reached == self.limits_told {
            return;
        }
        let before = std::mem::replace(&mut self.limits_told, reached);
        for ((counter, times), (_, told)) in reached.counted().zip(before.counted()) {
            if times > told {
                self.common.news.limit_reached(counter, times - told);
            }
        }
    }

    fn report_drained(&mut self) {
        let Draining::Begun(drain) = self.draining else { return };
        let clients_idle = || self.waiting.is_empty() && !self.resp.has_work() && self.across.is_idle();
        let log_idle = || drain == Drain::Clients || self.log.is_idle();
        if self.shard.quiescent() && clients_idle() && log_idle() {
            self.draining = Draining::Done;
            self.common.drained(self.index, drain);
        }
    }

    fn is_due(&self) -> bool {
        let now = self.common.clock.mono();
        self.resp.has_work()
            || !self.common.inboxes[self.index].is_empty()
            || self.shard.next_timer().is_some_and(|due| due <= now)
    }

    /// Until something is ready or the machine's next timer is due.
    async fn wait(&mut self, mut timer: Pin<&mut Sleep>) {
        let inbox = &self.common.inboxes[self.index];
        let Some(due) = self.shard.next_timer() else {
            return inbox.ready().await;
        };
        let due = self.common.clock.instant(due).into();
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
        tokio::select! {
            biased;
            () = inbox.ready() => {}
            () = timer => {}
        }
    }
}
