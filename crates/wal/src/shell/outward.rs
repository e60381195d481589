//! Calls to what is not ours: hooks, subscribers, wakers.
//!
//! Invariants:
//! - each call is made without the lock, and for itself: a panic in one of them keeps none of the others from being
//!   made, unwinds no thread of the log's, and stops the log by name;
//! - the hooks hear once that the log stopped, whatever stopped it.

use std::io;
use std::task::Waker;

use super::Shared;
use crate::hooks::{Hooks, caught};

impl Shared {
    /// Wakes the futures, calls the subscribers.
    pub(crate) fn tell(&self, wakers: Vec<Waker>) {
        self.wake(wakers);
        let committed = self.mark(self.durability);
        for callback in self.callbacks() {
            self.call("call a subscriber", || callback(committed));
        }
    }

    /// Wakes the futures.
    pub(crate) fn wake(&self, wakers: Vec<Waker>) {
        for waker in wakers {
            self.call("wake a future", || waker.wake());
        }
    }

    pub(crate) fn tell_hooks(&self, what: impl FnOnce(&dyn Hooks)) {
        self.call("call a hook", || self.listener.tell(what));
    }

    fn call(&self, action: &'static str, call: impl FnOnce()) {
        if let Err(panic) = caught(call) {
            self.stop_after_panic(action, panic);
        }
    }

    /// Whoever counts on that call counts wrongly from now on.
    #[cold]
    fn stop_after_panic(&self, action: &'static str, panic: io::Error) {
        let mut state = self.state();
        if state.machine.stopped().is_some() {
            return;
        }
        state.machine.stop(action, panic);
        let (wakers, cause) = (state.ready_wakers(), state.poison_to_tell());
        drop(state);
        self.announce_stop();
        self.tell(wakers);
        if let Some(cause) = cause {
            self.tell_hooks(|hooks| hooks.on_poison(&cause));
        }
    }
}
