//! What the log counts about itself, for metrics.

use std::time::Duration;

use crate::Lsn;

/// Counters since the log was opened, and how it stands now. Counting never decides anything (Pebble issue 6031: a
/// watermark that moved only while a histogram was set).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
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

/// Syncs that [`RecentSync`] looks back on.
const RECENT_SYNCS: usize = 16;

/// What a sync takes lately: the first quartile of the last sixteen.
///
/// Not their average: what is wanted is the disk's speed, and on a machine whose processors are taken most samples
/// also hold the time until the thread ran again, which a hop to another thread would double, not save.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RecentSync {
    nanos: [u64; RECENT_SYNCS],
    count: usize,
}

impl RecentSync {
    pub(crate) fn add(&mut self, sync: Duration) {
        self.nanos[self.count % RECENT_SYNCS] = u64::try_from(sync.as_nanos()).unwrap_or(u64::MAX);
        self.count += 1;
    }

    /// Nanoseconds; 0 before the first sync.
    pub(crate) fn nanos(self) -> u64 {
        let mut recent = self.nanos;
        let recent = &mut recent[..self.count.min(RECENT_SYNCS)];
        let quartile = recent.len() / 4;
        if recent.is_empty() { 0 } else { *recent.select_nth_unstable(quartile).1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(syncs: impl IntoIterator<Item = u64>) -> u64 {
        let mut recent = RecentSync::default();
        syncs.into_iter().for_each(|nanos| recent.add(Duration::from_nanos(nanos)));
        recent.nanos()
    }

    #[test]
    fn a_few_fast_syncs_tell_that_the_disk_is_fast_and_a_single_one_does_not() {
        assert_eq!(after([]), 0);
        assert_eq!(after([7]), 7);
        let slow = |fast: usize| (0..16).map(move |at| if at < fast { 100 } else { 900 });
        assert_eq!(after(slow(5)), 100);
        assert_eq!(after(slow(4)), 900);
    }

    #[test]
    fn what_lies_sixteen_syncs_back_is_forgotten() {
        assert_eq!(after([100; 16].into_iter().chain([900; 16])), 900);
    }
}
