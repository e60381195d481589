//! Reads with replicas missing. Three replicas are called primary, secondary and tertiary in ring order.

use std::time::Duration;

use quorate_types::{Level, ReadOutcome};

use super::{NONE, each, some};
use quorate_sim::cluster::Cluster;

/// A key's three replicas, and the node that holds no copy.
fn roles(cluster: &Cluster, key: &str) -> (Vec<usize>, usize) {
    let replicas = cluster.replicas_of(key.as_bytes());
    let outsider = (1..=4).find(|k| !replicas.contains(k)).expect("four nodes, three replicas");
    (replicas, outsider)
}

mod read_one_failed {
    use super::*;

    #[test]
    fn a_quorum_read_is_right_at_once_when_the_tertiary_fails() {
        each(|seed, spec| {
            let mut cluster = Cluster::start(seed, spec);
            let (replicas, _) = roles(&cluster, "k");
            assert!(cluster.put(replicas[0], "k", "v", Level::Quorum).is_written());
            cluster.kill(replicas[2]);
            assert_eq!(cluster.value(replicas[0], "k", Level::Quorum), some("v"));
        });
    }
}

mod read_two_failed {
    use super::*;

    #[test]
    fn a_quorum_read_fails_typed_when_two_of_three_replicas_fail() {
        each(|seed, spec| {
            let mut cluster = Cluster::start(seed, spec);
            let (replicas, _) = roles(&cluster, "k");
            assert!(cluster.put(replicas[0], "k", "v", Level::All).is_written());
            cluster.kill(replicas[1]);
            cluster.kill(replicas[2]);
            let outcome = cluster.get(replicas[0], "k", Level::Quorum);
            let unavailable = outcome == ReadOutcome::Unavailable { required: 2, alive: 1 };
            assert!(
                unavailable || outcome == ReadOutcome::TimedOut { answered: 1, required: 2 },
                "{outcome:?}"
            );
        });
    }
}

mod read_nonreplica_failed {
    use super::*;

    #[test]
    fn a_read_is_right_when_a_node_fails_that_holds_no_copy() {
        each(|seed, spec| {
            let mut cluster = Cluster::start(seed, spec);
            let (replicas, outsider) = roles(&cluster, "k");
            assert!(cluster.put(replicas[0], "k", "v", Level::Quorum).is_written());
            cluster.kill(outsider);
            assert_eq!(cluster.value(replicas[1], "k", Level::All), some("v"));
        });
    }
}

mod read_invalid {
    use super::*;

    #[test]
    fn a_missing_key_is_not_found_by_a_quorum() {
        each(|seed, spec| {
            let mut cluster = Cluster::start(seed, spec);
            assert_eq!(
                cluster.get(1, "nobody wrote this", Level::Quorum),
                ReadOutcome::NotFound { expired: None }
            );
            assert_eq!(cluster.value(2, "nobody wrote this", Level::Quorum), NONE);
        });
    }
}

mod primary_down_forward {
    use super::*;

    #[test]
    fn with_the_primary_down_a_live_node_coordinates_and_the_receipt_says_so() {
        each(|seed, spec| {
            let mut cluster = Cluster::start(seed, spec);
            let (replicas, outsider) = roles(&cluster, "k");
            cluster.kill(replicas[0]);
            cluster.run_for(Duration::from_secs(1));
            let request = cluster.put_request("k", "v", Level::Quorum);
            let receipt = cluster.ask(outsider, request).receipt.expect("it was asked for");
            assert_eq!(receipt.coordinator, quorate_sim::cluster::node_id(outsider));
            assert_eq!(receipt.hinted, [quorate_sim::cluster::node_id(replicas[0])]);
            assert_eq!(cluster.value(replicas[1], "k", Level::Quorum), some("v"));
            assert!(cluster.delete(replicas[2], "k", Level::Quorum).is_written());
            assert!(matches!(cluster.get(outsider, "k", Level::Quorum), ReadOutcome::Deleted { .. }));
        });
    }
}
