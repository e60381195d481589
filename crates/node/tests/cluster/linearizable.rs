//! LINEARIZABLE on whole nodes: clocks that disagree, ceilings, sessions.

use std::time::Duration;

use quorate_types::{Level, Refusal, WriteOutcome};
use quorate_wire::ResponseBody;

use crate::harness::{Cluster, Plan, WALL_START_MS, is_written, version_of};

const MS: Duration = Duration::from_millis(1);

/// A cluster, the node that holds no copy of `k`, whose clock is 10 s behind the others', and the three replicas.
fn one_behind(tune: fn(&mut quorate_node::ShardConfig)) -> (Cluster, usize, Vec<usize>) {
    let mut cluster = Cluster::new(Plan { tune, ..Plan::new(2) });
    let replicas = cluster.replicas("k");
    let behind = (0..4).find(|node| !replicas.contains(node)).expect("four nodes, three replicas");
    for &node in &replicas {
        cluster.nodes[node].wall_ahead_ms = 10_000;
    }
    // Until they know it of each other.
    cluster.run(Duration::from_secs(2));
    (cluster, behind, replicas)
}

fn follow_far(config: &mut quorate_node::ShardConfig) {
    config.clock.skew_max = Duration::from_mins(1);
}

#[test]
fn a_coordinator_ten_seconds_behind_writes_a_larger_version_than_an_acknowledged_one() {
    let (mut cluster, behind, replicas) = one_behind(follow_far);
    let before = cluster.put(replicas[1], "k", "ahead", Level::Linearizable);
    let after = cluster.put(behind, "k", "behind", Level::Linearizable);
    assert!(is_written(&before) && is_written(&after), "{before:?} {after:?}");
    assert!(version_of(&after) > version_of(&before));
    for node in 0..4 {
        assert_eq!(cluster.value(node, "k", Level::Linearizable), "behind");
    }
}

/// Why levels of one key are not to be mixed.
#[test]
fn a_write_at_quorum_through_that_coordinator_is_acknowledged_and_never_seen() {
    let (mut cluster, behind, replicas) = one_behind(follow_far);
    assert!(is_written(&cluster.put(replicas[1], "k", "ahead", Level::Linearizable)));
    assert!(is_written(&cluster.put(behind, "k", "behind", Level::Quorum)));
    for node in 0..4 {
        assert_eq!(cluster.value(node, "k", Level::Linearizable), "ahead");
    }
}

#[test]
fn if_the_clock_may_not_follow_the_write_is_rejected_naming_both_clocks_and_nothing_was_written() {
    let (mut cluster, behind, replicas) = one_behind(|_| ());
    assert!(is_written(&cluster.put(replicas[1], "k", "ahead", Level::Two)));
    cluster.run(10 * MS);
    let outcome = cluster.put(behind, "k", "behind", Level::Linearizable);
    let WriteOutcome::Rejected { reason: Refusal::ClockBehind { newest_ms, ours_ms, skew_max_ms } } = outcome
    else {
        panic!("{outcome:?}")
    };
    assert_eq!(skew_max_ms, 5_000);
    assert!(newest_ms >= WALL_START_MS + 10_000 && ours_ms < WALL_START_MS + 5_000, "{newest_ms} {ours_ms}");
    cluster.run(Duration::from_secs(3));
    assert_eq!(cluster.copies("k"), vec![Some("ahead".to_owned()); 3]);
    assert_eq!(cluster.counter(behind, "queries_failed"), 1);
    // Through a coordinator whose clock is right the key can be written.
    assert!(is_written(&cluster.put(replicas[2], "k", "again", Level::Linearizable)));
}

#[test]
fn a_clock_that_is_past_the_newest_version_has_nothing_to_follow_though_the_wall_clock_was_set_back() {
    let mut cluster = Cluster::new(Plan::new(1));
    let replicas = cluster.replicas("k");
    for node in 0..4 {
        cluster.nodes[node].wall_ahead_ms = 20_000;
    }
    let before = cluster.put(replicas[0], "k", "old", Level::Linearizable);
    cluster.nodes[replicas[0]].wall_ahead_ms = 0;
    let after = cluster.put(replicas[0], "k", "new", Level::Linearizable);
    assert!(is_written(&after) && version_of(&after) > version_of(&before), "{after:?}");
}

#[test]
fn a_clock_that_followed_far_waits_for_its_ceiling_between_the_phases() {
    let (mut cluster, behind, replicas) = one_behind(follow_far);
    assert!(is_written(&cluster.put(replicas[1], "k", "ahead", Level::Linearizable)));
    // What comes without a stamp waits too, and behind it.
    cluster.nodes[behind].log_stalled = true;
    let asked = cluster.start_put(behind, "k", "behind", Level::Linearizable);
    cluster.run(20 * MS);
    let other = cluster.start_put(behind, "k", "later", Level::Quorum);
    cluster.run(20 * MS);
    assert_eq!(cluster.counter(behind, "clock_parked"), 2);
    cluster.unstall_log(behind);
    let (first, second) = (cluster.write_answer(asked), cluster.write_answer(other));
    assert!(is_written(&first) && is_written(&second), "{first:?} {second:?}");
    assert!(version_of(&second) > version_of(&first));
}

#[test]
fn a_write_that_waits_for_its_ceiling_when_the_log_fails_is_rejected_and_written_nowhere() {
    let (mut cluster, behind, replicas) = one_behind(follow_far);
    assert!(is_written(&cluster.put(replicas[1], "k", "ahead", Level::Linearizable)));
    cluster.run(10 * MS);
    cluster.nodes[behind].log_stalled = true;
    let asked = cluster.start_put(behind, "k", "behind", Level::Linearizable);
    cluster.run(20 * MS);
    cluster.tell(behind, &quorate_node::Event::LogFailed);
    assert_eq!(cluster.write_answer(asked), WriteOutcome::Rejected { reason: Refusal::LogFailed });
    cluster.run(Duration::from_secs(3));
    assert_eq!(cluster.copies("k"), vec![Some("ahead".to_owned()); 3]);
}

#[test]
fn with_too_many_waiting_for_the_ceiling_it_is_rejected_as_overloaded() {
    let (mut cluster, behind, replicas) = one_behind(|config| {
        follow_far(config);
        config.limits.clock_parked_max = 1;
    });
    assert!(is_written(&cluster.put(replicas[1], "k", "ahead", Level::Linearizable)));
    cluster.nodes[behind].log_stalled = true;
    let first = cluster.start_put(behind, "k", "one", Level::Linearizable);
    cluster.run(20 * MS);
    let second = cluster.put(behind, "k", "two", Level::Linearizable);
    let overloaded = Refusal::Overloaded { limit: "clock_ceiling".to_owned() };
    assert_eq!(second, WriteOutcome::Rejected { reason: overloaded });
    cluster.unstall_log(behind);
    assert!(is_written(&cluster.write_answer(first)));
}

#[test]
fn a_duplicate_is_not_stamped_again_in_either_phase() {
    let mut cluster = Cluster::new(Plan::new(1));
    let body = Cluster::put_body("k", "v", Level::Linearizable, None);
    let asked = cluster.ask(0, "k", body.clone());
    let place = cluster.place(0, "k");
    cluster.ask_as(asked, place, body.clone());
    let first = cluster.write_answer(asked);
    cluster.ask_as(asked, place, body);
    cluster.run(50 * MS);
    assert!(is_written(&first));
    let answers = &cluster.answers[&asked];
    assert_eq!((answers.len(), &answers[0]), (2, &answers[1]));
    let counters =
        ["queries", "duplicates_in_flight", "duplicates_answered"].map(|name| cluster.counter(0, name));
    assert_eq!(counters, [1, 1, 1]);
}

#[test]
fn a_retry_brings_the_version_of_its_first_attempt_and_does_not_ask_again() {
    let mut cluster = Cluster::new(Plan::new(1));
    let replicas = cluster.replicas("k");
    cluster.nodes[replicas[1]].log_stalled = true;
    cluster.nodes[replicas[2]].log_stalled = true;
    let first = cluster.put(replicas[0], "k", "v", Level::Linearizable);
    assert!(matches!(first, WriteOutcome::Indeterminate { acked: 1, required: 2, .. }), "{first:?}");
    cluster.unstall_log(replicas[1]);
    cluster.unstall_log(replicas[2]);
    let retry = Cluster::put_body("k", "v", Level::Linearizable, Some(version_of(&first)));
    let asked = cluster.ask(replicas[1], "k", retry);
    let second = cluster.write_answer(asked);
    assert!(is_written(&second));
    assert_eq!(version_of(&second), version_of(&first));
    assert_eq!(cluster.all_counters("queries"), 1);
}

#[test]
fn a_draining_node_is_not_quiescent_between_the_phases() {
    let mut cluster = Cluster::new(Plan::new(1));
    let outsider = (0..4).find(|node| !cluster.replicas("k").contains(node)).unwrap();
    let asked = cluster.start_put(outsider, "k", "v", Level::Linearizable);
    cluster.run(Duration::from_micros(1));
    assert_eq!(cluster.counter(outsider, "queries"), 1);
    cluster.tell(outsider, &quorate_node::Event::Drain(quorate_node::Drain::Everybody));
    assert!(!cluster.shards(outsider).all(quorate_node::Shard::quiescent));
    assert!(is_written(&cluster.write_answer(asked)));
    cluster.run(50 * MS);
    assert!(cluster.shards(outsider).all(quorate_node::Shard::quiescent));
}

#[test]
fn a_page_at_linearizable_is_rejected_by_name() {
    let mut cluster = Cluster::new(Plan::new(1));
    let partition = cluster.ring.token(b"k").partition();
    let body = quorate_wire::RequestBody::Page {
        keyspace: crate::harness::keyspace(),
        partition,
        start: quorate_types::PageStart::First,
        limit: 10,
        level: Some(Level::Linearizable),
    };
    let asked = cluster.ask(0, "k", body);
    let answer = cluster.answer(asked).body;
    let told = matches!(
        answer,
        ResponseBody::Page(quorate_wire::PageOutcome::Rejected { reason: Refusal::Unsupported { .. } })
    );
    assert!(told, "{answer:?}");
}
