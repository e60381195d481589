//! Faults of the network, each alone.

use std::time::Duration;

use quorate_transport::memory::{Chance, Delay, LinkFaults, NetworkStatistics};
use quorate_types::Level;

use super::each;
use quorate_sim::cluster::{Cluster, ClusterSpec};

/// Writes and deletes under `faults`, then heals; the statistics of the run, once all copies are equal.
fn run(seed: u64, spec: ClusterSpec, faults: LinkFaults) -> (NetworkStatistics, u64) {
    let mut cluster = Cluster::start(seed, spec);
    cluster.set_weather(faults);
    for i in 0..60 {
        let (k, key) = (1 + i % 4, format!("k{}", i % 12));
        if i % 7 == 6 {
            cluster.delete(k, &key, Level::Quorum);
        } else {
            cluster.put(k, &key, &format!("v{i}"), Level::Quorum);
        }
    }
    cluster.set_weather(LinkFaults::default());
    cluster.run_until_converged(Duration::from_mins(2)).unwrap();
    (cluster.network_statistics(), cluster.trace().hash())
}

/// Runs twice: the same seed gives the same numbers.
fn run_twice(faults: LinkFaults, seen: impl Fn(&NetworkStatistics) -> u64) {
    each(|seed, spec| {
        let (first, second) = (run(seed, spec.clone(), faults), run(seed, spec, faults));
        assert_eq!(first, second, "seed {seed}");
        assert!(seen(&first.0) > 0, "the fault never happened: {:?}", first.0);
    });
}

mod duplicate {
    use super::*;

    #[test]
    fn duplicated_messages_converge_and_the_same_seed_counts_the_same() {
        let faults = LinkFaults { duplication: Chance::percent(30), ..LinkFaults::default() };
        run_twice(faults, |seen| seen.duplicated);
    }

    #[test]
    fn a_duplicated_request_is_answered_and_not_stamped_again() {
        each(|seed, spec| {
            let mut cluster = Cluster::start(seed, spec);
            let first = cluster.put_request("k", "first", Level::All);
            let answer = cluster.ask(1, first.clone());
            assert!(cluster.put(1, "k", "second", Level::All).is_written());
            assert_eq!(cluster.ask(1, first).body, answer.body);
            assert_eq!(cluster.value(2, "k", Level::All), Some("second".to_owned()));
        });
    }
}

mod delay {
    use super::*;

    #[test]
    fn delayed_and_reordered_messages_converge_and_the_same_seed_counts_the_same() {
        let faults = LinkFaults {
            delay: Delay::Uniform { least: Duration::from_millis(1), most: Duration::from_millis(400) },
            reordering: Chance::percent(30),
            ..LinkFaults::default()
        };
        run_twice(faults, |seen| seen.reordered);
    }
}

mod drop {
    use super::*;

    #[test]
    fn lost_messages_converge_and_the_same_seed_counts_the_same() {
        let faults = LinkFaults { loss: Chance::percent(10), ..LinkFaults::default() };
        run_twice(faults, |seen| seen.dropped);
    }
}

mod partition_lww {
    use super::*;

    #[test]
    fn of_writes_on_both_sides_of_a_partition_the_later_version_is_everywhere_after_it_heals() {
        each(|seed, spec| {
            let mut cluster = Cluster::start(seed, spec.with_n(4));
            cluster.partition(&[1, 2], &[3, 4]);
            cluster.run_for(Duration::from_secs(3));
            let left =
                cluster.put(1, "k", "left", Level::Two).version().expect("two replicas are on this side");
            let right = cluster.put(3, "k", "right", Level::Two).version().expect("and two on that");
            let later = if left > right { "left" } else { "right" };
            cluster.unite(&[1, 2], &[3, 4]);
            cluster.run_until_converged(Duration::from_mins(1)).unwrap();
            for k in 1..=4 {
                assert_eq!(cluster.value(k, "k", Level::One), Some(later.to_owned()), "by n{k}");
            }
        });
    }
}
