//! What was measured: latencies per kind of operation, outcomes by name.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use quorate_client::ClientError;

use crate::exit::Exit;
use crate::failure;

/// The longest latency that is told apart, microseconds; longer ones count as this.
const LATENCY_US_MAX: u64 = 600_000_000;

/// A kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    Get,
    Put,
    /// A get, then a put of the same key.
    Modify,
    Delete,
}

impl Op {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Op::Get => "get",
            Op::Put => "put",
            Op::Modify => "modify",
            Op::Delete => "delete",
        }
    }
}

/// See the module's head.
pub struct Tally {
    latencies: BTreeMap<Op, Histogram<u64>>,
    /// Outcomes by name.
    outcomes: BTreeMap<&'static str, u64>,
    /// How often it failed with this exit.
    failures: BTreeMap<Exit, u64>,
    /// The last failure, in words.
    last_failure: Option<String>,
}

impl Tally {
    pub fn new() -> Tally {
        Tally {
            latencies: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            failures: BTreeMap::new(),
            last_failure: None,
        }
    }

    /// An operation that took `latency` and ended as `outcome`.
    pub fn done(&mut self, op: Op, latency: Duration, outcome: &'static str) {
        *self.outcomes.entry(outcome).or_default() += 1;
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).clamp(1, LATENCY_US_MAX);
        self.latencies.entry(op).or_insert_with(histogram).saturating_record(us);
    }

    /// An operation that failed.
    pub fn failed_with(&mut self, error: &ClientError) {
        *self.outcomes.entry(failure::kind(error)).or_default() += 1;
        *self.failures.entry(failure::exit(error)).or_default() += 1;
        self.last_failure = Some(error.to_string());
    }

    /// Operations that went well.
    pub fn ops(&self) -> u64 {
        self.latencies.values().map(Histogram::len).sum()
    }

    /// Operations that failed.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// The latency that this part of all operations did not exceed, microseconds.
    pub fn quantile_us(&self, quantile: f64) -> u64 {
        self.all().value_at_quantile(quantile)
    }

    /// All latencies as measured.
    pub fn all(&self) -> Histogram<u64> {
        let mut all = histogram();
        for latencies in self.latencies.values() {
            // Both have the same bounds, so nothing can be lost.
            let _ = all.add(latencies);
        }
        all
    }

    /// Latencies by operation.
    pub fn latencies(&self) -> &BTreeMap<Op, Histogram<u64>> {
        &self.latencies
    }

    /// Outcomes by name.
    pub fn outcomes(&self) -> &BTreeMap<&'static str, u64> {
        &self.outcomes
    }

    /// The last failure, in words.
    pub fn last_failure(&self) -> Option<&str> {
        self.last_failure.as_deref()
    }

    /// The most frequent failure's exit, if nothing went well.
    pub fn exit(&self) -> Exit {
        let worst = self.failures.iter().max_by_key(|(_, count)| **count).map(|(exit, _)| *exit);
        if self.ops() > 0 { Exit::Ok } else { worst.unwrap_or(Exit::Ok) }
    }
}

/// What `measured` would have been had every worker sent as steadily as on average: a stall then hits all requests
/// that would have been sent during it, not only those that were.
pub fn corrected(measured: &Histogram<u64>, workers: usize, elapsed: Duration) -> Histogram<u64> {
    let per_worker = measured.len() / workers.max(1) as u64;
    match u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX).checked_div(per_worker) {
        Some(interval_us) if interval_us > 0 => measured.clone_correct(interval_us),
        _ => measured.clone(),
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)
        .expect("the bounds are constants that the histogram takes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_counts_for_all_that_would_have_been_sent_during_it() {
        let mut tally = Tally::new();
        // One worker, 1 ms each, and one stall of a second: 100 operations in 1.099 s.
        for _ in 0..99 {
            tally.done(Op::Put, Duration::from_millis(1), "written");
        }
        tally.done(Op::Put, Duration::from_secs(1), "written");
        assert!(tally.quantile_us(0.98) < 1_100, "as measured, the stall hardly shows");
        let corrected = corrected(&tally.all(), 1, Duration::from_millis(1_099));
        assert!(corrected.value_at_quantile(0.98) > 900_000, "{}", corrected.value_at_quantile(0.98));
        assert_eq!((tally.ops(), tally.failed(), tally.exit()), (100, 0, Exit::Ok));
    }

    #[test]
    fn if_nothing_went_well_the_exit_is_that_of_the_failures() {
        let mut tally = Tally::new();
        tally.failed_with(&ClientError::Unavailable { required: 2, alive: 1, trail: Box::default() });
        assert_eq!((tally.exit(), tally.outcomes().get("unavailable")), (Exit::Unavailable, Some(&1)));
        tally.done(Op::Get, Duration::ZERO, "found");
        assert_eq!(tally.exit(), Exit::Ok);
    }
}
