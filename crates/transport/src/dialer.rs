//! Dials one address until it answers: [`Redial`] with a clock and a socket.

use std::sync::Arc;

use quorate_types::Mono;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::{Connection, Redial, RedialOptions, Transport, TransportError};

/// Keeps dialling one address.
///
/// Every failure is reported at once, before the wait for the next attempt begins. What counts as success is the
/// caller's matter, after the handshake: [`Self::succeeded`].
pub struct Dialer {
    transport: Arc<dyn Transport>,
    addr: String,
    redial: Redial,
    chance: ChaCha8Rng,
    nudge: Nudge,
    start: Instant,
}

/// Urges a [`Dialer`] from elsewhere: the peer showed life. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Nudge(Arc<Notify>);

impl Nudge {
    /// Dial soon, if you are waiting.
    pub fn nudge(&self) {
        self.0.notify_one();
    }
}

impl Dialer {
    /// A dialler of `addr`; `seed` is what its jitter is drawn from and should differ between diallers.
    pub fn new(transport: Arc<dyn Transport>, addr: String, options: RedialOptions, seed: u64) -> Dialer {
        Dialer {
            transport,
            addr,
            redial: Redial::new(options),
            chance: ChaCha8Rng::seed_from_u64(seed),
            nudge: Nudge::default(),
            start: Instant::now(),
        }
    }

    /// The address that it dials.
    pub fn addr(&self) -> &str {
        &self.addr
    }

    /// What urges it.
    pub fn nudger(&self) -> Nudge {
        self.nudge.clone()
    }

    /// Waits until a dial is due, dials, and reports. An earlier connection counts as lost.
    ///
    /// Cancel-safe: a dial that was on counts as failed.
    pub async fn next(&mut self) -> Result<Connection, TransportError> {
        self.give_up_current();
        self.until_due().await;
        self.redial.dialling(self.now());
        let dialled = self.transport.dial(&self.addr).await;
        if dialled.is_err() {
            self.give_up_current();
        }
        dialled
    }

    /// The last connection was greeted and welcomed.
    pub fn succeeded(&mut self) {
        let now = self.now();
        self.redial.succeeded(now);
    }

    fn give_up_current(&mut self) {
        if self.redial.next_at().is_none() {
            let (now, chance) = (self.now(), self.chance.next_u64());
            self.redial.failed(now, chance);
        }
    }

    async fn until_due(&mut self) {
        while let Some(at) = self.redial.next_at().filter(|at| *at > self.now()) {
            let due = self.start + at.since(Mono(0));
            tokio::select! {
                biased;
                () = self.nudge.0.notified() => self.redial.nudge(self.now()),
                () = tokio::time::sleep_until(due) => {}
            }
        }
    }

    fn now(&self) -> Mono {
        Mono(0) + self.start.elapsed()
    }
}
