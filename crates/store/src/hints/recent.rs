//! The youngest hints of a log, still in memory, so that those just taken are served without reading the disk.
//!
//! Invariant: every hint of the log that is numbered above `floor` and was not delivered is here.

use std::collections::VecDeque;

use quorate_types::rarely;

use crate::hint::{Hint, HintNumber};

/// Bytes of hints kept per target.
const RECENT_BYTES_MAX: usize = 1 << 20;

pub(crate) struct Recent {
    floor: HintNumber,
    hints: VecDeque<(HintNumber, Hint)>,
    bytes: usize,
}

impl Recent {
    /// Nothing yet; whatever comes is numbered above `floor`.
    pub fn above(floor: HintNumber) -> Recent {
        Recent { floor, hints: VecDeque::new(), bytes: 0 }
    }

    pub fn floor(&self) -> HintNumber {
        self.floor
    }

    pub fn push(&mut self, number: HintNumber, hint: Hint) {
        self.bytes += hint.encoded_len();
        self.hints.push_back((number, hint));
        let bytes_max = if rarely!("hint.read_from_disk") { 0 } else { RECENT_BYTES_MAX };
        while self.bytes > bytes_max {
            let Some(number) = self.pop() else { break };
            self.floor = number;
        }
    }

    pub fn delivered(&mut self, through: HintNumber) {
        while self.hints.front().is_some_and(|&(number, _)| number <= through) {
            self.pop();
        }
    }

    /// Hints above `after`, one at least if there is one, until they pass `bytes_max`.
    pub fn page(&self, after: HintNumber, bytes_max: usize) -> Vec<(HintNumber, Hint)> {
        let start = self.hints.partition_point(|&(number, _)| number <= after);
        let mut bytes = 0;
        let within = self.hints.range(start..).take_while(|(_, hint)| {
            let first = bytes == 0;
            bytes += hint.encoded_len();
            first || bytes <= bytes_max
        });
        within.cloned().collect()
    }

    fn pop(&mut self) -> Option<HintNumber> {
        let (number, hint) = self.hints.pop_front()?;
        self.bytes -= hint.encoded_len();
        Some(number)
    }
}
