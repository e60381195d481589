//! How long requests took, in buckets: what a histogram shows.

/// Where buckets end, nanoseconds; one more takes what is above.
const ENDS_NS: [u64; 18] = [
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latency {
    buckets: [u64; ENDS_NS.len() + 1],
    sum_ns: u64,
}

impl Latency {
    /// One more, of `nanos`.
    pub(crate) fn record(&mut self, nanos: u64) {
        self.buckets[ENDS_NS.partition_point(|&end| end < nanos)] += 1;
        self.sum_ns = self.sum_ns.saturating_add(nanos);
    }

    pub(crate) fn add(&mut self, other: &Latency) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(sum, more)| *sum += more);
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
    }

    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    pub(crate) fn sum_seconds(&self) -> f64 {
        self.sum_ns as f64 / 1e9
    }

    /// The end of each bucket, seconds, with how many fell into it and into none before it.
    pub(crate) fn buckets(&self) -> Vec<(f64, u64)> {
        let ends = ENDS_NS.iter().map(|&nanos| nanos as f64 / 1e9).chain([f64::INFINITY]);
        ends.zip(self.buckets).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_at_the_end_of_a_bucket_is_in_it_and_what_is_above_all_ends_is_kept() {
        let mut latency = Latency::default();
        for nanos in [0, 25_000, 25_001, 10_000_000_000, 10_000_000_001] {
            latency.record(nanos);
        }
        let filled: Vec<_> = latency.buckets().into_iter().filter(|&(_, count)| count > 0).collect();
        assert_eq!(filled, [(0.000_025, 2), (0.000_05, 1), (10.0, 1), (f64::INFINITY, 1)]);
        assert_eq!(latency.count(), 5);
        assert!((latency.sum_seconds() - 20.000_050_002).abs() < 1e-9);
    }
}
