//! What a node announces, on a cluster to which things happen.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::cluster::{Cluster, poll};
use super::http::{connect, send};

/// A client of the stream of events. Those of one kind come in their order; the shards of a node don't wait for each other.
struct Watcher {
    stream: BufReader<TcpStream>,
    passed_over: Vec<Value>,
}

impl Watcher {
    fn begin(addr: SocketAddr) -> Watcher {
        let mut stream = connect(addr);
        stream.write_all(b"GET /api/v1/events HTTP/1.1\r\nhost: h\r\n\r\n").unwrap();
        Watcher { stream: BufReader::new(stream), passed_over: Vec::new() }
    }

    /// The next event of this kind. Those of other kinds are kept for whoever asks for them.
    fn next(&mut self, kind: &str) -> Value {
        if let Some(at) = self.passed_over.iter().position(|body| body["type"] == kind) {
            return self.passed_over.remove(at);
        }
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.stream.read_line(&mut line).unwrap(), 0, "no {kind} came");
            let Some(text) = line.strip_prefix("data: ") else { continue };
            let body: Value = serde_json::from_str(text).unwrap();
            if body["type"] == kind {
                return body;
            }
            self.passed_over.push(body);
        }
    }

    fn must_end(mut self) {
        let mut rest = String::new();
        self.stream.read_to_string(&mut rest).unwrap();
        assert!(!rest.contains("data:"), "{rest}");
    }
}

#[test]
fn peers_hints_limits_checkpoints_and_the_end_are_announced() {
    let mut cluster = Cluster::start(3, "[server]\nshards = 2\n[http]\nsubscribers_max = 1\n");
    cluster.wait_for_links();
    let n1 = cluster.http_addr("n1");
    poll("all are seen", || send(n1, "GET /health/ready", "").0 == 200);
    let mut watcher = Watcher::begin(n1);
    assert_eq!(watcher.next("hello")["node"], "n1");

    cluster.kill("n2");
    let down = watcher.next("peer-down");
    assert_eq!(down["peer"], "n2");
    assert!(!down["why"].as_str().unwrap().is_empty() && down["at_ms"].as_u64().unwrap() > 0, "{down}");
    assert_eq!(send(n1, "PUT /api/v1/store/k", "v").0, 201);
    let begun = watcher.next("hint-backlog");
    assert_eq!((&begun["target"], begun["durable"].as_u64()), (&"n2".into(), Some(1)), "{begun}");

    cluster.restart("n2");
    assert_eq!(watcher.next("peer-up")["peer"], "n2");
    let gone = watcher.next("hint-backlog");
    assert_eq!((&gone["target"], gone["durable"].as_u64()), (&"n2".into(), Some(0)), "{gone}");

    assert_eq!(send(n1, "GET /api/v1/events", "").0, 429);
    let limit = watcher.next("limit-hit");
    assert_eq!((&limit["limit"], limit["total"].as_u64()), (&"http.subscribers_max".into(), Some(1)));

    assert!(cluster.shut_down("n1").drained);
    watcher.next("drain-begun");
    watcher.must_end();
}
