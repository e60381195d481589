//! The four verbs: bodies, statuses and headers, byte for byte.

use bytes::Bytes;
use quorate_types::{KeyspaceId, Level, NodeId, SpanId, Timestamp, Trace, TraceId, Version};
use quorate_wire::{ExpiryRequest, RequestBody};

use super::Bench;
use super::node::WALL_MS;
use crate::context::Context;
use crate::node::NoMetrics;

const JSON: &str = "content-type: application/json";

#[tokio::test(start_paused = true)]
async fn the_four_verbs_have_the_documented_bodies_and_statuses() {
    let bench = Bench::new();
    let absent = bench.send("GET /api/v1/store/greeting", "", "").await;
    assert_eq!((absent.status, absent.text()), (404, r#"{"message":"not found","value":""}"#));
    assert_eq!(absent.header("x-kv-absent"), Some("never written"));

    let stored = r#"{"message":"key store","key":"greeting","value":"hello"}"#;
    let in_body = r#"{"key":"greeting","value":"hello"}"#;
    for (line, headers, body) in [
        ("PUT /api/v1/store/greeting", "", "hello"),
        ("POST /api/v1/store/greeting", "content-type: text/plain", "hello"),
        ("PUT /api/v1/store/greeting", JSON, r#"{"value":"hello"}"#),
        ("PUT /api/v1/store", JSON, in_body),
        ("POST /api/v1/store", JSON, in_body),
        ("POST /api/v1/store", "content-type: application/x-www-form-urlencoded", in_body),
        ("POST /api/v1/store", "", in_body),
        ("PUT /api/v1/store?key=greeting", "", "hello"),
        ("PUT /api/v1/store?key64=Z3JlZXRpbmc", "", "hello"),
    ] {
        let reply = bench.send(line, headers, body).await;
        assert_eq!((reply.status, reply.text()), (201, stored), "{line} {headers}");
        assert_eq!(reply.header("content-type"), Some("application/json"));
    }

    let found = bench.send("GET /api/v1/store/greeting", "accept: */*", "").await;
    assert_eq!((found.status, found.text()), (200, r#"{"message":"found","value":"hello"}"#));
    let head = bench.send("HEAD /api/v1/store/greeting", "", "").await;
    assert_eq!((head.status, head.text()), (200, ""));

    let gone = bench.send("DELETE /api/v1/store/greeting", "", "").await;
    assert_eq!((gone.status, gone.text()), (204, ""));
    let again = bench.send("DELETE /api/v1/store?return=representation", JSON, r#"{"key":"greeting"}"#).await;
    assert_eq!((again.status, again.text()), (200, r#"{"message":"key store","key":"greeting","value":""}"#));
    let deleted = bench.send("GET /api/v1/store?key=greeting", "", "").await;
    assert_eq!((deleted.status, deleted.text()), (404, r#"{"message":"not found","value":""}"#));
    assert_eq!(deleted.header("x-kv-absent"), Some("deleted"));
}

#[tokio::test(start_paused = true)]
async fn any_bytes_are_a_key_and_a_value() {
    let bench = Bench::new();
    let key: &[u8] = b"a/b\0\xff/../ +%2F";
    let line = "PUT /api/v1/store/a%2Fb%00%ff/../%20+%252F";
    let reply = bench.send(line, "content-type: application/octet-stream", b"\xff\x00\xfe").await;
    let expected =
        r#"{"message":"key store","key64":"YS9iAP8vLi4vICslMkY","value":"/wD+","encoding":"base64"}"#;
    assert_eq!((reply.status, reply.text()), (201, expected));
    let RequestBody::Put { key: asked, value, .. } = bench.node.last().body else { panic!("a put") };
    assert_eq!((&asked[..], &value[..]), (key, &b"\xff\x00\xfe"[..]));

    let base64 = bench.send("GET /api/v1/store?key64=YS9iAP8vLi4vICslMkY", "", "").await;
    assert_eq!(base64.text(), r#"{"message":"found","value":"/wD+","encoding":"base64"}"#);
    let raw = bench
        .send("GET /api/v1/store?key64=YS9iAP8vLi4vICslMkY", "accept: application/octet-stream", "")
        .await;
    assert_eq!((raw.status, &raw.body[..]), (200, &b"\xff\x00\xfe"[..]));
    assert_eq!(raw.header("content-type"), Some("application/octet-stream"));
    let form = r#"{"key64":"YS9iAP8vLi4vICslMkY","value":"/wD+","encoding":"base64"}"#;
    assert_eq!(bench.send("PUT /api/v1/store", JSON, form).await.text(), expected);
}

#[tokio::test(start_paused = true)]
async fn levels_deadlines_expiries_and_keyspaces_reach_the_node() {
    let bench = Bench::new();
    let line = "PUT /api/v1/store/k?level=one&ttl=30s&deadline=200ms&keyspace=other";
    let reply = bench.send(line, "", "v").await;
    assert_eq!(reply.status, 201);
    assert_eq!(reply.header("x-kv-expires-at-ms"), Some((WALL_MS + 30_000).to_string().as_str()));
    let request = bench.node.last();
    assert_eq!(request.time_left_ms, 200);
    let expected = RequestBody::Put {
        keyspace: KeyspaceId::of_name("other"),
        key: Bytes::from("k"),
        value: Bytes::from("v"),
        level: Some(Level::One),
        expiry: ExpiryRequest::TtlMs(30_000),
        version: None,
    };
    assert_eq!(request.body, expected);

    assert_eq!(bench.send("DELETE /api/v1/store/k?level=all", "", "").await.status, 204);
    let key = Bytes::from("k");
    let keyspace = KeyspaceId::of_name("default");
    assert_eq!(
        bench.node.last().body,
        RequestBody::Delete { keyspace, key, level: Some(Level::All), version: None }
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_says_version_context_receipt_and_coordinator() {
    let bench = Bench::new();
    let reply = bench
        .send(
            "PUT /api/v1/store/k",
            "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "v",
        )
        .await;
    let version = format!("{WALL_MS}.0@1f2e3d4c");
    assert_eq!(reply.header("etag"), Some(format!("W/\"{version}\"").as_str()));
    assert_eq!(reply.header("x-kv-timestamp"), Some(WALL_MS.to_string().as_str()));
    assert_eq!(reply.header("x-kv-replicas"), Some("1/3"));
    assert_eq!(reply.header("x-kv-coordinator"), Some("n1"));
    assert_eq!(reply.header("server-timing"), Some("n1;dur=0.400, 00000003;desc=\"hint\""));
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(reply.header("traceparent"), Some(trace));
    let context = Context::from_text(reply.header("x-kv-context").unwrap().as_bytes()).unwrap();
    assert_eq!(context.version, version.parse().unwrap());

    let etag = format!("if-none-match: \"1.0@00000001\", W/\"{version}\"");
    let known = bench.send("GET /api/v1/store/k", &etag, "").await;
    assert_eq!((known.status, known.text()), (304, ""));
    assert_eq!(known.header("etag"), reply.header("etag"));
    let other = bench.send("GET /api/v1/store/k", "if-none-match: \"1.0@00000001\"", "").await;
    assert_eq!(other.status, 200);

    // The bytes and the JSON form are equivalent and not equal: their validator is weak, and works for both.
    let raw = bench.send("GET /api/v1/store/k", "accept: application/octet-stream", "").await;
    assert_eq!((raw.text(), raw.header("etag")), ("v", reply.header("etag")));
    let round_trip =
        format!("accept: application/octet-stream\r\nif-none-match: {}", reply.header("etag").unwrap());
    assert_eq!(bench.send("GET /api/v1/store/k", &round_trip, "").await.status, 304);
}

#[tokio::test(start_paused = true)]
async fn if_match_on_a_get_is_met_by_a_star_and_never_by_a_weak_tag() {
    let bench = Bench::new();
    let put = bench.send("PUT /api/v1/store/k", "", "v").await;
    let weak = format!("if-match: {}", put.header("etag").unwrap());
    let strong = weak.replace("W/", "");
    for (condition, key, status) in
        [("if-match: *", "k", 200), (&weak, "k", 412), (&strong, "k", 412), (&weak, "absent", 404)]
    {
        let reply = bench.send(&format!("GET /api/v1/store/{key}"), condition, "").await;
        assert_eq!(reply.status, status, "{condition} {key}: {}", reply.text());
    }
    let failed = bench.send("GET /api/v1/store/k", &strong, "").await;
    assert_eq!(failed.problem(), ("precondition-failed".into(), "rejected".into()));
}

#[tokio::test(start_paused = true)]
async fn the_node_is_told_the_trace_with_a_new_span_as_parent_and_nothing_without_a_valid_header() {
    let bench = Bench::new();
    let traced = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff";
    let trace = |span: u64| Trace {
        id: TraceId::from_hex("0af7651916cd43dd8448eb211c80319c").unwrap(),
        parent: SpanId::new(span.to_be_bytes()).unwrap(),
        flags: Trace::SAMPLED,
    };
    bench.send("PUT /api/v1/store/k", traced, "v").await;
    bench.send("GET /api/v1/store/k", "", "").await;
    bench.send("GET /api/v1/store/k", "traceparent: 00-0-0-01", "").await;
    let lines = "{\"op\":\"get\",\"key\":\"a\"}\n{\"op\":\"get\",\"key\":\"b\"}\n";
    bench.send("POST /api/v1/batch", traced, lines).await;
    bench.send("DELETE /api/v1/store/k", traced, "").await;
    let told = std::mem::take(&mut *bench.node.traces.lock().unwrap());
    assert_eq!(told[..5], [Some(trace(1)), None, None, Some(trace(2)), Some(trace(2))]);
    assert_eq!(told[5..], [Some(trace(3))]);
    bench.send("GET /api/v1/scan", traced, "").await;
    let pages = std::mem::take(&mut *bench.node.traces.lock().unwrap());
    assert!(!pages.is_empty() && pages.iter().all(|told| *told == Some(trace(4))), "{pages:?}");
}

#[tokio::test(start_paused = true)]
async fn a_read_older_than_its_context_is_no_answer_and_a_write_waits_until_it_is_newer() {
    let bench = Bench::new();
    bench.send("PUT /api/v1/store/k", "", "v").await;
    let keyspace = KeyspaceId::of_name("default");
    let seen = |key: &[u8], ahead_ms| {
        let version = Version::new(Timestamp::from_parts(WALL_MS + ahead_ms, 0), NodeId(7));
        format!("x-kv-context: {}", Context::new(keyspace, key, version).to_text())
    };
    let stale = bench.send("GET /api/v1/store/k", &seen(b"k", 40), "").await;
    assert_eq!((stale.status, stale.problem()), (503, ("stale-read".into(), "failed".into())));
    // What was seen of another key says nothing about this one.
    assert_eq!(bench.send("GET /api/v1/store/k", &seen(b"other", 40), "").await.status, 200);

    let before = tokio::time::Instant::now();
    assert_eq!(bench.send("PUT /api/v1/store/k", &seen(b"other", 40), "w").await.status, 201);
    assert_eq!(before.elapsed().as_millis(), 41);
    let asked = bench.node.asked.lock().unwrap().len();
    let far = bench.send("PUT /api/v1/store/k?deadline=1s", &seen(b"k", 2_000), "w").await;
    assert_eq!((far.status, far.problem()), (503, ("clock-behind".into(), "failed".into())));
    assert_eq!(bench.node.asked.lock().unwrap().len(), asked, "nothing was asked");
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_shall_be_minimal_is_answered_204_with_its_version() {
    let bench = Bench::new();
    for (line, headers) in [
        ("PUT /api/v1/store/k?return=minimal", ""),
        ("POST /api/v1/store/k", "prefer: return=minimal"),
        ("DELETE /api/v1/store/k?return=minimal", ""),
    ] {
        let reply = bench.send(line, headers, if line.starts_with('D') { "" } else { "v" }).await;
        assert_eq!((reply.status, reply.text(), reply.header("content-type")), (204, "", None), "{line}");
        assert!(reply.header("etag").is_some(), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn health_and_version_say_how_the_node_is() {
    let bench = Bench::new();
    assert_eq!(bench.send("GET /health/live", "", "").await.text(), r#"{"status":"live"}"#);
    assert_eq!(bench.send("GET /health/ready", "", "").await.text(), r#"{"status":"ready"}"#);
    bench.node.unready.lock().unwrap().push("the node is shutting down".to_owned());
    assert_eq!(bench.send("GET /health/live", "", "").await.status, 200);
    let unready = bench.send("GET /health/ready", "", "").await;
    assert_eq!((unready.status, unready.problem()), (503, ("not-ready".into(), "failed".into())));
    let version: serde_json::Value =
        serde_json::from_slice(&bench.send("GET /version", "", "").await.body).unwrap();
    assert_eq!(version, serde_json::json!({"version":"0.1.0","node":"n1","cluster":"demo","generation":3}));
}

#[tokio::test(start_paused = true)]
async fn metrics_come_as_openmetrics_and_a_node_that_has_none_says_why() {
    let bench = Bench::new();
    let served = bench.send("GET /metrics", "", "").await;
    assert_eq!((served.status, served.text()), (200, "under 0 0 0\n# EOF\n"));
    let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(served.header("content-type"), Some(media));
    for (why, status, kind) in [
        (NoMetrics::Overloaded("status_requests_max"), 429, "overloaded"),
        (NoMetrics::Ended, 503, "node-ended"),
    ] {
        *bench.node.unmeasured.lock().unwrap() = Some(why);
        let refused = bench.send("GET /metrics", "", "").await;
        assert_eq!((refused.status, refused.problem()), (status, (kind.into(), "failed".into())));
    }
}
