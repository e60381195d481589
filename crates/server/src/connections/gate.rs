//! What holds a client's reader back: requests under way on one connection.
//!
//! Invariant: a reader that found the gate shut reads again as soon as enough of its requests are settled; nothing
//! is refused here, TCP slows the client down.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Requests of one connection that may be under way before its socket is left unread.
const IN_FLIGHT_MAX: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct Gate {
    in_flight: AtomicUsize,
    opened: Notify,
}

impl Gate {
    /// A request was taken from the connection.
    pub(crate) fn taken(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// The shards are done with one of them.
    pub(crate) fn settled(&self) {
        if self.in_flight.fetch_sub(1, Ordering::Relaxed) == IN_FLIGHT_MAX {
            self.opened.notify_one();
        }
    }

    /// Resolves when fewer than [`IN_FLIGHT_MAX`] are under way.
    pub(crate) async fn open(&self) {
        while self.in_flight.load(Ordering::Relaxed) >= IN_FLIGHT_MAX {
            self.opened.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn a_full_gate_opens_with_the_first_answer() {
        let gate = Gate::default();
        (0..IN_FLIGHT_MAX).for_each(|_| gate.taken());
        let mut opening = pin!(gate.open());
        let mut context = Context::from_waker(Waker::noop());
        assert!(opening.as_mut().poll(&mut context).is_pending());
        gate.settled();
        assert!(opening.as_mut().poll(&mut context).is_ready());
    }
}
