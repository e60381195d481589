//! When to look at which request again: a wheel of one-millisecond slots.
//!
//! Filing is a push, firing a drain; nothing is searched, moved or cancelled. A request that ended leaves its entry
//! behind, and the slab's guard makes it find nothing when its slot comes up.
//!
//! Invariants:
//! - an entry never fires before its time, and at most two ticks (2.1 ms) after it, given that the driver wakes at
//!   [`Deadlines::next`];
//! - an entry beyond the wheel's horizon (4.3 s) waits in its farthest slot and is filed again from there.
//!
//! Source: Varghese and Lauck, Hashed and Hierarchical Timing Wheels (SOSP 1987), scheme 6.

use quorate_types::Mono;

use crate::slab::Slot;

const TICK_BITS: u32 = 20;
const SLOTS: u64 = 4096;
const WORDS: usize = SLOTS as usize / 64;

#[derive(Debug)]
pub(crate) struct Deadlines {
    slots: Vec<Vec<(Mono, Slot)>>,
    occupied: [u64; WORDS],
    /// No slot before this tick holds anything.
    cursor: u64,
    len: usize,
}

fn tick_of(time: Mono) -> u64 {
    time.0 >> TICK_BITS
}

impl Deadlines {
    pub(crate) fn new() -> Deadlines {
        Deadlines { slots: (0..SLOTS).map(|_| Vec::new()).collect(), occupied: [0; WORDS], cursor: 0, len: 0 }
    }

    /// Lets `slot` come up when `at` has passed.
    pub(crate) fn file(&mut self, now: Mono, at: Mono, slot: Slot) {
        if self.len == 0 {
            self.cursor = tick_of(now);
        }
        let tick = (tick_of(at) + 1).clamp(self.cursor, self.cursor + SLOTS - 1);
        let place = (tick % SLOTS) as usize;
        self.slots[place].push((at, slot));
        self.occupied[place / 64] |= 1 << (place % 64);
        self.len += 1;
    }

    /// Moves what is due into `due`, in the order of the ticks and, within a tick, of filing.
    pub(crate) fn take_due(&mut self, now: Mono, due: &mut Vec<Slot>) {
        let mut later = Vec::new();
        while let Some(tick) = self.next_tick().filter(|&tick| tick <= tick_of(now)) {
            let place = (tick % SLOTS) as usize;
            self.cursor = tick;
            self.occupied[place / 64] &= !(1 << (place % 64));
            self.len -= self.slots[place].len();
            for (at, slot) in self.slots[place].drain(..) {
                if at <= now { due.push(slot) } else { later.push((at, slot)) }
            }
        }
        self.cursor = self.cursor.max(tick_of(now));
        for (at, slot) in later {
            self.file(now, at, slot);
        }
    }

    /// When to look again; `None` while nothing is filed.
    pub(crate) fn next(&self) -> Option<Mono> {
        self.next_tick().map(|tick| Mono(tick << TICK_BITS))
    }

    fn next_tick(&self) -> Option<u64> {
        if self.len == 0 {
            return None;
        }
        let start = (self.cursor % SLOTS) as usize;
        let masked = self.occupied[start / 64] & (u64::MAX << (start % 64));
        let first = (start / 64, masked);
        let rest = (1..=WORDS).map(|i| (start / 64 + i) % WORDS).map(|word| (word, self.occupied[word]));
        let (word, bits) = std::iter::once(first).chain(rest).find(|&(_, bits)| bits != 0)?;
        let place = word as u64 * 64 + u64::from(bits.trailing_zeros());
        Some(self.cursor + (place + SLOTS - start as u64) % SLOTS)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Mono {
        Mono(0) + Duration::from_millis(ms)
    }

    fn run_to(wheel: &mut Deadlines, end: Mono) -> Vec<(Mono, Slot)> {
        let mut fired = Vec::new();
        while let Some(at) = wheel.next().filter(|&at| at <= end) {
            let mut due = Vec::new();
            wheel.take_due(at, &mut due);
            fired.extend(due.into_iter().map(|slot| (at, slot)));
        }
        fired
    }

    proptest! {
        #[test]
        fn every_entry_fires_once_never_early_and_at_most_two_ticks_late(
            start in 0u64..20_000,
            delays in proptest::collection::vec(0u64..15_000_000, 1..60),
        ) {
            let mut wheel = Deadlines::new();
            let now = ms(start);
            for (i, &us) in delays.iter().enumerate() {
                wheel.file(now, now + Duration::from_micros(us), Slot(i as u64));
            }
            let mut fired = run_to(&mut wheel, now + Duration::from_secs(20));
            prop_assert_eq!(wheel.next(), None);
            fired.sort_by_key(|&(_, slot)| slot);
            prop_assert_eq!(fired.len(), delays.len());
            for (i, &(at, slot)) in fired.iter().enumerate() {
                let wanted = now + Duration::from_micros(delays[i]);
                prop_assert_eq!(slot, Slot(i as u64));
                prop_assert!(at >= wanted && at.since(wanted) <= Duration::from_nanos(2 << TICK_BITS));
            }
        }
    }

    #[test]
    fn a_driver_that_slept_for_an_hour_gets_everything_at_once() {
        let mut wheel = Deadlines::new();
        for i in 0..10 {
            wheel.file(ms(0), ms(1 + i * 900), Slot(i));
        }
        let mut due = Vec::new();
        wheel.take_due(ms(3_600_000), &mut due);
        assert_eq!((due.len(), wheel.next()), (10, None));
        wheel.file(ms(3_600_000), ms(3_600_005), Slot(11));
        assert!(wheel.next().unwrap() >= ms(3_600_005));
    }
}
