//! Log lines of real processes: slow requests with their receipt and trace, keys escaped.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::harness::{Cluster, Spec};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A cluster whose first node has an HTTP door, and to which every request is slow.
fn cluster() -> (Cluster, String) {
    let more = "[log]\nformat = \"json\"\nslow_request = \"1us\"\n";
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
    let (cluster, http) = cluster();
    let mut stream = TcpStream::connect(http).unwrap();
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
    let receipt = fields["receipt"].as_str().unwrap();
    let (replicas, answered) = receipt.split_once("; answered ").unwrap();
    let replicas: Vec<&str> = replicas.strip_prefix("replicas ").unwrap().split(',').collect();
    let mut answers: Vec<&str> = answered.split(',').map(|one| one.split(':').next().unwrap()).collect();
    answers.sort_unstable();
    let mut expected = replicas.clone();
    expected.sort_unstable();
    assert_eq!((answers, replicas.len()), (expected, 3), "{receipt}");
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
