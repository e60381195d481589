//! Log lines of real processes: slow requests with their receipt and trace, keys escaped; traces on all replicas.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use quorate_types::Level;
use serde_json::Value;

use crate::harness::{Cluster, Spec, is_replica};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A cluster whose first node has an HTTP door, and with this section `[log]`.
fn cluster(more: &'static str) -> (Cluster, String) {
    let mut cluster = Cluster::prepare(&Spec { more, ..Spec::default() });
    let http = format!("{}.1:8380", cluster.subnet());
    let config = std::fs::read_to_string(cluster.config()).expect("written just now");
    let with_door = config.replace("id = \"n1\"\n", &format!("id = \"n1\"\nhttp_addr = \"{http}\"\n"));
    std::fs::write(cluster.config(), with_door).expect("written");
    cluster.start_all();
    (cluster, http)
}

fn slow_requests(cluster: &Cluster) -> Vec<Value> {
    let text = std::fs::read_to_string(cluster.log(1)).expect("text");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is an object"));
    lines.filter(|line| line["fields"]["message"] == "a slow request").collect()
}

#[test]
fn a_slow_request_is_logged_with_its_key_escaped_its_receipt_and_its_trace() {
    let (cluster, http) = cluster("[log]\nformat = \"json\"\nslow_request = \"1us\"\n");
    let mut stream = TcpStream::connect(http).expect("the door is open");
    let request = format!(
        "PUT /api/v1/store/a%0ab%1b%22?level=all HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\
         traceparent: 00-{TRACE}-{PARENT}-01\r\ncontent-length: 1\r\n\r\nv"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(answer.contains(&format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n")), "{answer}");
    cluster.await_that("the line is written", || !slow_requests(&cluster).is_empty());
    let lines = slow_requests(&cluster);
    let (fields, span) = (&lines[0]["fields"], &lines[0]["span"]);
    let what = ["door", "verb", "level", "outcome", "key"].map(|name| fields[name].as_str().unwrap());
    assert_eq!(what, ["http", "put", "ALL", "written", r#"a\nb\x1b\""#]);
    assert_eq!((&lines[0]["level"], &fields["passed_over"]), (&Value::from("WARN"), &Value::from(0)));
    assert_eq!((span["trace"].as_str(), span["parent"].as_str()), (Some(TRACE), Some(PARENT)));
    assert!(span["span"].as_str().is_some_and(|own| own.len() == 16 && own != PARENT), "{span}");
    let receipt = fields["receipt"].as_str().unwrap();
    let (replicas, answered) = receipt.split_once("; answered ").unwrap();
    let replicas: Vec<&str> = replicas.strip_prefix("replicas ").unwrap().split(',').collect();
    let mut answers: Vec<&str> = answered.split(',').map(|one| one.split(':').next().unwrap()).collect();
    answers.sort_unstable();
    let mut expected = replicas.clone();
    expected.sort_unstable();
    assert_eq!((answers, replicas.len()), (expected, 3), "{receipt}");
}

/// Sends one request to n1 and takes its answer.
fn send(http: &str, line: &str, body: &str) {
    let mut stream = TcpStream::connect(http).expect("an open door");
    let head =
        format!("{line} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + body).as_bytes()).expect("a request is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
}

/// Does the same until `fits` finds a line about it: there is at most one a second.
fn line_about(cluster: &Cluster, mut act: impl FnMut(), fits: impl Fn(&Value) -> bool) -> Value {
    let mut found = None;
    cluster.await_that("the line is written", || {
        act();
        found = slow_requests(cluster).into_iter().map(|line| line["fields"].clone()).find(|line| fits(line));
        found.is_some()
    });
    found.expect("just found")
}

#[test]
fn every_slow_request_says_what_it_asked_for_and_what_it_waited_for_a_scan_and_an_explain_too() {
    let (cluster, http) = cluster("[log]\nformat = \"json\"\nslow_request = \"1us\"\n");
    let key = "GET /api/v1/store/k?level=all";
    for (line, verb) in [
        ("PUT /api/v1/store/k?level=all", "put"),
        (key, "get"),
        ("GET /api/v1/explain?key=k", "explain"),
        ("DELETE /api/v1/store/k?level=all", "delete"),
        ("GET /api/v1/scan?limit=3&level=all", "page"),
    ] {
        let act = || {
            send(&http, "PUT /api/v1/store/k?level=all", "v");
            send(&http, line, if verb == "put" { "v" } else { "" });
        };
        let fields = line_about(&cluster, act, |fields| fields["verb"] == verb);
        assert_eq!(fields["keyspace"], "default", "{fields}");
        if verb == "page" {
            assert!(fields["partition"].as_u64().is_some_and(|partition| partition < 4_096), "{fields}");
            assert_eq!((&fields["start"], &fields["key"]), (&Value::from("first"), &Value::Null));
        } else {
            assert_eq!((&fields["key"], &fields["partition"]), (&Value::from("k"), &Value::Null), "{fields}");
        }
        assert!(fields["waited"].as_str().is_some_and(|waited| waited.contains("replicas ")), "{fields}");
        let receipt = fields["receipt"].as_str().expect("a receipt");
        let (_, answered) = receipt.split_once("; answered ").expect("who answered");
        assert_eq!(answered.split(',').count(), 3, "{fields}");
    }
}

#[test]
fn a_request_that_waited_for_another_shard_only_says_so_and_which_key_it_was_about() {
    let more = "[log]\nformat = \"json\"\nslow_request = \"1us\"\n";
    let cluster = Cluster::start(&Spec { more, shards: 2, ..Spec::default() });
    let mut tried = 0;
    // Refused before any replica is asked: there are three.
    let act = || {
        tried += 1;
        assert!(cluster.get(1, &format!("user {tried}\n"), Level::Exactly(5)).is_err());
    };
    let fields = line_about(&cluster, act, |fields| fields["receipt"] == "no replica was asked");
    let what = ["door", "verb", "level", "outcome"].map(|name| fields[name].as_str().unwrap());
    assert_eq!(what, ["tcp", "get", "5", "rejected"]);
    assert!(
        fields["key"].as_str().is_some_and(|key| key.starts_with("user ") && key.ends_with("\\n")),
        "{fields}"
    );
    assert!(fields["waited"].as_str().is_some_and(|waited| waited.starts_with("shard ")), "{fields}");
}

#[test]
fn a_filter_that_is_none_is_refused_before_anything_is_started() {
    let more = "[log]\nfilter = \"inof\"\n";
    let cluster = Cluster::prepare(&Spec { more, ..Spec::default() });
    let output = cluster.command(1).stderr(std::process::Stdio::piped()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("\"inof\" is no level") && said.contains("nothing was started"), "{said}");
}

/// What replica `k` logged of its parts in traced requests.
fn parts(cluster: &Cluster, k: usize) -> Vec<Value> {
    let text = std::fs::read_to_string(cluster.log(k)).expect("text");
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["fields"]["message"] == "a part of a traced request").collect()
}

/// Sends one request to n1 within the trace; the span that n1 gave it.
fn span_of(cluster: &Cluster, http: &str, line: &str, body: &str) -> String {
    let answered = |cluster: &Cluster| {
        let text = std::fs::read_to_string(cluster.log(1)).expect("text");
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["fields"]["message"] == "a traced request is answered").collect::<Vec<_>>()
    };
    let before = answered(cluster).len();
    let mut stream = TcpStream::connect(http).expect("an open door");
    let request = format!(
        "{line} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntraceparent: 00-{TRACE}-{PARENT}-01\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("a request is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    cluster.await_that("the line of the answer is written", || answered(cluster).len() > before);
    let span = &answered(cluster)[before]["span"];
    assert_eq!((span["trace"].as_str(), span["parent"].as_str()), (Some(TRACE), Some(PARENT)));
    span["span"].as_str().expect("a span").to_owned()
}

#[test]
fn the_replicas_of_a_traced_request_log_its_trace_with_the_coordinators_span_as_parent() {
    let more = "[log]\nformat = \"json\"\nfilter = \"info,quorate_server=debug,quorate_http=debug\"\n";
    let (cluster, http) = cluster(more);
    let key =
        (0..100).map(|k| format!("key{k}")).find(|key| !is_replica(&cluster.explain(1, key), 1)).unwrap();
    let explanation = cluster.explain(1, &key);
    let replicas: Vec<usize> = (2..=4).filter(|k| is_replica(&explanation, *k)).collect();
    let token = format!("{:016x}", explanation.token.0);
    let mut spans = BTreeSet::new();
    for (line, body, what) in [("PUT", "v", "write"), ("GET", "", "read")] {
        let span = span_of(&cluster, &http, &format!("{line} /api/v1/store/{key}?level=all"), body);
        let lines_at = |k: usize| {
            let mut lines = parts(&cluster, k);
            lines.retain(|line| line["fields"]["parent"] == span.as_str());
            lines
        };
        for &k in &replicas {
            cluster.await_that("the replica's line is written", || !lines_at(k).is_empty());
            let [line] = &lines_at(k)[..] else { panic!("{:?}", lines_at(k)) };
            let fields = &line["fields"];
            let said = ["trace", "replica", "coordinator", "what", "keyspace", "token", "outcome"]
                .map(|name| fields[name].as_str().unwrap());
            assert_eq!(said, [TRACE, &format!("n{k}"), "n1", what, "default", &token, "done"]);
            assert_eq!((&line["level"], &fields["sampled"]), (&Value::from("DEBUG"), &Value::from(true)));
            assert!(spans.insert(fields["span"].as_str().unwrap().to_owned()), "a span of its own: {line}");
        }
        assert!(spans.insert(span), "a span of its own");
        assert_eq!(parts(&cluster, 1), Vec::<Value>::new(), "n1 holds no copy");
    }
    assert_eq!(spans.len(), 8);
    assert!(cluster.put(1, &key, "untraced", Level::All).is_ok());
    let lines: usize = (1..=4).map(|k| parts(&cluster, k).len()).sum();
    assert_eq!(lines, 6, "what is not traced leaves no line");
}
