//! Claims about changes of the expiry: they read first, keep the value under its own stamp, and lose nothing to a
//! write that races with them.

use std::time::Duration;

use bytes::Bytes;
use quorate_types::{Level, ReadOutcome, Refusal, WriteOutcome};
use quorate_wire::{ExpiryRequest, RequestBody, ResponseBody};

use crate::harness::{Cluster, Plan, WALL_START_MS, is_written, keyspace, version_of};

const MS: Duration = Duration::from_millis(1);

fn expire_body(key: &str, expiry: ExpiryRequest) -> RequestBody {
    let (key, level) = (Bytes::copy_from_slice(key.as_bytes()), Some(Level::Quorum));
    RequestBody::Expire { keyspace: keyspace(), key, expiry, read: level, write: level, version: None }
}

fn keep_body(key: &str, value: &str) -> RequestBody {
    match Cluster::put_body(key, value, Level::Quorum, None) {
        RequestBody::Put { keyspace, key, value, level, version, .. } => {
            RequestBody::Put { keyspace, key, value, level, expiry: ExpiryRequest::Keep, version }
        }
        other => other,
    }
}

/// What a key holds, and when it expires.
fn read(cluster: &mut Cluster, key: &str) -> (String, Option<u64>) {
    match cluster.get(0, key, Level::Quorum) {
        ReadOutcome::Found { record } => (crate::harness::text(&record), record.expiry.at_ms),
        other => panic!("{other:?}"),
    }
}

const AT: u64 = WALL_START_MS + 600_000;

#[test]
fn an_expire_changes_the_expiry_on_every_replica_and_neither_the_value_nor_its_version() {
    for shards in [1, 2] {
        let mut cluster = Cluster::new(Plan::new(shards));
        let written = version_of(&cluster.put(0, "k", "v", Level::Quorum));
        let asked = cluster.ask(1, "k", expire_body("k", ExpiryRequest::AtMs(AT)));
        let outcome = cluster.write_answer(asked);
        assert!(matches!(outcome, WriteOutcome::Written { expires_at_ms: Some(AT), .. }), "{outcome:?}");
        cluster.run(50 * MS);
        for node in cluster.replicas("k") {
            let record = cluster.copy(node, "k").unwrap();
            assert_eq!((record.version, record.expiry.at_ms), (written, Some(AT)));
            assert_eq!(record.expiry.version, version_of(&outcome), "the expiry has a stamp of its own");
            assert!(record.expiry.version > written);
        }
        assert_eq!(cluster.differing(), []);
    }
}

#[test]
fn an_expire_of_nothing_is_answered_by_the_read_and_writes_nothing() {
    let mut cluster = Cluster::new(Plan::new(1));
    let asked = cluster.ask(0, "k", expire_body("k", ExpiryRequest::AtMs(AT)));
    let answer = cluster.answer(asked).body;
    assert_eq!(answer, ResponseBody::Read(ReadOutcome::NotFound { expired: None }));
    cluster.put(0, "k", "v", Level::All);
    cluster.delete(0, "k", Level::All);
    let asked = cluster.ask(0, "k", expire_body("k", ExpiryRequest::AtMs(AT)));
    assert!(matches!(cluster.answer(asked).body, ResponseBody::Read(ReadOutcome::Deleted { .. })));
    cluster.run(50 * MS);
    assert!(matches!(cluster.get(0, "k", Level::Quorum), ReadOutcome::Deleted { .. }));
}

#[test]
fn an_expire_and_a_put_that_race_lose_neither_the_value_nor_the_later_expiry() {
    // The put comes before, amid, or behind the expire's read; through the same node or another.
    for (shards, node, head_start) in [(1, 0, 0), (1, 1, 0), (2, 2, 1), (1, 1, 2), (2, 3, 3), (1, 0, 4)] {
        let mut cluster = Cluster::new(Plan::new(shards));
        assert!(is_written(&cluster.put(0, "k", "old", Level::All)));
        // Another node's clock, which stamps the put, has not followed this one's within the millisecond.
        cluster.run(10 * MS);
        let expire = cluster.ask(0, "k", expire_body("k", ExpiryRequest::AtMs(AT)));
        cluster.run(head_start * MS / 2);
        let put = cluster.start_put(node, "k", "new", Level::Quorum);
        let put = version_of(&cluster.write_answer(put));
        let expire = version_of(&cluster.write_answer(expire));
        cluster.run(50 * MS);
        let (value, at_ms) = read(&mut cluster, "k");
        assert_eq!(value, "new", "shards {shards}, node {node}, head start {head_start}");
        assert_eq!(at_ms, (expire > put).then_some(AT), "the later stamp of both says when it expires");
        assert_eq!(cluster.differing(), []);
    }
}

#[test]
fn an_expire_behind_a_put_of_a_node_whose_clock_is_ahead_takes_effect() {
    let mut cluster = Cluster::new(Plan::new(1));
    cluster.nodes[1].wall_ahead_ms = 3_000;
    assert!(is_written(&cluster.put(1, "k", "v", Level::All)));
    let asked = cluster.ask(0, "k", expire_body("k", ExpiryRequest::AtMs(AT)));
    assert!(is_written(&cluster.write_answer(asked)));
    assert_eq!(read(&mut cluster, "k"), ("v".to_owned(), Some(AT)));
    assert_eq!(cluster.counter(0, "reads_first"), 1);
}

#[test]
fn a_put_that_keeps_the_expiry_carries_it_under_its_own_stamp() {
    let mut cluster = Cluster::new(Plan::new(1));
    cluster.put(0, "k", "v", Level::All);
    let asked = cluster.ask(0, "k", expire_body("k", ExpiryRequest::AtMs(AT)));
    let expired = version_of(&cluster.write_answer(asked));
    let asked = cluster.ask(1, "k", keep_body("k", "w"));
    let written = version_of(&cluster.write_answer(asked));
    cluster.run(50 * MS);
    assert_eq!(read(&mut cluster, "k"), ("w".to_owned(), Some(AT)));
    let record = cluster.copy(cluster.replicas("k")[0], "k").unwrap();
    assert_eq!((record.version, record.expiry.version), (written, expired));
}

#[test]
fn a_put_that_keeps_the_expiry_of_what_has_expired_or_is_not_there_never_expires() {
    let mut cluster = Cluster::new(Plan::new(1));
    let asked = cluster.ask(0, "new", keep_body("new", "v"));
    assert!(is_written(&cluster.write_answer(asked)));
    assert_eq!(read(&mut cluster, "new"), ("v".to_owned(), None));
    cluster.put(0, "k", "v", Level::All);
    let asked = cluster.ask(0, "k", expire_body("k", ExpiryRequest::TtlMs(1)));
    assert!(is_written(&cluster.write_answer(asked)));
    cluster.run(50 * MS);
    assert!(matches!(cluster.get(0, "k", Level::Quorum), ReadOutcome::NotFound { expired: Some(_) }));
    let asked = cluster.ask(0, "k", keep_body("k", "w"));
    assert!(is_written(&cluster.write_answer(asked)));
    assert_eq!(read(&mut cluster, "k"), ("w".to_owned(), None), "it must not be hidden at once");
}

#[test]
fn a_change_that_can_not_read_says_so_and_sends_nothing() {
    let mut cluster = Cluster::new(Plan::new(1));
    cluster.put(0, "k", "v", Level::All);
    let replicas = cluster.replicas("k");
    cluster.kill(replicas[1]);
    cluster.kill(replicas[2]);
    cluster.run(50 * MS);
    let node = replicas[0];
    let asked = cluster.ask(node, "k", expire_body("k", ExpiryRequest::AtMs(AT)));
    let answer = cluster.answer(asked).body;
    assert_eq!(answer, ResponseBody::Read(ReadOutcome::Unavailable { required: 2, alive: 1 }));
    let asked = cluster.ask(node, "k", keep_body("k", "w"));
    assert_eq!(cluster.write_answer(asked), WriteOutcome::Unavailable { required: 2, alive: 1 });
    let asked = cluster.ask(node, "k", expire_body("k", ExpiryRequest::Keep));
    let ResponseBody::Refused(Refusal::Unsupported { .. }) = cluster.answer(asked).body else {
        panic!("an expiry can't be set to what it is")
    };
    assert_eq!(cluster.copy(node, "k").map(|record| record.expiry.at_ms), Some(None));
}

#[test]
fn a_repeated_expire_under_the_same_number_is_answered_alike_and_not_stamped_again() {
    let mut cluster = Cluster::new(Plan::new(1));
    cluster.put(0, "k", "v", Level::All);
    let asked = cluster.ask(0, "k", expire_body("k", ExpiryRequest::AtMs(AT)));
    let first = version_of(&cluster.write_answer(asked));
    let place = cluster.place(0, "k");
    cluster.ask_as(asked, place, expire_body("k", ExpiryRequest::AtMs(AT + 5)));
    cluster.run(50 * MS);
    assert_eq!(cluster.answers[&asked].len(), 2);
    let again = cluster.answers[&asked][1].body.clone();
    assert!(matches!(again, ResponseBody::Write(WriteOutcome::Written { version, .. }) if version == first));
    assert_eq!(read(&mut cluster, "k").1, Some(AT));
}
