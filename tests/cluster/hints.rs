//! Hints are on disk when they are counted, and a frozen replica is a dead one until it thaws.

use quorate_types::Level;

use crate::harness::{Cluster, Spec, answers, copy_at};

#[test]
fn hints_that_are_counted_as_durable_survive_the_death_of_their_holder() {
    for shards in [1, 2] {
        let mut cluster = Cluster::start(&Spec { n: 4, shards, read_repair: "off", ..Spec::default() });
        cluster.kill(2);
        cluster.await_peers_up(1, 2);
        for i in 0..300 {
            cluster.put(1, &format!("key-{i}"), "value", Level::Three).expect("three are alive");
        }
        cluster.await_that("every hint is on disk", || cluster.hints_at(1) == Some(300));
        cluster.kill(1);
        cluster.spawn(1);
        assert_eq!(cluster.hints_at(1), Some(300));
        cluster.spawn(2);
        cluster.await_that("no hint is left", || cluster.hints_at(1) == Some(0));
        for i in 0..300 {
            let key = format!("key-{i}");
            // n3's own link to n2 may come up later than n1's, which brought the hints.
            cluster.await_that("n2 answers n3", || answers(&cluster.explain(3, &key), 2));
            let explanation = cluster.explain(3, &key);
            assert_eq!(copy_at(&explanation, 2), explanation.winner, "{key}");
        }
    }
}

#[test]
fn a_frozen_replica_counts_as_down_and_catches_up_when_it_thaws() {
    for shards in [1, 2] {
        let mut spec = Spec { n: 4, shards, read_repair: "off", ..Spec::default() };
        spec.more = "[liveness]\nping_every = \"100ms\"\nsilent_after = \"1s\"\n";
        let cluster = Cluster::start(&spec);
        cluster.signal(2, "STOP");
        cluster.await_peers_up(1, 2);
        for i in 0..100 {
            cluster.put(1, &format!("key-{i}"), "value", Level::Three).expect("three are alive");
        }
        cluster.signal(2, "CONT");
        cluster.await_peers_up(1, 3);
        for i in 0..100 {
            let newest = || {
                let explanation = cluster.explain(3, &format!("key-{i}"));
                copy_at(&explanation, 2) == explanation.winner
            };
            cluster.await_that("the thawed replica has the key", newest);
        }
    }
}
