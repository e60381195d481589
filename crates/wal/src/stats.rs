//! What the log counts about itself, for metrics.

use std::time::Duration;

use crate::Lsn;

/// Counters since the log was opened, and how it stands now. Counting never decides anything (Pebble issue 6031: a
/// watermark that moved only while a histogram was set).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records taken.
    pub appends: u64,
    /// Their bytes, without headers.
    pub append_bytes: u64,
    /// Batches written.
    pub batches: u64,
    /// Bytes written in frames, padding and headers included.
    pub batch_bytes: u64,
    /// Records in them.
    pub batch_records: u64,
    /// Batches that synced.
    pub syncs: u64,
    /// Time spent in those syncs.
    pub sync_time: Duration,
    /// The longest of them.
    pub sync_time_max: Duration,
    /// Changes to another segment.
    pub rotations: u64,
    /// Rotations that had to wait for their segment to be made.
    pub rotation_stalls: u64,
    /// Batches that the flusher thread led.
    pub flusher_batches: u64,
    /// Bytes staged or in flight, now.
    pub staged_bytes: u64,
    /// Segments in use, now.
    pub segments: u64,
    /// Bytes filled in them, now.
    pub retained_bytes: u64,
    /// Pins held, now; whose they are, [`Wal::pins`](crate::Wal::pins) tells.
    pub pins: u64,
    /// The least of them: no record from here on is given back.
    pub pinned_lsn: Option<Lsn>,
}

/// The recent time of a sync: an exponential average over about eight.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RecentSync(u64);

impl RecentSync {
    pub(crate) fn add(&mut self, sync: Duration) {
        let sync = u64::try_from(sync.as_nanos()).unwrap_or(u64::MAX);
        self.0 = if self.0 == 0 { sync } else { self.0 - self.0 / 8 + sync / 8 };
    }

    pub(crate) fn nanos(self) -> u64 {
        self.0
    }
}
