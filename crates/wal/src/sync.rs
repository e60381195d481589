//! Locks, threads and shared counters, from one place: the standard library's, or those of the checker.
//!
//! With `--cfg shuttle` *and* feature `shuttle` (both, so that another crate's flag changes nothing here) whatever the
//! shell and the reading-ahead thread wait on is scheduled by [shuttle](https://docs.rs/shuttle), which runs the real
//! code under many interleavings and finds lost wake-ups: `tests/interleavings`. Its atomics are sequentially
//! consistent: what weaker orderings allow is not explored.
//!
//! Invariant: no other file of the crate names a lock, a condition, a thread or a channel of `std`, but for the two
//! implementations of [`Io`](crate::Io), which are the world outside.

#[cfg(all(shuttle, feature = "shuttle"))]
mod checked;

#[cfg(all(shuttle, feature = "shuttle"))]
pub(crate) use checked::{Condvar, Mutex, MutexGuard, atomic, mpsc, thread};
#[cfg(not(all(shuttle, feature = "shuttle")))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, atomic, mpsc},
    thread,
};
