//! Batches and scans.

use bytes::Bytes;
use quorate_types::{NodeId, PARTITIONS, PageStart, Record, Timestamp, Version};
use quorate_wire::{PageOutcome, RequestBody, ResponseBody};
use serde_json::{Value, json};

use super::Bench;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_batch_answers_every_line_in_order_whatever_became_of_the_others() {
    let bench = Bench::new();
    let batch = concat!(
        "{\"op\":\"put\",\"key\":\"a\",\"value\":\"1\"}\n",
        "{\"op\":\"get\",\"key\":\"a\"}\n\n",
        "{\"op\":\"put\",\"key64\":\"_w\",\"value\":\"/w==\",\"encoding\":\"base64\",\"ttl_ms\":5}\n",
        "{\"op\":\"get\",\"key64\":\"_w\"}\n",
        "{\"op\":\"eat\",\"key\":\"a\"}\n",
        "{\"op\":\"get\",\"key\":\"a\",\"value\":\"1\"}\n",
        "{\"op\":\"delete\",\"key\":\"a\"}\n",
        "{\"op\":\"get\",\"key\":\"a\"}",
    );
    let reply = bench.send("POST /api/v1/batch?level=one", "content-type: application/x-ndjson", batch).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/x-ndjson")));
    let lines = lines(reply.text());
    let statuses: Vec<_> = lines.iter().map(|line| line["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [201, 200, 201, 200, 400, 400, 204, 404]);
    assert_eq!(lines[1]["value"], "1");
    assert_eq!((&lines[3]["value"], &lines[3]["encoding"]), (&json!("/w=="), &json!("base64")));
    assert_eq!(lines[4]["outcome"], "rejected");
}

#[tokio::test(start_paused = true)]
async fn a_line_of_a_batch_that_does_not_fit_its_verb_is_told_what_is_wrong_with_it() {
    let bench = Bench::new();
    for (line, wrong) in [
        (r#"{"op":"put","key":"a","value":"1","ttl_ms":0}"#, "ttl_ms: 0 is no time"),
        (r#"{"op":"put","key":"a"}"#, "a put has a value"),
        (r#"{"op":"get","key":"a","ttl_ms":5}"#, "a get or delete has neither value nor ttl_ms"),
        (r#"{"op":"delete","key":"a","value":"1"}"#, "a get or delete has neither value nor ttl_ms"),
    ] {
        let reply = bench.send("POST /api/v1/batch", "", line).await;
        let detail = lines(reply.text())[0]["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(wrong), "{line}: {detail}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_answer_is_too_large_says_what_was_not_begun() {
    let bench = Bench::new();
    bench.send("PUT /api/v1/store/k", "", vec![b'v'; 1 << 20]).await;
    let batch = "{\"op\":\"get\",\"key\":\"k\"}\n".repeat(20);
    let reply = bench.send("POST /api/v1/batch", "", batch).await;
    let statuses: Vec<_> = lines(reply.text()).iter().map(|line| line["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses.len(), 20);
    assert_eq!((statuses[0], statuses[19]), (200, 429));
    assert!(reply.body.len() < 12 << 20, "{} bytes", reply.body.len());
}

/// Says `entries` to the next page, and how it goes on.
fn says_page(bench: &Bench, keys: &[&'static str], next: Option<&'static str>) {
    let version = Version::new(Timestamp::from_parts(5, 1), NodeId(9));
    let entry = |key: &&'static str| (Bytes::from(*key), Record::put(version, "v", None));
    let entries = keys.iter().map(entry).collect();
    bench.node.says(ResponseBody::Page(PageOutcome::Page { entries, next: next.map(Bytes::from) }));
}

#[tokio::test(start_paused = true)]
async fn a_scan_says_where_it_goes_on_and_goes_on_there() {
    let bench = Bench::new();
    says_page(&bench, &["a", "b"], Some("b"));
    let first = bench.send("GET /api/v1/scan?limit=2", "", "").await;
    let first = lines(first.text());
    assert_eq!(first[0], json!({"key":"a","value":"v","version":"5.1@00000009"}));
    let cursor = first[2]["next"].as_str().unwrap();

    says_page(&bench, &["ac", "c"], None);
    let rest = bench.send(&format!("GET /api/v1/scan?prefix=a&cursor={cursor}"), "", "").await;
    let expected = [json!({"key":"ac","value":"v","version":"5.1@00000009"}), json!({"next":null})];
    assert_eq!(lines(rest.text()), expected);
    let asked = bench.node.asked.lock().unwrap();
    let begins = |request: &quorate_wire::Request| match &request.body {
        RequestBody::Page { partition, start, .. } => (partition.0, start.clone()),
        other => panic!("a page, not {other:?}"),
    };
    let second = asked.iter().position(|one| begins(one) == (0, PageStart::After(Bytes::from("b")))).unwrap();
    let asked: Vec<_> = asked[second + 1..].iter().map(begins).collect();
    assert_eq!(asked, (1..PARTITIONS as u16).map(|at| (at, PageStart::First)).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_scan_that_ends_within_a_page_that_was_asked_for_ahead_goes_on_behind_what_it_gave() {
    let bench = Bench::new();
    says_page(&bench, &["a", "b"], None);
    says_page(&bench, &["c", "d"], None);
    let first = lines(bench.send("GET /api/v1/scan?limit=3", "", "").await.text());
    let keys: Vec<_> = first[..3].iter().map(|line| line["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["a", "b", "c"]);
    let cursor = first[3]["next"].as_str().unwrap();
    bench.node.asked.lock().unwrap().clear();
    says_page(&bench, &["d"], None);
    let rest = lines(bench.send(&format!("GET /api/v1/scan?cursor={cursor}"), "", "").await.text());
    assert_eq!((&rest[0]["key"], &rest[1]), (&json!("d"), &json!({"next":null})));
    let asked = bench.node.asked.lock().unwrap();
    let RequestBody::Page { partition, start, .. } = &asked[0].body else { panic!("a page") };
    assert_eq!((partition.0, start), (1, &PageStart::After(Bytes::from("c"))));
}

#[tokio::test(start_paused = true)]
async fn a_scan_whose_limit_ends_with_a_partition_goes_on_with_the_next() {
    let bench = Bench::new();
    says_page(&bench, &["a"], None);
    let first = lines(bench.send("GET /api/v1/scan?limit=1", "", "").await.text());
    let cursor = first[1]["next"].as_str().unwrap();
    bench.node.asked.lock().unwrap().clear();
    bench.send(&format!("GET /api/v1/scan?cursor={cursor}"), "", "").await;
    let asked = bench.node.asked.lock().unwrap();
    let RequestBody::Page { partition, start, .. } = &asked[0].body else { panic!("a page") };
    assert_eq!((partition.0, start), (1, &PageStart::First));
}

#[tokio::test(start_paused = true)]
async fn a_scan_that_can_not_be_answered_says_why() {
    let bench = Bench::new();
    bench.node.says(ResponseBody::Page(PageOutcome::Unavailable { required: 2, alive: 1 }));
    let reply = bench.send("GET /api/v1/scan", "", "").await;
    assert_eq!((reply.status, reply.problem()), (503, ("unavailable".into(), "failed".into())));
    for bad in ["limit=0", "limit=10001", "limit=x", "cursor=*", "cursor=EAA"] {
        assert_eq!(bench.send(&format!("GET /api/v1/scan?{bad}"), "", "").await.status, 400, "{bad}");
    }
}
