//! What a hint log holds that its target has not acknowledged: counts, bytes and age, without the hints.
//!
//! Invariants:
//! - 4 bytes per record of the log; the hints themselves stay on disk;
//! - `hints` and `bytes` are the sums over the lengths kept (a length of 0 is a record that is no hint).

use std::collections::VecDeque;

use crate::hint::HintNumber;

/// Two hints whose times differ by less share one entry of the age list.
const AGE_STEP_MS: u64 = 1000;

#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// The number that `lengths` begins with.
    first: u64,
    lengths: VecDeque<u32>,
    /// (number, created) of hints that are newer than the entry before by a step, or older.
    ages: VecDeque<(u64, u64)>,
    hints: u64,
    bytes: u64,
}

impl Pending {
    pub fn hints(&self) -> u64 {
        self.hints
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.hints == 0
    }

    /// When the oldest hint was taken, wall milliseconds, at most a second too early.
    pub fn oldest_wall_ms(&self) -> Option<u64> {
        self.ages.front().map(|&(_, created)| created)
    }

    /// Adds the hint `number`, which is larger than all before, of `bytes` bytes.
    pub fn push(&mut self, number: HintNumber, bytes: usize, created_wall_ms: u64) {
        if self.lengths.is_empty() {
            self.first = number.0;
        }
        let at = (number.0 - self.first) as usize;
        assert!(at >= self.lengths.len(), "hint {} was counted before", number.0);
        self.lengths.resize(at, 0);
        self.lengths.push_back(bytes as u32);
        self.hints += 1;
        self.bytes += bytes as u64;
        let known = self.ages.back().is_some_and(|&(_, created)| {
            (created..created.saturating_add(AGE_STEP_MS)).contains(&created_wall_ms)
        });
        if !known {
            self.ages.push_back((number.0, created_wall_ms));
        }
    }

    /// Forgets all up to `through`.
    pub fn delivered(&mut self, through: HintNumber) {
        while self.first <= through.0 || self.lengths.front() == Some(&0) {
            let Some(bytes) = self.lengths.pop_front() else { break };
            self.first += 1;
            self.hints -= u64::from(bytes > 0);
            self.bytes -= u64::from(bytes);
        }
        while self.ages.get(1).is_some_and(|&(number, _)| number <= self.first) {
            self.ages.pop_front();
        }
        if self.lengths.is_empty() {
            self.ages.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Push { gap: u64, bytes: usize, later_ms: u64 },
        Delivered { back: u64 },
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let push = (0u64..3, 1usize..100, 0u64..1500).prop_map(|(gap, bytes, later_ms)| Step::Push {
            gap,
            bytes,
            later_ms,
        });
        let delivered = (0u64..20).prop_map(|back| Step::Delivered { back });
        prop::collection::vec(prop_oneof![3 => push, 1 => delivered], 0..60)
    }

    proptest! {
        #[test]
        fn counts_and_age_are_those_of_the_hints_not_delivered(steps in steps()) {
            let (mut pending, mut model) = (Pending::default(), BTreeMap::new());
            let (mut last, mut now) = (0, 0);
            for step in steps {
                match step {
                    Step::Push { gap, bytes, later_ms } => {
                        last += 1 + gap;
                        now += later_ms;
                        pending.push(HintNumber(last), bytes, now);
                        model.insert(last, (bytes as u64, now));
                    }
                    Step::Delivered { back } => {
                        let through = last.saturating_sub(back);
                        pending.delivered(HintNumber(through));
                        model.retain(|&number, _| number > through);
                    }
                }
                prop_assert_eq!(pending.hints(), model.len() as u64);
                prop_assert_eq!(pending.is_empty(), model.is_empty());
                prop_assert_eq!(pending.bytes(), model.values().map(|&(bytes, _)| bytes).sum::<u64>());
                let oldest = model.values().next().map(|&(_, created)| created);
                let said = pending.oldest_wall_ms();
                prop_assert_eq!(said.is_some(), oldest.is_some());
                if let (Some(said), Some(oldest)) = (said, oldest) {
                    prop_assert!(said <= oldest && oldest - said < AGE_STEP_MS, "{} {}", said, oldest);
                }
            }
        }
    }
}
