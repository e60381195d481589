//! The hybrid logical clock of one shard: stamps writes, follows peers within a bound, never runs backwards.
//!
//! Invariants:
//! - timestamps issued by one clock strictly increase, across restarts too: none is issued at or above the
//!   *ceiling*, which is made durable ahead of use, and a restarted clock begins at the stored ceiling;
//! - the low three bits of the counter are the shard's number, so shards of one node never issue the same stamp;
//! - the clock never follows a peer further than `skew_max` beyond its own wall clock.
//!
//! Source: Kulkarni et al., Logical Physical Clocks (2014). Bound: CASSANDRA-11991 (one node in the future
//! infected the others through a max that was stored back).

use std::time::Duration;

use thiserror::Error;

use crate::{Timestamp, limits::SHARDS_MAX};

const SHARD_BITS: u64 = SHARDS_MAX.trailing_zeros() as u64;
const SHARD_MASK: u64 = (1 << SHARD_BITS) - 1;

/// A peer's stamp lies further ahead than this clock may follow. The clock did not move.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "the stamp's clock is {theirs_ms} ms, ours is {ours_ms} ms: {} ms ahead, more than clock_skew_max = {skew_max_ms} ms",
    theirs_ms - ours_ms
)]
pub struct ClockSkew {
    /// The stamp's wall part, milliseconds since the Unix epoch.
    pub theirs_ms: u64,
    /// Our wall clock, milliseconds since the Unix epoch.
    pub ours_ms: u64,
    /// The bound that was passed, milliseconds.
    pub skew_max_ms: u64,
}

/// The next stamp would reach the durable ceiling: nothing was stamped; try again when the ceiling has risen.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("no timestamp may be issued until the clock ceiling above {ceiling:?} is durable")]
pub struct HlcExhausted {
    /// The ceiling in force.
    pub ceiling: Timestamp,
}

/// The clock.
#[derive(Clone, Debug)]
pub struct Hlc {
    last: u64,
    ceiling: u64,
    shard: u64,
    skew_max_ms: u64,
}

impl Hlc {
    /// A clock of `shard` (below [`SHARDS_MAX`]) that issues only stamps above `start` (the stored ceiling) and
    /// none before [`Hlc::raise_ceiling`] was called.
    pub fn new(shard: usize, start: Timestamp, skew_max: Duration) -> Hlc {
        assert!(shard < SHARDS_MAX, "shard {shard} of at most {SHARDS_MAX}");
        let skew_max_ms = u64::try_from(skew_max.as_millis()).unwrap_or(u64::MAX);
        Hlc { last: start.0 | SHARD_MASK, ceiling: start.0, shard: shard as u64, skew_max_ms }
    }

    /// A stamp larger than all before it, for a write that arrives at `wall_ms`.
    pub fn issue(&mut self, wall_ms: u64) -> Result<Timestamp, HlcExhausted> {
        let wall = Timestamp::from_parts(wall_ms, 0).0;
        let next = wall.max((self.last | SHARD_MASK) + 1) & !SHARD_MASK | self.shard;
        if next >= self.ceiling {
            return Err(HlcExhausted { ceiling: Timestamp(self.ceiling) });
        }
        self.last = next;
        Ok(Timestamp(next))
    }

    /// Follows a peer's fresh stamp, unless it lies more than `skew_max` beyond `wall_ms`.
    pub fn observe(&mut self, stamp: Timestamp, wall_ms: u64) -> Result<(), ClockSkew> {
        if stamp.wall_ms() > wall_ms.saturating_add(self.skew_max_ms) {
            return Err(ClockSkew {
                theirs_ms: stamp.wall_ms(),
                ours_ms: wall_ms,
                skew_max_ms: self.skew_max_ms,
            });
        }
        self.last = self.last.max(stamp.0);
        Ok(())
    }

    /// The ceiling to make durable now, if the one in force ends within half of `ahead`: the larger of clock and
    /// wall, plus `ahead`. Ask once per turn; ask again only after [`Hlc::raise_ceiling`].
    pub fn ceiling_wanted(&self, wall_ms: u64, ahead: Duration) -> Option<Timestamp> {
        let ahead = Timestamp::from_parts(u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX >> 17), 0).0;
        let base = self.last.max(Timestamp::from_parts(wall_ms, 0).0);
        (self.ceiling < base + ahead / 2).then_some(Timestamp(base + ahead))
    }

    /// `ceiling` is durable: stamps below it may be issued.
    pub fn raise_ceiling(&mut self, ceiling: Timestamp) {
        self.ceiling = self.ceiling.max(ceiling.0);
    }

    /// The newest stamp issued or followed.
    pub fn latest(&self) -> Timestamp {
        Timestamp(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(shard: usize) -> Hlc {
        let mut clock = Hlc::new(shard, Timestamp(0), Duration::from_secs(5));
        clock.raise_ceiling(Timestamp::from_parts(1_000_000, 0));
        clock
    }

    #[test]
    fn stamps_increase_though_the_wall_clock_jumps_back() {
        let mut clock = clock(0);
        let first = clock.issue(5_000).unwrap();
        let second = clock.issue(1_000).unwrap();
        assert!(second > first);
        assert_eq!(second.wall_ms(), 5_000);
    }

    #[test]
    fn two_shards_never_issue_the_same_stamp() {
        let (mut a, mut b) = (clock(0), clock(1));
        let stamps: std::collections::BTreeSet<_> =
            (0..100).flat_map(|_| [a.issue(7).unwrap(), b.issue(7).unwrap()]).collect();
        assert_eq!(stamps.len(), 200);
    }

    #[test]
    fn nothing_is_issued_at_or_above_the_ceiling_and_a_restart_begins_there() {
        let mut clock = Hlc::new(0, Timestamp(0), Duration::from_secs(5));
        assert!(clock.issue(10).is_err());
        let ceiling = clock.ceiling_wanted(10, Duration::from_secs(1)).unwrap();
        clock.raise_ceiling(ceiling);
        assert_eq!(clock.ceiling_wanted(10, Duration::from_secs(1)), None);
        let issued = clock.issue(1_009).unwrap();
        assert!(clock.issue(1_010).is_err());
        let mut reborn = Hlc::new(0, ceiling, Duration::from_secs(5));
        reborn.raise_ceiling(Timestamp::from_parts(9_999, 0));
        assert!(reborn.issue(0).unwrap() > issued);
    }

    #[test]
    fn a_peer_is_followed_within_the_bound_and_refused_beyond_it() {
        let mut clock = clock(0);
        clock.observe(Timestamp::from_parts(6_000, 3), 1_000).unwrap();
        assert!(clock.issue(1_000).unwrap() > Timestamp::from_parts(6_000, 3));
        let skew = clock.observe(Timestamp::from_parts(6_002, 0), 1_001).unwrap_err();
        assert_eq!((skew.theirs_ms, skew.ours_ms), (6_002, 1_001));
        assert!(clock.latest() < Timestamp::from_parts(6_002, 0));
    }
}
