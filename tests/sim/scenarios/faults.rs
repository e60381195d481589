//! Faults of the network, each alone.

use std::time::Duration;

use quorate_transport::memory::{Chance, Delay, LinkFaults, NetworkStatistics};
use quorate_types::Level;

use super::each;
use crate::lab::{Lab, LabSpec};

/// Writes and deletes under `faults`, then heals; the statistics of the run, once all copies are equal.
fn run(spec: LabSpec, faults: LinkFaults) -> (NetworkStatistics, u64) {
    let mut lab = Lab::start(spec);
    lab.network().set_all_faults(faults);
    for i in 0..60 {
        let (k, key) = (1 + i % 4, format!("k{}", i % 12));
        if i % 7 == 6 {
            lab.delete(k, &key, Level::Quorum);
        } else {
            lab.put(k, &key, &format!("v{i}"), Level::Quorum);
        }
    }
    lab.network().set_all_faults(LinkFaults::default());
    lab.run_until_converged(Duration::from_mins(2));
    (lab.network().statistics(), lab.trace())
}

/// Runs twice: the same seed gives the same numbers.
fn run_twice(faults: LinkFaults, seen: impl Fn(&NetworkStatistics) -> u64) {
    each(|spec| {
        let (first, second) = (run(spec.clone(), faults), run(spec.clone(), faults));
        assert_eq!(first, second, "seed {}", spec.seed);
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
        each(|spec| {
            let mut lab = Lab::start(spec);
            let first = lab.put_request("k", "first", Level::All);
            let answer = lab.ask(1, first.clone());
            assert!(lab.put(1, "k", "second", Level::All).is_written());
            assert_eq!(lab.ask(1, first).body, answer.body);
            assert_eq!(lab.value(2, "k", Level::All), Some("second".to_owned()));
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
        each(|spec| {
            let mut lab = Lab::start(spec.with_n(4));
            lab.partition(&[1, 2], &[3, 4]);
            lab.run_for(Duration::from_secs(3));
            let left = lab.put(1, "k", "left", Level::Two).version().expect("two replicas are on this side");
            let right = lab.put(3, "k", "right", Level::Two).version().expect("and two on that");
            let later = if left > right { "left" } else { "right" };
            lab.unite(&[1, 2], &[3, 4]);
            lab.run_until_converged(Duration::from_mins(1));
            for k in 1..=4 {
                assert_eq!(lab.value(k, "k", Level::One), Some(later.to_owned()), "by n{k}");
            }
        });
    }
}
