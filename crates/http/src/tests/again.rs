//! Writes that are sent again: under their first version, and only as they were.

use quorate_types::{NodeId, Timestamp, Version, WriteOutcome};
use quorate_wire::{ExpiryRequest, RequestBody, ResponseBody};

use super::{Bench, Reply};

fn version() -> Version {
    Version::new(Timestamp::from_parts(5, 1), NodeId(9))
}

/// Nobody knows what became of the next write.
fn unknown(bench: &Bench, expires_at_ms: Option<u64>) {
    let version = Some(version());
    bench.node.says(ResponseBody::Write(WriteOutcome::Indeterminate {
        acked: 1,
        required: 2,
        version,
        expires_at_ms,
    }));
}

/// The version that a problem document hands out.
fn handed_out(reply: &Reply) -> String {
    assert_eq!((reply.status, reply.problem().1.as_str()), (504, "unknown"));
    let document: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    let text = document["version"].as_str().unwrap().to_owned();
    assert!(text.starts_with("5.1@00000009~"), "{text}");
    text
}

#[tokio::test(start_paused = true)]
async fn an_unknown_write_is_sent_again_under_its_version_and_another_value_is_not() {
    let bench = Bench::new();
    unknown(&bench, Some(9));
    let text = handed_out(&bench.send("PUT /api/v1/store/k?ttl=5ms", "", "v").await);
    let line = |name: &str, rest: &str| format!("PUT /api/v1/store/{name}?version={text}{rest}");
    let asked = bench.node.asked.lock().unwrap().len();
    for (line, value) in [
        (line("k", "&expires-at-ms=9"), "w"),
        (line("l", "&expires-at-ms=9"), "v"),
        (line("k", "&expires-at-ms=9&keyspace=other"), "v"),
        (line("k", "&expires-at-ms=10"), "v"),
        (line("k", ""), "v"),
        (format!("DELETE /api/v1/store/k?version={text}"), ""),
    ] {
        let refused = bench.send(&line, "", value).await;
        assert_eq!((refused.status, refused.problem().0.as_str()), (400, "retry-differs"), "{line}");
    }
    assert_eq!(bench.node.asked.lock().unwrap().len(), asked, "nothing was asked");
    // In whatever form it comes, and unknown again: the same.
    unknown(&bench, Some(9));
    let json = "content-type: application/json";
    let again = bench.send(&line("k", "&expires-at-ms=9"), json, r#"{"value":"v"}"#).await;
    assert_eq!(handed_out(&again), text);
    let RequestBody::Put { expiry, version: sent, .. } = bench.node.last().body else { panic!("a put") };
    assert_eq!((expiry, sent), (ExpiryRequest::AtMs(9), Some(version())));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_delete_and_an_unknown_line_of_a_batch_are_sent_again_too() {
    let bench = Bench::new();
    unknown(&bench, None);
    let text = handed_out(&bench.send("DELETE /api/v1/store/k", "", "").await);
    let line = format!("DELETE /api/v1/store/k?version={text}&level=all");
    assert_eq!(bench.send(&line, "", "").await.status, 204);
    let RequestBody::Delete { version: sent, .. } = bench.node.last().body else { panic!("a delete") };
    assert_eq!(sent, Some(version()));

    unknown(&bench, None);
    let batch = bench.send("POST /api/v1/batch", "", r#"{"op":"put","key":"b","value":"v"}"#).await;
    let answer: serde_json::Value = serde_json::from_slice(&batch.body).unwrap();
    let line = format!("PUT /api/v1/store/b?version={}", answer["version"].as_str().unwrap());
    assert_eq!(bench.send(&line, "", "w").await.problem().0, "retry-differs");
    assert_eq!(bench.send(&line, "", "v").await.status, 201);
}
