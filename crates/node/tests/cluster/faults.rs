//! Claims about a network that misbehaves: everything converges, and the same seed gives the same run.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_types::{Level, ReadOutcome, Version, WriteOutcome};
use quorate_wire::ResponseBody;

use crate::harness::{Asked, Cluster, Plan, is_written};
use crate::network::Faults;

const WORST: Faults = Faults { delay_us: (20, 30_000), loss_percent: 10, double_percent: 20 };

/// Some hundred puts on hot and cold keys through all nodes, while the network is as bad as `faults`.
fn storm(cluster: &mut Cluster, faults: Faults) -> Vec<(String, Asked)> {
    cluster.network.faults = faults;
    let mut asked = Vec::new();
    for round in 0..40 {
        for _ in 0..5 {
            let number = asked.len();
            let (node, hot) = (cluster.network.below(4) as usize, cluster.network.below(2));
            let key = if hot == 0 { "hot".to_owned() } else { format!("k{number}") };
            if cluster.nodes[node].up {
                asked
                    .push((key.clone(), cluster.start_put(node, &key, &format!("v{number}"), Level::Quorum)));
            }
        }
        cluster.run(Duration::from_millis(5 + round % 7));
    }
    cluster.run(Duration::from_secs(4));
    asked
}

/// Ends all faults and runs until hints are gone and the copies are equal.
fn quiet(cluster: &mut Cluster) {
    cluster.network.faults = Faults::NONE;
    cluster.network.cuts.clear();
    (0..4).for_each(|node| cluster.start_if_down(node));
    cluster.run_until(Duration::from_mins(2), |c| {
        let held = (0..4).all(|holder| (0..4).all(|target| c.hints_for(holder, target) == 0));
        held && c.differing().is_empty()
    });
}

/// The highest acknowledged version of each key, or a later one, is on all its replicas.
fn check(cluster: &mut Cluster, asked: &[(String, Asked)]) -> usize {
    let mut newest: BTreeMap<&str, Version> = BTreeMap::new();
    let mut written = 0;
    for (key, asked) in asked {
        let answers = cluster.answers.get(asked).map_or(0, Vec::len);
        assert_eq!(answers, 1, "{key}: each request is answered once");
        if let WriteOutcome::Written { version, .. } = cluster.write_answer(*asked) {
            written += 1;
            let newest = newest.entry(key).or_insert(version);
            *newest = version.max(*newest);
        }
    }
    for (key, version) in newest {
        for node in cluster.replicas(key) {
            let copy = cluster.copy(node, key).expect("it was acknowledged");
            assert!(copy.version >= version, "{key} on {node}: {} < {version}", copy.version);
        }
    }
    written
}

#[test]
fn delay_loss_doubling_and_reordering_alone_and_together_lose_no_acknowledged_write() {
    let delay = Faults { delay_us: (20, 40_000), ..Faults::NONE };
    let loss = Faults { loss_percent: 15, ..Faults::NONE };
    let double = Faults { double_percent: 40, delay_us: (20, 2_000), ..Faults::NONE };
    for (seed, faults) in (1..).zip([delay, loss, double, WORST, WORST]) {
        for shards in [1, 2] {
            let mut cluster = Cluster::new(Plan { seed, ..Plan::new(shards) });
            let asked = storm(&mut cluster, faults);
            quiet(&mut cluster);
            let written = check(&mut cluster, &asked);
            assert!(written > 50, "only {written} of {} written under {faults:?}", asked.len());
            let statistics = cluster.network.statistics;
            assert_eq!(statistics.dropped > 0, faults.loss_percent > 0);
            assert_eq!(statistics.doubled > 0, faults.double_percent > 0);
            if faults.loss_percent == 0 {
                assert_eq!(written, asked.len(), "delay and doubling alone fail no write");
            }
        }
    }
}

#[test]
fn a_doubled_batch_is_executed_once_and_acknowledged_again() {
    let mut cluster = Cluster::new(Plan::new(1));
    cluster.network.faults = Faults { double_percent: 100, ..Faults::NONE };
    for i in 0..20 {
        assert!(is_written(&cluster.put(i % 4, &format!("k{i}"), "v", Level::All)));
    }
    cluster.run(Duration::from_millis(100));
    let replica_writes = cluster.writes_sent["write"];
    assert_eq!(cluster.all_counters("peer_writes"), replica_writes);
    assert!(cluster.all_counters("peer_batches_duplicate") > 0);
    assert_eq!(cluster.all_counters("applied"), 60);
}

#[test]
fn both_sides_of_a_partition_take_writes_and_after_it_all_buckets_digests_are_equal() {
    for shards in [1, 2] {
        let mut cluster = Cluster::new(Plan::new(shards));
        for (a, b) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
            cluster.network.cut_both(a, b);
        }
        cluster.run(Duration::from_secs(3));
        let mut last: BTreeMap<String, (Version, String)> = BTreeMap::new();
        for i in 0..200 {
            let (key, value) = (format!("k{}", i % 60), format!("v{i}"));
            let outcome = cluster.put(i % 4, &key, &value, Level::One);
            if let WriteOutcome::Written { version, .. } = outcome {
                let newest = last.entry(key).or_insert((version, value.clone()));
                *newest = newest.clone().max((version, value));
            }
        }
        assert!(!cluster.differing().is_empty(), "the sides differ");
        quiet(&mut cluster);
        assert!(last.len() > 50);
        for (key, (_, value)) in last {
            assert_eq!(cluster.copies(&key), vec![Some(value.clone()); 3], "{key}");
        }
    }
}

#[test]
fn nodes_that_are_killed_and_restarted_in_a_storm_lose_no_acknowledged_write() {
    for seed in 1..=6 {
        let mut cluster = Cluster::new(Plan { seed, ..Plan::new(1 + seed as usize % 2) });
        let mut asked = Vec::new();
        cluster.network.faults = Faults { delay_us: (50, 5_000), ..Faults::NONE };
        for round in 0..24 {
            let victim = cluster.network.below(4) as usize;
            if cluster.nodes[victim].up && (0..4).all(|node| cluster.nodes[node].up) {
                cluster.kill(victim);
            } else if round % 3 == 0 {
                (0..4).for_each(|node| cluster.start_if_down(node));
            }
            for i in 0..10 {
                let node = (round + i) % 4;
                if cluster.nodes[node].up {
                    let key = format!("k{}", cluster.network.below(80));
                    asked.push((
                        key.clone(),
                        cluster.start_put(node, &key, &format!("{round}.{i}"), Level::Quorum),
                    ));
                }
            }
            cluster.run(Duration::from_millis(40));
        }
        cluster.run(Duration::from_secs(4));
        // What the killed coordinators had in flight was never answered: nobody knows, and nobody asks.
        asked.retain(|(_, asked)| cluster.answers.contains_key(asked));
        (0..4).for_each(|node| cluster.start_if_down(node));
        cluster.network.faults = Faults::NONE;
        cluster.run(Duration::from_secs(20));
        check_at_quorum(&mut cluster, &asked);
    }
}

/// The highest acknowledged version of each key, or a later one, is what a quorum read finds.
fn check_at_quorum(cluster: &mut Cluster, asked: &[(String, Asked)]) {
    let mut newest: BTreeMap<String, Version> = BTreeMap::new();
    for (key, asked) in asked {
        if let ResponseBody::Write(WriteOutcome::Written { version, .. }) = cluster.answer(*asked).body {
            let newest = newest.entry(key.clone()).or_insert(version);
            *newest = version.max(*newest);
        }
    }
    assert!(newest.len() > 20, "the storm wrote too little");
    for (key, version) in newest {
        match cluster.get(0, &key, Level::Quorum) {
            ReadOutcome::Found { record } => {
                assert!(record.version >= version, "{key}: {} < {version}", record.version);
            }
            other => panic!("{key}: {other:?}"),
        }
    }
}

/// The newest acknowledged version of `key` so far.
fn floor(cluster: &Cluster, puts: &[(String, Asked)], key: &str) -> Option<Version> {
    let of_key = puts.iter().filter(|(put, _)| put == key);
    let answers = of_key.filter_map(|(_, asked)| cluster.answers.get(asked)?.first());
    let versions = answers.filter_map(|response| match response.body {
        ResponseBody::Write(WriteOutcome::Written { version, .. }) => Some(version),
        _ => None,
    });
    versions.max()
}

#[test]
fn a_quorum_read_never_misses_a_quorum_write_that_was_acknowledged_before_it_began() {
    let mut fresh = 0;
    for seed in 1..=8 {
        let mut cluster = Cluster::new(Plan { seed, ..Plan::new(1 + seed as usize % 2) });
        cluster.network.faults = Faults { delay_us: (20, 8_000), loss_percent: 3, double_percent: 10 };
        let (mut puts, mut gets) = (Vec::new(), Vec::new());
        for round in 0..120 {
            let (node, key) = (cluster.network.below(4) as usize, format!("k{}", cluster.network.below(6)));
            match cluster.network.below(40) {
                0 if (0..4).all(|node| cluster.nodes[node].up) => cluster.kill(node),
                1 | 2 => (0..4).for_each(|node| cluster.start_if_down(node)),
                _ if !cluster.nodes[node].up => {}
                chance if chance % 2 == 0 => {
                    let put = cluster.start_put(node, &key, &format!("v{round}"), Level::Quorum);
                    puts.push((key, put));
                }
                _ => {
                    let floor = floor(&cluster, &puts, &key);
                    gets.push((key.clone(), floor, cluster.start_get(node, &key, Level::Quorum)));
                }
            }
            cluster.run(Duration::from_millis(3));
        }
        cluster.run(Duration::from_secs(4));
        for (key, floor, get) in gets {
            let Some(answer) = cluster.answers.get(&get).and_then(|answers| answers.first()) else {
                continue;
            };
            let seen = match &answer.body {
                ResponseBody::Read(ReadOutcome::Found { record }) => Some(record.version),
                ResponseBody::Read(ReadOutcome::NotFound { .. }) => None,
                _ => continue,
            };
            assert!(seen >= floor, "seed {seed}, {key}: {seen:?} < {floor:?}");
            fresh += usize::from(floor.is_some());
        }
    }
    assert!(fresh > 150, "only {fresh} reads were put to the test");
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let run = |seed| {
        let mut cluster = Cluster::new(Plan { seed, ..Plan::new(2) });
        storm(&mut cluster, WORST);
        quiet(&mut cluster);
        (cluster.trace(), cluster.network.statistics)
    };
    let (first, second, other) = (run(11), run(11), run(12));
    assert_eq!(first, second);
    assert_ne!(first.0, other.0);
}
