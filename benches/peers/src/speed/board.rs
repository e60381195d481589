//! All results of appending, by workload and contender.

use std::collections::BTreeMap;

use super::measured::histogram;
use super::{Measured, Workload, median};

/// One [`Measured`] per round.
#[derive(Default)]
pub struct Board {
    rounds: BTreeMap<(Workload, &'static str), Vec<Measured>>,
}

impl Board {
    /// Enters the next round's result.
    pub fn enter(&mut self, workload: Workload, contender: &'static str, measured: Measured) {
        self.rounds.entry((workload, contender)).or_default().push(measured);
    }

    /// Every round's result.
    pub fn rounds(&self, workload: Workload, contender: &'static str) -> &[Measured] {
        self.rounds.get(&(workload, contender)).map_or(&[], Vec::as_slice)
    }

    /// Who took part.
    pub fn contenders(&self, workload: Workload) -> impl Iterator<Item = &'static str> {
        self.rounds.keys().filter(move |(taken, _)| *taken == workload).map(|(_, contender)| *contender)
    }

    /// Records per second, the median of all rounds.
    pub fn per_second(&self, workload: Workload, contender: &'static str) -> Option<f64> {
        median(self.rounds(workload, contender).iter().map(Measured::per_second).collect())
    }

    /// A percentile of all rounds together, in microseconds.
    pub fn percentile_us(&self, workload: Workload, contender: &'static str, percent: f64) -> Option<f64> {
        let mut all = Measured::bulk(0, std::time::Duration::ZERO);
        all.latencies = self.rounds(workload, contender).iter().fold(histogram(), |mut all, measured| {
            all.add(&measured.latencies).expect("all have the same bounds");
            all
        });
        all.percentile_us(percent)
    }

    /// How `contender` compares with `other`, round by round; the median of that.
    pub fn ratio(&self, workload: Workload, contender: &'static str, other: &'static str) -> Option<f64> {
        self.ratio_across((workload, contender), (workload, other), |measured| Some(measured.per_second()))
    }

    /// As [`Board::ratio`], of any value of any two workloads.
    pub fn ratio_across(
        &self,
        one: (Workload, &'static str),
        other: (Workload, &'static str),
        value: impl Fn(&Measured) -> Option<f64>,
    ) -> Option<f64> {
        let pairs = self.rounds(one.0, one.1).iter().zip(self.rounds(other.0, other.1));
        median(pairs.filter_map(|(one, other)| Some(value(one)? / value(other)?)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ONE: Workload = Workload::Durable { writers: 1 };

    #[test]
    fn a_ratio_is_taken_within_each_round_so_that_a_slow_round_hits_both() {
        let mut board = Board::default();
        for (ours, theirs) in [(100, 100), (20, 40), (300, 100)] {
            board.enter(ONE, "ours", Measured::bulk(ours, Duration::from_secs(1)));
            board.enter(ONE, "theirs", Measured::bulk(theirs, Duration::from_secs(1)));
        }
        assert_eq!(board.ratio(ONE, "ours", "theirs"), Some(1.0));
        assert_eq!(board.per_second(ONE, "ours"), Some(100.0));
        assert_eq!(board.ratio(ONE, "ours", "nobody"), None);
    }
}
