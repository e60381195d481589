//! One replica of four is killed while writes go on, and brought back.

use quorate_client::ClientError;
use quorate_types::Level;

use crate::harness::{Cluster, Spec, answers, copy_at, is_replica};

const KEYS: usize = 1_000;

/// Kills n2, writes 1,000 keys at TWO and QUORUM in turn, checks that ALL is refused exactly for n2's keys, and brings
/// n2 back. The keys that n2 holds a copy of.
fn written_without_n2(cluster: &mut Cluster) -> Vec<String> {
    cluster.kill(2);
    cluster.await_peers_up(1, 2);
    let mut of_n2 = Vec::new();
    for i in 0..KEYS {
        let key = format!("key-{i}");
        let level = if i % 2 == 0 { Level::Two } else { Level::Quorum };
        cluster.put(1, &key, &format!("value-{i}"), level).expect("two replicas are alive");
        if is_replica(&cluster.explain(1, &key), 2) {
            of_n2.push(key);
        }
    }
    let share = of_n2.len() as f64 / KEYS as f64;
    assert!((0.65..0.85).contains(&share), "n2 holds three quarters of the keys, not {share}");
    for key in of_n2.iter().take(20) {
        let refused = cluster.put(1, key, "at all", Level::All).expect_err("n2 is down");
        assert!(matches!(refused, ClientError::Unavailable { required: 3, alive: 2, .. }), "{refused:?}");
    }
    cluster.spawn(2);
    // Sixteen keys are of every shard: then each link to n2 is up.
    for (k, key) in (1..=4).flat_map(|k| of_n2.iter().take(16).map(move |key| (k, key))) {
        cluster.await_peers_up(k, 3);
        cluster.await_that("n2 answers", || answers(&cluster.explain(k, key), 2));
    }
    of_n2
}

fn has_newest(cluster: &Cluster, key: &str) -> bool {
    let explanation = cluster.explain(3, key);
    copy_at(&explanation, 2) == explanation.winner
}

#[test]
fn a_put_at_two_through_n1_is_read_at_two_through_n3() {
    for shards in [1, 2] {
        let cluster = Cluster::start(&Spec { shards, ..Spec::default() });
        cluster.put(1, "hello", "world", Level::Two).expect("written");
        assert_eq!(cluster.get(3, "hello", Level::Two).expect("answered").as_deref(), Some("world"));
    }
}

#[test]
fn with_hinted_handoff_alone_n2_has_every_key_it_missed_without_a_single_read() {
    for shards in [1, 2] {
        let mut cluster = Cluster::start(&Spec { shards, read_repair: "off", ..Spec::default() });
        let of_n2 = written_without_n2(&mut cluster);
        cluster.await_that("no hint is left", || (1..=4).all(|k| cluster.hints_at(k) == Some(0)));
        for key in &of_n2 {
            assert!(has_newest(&cluster, key), "{key} on n2: {:?}", cluster.explain(3, key));
        }
    }
}

#[test]
fn with_background_read_repair_alone_each_key_is_right_on_n2_after_one_read() {
    for shards in [1, 2] {
        let spec = Spec { shards, read_repair: "background", hinted_handoff: false, ..Spec::default() };
        let mut cluster = Cluster::start(&spec);
        let of_n2 = written_without_n2(&mut cluster);
        for (i, key) in of_n2.iter().enumerate() {
            assert!(!has_newest(&cluster, key), "{key} came to n2 without a read");
            let level = [Level::One, Level::Two, Level::Quorum, Level::All][i % 4];
            cluster.get(1 + i % 4, key, level).expect("answered");
        }
        for key in &of_n2 {
            cluster.await_that("n2 is repaired", || has_newest(&cluster, key));
        }
    }
}

#[test]
fn with_neither_n2_stays_behind_and_explain_shows_it() {
    for shards in [1, 2] {
        let spec = Spec { shards, read_repair: "off", hinted_handoff: false, ..Spec::default() };
        let mut cluster = Cluster::start(&spec);
        let of_n2 = written_without_n2(&mut cluster);
        for key in &of_n2 {
            cluster.get(1, key, Level::Quorum).expect("answered");
        }
        for key in &of_n2 {
            let explanation = cluster.explain(1, key);
            assert!(
                explanation.winner.is_some() && copy_at(&explanation, 2).is_none(),
                "{key}: {explanation:?}"
            );
        }
    }
}
