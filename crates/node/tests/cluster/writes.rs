//! Claims about writes: when they are acknowledged, refused, recognised.

use std::time::Duration;

use quorate_types::{Level, Refusal, WriteOutcome};
use quorate_wire::ResponseBody;

use crate::harness::{Cluster, Plan, WALL_START_MS, is_written, version_of};

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_quorum_write_through_any_node_ends_on_all_three_replicas_and_is_read_through_any() {
    for shards in [1, 2] {
        let mut cluster = Cluster::new(Plan::new(shards));
        for i in 0..40 {
            let key = format!("k{i}");
            assert!(is_written(&cluster.put(i % 4, &key, &key, Level::Quorum)), "{key}");
            assert_eq!(cluster.value((i + 1) % 4, &key, Level::Quorum), key);
        }
        cluster.run(50 * MS);
        for i in 0..40 {
            let key = format!("k{i}");
            assert_eq!(cluster.copies(&key), vec![Some(key.clone()); 3]);
        }
        assert_eq!(cluster.differing(), []);
        assert_eq!(cluster.all_counters("hints_appended"), 0);
    }
}

#[test]
fn nothing_is_in_memory_or_acknowledged_before_the_log_is_durable() {
    let mut cluster = Cluster::new(Plan::new(2));
    let replicas = cluster.replicas("k");
    for &node in &replicas {
        cluster.nodes[node].log_stalled = true;
    }
    let asked = cluster.start_put(replicas[0], "k", "v", Level::One);
    cluster.run(100 * MS);
    assert_eq!(cluster.copies("k"), [None, None, None]);
    assert!(!cluster.answers.contains_key(&asked));
    cluster.unstall_log(replicas[2]);
    let outcome = cluster.write_answer(asked);
    assert!(matches!(outcome, WriteOutcome::Written { acked: 1, required: 1, .. }), "{outcome:?}");
    cluster.run(MS);
    assert_eq!(cluster.copies("k"), [None, None, Some("v".to_owned())]);
}

#[test]
fn with_too_few_replicas_alive_a_write_is_refused_before_anything_is_sent() {
    for shards in [1, 2] {
        let mut cluster = Cluster::new(Plan::new(shards));
        let replicas = cluster.replicas("k");
        cluster.kill(replicas[1]);
        cluster.run(10 * MS);
        let sent = cluster.writes_sent.clone();
        let outcome = cluster.put(replicas[0], "k", "v", Level::All);
        assert_eq!(outcome, WriteOutcome::Unavailable { required: 3, alive: 2 });
        assert_eq!((cluster.writes_sent.clone(), cluster.hints_for(replicas[0], replicas[1])), (sent, 0));
        assert!(is_written(&cluster.put(replicas[0], "k", "v", Level::Quorum)));
    }
}

#[test]
fn a_duplicate_in_flight_is_dropped_and_a_later_one_is_answered_alike_and_not_stamped_again() {
    let mut cluster = Cluster::new(Plan::new(1));
    let body = Cluster::put_body("k", "v", Level::Quorum, None);
    let asked = cluster.ask(0, "k", body.clone());
    let place = cluster.place(0, "k");
    cluster.ask_as(asked, place, body.clone());
    let first = cluster.write_answer(asked);
    cluster.run(50 * MS);
    assert_eq!(cluster.answers[&asked].len(), 1);
    cluster.ask_as(asked, place, body);
    cluster.run(50 * MS);
    let answers = &cluster.answers[&asked];
    assert_eq!((answers.len(), &answers[0]), (2, &answers[1]));
    assert!(is_written(&first));
    let counters = ["duplicates_in_flight", "duplicates_answered"].map(|name| cluster.counter(0, name));
    assert_eq!(counters, [1, 1]);
}

#[test]
fn a_retry_keeps_the_version_of_its_first_attempt() {
    let mut cluster = Cluster::new(Plan::new(2));
    let replicas = cluster.replicas("k");
    // The two other replicas take the frames and never sync: nobody knows whether they have it.
    cluster.nodes[replicas[1]].log_stalled = true;
    cluster.nodes[replicas[2]].log_stalled = true;
    let first = cluster.put(replicas[0], "k", "v", Level::Quorum);
    assert!(matches!(first, WriteOutcome::Indeterminate { acked: 1, required: 2, .. }), "{first:?}");
    cluster.unstall_log(replicas[1]);
    cluster.unstall_log(replicas[2]);
    let asked =
        cluster.ask(replicas[1], "k", Cluster::put_body("k", "v", Level::Quorum, Some(version_of(&first))));
    let second = cluster.write_answer(asked);
    assert!(is_written(&second));
    assert_eq!(version_of(&second), version_of(&first));
}

#[test]
fn a_coordinator_whose_clock_is_ahead_of_most_sends_nothing_and_takes_writes_as_soon_as_it_is_right() {
    let mut cluster = Cluster::new(Plan::new(1));
    let replicas = cluster.replicas("k");
    assert!(is_written(&cluster.put(replicas[0], "k", "v", Level::All)));
    cluster.run(Duration::from_secs(2));
    cluster.nodes[replicas[0]].wall_ahead_ms = 3_600_000;
    for level in [Level::One, Level::Linearizable] {
        let asked = cluster.start_put(replicas[0], "k", "future", level);
        let said = format!("{:?}", cluster.answer(asked).body);
        assert!(said.contains("ClockAhead { ahead_ms: 3600000, skew_max_ms: 5000 }"), "{said}");
    }
    cluster.run(Duration::from_secs(20));
    assert_eq!(cluster.copies("k"), vec![Some("v".to_owned()); 3]);
    assert_eq!(cluster.counter(replicas[0], "clock_ahead_refused"), 2);

    cluster.kill(replicas[0]);
    cluster.nodes[replicas[0]].wall_ahead_ms = 0;
    cluster.start(replicas[0]);
    cluster.run(Duration::from_secs(1));
    let after = version_of(&cluster.put(replicas[0], "k", "now", Level::All));
    assert!(after.timestamp.wall_ms() < WALL_START_MS + 60_000, "no ceiling was made durable an hour ahead");
}

#[test]
fn a_coordinator_whose_clock_is_far_ahead_of_its_only_peer_is_refused_by_it_and_not_followed() {
    let mut cluster = Cluster::new(Plan::new(1));
    let replicas = cluster.replicas("k");
    let others: Vec<usize> = (0..4).filter(|node| !replicas[..2].contains(node)).collect();
    for &node in &others {
        cluster.kill(node);
    }
    cluster.run(Duration::from_secs(1));
    cluster.nodes[replicas[0]].wall_ahead_ms = 60_000;
    let outcome = cluster.put(replicas[0], "k", "future", Level::Quorum);
    assert!(matches!(outcome, WriteOutcome::Indeterminate { acked: 1, .. }), "{outcome:?}");
    assert_eq!(cluster.counter(replicas[1], "clock_skew_refused"), 1);
    let sane = cluster.put(replicas[1], "other", "v", Level::One);
    assert!(version_of(&sane).timestamp.wall_ms() < WALL_START_MS + 60_000);
    // A retry of it through another node is refused as well, and nothing is sent.
    let retry = Cluster::put_body("k", "future", Level::One, Some(version_of(&outcome)));
    let asked = cluster.ask(replicas[1], "k", retry);
    let answer = cluster.answer(asked).body;
    assert!(
        matches!(answer, ResponseBody::Refused(Refusal::ClockSkew { skew_max_ms: 5_000, .. })),
        "{answer:?}"
    );
    // The hint for it is no fresh write: it is taken, whatever its stamp.
    for &node in &others {
        cluster.start(node);
    }
    cluster.run(Duration::from_secs(3));
    assert_eq!(cluster.copies("k"), vec![Some("future".to_owned()); 3]);
    let later = cluster.put(replicas[1], "other", "v", Level::One);
    assert!(version_of(&later).timestamp.wall_ms() < WALL_START_MS + 60_000, "hints never move the clock");
}

#[test]
fn writes_that_come_before_the_first_clock_ceiling_is_durable_wait_for_it_and_are_not_refused() {
    let mut cluster = Cluster::new(Plan::new(1));
    cluster.kill(0);
    cluster.start(0);
    let asked: Vec<_> = (0..5).map(|i| cluster.start_put(0, "k", &i.to_string(), Level::One)).collect();
    let versions: Vec<_> = asked.into_iter().map(|asked| version_of(&cluster.write_answer(asked))).collect();
    assert!(versions.is_sorted(), "in the order in which they came: {versions:?}");
    assert_eq!(cluster.counter(0, "clock_parked"), 5);
}

#[test]
fn a_node_that_restarts_with_its_clock_set_back_stamps_above_what_it_stamped_before() {
    for shards in [1, 2] {
        let mut cluster = Cluster::new(Plan::new(shards));
        cluster.nodes[0].wall_ahead_ms = 4_000;
        let before = version_of(&cluster.put(0, "k", "old", Level::Quorum));
        cluster.kill(0);
        cluster.nodes[0].wall_ahead_ms = 0;
        cluster.plan.shards = shards;
        cluster.start(0);
        cluster.run(10 * MS);
        let after = version_of(&cluster.put(0, "k", "new", Level::One));
        assert!(after > before, "{after} after {before}");
    }
}

#[test]
fn a_node_whose_log_failed_takes_no_writes_and_goes_on_answering_reads() {
    let mut cluster = Cluster::new(Plan::new(1));
    let replicas = cluster.replicas("k");
    assert!(is_written(&cluster.put(replicas[0], "k", "v", Level::All)));
    cluster.nodes[replicas[0]].log_stalled = true;
    let waiting = cluster.start_put(replicas[0], "k", "w", Level::All);
    cluster.run(10 * MS);
    cluster.tell(replicas[0], &quorate_node::Event::LogFailed);
    let lost = cluster.write_answer(waiting);
    assert!(matches!(lost, WriteOutcome::Indeterminate { acked: 2, required: 3, .. }), "{lost:?}");
    let asked = cluster.start_put(replicas[0], "k", "x", Level::One);
    assert_eq!(cluster.answer(asked).body, ResponseBody::Refused(Refusal::LogFailed));
    let through_other = cluster.put(replicas[1], "k", "y", Level::All);
    assert!(matches!(through_other, WriteOutcome::Indeterminate { acked: 1..=2, .. }), "{through_other:?}");
    cluster.run(10 * MS);
    assert_eq!(cluster.copies("k"), ["v", "y", "y"].map(|v| Some(v.to_owned())));
    assert_eq!(cluster.value(replicas[0], "k", Level::Quorum), "y");
    assert_eq!(cluster.counter(replicas[0], "hints_for_self"), 1);
}

#[test]
fn when_too_many_hints_wait_for_the_disk_new_writes_are_overloaded_before_anything_is_sent() {
    let tune = |config: &mut quorate_node::ShardConfig| config.limits.hints_pending_max = 3;
    let mut cluster = Cluster::new(Plan { tune, ..Plan::new(1) });
    let replicas = cluster.replicas("k");
    cluster.kill(replicas[1]);
    cluster.run(10 * MS);
    let asked: Vec<_> =
        (0..5).map(|i| cluster.start_put(replicas[0], "k", &i.to_string(), Level::Quorum)).collect();
    let answers: Vec<_> = asked.into_iter().map(|asked| cluster.answer(asked).body).collect();
    let overloaded = ResponseBody::Refused(Refusal::Overloaded { limit: "hints_pending_max".to_owned() });
    assert_eq!(answers.iter().filter(|&body| *body == overloaded).count(), 2, "{answers:?}");
    cluster.run(10 * MS);
    assert!(is_written(&cluster.put(replicas[0], "k", "later", Level::Quorum)), "the disk has caught up");
}

#[test]
fn a_link_with_too_much_outstanding_counts_its_peer_as_overloaded_and_the_write_becomes_a_hint() {
    let tune = |config: &mut quorate_node::ShardConfig| config.limits.link_outstanding_bytes_max = 200;
    let mut cluster = Cluster::new(Plan { tune, ..Plan::new(1) });
    let replicas = cluster.replicas("k");
    cluster.nodes[replicas[1]].log_stalled = true;
    for i in 0..5 {
        assert!(is_written(&cluster.put(replicas[0], "k", &i.to_string(), Level::Two)));
    }
    cluster.run(10 * MS);
    let missed = cluster.hints_for(replicas[0], replicas[1]);
    assert_eq!((cluster.counter(replicas[0], "hints_appended"), missed), (2, 2));
    cluster.unstall_log(replicas[1]);
    cluster.run(Duration::from_secs(1));
    assert_eq!(cluster.copies("k"), vec![Some("4".to_owned()); 3]);
}

#[test]
fn a_node_that_drains_its_clients_goes_on_as_a_replica() {
    let mut cluster = Cluster::new(Plan::new(2));
    let replicas = cluster.replicas("k");
    cluster.tell(replicas[0], &quorate_node::Event::Drain(quorate_node::Drain::Clients));
    let refused = cluster.start_put(replicas[0], "k", "v", Level::One);
    assert_eq!(cluster.answer(refused).body, ResponseBody::Refused(Refusal::ShuttingDown));
    assert!(is_written(&cluster.put(replicas[1], "k", "w", Level::All)));
    cluster.run(10 * MS);
    assert_eq!(cluster.copies("k"), vec![Some("w".to_owned()); 3]);
    assert_eq!(cluster.hints_for(replicas[1], replicas[0]), 0);
    assert!(cluster.shards(replicas[0]).all(quorate_node::Shard::quiescent));
}

#[test]
fn a_draining_node_refuses_new_requests_finishes_what_is_in_flight_and_is_quiescent_then() {
    let mut cluster = Cluster::new(Plan::new(2));
    let replicas = cluster.replicas("k");
    cluster.nodes[replicas[0]].log_stalled = true;
    let asked = cluster.start_put(replicas[0], "k", "v", Level::All);
    cluster.run(5 * MS);
    cluster.tell(replicas[0], &quorate_node::Event::Drain(quorate_node::Drain::Everybody));
    let late = cluster.start_put(replicas[0], "k", "w", Level::One);
    assert_eq!(cluster.answer(late).body, ResponseBody::Refused(Refusal::ShuttingDown));
    assert!(!cluster.shards(replicas[0]).all(quorate_node::Shard::quiescent));
    cluster.unstall_log(replicas[0]);
    assert!(is_written(&cluster.write_answer(asked)));
    cluster.run(10 * MS);
    assert!(cluster.shards(replicas[0]).all(quorate_node::Shard::quiescent));
    // Others see it refuse, and keep hints for it.
    assert!(is_written(&cluster.put(replicas[1], "k", "x", Level::Quorum)));
    cluster.run(10 * MS);
    assert_eq!(cluster.hints_for(replicas[1], replicas[0]), 1);
}
