//! A record on its way: something to wait for, or to await.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Shared;
use crate::options::Durability;
use crate::{Error, Lsn};

/// A record that was taken. Dropping it changes nothing about the record. It does not keep the log open.
///
/// Wait for it ([`Append::wait`]: the caller leads if nobody does) or await it on any executor: then the flusher
/// thread does the work and the executor's thread never blocks.
#[must_use = "the record is staged, not yet safe: wait, await, or ask the log later"]
pub struct Append {
    shared: Arc<Shared>,
    lsn: Lsn,
    durability: Durability,
    /// Among the wakers.
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

    /// Blocks until it is as safe as it was asked to be.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::Dropped`] (the last [`Wal`](crate::Wal) went first): it may or may not be on disk.
    pub fn wait(&self) -> Result<Lsn, Error> {
        self.shared.wait_in_group(self.lsn, self.durability)?;
        Ok(self.lsn)
    }
}

impl Future for Append {
    type Output = Result<Lsn, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.is_done() {
            return Poll::Ready(Ok(self.lsn));
        }
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        if state.machine.marks().at(self.durability) >= self.lsn {
            return Poll::Ready(Ok(self.lsn));
        }
        if let Some(stopped) = state.machine.stopped() {
            return Poll::Ready(Err(stopped.clone()));
        }
        let name = *self.name.get_or_insert_with(|| state.name_waker());
        state.wakers[self.durability as usize].insert((self.lsn, name), context.waker().clone());
        shared.wish(&mut state, self.lsn, self.durability);
        Poll::Pending
    }
}
