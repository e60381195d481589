//! What a link does to frames, as data.

use std::time::Duration;

/// A probability in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chance(u32);

impl Chance {
    /// It never happens.
    pub const NEVER: Chance = Chance(0);
    /// It always happens.
    pub const ALWAYS: Chance = Chance(1_000_000);

    /// `millionths` of 1,000,000; more is always.
    pub fn per_million(millionths: u32) -> Chance {
        Chance(millionths.min(1_000_000))
    }

    /// `percent` of 100; more is always.
    pub fn percent(percent: u32) -> Chance {
        Chance::per_million(percent.saturating_mul(10_000))
    }

    /// Whether it happens for the random number `drawn`.
    pub(super) fn happens(self, drawn: u64) -> bool {
        drawn % 1_000_000 < u64::from(self.0)
    }
}

/// How long a frame is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// Always the same.
    Fixed(Duration),
    /// Anything in between, evenly.
    Uniform {
        /// The shortest.
        least: Duration,
        /// The longest.
        most: Duration,
    },
    /// Mostly near `least`, sometimes much longer: half of the frames take up to two thirds of `mean` more, half of
    /// the others up to twice that, and so on; at most 64 steps.
    Tailed {
        /// The shortest.
        least: Duration,
        /// What comes on top, on average.
        mean: Duration,
    },
}

impl Delay {
    /// The delay for the random number `drawn`.
    pub(super) fn of(self, drawn: u64) -> Duration {
        match self {
            Delay::Fixed(delay) => delay,
            Delay::Uniform { least, most } => least + part(most.saturating_sub(least), drawn),
            // Geometric steps of even spread: an exponential distribution without floating point. The mean of
            // steps 0, 1, 2… (1 on average) and of the spread within one (a half) is one and a half steps.
            Delay::Tailed { least, mean } => {
                let step = mean * 2 / 3;
                let steps = drawn.leading_zeros();
                least + step * steps + part(step, drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15))
            }
        }
    }
}

/// Up to `whole`, evenly by `drawn`.
fn part(whole: Duration, drawn: u64) -> Duration {
    let nanos = u64::try_from(whole.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(drawn % nanos.saturating_add(1).max(1))
}

/// What a directed link does to each frame, apart from cuts and clogs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkFaults {
    /// How long a frame is on its way.
    pub delay: Delay,
    /// It is lost.
    pub loss: Chance,
    /// A second copy is made, with a delay of its own.
    pub duplication: Chance,
    /// It is held back and may be overtaken; other frames between the same two places arrive in order.
    pub reordering: Chance,
    /// How long it is held back at most.
    pub reorder_by: Duration,
}

impl Default for LinkFaults {
    /// A sound link: 100 µs.
    fn default() -> Self {
        LinkFaults {
            delay: Delay::Fixed(Duration::from_micros(100)),
            loss: Chance::NEVER,
            duplication: Chance::NEVER,
            reordering: Chance::NEVER,
            reorder_by: Duration::from_millis(10),
        }
    }
}

impl LinkFaults {
    /// How long a held-back frame waits, for the random number `drawn`.
    pub(super) fn held_back(&self, drawn: u64) -> Duration {
        part(self.reorder_by, drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chance_happens_as_often_as_it_says() {
        let happened = (0..1_000_000).filter(|drawn| Chance::percent(3).happens(*drawn)).count();
        assert_eq!(happened, 30_000);
        assert!(!Chance::NEVER.happens(0));
        assert!(Chance::ALWAYS.happens(999_999));
    }

    #[test]
    fn a_tailed_delay_has_its_mean_and_a_tail() {
        let (least, mean) = (Duration::from_millis(1), Duration::from_millis(3));
        let delay = Delay::Tailed { least, mean };
        let drawn = |i: u64| i.wrapping_mul(0xd605_1a31_a5d4_7e35).rotate_left(17) ^ (i << 40);
        let delays: Vec<u128> = (1..=100_000).map(|i| delay.of(drawn(i)).as_micros()).collect();
        let average = delays.iter().sum::<u128>() / 100_000;
        assert!((3_900..4_100).contains(&average), "{average} µs");
        assert!(delays.iter().any(|d| *d > 16_000), "a few take five times the mean");
        assert!(delays.iter().all(|d| *d >= 1_000));
    }
}
