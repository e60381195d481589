//! The preset for histories: all that can be asked of one key, at levels of all kinds.
//!
//! Three kinds of keys, because they show different bugs. Of the given keys, all of which are hot, one in four is used
//! at LINEARIZABLE only, since a key is judged as a register only if all its writes are at that level; and one in four
//! gets values that expire. Beside them come keys that are written once and read now and then: nothing overshadows
//! what is lost of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quorate_types::Level;

use crate::bench::draw::Chance;
use crate::bench::tally::Op;

const READS: &[Level] = &[Level::One, Level::Quorum, Level::Quorum, Level::All];
const WRITES: &[Level] = &[Level::One, Level::Quorum, Level::Quorum, Level::Quorum, Level::All];

/// The shortest time for which a value that expires lives, and what is drawn on top, milliseconds.
const TTL_MS: (u64, u64) = (100, 3_000);

/// How something is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// The level; `None`: as for all requests.
    pub level: Option<Level>,
    /// Time after which the value expires.
    pub ttl: Option<Duration>,
}

/// What is asked for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    pub op: Op,
    pub key: u64,
    pub how: How,
}

/// See the module's head.
pub struct Mixed {
    /// Keys from 0 on that are used again and again.
    hot: u64,
    /// How many others there are so far, from `hot` on.
    others: AtomicU64,
}

impl Mixed {
    pub fn new(hot: u64) -> Mixed {
        Mixed { hot, others: AtomicU64::new(0) }
    }

    pub fn draw(&self, chance: &mut Chance) -> Drawn {
        let percent = chance.below(100);
        let (op, key) = match percent {
            0..40 => (Op::Get, chance.below(self.hot)),
            40..50 => (Op::Get, self.other(chance)),
            50..75 => (Op::Put, chance.below(self.hot)),
            75..94 => (Op::Put, self.hot + self.others.fetch_add(1, Ordering::Relaxed)),
            _ => (Op::Delete, chance.below(self.hot)),
        };
        Drawn {
            op,
            key,
            how: How { level: Some(self.level(op, key, chance)), ttl: self.ttl(op, key, chance) },
        }
    }

    /// One that was written, or is being written.
    fn other(&self, chance: &mut Chance) -> u64 {
        match self.others.load(Ordering::Relaxed) {
            0 => chance.below(self.hot),
            others => self.hot + chance.below(others),
        }
    }

    fn level(&self, op: Op, key: u64, chance: &mut Chance) -> Level {
        if key < self.hot && key.is_multiple_of(4) {
            return Level::Linearizable;
        }
        let levels = if op == Op::Get { READS } else { WRITES };
        levels[chance.below(levels.len() as u64) as usize]
    }

    fn ttl(&self, op: Op, key: u64, chance: &mut Chance) -> Option<Duration> {
        let expires = op == Op::Put && key < self.hot && key % 4 == 1 && chance.below(2) == 0;
        expires.then(|| Duration::from_millis(TTL_MS.0 + chance.below(TTL_MS.1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(count: usize) -> Vec<Drawn> {
        let (mixed, mut chance) = (Mixed::new(8), Chance::new(3, 0));
        (0..count).map(|_| mixed.draw(&mut chance)).collect()
    }

    #[test]
    fn a_hot_key_in_four_is_used_at_linearizable_only_and_no_other_key_ever() {
        for Drawn { key, how, .. } in drawn(5_000) {
            assert_eq!(how.level == Some(Level::Linearizable), key < 8 && key % 4 == 0, "key {key}, {how:?}");
        }
    }

    #[test]
    fn every_operation_level_and_expiry_comes_up_and_other_keys_are_written_once() {
        let drawn = drawn(5_000);
        let came = |op: Op, how: &dyn Fn(How) -> bool| drawn.iter().any(|d| d.op == op && how(d.how));
        for level in [Level::One, Level::Quorum, Level::All, Level::Linearizable] {
            for op in [Op::Get, Op::Put, Op::Delete] {
                assert!(came(op, &|how| how.level == Some(level)), "{op:?} at {level}");
            }
        }
        assert!(came(Op::Put, &|how| how.ttl.is_some()));
        assert!(!came(Op::Get, &|how| how.ttl.is_some()) && !came(Op::Delete, &|how| how.ttl.is_some()));
        let mut others: Vec<u64> =
            drawn.iter().filter(|d| d.key >= 8 && d.op != Op::Get).map(|d| d.key).collect();
        let writes = others.len();
        others.dedup();
        assert!(writes > 500 && others.len() == writes);
        assert!(drawn.iter().any(|d| d.key >= 8 && d.op == Op::Get));
    }
}
