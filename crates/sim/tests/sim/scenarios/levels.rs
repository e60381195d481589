//! What a level asks for and what it gives.

use std::time::Duration;

use quorate_types::{Level, WriteOutcome};

use super::{each, some};
use quorate_sim::cluster::Put;
use quorate_sim::cluster::{Cluster, ClusterSpec};

mod classic_four_two {
    use super::*;

    #[test]
    fn a_put_at_two_of_four_is_answered_at_two_acks_and_is_everywhere_after_quiet() {
        each(|seed, spec| {
            let mut cluster = Cluster::start(seed, spec.with_n(4));
            for i in 0..256 {
                let key = i.to_string();
                assert!(cluster.put(1, &key, &format!("v{i}"), Level::Two).is_written());
            }
            cluster.run_until_converged(Duration::from_secs(10)).unwrap();
            for i in 0..256 {
                let k = 1 + i % 4;
                assert_eq!(
                    cluster.value(k, &i.to_string(), Level::Two),
                    some(&format!("v{i}")),
                    "key {i} by n{k}"
                );
            }
        });
    }
}

mod three_of_four {
    use super::*;

    #[test]
    fn a_put_at_two_with_one_replica_down_succeeds_and_leaves_exactly_one_hint() {
        each(|seed, spec| {
            let mut cluster = Cluster::start(seed, spec.with_n(4));
            cluster.kill(3);
            cluster.run_for(Duration::from_secs(1));
            assert!(cluster.put(1, "k", "v", Level::Two).is_written());
            cluster.run_for(Duration::from_secs(3));
            assert_eq!(cluster.hints_at(1) + cluster.hints_at(2) + cluster.hints_at(4), 1);
        });
    }
}

mod cap_two_nodes {
    use super::*;

    #[test]
    fn with_one_of_two_down_one_is_accepted_and_all_is_refused_with_nothing_sent() {
        each(|seed, spec| {
            let mut cluster = Cluster::start(seed, spec.with_nodes(2).with_n(2));
            cluster.kill(2);
            cluster.run_for(Duration::from_secs(1));
            let sent = cluster.network_statistics().sent;
            let refused = cluster.put(1, "k", "all", Level::All);
            assert_eq!(refused, Put::Outcome(WriteOutcome::Unavailable { required: 2, alive: 1 }));
            assert_eq!(cluster.network_statistics().sent, sent);
            assert!(cluster.put(1, "k", "one", Level::One).is_written());
            cluster.restart(2);
            cluster.run_until_converged(Duration::from_secs(30)).unwrap();
            assert_eq!(cluster.value(2, "k", Level::All), some("one"));
        });
    }
}

mod rwn_grid {
    use super::*;

    /// Reads that returned less than the newest acknowledged write, in percent, for one (R, W).
    fn stale_percent(read: u8, write: u8) -> u32 {
        let (mut reads, mut stale) = (0, 0);
        for seed in 0..3 {
            let mut cluster = Cluster::start(seed, ClusterSpec::default().with_nodes(3));
            cluster.slow_network();
            for i in 0..40 {
                let value = i.to_string();
                assert!(cluster.put(1 + i % 3, "k", &value, Level::Exactly(write)).is_written());
                let got = cluster.value(1 + (i + 1) % 3, "k", Level::Exactly(read));
                reads += 1;
                stale += u32::from(got != Some(value));
            }
        }
        stale * 100 / reads
    }

    #[test]
    fn no_read_is_stale_when_r_plus_w_is_more_than_n() {
        for read in 1..=3 {
            for write in 1..=3 {
                let stale = stale_percent(read, write);
                println!("R = {read}, W = {write}, N = 3: {stale} % of reads stale");
                assert!(read + write <= 3 || stale == 0, "R = {read}, W = {write}: {stale} % stale");
            }
        }
    }
}
