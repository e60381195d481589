//! Claims about hints: kept, delivered, dropped.

use std::time::Duration;

use bytes::Bytes;
use quorate_coordinator::{KeyspacePolicy, ReadRepairPolicy};
use quorate_types::{Level, ReadOutcome};
use quorate_wire::{CopyView, RequestBody, ResponseBody};

use crate::harness::{Cluster, Plan, is_written, keyspace};

const MS: Duration = Duration::from_millis(1);

/// Handoff alone: what comes back comes by hints, not by reads.
fn handoff_alone(shards: usize) -> Plan {
    let policy = KeyspacePolicy { read_repair: ReadRepairPolicy::Off, ..KeyspacePolicy::default() };
    Plan { policy, ..Plan::new(shards) }
}

/// Writes `count` keys through all nodes but `down`; how many of them `down` holds.
fn write_without(cluster: &mut Cluster, down: usize, count: usize) -> usize {
    let writers: Vec<usize> = (0..4).filter(|&node| node != down).collect();
    for i in 0..count {
        let key = format!("k{i}");
        assert!(is_written(&cluster.put(writers[i % 3], &key, &key, Level::Two)), "{key}");
    }
    (0..count).filter(|i| cluster.replicas(&format!("k{i}")).contains(&down)).count()
}

#[test]
fn a_node_that_was_down_has_every_write_that_it_missed_without_a_single_read() {
    for shards in [1, 2] {
        let mut cluster = Cluster::new(handoff_alone(shards));
        cluster.kill(1);
        cluster.run(10 * MS);
        let missed = write_without(&mut cluster, 1, 300) as u64;
        cluster.run(10 * MS);
        let kept: u64 = [0, 2, 3].map(|holder| cluster.hints_for(holder, 1)).iter().sum();
        assert_eq!(kept, missed);
        cluster.start(1);
        cluster.run_until(Duration::from_secs(5), |c| [0, 2, 3].iter().all(|&h| c.hints_for(h, 1) == 0));
        cluster.run(10 * MS);
        assert_eq!(cluster.differing(), []);
        assert_eq!(cluster.all_counters("hints_replayed"), missed);
        assert_eq!(cluster.all_counters("peer_reads"), 0);
    }
}

#[test]
fn with_handoff_and_repair_off_it_stays_behind_and_explain_shows_it() {
    let policy = KeyspacePolicy {
        read_repair: ReadRepairPolicy::Off,
        hinted_handoff: false,
        ..KeyspacePolicy::default()
    };
    let mut cluster = Cluster::new(Plan { policy, ..Plan::new(2) });
    let replicas = cluster.replicas("k");
    assert!(is_written(&cluster.put(replicas[0], "k", "old", Level::All)));
    cluster.kill(replicas[1]);
    cluster.run(10 * MS);
    assert!(is_written(&cluster.put(replicas[0], "k", "new", Level::Quorum)));
    cluster.start(replicas[1]);
    cluster.run(Duration::from_secs(3));
    assert_eq!(cluster.value(replicas[0], "k", Level::Quorum), "new");
    let explain = RequestBody::Explain { keyspace: keyspace(), key: Bytes::from_static(b"k") };
    let asked = cluster.ask(replicas[0], "k", explain);
    let ResponseBody::Explain(explained) = cluster.answer(asked).body else { panic!("an explanation") };
    let versions: Vec<_> = explained
        .replicas
        .iter()
        .map(|view| match view.copy {
            CopyView::Present { version, .. } => version,
            ref other => panic!("{other:?}"),
        })
        .collect();
    assert!(versions[1] < versions[0] && versions[0] == versions[2]);
    assert_eq!(explained.winner, Some(versions[0]));
}

#[test]
fn explain_says_how_many_hints_the_coordinator_holds_for_each_replica() {
    let mut cluster = Cluster::new(handoff_alone(2));
    let replicas = cluster.replicas("k");
    cluster.kill(replicas[2]);
    cluster.run(10 * MS);
    for i in 0..3 {
        assert!(is_written(&cluster.put(replicas[0], "k", &i.to_string(), Level::Two)));
    }
    cluster.run(10 * MS);
    let explain = RequestBody::Explain { keyspace: keyspace(), key: Bytes::from_static(b"k") };
    let asked = cluster.ask(replicas[0], "k", explain);
    let ResponseBody::Explain(explained) = cluster.answer(asked).body else { panic!("an explanation") };
    let told: Vec<_> = explained.replicas.iter().map(|view| (view.alive, view.hints_here)).collect();
    assert_eq!(told, [(true, 0), (true, 0), (false, 3)]);
}

#[test]
fn durable_hints_survive_the_kill_of_their_holder() {
    for shards in [1, 2] {
        let mut cluster = Cluster::new(handoff_alone(shards));
        cluster.kill(1);
        cluster.run(10 * MS);
        write_without(&mut cluster, 1, 60);
        cluster.run(10 * MS);
        let held = cluster.hints_for(0, 1);
        assert!(held > 0);
        cluster.kill(0);
        cluster.start(0);
        assert_eq!(cluster.hints_for(0, 1), held);
        cluster.start(1);
        cluster.run(Duration::from_secs(5));
        assert_eq!(cluster.differing(), []);
    }
}

#[test]
fn a_node_that_comes_back_and_coordinates_a_request_reveals_itself_and_gets_its_hints() {
    let mut cluster = Cluster::new(handoff_alone(2));
    cluster.kill(1);
    cluster.run(10 * MS);
    write_without(&mut cluster, 1, 60);
    // The holders have given up dialling; only what the node sends them itself tells that it is back.
    for holder in [0, 2, 3] {
        cluster.nodes[holder].dials = false;
    }
    cluster.run(Duration::from_secs(1));
    cluster.start(1);
    cluster.run(5 * MS);
    assert!(is_written(&cluster.put(1, "another key", "v", Level::Quorum)));
    cluster.run_until(Duration::from_secs(5), |c| [0, 2, 3].iter().all(|&h| c.hints_for(h, 1) == 0));
    cluster.run(10 * MS);
    assert_eq!(cluster.differing(), []);
}

#[test]
fn a_put_at_two_with_one_replica_down_makes_exactly_one_hint() {
    let mut cluster = Cluster::new(handoff_alone(1));
    let replicas = cluster.replicas("k");
    cluster.kill(replicas[1]);
    cluster.run(10 * MS);
    assert!(is_written(&cluster.put(replicas[0], "k", "v", Level::Two)));
    cluster.run(Duration::from_secs(3));
    let held: Vec<u64> = (0..4).map(|holder| cluster.hints_for(holder, replicas[1])).collect();
    assert_eq!(held.iter().sum::<u64>(), 1);
}

#[test]
fn a_delete_that_a_replica_missed_is_not_revived_when_it_returns() {
    let mut cluster = Cluster::new(Plan::new(1));
    let replicas = cluster.replicas("k");
    assert!(is_written(&cluster.put(replicas[0], "k", "old", Level::All)));
    cluster.kill(replicas[2]);
    cluster.run(10 * MS);
    assert!(is_written(&cluster.delete(replicas[0], "k", Level::Quorum)));
    cluster.start(replicas[2]);
    cluster.run(Duration::from_secs(3));
    for node in 0..4 {
        let got = cluster.get(node, "k", Level::One);
        assert!(matches!(got, ReadOutcome::Deleted { .. }), "{got:?}");
    }
}

#[test]
fn hints_older_than_the_window_are_dropped_and_none_are_taken_any_more() {
    let tune = |config: &mut quorate_node::ShardConfig| config.handoff.window = Duration::from_secs(20);
    let mut cluster = Cluster::new(Plan { tune, ..handoff_alone(1) });
    let replicas = cluster.replicas("k");
    let (holder, target) = (replicas[0], replicas[1]);
    cluster.kill(target);
    cluster.run(10 * MS);
    assert!(is_written(&cluster.put(holder, "k", "first", Level::Two)));
    cluster.run(Duration::from_secs(15));
    assert!(is_written(&cluster.put(holder, "k", "second", Level::Two)));
    cluster.run(Duration::from_secs(6));
    assert!(is_written(&cluster.put(holder, "k", "too late", Level::Two)));
    cluster.run(10 * MS);
    assert_eq!((cluster.hints_for(holder, target), cluster.counter(holder, "hints_beyond_window")), (2, 1));
    cluster.start(target);
    cluster.run(Duration::from_secs(2));
    assert_eq!(cluster.copies("k")[1].as_deref(), Some("second"));
    let counters = ["hints_expired", "hints_replayed"].map(|name| cluster.counter(holder, name));
    assert_eq!(counters, [1, 1]);
}

#[test]
fn hints_go_page_by_page_and_the_lossy_way_repeats_some_and_skips_none() {
    let tune = |config: &mut quorate_node::ShardConfig| {
        config.handoff.page_bytes_max = 600;
        config.handoff.page_bytes_min = 300;
        config.handoff.wait = Duration::from_millis(100);
    };
    let mut cluster = Cluster::new(Plan { tune, ..handoff_alone(2) });
    cluster.kill(1);
    cluster.run(10 * MS);
    write_without(&mut cluster, 1, 100);
    cluster.start(1);
    cluster.network.faults =
        crate::network::Faults { delay_us: (50, 4_000), loss_percent: 20, double_percent: 20 };
    cluster.run_until(Duration::from_mins(5), |c| [0, 2, 3].iter().all(|&h| c.hints_for(h, 1) == 0));
    cluster.network.faults = crate::network::Faults::NONE;
    cluster.run(Duration::from_secs(1));
    assert_eq!(cluster.differing(), []);
    assert!(cluster.all_counters("hint_pages_failed") > 0, "the run met no loss");
}

#[test]
fn a_target_that_comes_back_gets_its_hints_at_once_however_long_the_pause_was_to_be() {
    let tune = |config: &mut quorate_node::ShardConfig| {
        config.handoff.backoff_min = Duration::from_mins(5);
        config.handoff.wait = Duration::from_millis(100);
    };
    let mut cluster = Cluster::new(Plan { tune, ..handoff_alone(1) });
    let replicas = cluster.replicas("k");
    let (holder, target) = (replicas[0], replicas[1]);
    cluster.kill(target);
    cluster.run(10 * MS);
    assert!(is_written(&cluster.put(holder, "k", "v", Level::Two)));
    // It comes back, takes the page and never acknowledges it.
    cluster.nodes[target].log_stalled = true;
    cluster.start(target);
    cluster.run(Duration::from_secs(5));
    assert_eq!((cluster.counter(holder, "hint_pages_failed"), cluster.hints_for(holder, target)), (1, 1));
    cluster.kill(target);
    cluster.nodes[target].log_stalled = false;
    cluster.start(target);
    cluster.run(Duration::from_secs(1));
    assert_eq!((cluster.hints_for(holder, target), cluster.copies("k")), (0, vec![Some("v".to_owned()); 3]));
}

#[test]
fn a_hint_whose_target_is_no_replica_any_more_goes_to_the_current_owners() {
    // A hint for a node that no ring knows: its owners of today are the replicas of its key.
    let mut cluster = Cluster::new(handoff_alone(1));
    let replicas = cluster.replicas("k");
    let stranger = quorate_types::NodeId::of_name("gone");
    let version = quorate_types::Version::new(quorate_types::Timestamp(5), stranger);
    let record = quorate_types::Record::put(version, "orphan", None);
    let created_wall_ms = crate::harness::WALL_START_MS;
    let hint = quorate_store::Hint { keyspace: keyspace(), key: "k".into(), record, created_wall_ms };
    let log = cluster.nodes[replicas[0]].disk.hints.entry(stranger).or_default();
    log.append(hint);
    let backlog = log.backlog();
    cluster.tell(replicas[0], &quorate_node::Event::HintsFound { target: stranger, backlog });
    cluster.run(Duration::from_secs(1));
    assert_eq!(cluster.copies("k"), vec![Some("orphan".to_owned()); 3]);
    assert_eq!(cluster.counter(replicas[0], "hints_rerouted"), 1);
    assert_eq!(cluster.writes_sent.get("repair"), Some(&2));
}
