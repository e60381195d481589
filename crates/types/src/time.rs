//! What a pure machine is told about time: two clocks, read once per turn by its driver.

use std::ops::Add;
use std::time::Duration;

/// Monotonic time in nanoseconds since an arbitrary start; timeouts are measured on it and nothing else is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// The time from `earlier` to `self`, zero if `earlier` is later.
    pub fn since(self, earlier: Mono) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;

    fn add(self, by: Duration) -> Mono {
        Mono(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// The time at which an event is handled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic, for deadlines.
    pub mono: Mono,
    /// Wall clock, milliseconds since the Unix epoch, for stamps and expiry. May jump either way.
    pub wall_ms: u64,
}
