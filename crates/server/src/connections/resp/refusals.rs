//! Clients that are turned away at the door: in the log once a second, however many there are; the counters have all.

use std::time::Duration;

use quorate_types::Mono;

/// The least time between two lines.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// Of one kind of refusal.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    last: Option<Mono>,
    passed_over: u64,
}

impl Refusals {
    /// One more at `now`; if there should be a line about it, how many there were since the last line without one.
    pub(super) fn one_more(&mut self, now: Mono) -> Option<u64> {
        if self.last.is_some_and(|last| now.since(last) < LINE_EVERY) {
            self.passed_over += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.passed_over))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_second_says_how_many_it_stands_for() {
        let mut refusals = Refusals::default();
        let lines = [0, 1, 999, 1_000, 1_001, 5_000].map(|ms| refusals.one_more(Mono(ms * 1_000_000)));
        assert_eq!(lines, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
