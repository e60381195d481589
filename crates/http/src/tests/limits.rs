//! Limits, slow clients, and the end.

use std::time::Duration;

use quorate_types::{NodeId, Timestamp, Version, WriteOutcome};
use quorate_wire::{Response, ResponseBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Bench, Reply};
use crate::door::Stop;
use crate::limits::Limits;
use crate::node::Count;

fn small() -> Limits {
    Limits {
        head_bytes_max: 8 << 10,
        body_bytes_max: 1_000,
        bodies_bytes_max: 1_500,
        requests_max: 1,
        head_timeout: Duration::from_secs(10),
        body_timeout: Duration::from_secs(20),
        write_timeout: Duration::from_secs(15),
        ..Limits::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_is_refused_by_its_length_before_it_is_read_and_by_its_bytes_if_it_says_none() {
    let bench = Bench::with(small());
    let head = "PUT /api/v1/store/k HTTP/1.1\r\nhost: h\r\nconnection: close\r\n";
    let announced = format!("{head}content-length: 1001\r\nexpect: 100-continue\r\n\r\n");
    let chunked =
        format!("{head}transfer-encoding: chunked\r\n\r\n3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(1_001));
    for request in [announced, chunked] {
        let reply = Reply::parse(&bench.exchange(request.as_bytes()).await);
        assert_eq!((reply.status, reply.problem()), (413, ("body-too-large".into(), "rejected".into())));
    }
    assert_eq!(bench.node.counted(Count::BodyBytesMax), 2);
    let fits = format!("{head}transfer-encoding: chunked\r\n\r\n3e8\r\n{}\r\n0\r\n\r\n", "x".repeat(1_000));
    assert_eq!(Reply::parse(&bench.exchange(fits.as_bytes()).await).status, 201);
}

#[tokio::test(start_paused = true)]
async fn bodies_have_bounded_room_and_a_slow_one_gives_it_back() {
    let bench = Bench::with(small());
    let mut slow = bench.connect(64 << 10);
    let head = "PUT /api/v1/store/k HTTP/1.1\r\nhost: h\r\ncontent-length: 1000\r\n\r\nx";
    slow.write_all(head.as_bytes()).await.unwrap();
    // Lets the door take it.
    while bench.door.room_for(1_000).is_ok() {
        tokio::task::yield_now().await;
    }
    let full = bench.send("PUT /api/v1/store/k", "", "x".repeat(600)).await;
    assert_eq!((full.status, full.problem()), (429, ("overloaded".into(), "failed".into())));
    let mut answer = Vec::new();
    let before = tokio::time::Instant::now();
    slow.read_to_end(&mut answer).await.unwrap();
    assert_eq!(before.elapsed().as_secs(), 20);
    let late = Reply::parse(&answer);
    assert_eq!((late.status, late.problem()), (408, ("body-timeout".into(), "failed".into())));
    assert_eq!(bench.send("PUT /api/v1/store/k", "", "x".repeat(600)).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_or_is_too_long_ends_the_connection() {
    let bench = Bench::with(small());
    for begun in ["", "GET /api/v1/store/k HTTP/1.1\r\nhost: h\r\nx-slow: "] {
        let mut silent = bench.connect(64 << 10);
        silent.write_all(begun.as_bytes()).await.unwrap();
        let before = tokio::time::Instant::now();
        let mut answer = Vec::new();
        silent.read_to_end(&mut answer).await.unwrap();
        assert_eq!(before.elapsed().as_secs(), 10, "{begun:?}");
    }
    let long = format!("GET /api/v1/store/{} HTTP/1.1\r\nhost: h\r\n\r\n", "k".repeat(20_000));
    let refused = Reply::parse(&bench.exchange(long.as_bytes()).await);
    assert_eq!((refused.status, refused.problem()), (431, ("head-too-large".into(), "rejected".into())));
}

/// A request whose head has exactly `bytes`.
fn head_of(bytes: usize) -> Vec<u8> {
    let begin = "GET /health/live HTTP/1.1\r\nhost: h\r\nconnection: close\r\nx-long: ";
    let filled = "x".repeat(bytes - begin.len() - 4);
    format!("{begin}{filled}\r\n\r\n").into_bytes()
}

#[tokio::test(start_paused = true)]
async fn a_head_may_have_as_many_bytes_as_the_limit_says_and_not_one_more_however_it_comes() {
    for limit in [8 << 10, 64 << 10] {
        let bench = Bench::with(Limits { head_bytes_max: limit, ..small() });
        for (bytes, status) in [(limit, 200), (limit + 1, 431), (limit + 5_000, 431), (2 * limit, 431)] {
            let burst = Reply::parse(&bench.exchange(&head_of(bytes)).await);
            assert_eq!(burst.status, status, "{bytes} of {limit} in a burst");
            let (client, serving) = bench.connected(1_000);
            let (mut read, mut write) = tokio::io::split(client);
            let (mut answer, head) = (Vec::new(), head_of(bytes));
            let sending = async {
                // The door may refuse before it has read everything.
                let _ = write.write_all(&head).await;
            };
            let ((), read) = tokio::join!(sending, read.read_to_end(&mut answer));
            read.unwrap();
            serving.await.unwrap();
            let pieces = Reply::parse(&answer);
            assert_eq!(pieces.status, status, "{bytes} of {limit} in pieces");
            if status == 431 {
                assert_eq!([burst.problem().0, pieces.problem().0], ["head-too-large", "head-too-large"]);
                assert_eq!([burst.header("connection"), pieces.header("connection")], [Some("close"); 2]);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_has_a_hundred_headers_and_not_one_more() {
    let bench = Bench::new();
    for (headers, status) in [(100, 200), (101, 431), (5_000, 431)] {
        let more = (2..headers).fold(String::new(), |more, number| more + &format!("x{number}: 1\r\n"));
        let request = format!("GET /health/live HTTP/1.1\r\nhost: h\r\nconnection: close\r\n{more}\r\n");
        let reply = Reply::parse(&bench.exchange(request.as_bytes()).await);
        assert_eq!(reply.status, status, "{headers}");
        if status == 431 {
            assert_eq!(reply.problem(), ("head-too-large".into(), "rejected".into()), "{headers}");
        }
    }
    assert_eq!(bench.node.counted(Count::HeadBroken), 2);
}

#[tokio::test(start_paused = true)]
async fn silence_after_an_answer_ends_the_connection_too() {
    let bench = Bench::with(small());
    let mut client = bench.connect(64 << 10);
    client.write_all(b"GET /health/live HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    let before = tokio::time::Instant::now();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(Reply::parse(&answer).status, 200);
    assert_eq!(before.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_take_its_answer_is_cut_off() {
    let bench = Bench::with(Limits { body_bytes_max: 1 << 20, bodies_bytes_max: 1 << 20, ..small() });
    bench.send("PUT /api/v1/store/k", "", vec![b'v'; 100_000]).await;
    let mut client = bench.connect(1_000);
    client.write_all(b"GET /api/v1/store/k HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    let before = tokio::time::Instant::now();
    while bench.node.counted(Count::WriteTimeout) == 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(before.elapsed() < Duration::from_mins(1), "it was not cut off");
    }
    assert!(before.elapsed() >= Duration::from_secs(15), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn requests_above_the_limit_are_refused_and_those_under_way_are_answered_before_the_end() {
    let bench = Bench::with(small());
    *bench.node.held.lock().unwrap() = Some(Vec::new());
    let mut held = bench.connect(64 << 10);
    held.write_all(b"PUT /api/v1/store/k HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\nv").await.unwrap();
    while bench.node.held.lock().unwrap().as_ref().is_some_and(Vec::is_empty) {
        tokio::task::yield_now().await;
    }
    let second = bench.send("GET /api/v1/store/k", "", "").await;
    assert_eq!((second.status, second.problem()), (429, ("overloaded".into(), "failed".into())));

    bench.stop.send_replace(Stop::Drain);
    let (request, answer) = bench.node.held.lock().unwrap().take().unwrap().pop().unwrap();
    let version = Version::new(Timestamp::from_parts(5, 1), NodeId(9));
    let body = WriteOutcome::Written { version, expires_at_ms: None, acked: 1, required: 1 };
    let body = ResponseBody::Write(body);
    answer.send(Response { number: request.number, body, receipt: None }).unwrap();
    let mut rest = Vec::new();
    held.read_to_end(&mut rest).await.unwrap();
    let reply = Reply::parse(&rest);
    assert_eq!((reply.status, reply.header("connection")), (201, Some("close")));
}
