//! Random single-bit flips.

use std::time::{Duration, Instant};

use anyhow::Result;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::{Damage, Outcome, Specimen, Workshop};

/// How many flips, and for how long at most.
#[derive(Clone, Copy, Debug)]
pub struct FlipPlan {
    /// Flips.
    pub flips: u64,
    /// Per contender.
    pub time_max: Duration,
    /// Of the random places.
    pub seed: u64,
}

/// What the flips led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlipCount {
    /// All of them.
    pub flips: u64,
    /// An error.
    pub stopped: u64,
    /// The last record, which was the one hit, was cut.
    pub cut: u64,
    /// Nothing was noticed, and nothing was lost or altered.
    pub unnoticed: u64,
    /// Intact records lost without an error, but with a torn tail reported.
    pub lost_as_torn: u64,
    /// Intact records lost without a word.
    pub lost_silently: u64,
    /// Altered records handed over.
    pub accepted: u64,
    /// Panics and hangs.
    pub broke: u64,
}

impl FlipCount {
    fn add(&mut self, outcome: &Outcome) {
        self.flips += 1;
        *match outcome {
            Outcome::Stop { .. } => &mut self.stopped,
            Outcome::Cut { .. } => &mut self.cut,
            Outcome::Unnoticed => &mut self.unnoticed,
            Outcome::Lost { called_torn: true, .. } => &mut self.lost_as_torn,
            Outcome::Lost { called_torn: false, .. } => &mut self.lost_silently,
            Outcome::Accepted { .. } => &mut self.accepted,
            Outcome::Panicked { .. } | Outcome::Hung => &mut self.broke,
        } += 1;
    }
}

/// Flips bits anywhere between the front of the file and the end of the last record, one at a time.
pub fn flip(specimen: &Specimen, plan: FlipPlan, workshop: &Workshop) -> Result<FlipCount> {
    let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
    let (begun, mut count) = (Instant::now(), FlipCount::default());
    let bits = specimen.layout().end() as u64 * 8;
    while count.flips < plan.flips && begun.elapsed() < plan.time_max {
        let place = random.next_u64() % bits;
        let damage = Damage::AnyBit { offset: (place / 8) as usize, bit: (place % 8) as u8 };
        let (outcome, _) = specimen.suffer(damage, workshop)?;
        count.add(&outcome);
    }
    Ok(count)
}
