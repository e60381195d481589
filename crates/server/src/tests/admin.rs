//! The operators' door of a running node.

use serde_json::Value;

use super::cluster::{Cluster, poll};
use super::http::send;

#[test]
fn a_checkpoint_on_demand_holds_what_was_written_and_is_not_written_twice() {
    let cluster = Cluster::start(1, "[[keyspace]]\nn = 1\n");
    let (clients, operators) = (cluster.http_addr("n1"), cluster.admin_addr("n1"));
    let checkpoint = || -> Value {
        let (status, body) = send(operators, "POST /api/v1/admin/checkpoint", "");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    };
    let number = |body: &Value| body["checkpoint"].as_u64().unwrap();
    let first = checkpoint();
    assert_eq!(send(clients, "PUT /api/v1/store/k", "v").0, 201);
    let second = checkpoint();
    assert!(number(&second) > number(&first), "{first} {second}");
    assert!(second["replay_lsn"].as_u64() > first["replay_lsn"].as_u64(), "{first} {second}");
    assert_eq!(cluster.client("n1").status().wal.checkpoint, number(&second));
    assert_eq!(send(clients, "POST /api/v1/admin/checkpoint", "").0, 404);
}

#[test]
fn a_drained_node_goes_on_as_a_replica_and_lets_peers_connect() {
    let mut cluster = Cluster::start(3, "[server]\nshards = 2\n");
    cluster.wait_for_links();
    let operators = cluster.admin_addr("n1");
    assert_eq!(send(operators, "POST /api/v1/admin/drain?confirm=n1", "").0, 202);
    poll("it has drained", || send(operators, "GET /api/v1/admin/drain", "").1.contains("\"drained\""));
    let n2 = cluster.http_addr("n2");
    assert_eq!(send(n2, "PUT /api/v1/store/k?level=ALL", "v").0, 201);
    cluster.shut_down("n2");
    cluster.restart("n2");
    let n2 = cluster.http_addr("n2");
    poll("n2 is heard again", || send(n2, "GET /api/v1/store/k?level=ALL", "").0 == 200);
    assert_eq!(send(cluster.http_addr("n1"), "GET /api/v1/store/k", "").0, 503);
    assert!(cluster.shut_down("n1").drained);
}

#[test]
fn a_drained_node_refuses_clients_and_serves_again_after_a_restart() {
    let mut cluster = Cluster::start(1, "[[keyspace]]\nn = 1\n[server]\nshards = 2\n");
    let (clients, operators) = (cluster.http_addr("n1"), cluster.admin_addr("n1"));
    assert_eq!(send(clients, "PUT /api/v1/store/k", "v").0, 201);
    assert_eq!(send(operators, "POST /api/v1/admin/drain", "").0, 400);
    assert_eq!(send(clients, "GET /health/ready", "").0, 200);
    assert_eq!(send(operators, "POST /api/v1/admin/drain?confirm=n1", "").0, 202);
    poll("it has drained", || send(operators, "GET /api/v1/admin/drain", "").1.contains("\"drained\""));
    let (status, why) = send(clients, "GET /health/ready", "");
    assert!(status == 503 && why.contains("shutting down"), "{status} {why}");
    let (status, refused) = send(clients, "PUT /api/v1/store/k", "w");
    assert!(status == 503 && refused.contains("shutting-down"), "{status} {refused}");
    assert!(cluster.shut_down("n1").drained);
    cluster.restart("n1");
    let found = (200, r#"{"message":"found","value":"v"}"#.to_owned());
    assert_eq!(send(clients, "GET /api/v1/store/k", ""), found);
}
