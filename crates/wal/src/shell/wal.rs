//! The log as its users see it.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::{Append, Guard, OnDurable, Retention, Shared, Tail, Watermark};
use crate::io::Io;
use crate::machine::{Machine, Marks, Opened, PinStats};
use crate::options::{Durability, Options};
use crate::recovery::Recovery;
use crate::stats::Stats;
use crate::sync::atomic::Ordering;
use crate::sync::thread;
use crate::{Error, LogId, Lsn};

/// What became of an attempt to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lead {
    /// Everything staged before the call is as safe as the policy says, up to this LSN.
    Led(Lsn),
    /// Somebody else leads, and will see to what is staged: the callback of [`Wal::on_durable`] tells.
    HandedOver,
}

/// A write-ahead log. Cheap to clone; all clones are the same log, from any thread.
///
/// Dropping the last clone waits for what is under way at the disk, stops the threads and releases the lock, and
/// flushes *nothing*: what was not waited for is as a crash leaves it, and whoever still waits is told so
/// ([`Error::Dropped`]). [`Wal::close`] ends in good order.
#[derive(Clone)]
pub struct Wal {
    owner: Arc<Owner>,
}

/// Stops the threads when the last user is gone.
struct Owner {
    shared: Arc<Shared>,
}

impl Wal {
    /// Opens the log in the options' directory, or makes it; recovers what is there without changing it.
    ///
    /// Cost: reads the newest segment, writes one of zeros if none is to be had.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Corrupt`], [`Error::Missing`], [`Error::Foreign`], [`Error::Behind`], [`Error::Option`],
    /// [`Error::Io`]: nothing that was in the log has been changed.
    pub fn open(options: &Options, io: Arc<dyn Io>) -> Result<(Self, Recovery), Error> {
        let Opened { machine, recovery, lock } = Machine::open(options, &io)?;
        let shared = Arc::new(Shared::new(options, io, machine, lock));
        shared.listener.tell(|hooks| hooks.on_recover(&recovery.report()));
        Ok((Self { owner: Arc::new(Owner { shared }) }, recovery))
    }

    /// What appends wait for, unless they say otherwise.
    #[cfg(feature = "typed")]
    pub(crate) fn policy_durability(&self) -> Durability {
        self.shared().durability
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.owner.shared
    }

    /// Takes a record (`parts`, one after the other); returns at once.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Full`], [`Error::Poisoned`], [`Error::Closed`]: it was not taken.
    pub fn append(&self, kind: u8, parts: &[&[u8]]) -> Result<Append, Error> {
        self.append_with(self.shared().durability, kind, parts)
    }

    /// As [`Wal::append`], but durable whatever the policy; the batch it is in syncs.
    ///
    /// # Errors
    /// As [`Wal::append`].
    pub fn append_durable(&self, kind: u8, parts: &[&[u8]]) -> Result<Append, Error> {
        self.append_with(Durability::Durable, kind, parts)
    }

    /// As [`Wal::append`], as safe as `durability` says, whatever the policy. A batch is as safe as its strictest member
    /// asks for, and everything staged before that.
    ///
    /// # Errors
    /// As [`Wal::append`].
    pub fn append_with(&self, durability: Durability, kind: u8, parts: &[&[u8]]) -> Result<Append, Error> {
        let lsn = self.stager().stage_with(durability, kind, parts)?;
        Ok(Append::new(Arc::clone(self.shared()), lsn, durability))
    }

    /// Takes records that are all there after a crash, or none. The LSN is the last one's.
    ///
    /// # Errors
    /// As [`Wal::append`], and [`Error::EmptyBatch`]: none was taken.
    pub fn append_batch<'a, I>(&self, records: I) -> Result<Append, Error>
    where
        I: IntoIterator<Item = (u8, &'a [&'a [u8]])>,
        I::IntoIter: Clone,
    {
        self.append_batch_with(self.shared().durability, records)
    }

    /// As [`Wal::append_batch`], as safe as `durability` says, whatever the policy.
    ///
    /// # Errors
    /// As there.
    pub fn append_batch_with<'a, I>(&self, durability: Durability, records: I) -> Result<Append, Error>
    where
        I: IntoIterator<Item = (u8, &'a [&'a [u8]])>,
        I::IntoIter: Clone,
    {
        let lsn = self.stager().stage_batch_with(durability, records.into_iter())?;
        Ok(Append::new(Arc::clone(self.shared()), lsn, durability))
    }

    /// Takes a record without a handle to wait on: the hot path. Ask [`Wal::committed_lsn`] later.
    ///
    /// # Errors
    /// As [`Wal::append`].
    #[inline]
    pub fn stage(&self, kind: u8, parts: &[&[u8]]) -> Result<Lsn, Error> {
        self.stager().stage(kind, parts)
    }

    /// Holds the staging lock, to take many records at the price of one. Drop it soon: everybody else waits.
    pub fn stager(&self) -> Stager<'_> {
        Stager { shared: self.shared(), state: self.shared().state() }
    }

    /// If nobody writes or syncs now: writes everything staged, syncs it as the policy says, in this thread, and
    /// returns. If somebody does: returns at once; the records are carried by whoever comes next, for certain.
    ///
    /// # Errors
    /// [`Error::Poisoned`]: what was not durable may or may not be on disk.
    pub fn try_lead(&self) -> Result<Lead, Error> {
        let shared = self.shared();
        Ok(if shared.try_lead()? { Lead::Led(self.committed_lsn()) } else { Lead::HandedOver })
    }

    /// Asks that everything staged so far become durable, and returns: the flusher thread sees to it.
    pub fn request_sync(&self) {
        let mut state = self.shared().state();
        let staged = state.machine.marks().staged;
        self.shared().wish(&mut state, staged, Durability::Durable);
    }

    /// As [`Wal::request_sync`], as safe as the policy says.
    pub fn request_commit(&self) {
        let mut state = self.shared().state();
        let staged = state.machine.marks().staged;
        self.shared().wish(&mut state, staged, self.shared().durability);
    }

    /// Blocks until everything up to `lsn` (or up to the last record taken, if that is less) is durable, whatever the
    /// policy. The caller leads if nobody does.
    ///
    /// # Errors
    /// [`Error::Poisoned`].
    pub fn sync_to(&self, lsn: Lsn) -> Result<(), Error> {
        self.shared().wait_for(lsn, Durability::Durable)
    }

    /// As [`Wal::sync_to`], as safe as the policy says.
    ///
    /// # Errors
    /// [`Error::Poisoned`].
    pub fn commit_to(&self, lsn: Lsn) -> Result<(), Error> {
        self.shared().wait_in_group(lsn, self.shared().durability)
    }

    /// Something to wait for or to await: everything up to `lsn` is durable. What of it is taken by now is made so at
    /// once, whatever the policy; a record not taken yet is waited for, and made durable when it comes. No record ever
    /// gets that number if the log ends first, which is then the answer. To follow the mark without asking for a sync:
    /// [`Wal::subscribe`].
    pub fn when_durable(&self, lsn: Lsn) -> Append {
        Append::new(Arc::clone(self.shared()), lsn, Durability::Durable)
    }

    /// Up to here everything survives power loss. No lock.
    pub fn durable_lsn(&self) -> Lsn {
        self.shared().mark(Durability::Durable)
    }

    /// Up to here everything is as safe as the policy says. No lock.
    pub fn committed_lsn(&self) -> Lsn {
        self.shared().mark(self.shared().durability)
    }

    /// The last record taken.
    pub fn last_lsn(&self) -> Lsn {
        self.marks().staged
    }

    /// How far the log is.
    pub fn marks(&self) -> Marks {
        self.shared().state().machine.marks()
    }

    /// Calls `callback` with [`Wal::committed_lsn`] after every batch, and when the log stops, from whichever thread
    /// carried it out and without any lock. Calls may overtake each other: take the largest. It must not block, and
    /// must not drop the last clone of the log. A panic in it stops the log ([`Error::Poisoned`]), and the others are
    /// called all the same.
    pub fn on_durable(&self, callback: OnDurable) {
        self.shared().callbacks.lock().unwrap_or_else(PoisonError::into_inner).push(callback);
    }

    /// How long a sync takes the disk lately: the first quartile of the last sixteen; zero before the first. No lock.
    pub fn recent_sync(&self) -> Duration {
        Duration::from_nanos(self.shared().recent_sync_ns.load(Ordering::Relaxed))
    }

    /// Everything up to `lsn` is safe elsewhere: whole segments below are recycled or removed, soon (with
    /// [`Chores::Inline`](crate::Chores::Inline): before this returns). If the disk refuses that, the log stops
    /// ([`Error::Poisoned`]): [`Wal::stopped`] says so, and every later call.
    pub fn checkpoint(&self, lsn: Lsn) {
        let mut state = self.shared().state();
        state.machine.checkpoint(lsn);
        self.shared().get_chores_done(state);
    }

    /// Keeps the records from `lsn` on, whatever is checkpointed, until the result is dropped. `name` says whose it is,
    /// in [`Wal::pins`]. Not remembered across restarts: take it anew before the first checkpoint.
    ///
    /// # Errors
    /// [`Error::Recycled`]: some of them are gone already.
    pub fn retain(&self, name: &str, lsn: Lsn) -> Result<Retention, Error> {
        Retention::take(self.shared(), name, lsn)
    }

    /// Who holds back which records, oldest pin first.
    pub fn pins(&self) -> Vec<PinStats> {
        self.shared().state().machine.pins().cloned().collect()
    }

    /// Reads on from `from` ([`Lsn::ZERO`]: from the first ever), through what is durable now to what becomes durable
    /// later, and never past it. It asks for no sync: under a policy that makes nothing durable it gets nothing.
    ///
    /// It holds nothing back: [`Wal::retain`] what it has yet to read, or it may find it recycled.
    ///
    /// # Errors
    /// [`Error::Recycled`]: some of that is gone already.
    pub fn tail(&self, from: Lsn) -> Result<Tail, Error> {
        Tail::new(self.shared(), from)
    }

    /// The durable mark, to wait for or to await; any number of subscribers.
    pub fn subscribe(&self) -> Watermark {
        Watermark::new(self.shared())
    }

    /// Writes the durable mark behind the last frame, without sync, if the log is idle. A crash after that cannot make
    /// rot of the last batch look like a torn tail. The flusher thread, where there is one, does it after 50 ms.
    pub fn note_idle(&self) {
        self.shared().mark_idle(self.shared().state());
    }

    /// Which log this is.
    pub fn log_id(&self) -> LogId {
        self.shared().state().machine.log_id()
    }

    /// The oldest record that is still there; one more than the last if there is none.
    pub fn oldest_lsn(&self) -> Lsn {
        self.shared().state().machine.oldest_lsn()
    }

    /// Why the log stopped for good, if it did.
    pub fn stopped(&self) -> Option<Error> {
        self.shared().state().machine.stopped().cloned()
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        let state = self.shared().state();
        let machine = &state.machine;
        Stats {
            staged_bytes: machine.staged_bytes(),
            segments: machine.segments() as u64,
            retained_bytes: machine.retained_bytes(),
            pins: machine.pins().count() as u64,
            pinned_lsn: machine.pins().map(|pin| pin.lsn).min(),
            ..state.stats
        }
    }

    /// Makes everything durable, says in the log that it was closed, stops the threads, releases the lock. Other
    /// clones then get [`Error::Closed`].
    ///
    /// # Errors
    /// [`Error::Poisoned`]: the log is as a crash leaves it.
    pub fn close(&self) -> Result<(), Error> {
        let shared = self.shared();
        let result = loop {
            let mut state = shared.state();
            match state.machine.stopped() {
                Some(Error::Closed) => break Ok(()),
                Some(error) => break Err(error.clone()),
                None => {}
            }
            if let Some(batch) = state.machine.take_close() {
                shared.carry_out(state, batch);
                continue;
            }
            drop(state);
            shared.settle()?;
        };
        self.owner.stop();
        result
    }
}

impl Shared {
    /// Waits until whoever is at the disk, a waiter in its own thread perhaps, is done.
    fn await_disk(&self) {
        let mut state = self.state();
        while state.machine.is_busy() {
            state = self.wait_turn(state, Lsn::ZERO, Durability::Written);
        }
        while state.machine.chore_in_flight() {
            state = self.chore_done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until nothing is staged or in flight and everything is durable.
    fn settle(self: &Arc<Self>) -> Result<(), Error> {
        let state = self.state();
        let marks = state.machine.marks();
        if state.machine.is_busy() && marks.durable == marks.staged {
            // Only an idle watermark can be in flight: no record waits for it, and it takes no sync.
            drop(self.wait_turn(state, Lsn::ZERO, Durability::Written));
            return Ok(());
        }
        drop(state);
        self.wait_for(marks.staged, Durability::Durable)
    }
}

/// The staging lock: takes many records at the price of one.
pub struct Stager<'a> {
    shared: &'a Arc<Shared>,
    state: Guard<'a>,
}

impl Stager<'_> {
    /// As [`Wal::stage`].
    ///
    /// # Errors
    /// As [`Wal::append`].
    #[inline]
    pub fn stage(&mut self, kind: u8, parts: &[&[u8]]) -> Result<Lsn, Error> {
        self.stage_with(self.shared.durability, kind, parts)
    }

    /// As [`Stager::stage`], as safe as `durability` says.
    ///
    /// # Errors
    /// As [`Wal::append`].
    #[inline]
    pub fn stage_with(&mut self, durability: Durability, kind: u8, parts: &[&[u8]]) -> Result<Lsn, Error> {
        let before = self.state.machine.staged_bytes();
        let lsn = self.state.machine.stage(kind, parts, durability)?;
        self.count(before, 1);
        Ok(lsn)
    }

    /// Records that are all there after a crash, or none; the LSN of the last.
    ///
    /// # Errors
    /// As [`Wal::append_batch`].
    pub fn stage_batch<'a, I>(&mut self, records: I) -> Result<Lsn, Error>
    where
        I: Iterator<Item = (u8, &'a [&'a [u8]])> + Clone,
    {
        self.stage_batch_with(self.shared.durability, records)
    }

    /// As [`Stager::stage_batch`], as safe as `durability` says.
    ///
    /// # Errors
    /// As there.
    pub fn stage_batch_with<'a, I>(&mut self, durability: Durability, records: I) -> Result<Lsn, Error>
    where
        I: Iterator<Item = (u8, &'a [&'a [u8]])> + Clone,
    {
        let (before, first) = (self.state.machine.staged_bytes(), self.state.machine.marks().staged);
        let lsn = self.state.machine.stage_batch(records, durability)?;
        self.count(before, lsn.get() - first.get());
        Ok(lsn)
    }

    #[inline]
    fn count(&mut self, before: u64, records: u64) {
        let state = &mut *self.state;
        state.stats.appends += records;
        let headers = records * crate::frame::RECORD_HEADER_BYTES as u64;
        let bytes = state.machine.staged_bytes() - before - headers;
        state.stats.append_bytes += bytes;
        self.shared.start_tick(state);
        self.shared.welcome(state);
        self.shared.note_staged(state);
        self.shared.listener.tell(|hooks| hooks.on_append(state.machine.marks().staged, records, bytes));
    }
}

impl Owner {
    fn stop(&self) {
        let mut state = self.shared.state();
        state.machine.abandon();
        state.threads.closing = true;
        let threads = std::mem::take(&mut state.threads.handles);
        let wakers = state.ready_wakers();
        drop(state);
        self.shared.wake(wakers);
        self.shared.announce_stop();
        self.shared.await_disk();
        for thread in threads {
            if thread.thread().id() != thread::current().id() {
                drop(thread.join());
            }
        }
        self.shared.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.stop();
    }
}
