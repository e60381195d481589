//! What comes back from disk after a crash.

use std::time::Duration;

use quorate_types::{Level, ReadOutcome};

use super::{each, put_while_n2_is_down, some};
use quorate_sim::cluster::{Cluster, Repair};

mod wal_replay {
    use super::*;

    #[test]
    fn after_a_power_cut_of_the_whole_cluster_every_acknowledged_key_is_back() {
        each(|seed, spec| {
            let mut cluster = Cluster::start(seed, spec);
            for i in 0..200 {
                assert!(
                    cluster.put(1 + i % 4, &format!("k{i}"), &format!("v{i}"), Level::Quorum).is_written()
                );
            }
            for k in 1..=4 {
                cluster.cut_power(k);
            }
            for k in 1..=4 {
                cluster.restart(k);
            }
            cluster.run_for(Duration::from_secs(3));
            for i in 0..200 {
                assert_eq!(
                    cluster.value(1, &format!("k{i}"), Level::Quorum),
                    some(&format!("v{i}")),
                    "key {i}"
                );
            }
        });
    }
}

mod fail_put_recover {
    use super::*;

    #[test]
    fn a_node_that_failed_has_after_recovery_what_was_put_meanwhile() {
        each(|seed, spec| {
            let mut cluster = Cluster::start(seed, spec.with_n(4).with_repair(Repair::Off));
            put_while_n2_is_down(&mut cluster);
            cluster.restart(2);
            cluster
                .run_until("no hint is left", Duration::from_secs(30), |cluster| cluster.hints_at(1) == 0)
                .unwrap();
            assert_eq!(cluster.value(2, "k", Level::One), some("v"));
            assert!(cluster.converged());
        });
    }
}

mod snapshot_plus_log {
    use super::*;

    #[test]
    fn a_checkpoint_and_the_log_behind_it_give_the_exact_state_tombstones_too() {
        each(|seed, spec| {
            let mut cluster = Cluster::start(seed, spec.with_nodes(1).with_n(1));
            assert!(cluster.put(1, "before", "b", Level::One).is_written());
            assert!(cluster.put(1, "deleted later", "d", Level::One).is_written());
            cluster.checkpoint(1);
            assert!(cluster.put(1, "after", "a", Level::One).is_written());
            assert!(cluster.delete(1, "deleted later", Level::One).is_written());
            cluster.cut_power(1);
            cluster.restart(1);
            cluster.run_for(Duration::from_secs(1));
            assert_eq!(cluster.value(1, "before", Level::One), some("b"));
            assert_eq!(cluster.value(1, "after", Level::One), some("a"));
            assert!(matches!(cluster.get(1, "deleted later", Level::One), ReadOutcome::Deleted { .. }));
        });
    }
}

mod recover_merge_newer {
    use super::*;

    #[test]
    fn a_node_that_holds_an_older_and_a_newer_key_ends_with_the_newer_of_both_everywhere() {
        each(|seed, spec| {
            let mut cluster = Cluster::start(seed, spec.with_n(4));
            assert!(cluster.put(1, "k", "k-old", Level::All).is_written());
            assert!(cluster.put(1, "j", "j-old", Level::All).is_written());
            cluster.partition(&[2], &[1, 3, 4]);
            cluster.run_for(Duration::from_secs(4));
            assert!(cluster.put(2, "j", "j-new", Level::One).is_written());
            assert!(cluster.put(1, "k", "k-new", Level::Three).is_written());
            cluster.run_for(Duration::from_secs(3));
            cluster.kill(2);
            cluster.unite(&[2], &[1, 3, 4]);
            cluster.restart(2);
            cluster.run_until_converged(Duration::from_mins(1)).unwrap();
            for k in 1..=4 {
                assert_eq!(cluster.value(k, "k", Level::One), some("k-new"), "by n{k}");
                assert_eq!(cluster.value(k, "j", Level::One), some("j-new"), "by n{k}");
            }
        });
    }
}
