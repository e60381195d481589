//! Claims about slow requests: whatever one waited for, it is told, with what was asked for. That this goes for every
//! answer of all the other tests, too, is seen to by the harness.

use std::time::Duration;

use bytes::Bytes;
use quorate_node::{Event, SlowAnswer, WaitedFor};
use quorate_types::{Level, PageStart, ReadOutcome, Refusal, WriteOutcome};
use quorate_wire::{ExpiryRequest, RequestBody, ResponseBody};

use crate::harness::{Asked, Cluster, Plan, is_written, keyspace, version_of};

const MS: Duration = Duration::from_millis(1);

fn cluster() -> Cluster {
    let mut cluster = Cluster::new(Plan { slow_after: 100 * MS, ..Plan::new(2) });
    assert!(is_written(&cluster.put(0, "k", "v", Level::All)));
    assert_eq!(cluster.slow, [], "nothing of this is slow");
    cluster
}

/// The coordinator of all these requests holds a copy itself.
fn own(cluster: &Cluster) -> usize {
    cluster.replicas("k")[0]
}

/// Answers the request, and says what it waited for, in words, milliseconds and with the replicas that answered.
fn waits(cluster: &mut Cluster, asked: Asked) -> (ResponseBody, Vec<String>) {
    let body = cluster.answer(asked).body;
    let [SlowAnswer { waits, .. }] = &cluster.slow[..] else { panic!("one is slow: {:?}", cluster.slow) };
    let in_words = |what: &WaitedFor| match what {
        WaitedFor::Replicas(replies) => format!("{} replicas", replies.receipt.answered.len()),
        WaitedFor::ReadFirst(replies) => format!("{} read first", replies.receipt.answered.len()),
        WaitedFor::Shard => "shard".to_owned(),
        WaitedFor::ClockCeiling => "clock".to_owned(),
        WaitedFor::Earlier => "earlier".to_owned(),
    };
    let waits = waits.iter().map(|wait| format!("{} {}", in_words(&wait.what), wait.took.as_millis()));
    (body, waits.collect())
}

/// Asks a shard that takes requests up no sooner than after this time: it stands still.
fn ask_late(cluster: &mut Cluster, body: RequestBody, after: Duration) -> Asked {
    let own = own(cluster);
    cluster.pause(own);
    let asked = cluster.ask(own, "k", body);
    cluster.run(after);
    cluster.resume(own);
    asked
}

fn get_body(level: Level) -> RequestBody {
    RequestBody::Get { keyspace: keyspace(), key: "k".into(), level: Some(level) }
}

fn expire_body() -> RequestBody {
    let (level, expiry) = (Some(Level::Quorum), ExpiryRequest::TtlMs(60_000));
    RequestBody::Expire {
        keyspace: keyspace(),
        key: "k".into(),
        expiry,
        read: level,
        write: level,
        version: None,
    }
}

fn pause_others(cluster: &mut Cluster) {
    for replica in cluster.replicas("k").into_iter().skip(1) {
        cluster.pause(replica);
    }
}

fn resume_others(cluster: &mut Cluster) {
    for replica in cluster.replicas("k").into_iter().skip(1) {
        cluster.resume(replica);
    }
}

fn stall_others(cluster: &mut Cluster) {
    for replica in cluster.replicas("k").into_iter().skip(1) {
        cluster.nodes[replica].log_stalled = true;
    }
}

fn unstall_others(cluster: &mut Cluster) {
    for replica in cluster.replicas("k").into_iter().skip(1) {
        cluster.unstall_log(replica);
    }
}

#[test]
fn one_that_waited_in_its_shards_queue_is_told_so_and_what_it_asked_for_though_no_replica_was_asked() {
    let mut cluster = cluster();
    let key = Bytes::from_static(b"k");
    let bodies = [
        RequestBody::Get { keyspace: keyspace(), key: key.clone(), level: Some(Level::Exactly(5)) },
        Cluster::put_body("k", &"v".repeat(2 << 20), Level::One, None),
        RequestBody::Delete { keyspace: keyspace(), key, level: Some(Level::Exactly(5)), version: None },
        RequestBody::Expire {
            keyspace: keyspace(),
            key: "k".into(),
            expiry: ExpiryRequest::Keep,
            read: None,
            write: None,
            version: None,
        },
    ];
    for body in bodies {
        cluster.slow.clear();
        let asked = ask_late(&mut cluster, body, 150 * MS);
        let (body, waits) = waits(&mut cluster, asked);
        assert_eq!(waits, ["shard 150"], "{body:?}");
    }
}

#[test]
fn one_that_waited_in_the_queue_and_then_for_replicas_is_told_both() {
    let mut cluster = cluster();
    let asked = ask_late(&mut cluster, get_body(Level::One), 150 * MS);
    let (body, waits) = waits(&mut cluster, asked);
    assert!(matches!(body, ResponseBody::Read(ReadOutcome::Found { .. })), "{body:?}");
    assert_eq!(waits, ["shard 150", "1 replicas 0"]);
}

#[test]
fn one_that_was_not_slow_when_the_queue_was_over_is_told_how_long_that_was_all_the_same() {
    let mut cluster = cluster();
    stall_others(&mut cluster);
    let asked = ask_late(&mut cluster, Cluster::put_body("k", "w", Level::Quorum, None), 60 * MS);
    cluster.run(60 * MS);
    unstall_others(&mut cluster);
    let (body, waits) = waits(&mut cluster, asked);
    assert!(matches!(body, ResponseBody::Write(WriteOutcome::Written { .. })), "{body:?}");
    assert_eq!(waits, ["earlier 60", "2 replicas 60"]);
}

#[test]
fn a_duplicate_that_waited_in_the_queue_is_told_with_its_key_though_it_was_only_answered_again() {
    let mut cluster = cluster();
    let own = own(&cluster);
    let first = cluster.start_put(own, "k", "w", Level::One);
    let version = version_of(&cluster.write_answer(first));
    let place = cluster.place(own, "k");
    cluster.answers.clear();
    cluster.pause(own);
    cluster.ask_as(first, place, Cluster::put_body("k", "w", Level::One, None));
    cluster.run(150 * MS);
    cluster.resume(own);
    let (body, waits) = waits(&mut cluster, first);
    let ResponseBody::Write(outcome) = body else { panic!("{body:?}") };
    assert_eq!(version_of(&outcome), version);
    assert_eq!(waits, ["shard 150"]);
}

#[test]
fn a_write_that_reads_first_is_told_with_the_read_that_it_waited_for() {
    for (in_queue, read, told) in [
        (Duration::ZERO, 150 * MS, &["2 read first 150", "2 replicas 0"][..]),
        // Slow is the request: this read is not by itself.
        (60 * MS, 60 * MS, &["earlier 60", "2 read first 60", "2 replicas 0"][..]),
        (150 * MS, 60 * MS, &["shard 150", "2 read first 60", "2 replicas 0"][..]),
    ] {
        let mut cluster = cluster();
        pause_others(&mut cluster);
        let asked = ask_late(&mut cluster, expire_body(), in_queue);
        cluster.run(read);
        resume_others(&mut cluster);
        let (body, waits) = waits(&mut cluster, asked);
        assert!(matches!(body, ResponseBody::Write(WriteOutcome::Written { .. })), "{body:?}");
        assert_eq!(waits, told);
    }
}

#[test]
fn a_write_whose_read_failed_is_told_with_the_read() {
    let mut cluster = cluster();
    cluster.patience_ms = 500;
    let own = own(&cluster);
    pause_others(&mut cluster);
    let asked = cluster.ask(own, "k", expire_body());
    let (body, waits) = waits(&mut cluster, asked);
    assert!(matches!(body, ResponseBody::Read(ReadOutcome::TimedOut { .. })), "{body:?}");
    let [wait] = &waits[..] else { panic!("{waits:?}") };
    assert!(wait.starts_with("1 read first 50"), "{wait}");
}

/// A node that stamps nothing yet: it was just started, and its ceiling is not durable.
fn without_ceiling(cluster: &mut Cluster, in_queue: Duration) -> (usize, Asked) {
    let own = own(cluster);
    cluster.kill(own);
    cluster.run(100 * MS);
    cluster.nodes[own].log_stalled = true;
    cluster.start(own);
    cluster.run_until(Duration::from_secs(5), |cluster| {
        (0..4).all(|peer| cluster.sees_alive(peer, own) || peer == own)
    });
    cluster.run_until(Duration::from_secs(5), |cluster| {
        (0..4).all(|peer| cluster.sees_alive(own, peer) || peer == own)
    });
    let asked = ask_late(cluster, Cluster::put_body("k", "w", Level::Two, None), in_queue);
    cluster.run((150 * MS).saturating_sub(in_queue));
    (own, asked)
}

#[test]
fn a_write_that_waited_for_the_clocks_ceiling_is_told_so() {
    for (in_queue, told) in [
        (Duration::ZERO, &["clock 150", "2 replicas 0"][..]),
        (60 * MS, &["earlier 60", "clock 90", "2 replicas 0"]),
    ] {
        let mut cluster = cluster();
        let (own, asked) = without_ceiling(&mut cluster, in_queue);
        assert_eq!(cluster.counter(own, "clock_parked"), 1);
        cluster.unstall_log(own);
        let (body, waits) = waits(&mut cluster, asked);
        assert!(matches!(body, ResponseBody::Write(WriteOutcome::Written { .. })), "{body:?}");
        assert_eq!(waits, told);
    }
}

#[test]
fn a_write_that_waited_for_the_ceiling_until_the_log_failed_is_told_with_its_key() {
    let mut cluster = cluster();
    let (own, asked) = without_ceiling(&mut cluster, Duration::ZERO);
    cluster.tell(own, &Event::LogFailed);
    let (body, waits) = waits(&mut cluster, asked);
    assert_eq!(body, ResponseBody::Refused(Refusal::LogFailed));
    assert_eq!(waits, ["clock 150"]);
}

#[test]
fn a_page_and_an_explain_that_waited_for_replicas_are_told_with_those_that_answered() {
    for explains in [false, true] {
        let mut cluster = cluster();
        let own = own(&cluster);
        let partition = cluster.ring.token(b"k").partition();
        let body = if explains {
            RequestBody::Explain { keyspace: keyspace(), key: "k".into() }
        } else {
            let (start, level) = (PageStart::After("a".into()), Some(Level::All));
            RequestBody::Page { keyspace: keyspace(), partition, start, limit: 10, level }
        };
        pause_others(&mut cluster);
        let asked = cluster.ask(own, "k", body);
        cluster.run(150 * MS);
        resume_others(&mut cluster);
        let (_, waits) = waits(&mut cluster, asked);
        assert_eq!(waits, ["3 replicas 150"]);
    }
}
