//! The two clocks of a process, read once per turn of a shard and passed inwards.
//!
//! Invariant: all shards of a replica share one start, so that a [`Mono`] of one shard means the same in another.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use quorate_types::{Mono, Now};

/// The process's clocks. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    pub(crate) fn now(self) -> Now {
        Now { mono: self.mono(), wall_ms: wall_ms() }
    }

    pub(crate) fn mono(self) -> Mono {
        Mono(nanos(self.start.elapsed()))
    }

    /// The instant that `mono` names, for the runtime's timers.
    pub(crate) fn instant(self, mono: Mono) -> Instant {
        self.start + Duration::from_nanos(mono.0)
    }
}

/// Milliseconds since the Unix epoch; zero before it.
pub(crate) fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

fn nanos(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}
