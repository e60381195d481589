//! The wall clock of one node: right, or wrong in one of the ways in which clocks are.
//!
//! Invariant: only the wall clock lies; time between two moments (`Mono`) is the same for everybody.

use quorate_types::Mono;
use serde::{Deserialize, Serialize};

/// How a wall clock is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ClockError {
    /// Not at all.
    #[default]
    None,
    /// Ahead (or behind, if negative), since a step.
    Step {
        /// By how much, milliseconds. A far future is a large one.
        ms: i64,
    },
    /// It runs too fast (or too slow, if negative) from now on.
    Drift {
        /// Millionths.
        ppm: i64,
    },
    /// It jumps to and fro.
    Strobe {
        /// How far ahead it is half of the time, milliseconds.
        ms: i64,
        /// How long each half is, milliseconds; not 0.
        every_ms: u64,
    },
}

impl ClockError {
    /// The largest error within `run_ms`, milliseconds.
    pub fn most_ms(self, run_ms: u64) -> u64 {
        match self {
            ClockError::None => 0,
            ClockError::Step { ms } | ClockError::Strobe { ms, .. } => ms.unsigned_abs(),
            ClockError::Drift { ppm } => {
                (u128::from(ppm.unsigned_abs()) * u128::from(run_ms) / 1_000_000) as u64
            }
        }
    }
}

/// Wall time at the virtual time 0, milliseconds since 1970.
const EPOCH_MS: u64 = 1_700_000_000_000;

/// A node's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallClock {
    error: ClockError,
    /// Since when it has this error.
    since: Mono,
}

impl WallClock {
    /// From `now` on it is wrong in this way, and in no other.
    pub fn set(&mut self, now: Mono, error: ClockError) {
        *self = WallClock { error, since: now };
    }

    /// What it shows, milliseconds since 1970.
    pub fn shows(&self, now: Mono) -> u64 {
        let right = EPOCH_MS + now.0 / 1_000_000;
        let passed_ms = now.since(self.since).as_millis() as u64;
        let ahead = match self.error {
            ClockError::Step { ms } => ms,
            ClockError::Drift { ppm } => (i128::from(passed_ms) * i128::from(ppm) / 1_000_000) as i64,
            ClockError::Strobe { ms, every_ms } if (passed_ms / every_ms.max(1)).is_multiple_of(2) => ms,
            ClockError::None | ClockError::Strobe { .. } => 0,
        };
        right.saturating_add_signed(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ahead(error: ClockError, after_ms: u64) -> i64 {
        let mut clock = WallClock::default();
        clock.set(Mono(1_000_000_000), error);
        let now = Mono(1_000_000_000 + after_ms * 1_000_000);
        clock.shows(now).cast_signed() - WallClock::default().shows(now).cast_signed()
    }

    #[test]
    fn each_error_is_what_it_says() {
        assert_eq!(ahead(ClockError::None, 5_000), 0);
        assert_eq!(ahead(ClockError::Step { ms: -70_000 }, 5_000), -70_000);
        assert_eq!(ahead(ClockError::Drift { ppm: 2_000 }, 5_000), 10);
        assert_eq!(ahead(ClockError::Drift { ppm: -2_000 }, 5_000), -10);
        let strobe = ClockError::Strobe { ms: 40, every_ms: 100 };
        assert_eq!([0, 99, 100, 199, 200].map(|ms| ahead(strobe, ms)), [40, 40, 0, 0, 40]);
    }
}
