//! What is drawn: keys, uniform or zipfian, and values.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The skew of YCSB.
const THETA: f64 = 0.99;

/// A stream of random numbers of its own for each worker.
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// The stream `number` of `seed`.
    pub fn new(seed: u64, number: u64) -> Chance {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        chance.set_stream(number);
        Chance(chance)
    }

    /// 0 to `bound`, without `bound`; `bound` is not 0. (Lemire 2019, without the rejection.)
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// 0 to 1, without 1.
    fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

/// Which key of so many.
pub enum Keys {
    /// Each as often as any other.
    Uniform(u64),
    /// Few of them most of the time.
    Zipfian(Zipfian),
}

impl Keys {
    /// The number of a key.
    pub fn draw(&self, chance: &mut Chance) -> u64 {
        match self {
            Keys::Uniform(count) => chance.below(*count),
            Keys::Zipfian(zipfian) => zipfian.draw(chance),
        }
    }
}

/// Zipf's distribution over keys, scrambled so that the hot ones do not lie side by side.
///
/// Source: Gray et al., Quickly Generating Billion-Record Synthetic Databases (SIGMOD 1994), as YCSB does it.
pub struct Zipfian {
    count: u64,
    zeta: f64,
    alpha: f64,
    eta: f64,
}

impl Zipfian {
    /// Over `count` keys, at least 1. O(count).
    pub fn new(count: u64) -> Zipfian {
        let zeta_of = |n: u64| (1..=n).map(|k| (k as f64).powf(-THETA)).sum::<f64>();
        let zeta = zeta_of(count);
        let eta = (1.0 - (2.0 / count as f64).powf(1.0 - THETA)) / (1.0 - zeta_of(2.min(count)) / zeta);
        Zipfian { count, zeta, alpha: 1.0 / (1.0 - THETA), eta }
    }

    /// 0 is the most frequent.
    fn rank(&self, chance: &mut Chance) -> u64 {
        let u = chance.unit();
        let uz = u * self.zeta;
        if uz < 1.0 || self.count == 1 {
            return 0;
        }
        if uz < 1.0 + 0.5f64.powf(THETA) {
            return 1;
        }
        let rank = self.count as f64 * (self.eta * u - self.eta + 1.0).powf(self.alpha);
        (rank as u64).min(self.count - 1)
    }

    fn draw(&self, chance: &mut Chance) -> u64 {
        scrambled(self.rank(chance)) % self.count
    }
}

/// The finalizer of splitmix64.
fn scrambled(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_and_workers_draw_apart() {
        let drawn = |seed, number| {
            let mut chance = Chance::new(seed, number);
            (0..8).map(|_| chance.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(drawn(1, 2), drawn(1, 2));
        assert_ne!(drawn(1, 2), drawn(1, 3));
        assert_ne!(drawn(1, 2), drawn(2, 2));
    }

    #[test]
    fn zipfian_ranks_have_the_shares_that_zipf_gives_them() {
        const DRAWS: u32 = 200_000;
        let zipfian = Zipfian::new(1_000);
        let mut chance = Chance::new(7, 0);
        let mut counts = vec![0u32; 1_000];
        for _ in 0..DRAWS {
            counts[zipfian.rank(&mut chance) as usize] += 1;
        }
        // The share of rank k is 1 / (k + 1)^0.99 / zeta, zeta(1000) = 7.729.
        let share = |rank: usize| f64::from(counts[rank]) / f64::from(DRAWS);
        assert!((share(0) - 0.1294).abs() < 0.004, "{}", share(0));
        assert!((share(1) - 0.0651).abs() < 0.003, "{}", share(1));
        assert!(counts[999] < counts[0] / 100);
        let hot = Keys::Zipfian(Zipfian::new(1));
        assert_eq!(hot.draw(&mut chance), 0);
    }
}
