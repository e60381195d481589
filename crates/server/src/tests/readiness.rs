//! When a node says that it should get requests.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use quorate_types::{Level, NodeId, Timestamp, Version, WriteOutcome};
use quorate_wire::{ExpiryRequest, RequestBody, ResponseBody};

use super::cluster::{Cluster, keyspace, poll};
use super::http::send;

const HOUR_MS: u64 = 3_600_000;

#[test]
fn a_node_is_ready_while_it_sees_enough_replicas_of_every_partition_and_says_what_is_missing_when_not() {
    let mut cluster = Cluster::start(3, "[server]\nshards = 2\n");
    let n1 = cluster.http_addr("n1");
    // With two of three it is ready, too; but then it would not be without n2.
    poll("all are seen", || send(n1, "GET /api/v1/cluster", "").1.contains("\"alive\":3"));
    assert_eq!(send(n1, "GET /health/ready", "").0, 200);

    cluster.kill("n2");
    poll("the dead node is noticed", || send(n1, "GET /api/v1/cluster", "").1.contains("\"alive\":2"));
    let (status, said) = send(n1, "GET /health/ready", "");
    assert_eq!(status, 200, "QUORUM of three does without one: {said}");

    cluster.kill("n3");
    let mut said = String::new();
    poll("two are missed", || {
        let (status, body) = send(n1, "GET /health/ready", "");
        said = body;
        status == 503
    });
    let document: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(document["outcome"], "failed");
    let reasons: Vec<&str> =
        document["reasons"].as_array().unwrap().iter().map(|reason| reason.as_str().unwrap()).collect();
    let reason = |what: &str| {
        format!(
            "keyspace default: a {what} at QUORUM needs 2 of 3 replicas, and 4096 of 4096 partitions have fewer alive; \
             down: n2, n3"
        )
    };
    let down_in_order = |text: &str| text.replace("n3, n2", "n2, n3");
    let reasons: Vec<String> = reasons.into_iter().map(down_in_order).collect();
    assert_eq!(reasons, [reason("read"), reason("write")]);
    assert_eq!(send(n1, "GET /health/live", "").0, 200);

    cluster.restart("n2");
    poll("one is back", || send(n1, "GET /health/ready", "").0 == 200);
}

#[test]
fn a_node_whose_keyspace_is_written_at_one_is_ready_alone() {
    let cluster = Cluster::start(1, "[[keyspace]]\nn = 1\n");
    assert_eq!(send(cluster.http_addr("n1"), "GET /health/ready", "").0, 200);
}

#[test]
fn a_node_whose_newest_stamp_is_far_ahead_of_most_clocks_is_not_ready_and_still_answers_reads() {
    let mut cluster = Cluster::start(0, "[clock]\nclock_skew_max = \"1h\"\n");
    cluster.nodes = 3;
    leave_a_stamp_ahead(&mut cluster, HOUR_MS / 2);

    cluster.extra = "[server]\nshards = 1\n".to_owned();
    for node in ["n1", "n2", "n3"] {
        cluster.restart(node);
    }
    let (n1, n2) = (cluster.http_addr("n1"), cluster.http_addr("n2"));
    let mut said = String::new();
    poll("the others outvote n1's clock", || {
        said = send(n1, "GET /health/ready", "").1;
        said.contains("clock_skew_max")
    });
    let document: serde_json::Value = serde_json::from_str(&said).unwrap();
    let ahead_ms = document["reasons"].as_array().unwrap().iter().find_map(|reason| {
        reason.as_str()?.strip_prefix("the clock of this node, or its newest stamp, is ")?.split(' ').next()
    });
    let ahead_ms: u64 = ahead_ms.expect(&said).parse().unwrap();
    assert!((HOUR_MS / 3..=HOUR_MS / 2 + 5_000).contains(&ahead_ms), "{said}");
    poll("n1 misses nobody", || send(n1, "GET /health/ready", "").1.matches("down: ").count() == 0);
    assert_eq!(send(n1, "GET /health/ready", "").0, 503);
    poll("n2 is ready", || send(n2, "GET /health/ready", "").0 == 200);

    for key in 0..20 {
        let (status, why) = send(n1, &format!("PUT /api/v1/store/{key}"), "v");
        assert!(status == 503 && why.contains("ahead of most nodes' clocks"), "{status} {why}");
    }
    assert_eq!(
        send(n1, "GET /api/v1/store/ahead", ""),
        (200, r#"{"message":"found","value":"v"}"#.to_owned())
    );

    cluster.kill("n3");
    poll("one peer alone outvotes nobody", || send(n1, "GET /health/ready", "").0 == 200);
}

/// Has `n1` follow a stamp that is so far ahead, and stops it: it begins above that stamp when it is started again.
fn leave_a_stamp_ahead(cluster: &mut Cluster, ahead_ms: u64) {
    cluster.restart("n1");
    let wall_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let put = RequestBody::Put {
        keyspace: keyspace(),
        key: Bytes::from("ahead"),
        value: Bytes::from("v"),
        level: Some(Level::One),
        expiry: ExpiryRequest::Never,
        version: Some(Version::new(Timestamp::from_parts(wall_ms + ahead_ms, 0), NodeId(1))),
    };
    let answer = cluster.client("n1").call(put);
    assert!(matches!(answer, ResponseBody::Write(WriteOutcome::Written { .. })), "{answer:?}");
    cluster.shut_down("n1");
}
