//! The switch that a replica's threads look at before every step: go on, stand, or stop at once.
//!
//! Invariants:
//! - *stopped* is final;
//! - a thread that asks while the replica is paused stands inside [`Switch::step`] until it is resumed or stopped;
//! - asking while running costs one relaxed load.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

const RUNNING: u8 = 0;
const PAUSED: u8 = 1;
const STOPPED: u8 = 2;

/// What a thread may do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Take the next step.
    Go,
    /// Return now: flush nothing, answer nobody.
    Stop,
}

#[derive(Debug, Default)]
pub(crate) struct Switch {
    state: AtomicU8,
    standing: Mutex<()>,
    changed: Condvar,
}

impl Switch {
    /// Stands while paused, then says whether to go on.
    pub(crate) fn step(&self) -> Step {
        match self.state.load(Ordering::Relaxed) {
            RUNNING => Step::Go,
            _ => self.stand(),
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.state.load(Ordering::Acquire) == STOPPED
    }

    pub(crate) fn pause(&self) {
        self.set(PAUSED);
    }

    pub(crate) fn resume(&self) {
        self.set(RUNNING);
    }

    pub(crate) fn stop(&self) {
        self.set(STOPPED);
    }

    fn set(&self, next: u8) {
        let _guard = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_stopped() {
            self.state.store(next, Ordering::Release);
        }
        self.changed.notify_all();
    }

    #[cold]
    fn stand(&self) -> Step {
        let mut guard = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match self.state.load(Ordering::Acquire) {
                RUNNING => return Step::Go,
                STOPPED => return Step::Stop,
                _ => guard = self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn a_stopped_switch_stays_stopped() {
        let switch = Switch::default();
        switch.stop();
        switch.resume();
        assert_eq!(switch.step(), Step::Stop);
    }

    #[test]
    fn a_paused_thread_stands_until_it_is_resumed_or_stopped() {
        for (wake, expected) in [(Switch::resume as fn(&Switch), Step::Go), (Switch::stop, Step::Stop)] {
            let switch = Arc::new(Switch::default());
            switch.pause();
            let standing = Arc::clone(&switch);
            let thread = thread::spawn(move || standing.step());
            wake(&switch);
            assert_eq!(thread.join().unwrap(), expected);
        }
    }
}
