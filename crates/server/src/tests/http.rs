//! HTTP clients over real sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::cluster::{Cluster, poll};
use crate::{Replica, StartError, StartOptions};

/// Nothing here takes longer unless it is broken.
const DEADLINE: Duration = Duration::from_secs(20);
const ONE: &str = "[[keyspace]]\nn = 1\n";

/// A connection whose reads end in time.
pub(super) fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Status and body.
pub(super) fn send(addr: SocketAddr, line: &str, body: &str) -> (u16, String) {
    let mut stream = connect(addr);
    let length = body.len();
    let request =
        format!("{line} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).unwrap();
    answer(&mut stream)
}

fn answer(stream: &mut TcpStream) -> (u16, String) {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn what_is_written_through_one_node_is_read_through_another_with_any_number_of_shards() {
    for shards in [1, 2] {
        let cluster = Cluster::start(3, &format!("[server]\nshards = {shards}\n"));
        cluster.wait_for_links();
        let (n1, n2) = (cluster.http_addr("n1"), cluster.http_addr("n2"));
        for k in 0..20 {
            let stored = format!(r#"{{"message":"key store","key":"key:{k}","value":"{k}"}}"#);
            assert_eq!(send(n1, &format!("PUT /api/v1/store/key:{k}"), &k.to_string()), (201, stored));
            let found = format!(r#"{{"message":"found","value":"{k}"}}"#);
            assert_eq!(send(n2, &format!("GET /api/v1/store/key:{k}"), ""), (200, found));
        }
        assert_eq!(send(n2, "DELETE /api/v1/store/key:1", ""), (204, String::new()));
        let absent = (404, r#"{"message":"not found","value":""}"#.to_owned());
        assert_eq!(send(n1, "GET /api/v1/store/key:1", ""), absent);
    }
}

#[test]
fn too_few_replicas_are_503_and_nothing_is_written() {
    let mut cluster = Cluster::start(3, "");
    cluster.wait_for_links();
    let n1 = cluster.http_addr("n1");
    cluster.kill("n2");
    poll("the dead node is noticed", || {
        let (status, body) = send(n1, "PUT /api/v1/store/k?level=all", "v");
        status == 503 && body.contains(r#""outcome":"failed""#)
    });
    assert_eq!(send(n1, "PUT /api/v1/store/k?level=4", "v").0, 400);
    assert_eq!(send(n1, "PUT /api/v1/store/k", "v").0, 201);
}

#[test]
fn a_value_that_is_too_large_is_refused_by_name() {
    let cluster = Cluster::start(
        1,
        &format!("{ONE}[limits]\nvalue_bytes_max = \"1KiB\"\nvalue_bytes_warn = \"1KiB\"\n"),
    );
    let n1 = cluster.http_addr("n1");
    let (status, body) = send(n1, "PUT /api/v1/store/k", &"v".repeat(1_025));
    assert_eq!(status, 413);
    assert!(body.contains("value-too-large") && body.contains(r#""outcome":"rejected""#), "{body}");
    assert_eq!(send(n1, "PUT /api/v1/store/k", &"v".repeat(1_024)).0, 201);
}

#[test]
fn a_shutdown_closes_idle_connections_and_the_door() {
    let mut cluster = Cluster::start(1, ONE);
    let n1 = cluster.http_addr("n1");
    let mut idle = connect(n1);
    idle.write_all(b"PUT /api/v1/store/k HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\nv").unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 201");
    assert!(cluster.shut_down("n1").drained);
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).unwrap();
    assert!(TcpStream::connect(n1).is_err(), "nobody listens any more");
    cluster.restart("n1");
    let found = (200, r#"{"message":"found","value":"v"}"#.to_owned());
    assert_eq!(send(n1, "GET /api/v1/store/k", ""), found);
}

#[test]
fn a_kill_frees_the_address_at_once() {
    let mut cluster = Cluster::start(1, ONE);
    let n1 = cluster.http_addr("n1");
    let _open = connect(n1);
    cluster.kill("n1");
    cluster.restart("n1");
    assert_eq!(send(n1, "GET /health/ready", "").0, 200);
}

#[test]
fn an_address_that_is_taken_is_said_and_leaves_nothing_behind() {
    let mut cluster = Cluster::start(1, ONE);
    cluster.shut_down("n1");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let options = StartOptions { http_listen: Some(addr.clone()), ..StartOptions::default() };
    match Replica::start(&cluster.config(), "n1", &options) {
        Err(StartError::AddressTaken { addr: said }) => assert_eq!(said, addr),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it started"),
    }
    cluster.restart("n1");
}
