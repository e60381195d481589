//! Leading: carrying out a batch for everybody, and handing over.

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::{Guard, Shared, State};
use crate::batch::Batch;
use crate::hooks::{BatchReport, Hooks};
use crate::machine::Take;
use crate::options::{Chores, Durability};
use crate::sync::atomic::Ordering;
use crate::sync::thread;
use crate::{Error, Lsn};

/// What it takes, about, until a thread that was woken is back with its next record, on two processors. Waiting whatever it
/// takes cost a quarter of the rate at 64 writers (syncs of 75 us), never waiting a fifth at 16. With syncs of 180 us, waiting
/// for all 64 costs no rate and saves two of five syncs.
const RETURN_NANOS: u64 = 2_500;

/// A batch that set out.
#[derive(Clone, Copy)]
pub(crate) struct Outset {
    /// Where those wait whom it carries.
    carried: usize,
    /// How long its first record had waited.
    queue_wait: Duration,
}

/// How far a leader came.
pub(crate) enum Led {
    /// A batch was carried out, well or badly.
    Batch,
    /// There was nothing to do, or somebody else leads.
    Nothing,
    /// The next segment is not ready.
    NeedsSegment,
}

impl Shared {
    /// Carries out one batch, if there is one and nobody else does; makes it durable if `durability` says so.
    pub(crate) fn lead(self: &Arc<Self>, mut state: Guard<'_>, durability: Durability) -> Led {
        if durability == Durability::Durable || self.is_overdue(&state) {
            let staged = state.machine.marks().staged;
            state.machine.demand(staged);
        }
        match state.machine.take_batch() {
            Take::Batch(batch) => self.carry_out(state, batch),
            Take::NeedsSegment => return Led::NeedsSegment,
            Take::Nothing | Take::Busy => return Led::Nothing,
        }
        Led::Batch
    }

    /// Whether a sync is due that the timer, kept off the processor perhaps, has not made.
    fn is_overdue(&self, state: &State) -> bool {
        self.overdue
            .zip(state.unsynced_since)
            .is_some_and(|(every, since)| self.io.monotonic() >= since + every)
    }

    /// Keeps the age of what no sync has covered.
    fn note_unsynced(&self, state: &mut State, batch: &Batch) {
        if batch.syncs() {
            state.unsynced_since = None;
        } else if self.overdue.is_some() && state.unsynced_since.is_none() {
            state.unsynced_since = Some(self.io.monotonic());
        }
    }

    pub(crate) fn carry_out(self: &Arc<Self>, mut state: Guard<'_>, mut batch: Batch) {
        let outset = self.set_out(&mut state, &batch);
        drop(state);
        let (result, sync_time) = self.write_and_sync(&mut batch);
        self.arrive(batch, outset, result, sync_time);
    }

    /// `batch` is in flight from now on: those who come meanwhile are in the next one.
    pub(crate) fn set_out(&self, state: &mut State, batch: &Batch) -> Outset {
        let waited = state.staged_since.map(|since| self.io.monotonic().saturating_sub(since));
        if batch.last_lsn() == state.machine.marks().staged {
            state.staged_since = None;
        }
        let turn = &mut state.turn;
        let carried = turn.next;
        turn.next ^= 1;
        (turn.in_flight_last, turn.in_flight_syncs) = (batch.last_lsn(), batch.syncs());
        Outset { carried, queue_wait: waited.unwrap_or_default() }
    }

    /// `batch` was carried out, well or badly.
    pub(crate) fn arrive(
        self: &Arc<Self>,
        batch: Batch,
        outset: Outset,
        result: Result<(), (&'static str, io::Error)>,
        sync_time: Duration,
    ) {
        let mut state = self.state();
        count(&mut state, &batch, sync_time);
        self.note_unsynced(&mut state, &batch);
        self.recent_sync_ns.store(state.recent_sync.nanos(), Ordering::Relaxed);
        let news = result.is_ok().then(|| News::of(&batch, outset, sync_time));
        state.machine.completed(batch, result);
        let poison = state.poison_to_tell();
        self.hand_over(state, outset.carried);
        if let Some(news) = &news {
            self.tell_hooks(|hooks| news.tell(hooks));
        }
        if let Some(cause) = &poison {
            self.tell_hooks(|hooks| hooks.on_poison(cause));
        }
    }

    fn write_and_sync(&self, batch: &mut Batch) -> (Result<(), (&'static str, io::Error)>, Duration) {
        if let Err(error) = batch.write() {
            return (Err(("write", error)), Duration::ZERO);
        }
        if !batch.syncs() {
            return (Ok(()), Duration::ZERO);
        }
        let begun = self.io.monotonic();
        let result = batch.sync().map_err(|error| ("sync", error));
        (result, self.io.monotonic().saturating_sub(begun))
    }

    /// Wakes those who were carried, and sees to it that the others are.
    fn hand_over(self: &Arc<Self>, mut state: Guard<'_>, carried: usize) {
        self.publish(state.machine.marks());
        let wakers = state.ready_wakers();
        let (waited, next) = (state.turn.release(carried), state.turn.asleep[carried ^ 1] > 0);
        let stopped = state.machine.stopped().is_some();
        let due = state.flusher_is_due || state.unfulfilled().is_some() && !next;
        if due && !stopped {
            self.wake_flusher(&mut state);
        }
        let chore = self.assign_chores(&mut state);
        drop(state);
        if waited {
            self.turns[carried].notify_all();
        }
        if next && self.gathers.is_some() {
            // Whoever waits for company goes on waiting and would keep the lead from who does not.
            self.turns[carried ^ 1].notify_all();
        } else if next {
            self.turns[carried ^ 1].notify_one();
        }
        if stopped {
            self.announce_stop();
        }
        self.tell(wakers);
        if chore {
            self.do_chores();
        }
    }

    /// Everybody who waits for anything looks again.
    pub(crate) fn announce_stop(&self) {
        for waiting in [&self.turns[0], &self.turns[1], &self.flusher, &self.preparer, &self.chore_done] {
            waiting.notify_all();
        }
    }

    /// Blocks until everything up to `lsn` is as safe as `durability` says; leads if nobody does.
    pub(crate) fn wait_for(self: &Arc<Self>, lsn: Lsn, durability: Durability) -> Result<(), Error> {
        if self.mark(durability) >= lsn {
            return Ok(());
        }
        let mut state = self.state();
        let lsn = lsn.min(state.machine.marks().staged);
        let mut is_patient = durability == Durability::Durable;
        loop {
            if state.machine.marks().at(durability) >= lsn {
                return Ok(());
            }
            if let Some(stopped) = state.machine.stopped() {
                return Err(stopped.clone());
            }
            if state.machine.is_busy() {
                state = self.wait_turn(state, lsn, durability);
                continue;
            }
            if is_patient && are_back_soon(&state) {
                (state, is_patient) = (self.let_them_run(state), false);
                continue;
            }
            if let Led::NeedsSegment = self.lead(state, durability) {
                self.make_segment();
            }
            state = self.state();
        }
    }

    /// Lets those run who were carried by the last batch: they come back with more, and a sync costs the same for one
    /// record as for all. Waits for the processor only, and no longer than a sync takes.
    fn let_them_run<'a>(&'a self, mut state: Guard<'a>) -> Guard<'a> {
        let until = self.io.monotonic() + Duration::from_nanos(state.recent_sync.nanos());
        while state.turn.returning > 0 && !state.machine.is_busy() && self.io.monotonic() < until {
            drop(state);
            thread::yield_now();
            state = self.state();
        }
        state
    }

    /// As [`Shared::wait_for`], but waits for company first, where the policy says so: the flusher then leads.
    pub(crate) fn wait_in_group(self: &Arc<Self>, lsn: Lsn, durability: Durability) -> Result<(), Error> {
        if self.gathers.is_none() || durability == Durability::Written {
            return self.wait_for(lsn, durability);
        }
        let mut state = self.state();
        let lsn = lsn.min(state.machine.marks().staged);
        while state.machine.marks().durable < lsn {
            if let Some(stopped) = state.machine.stopped() {
                return Err(stopped.clone());
            }
            if !self.is_gathering(&state) {
                drop(state);
                return self.wait_for(lsn, durability);
            }
            state = self.wait_turn(state, lsn, durability);
        }
        Ok(())
    }

    pub(crate) fn wait_turn<'a>(
        &'a self,
        mut state: Guard<'a>,
        lsn: Lsn,
        durability: Durability,
    ) -> Guard<'a> {
        let turn = &state.turn;
        let carried =
            lsn <= turn.in_flight_last && (turn.in_flight_syncs || durability == Durability::Written);
        let place = if carried { turn.next ^ 1 } else { turn.next };
        let released = state.turn.released[place];
        state.turn.asleep[place] += 1;
        let mut state = self.turns[place].wait(state).unwrap_or_else(PoisonError::into_inner);
        if state.turn.released[place] == released {
            state.turn.asleep[place] -= 1;
        } else {
            state.turn.returning -= 1;
        }
        state
    }

    /// Leads, without waiting for anybody else, until everything staged before the call is as safe as the policy
    /// says; `false` if another leads or a segment is missing: the wish is left with them.
    pub(crate) fn try_lead(self: &Arc<Self>) -> Result<bool, Error> {
        let mut state = self.state();
        let wanted = state.machine.marks().staged;
        loop {
            if state.machine.marks().at(self.durability) >= wanted {
                return Ok(true);
            }
            if let Some(stopped) = state.machine.stopped() {
                return Err(stopped.clone());
            }
            if state.machine.is_busy() {
                self.wish(&mut state, wanted, self.durability);
                return Ok(false);
            }
            let led = self.lead(state, self.durability);
            state = self.state();
            if let Led::NeedsSegment = led {
                if self.chores == Chores::Thread {
                    self.wish(&mut state, wanted, self.durability);
                    return Ok(false);
                }
                drop(state);
                self.make_segment();
                state = self.state();
            }
        }
    }
}

/// Whether those who were carried by the last batch are back soon, measured by what a sync takes. Where many threads share
/// few processors the sync is over before they have run, and the next batch finds them all.
fn are_back_soon(state: &State) -> bool {
    let (returning, patience) = (state.turn.returning as u64, state.recent_sync.nanos());
    returning > 0 && returning.saturating_mul(RETURN_NANOS) <= patience
}

/// What the hooks hear of a batch that went well.
struct News {
    rotated_to: Option<u64>,
    synced: Option<Duration>,
    report: BatchReport,
}

impl News {
    fn of(batch: &Batch, outset: Outset, sync_time: Duration) -> Self {
        Self {
            rotated_to: batch.rotation.as_ref().map(|rotation| rotation.header.index),
            synced: batch.syncs().then_some(sync_time),
            report: BatchReport {
                last_lsn: batch.last_lsn(),
                records: batch.records(),
                bytes: batch.bytes(),
                synced: batch.syncs(),
                queue_wait: outset.queue_wait,
            },
        }
    }

    fn tell(&self, hooks: &dyn Hooks) {
        if let Some(index) = self.rotated_to {
            hooks.on_rotate(index);
        }
        if let Some(took) = self.synced {
            hooks.on_sync(took);
        }
        hooks.on_batch(&self.report);
    }
}

fn count(state: &mut Guard<'_>, batch: &Batch, sync_time: Duration) {
    let stats = &mut state.stats;
    stats.batches += 1;
    stats.batch_bytes += batch.bytes();
    stats.batch_records += batch.records();
    stats.rotations += u64::from(batch.rotates());
    if batch.syncs() {
        stats.syncs += 1;
        stats.sync_time += sync_time;
        stats.sync_time_max = stats.sync_time_max.max(sync_time);
        state.recent_sync.add(sync_time);
    }
}
