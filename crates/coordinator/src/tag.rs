//! When a request came, as it travels with it.

use std::time::Duration;

use quorate_types::Mono;

/// When a request came to its node, and a byte of the driver's own, as one number: nanoseconds without their highest
/// byte above that of the driver. Durations below a year are right all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(u64);

impl Tag {
    /// Of a request that came at `came`.
    pub fn new(came: Mono, own: u8) -> Tag {
        Tag(came.0 << 8 | u64::from(own))
    }

    /// The driver's own byte, as it was given.
    pub fn own(self) -> u8 {
        self.0 as u8
    }

    /// From when it came to `now`. Zero if `now` is before that: the shard that takes a request over may have looked at the
    /// clock a moment before the one that it came to.
    pub fn elapsed(self, now: Mono) -> Duration {
        Duration::from_nanos(self.elapsed_ns(now))
    }

    /// The same in nanoseconds.
    pub fn elapsed_ns(self, now: Mono) -> u64 {
        let elapsed = (now.0 << 8).wrapping_sub(self.0 & !0xff).cast_signed() >> 8;
        elapsed.max(0).cast_unsigned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_gives_back_its_byte_and_the_time_since_over_the_end_of_its_numbers_too() {
        for came in [0, 77, (1 << 56) - 1, u64::MAX - 5_000] {
            let tag = Tag::new(Mono(came), 0xa5);
            assert_eq!((tag.own(), tag.elapsed(Mono(came + 1_000))), (0xa5, Duration::from_micros(1)));
        }
    }

    #[test]
    fn a_moment_before_it_came_is_no_time_at_all() {
        assert_eq!(Tag::new(Mono(1_000), 0xff).elapsed(Mono(999)), Duration::ZERO);
    }
}
