//! What is refused, and with which words.

use quorate_types::{NodeId, ReadOutcome, Refusal, Timestamp, Version, WriteOutcome};
use quorate_wire::ResponseBody;

use super::Bench;

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
