//! Files that somebody has mapped stay as they are.
//!
//! A memory map (feature `mmap`) is memory that nobody may change. But segments that a checkpoint gives back are used
//! again: written over, under the same inode. So whoever maps a segment takes a [`Hold`] and keeps it with the map.
//!
//! Invariants:
//! - while there is a hold, segments that retire are removed and not used again; the inode of a removed file stays as it
//!   is for who has it mapped;
//! - the first segment that is kept to be used again ends the making of holds, for good: replay then goes through
//!   buffers, whose bytes are checked after they were copied;
//! - a hold keeps the directory's lock, even when the log that took it is gone; without the lock there is none to be had.
//!
//! So no bytes are changed under a map by anybody who respects the lock. Besides, only recovered segments are mapped:
//! none of them is written by the log that found them.

use std::sync::{Arc, PoisonError, Weak};

use crate::io::LockGuard;
use crate::sync::{Mutex, MutexGuard};

/// Who may map what recovery found, and whether retired segments may be used again.
#[derive(Clone)]
pub(crate) struct Holds(Arc<Ledger>);

struct Ledger {
    #[cfg_attr(
        not(feature = "mmap"),
        expect(dead_code, reason = "a hold keeps it, and only maps take holds")
    )]
    lock: Weak<SharedLock>,
    state: Mutex<State>,
}

enum State {
    Held(usize),
    /// A segment is used again, or may be.
    Over,
}

type SharedLock = Box<dyn LockGuard>;

/// The lock of a log's directory, shared with the holds.
struct LogLock(#[expect(dead_code, reason = "dropping the last one releases the lock")] Arc<SharedLock>);

impl LockGuard for LogLock {}

impl Holds {
    /// Holds on what lies in the directory that `lock` keeps others out of; and the lock, for who opened the log.
    pub(crate) fn under(lock: SharedLock) -> (Self, SharedLock) {
        let lock = Arc::new(lock);
        let ledger = Ledger { lock: Arc::downgrade(&lock), state: Mutex::new(State::Held(0)) };
        (Self(Arc::new(ledger)), Box::new(LogLock(lock)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a segment that retires may be used again: from then on, no hold is to be had.
    pub(crate) fn allow_reuse(&self) -> bool {
        let mut state = self.state();
        if matches!(*state, State::Held(1..)) {
            return false;
        }
        *state = State::Over;
        true
    }
}

/// As long as it lives, the recovered segments stay as they are.
#[cfg(feature = "mmap")]
pub(crate) struct Hold {
    holds: Holds,
    #[expect(dead_code, reason = "keeps the directory locked")]
    lock: Arc<SharedLock>,
}

#[cfg(feature = "mmap")]
impl Holds {
    /// A hold, unless segments may be used again, or the directory is open to others.
    pub(crate) fn take(&self) -> Option<Hold> {
        let lock = self.0.lock.upgrade()?;
        let mut state = self.state();
        let State::Held(count) = &mut *state else { return None };
        *count += 1;
        Some(Hold { holds: self.clone(), lock })
    }
}

#[cfg(feature = "mmap")]
impl Drop for Hold {
    fn drop(&mut self) {
        if let State::Held(count) = &mut *self.holds.state() {
            *count -= 1;
        }
    }
}
