//! The shard's clock, and the ceiling that is made durable ahead of it.
//!
//! Invariants:
//! - no stamp at or above a ceiling leaves the shard before the log said that the ceiling is durable; a restart
//!   begins at the highest stored one;
//! - at most one ceiling is on its way to the log;
//! - a write that finds no stamp is parked, in order, and a ceiling for it is asked for in the same turn; so a start,
//!   or a long pause of the process, delays writes by two syncs at most and fails none; it is stamped as of when it came. Beyond `clock_parked_max`:
//!   `Overloaded { clock_ceiling }`.
//!
//! Source: Kulkarni et al., Logical Physical Clocks (2014).

use quorate_types::mutants::{Mutant, planted};
use quorate_types::{ClockSkew, Hlc, HlcExhausted, Mono, Now, Timestamp};

use crate::config::ClockConfig;

/// The clock of one shard.
#[derive(Debug)]
pub(crate) struct Stamps {
    hlc: Hlc,
    config: ClockConfig,
    durable: Timestamp,
    /// Sequence number and value of the ceiling on its way to the log.
    pending: Option<(u64, Timestamp)>,
    used: Option<Mono>,
    wanted: bool,
}

impl Stamps {
    /// A clock that begins at `start`, the stored ceiling, and wants its first one when [`Stamps::begin`] was called or a
    /// write waits: by then others may have told that this node's clock is wrong.
    pub(crate) fn new(shard: usize, start: Timestamp, config: ClockConfig) -> Stamps {
        let hlc = Hlc::new(shard, start, config.skew_max);
        Stamps { hlc, config, durable: start, pending: None, used: None, wanted: false }
    }

    /// The clock is in use from now on.
    pub(crate) fn begin(&mut self, now: Mono) {
        self.used.get_or_insert(now);
    }

    /// A stamp for a write that came in now.
    pub(crate) fn issue(&mut self, now: Now) -> Result<Timestamp, HlcExhausted> {
        self.used = Some(now.mono);
        let issued = self.hlc.issue(now.wall_ms);
        self.wanted |= issued.is_err();
        issued
    }

    /// Follows a stamp, within the bound. Whether it is far enough ahead to be told.
    ///
    /// Counts as use of the clock: the next ceiling lies above it, so that a restart does not stamp below a record
    /// that this replica holds.
    pub(crate) fn observe(&mut self, now: Now, stamp: Timestamp) -> Result<Ahead, ClockSkew> {
        self.hlc.observe(stamp, now.wall_ms)?;
        self.used = Some(now.mono);
        let warn = u64::try_from(self.config.skew_warn.as_millis()).unwrap_or(u64::MAX);
        let far = stamp.wall_ms() > now.wall_ms.saturating_add(warn);
        Ok(if far { Ahead::Far } else { Ahead::Little })
    }

    /// The newest stamp issued or followed: the next one is larger.
    pub(crate) fn latest(&self) -> Timestamp {
        self.hlc.latest()
    }

    /// The ceiling to append to the log now as record `sequence`, if one is wanted.
    pub(crate) fn ceiling_to_log(&mut self, now: Now, sequence: u64) -> Option<Timestamp> {
        let idle = self.used.is_none_or(|used| now.mono.since(used) > self.config.idle_after);
        if self.pending.is_some() || (idle && !self.wanted) {
            return None;
        }
        let ceiling = self.hlc.ceiling_wanted(now.wall_ms, self.config.ahead)?;
        self.wanted = false;
        self.pending = Some((sequence, ceiling));
        if planted(Mutant::CeilingNotAwaited) {
            self.hlc.raise_ceiling(ceiling);
        }
        Some(ceiling)
    }

    /// The log is durable up to `through`: whether more stamps may be issued now.
    pub(crate) fn on_logged(&mut self, through: u64) -> Option<Timestamp> {
        let (_, ceiling) = self.pending.take_if(|(sequence, _)| *sequence <= through)?;
        self.hlc.raise_ceiling(ceiling);
        self.durable = self.durable.max(ceiling);
        Some(ceiling)
    }

    /// The highest ceiling that was handed to the log: a checkpoint must carry at least this.
    pub(crate) fn ceiling(&self) -> Timestamp {
        self.pending.map_or(self.durable, |(_, ceiling)| ceiling.max(self.durable))
    }
}

/// How far ahead of our wall clock a stamp was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ahead {
    Little,
    /// Further than `clock_skew_warn`.
    Far,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(ms: u64) -> Now {
        Now { mono: Mono(ms * 1_000_000), wall_ms: 100_000 + ms }
    }

    /// A clock that a write waits for.
    fn stamps(start: Timestamp) -> Stamps {
        let mut stamps = Stamps::new(0, start, ClockConfig::default());
        assert_eq!(stamps.ceiling_to_log(now(0), 1), None, "nobody wants one");
        assert!(stamps.issue(now(0)).is_err());
        stamps
    }

    #[test]
    fn no_stamp_is_issued_before_the_first_ceiling_is_durable() {
        let mut stamps = stamps(Timestamp(0));
        let ceiling = stamps.ceiling_to_log(now(0), 5).unwrap();
        assert_eq!(stamps.ceiling_to_log(now(1), 6), None, "one at a time");
        assert_eq!(stamps.on_logged(4), None);
        assert!(stamps.issue(now(0)).is_err());
        assert_eq!(stamps.on_logged(5), Some(ceiling));
        assert!(stamps.issue(now(0)).unwrap() < ceiling);
    }

    #[test]
    fn a_restart_begins_above_every_stamp_that_the_last_life_issued() {
        let mut first = stamps(Timestamp(0));
        let ceiling = first.ceiling_to_log(now(0), 1).unwrap();
        first.on_logged(1);
        let issued = first.issue(now(900)).unwrap();
        let mut second = stamps(ceiling);
        second.ceiling_to_log(now(0), 1);
        second.on_logged(1);
        assert!(second.issue(now(0)).unwrap() > issued);
    }

    #[test]
    fn an_idle_clock_reserves_nothing_and_a_write_after_it_asks_again() {
        let mut stamps = stamps(Timestamp(0));
        stamps.ceiling_to_log(now(0), 1).unwrap();
        stamps.on_logged(1);
        stamps.issue(now(0)).unwrap();
        assert!(stamps.ceiling_to_log(now(9_000), 2).is_some(), "still in use");
        stamps.on_logged(2);
        assert_eq!(stamps.ceiling_to_log(now(60_000), 3), None);
        assert!(stamps.issue(now(60_000)).is_err());
        assert!(stamps.ceiling_to_log(now(60_000), 3).is_some());
        stamps.on_logged(3);
        stamps.issue(now(60_000)).unwrap();
    }

    #[test]
    fn after_a_restart_nothing_is_stamped_below_what_was_followed() {
        let mut first = stamps(Timestamp(0));
        first.ceiling_to_log(now(0), 1).unwrap();
        first.on_logged(1);
        let followed = Timestamp::from_parts(100_000 + 64_000, 0);
        assert_eq!(first.observe(now(60_000), followed), Ok(Ahead::Far));
        let ceiling = first.ceiling_to_log(now(60_000), 2).unwrap();
        let mut second = stamps(ceiling);
        second.ceiling_to_log(now(60_000), 1);
        second.on_logged(1);
        assert!(second.issue(now(60_000)).unwrap() > followed);
    }

    #[test]
    fn a_stamp_far_ahead_is_followed_and_told_and_one_too_far_is_refused() {
        let mut stamps = stamps(Timestamp(0));
        let at = |ahead: u64| Timestamp::from_parts(100_000 + ahead, 0);
        assert_eq!(stamps.observe(now(0), at(500)), Ok(Ahead::Little));
        assert_eq!(stamps.observe(now(0), at(501)), Ok(Ahead::Far));
        assert_eq!(stamps.observe(now(0), at(5_001)).unwrap_err().theirs_ms, 105_001);
    }
}
