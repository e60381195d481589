//! What only a socket does: backpressure, deadlines, large frames, another thread's runtime.

use std::time::{Duration, Instant};

use bytes::Bytes;
use quorate_transport::{SendError, Tcp, TcpOptions, Transport, TransportError};
use quorate_types::KeyspaceId;
use quorate_wire::{ExpiryRequest, Request, RequestBody, WireError, frame_of};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::common::{end_of, greeted, numbers, ping, receive, soon};

fn large(bytes: usize) -> Bytes {
    let (level, expiry, version) = (None, ExpiryRequest::Never, None);
    let value = vec![b'v'; bytes].into();
    let body = RequestBody::Put { keyspace: KeyspaceId(1), key: "k".into(), value, level, expiry, version };
    frame_of(&Request { number: 1, time_left_ms: 1, want_receipt: false, body }).expect("it fits")
}

fn tcp(options: TcpOptions) -> Tcp {
    Tcp::new(options)
}

#[tokio::test]
async fn frames_of_many_mebibytes_pass_whatever_the_socket_takes_at_a_time() {
    let transport = tcp(TcpOptions::default());
    let listener = transport.listen("127.0.0.1:0").await.unwrap();
    let (near, mut far) = greeted(&transport, &*listener).await;
    let frames: Vec<Bytes> = (1..=5).map(|n| large(n << 20)).chain([ping(1)]).collect();
    for frame in &frames {
        near.sink.try_send(frame.clone()).unwrap();
    }
    assert!(near.sink.queued_bytes() > 0, "a socket does not take 15 MiB at once");
    assert_eq!(receive(&mut far, 6).await, frames);
    soon(near.sink.flushed()).await;
    assert_eq!(near.sink.queued_bytes(), 0);
}

#[tokio::test]
async fn a_reader_that_is_too_slow_fills_the_queue_and_the_next_frame_is_refused() {
    let queue_bytes_max = 4 << 20;
    let transport = tcp(TcpOptions { link_queue_bytes_max: queue_bytes_max, ..TcpOptions::default() });
    let listener = transport.listen("127.0.0.1:0").await.unwrap();
    let (near, mut far) = greeted(&transport, &*listener).await;
    let frame = large(1 << 20);
    let mut sent = 0;
    let refused = loop {
        match near.sink.try_send(frame.clone()) {
            Ok(()) => sent += 1,
            Err(refused) => break refused,
        }
        assert!(sent < 1000, "the queue is bounded");
    };
    let queued_bytes = near.sink.queued_bytes();
    assert_eq!(refused, SendError::Full { queued_bytes, queue_bytes_max });
    assert!(queued_bytes <= queue_bytes_max && queued_bytes + frame.len() > queue_bytes_max);
    assert_eq!(receive(&mut far, sent).await.len(), sent);
    soon(near.sink.flushed()).await;
    near.sink.try_send(ping(1)).unwrap();
    assert_eq!(numbers(&receive(&mut far, 1).await), [1]);
}

#[tokio::test]
async fn a_reader_that_reads_nothing_is_cut_off_at_the_write_deadline() {
    let after = Duration::from_millis(50);
    let transport = tcp(TcpOptions { write_deadline: after, ..TcpOptions::default() });
    let listener = transport.listen("127.0.0.1:0").await.unwrap();
    let (mut near, _far) = greeted(&transport, &*listener).await;
    let started = Instant::now();
    (0..16).for_each(|_| near.sink.try_send(large(1 << 20)).unwrap());
    let TransportError::WriteStalled { after: waited, queued_bytes } = end_of(&mut near).await else {
        panic!("the deadline has passed")
    };
    assert!(started.elapsed() >= after);
    assert!(waited == after && queued_bytes > 0);
    assert_eq!(near.sink.try_send(ping(1)), Err(SendError::Closed));
}

#[tokio::test]
async fn what_is_queued_at_a_close_is_still_sent() {
    let transport = tcp(TcpOptions::default());
    let listener = transport.listen("127.0.0.1:0").await.unwrap();
    let (near, mut far) = greeted(&transport, &*listener).await;
    (0..8).for_each(|_| near.sink.try_send(large(1 << 20)).unwrap());
    assert!(near.sink.queued_bytes() > 0);
    drop(near);
    assert_eq!(receive(&mut far, 8).await.len(), 8);
    assert!(matches!(end_of(&mut far).await, TransportError::Closed));
}

#[tokio::test]
async fn a_frame_above_the_limit_ends_the_connection_before_it_is_read() {
    let transport = tcp(TcpOptions { frame_bytes_max: 1000, ..TcpOptions::default() });
    let listener = transport.listen("127.0.0.1:0").await.unwrap();
    let (near, mut far) = greeted(&transport, &*listener).await;
    near.sink.try_send(large(1000)).unwrap();
    let end = end_of(&mut far).await;
    let TransportError::Wire { source: WireError::FrameTooLarge { bytes_max, .. } } = end else {
        panic!("{end:?}")
    };
    assert_eq!(bytes_max, 1000);
}

#[tokio::test]
async fn a_connection_that_ends_within_a_frame_is_lost_not_closed() {
    let transport = Tcp::default();
    let listener = transport.listen("127.0.0.1:0").await.unwrap();
    let mut stranger = TcpStream::connect(listener.local_addr()).await.unwrap();
    let mut far = listener.accept().await.unwrap();
    stranger.write_all(b"QUORATE\n\x10").await.unwrap();
    drop(stranger);
    let end = end_of(&mut far).await;
    assert!(
        matches!(&end, TransportError::Lost { source } if source.kind() == std::io::ErrorKind::UnexpectedEof),
        "{end:?}"
    );
}

#[tokio::test]
async fn a_reset_is_a_reset_on_the_wire() {
    let transport = Tcp::default();
    let stranger = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = transport.dial(&stranger.local_addr().unwrap().to_string()).await.unwrap();
    let (mut accepted, _) = stranger.accept().await.unwrap();
    near.sink.reset();
    drop(near);
    let read = soon(accepted.read_u8()).await.unwrap_err();
    assert_eq!(read.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn an_address_that_means_nothing_is_named() {
    let refused = Tcp::default().dial("no port here").await.err().expect("it means nothing");
    assert_eq!(refused.to_string(), "address \"no port here\" can't be resolved; write host:port");
}

#[test]
fn a_connection_moves_to_the_runtime_of_another_thread() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let transport = Tcp::default();
    let accepting = runtime();
    let (near, detached) = accepting.block_on(async {
        let listener = transport.listen("127.0.0.1:0").await.unwrap();
        let (near, far) = greeted(&transport, &*listener).await;
        near.sink.try_send(ping(1)).unwrap();
        (near, far.detach().unwrap())
    });
    let shard = std::thread::spawn(move || {
        runtime().block_on(async {
            let mut far = detached.attach().unwrap();
            let received = numbers(&receive(&mut far, 1).await);
            // More than the socket takes, so that this runtime must write the rest.
            (0..8).for_each(|_| far.sink.try_send(large(1 << 20)).unwrap());
            soon(far.sink.flushed()).await;
            received
        })
    });
    let mut near = near;
    let received = accepting.block_on(receive(&mut near, 8));
    assert_eq!((received.len(), shard.join().unwrap()), (8, vec![1]));
}
