//! `/metrics` of live nodes: what clients did through each door, to the number.

// Counts are whole numbers, and small.
#![allow(clippy::float_cmp)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use quorate_types::{Level, PageStart, PartitionId};
use quorate_wire::RequestBody;

use super::cluster::{Cluster, get, keyspace, poll, put, put_at};
use crate::metrics::tests::openmetrics::{Samples, labels, parse};

/// Nothing here takes longer unless it is broken.
const DEADLINE: Duration = Duration::from_secs(20);
const ONE: &str = "[[keyspace]]\nn = 1\n";

/// What comes until the node closes the connection.
fn exchange(addr: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn http(cluster: &Cluster, line: &str, body: &str) -> String {
    let length = body.len();
    let request =
        format!("{line} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    exchange(cluster.http_addr("n1"), &request)
}

fn scrape(cluster: &Cluster) -> Samples {
    let answer = http(cluster, "GET /metrics", "");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let media = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(head.lines().any(|line| line == media), "{head}");
    parse(body)
}

/// The counts of requests: door, verb, level, outcome.
fn requests(samples: &Samples) -> Vec<(String, f64)> {
    let words = |key: &str| labels(key).into_iter().map(|(_, value)| value).collect::<Vec<_>>().join(" ");
    let counts = samples.iter().filter(|(key, _)| key.starts_with("quorate_requests_total"));
    let mut counts: Vec<(String, f64)> = counts.map(|(key, count)| (words(key), *count)).collect();
    counts.sort_by(|a, b| a.0.cmp(&b.0));
    counts
}

fn value(samples: &Samples, key: &str) -> f64 {
    *samples.get(key).unwrap_or_else(|| panic!("no {key}"))
}

fn expected(counts: &[(&str, u32)]) -> Vec<(String, f64)> {
    counts.iter().map(|&(words, count)| (words.to_owned(), f64::from(count))).collect()
}

#[test]
fn requests_through_each_door_are_counted_once_with_any_number_of_shards() {
    for shards in [1, 2] {
        let cluster = Cluster::start(1, &format!("{ONE}[server]\nshards = {shards}\n"));
        let mut client = cluster.client("n1");
        for key in ["a", "b", "c"] {
            client.call(put(key, "v"));
        }
        client.call(get("a"));
        client.call(get("nobody"));
        client.call(put_at("a", "w", Level::All));
        client.call(RequestBody::Page {
            keyspace: keyspace(),
            partition: PartitionId(1),
            start: PageStart::First,
            limit: 10,
            level: Some(Level::One),
        });
        client.call(RequestBody::Ring);
        http(&cluster, "PUT /api/v1/store/d", "v");
        http(&cluster, "GET /api/v1/store/d?level=one", "");
        http(&cluster, "DELETE /api/v1/store/d", "");
        http(&cluster, "GET /api/v1/store/d", "");
        http(&cluster, "GET /health/live", "");
        let redis = "SET e v\r\nMGET a e nobody\r\nDEL e\r\nPING\r\nQUIT\r\n";
        exchange(cluster.resp_addr("n1"), redis);
        let wanted = expected(&[
            ("http delete QUORUM written", 1),
            ("http get ONE found", 1),
            ("http get QUORUM deleted", 1),
            ("http put QUORUM written", 1),
            ("resp delete QUORUM written", 1),
            // DEL reads before it deletes, to say how many keys there were.
            ("resp get QUORUM found", 2 + 1),
            ("resp get QUORUM not_found", 1),
            ("resp put QUORUM written", 1),
            ("tcp get QUORUM found", 1),
            ("tcp get QUORUM not_found", 1),
            ("tcp page ONE answered", 1),
            ("tcp put ALL written", 1),
            ("tcp put QUORUM written", 3),
            ("tcp ring none answered", 1),
        ]);
        assert_eq!(requests(&scrape(&cluster)), wanted, "{shards} shards");
    }
}

#[test]
fn counters_move_by_what_was_done_between_two_scrapes() {
    let cluster = Cluster::start(1, ONE);
    let mut client = cluster.client("n1");
    client.call(put("a", "v"));
    let before = scrape(&cluster);
    for _ in 0..5 {
        client.call(put("a", "longer"));
    }
    http(&cluster, "PUT /api/v1/store/b", "v");
    let after = scrape(&cluster);
    let moved = |key: &str| value(&after, key) - value(&before, key);
    let put = r#"quorate_requests_total{door="tcp",verb="put",level="QUORUM",outcome="written"}"#;
    let count = r#"quorate_request_duration_seconds_count{door="tcp",verb="put"}"#;
    assert_eq!((moved(put), moved(count)), (5.0, 5.0));
    assert_eq!(moved("quorate_writes_written_total"), 6.0);
    assert_eq!(moved("quorate_applied_total"), 6.0);
    // The write, and the scrape itself.
    assert_eq!(moved("quorate_http_requests_total"), 2.0);
    assert_eq!(moved("quorate_http_connections_accepted_total"), 2.0);
    assert_eq!(moved(r#"quorate_store_keys{keyspace="default"}"#), 1.0);
    assert!(moved("quorate_wal_records_total") >= 6.0 && moved("quorate_wal_syncs_total") >= 1.0);
    assert_eq!(value(&after, r#"quorate_connections_open{door="tcp"}"#), 1.0);
    assert_eq!(value(&after, r#"quorate_connections_open{door="http"}"#), 1.0, "the scrape's own");
    assert_eq!(value(&after, "quorate_wal_failed"), 0.0);
}

#[test]
fn limits_that_were_hit_are_counted_by_their_name() {
    let limits = "[limits]\nvalue_bytes_max = \"1KiB\"\nvalue_bytes_warn = \"512B\"\n";
    let cluster = Cluster::start(1, &format!("{ONE}{limits}[http]\nbody_bytes_max = \"64KiB\"\n"));
    let mut client = cluster.client("n1");
    client.call(put("k", &"v".repeat(600)));
    client.call(put("k", &"v".repeat(1_025)));
    http(&cluster, "PUT /api/v1/store/k", &"v".repeat(1_025));
    http(&cluster, "PUT /api/v1/store/k", &"v".repeat(65_537));
    let samples = scrape(&cluster);
    let hits = |limit: &str| value(&samples, &format!("quorate_limit_hits_total{{limit=\"{limit}\"}}"));
    assert_eq!((hits("value_bytes_max"), hits("value_bytes_warn")), (2.0, 3.0));
    assert_eq!((hits("http.body_bytes_max"), hits("requests_max")), (1.0, 0.0));
    let refused = r#"quorate_requests_total{door="tcp",verb="put",level="QUORUM",outcome="refused"}"#;
    assert_eq!(value(&samples, refused), 1.0);
}

#[test]
fn peers_and_the_hints_for_one_that_is_down_are_shown_by_their_names() {
    let mut cluster = Cluster::start(3, "");
    cluster.wait_for_links();
    poll("the peers' round trips are known", || {
        let samples = scrape(&cluster);
        ["n2", "n3"].iter().all(|peer| {
            value(&samples, &format!("quorate_peer_rtt_seconds{{peer=\"{peer}\"}}")) > 0.0
                && value(&samples, &format!("quorate_peer_links{{peer=\"{peer}\"}}")) >= 2.0
        })
    });
    cluster.kill("n3");
    poll("the dead node is noticed", || value(&scrape(&cluster), r#"quorate_peer_alive{peer="n3"}"#) == 0.0);
    let mut client = cluster.client("n1");
    for key in 0..8 {
        client.call(put(&format!("key:{key}"), "v"));
    }
    poll("the hints are on disk", || {
        let samples = scrape(&cluster);
        samples.get(r#"quorate_hints_durable{target="n3"}"#) == Some(&8.0)
    });
    let samples = scrape(&cluster);
    assert_eq!(value(&samples, r#"quorate_peer_alive{peer="n2"}"#), 1.0);
    assert_eq!(value(&samples, "quorate_hints_appended_total"), 8.0);
    assert!(value(&samples, r#"quorate_hints_bytes{target="n3"}"#) > 0.0);
    assert!(value(&samples, r#"quorate_hints_oldest_age_seconds{target="n3"}"#) >= 0.0);
}
