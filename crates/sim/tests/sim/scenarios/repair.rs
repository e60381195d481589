//! How copies come back together: read repair alone, hints alone, neither.

use std::time::Duration;

use quorate_types::{Level, NodeId, ReadOutcome, Version};
use quorate_wire::{CopyView, Explanation};

use super::{each, put_while_n2_is_down, some};
use quorate_sim::cluster::{Cluster, Repair, node_id};

fn copy_at(explanation: &Explanation, node: NodeId) -> Option<Version> {
    let view = explanation.replicas.iter().find(|view| view.node == node).expect("every replica is shown");
    match view.copy {
        CopyView::Present { version, .. } | CopyView::Tombstone { version } => Some(version),
        _ => None,
    }
}

/// Overwrites `k` while n2 is down, and brings n2 back: n2 then holds an older copy.
fn n2_behind(cluster: &mut Cluster) {
    assert!(cluster.put(1, "k", "old", Level::All).is_written());
    cluster.kill(2);
    cluster.run_for(Duration::from_secs(1));
    assert!(cluster.put(1, "k", "new", Level::Three).is_written());
    cluster.restart(2);
    cluster.run_for(Duration::from_secs(5));
}

mod stale_own_version {
    use super::*;

    #[test]
    fn without_repair_and_handoff_a_node_answers_one_from_its_own_old_copy_and_explain_shows_it() {
        each(|seed, spec| {
            let mut cluster = Cluster::start(seed, spec.with_n(4).with_repair(Repair::Off).without_handoff());
            n2_behind(&mut cluster);
            assert_eq!(cluster.value(2, "k", Level::One), some("old"));
            let explanation = cluster.explain(1, "k");
            let newest = explanation.winner.expect("there are copies");
            assert!(copy_at(&explanation, node_id(2)) < Some(newest));
            for k in [1, 3, 4] {
                assert_eq!(copy_at(&explanation, node_id(k)), Some(newest));
            }
        });
    }
}

mod read_repair_only {
    use super::*;

    #[test]
    fn one_read_at_one_with_background_repair_brings_the_newest_to_all_four() {
        each(|seed, spec| {
            let mut cluster =
                Cluster::start(seed, spec.with_n(4).with_repair(Repair::Background).without_handoff());
            n2_behind(&mut cluster);
            cluster.value(2, "k", Level::One);
            cluster.run_for(Duration::from_secs(2));
            let explanation = cluster.explain(3, "k");
            for k in 1..=4 {
                assert_eq!(copy_at(&explanation, node_id(k)), explanation.winner, "n{k}");
            }
            assert_eq!(cluster.value(2, "k", Level::One), some("new"));
        });
    }
}

mod handoff_by_coordinating {
    use super::*;

    #[test]
    fn hints_reach_a_node_that_only_coordinates_a_request_for_another_key() {
        each(|seed, spec| {
            let mut cluster = Cluster::start(seed, spec.with_n(4).with_repair(Repair::Off));
            put_while_n2_is_down(&mut cluster);
            // n1 can't reach n2 by itself: what it dials is cut until n2 has shown itself.
            cluster.restart_unseen(2);
            assert_eq!(cluster.hints_at(1), 1);
            assert!(cluster.put(2, "another", "x", Level::One).is_written());
            cluster
                .run_until("the hint is delivered", Duration::from_secs(20), |cluster| {
                    cluster.hints_at(1) == 0
                })
                .unwrap();
            let explanation = cluster.explain(2, "k");
            assert_eq!(copy_at(&explanation, node_id(2)), explanation.winner);
        });
    }
}

mod tombstone_not_revived {
    use super::*;

    #[test]
    fn a_delete_that_a_node_missed_wins_over_its_old_value() {
        each(|seed, spec| {
            let mut cluster = Cluster::start(seed, spec.with_n(4));
            assert!(cluster.put(1, "k", "old", Level::All).is_written());
            cluster.kill(2);
            cluster.run_for(Duration::from_secs(1));
            assert!(cluster.delete(1, "k", Level::Quorum).is_written());
            cluster.restart(2);
            cluster.run_for(Duration::from_secs(3));
            for k in 1..=4 {
                assert!(matches!(cluster.get(k, "k", Level::Quorum), ReadOutcome::Deleted { .. }), "by n{k}");
            }
            cluster.run_until_converged(Duration::from_secs(30)).unwrap();
            assert!(matches!(cluster.get(2, "k", Level::One), ReadOutcome::Deleted { .. }));
        });
    }
}
