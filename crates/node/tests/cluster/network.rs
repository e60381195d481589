//! Links between shards, and what goes wrong on them, from one seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A shard of a node, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub node: usize,
    pub shard: usize,
}

/// What goes wrong on every link.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    pub delay_us: (u64, u64),
    pub loss_percent: u64,
    pub double_percent: u64,
}

impl Faults {
    pub const NONE: Faults = Faults { delay_us: (100, 100), loss_percent: 0, double_percent: 0 };
}

/// One connection: it has a life at both ends, each with its own name for it.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    pub from: Place,
    pub to: Place,
}

/// The network.
pub struct Network {
    pub faults: Faults,
    /// Directed cuts between nodes.
    pub cuts: BTreeSet<(usize, usize)>,
    pub connections: BTreeMap<u64, Connection>,
    pub statistics: Statistics,
    rng: ChaCha8Rng,
    next: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    pub sent: u64,
    pub dropped: u64,
    pub doubled: u64,
}

impl Network {
    pub fn new(seed: u64) -> Network {
        Network {
            faults: Faults::NONE,
            cuts: BTreeSet::new(),
            connections: BTreeMap::new(),
            statistics: Statistics::default(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            next: 0,
        }
    }

    pub fn connect(&mut self, from: Place, to: Place) -> u64 {
        self.next += 1;
        self.connections.insert(self.next, Connection { from, to });
        self.next
    }

    pub fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cuts.contains(&(from, to))
    }

    pub fn cut_both(&mut self, a: usize, b: usize) {
        self.cuts.extend([(a, b), (b, a)]);
    }

    /// When each copy of a message arrives: none, one or two.
    pub fn arrivals(&mut self, from: usize, to: usize) -> Vec<Duration> {
        self.statistics.sent += 1;
        if self.is_cut(from, to) || self.percent(self.faults.loss_percent) {
            self.statistics.dropped += 1;
            return Vec::new();
        }
        let mut arrivals = vec![self.delay()];
        if self.percent(self.faults.double_percent) {
            self.statistics.doubled += 1;
            arrivals.push(self.delay());
        }
        arrivals
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound
    }

    fn percent(&mut self, percent: u64) -> bool {
        percent > 0 && self.below(100) < percent
    }

    fn delay(&mut self) -> Duration {
        let (least, most) = self.faults.delay_us;
        Duration::from_micros(least + if most > least { self.below(most - least) } else { 0 })
    }
}
