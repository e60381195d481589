//! How long each replica takes to answer a read: a running 99th percentile in two words.
//!
//! An answer above the estimate raises it by 1/16, one below it lowers it by 1/99 of that; it rests where one
//! answer in a hundred is above. Follows a change of speed within some hundred answers. All is forgotten now and
//! then, so that a replica that was slow once, and is not asked since, gets another chance.
//!
//! Source: Ma, Muthukrishnan and Sandler, Frugal Streaming for Estimating Quantiles (2013).

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_types::NodeId;

const UP: u64 = 16;
const DOWN: u64 = UP * 99;

/// Answers after which everything is forgotten.
const MEMORY: u32 = 16_384;

#[derive(Debug, Default)]
pub(crate) struct Latencies {
    p99_nanos: BTreeMap<NodeId, u64>,
    answers: u32,
}

impl Latencies {
    pub(crate) fn took(&mut self, node: NodeId, elapsed: Duration) {
        self.answers += 1;
        if self.answers >= MEMORY {
            *self = Latencies::default();
        }
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX / 2);
        let p99 = self.p99_nanos.entry(node).or_insert(nanos.saturating_mul(2).max(DOWN));
        *p99 = if nanos > *p99 { p99.saturating_add(*p99 / UP) } else { (*p99 - *p99 / DOWN).max(DOWN) };
    }

    /// `None`: it never answered.
    pub(crate) fn p99(&self, node: NodeId) -> Option<Duration> {
        self.p99_nanos.get(&node).copied().map(Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_rests_near_the_99th_percentile_and_follows_a_change() {
        let mut latencies = Latencies::default();
        let node = NodeId(1);
        let mut run = |slowest_us: u64| {
            for i in 0..8_000u64 {
                latencies.took(node, Duration::from_micros(i.wrapping_mul(7_919) % slowest_us));
            }
            latencies.p99(node).unwrap().as_micros() as f64 / slowest_us as f64
        };
        for slowest_us in [1_000, 10_000] {
            let part = run(slowest_us);
            assert!((0.93..1.08).contains(&part), "{part} of {slowest_us} µs");
        }
        assert_eq!(latencies.p99(NodeId(2)), None);
    }

    #[test]
    fn a_replica_that_was_slow_once_is_forgotten_and_gets_another_chance() {
        let mut latencies = Latencies::default();
        latencies.took(NodeId(1), Duration::from_secs(1));
        assert!(latencies.p99(NodeId(1)) > Some(Duration::from_secs(1)));
        (1..MEMORY).for_each(|_| latencies.took(NodeId(2), Duration::from_micros(50)));
        assert_eq!(latencies.p99(NodeId(1)), None);
        assert!(latencies.p99(NodeId(2)) < Some(Duration::from_micros(101)));
    }
}
