//! Who is asked to give memory back, and when.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::sync::Mutex;
use std::thread;

use super::cluster::{Cluster, poll};
use super::http::send;
use crate::{Pace, Replica, StartOptions};

/// Threads that have been told that they are quiet.
static QUIET: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn note(pace: Pace) {
    let thread = thread::current().name().unwrap_or_default().to_owned();
    if pace == Pace::Quiet {
        QUIET.lock().unwrap().insert(thread);
    }
}

#[test]
fn every_thread_that_has_served_connections_is_asked_when_it_is_quiet_again() {
    let mut cluster = Cluster::start(0, "[server]\nshards = 2\n[[keyspace]]\nn = 1\n");
    cluster.nodes = 1;
    let options = StartOptions { give_back: Some(note), ..StartOptions::default() };
    let replica = Replica::start(&cluster.config(), "n1", &options).unwrap();
    let (redis, http, admin) = (cluster.resp_addr("n1"), cluster.http_addr("n1"), cluster.admin_addr("n1"));
    let expected = ["n1-admin", "n1-http", "n1-shard-0", "n1-shard-1"].map(str::to_owned).into();
    for _ in 0..100 {
        drop(TcpStream::connect(redis).unwrap());
        assert_eq!(send(http, "GET /health/live", "").0, 200);
        assert_eq!(send(admin, "GET /health/live", "").0, 200);
    }
    poll("all of them are quiet again", || *QUIET.lock().unwrap() == expected);
    assert!(replica.shut_down().drained);
}
