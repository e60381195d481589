//! When to dial again: a pure machine, told the time and given its chance from outside.
//!
//! ```text
//!            dialling                       failed                    due, nudged
//!   Idle ----------------> Dialling -----------------------> Waiting ------------> Dialling
//!                             | succeeded                       ^
//!                             v               lost              |
//!                         Connected ----------------------------+
//! ```
//!
//! Invariants:
//! - the wait doubles from `first` to `max`, and each one is drawn from its upper half, so that many diallers of one
//!   restarted node do not come at once (and none comes at once again);
//! - a connection that held for `stable_after` forgets past failures; one that broke sooner does not, so that a peer
//!   that accepts and hangs up is not hammered;
//! - a nudge (somebody saw life) dials at once, but never sooner than `first` after the last attempt.
//!
//! Source: Brooker, Exponential Backoff and Jitter (AWS Architecture Blog, 2015).

use std::time::Duration;

use quorate_types::Mono;

/// How to wait between dials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedialOptions {
    /// The first wait, and the least time between two attempts.
    pub first: Duration,
    /// The longest wait.
    pub max: Duration,
    /// A connection that lived so long is worth a fresh start.
    pub stable_after: Duration,
}

impl Default for RedialOptions {
    fn default() -> Self {
        RedialOptions {
            first: Duration::from_millis(50),
            max: Duration::from_secs(2),
            stable_after: Duration::from_secs(10),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Dialling,
    Connected { since: Mono },
    Waiting { until: Mono },
}

/// The state of the dialling of one address.
#[derive(Clone, Debug)]
pub struct Redial {
    options: RedialOptions,
    state: State,
    /// Failures in a row.
    failures: u32,
    last_attempt: Option<Mono>,
}

impl Redial {
    /// Nothing tried yet: due at once.
    pub fn new(options: RedialOptions) -> Redial {
        Redial { options, state: State::Idle, failures: 0, last_attempt: None }
    }

    /// When to dial next; `None` while a dial or a connection is on.
    pub fn next_at(&self) -> Option<Mono> {
        match self.state {
            State::Idle => Some(Mono(0)),
            State::Waiting { until } => Some(until),
            State::Dialling | State::Connected { .. } => None,
        }
    }

    /// A dial begins.
    pub fn dialling(&mut self, now: Mono) {
        self.state = State::Dialling;
        self.last_attempt = Some(now);
    }

    /// It succeeded, handshake included.
    pub fn succeeded(&mut self, now: Mono) {
        self.state = State::Connected { since: now };
    }

    /// It failed, or the connection was lost. `chance` is any random number; the same one gives the same wait.
    pub fn failed(&mut self, now: Mono, chance: u64) {
        if let State::Connected { since } = self.state
            && now.since(since) >= self.options.stable_after
        {
            self.failures = 0;
        }
        let wait = self.wait(chance);
        self.failures = self.failures.saturating_add(1);
        self.state = State::Waiting { until: now + wait };
    }

    /// The peer showed life: do not wait for long any more.
    pub fn nudge(&mut self, now: Mono) {
        if let State::Waiting { until } = self.state {
            let earliest = self.last_attempt.map_or(now, |last| (last + self.options.first).max(now));
            self.failures = 0;
            self.state = State::Waiting { until: until.min(earliest) };
        }
    }

    fn wait(&self, chance: u64) -> Duration {
        let longest = self
            .options
            .first
            .saturating_mul(1 << self.failures.min(20))
            .min(self.options.max)
            .max(self.options.first);
        let half = u64::try_from(longest.as_nanos() / 2).unwrap_or(u64::MAX / 2);
        Duration::from_nanos(half + chance % (half + 1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    fn at(ms: u64) -> Mono {
        Mono(ms * MS)
    }

    fn options() -> RedialOptions {
        RedialOptions {
            first: Duration::from_millis(50),
            max: Duration::from_millis(400),
            stable_after: Duration::from_secs(10),
        }
    }

    /// The wait after a failure at `now`, milliseconds, if the jitter were the largest.
    fn longest_wait(redial: &mut Redial, now: Mono) -> u64 {
        redial.dialling(now);
        redial.failed(now, 0);
        let half = redial.next_at().unwrap().since(now);
        (half.as_nanos() as u64 * 2) / MS
    }

    #[test]
    fn the_first_dial_is_due_at_once_and_none_is_while_one_is_on() {
        let mut redial = Redial::new(options());
        assert_eq!(redial.next_at(), Some(Mono(0)));
        redial.dialling(at(1));
        assert_eq!(redial.next_at(), None);
        redial.succeeded(at(2));
        assert_eq!(redial.next_at(), None);
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut redial = Redial::new(options());
        let waits: Vec<u64> = (0..6).map(|i| longest_wait(&mut redial, at(i * 1000))).collect();
        assert_eq!(waits, [50, 100, 200, 400, 400, 400]);
    }

    #[test]
    fn a_connection_that_held_forgets_failures_and_one_that_broke_at_once_does_not() {
        let mut redial = Redial::new(options());
        let _ = [0, 1, 2].map(|i| longest_wait(&mut redial, at(i)));
        redial.dialling(at(100));
        redial.succeeded(at(100));
        redial.failed(at(200), 0);
        assert_eq!(redial.next_at(), Some(at(400)), "half of 400 ms");
        redial.dialling(at(500));
        redial.succeeded(at(500));
        redial.failed(at(10_500), 0);
        assert_eq!(redial.next_at(), Some(at(10_525)), "half of 50 ms");
    }

    #[test]
    fn a_nudge_dials_at_once_but_not_sooner_than_the_first_wait_after_the_last_attempt() {
        let mut redial = Redial::new(options());
        let _ = [0, 1, 2, 3, 4].map(|i| longest_wait(&mut redial, at(1000 + i)));
        redial.nudge(at(1010));
        assert_eq!(redial.next_at(), Some(at(1054)));
        redial.nudge(at(2000));
        assert_eq!(redial.next_at(), Some(at(1054)), "a nudge never delays");
    }

    #[test]
    fn a_nudge_means_nothing_to_a_dial_that_is_on() {
        let mut redial = Redial::new(options());
        redial.dialling(at(1));
        redial.nudge(at(2));
        assert_eq!(redial.next_at(), None);
    }

    proptest! {
        #[test]
        fn every_wait_is_in_the_upper_half_of_its_step(failures in 0u32..40, chance in any::<u64>()) {
            let mut redial = Redial::new(options());
            for _ in 0..failures {
                redial.failed(at(0), 7);
            }
            redial.failed(at(0), chance);
            let step = (50u64 << failures.min(3)).min(400);
            let wait = redial.next_at().unwrap().since(at(0)).as_nanos() as u64;
            prop_assert!((step * MS / 2..=step * MS).contains(&wait), "{wait}");
        }
    }
}
