//! What is refused, and with which words.

use quorate_types::{NodeId, ReadOutcome, Refusal, Timestamp, Version, WriteOutcome};
use quorate_wire::ResponseBody;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Bench, Reply};
use crate::limits::Limits;

const JSON: &str = "content-type: application/json";

#[tokio::test(start_paused = true)]
async fn every_outcome_has_its_status_and_says_what_became_of_the_data() {
    let bench = Bench::new();
    let version = Version::new(Timestamp::from_parts(5, 1), NodeId(9));
    let rejected = |reason| ResponseBody::Write(WriteOutcome::Rejected { reason });
    for (said, status, kind, outcome) in [
        (
            ResponseBody::Write(WriteOutcome::Unavailable { required: 2, alive: 1 }),
            503,
            "unavailable",
            "failed",
        ),
        (rejected(Refusal::ValueTooLarge { bytes: 9, bytes_max: 8 }), 413, "value-too-large", "rejected"),
        (rejected(Refusal::LevelUnmeetable { required: 4, n: 3 }), 400, "level-unmeetable", "rejected"),
        (rejected(Refusal::LogFailed), 503, "log-failed", "failed"),
        (rejected(Refusal::ClockSkew { ahead_ms: 9, skew_max_ms: 5 }), 503, "clock-skew", "failed"),
        (
            ResponseBody::Refused(Refusal::Overloaded { limit: "requests_max".into() }),
            429,
            "overloaded",
            "failed",
        ),
        (ResponseBody::Refused(Refusal::ShuttingDown), 503, "shutting-down", "failed"),
        (ResponseBody::Refused(Refusal::DeadlinePassed), 503, "deadline-passed", "failed"),
        (ResponseBody::Refused(Refusal::Unsupported { what: "x".into() }), 501, "unsupported", "rejected"),
    ] {
        bench.node.says(said);
        let reply = bench.send("PUT /api/v1/store/k", "", "v").await;
        assert_eq!((reply.status, reply.problem()), (status, (kind.to_owned(), outcome.to_owned())));
        assert_eq!(reply.header("retry-after").is_some(), matches!(status, 429 | 503), "{kind}");
    }
    let unknown =
        WriteOutcome::Indeterminate { acked: 1, required: 2, version: Some(version), expires_at_ms: Some(7) };
    bench.node.says(ResponseBody::Write(unknown));
    let reply = bench.send("PUT /api/v1/store/k", "", "v").await;
    assert_eq!((reply.status, reply.problem()), (504, ("write-unacknowledged".into(), "unknown".into())));
    let document: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert!(document["version"].as_str().unwrap().starts_with("5.1@00000009~"));
    assert_eq!([&document["acks"], &document["needed"], &document["expires_at_ms"]], [1, 2, 7]);
    assert_eq!(reply.header("retry-after"), None, "nobody may retry it blindly");

    bench.node.says(ResponseBody::Read(ReadOutcome::TimedOut { answered: 1, required: 2 }));
    let reply = bench.send("GET /api/v1/store/k", "", "").await;
    assert_eq!((reply.status, reply.problem()), (504, ("read-timeout".into(), "failed".into())));
    bench.node.ends();
    let reply = bench.send("GET /api/v1/store/k", "", "").await;
    assert_eq!((reply.status, reply.problem()), (503, ("node-ended".into(), "failed".into())));
    bench.node.ends();
    let reply = bench.send("DELETE /api/v1/store/k", "", "").await;
    assert_eq!((reply.status, reply.problem()), (504, ("node-ended".into(), "unknown".into())));
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_served_is_refused_before_the_node_is_asked() {
    let bench = Bench::new();
    for (line, headers, body, status, kind) in [
        ("GET /api/v1/store/", "", "", 400, "key-length"),
        ("GET /api/v1/store", "", "", 400, "key-missing"),
        ("GET /api/v1/store?key=", "", "", 400, "key-length"),
        ("GET /api/v1/store/a%zz", "", "", 400, "bad-percent-encoding"),
        ("GET /api/v1/store?key64=*", "", "", 400, "bad-base64"),
        ("GET /api/v1/store/a?key=b", "", "", 400, "key-twice"),
        ("GET /api/v1/store/a?level=most", "", "", 400, "bad-parameter"),
        ("GET /api/v1/store/a?level=%ff", "", "", 400, "bad-parameter"),
        ("GET /api/v1/store/a?deadline=0s", "", "", 400, "bad-parameter"),
        ("GET /api/v1/store/a?ttl=1s", "", "", 400, "unknown-parameter"),
        ("GET /api/v1/store/a?keyspace=no", "", "", 400, "unknown-keyspace"),
        ("GET /api/v1/store/a", "accept: text/html", "", 406, "not-acceptable"),
        ("GET /api/v1/store/a", "x-kv-context: AAAA", "", 400, "bad-context"),
        ("GET /api/v1/scan?level=linearizable", "", "", 400, "bad-parameter"),
        ("PUT /api/v1/store/a", "if-match: \"1\"", "v", 501, "conditional-writes-not-atomic"),
        ("PUT /api/v1/store/a", "if-none-match: *", "v", 501, "conditional-writes-not-atomic"),
        ("DELETE /api/v1/store/a", "", r#"{"key":"b"}"#, 400, "key-twice"),
        ("DELETE /api/v1/store/a", "", r#"{"key64":"Yg"}"#, 400, "key-twice"),
        ("DELETE /api/v1/store?key=a", "", r#"{"key":"b"}"#, 400, "key-twice"),
        ("DELETE /api/v1/store/a", "", "b", 400, "bad-json"),
        ("PUT /api/v1/store/a?version=1.0@00000001", "", "v", 400, "bad-parameter"),
        ("PUT /api/v1/store/a?version=1.0@00000001~0123456789abcdef", "", "v", 400, "retry-differs"),
        ("DELETE /api/v1/store/a?version=1.0@00000001~0123456789abcdef", "", "", 400, "retry-differs"),
        ("PUT /api/v1/store/a?ttl=1s&version=1.0@00000001", "", "v", 400, "bad-parameter"),
        ("PUT /api/v1/store/a?return=all", "", "v", 400, "bad-parameter"),
        ("PUT /api/v1/store/a", JSON, "v", 400, "bad-json"),
        ("PUT /api/v1/store/a", JSON, r#"{"value":"v","valeu":"v"}"#, 400, "bad-json"),
        ("PUT /api/v1/store/a", JSON, r#"{"value":7}"#, 400, "bad-json"),
        ("PUT /api/v1/store/a", JSON, r#"{"value":"*","encoding":"base64"}"#, 400, "bad-base64"),
        ("PUT /api/v1/store/a", JSON, r#"{"key":"b","value":"v"}"#, 400, "key-twice"),
        ("PUT /api/v1/store", JSON, r#"{"key":"","value":"v"}"#, 400, "key-length"),
        ("POST /api/v1/store", JSON, r#"{"value":"v"}"#, 400, "key-missing"),
        ("POST /api/v1/store", "content-type: text/plain", "v", 415, "unsupported-media-type"),
        ("DELETE /api/v1/store", "", "", 400, "key-missing"),
        ("DELETE /api/v1/store", "", "{}", 400, "key-missing"),
        ("DELETE /api/v1/store/a", "sec-fetch-site: cross-site", "", 403, "cross-site"),
        ("PUT /api/v1/store/a", "origin: http://evil.example", "v", 403, "cross-site"),
        ("PUT /api/v1/store/a", "content-encoding: gzip", "v", 415, "content-coding"),
        (
            "PUT /api/v1/store/a",
            "content-encoding: identity\ncontent-encoding: br",
            "v",
            415,
            "content-coding",
        ),
        ("POST /api/v1/batch", "content-encoding: gzip", "v", 415, "content-coding"),
        ("PUT /api/v1/store/a", "content-range: bytes 0-0/2", "v", 400, "content-range"),
        ("PUT /api/v1/store/a", "x-kv-write: all", "v", 400, "unknown-header"),
        ("GET /api/v1/store/a", "x-kv-read: one", "", 400, "unknown-header"),
        ("GET /api/v1/scan", "x-kv-context: AAAA", "", 400, "unknown-header"),
        ("GET /api/v1/store/a", "host: h", "", 400, "bad-host"),
        ("PATCH /api/v1/store/a", "", "", 405, "method-not-allowed"),
        ("GET /api/v2/store/a", "", "", 404, "no-such-route"),
    ] {
        let reply = bench.send(line, headers, body).await;
        assert_eq!(
            (reply.status, reply.problem()),
            (status, (kind.to_owned(), "rejected".to_owned())),
            "{line}"
        );
    }
    assert!(bench.node.asked.lock().unwrap().is_empty());
}

/// What hyper does not let in, and how it says so.
const BROKEN: [(&str, u16, &str); 7] = [
    ("GARBAGE\r\n\r\n", 400, "bad-head"),
    ("GET / HTTP/9.9\r\n\r\n", 400, "bad-head"),
    ("GET /\u{1} HTTP/1.1\r\nhost: h\r\n\r\n", 400, "bad-head"),
    ("GET / HTTP/1.1\r\nhost: h\r\nno header\r\n\r\n", 400, "bad-head"),
    ("PUT /api/v1/store/k HTTP/1.1\r\nhost: h\r\ncontent-length: -1\r\n\r\n", 400, "bad-head"),
    (
        "PUT /api/v1/store/k HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        400,
        "bad-head",
    ),
    ("PUT /api/v1/store/k HTTP/1.1\r\nhost: h\r\ntransfer-encoding: gzip\r\n\r\n", 400, "bad-head"),
];

#[tokio::test(start_paused = true)]
async fn a_head_that_can_not_be_read_is_refused_by_a_problem_document_too() {
    let bench = Bench::with(Limits { head_bytes_max: 1 << 20, ..Limits::default() });
    let long = format!("GET /{} HTTP/1.1\r\nhost: h\r\n\r\n", "k".repeat(65_600));
    for (head, status, kind) in BROKEN.into_iter().chain([(long.as_str(), 414, "uri-too-long")]) {
        let answer = bench.exchange(head.as_bytes()).await;
        let reply = Reply::parse(&answer);
        assert_eq!(
            (reply.status, reply.problem()),
            (status, (kind.to_owned(), "rejected".to_owned())),
            "{head:.60}"
        );
        assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()));
        assert_eq!(reply.header("connection"), Some("close"));
        assert!(reply.header("date").is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_head_behind_a_good_one_is_refused_so_too_and_no_value_is_taken_for_such_a_refusal() {
    let bench = Bench::new();
    let bare = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    bench.send("PUT /api/v1/store/bare", "", bare).await;
    let get = "GET /api/v1/store/bare HTTP/1.1\r\nhost: h\r\naccept: application/octet-stream\r\n\r\n";
    let (client, serving) = bench.connected(64 << 10);
    let (mut read, mut write) = tokio::io::split(client);
    let mut answers = Vec::new();
    for request in [get, get, "GARBAGE\r\n\r\n"] {
        write.write_all(request.as_bytes()).await.unwrap();
        let begun = answers.len();
        while !answers[begun..].windows(4).any(|window| window == b"\r\n\r\n") {
            assert!(read.read_buf(&mut answers).await.unwrap() > 0, "it is answered");
        }
    }
    read.read_to_end(&mut answers).await.unwrap();
    serving.await.unwrap();
    let text = String::from_utf8(answers).unwrap();
    assert_eq!(text.matches(bare).count(), 2, "values come as they are: {text}");
    let (_, last) = text.rsplit_once("HTTP/1.1 400 ").unwrap();
    let refused = Reply::parse(format!("HTTP/1.1 400 {last}").as_bytes());
    assert_eq!(refused.problem().0, "bad-head");
}

#[tokio::test(start_paused = true)]
async fn a_host_is_there_once_and_is_one() {
    let bench = Bench::new();
    let answer = async |version: &str, host: &str| {
        let request = format!("GET /health/live HTTP/{version}\r\n{host}connection: close\r\n\r\n");
        Reply::parse(&bench.exchange(request.as_bytes()).await)
    };
    for host in
        ["", "host: a b\r\n", "host: a\r\nhost: a\r\n", "host: u@a\r\n", "host: a/b\r\n", "host: a,b:1:2\r\n"]
    {
        let refused = answer("1.1", host).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (400, ("bad-host".into(), "rejected".into())),
            "{host:?}"
        );
    }
    for host in ["host: a\r\n", "host: 127.0.0.1:7380\r\n", "host: [::1]:7380\r\n", "host:\r\n"] {
        assert_eq!(answer("1.1", host).await.status, 200, "{host:?}");
    }
    assert_eq!(answer("1.0", "").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_transfer_coding_that_nobody_undoes_is_refused() {
    let bench = Bench::new();
    let head = "PUT /api/v1/store/k HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: ";
    let coded = |coding: &str| format!("{head}{coding}\r\n\r\n1\r\nv\r\n0\r\n\r\n");
    let refused = Reply::parse(&bench.exchange(coded("gzip, chunked").as_bytes()).await);
    assert_eq!((refused.status, refused.problem().0.as_str()), (501, "transfer-coding"));
    assert_eq!(Reply::parse(&bench.exchange(coded("Chunked").as_bytes()).await).status, 201);
}

#[tokio::test(start_paused = true)]
async fn a_page_of_the_nodes_own_origin_may_write() {
    let bench = Bench::new();
    for headers in
        ["origin: http://h", "origin: http://h\nsec-fetch-site: same-origin", "sec-fetch-site: same-site"]
    {
        assert_eq!(bench.send("PUT /api/v1/store/a", headers, "v").await.status, 201, "{headers}");
    }
}
