//! What one contender did in one round.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Records, time, and how long each took.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Records that became durable in `time`.
    pub records: u64,
    /// The time.
    pub time: Duration,
    /// How long each caller waited, in nanoseconds; empty where nobody waited for single records.
    pub latencies: Histogram<u64>,
}

/// How long one writer waited, each time.
pub struct Waits {
    /// Records that count.
    pub counted: u64,
    /// Of these, and of the one that was waited for when the time was over.
    pub nanos: Vec<u64>,
}

impl Waits {
    /// None yet; room for `records`.
    pub fn with_room(records: usize) -> Self {
        Self { counted: 0, nanos: Vec::with_capacity(records) }
    }
}

impl Measured {
    /// From the waits of several writers.
    pub fn of(writers: &[Waits], time: Duration) -> Self {
        let mut latencies = histogram();
        for nanos in writers.iter().flat_map(|waits| &waits.nanos) {
            latencies.saturating_record(*nanos);
        }
        Self { records: writers.iter().map(|waits| waits.counted).sum(), time, latencies }
    }

    /// Without latencies.
    pub fn bulk(records: u64, time: Duration) -> Self {
        Self { records, time, latencies: histogram() }
    }

    /// Records per second.
    pub fn per_second(&self) -> f64 {
        self.records as f64 / self.time.as_secs_f64()
    }

    /// The latency that so many percent do not exceed, in microseconds; `None` without latencies.
    pub fn percentile_us(&self, percent: f64) -> Option<f64> {
        (!self.latencies.is_empty()).then(|| self.latencies.value_at_percentile(percent) as f64 / 1000.0)
    }
}

/// From 1 ns to a minute, three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("these bounds are in range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_rates_are_those_of_all_writers_together() {
        let waits =
            |writer: u64| Waits { counted: 9, nanos: (1..=10).map(|n| (writer * 10 + n) * 1000).collect() };
        let writers: Vec<_> = (0..10).map(waits).collect();
        let measured = Measured::of(&writers, Duration::from_millis(50));
        assert!((measured.per_second() - 1800.0).abs() < 1e-6);
        let p99 = measured.percentile_us(99.0).expect("there are latencies");
        assert!((98.9..=99.2).contains(&p99), "{p99}");
        assert_eq!(Measured::bulk(5, Duration::from_secs(1)).percentile_us(50.0), None);
    }
}
