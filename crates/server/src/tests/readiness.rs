//! When a node says that it should get requests.

use super::cluster::{Cluster, poll};
use super::http::send;

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
