//! Reads with replicas missing. Three replicas are called primary, secondary and tertiary in ring order.

use std::time::Duration;

use quorate_types::{Level, ReadOutcome};

use super::{NONE, each, some};
use crate::lab::Lab;

/// A key's three replicas, and the node that holds no copy.
fn roles(lab: &Lab, key: &str) -> (Vec<usize>, usize) {
    let replicas = lab.replicas_of(key.as_bytes());
    let outsider = (1..=4).find(|k| !replicas.contains(k)).expect("four nodes, three replicas");
    (replicas, outsider)
}

mod read_one_failed {
    use super::*;

    #[test]
    fn a_quorum_read_is_right_at_once_when_the_tertiary_fails() {
        each(|spec| {
            let mut lab = Lab::start(spec);
            let (replicas, _) = roles(&lab, "k");
            assert!(lab.put(replicas[0], "k", "v", Level::Quorum).is_written());
            lab.kill(replicas[2]);
            assert_eq!(lab.value(replicas[0], "k", Level::Quorum), some("v"));
        });
    }
}

mod read_two_failed {
    use super::*;

    #[test]
    fn a_quorum_read_fails_typed_when_two_of_three_replicas_fail() {
        each(|spec| {
            let mut lab = Lab::start(spec);
            let (replicas, _) = roles(&lab, "k");
            assert!(lab.put(replicas[0], "k", "v", Level::All).is_written());
            lab.kill(replicas[1]);
            lab.kill(replicas[2]);
            let outcome = lab.get(replicas[0], "k", Level::Quorum);
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
        each(|spec| {
            let mut lab = Lab::start(spec);
            let (replicas, outsider) = roles(&lab, "k");
            assert!(lab.put(replicas[0], "k", "v", Level::Quorum).is_written());
            lab.kill(outsider);
            assert_eq!(lab.value(replicas[1], "k", Level::All), some("v"));
        });
    }
}

mod read_invalid {
    use super::*;

    #[test]
    fn a_missing_key_is_not_found_by_a_quorum() {
        each(|spec| {
            let mut lab = Lab::start(spec);
            assert_eq!(
                lab.get(1, "nobody wrote this", Level::Quorum),
                ReadOutcome::NotFound { expired: None }
            );
            assert_eq!(lab.value(2, "nobody wrote this", Level::Quorum), NONE);
        });
    }
}

mod primary_down_forward {
    use super::*;

    #[test]
    fn with_the_primary_down_a_live_node_coordinates_and_the_receipt_says_so() {
        each(|spec| {
            let mut lab = Lab::start(spec);
            let (replicas, outsider) = roles(&lab, "k");
            lab.kill(replicas[0]);
            lab.run_for(Duration::from_secs(1));
            let request = lab.put_request("k", "v", Level::Quorum);
            let receipt = lab.ask(outsider, request).receipt.expect("it was asked for");
            assert_eq!(receipt.coordinator, crate::lab::node_id(outsider));
            assert_eq!(receipt.hinted, [crate::lab::node_id(replicas[0])]);
            assert_eq!(lab.value(replicas[1], "k", Level::Quorum), some("v"));
            assert!(lab.delete(replicas[2], "k", Level::Quorum).is_written());
            assert!(matches!(lab.get(outsider, "k", Level::Quorum), ReadOutcome::Deleted { .. }));
        });
    }
}
