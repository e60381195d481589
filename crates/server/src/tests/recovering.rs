//! What clients hear while a node reads its data.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use quorate_wal::Io;

use super::cluster::{Cluster, poll};
use super::disk_fault::Faulty;
use super::http::send;
use crate::{Replica, StartOptions};

/// What the door for Redis clients says to `PING`, in its first line; nothing if nobody listens.
fn ping(addr: SocketAddr) -> String {
    let mut said = String::new();
    if let Ok(mut stream) = TcpStream::connect(addr) {
        stream.write_all(b"PING\r\n").unwrap();
        BufReader::new(stream).read_line(&mut said).unwrap();
    }
    said
}

#[test]
fn clients_are_told_that_a_node_recovers_and_served_when_it_has() {
    let mut cluster = Cluster::start(0, "[[keyspace]]\nn = 1\n");
    cluster.nodes = 1;
    let disk = Faulty::new();
    disk.hold();
    let (config, io): (_, Arc<dyn Io>) = (cluster.config(), disk.clone());
    let start = move || Replica::start_on(&config, "n1", &StartOptions::default(), &io).unwrap();
    let starting = std::thread::spawn(start);
    let (redis, http, admin) = (cluster.resp_addr("n1"), cluster.http_addr("n1"), cluster.admin_addr("n1"));
    poll("somebody answers", || !ping(redis).is_empty());
    assert!(ping(redis).starts_with("-LOADING the node recovers"), "{}", ping(redis));
    for door in [http, admin] {
        assert_eq!(send(door, "GET /health/live", "").0, 200);
        let (status, why) = send(door, "GET /health/ready", "");
        assert!(status == 503 && why.contains("urn:quorate:problem:recovering"), "{status} {why}");
    }
    let (status, why) = send(http, "PUT /api/v1/store/k", "v");
    assert!(status == 503 && why.contains("nothing was done"), "{status} {why}");

    disk.let_go();
    let replica = starting.join().unwrap();
    assert!(ping(redis).starts_with("+PONG"), "{}", ping(redis));
    assert_eq!(send(http, "GET /api/v1/store/k", "").0, 404);
    assert_eq!(send(http, "PUT /api/v1/store/k", "v").0, 201);
    assert!(replica.shut_down().drained);
}
