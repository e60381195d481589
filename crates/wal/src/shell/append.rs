//! A record on its way: something to wait for, or to await.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Shared;
use super::watermark::block_on;
use crate::options::Durability;
use crate::{Error, Lsn};

/// A record that was taken, or ([`Wal::when_durable`](crate::Wal::when_durable)) that may come. Dropping it changes
/// nothing about the record, and leaves no waker behind. It does not keep the log open.
///
/// Wait for it ([`Append::wait`]: the caller leads if nobody does) or await it on any executor: then the flusher
/// thread does the work and the executor's thread never blocks.
#[must_use = "the record is staged, not yet safe: wait, await, or ask the log later"]
pub struct Append {
    shared: Arc<Shared>,
    lsn: Lsn,
    durability: Durability,
    /// Among the wakers, while it may be there.
    name: Option<u64>,
}

impl Append {
    pub(crate) fn new(shared: Arc<Shared>, lsn: Lsn, durability: Durability) -> Self {
        Self { shared, lsn, durability, name: None }
    }

    /// The record's number.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Whether it is as safe as it was asked to be.
    pub fn is_done(&self) -> bool {
        self.shared.mark(self.durability) >= self.lsn
    }

    /// Blocks until it is as safe as it was asked to be; of a record not taken yet, until it is taken and then that.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Dropped`] (the last [`Wal`](crate::Wal) went first): it may or may not be on disk.
    /// Of a record that was never taken, [`Error::Closed`] too.
    pub fn wait(&self) -> Result<Lsn, Error> {
        self.shared.wait_in_group(self.lsn, self.durability)?;
        if self.is_done() {
            return Ok(self.lsn);
        }
        // Everything taken is safe, and this was not among it: there is nothing to lead until it comes.
        block_on(Self::new(Arc::clone(&self.shared), self.lsn, self.durability))
    }
}

impl Future for Append {
    type Output = Result<Lsn, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.is_done() {
            // Whoever moved the mark took the waker along.
            this.name = None;
            return Poll::Ready(Ok(this.lsn));
        }
        let shared = Arc::clone(&this.shared);
        let mut _replaced = None;
        let mut state = shared.state();
        if state.machine.marks().at(this.durability) >= this.lsn {
            this.name = None;
            return Poll::Ready(Ok(this.lsn));
        }
        if state.machine.stopped().is_none() {
            let name = *this.name.get_or_insert_with(|| state.name_waker());
            _replaced = state.register(this.durability, (this.lsn, name), context.waker());
            shared.wish_for(&mut state, (this.lsn, name), this.durability);
        }
        // The wish may have failed to start the flusher.
        match state.machine.stopped() {
            Some(stopped) => Poll::Ready(Err(stopped.clone())),
            None => Poll::Pending,
        }
    }
}

impl Drop for Append {
    fn drop(&mut self) {
        if let Some(name) = self.name {
            let mut state = self.shared.state();
            let given_up = state.unregister(self.durability, (self.lsn, name));
            drop(state);
            drop(given_up);
        }
    }
}
