//! What happened in a sweep: one in which something never does proves nothing about it.

use std::cell::Cell;
use std::collections::BTreeMap;

/// Happenings, counted by name.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    pub fn note(&mut self, what: &'static str) {
        self.add(what, 1);
    }

    pub fn add(&mut self, what: &'static str, count: u64) {
        *self.0.entry(what).or_default() += count;
    }

    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(what, count)| self.add(what, *count));
    }

    /// Prints all, and panics if one of these never happened.
    pub fn require(&self, all: &[&str]) {
        self.0.iter().for_each(|(what, count)| println!("{count:>10}  {what}"));
        let never: Vec<_> = all.iter().filter(|what| self.0.get(**what).is_none_or(|n| *n == 0)).collect();
        assert!(never.is_empty(), "never happened: {never:?}");
    }
}

/// How much a proof has looked at so far.
#[derive(Debug, Default)]
pub struct Looked {
    pub operations: Cell<u64>,
    /// States, seeds or cases.
    pub states: Cell<u64>,
    /// States within states.
    pub nested: Cell<u64>,
}

/// A number from the environment.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs `history` for each seed: those of `WAL_SEEDS`, or the one of `WAL_SEED`, or `seeds` of them. A seed that panics is
/// named.
pub fn sweep(seeds: u64, test: &str, history: impl Fn(u64) -> Tally + std::panic::RefUnwindSafe) -> Tally {
    let mut total = Tally::default();
    let one = number("WAL_SEED").map(|seed| seed..seed + 1);
    for seed in one.unwrap_or(0..number("WAL_SEEDS").unwrap_or(seeds)) {
        let seen = std::panic::catch_unwind(|| history(seed));
        let Ok(seen) = seen else { panic!("replay with WAL_SEED={seed} cargo test -p quorate-wal {test}") };
        total.merge(&seen);
    }
    total
}
