//! The blocking shell: threads, waiting and waking around the [`Machine`].
//!
//! Whoever waits for a record leads, if nobody else does: it writes and syncs everything staged, its own and others'
//! (group commit without delay). Who comes meanwhile is in the next batch.
//!
//! Invariants:
//! - the lock is never held across a call to the disk;
//! - a leader that finishes wakes those it carried, and passes the lead to one of those who came meanwhile: to a
//!   blocked one, else to the flusher thread. So a wish once uttered needs no second call;
//! - the next leader lets those run who were carried last: they come back with more. Else batches of all and of one
//!   take turns, and every second sync is for a single record;
//! - callbacks, wakers and hooks run without the lock (but for `on_append`); a panic in one of them stops the log, and
//!   keeps nobody from being told;
//! - a wish never reaches beyond what is staged: who waits for a record not taken yet wishes for it once it is;
//! - the directory's lock is let go last: no batch or chore is under way then, and none begins after.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::task::Waker;
use std::time::Duration;

use crate::hooks::Listener;
use crate::io::{Io, LockGuard};
use crate::machine::{Machine, Marks};
use crate::options::{Chores, Durability, Options, SyncPolicy};
use crate::stats::{RecentSync, Stats};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::thread::JoinHandle;
use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::{Error, Lsn};

mod append;
mod lead;
mod outward;
mod retain;
mod stepped;
mod tail;
mod threads;
mod wal;
mod watermark;

pub use append::Append;
pub use retain::Retention;
pub use stepped::Underway;
pub use tail::Tail;
pub use wal::{Lead, Stager, Wal};
pub use watermark::Watermark;

/// Called when the log has advanced, with the LSN up to which its policy is satisfied, or when it stopped.
pub type OnDurable = Arc<dyn Fn(Lsn) + Send + Sync>;

pub(crate) struct Shared {
    pub(crate) io: Arc<dyn Io>,
    pub(crate) dir: PathBuf,
    /// What appends wait for.
    pub(crate) durability: Durability,
    pub(crate) chores: Chores,
    pub(crate) listener: Listener,
    /// Bytes staged at which a group has gathered enough; `None`: it does not gather.
    gathers: Option<u64>,
    /// Whoever writes while something has been un-synced for so long syncs it, timer or not.
    overdue: Option<Duration>,
    /// The period of the timer, and what it makes of the records.
    tick: Option<(Duration, Durability)>,
    state: Mutex<State>,
    /// For those whose records are in flight, and for those whose are next; by turns.
    turns: [Condvar; 2],
    flusher: Condvar,
    preparer: Condvar,
    chore_done: Condvar,
    written: AtomicU64,
    durable: AtomicU64,
    recent_sync_ns: AtomicU64,
    callbacks: Mutex<Vec<OnDurable>>,
    lock: Mutex<Option<Box<dyn LockGuard>>>,
}

pub(crate) struct State {
    pub(crate) machine: Machine,
    turn: Turn,
    /// Wished for by those who don't wait, by durability.
    wished: [Lsn; 2],
    wakers: [BTreeMap<(Lsn, u64), Waker>; 2],
    /// Futures that wait for records not taken yet to be durable.
    early: BTreeSet<(Lsn, u64)>,
    wakers_named: u64,
    /// The flusher's timer runs.
    ticking: bool,
    /// The flusher's timer rang while somebody else led: it waits for the end of that.
    flusher_is_due: bool,
    /// When the oldest batch was written that no sync has covered, under a policy that bounds its age.
    unsynced_since: Option<Duration>,
    /// When the oldest record was staged that no batch has taken; kept for the hooks, if there are any.
    staged_since: Option<Duration>,
    /// The hooks know that the log stopped.
    poison_told: bool,
    /// The durable LSN of the last idle watermark.
    marked: Lsn,
    threads: Threads,
    pub(crate) stats: Stats,
    recent_sync: RecentSync,
}

/// The threads, all started lazily.
#[derive(Default)]
struct Threads {
    closing: bool,
    flusher_started: bool,
    preparer_started: bool,
    handles: Vec<JoinHandle<()>>,
}

/// Who waits where.
#[derive(Default)]
struct Turn {
    /// Where those wait whose records are in the next batch.
    next: usize,
    in_flight_last: Lsn,
    in_flight_syncs: bool,
    /// Those not yet told to look again, at each place.
    asleep: [usize; 2],
    /// How often all at a place were told.
    released: [u64; 2],
    /// Those told who have yet to run.
    returning: usize,
}

impl Turn {
    /// Everybody at `place` is about to be told; whether there is anybody.
    fn release(&mut self, place: usize) -> bool {
        self.released[place] += 1;
        let told = std::mem::take(&mut self.asleep[place]);
        self.returning += told;
        told > 0
    }
}

pub(crate) type Guard<'a> = MutexGuard<'a, State>;

/// The timer of a policy that writes but does not wait for it.
const OS_TICK: Duration = Duration::from_millis(100);

impl Shared {
    fn new(options: &Options, io: Arc<dyn Io>, machine: Machine, lock: Box<dyn LockGuard>) -> Self {
        let marks = machine.marks();
        Self {
            io,
            dir: options.dir.clone(),
            durability: options.durability(),
            chores: options.chores,
            listener: options.listener.clone(),
            gathers: match options.sync {
                SyncPolicy::Group { max_wait } if !max_wait.is_zero() => Some(options.staged_bytes_max / 2),
                _ => None,
            },
            overdue: match options.sync {
                SyncPolicy::Interval { every } => Some(every),
                _ => None,
            },
            tick: match options.sync {
                SyncPolicy::Always => None,
                SyncPolicy::Group { max_wait } => {
                    (!max_wait.is_zero()).then_some((max_wait, Durability::Durable))
                }
                SyncPolicy::Interval { every } => Some((every, Durability::Durable)),
                SyncPolicy::Os => Some((OS_TICK, Durability::Written)),
            },
            state: Mutex::new(State::new(machine)),
            turns: [Condvar::new(), Condvar::new()],
            flusher: Condvar::new(),
            preparer: Condvar::new(),
            chore_done: Condvar::new(),
            written: AtomicU64::new(marks.written.get()),
            durable: AtomicU64::new(marks.durable.get()),
            recent_sync_ns: AtomicU64::new(0),
            callbacks: Mutex::new(Vec::new()),
            lock: Mutex::new(Some(lock)),
        }
    }

    pub(crate) fn state(&self) -> Guard<'_> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Up to where everything is as safe as `durability` says; without the lock.
    pub(crate) fn mark(&self, durability: Durability) -> Lsn {
        Lsn::new(match durability {
            Durability::Written => self.written.load(Ordering::Acquire),
            Durability::Durable => self.durable.load(Ordering::Acquire),
        })
    }

    fn publish(&self, marks: Marks) {
        self.written.store(marks.written.get(), Ordering::Release);
        self.durable.store(marks.durable.get(), Ordering::Release);
    }

    /// Whether those who wait should still wait for company.
    fn is_gathering(&self, state: &State) -> bool {
        self.gathers.is_some_and(|enough| state.machine.staged_bytes() < enough)
    }

    /// Leaves a wish for everything staged up to `lsn`; the leader's hand-off or the flusher fulfils it.
    fn wish(self: &Arc<Self>, state: &mut State, lsn: Lsn, durability: Durability) {
        let staged = state.machine.marks().staged;
        let wished = &mut state.wished[durability as usize];
        *wished = (*wished).max(lsn.min(staged));
        if !state.machine.is_busy() && state.unfulfilled().is_some() {
            self.wake_flusher(state);
        }
    }

    /// As [`Shared::wish`], for the future of that name; for what is not taken yet, as soon as it is.
    fn wish_for(self: &Arc<Self>, state: &mut State, (lsn, name): (Lsn, u64), durability: Durability) {
        if lsn > state.machine.marks().staged {
            // Only `when_durable` waits for what is not there.
            state.early.insert((lsn, name));
        }
        self.wish(state, lsn, durability);
    }

    /// Records were taken: some may be what somebody waits for already.
    #[inline]
    fn welcome(self: &Arc<Self>, state: &mut State) {
        if !state.early.is_empty() {
            self.wish_for_early(state);
        }
    }

    /// Keeps the time at which the first record came that waits for the next batch: one look at the clock per batch.
    #[inline]
    fn note_staged(&self, state: &mut State) {
        if self.listener.listens() && state.staged_since.is_none() {
            state.staged_since = Some(self.io.monotonic());
        }
    }

    #[cold]
    fn wish_for_early(self: &Arc<Self>, state: &mut State) {
        let staged = state.machine.marks().staged;
        let later = state.early.split_off(&(staged.next(), 0));
        let here = std::mem::replace(&mut state.early, later);
        if let Some((lsn, _)) = here.last() {
            self.wish(state, *lsn, Durability::Durable);
        }
    }

    fn callbacks(&self) -> Vec<OnDurable> {
        self.callbacks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl State {
    fn new(machine: Machine) -> Self {
        Self {
            marked: machine.marks().durable,
            machine,
            turn: Turn::default(),
            wished: [Lsn::ZERO; 2],
            wakers: [BTreeMap::new(), BTreeMap::new()],
            early: BTreeSet::new(),
            wakers_named: 0,
            ticking: false,
            flusher_is_due: false,
            unsynced_since: None,
            staged_since: None,
            poison_told: false,
            threads: Threads::default(),
            stats: Stats::default(),
            recent_sync: RecentSync::default(),
        }
    }

    /// The strongest wish of those who don't wait that is not yet fulfilled.
    fn unfulfilled(&self) -> Option<Durability> {
        let marks = self.machine.marks();
        [Durability::Durable, Durability::Written]
            .into_iter()
            .find(|durability| self.wished[*durability as usize] > marks.at(*durability))
    }

    /// Keeps `waker` until that record is as safe as that. The one it replaces is the caller's to drop once the lock is
    /// free: with the last waker of a task goes the task, and with it perhaps a future that lets go of its own.
    #[must_use]
    fn register(&mut self, durability: Durability, key: (Lsn, u64), waker: &Waker) -> Option<Waker> {
        self.wakers[durability as usize].insert(key, waker.clone())
    }

    /// Gives a waker up, and its wish if that has not been granted; as [`State::register`].
    #[must_use]
    fn unregister(&mut self, durability: Durability, key: (Lsn, u64)) -> Option<Waker> {
        self.early.remove(&key);
        self.wakers[durability as usize].remove(&key)
    }

    /// A name among the wakers.
    fn name_waker(&mut self) -> u64 {
        self.wakers_named += 1;
        self.wakers_named
    }

    /// Why the log stopped for good; once, for the hooks.
    fn poison_to_tell(&mut self) -> Option<Error> {
        let cause = self.machine.stopped().filter(|cause| matches!(cause, Error::Poisoned { .. }))?.clone();
        (!std::mem::replace(&mut self.poison_told, true)).then_some(cause)
    }

    /// Takes the wakers of those who have what they waited for; of all, once the log stopped.
    fn ready_wakers(&mut self) -> Vec<Waker> {
        let marks = self.machine.marks();
        let stopped = self.machine.stopped().is_some();
        let mut ready = Vec::new();
        for durability in [Durability::Written, Durability::Durable] {
            let waiting = &mut self.wakers[durability as usize];
            let later =
                if stopped { BTreeMap::new() } else { waiting.split_off(&(marks.at(durability).next(), 0)) };
            ready.extend(std::mem::replace(waiting, later).into_values());
        }
        ready
    }
}
