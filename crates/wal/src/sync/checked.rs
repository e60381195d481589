//! The checker's primitives, and the one thing that it does not model: time.
//!
//! A wait with a timeout, which shuttle never lets run out, is a wait with a timer thread beside it that rings at any
//! moment the scheduler likes, before or after the condition is notified, and rings in the end. How long the timeout
//! is does not matter; the clock is [`Io`](crate::Io)'s and none of the checker's business.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LockResult, PoisonError};
use std::time::Duration;

pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic, mpsc};
pub(crate) use shuttle::thread;

/// As the standard library's.
#[derive(Default)]
pub(crate) struct Condvar(Arc<shuttle::sync::Condvar>);

/// Whether the timer rang.
pub(crate) struct WaitTimeoutResult(bool);

/// What the timer and the waiter know of each other. Not the checker's: no moment to switch threads at.
#[derive(Default)]
struct Timer {
    rang: AtomicBool,
    over: AtomicBool,
}

impl Condvar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.0.wait(guard)
    }

    pub(crate) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _timeout: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let timer = Arc::new(Timer::default());
        let (condvar, ringing) = (Arc::clone(&self.0), Arc::clone(&timer));
        thread::spawn(move || {
            // It may ring before the waiter waits: again, then. Late rings are spurious wake-ups, which there may be.
            while !ringing.over.load(Ordering::Relaxed) {
                ringing.rang.store(true, Ordering::Relaxed);
                condvar.notify_all();
                thread::yield_now();
            }
        });
        let waited = self.0.wait(guard);
        timer.over.store(true, Ordering::Relaxed);
        let result = WaitTimeoutResult(timer.rang.load(Ordering::Relaxed));
        match waited {
            Ok(guard) => Ok((guard, result)),
            Err(poisoned) => Err(PoisonError::new((poisoned.into_inner(), result))),
        }
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

impl WaitTimeoutResult {
    pub(crate) fn timed_out(&self) -> bool {
        self.0
    }
}
