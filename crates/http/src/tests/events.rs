//! The stream of events, as a client sees it.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpListener;

use super::Bench;
use super::node::{EVENTS_KEPT, WALL_MS};
use crate::door::Stop;
use crate::feed::NodeEvent;
use crate::limits::Limits;
use crate::node::Count;

/// A client of the stream.
struct Watcher {
    stream: DuplexStream,
    text: String,
}

impl Watcher {
    async fn begin(bench: &Bench, bytes: usize, headers: &str) -> Watcher {
        let mut stream = bench.connect(bytes);
        let head = format!("GET /api/v1/events HTTP/1.1\r\nhost: h\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        Watcher { stream, text: String::new() }
    }

    /// Reads until `what` has come.
    async fn reads(&mut self, what: &str) {
        let mut buffer = [0; 4096];
        while !self.text.contains(what) {
            let read = self.stream.read(&mut buffer).await.unwrap();
            assert_ne!(read, 0, "{what:?} did not come: {}", self.text);
            self.text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
    }

    /// Reads to the end.
    async fn ends(mut self) -> String {
        let mut rest = String::new();
        self.stream.read_to_string(&mut rest).await.unwrap();
        self.text + &rest
    }
}

fn up(bench: &Bench, peer: &str) {
    bench.node.feed.announce(WALL_MS, &NodeEvent::PeerUp { peer: peer.to_owned() });
}

#[tokio::test(start_paused = true)]
async fn a_stream_says_hello_then_what_happens_and_when_nothing_does_that_it_is_still_there() {
    let bench = Bench::new();
    up(&bench, "before");
    let mut watcher = Watcher::begin(&bench, 64 << 10, "").await;
    watcher.reads("\"type\":\"hello\"}\n\n").await;
    assert!(watcher.text.contains("content-type: text/event-stream\r\n"), "{}", watcher.text);
    let hello = format!(
        "id: 3-1\nevent: hello\ndata: {{\"at_ms\":{WALL_MS},\"generation\":3,\"node\":\"n1\",\"schema\":1"
    );
    assert!(watcher.text.contains(&hello), "{}", watcher.text);
    let begun = tokio::time::Instant::now();
    watcher.reads(": heartbeat\n\n").await;
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
    up(&bench, "n2");
    watcher.reads("id: 3-2\nevent: peer-up\n").await;
    assert!(!watcher.text.contains("before"), "{}", watcher.text);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_comes_back_gets_what_it_missed_or_is_told_that_it_missed_more() {
    let bench = Bench::new();
    (1..=6).for_each(|n| up(&bench, &format!("p{n}")));
    let mut back = Watcher::begin(&bench, 64 << 10, "last-event-id: 3-4\r\n").await;
    back.reads("p6").await;
    assert!(back.text.contains("id: 3-5\n") && !back.text.contains("id: 3-4\n"), "{}", back.text);
    assert!(!back.text.contains("event: gap") && !back.text.contains("event: hello"), "{}", back.text);
    for (id, why) in [("3-1", "not kept"), ("2-4", "restarted"), ("3-9", "no such event")] {
        let mut late = Watcher::begin(&bench, 64 << 10, &format!("last-event-id: {id}\r\n")).await;
        late.reads("p6").await;
        let (gap, rest) = (late.text.find("id: 3-2\nevent: gap\n"), late.text.find("id: 3-3\n"));
        assert!(gap.is_some() && gap < rest && late.text.contains(why), "{id}: {}", late.text);
    }
    let bad = bench.send("GET /api/v1/events", "last-event-id: yesterday", "").await;
    assert_eq!((bad.status, bad.problem()), (400, ("bad-last-event-id".into(), "rejected".into())));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_falls_too_far_behind_is_cut_off_and_told_so() {
    let bench = Bench::new();
    let mut slow = Watcher::begin(&bench, 64, "").await;
    slow.reads("HTTP/1.1 200").await;
    // Its connection holds 64 bytes and hyper a few hundred KiB: what follows fits into neither.
    let large = "p".repeat(256 << 10);
    for _ in 0..4 * EVENTS_KEPT {
        up(&bench, &large);
        tokio::task::yield_now().await;
    }
    let said = slow.ends().await;
    let last = said.rsplit("event: ").next().unwrap();
    assert!(last.starts_with("cut-off\n") && last.contains("http.events_kept_max"), "{last:.200}");
    assert_eq!(bench.node.counted(Count::SubscriberCutOff), 1);
}

#[tokio::test(start_paused = true)]
async fn streams_above_the_limit_are_refused_and_one_that_ends_makes_room() {
    let bench = Bench::with(Limits { subscribers_max: 1, ..Limits::default() });
    let mut first = Watcher::begin(&bench, 64 << 10, "").await;
    first.reads("hello").await;
    let second = bench.send("GET /api/v1/events", "", "").await;
    assert_eq!((second.status, second.problem()), (429, ("overloaded".into(), "failed".into())));
    assert!(second.text().contains("http.subscribers_max"), "{}", second.text());
    assert_eq!(bench.node.counted(Count::SubscribersMax), 1);
    drop(first);
    while bench.door.subscriber_place().is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_stream_ends_with_the_node() {
    let bench = Bench::new();
    let mut watcher = Watcher::begin(&bench, 64 << 10, "").await;
    watcher.reads("hello").await;
    bench.stop.send_replace(Stop::Drain);
    bench.node.feed.announce(WALL_MS, &NodeEvent::DrainBegun);
    let said = watcher.ends().await;
    assert!(said.contains("event: drain-begun\n"), "{said}");
    let bench = Bench::new();
    bench.node.feed.announce(WALL_MS, &NodeEvent::DrainBegun);
    let late = bench.send("GET /api/v1/events", "", "").await;
    assert_eq!((late.status, late.problem()), (503, ("shutting-down".into(), "failed".into())));
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_reached_is_told_once_a_second_with_how_often() {
    let bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door = tokio::spawn(Arc::clone(&bench.door).serve(listener, bench.stop.subscribe()));
    let mut watcher = Watcher::begin(&bench, 64 << 10, "").await;
    watcher.reads("hello").await;
    *bench.node.reached.lock().unwrap() = vec![("requests_max", 7), ("http.requests_max", 0)];
    watcher.reads("\"hits\":7,\"limit\":\"requests_max\",\"total\":7").await;
    *bench.node.reached.lock().unwrap() = vec![("requests_max", 9)];
    watcher.reads("\"hits\":2,\"limit\":\"requests_max\",\"total\":9").await;
    assert_eq!(
        watcher.text.matches("limit-hit").count(),
        4,
        "two events, each named twice: {}",
        watcher.text
    );
    bench.stop.send_replace(Stop::Now);
    door.await.unwrap();
}
