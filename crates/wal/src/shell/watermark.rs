//! The durable mark as something to subscribe to.
//!
//! Invariant: whoever waits is registered under the lock under which the mark moves, so that no advance is missed; a
//! waiter that gives up takes its registration along.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use super::Shared;
use crate::options::Durability;
use crate::sync::thread::{self, Thread};
use crate::{Error, Lsn};

/// A subscription to the durable mark ([`Wal::subscribe`](crate::Wal::subscribe)). Asks for no sync; does not keep the
/// log open.
#[derive(Clone)]
pub struct Watermark {
    shared: Arc<Shared>,
    seen: Lsn,
}

impl Watermark {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), seen: shared.mark(Durability::Durable) }
    }

    /// Up to here everything is durable. No lock.
    pub fn lsn(&self) -> Lsn {
        self.shared.mark(Durability::Durable)
    }

    /// Awaits that the mark is above what this subscription last returned (at first: what it was when it was made);
    /// returns the mark. Marks between may be skipped. Cancel safe.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Dropped`], [`Error::Poisoned`]: it will not move any more.
    pub async fn changed(&mut self) -> Result<Lsn, Error> {
        self.seen = self.reached(self.seen.next()).await?;
        Ok(self.seen)
    }

    /// As [`Watermark::changed`], blocking.
    ///
    /// # Errors
    /// As there.
    pub fn wait_changed(&mut self) -> Result<Lsn, Error> {
        block_on(self.changed())
    }

    /// Awaits that everything up to `lsn` is durable; returns the mark. Cancel safe.
    ///
    /// # Errors
    /// As [`Watermark::changed`].
    pub fn reached(&self, lsn: Lsn) -> impl Future<Output = Result<Lsn, Error>> + Send + use<> {
        Reached { shared: Arc::clone(&self.shared), lsn, name: None }
    }

    /// As [`Watermark::reached`], blocking.
    ///
    /// # Errors
    /// As there.
    pub fn wait_reached(&self, lsn: Lsn) -> Result<Lsn, Error> {
        block_on(self.reached(lsn))
    }
}

struct Reached {
    shared: Arc<Shared>,
    lsn: Lsn,
    /// Among the wakers, while registered.
    name: Option<u64>,
}

impl Future for Reached {
    type Output = Result<Lsn, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let shared = Arc::clone(&self.shared);
        let mut _replaced = None;
        let mut state = shared.state();
        let durable = state.machine.marks().durable;
        if durable >= self.lsn {
            return Poll::Ready(Ok(durable));
        }
        if let Some(stopped) = state.machine.stopped() {
            return Poll::Ready(Err(stopped.clone()));
        }
        let name = *self.name.get_or_insert_with(|| state.name_waker());
        _replaced = state.register(Durability::Durable, (self.lsn, name), context.waker());
        Poll::Pending
    }
}

impl Drop for Reached {
    fn drop(&mut self) {
        if let Some(name) = self.name {
            let mut state = self.shared.state();
            let given_up = state.unregister(Durability::Durable, (self.lsn, name));
            drop(state);
            drop(given_up);
        }
    }
}

/// Blocks this thread until `future` is done.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}
