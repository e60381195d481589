//! The two threads, both started when first needed: the flusher, who leads for those that don't wait, and the preparer,
//! who makes and retires segments.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::lead::Led;
use super::{Guard, Shared, State};
use crate::chore::Chore;
use crate::machine::Machine;
use crate::options::{Chores, Durability};
use crate::sync::thread;

/// After this much idleness the flusher writes the durable mark.
const IDLE: Duration = Duration::from_millis(50);

impl Shared {
    /// The flusher shall look for work.
    pub(crate) fn wake_flusher(self: &Arc<Self>, state: &mut State) {
        if !state.threads.flusher_started && !state.threads.closing {
            state.threads.flusher_started = true;
            let shared = Arc::clone(self);
            start(state, "wal-flusher", move || shared.flush());
        }
        self.flusher.notify_one();
    }

    /// Starts the timer, if the policy has one and it doesn't run.
    #[inline]
    pub(crate) fn start_tick(self: &Arc<Self>, state: &mut State) {
        if self.tick.is_some() && !state.ticking {
            state.ticking = true;
            self.wake_flusher(state);
        }
    }

    fn flush(self: &Arc<Self>) {
        let mut tick = None;
        let mut state = self.state();
        while !state.threads.closing && state.machine.stopped().is_none() {
            let due = self.due(&mut state, &mut tick);
            match due {
                Some(durability) if !state.machine.is_busy() => {
                    state.stats.flusher_batches += 1;
                    if let Led::NeedsSegment = self.lead(state, durability) {
                        self.make_segment();
                    }
                    state = self.state();
                }
                _ => state = self.idle(state, tick),
            }
        }
    }

    /// What the flusher should do now. Keeps the timer: one that rings while another leads has rung until that is over.
    fn due(&self, state: &mut State, tick: &mut Option<Duration>) -> Option<Durability> {
        state.flusher_is_due = false;
        let wish = if self.is_gathering(state) && state.ticking { None } else { state.unfulfilled() };
        let Some((every, durability)) = self.tick.filter(|_| state.ticking) else { return wish };
        let marks = state.machine.marks();
        if marks.at(durability) >= marks.staged {
            state.ticking = false;
            *tick = None;
            return wish;
        }
        let now = self.io.monotonic();
        let at = *tick.get_or_insert(now + every);
        if now < at {
            return wish;
        }
        state.flusher_is_due = state.machine.is_busy();
        if !state.flusher_is_due {
            *tick = None;
        }
        let wished = &mut state.wished[durability as usize];
        *wished = (*wished).max(marks.staged);
        Some(durability)
    }

    /// Waits until somebody calls, the timer rings, or long enough to say what is durable.
    fn idle<'a>(self: &'a Arc<Self>, state: Guard<'a>, tick: Option<Duration>) -> Guard<'a> {
        let unmarked = state.marked < state.machine.marks().durable;
        let timeout = match tick {
            _ if state.flusher_is_due => None,
            Some(at) => Some(at.saturating_sub(self.io.monotonic())),
            None => unmarked.then_some(IDLE),
        };
        let Some(timeout) = timeout else {
            return self.flusher.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        let (state, waited) =
            self.flusher.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() && tick.is_none() && !state.threads.closing {
            self.mark_idle(state);
            return self.state();
        }
        state
    }

    /// Writes the durable mark, if the log is idle and it is not there yet.
    pub(crate) fn mark_idle(self: &Arc<Self>, mut state: Guard<'_>) {
        let durable = state.machine.marks().durable;
        if state.marked < durable
            && let Some(batch) = state.machine.take_watermark()
        {
            state.marked = durable;
            self.carry_out(state, batch);
        }
    }

    /// Gets due chores done: by the preparer, or (`true`) by the caller once it has let go of the lock.
    pub(crate) fn assign_chores(self: &Arc<Self>, state: &mut State) -> bool {
        if !state.machine.chore_is_due() {
            return false;
        }
        if self.chores == Chores::Inline {
            return true;
        }
        if !state.threads.preparer_started && !state.threads.closing {
            state.threads.preparer_started = true;
            let shared = Arc::clone(self);
            start(state, "wal-preparer", move || shared.prepare());
        }
        self.preparer.notify_one();
        false
    }

    /// As [`Shared::assign_chores`], and lets go of the lock.
    pub(crate) fn get_chores_done(self: &Arc<Self>, mut state: Guard<'_>) {
        let inline = self.assign_chores(&mut state);
        drop(state);
        if inline {
            self.do_chores();
        }
    }

    fn prepare(self: &Arc<Self>) {
        loop {
            self.do_chores();
            let state = self.state();
            if state.threads.closing || state.machine.stopped().is_some() {
                return;
            }
            if !state.machine.chore_is_due() {
                drop(self.preparer.wait(state).unwrap_or_else(PoisonError::into_inner));
            }
        }
    }

    /// Does all chores that are due.
    pub(crate) fn do_chores(self: &Arc<Self>) {
        let mut state = self.state();
        while !state.threads.closing {
            let Some(chore) = state.machine.take_chore() else { return };
            drop(state);
            let done = chore.carry_out(&*self.io, &self.dir);
            state = self.state();
            state.machine.chore_completed(&chore, done);
            self.after_chore(state);
            self.tell_of_chore(&chore);
            state = self.state();
        }
    }

    /// Makes the segment without which nothing can be written, or waits for whoever is at it; poisons the log if that
    /// fails.
    pub(crate) fn make_segment(self: &Arc<Self>) {
        let mut state = self.state();
        state.stats.rotation_stalls += 1;
        if state.machine.chore_in_flight() {
            drop(self.chore_done.wait(state).unwrap_or_else(PoisonError::into_inner));
            return;
        }
        if state.machine.is_busy() || !state.machine.needs_segment() {
            return;
        }
        let Some(chore) = state.machine.take_chore_now() else { return };
        drop(state);
        let done = chore.carry_out(&*self.io, &self.dir);
        let mut state = self.state();
        state.machine.chore_completed(&chore, done);
        state.machine.give_up_for_want_of_a_segment();
        self.after_chore(state);
    }

    /// A retirement that failed poisons the log, and is told so.
    fn tell_of_chore(&self, chore: &Chore) {
        if let Some(index) = chore.retires()
            && self.state().machine.stopped().is_none()
        {
            self.tell_hooks(|hooks| hooks.on_recycle(index));
        }
    }

    fn after_chore(self: &Arc<Self>, mut state: Guard<'_>) {
        self.chore_done.notify_all();
        if state.machine.stopped().is_some() {
            let (wakers, poison) = (state.ready_wakers(), state.poison_to_tell());
            drop(state);
            self.announce_stop();
            self.tell(wakers);
            if let Some(cause) = poison {
                self.tell_hooks(|hooks| hooks.on_poison(&cause));
            }
        } else if state.unfulfilled().is_some() && !state.machine.is_busy() {
            self.wake_flusher(&mut state);
        }
    }
}

fn start(state: &mut State, name: &str, body: impl FnOnce() + Send + 'static) {
    match thread::Builder::new().name(name.to_owned()).spawn(body) {
        Ok(handle) => state.threads.handles.push(handle),
        Err(error) => Machine::stop(&mut state.machine, "start a thread", error),
    }
}
