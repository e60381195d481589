//! Claims about peers that go away and come back.

use std::time::Duration;

use quorate_types::{Level, ReadOutcome};

use crate::harness::{Asked, Cluster, Plan, is_written};
use crate::network::Place;

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_killed_node_is_down_at_once_and_alive_again_soon_after_its_start() {
    for shards in [1, 2] {
        let mut cluster = Cluster::new(Plan::new(shards));
        assert!(cluster.sees_alive(0, 1));
        cluster.kill(1);
        cluster.run(MS);
        assert!((0..4).filter(|&n| n != 1).all(|n| !cluster.sees_alive(n, 1)));
        cluster.start(1);
        cluster.run_until(Duration::from_secs(1), |c| (0..4).all(|n| n == 1 || c.sees_alive(n, 1)));
    }
}

#[test]
fn a_frozen_node_is_treated_as_down_after_two_seconds_and_catches_up_when_it_goes_on() {
    for shards in [1, 2] {
        let mut cluster = Cluster::new(Plan::new(shards));
        cluster.pause(2);
        cluster.run(1_700 * MS);
        assert!(cluster.sees_alive(0, 2), "not yet");
        cluster.run(800 * MS);
        assert!([0, 1, 3].iter().all(|&n| !cluster.sees_alive(n, 2)));
        for i in 0..30 {
            let key = format!("k{i}");
            assert!(is_written(&cluster.put([0, 1, 3][i % 3], &key, &key, Level::Two)));
        }
        cluster.run(Duration::from_secs(30));
        cluster.resume(2);
        cluster.run(Duration::from_secs(5));
        assert!((0..4).all(|a| (0..4).all(|b| a == b || cluster.sees_alive(a, b))));
        assert_eq!(cluster.differing(), []);
    }
}

#[test]
fn a_node_that_was_frozen_itself_convicts_nobody_of_the_others() {
    let mut cluster = Cluster::new(Plan::new(1));
    cluster.pause(2);
    cluster.run(Duration::from_millis(1_900));
    cluster.resume(2);
    cluster.run(MS);
    assert!([0, 1, 3].iter().all(|&n| cluster.sees_alive(2, n)));
    assert_eq!(cluster.counter(2, "peers_down"), 0);
}

#[test]
fn a_one_way_cut_is_seen_by_both_ends() {
    let mut cluster = Cluster::new(Plan::new(1));
    cluster.network.cuts.insert((0, 1));
    cluster.run(Duration::from_millis(2_500));
    // n1's pings do not arrive; n2's do, but the answers don't.
    assert!(!cluster.sees_alive(0, 1) && !cluster.sees_alive(1, 0));
    assert!(cluster.sees_alive(0, 2) && cluster.sees_alive(1, 2));
    cluster.network.cuts.clear();
    cluster.run(Duration::from_secs(2));
    assert!(cluster.sees_alive(0, 1) && cluster.sees_alive(1, 0));
}

#[test]
fn a_cut_of_half_a_minute_heals_by_fresh_links() {
    let mut cluster = Cluster::new(Plan::new(2));
    cluster.network.cut_both(0, 1);
    cluster.run(Duration::from_secs(30));
    assert!(!cluster.network.connections.values().any(|c| (c.from.node, c.to.node) == (0, 1)), "closed");
    cluster.network.cuts.clear();
    cluster.run_until(Duration::from_secs(2), |c| c.sees_alive(0, 1) && c.sees_alive(1, 0));
}

/// How long `asked` takes to be answered.
fn time_to(cluster: &mut Cluster, asked: Asked) -> Duration {
    let began = cluster.now(0).mono;
    cluster.answer(asked);
    cluster.now(0).mono.since(began)
}

#[test]
fn what_waits_for_a_node_that_dies_fails_at_once_and_not_at_its_deadline() {
    let mut cluster = Cluster::new(Plan::new(2));
    let replicas = cluster.replicas("k");
    cluster.nodes[replicas[1]].log_stalled = true;
    let write = cluster.start_put(replicas[0], "k", "v", Level::All);
    cluster.run(10 * MS);
    cluster.kill(replicas[1]);
    assert!(time_to(&mut cluster, write) < 5 * MS);
    assert_eq!(cluster.counter(replicas[0], "writes_lost"), 1);
}

#[test]
fn a_read_whose_link_ends_fails_at_once_though_its_peer_is_alive_by_other_links() {
    let mut cluster = Cluster::new(Plan::new(2));
    let (replicas, place) = (cluster.replicas("k"), cluster.place(0, "k"));
    cluster.pause(replicas[1]);
    let read = cluster.start_get(replicas[0], "k", Level::All);
    cluster.run(10 * MS);
    cluster.cut_link(Place { node: replicas[0], ..place }, Place { node: replicas[1], ..place });
    assert!(time_to(&mut cluster, read) < 5 * MS);
    assert!(cluster.sees_alive(replicas[0], replicas[1]));
}

#[test]
fn a_read_that_waits_for_a_frozen_node_fails_when_it_is_convicted() {
    let mut cluster = Cluster::new(Plan::new(1));
    let replicas = cluster.replicas("k");
    cluster.patience_ms = 9_000;
    cluster.pause(replicas[1]);
    let read = cluster.start_get(replicas[0], "k", Level::All);
    let took = time_to(&mut cluster, read);
    assert!(took > Duration::from_secs(1) && took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn a_failed_node_that_holds_no_copy_disturbs_nobody() {
    let mut cluster = Cluster::new(Plan::new(1));
    let replicas = cluster.replicas("k");
    let stranger = (0..4).find(|node| !replicas.contains(node)).expect("four nodes, three replicas");
    assert!(is_written(&cluster.put(stranger, "k", "v", Level::All)));
    cluster.kill(stranger);
    for &node in &replicas {
        assert_eq!(cluster.value(node, "k", Level::All), "v");
    }
    assert_eq!(cluster.get(replicas[0], "missing", Level::Quorum), ReadOutcome::NotFound { expired: None });
}

#[test]
fn with_two_of_three_replicas_gone_a_quorum_read_fails_by_name_and_one_still_answers() {
    let mut cluster = Cluster::new(Plan::new(2));
    let replicas = cluster.replicas("k");
    assert!(is_written(&cluster.put(replicas[0], "k", "v", Level::All)));
    cluster.kill(replicas[1]);
    cluster.kill(replicas[2]);
    cluster.run(5 * MS);
    let got = cluster.get(replicas[0], "k", Level::Quorum);
    assert_eq!(got, ReadOutcome::Unavailable { required: 2, alive: 1 });
    assert_eq!(cluster.value(replicas[0], "k", Level::One), "v");
}

#[test]
fn after_the_kill_of_all_at_once_every_acknowledged_write_is_there_at_quorum() {
    for (shards, after) in [(1, 2), (2, 1), (2, 2)] {
        let mut cluster = Cluster::new(Plan::new(shards));
        let asked: Vec<_> = (0..100)
            .map(|i| {
                (format!("k{i}"), cluster.start_put(i % 4, &format!("k{i}"), &format!("v{i}"), Level::Quorum))
            })
            .collect();
        cluster.run(Duration::from_micros(450));
        let written: Vec<_> = asked
            .iter()
            .enumerate()
            .filter(|(_, (_, asked))| cluster.answers.contains_key(asked))
            .map(|(i, (key, asked))| (i, key.clone(), *asked))
            .collect();
        assert!(!written.is_empty(), "some were answered");
        (0..4).for_each(|node| cluster.kill(node));
        cluster.plan.shards = after;
        (0..4).for_each(|node| cluster.start(node));
        cluster.run(Duration::from_secs(1));
        for (i, key, asked) in written {
            assert!(is_written(&cluster.write_answer(asked)));
            assert_eq!(cluster.value(i % 4, &key, Level::Quorum), format!("v{i}"));
        }
    }
}
