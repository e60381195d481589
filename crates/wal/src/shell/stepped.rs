//! A batch whose taker carries it out step by step, in its own time: for drivers that complete disk work as events.
//!
//! Invariant: nothing is acknowledged that was not written and synced, whichever steps its taker leaves out.
//!
//! Between [`Underway::write`] and [`Underway::complete`] others may stage, and the process may die: what was written
//! and not synced is then on the disk, or not, or in part. A simulated cluster spends most of its crashes there.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::lead::Outset;
use super::{Shared, Wal};
use crate::batch::Batch;
use crate::machine::Take;
use crate::{Error, Lsn};

/// A batch on its way to the disk. Dropped before it is complete, it poisons the log, as a crash of its writer would.
#[must_use = "nobody else may write before it is complete"]
pub struct Underway {
    shared: Arc<Shared>,
    /// Gone once it is complete.
    batch: Option<Batch>,
    outset: Outset,
    step: Step,
}

/// How far it is.
enum Step {
    Begun,
    Written,
    Failed(io::Error),
}

impl Wal {
    /// Takes the lead with everything staged, to be made durable, and writes nothing yet; `None`: everything is durable,
    /// or somebody else leads.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Closed`].
    pub fn begin_batch(&self) -> Result<Option<Underway>, Error> {
        let shared = self.shared();
        loop {
            let mut state = shared.state();
            if let Some(stopped) = state.machine.stopped() {
                return Err(stopped.clone());
            }
            let staged = state.machine.marks().staged;
            state.machine.demand(staged);
            match state.machine.take_batch() {
                Take::Nothing | Take::Busy => return Ok(None),
                Take::Batch(batch) => {
                    let outset = shared.set_out(&mut state, &batch);
                    let shared = Arc::clone(shared);
                    return Ok(Some(Underway { shared, batch: Some(batch), outset, step: Step::Begun }));
                }
                Take::NeedsSegment => {
                    drop(state);
                    shared.make_segment();
                }
            }
        }
    }
}

impl Underway {
    /// The last record in it.
    pub fn last_lsn(&self) -> Lsn {
        self.batch.as_ref().map_or(Lsn::ZERO, Batch::last_lsn)
    }

    /// Writes it, without sync; a rotation on the way syncs what it must. Once: a second call does nothing, and after an
    /// error says the same again.
    ///
    /// # Errors
    /// Those of the disk; the log is poisoned by them when this is completed.
    pub fn write(&mut self) -> io::Result<()> {
        if let (Step::Begun, Some(batch)) = (&self.step, &mut self.batch) {
            self.step = batch.write().map_or_else(Step::Failed, |()| Step::Written);
        }
        if let Step::Failed(error) = &self.step { Err(again(error)) } else { Ok(()) }
    }

    /// Writes it, if that was not done yet, syncs it and tells the log; returns up to where everything is durable.
    ///
    /// # Errors
    /// [`Error::Poisoned`]: what was not durable may or may not be on disk.
    pub fn complete(mut self) -> Result<Lsn, Error> {
        let written = self.write();
        if let Some(batch) = self.batch.take() {
            let begun = self.shared.io.monotonic();
            let result = match written {
                Err(error) => Err(("write", error)),
                Ok(()) => batch.sync().map_err(|error| ("sync", error)),
            };
            let sync_time = self.shared.io.monotonic().saturating_sub(begun);
            self.shared.arrive(batch, self.outset, result, sync_time);
        }
        let state = self.shared.state();
        state.machine.stopped().map_or_else(|| Ok(state.machine.marks().durable), |error| Err(error.clone()))
    }
}

/// `error`, which cannot be cloned.
fn again(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

impl Drop for Underway {
    fn drop(&mut self) {
        if let Some(batch) = self.batch.take() {
            let error = io::Error::other("its writer is gone");
            self.shared.arrive(batch, self.outset, Err(("write", error)), Duration::ZERO);
        }
    }
}
