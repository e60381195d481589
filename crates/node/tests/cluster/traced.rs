//! Claims about traces: every replica that a traced request is sent to is told, and nobody else.

use std::time::Duration;

use bytes::Bytes;
use quorate_coordinator::{KeyspacePolicy, ReadRepairPolicy};
use quorate_node::{Event, PartKind, PartOutcome, Served};
use quorate_types::{Level, PageStart, Refusal, SpanId, Trace, TraceId};
use quorate_wire::{ExpiryRequest, RequestBody, ResponseBody};

use crate::harness::{Asked, Cluster, Plan, is_written, keyspace};

const MS: Duration = Duration::from_millis(1);

fn trace(span: u8) -> Trace {
    let id = TraceId::new([7; 16]).expect("not zero");
    Trace { id, parent: SpanId::new([span; 8]).expect("not zero"), flags: Trace::SAMPLED }
}

fn get_body(key: &str, level: Level) -> RequestBody {
    RequestBody::Get { keyspace: keyspace(), key: Bytes::copy_from_slice(key.as_bytes()), level: Some(level) }
}

/// Runs until the request is answered and all that follows from it is done: who did what for it, sorted.
fn parts(cluster: &mut Cluster, asked: Asked, trace: Trace) -> Vec<(usize, PartKind, PartOutcome)> {
    cluster.answer(asked);
    cluster.run(100 * MS);
    let mut parts = Vec::new();
    for (node, Served { part, outcome, .. }) in std::mem::take(&mut cluster.served) {
        assert_eq!(part.trace, trace);
        assert_eq!(part.keyspace, keyspace());
        parts.push((node, part.what, outcome));
    }
    parts.sort_by_key(|(node, what, _)| (*node, what.to_string()));
    parts
}

/// Each of `nodes` has done each of `whats`.
fn each(nodes: &[usize], whats: &[PartKind]) -> Vec<(usize, PartKind, PartOutcome)> {
    let mut nodes = nodes.to_vec();
    nodes.sort_unstable();
    let part = |node| whats.iter().map(move |what| (node, *what, PartOutcome::Done));
    nodes.into_iter().flat_map(part).collect()
}

/// A node that holds no copy of `key`.
fn stranger(cluster: &Cluster, key: &str) -> usize {
    (0..4).find(|node| !cluster.replicas(key).contains(node)).expect("three of four hold it")
}

#[test]
fn every_replica_of_a_traced_write_or_read_is_told_who_asked_the_own_copy_and_other_shards_too() {
    for shards in [1, 2] {
        let mut cluster = Cluster::new(Plan::new(shards));
        for key in ["a", "b", "c", "d"] {
            for node in [cluster.replicas(key)[0], stranger(&cluster, key)] {
                let put = Cluster::put_body(key, "v", Level::Quorum, None);
                let asked = cluster.ask_traced(node, key, put, trace(1));
                cluster.answer(asked);
                cluster.run(100 * MS);
                let token = cluster.ring.token(key.as_bytes());
                for (_, served) in &cluster.served {
                    assert_eq!((served.part.coordinator, served.part.token), (cluster.nodes[node].id, token));
                    // The log takes 200 µs here.
                    assert!(served.elapsed >= Duration::from_micros(200), "{served:?}");
                }
                let replicas = cluster.replicas(key);
                assert_eq!(parts(&mut cluster, asked, trace(1)), each(&replicas, &[PartKind::Write]));
                let asked = cluster.ask_traced(node, key, get_body(key, Level::All), trace(2));
                assert_eq!(parts(&mut cluster, asked, trace(2)), each(&replicas, &[PartKind::Read]));
            }
        }
    }
}

#[test]
fn requests_that_read_first_and_linearizable_ones_are_traced_in_all_their_phases() {
    let mut cluster = Cluster::new(Plan::new(1));
    let replicas = cluster.replicas("k");
    let put = Cluster::put_body("k", "v", Level::Linearizable, None);
    let asked = cluster.ask_traced(0, "k", put, trace(1));
    assert_eq!(parts(&mut cluster, asked, trace(1)), each(&replicas, &[PartKind::Read, PartKind::Write]));
    let expire = RequestBody::Expire {
        keyspace: keyspace(),
        key: "k".into(),
        expiry: ExpiryRequest::TtlMs(60_000),
        read: Some(Level::All),
        write: Some(Level::All),
        version: None,
    };
    let asked = cluster.ask_traced(0, "k", expire, trace(2));
    assert_eq!(parts(&mut cluster, asked, trace(2)), each(&replicas, &[PartKind::Read, PartKind::Write]));
}

#[test]
fn a_page_and_an_explanation_are_traced() {
    let mut cluster = Cluster::new(Plan::new(1));
    let (replicas, token) = (cluster.replicas("k"), cluster.ring.token(b"k"));
    let partition = token.partition();
    let page = RequestBody::Page {
        keyspace: keyspace(),
        partition,
        start: PageStart::First,
        limit: 10,
        level: Some(Level::All),
    };
    let asked = cluster.ask_traced(0, "k", page, trace(1));
    cluster.answer(asked);
    let tokens: Vec<_> = cluster.served.iter().map(|(_, served)| served.part.token).collect();
    assert_eq!(tokens, [partition.first_token(); 3]);
    assert_eq!(parts(&mut cluster, asked, trace(1)), each(&replicas, &[PartKind::Page]));
    let explain = RequestBody::Explain { keyspace: keyspace(), key: "k".into() };
    let asked = cluster.ask_traced(0, "k", explain, trace(2));
    assert_eq!(parts(&mut cluster, asked, trace(2)), each(&replicas, &[PartKind::Read]));
}

/// A cluster in which `replicas[2]` of "k" missed the last write and has no hint of it.
fn one_is_behind(read_repair: ReadRepairPolicy) -> (Cluster, Vec<usize>) {
    let policy = KeyspacePolicy { read_repair, hinted_handoff: false, ..KeyspacePolicy::default() };
    let mut cluster = Cluster::new(Plan { policy, ..Plan::new(1) });
    let replicas = cluster.replicas("k");
    cluster.kill(replicas[2]);
    cluster.run(10 * MS);
    assert!(is_written(&cluster.put(replicas[0], "k", "v", Level::Two)));
    cluster.start(replicas[2]);
    cluster.run(Duration::from_secs(2));
    (cluster, replicas)
}

#[test]
fn a_repair_that_the_answer_waits_for_is_part_of_its_trace() {
    let (mut cluster, replicas) = one_is_behind(ReadRepairPolicy::Blocking);
    let asked = cluster.ask_traced(replicas[0], "k", get_body("k", Level::All), trace(1));
    let mut expected = each(&replicas, &[PartKind::Read]);
    expected.extend(each(&replicas[2..], &[PartKind::Repair]));
    expected.sort_by_key(|(node, what, _)| (*node, what.to_string()));
    assert_eq!(parts(&mut cluster, asked, trace(1)), expected);
}

#[test]
fn what_is_done_after_the_answer_is_nobodys_trace() {
    let (mut cluster, replicas) = one_is_behind(ReadRepairPolicy::Background);
    let asked = cluster.ask_traced(replicas[0], "k", get_body("k", Level::One), trace(1));
    assert_eq!(parts(&mut cluster, asked, trace(1)), each(&replicas[..1], &[PartKind::Read]));
    assert!(cluster.copy(replicas[2], "k").is_some(), "it was repaired all the same");
}

#[test]
fn a_hint_is_delivered_without_the_trace_of_the_write_that_it_was_kept_of() {
    let mut cluster = Cluster::new(Plan::new(1));
    let replicas = cluster.replicas("k");
    cluster.kill(replicas[2]);
    cluster.run(10 * MS);
    let asked = cluster.ask_traced(replicas[0], "k", Cluster::put_body("k", "v", Level::Two, None), trace(1));
    assert_eq!(parts(&mut cluster, asked, trace(1)), each(&replicas[..2], &[PartKind::Write]));
    cluster.start(replicas[2]);
    cluster.run(Duration::from_secs(5));
    assert!(cluster.copy(replicas[2], "k").is_some(), "the hint was delivered");
    assert_eq!(cluster.served, []);
}

#[test]
fn a_traced_write_among_others_in_one_batch_is_the_only_one_that_leaves_a_line() {
    let mut cluster = Cluster::new(Plan::new(1));
    let node = stranger(&cluster, "k");
    let before = cluster.start_put(node, "k", "before", Level::All);
    let asked = cluster.ask_traced(node, "k", Cluster::put_body("k", "v", Level::All, None), trace(1));
    let after = cluster.start_put(node, "k", "after", Level::All);
    let replicas = cluster.replicas("k");
    assert_eq!(parts(&mut cluster, asked, trace(1)), each(&replicas, &[PartKind::Write]));
    assert!([before, after].map(|asked| is_written(&cluster.write_answer(asked))).iter().all(|done| *done));
    let untraced = cluster.start_get(node, "k", Level::All);
    cluster.answer(untraced);
    assert_eq!(cluster.served, []);
}

#[test]
fn a_part_that_a_replica_refuses_says_why() {
    let mut cluster = Cluster::new(Plan {
        tune: |config| config.limits.value_bytes_max = if config.node.0.is_multiple_of(2) { 1 } else { 10 },
        ..Plan::new(1)
    });
    let small = |node: &usize| cluster.nodes[*node].id.0.is_multiple_of(2);
    let (key, node) = (0..100)
        .map(|i| format!("k{i}"))
        .find_map(|key| {
            let replicas = cluster.replicas(&key);
            let large = replicas.iter().find(|node| !small(node)).copied()?;
            replicas.iter().any(small).then_some((key, large))
        })
        .unwrap();
    let expected = cluster.replicas(&key).iter().filter(|node| small(node)).count();
    let put = Cluster::put_body(&key, "large", Level::One, None);
    let asked = cluster.ask_traced(node, &key, put, trace(1));
    let refused = PartOutcome::Refused(Refusal::ValueTooLarge { bytes: 5, bytes_max: 1 });
    let parts = parts(&mut cluster, asked, trace(1));
    assert_eq!(parts.iter().filter(|(_, _, outcome)| *outcome == refused).count(), expected, "{parts:?}");
    assert_eq!(refused.to_string(), "refused: the value has 5 bytes, more than value_bytes_max = 1");
}

#[test]
fn a_write_that_the_log_fails_under_is_told_as_unknown() {
    let mut cluster = Cluster::new(Plan::new(1));
    let replicas = cluster.replicas("k");
    cluster.nodes[replicas[1]].log_stalled = true;
    let put = Cluster::put_body("k", "v", Level::Two, None);
    let asked = cluster.ask_traced(replicas[0], "k", put, trace(1));
    let done = each(&[replicas[0], replicas[2]], &[PartKind::Write]);
    assert_eq!(parts(&mut cluster, asked, trace(1)), done);
    cluster.tell(replicas[1], &Event::LogFailed);
    let lost = vec![(replicas[1], PartKind::Write, PartOutcome::Lost)];
    assert_eq!(parts(&mut cluster, asked, trace(1)), lost);
}

#[test]
fn a_peer_that_speaks_the_protocol_before_traces_is_asked_without_and_serves_all_the_same() {
    let mut cluster = Cluster::new(Plan { protocol: 1, ..Plan::new(1) });
    let replicas = cluster.replicas("k");
    let put = Cluster::put_body("k", "v", Level::All, None);
    let asked = cluster.ask_traced(replicas[0], "k", put, trace(1));
    assert_eq!(parts(&mut cluster, asked, trace(1)), each(&replicas[..1], &[PartKind::Write]));
    let asked = cluster.ask_traced(stranger(&cluster, "k"), "k", get_body("k", Level::All), trace(1));
    let ResponseBody::Read(found) = cluster.answer(asked).body else { panic!() };
    assert!(matches!(found, quorate_types::ReadOutcome::Found { .. }), "{found:?}");
    assert_eq!(cluster.served, []);
}
