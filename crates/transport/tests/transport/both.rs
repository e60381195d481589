//! What TCP and memory promise alike: each claim runs on both.

use std::time::Duration;

use quorate_transport::memory::{Fabric, FabricOptions, LinkFaults, Network};
use quorate_transport::{SendError, Tcp, Transport, TransportError, handshake};
use quorate_types::NodeId;
use quorate_wire::{HandshakeRefusal, PeerMessage, WireError, handshake_frame};

use crate::common::{SOON, end_of, greeted, hello, numbers, ping, receive, soon, welcome};

/// Runs a claim over TCP on loopback and over memory on the paused clock.
macro_rules! on_both {
    ($($claim:ident)*) => {
        mod over_tcp {
            $(#[tokio::test]
            async fn $claim() {
                super::$claim(&super::Tcp::default(), "127.0.0.1:0").await;
            })*
        }
        mod over_memory {
            $(#[tokio::test(start_paused = true)]
            async fn $claim() {
                super::$claim(&super::memory(), "n2:0").await;
            })*
        }
    };
}

on_both! {
    frames_arrive_whole_and_in_order_both_ways
    what_was_sent_before_a_close_arrives_and_then_the_end
    a_dropped_source_ends_the_connection
    a_reset_breaks_the_connection_at_once
    nobody_listening_is_a_refusal
    an_address_is_listened_on_once
    a_refused_handshake_says_why
    a_welcome_from_another_node_is_refused_by_the_dialler
    frames_right_behind_the_welcome_are_not_lost
    a_silent_dialler_is_given_up
    a_first_frame_that_is_no_hello_is_refused
    a_stranger_is_refused
    a_receive_that_is_cancelled_loses_nothing
    a_connection_moves_to_another_task_with_what_was_not_yet_read
    a_connection_whose_sink_is_shared_does_not_move
    an_empty_frame_is_nothing_to_send
}

fn memory() -> impl Transport {
    let network = Network::new(1, LinkFaults::default());
    Fabric::new(network, FabricOptions::default()).node(NodeId(1))
}

async fn frames_arrive_whole_and_in_order_both_ways(transport: &dyn Transport, addr: &str) {
    let listener = transport.listen(addr).await.unwrap();
    let (mut near, mut far) = greeted(transport, &*listener).await;
    (0..1000).for_each(|n| near.sink.try_send(ping(n)).unwrap());
    assert_eq!(numbers(&receive(&mut far, 1000).await), (0..1000).collect::<Vec<_>>());
    far.sink.try_send(ping(7)).unwrap();
    assert_eq!(numbers(&receive(&mut near, 1).await), [7]);
}

async fn what_was_sent_before_a_close_arrives_and_then_the_end(transport: &dyn Transport, addr: &str) {
    let listener = transport.listen(addr).await.unwrap();
    let (near, mut far) = greeted(transport, &*listener).await;
    near.sink.try_send(ping(1)).unwrap();
    near.sink.close();
    assert_eq!(near.sink.try_send(ping(2)), Err(SendError::Closed));
    assert_eq!(numbers(&receive(&mut far, 1).await), [1]);
    assert!(matches!(end_of(&mut far).await, TransportError::Closed));
}

async fn a_dropped_source_ends_the_connection(transport: &dyn Transport, addr: &str) {
    let listener = transport.listen(addr).await.unwrap();
    let (near, mut far) = greeted(transport, &*listener).await;
    drop(near.source);
    assert!(matches!(end_of(&mut far).await, TransportError::Closed));
    assert_eq!(near.sink.try_send(ping(2)), Err(SendError::Closed));
}

async fn a_reset_breaks_the_connection_at_once(transport: &dyn Transport, addr: &str) {
    let listener = transport.listen(addr).await.unwrap();
    let (mut near, mut far) = greeted(transport, &*listener).await;
    near.sink.reset();
    assert!(matches!(end_of(&mut near).await, TransportError::ClosedHere));
    drop(near);
    let end = end_of(&mut far).await;
    assert!(matches!(end, TransportError::Lost { .. }), "{end:?}");
    assert!(end.proves_down());
}

async fn nobody_listening_is_a_refusal(transport: &dyn Transport, addr: &str) {
    let listener = transport.listen(addr).await.unwrap();
    let addr = listener.local_addr();
    drop(listener);
    let refused = transport.dial(&addr).await.err().expect("nobody listens");
    assert_eq!(refused.to_string(), format!("nothing listens at {addr}"));
    assert!(refused.proves_down());
}

async fn an_address_is_listened_on_once(transport: &dyn Transport, addr: &str) {
    let listener = transport.listen(addr).await.unwrap();
    let addr = listener.local_addr();
    let taken = transport.listen(&addr).await.err().expect("it is taken");
    assert_eq!(
        taken.to_string(),
        format!("address {addr} is in use by another process; stop it or choose another address")
    );
}

async fn a_refused_handshake_says_why(transport: &dyn Transport, addr: &str) {
    let listener = transport.listen(addr).await.unwrap();
    let mut near = transport.dial(&listener.local_addr()).await.unwrap();
    let hello = hello();
    let greeting = handshake::greet(&mut near, &hello, Duration::from_secs(5));
    let answering = async {
        let mut far = listener.accept().await.unwrap();
        handshake::receive_hello(&mut far, Duration::from_secs(5)).await.unwrap();
        handshake::refuse(&far, HandshakeRefusal::ShuttingDown).unwrap();
    };
    let (greeted, ()) = soon(async { tokio::join!(greeting, answering) }).await;
    let refused = greeted.unwrap_err().to_string();
    assert!(refused.ends_with("was refused: the node is shutting down; call another one"), "{refused}");
}

async fn a_welcome_from_another_node_is_refused_by_the_dialler(transport: &dyn Transport, addr: &str) {
    let listener = transport.listen(addr).await.unwrap();
    let mut near = transport.dial(&listener.local_addr()).await.unwrap();
    let hello = quorate_wire::Hello { dialled: Some(NodeId(3)), ..hello() };
    let greeting = handshake::greet(&mut near, &hello, Duration::from_secs(5));
    let answering = async {
        let mut far = listener.accept().await.unwrap();
        handshake::receive_hello(&mut far, Duration::from_secs(5)).await.unwrap();
        handshake::welcome(&far, welcome()).unwrap();
        far
    };
    let (greeted, _far) = soon(async { tokio::join!(greeting, answering) }).await;
    let wrong = HandshakeRefusal::WrongNode { dialled: NodeId(3), answers: NodeId(2) };
    assert!(matches!(greeted, Err(TransportError::HandshakeRefused { refusal, .. }) if refusal == wrong));
}

async fn frames_right_behind_the_welcome_are_not_lost(transport: &dyn Transport, addr: &str) {
    let listener = transport.listen(addr).await.unwrap();
    let mut near = transport.dial(&listener.local_addr()).await.unwrap();
    let far = listener.accept().await.unwrap();
    handshake::welcome(&far, welcome()).unwrap();
    (1..=2).for_each(|n| far.sink.try_send(ping(n)).unwrap());
    assert_eq!(soon(handshake::greet(&mut near, &hello(), SOON)).await.unwrap(), welcome());
    assert_eq!(numbers(&receive(&mut near, 2).await), [1, 2]);
}

async fn a_silent_dialler_is_given_up(transport: &dyn Transport, addr: &str) {
    let listener = transport.listen(addr).await.unwrap();
    let _near = transport.dial(&listener.local_addr()).await.unwrap();
    let mut far = listener.accept().await.unwrap();
    let after = Duration::from_millis(1);
    let silent = handshake::receive_hello(&mut far, after).await.unwrap_err();
    assert!(matches!(silent, TransportError::HandshakeTimeout { after: waited, .. } if waited == after));
}

async fn a_first_frame_that_is_no_hello_is_refused(transport: &dyn Transport, addr: &str) {
    let listener = transport.listen(addr).await.unwrap();
    let near = transport.dial(&listener.local_addr()).await.unwrap();
    let ping = PeerMessage::Ping { number: 1, wall_ms: 2 };
    near.sink.try_send(handshake_frame(&ping).unwrap()).unwrap();
    let mut far = listener.accept().await.unwrap();
    let refused = soon(handshake::receive_hello(&mut far, Duration::from_secs(5))).await.unwrap_err();
    let TransportError::Wire { source } = refused else { panic!("{refused:?}") };
    assert_eq!(source.to_string(), "a Ping message where a hello was expected");
}

async fn a_stranger_is_refused(transport: &dyn Transport, addr: &str) {
    let listener = transport.listen(addr).await.unwrap();
    let near = transport.dial(&listener.local_addr()).await.unwrap();
    near.sink.try_send("GET / HTTP/1.1\r\n".into()).unwrap();
    let mut far = listener.accept().await.unwrap();
    let refused = soon(handshake::receive_hello(&mut far, Duration::from_secs(5))).await.unwrap_err();
    let TransportError::Wire { source: WireError::NotQuorate { first } } = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(first.as_slice(), b"GET / HT");
}

async fn a_receive_that_is_cancelled_loses_nothing(transport: &dyn Transport, addr: &str) {
    let listener = transport.listen(addr).await.unwrap();
    let (near, mut far) = greeted(transport, &*listener).await;
    let mut frames = Vec::new();
    for n in 0..50 {
        near.sink.try_send(ping(n)).unwrap();
        // Polled at least once, then dropped wherever it is.
        let _ = tokio::time::timeout(Duration::ZERO, far.source.recv(&mut frames)).await;
    }
    while frames.len() < 50 {
        soon(far.source.recv(&mut frames)).await.unwrap();
    }
    assert_eq!(numbers(&frames), (0..50).collect::<Vec<_>>());
}

async fn a_connection_moves_to_another_task_with_what_was_not_yet_read(
    transport: &dyn Transport,
    addr: &str,
) {
    let listener = transport.listen(addr).await.unwrap();
    let (near, far) = greeted(transport, &*listener).await;
    (0..3).for_each(|n| near.sink.try_send(ping(n)).unwrap());
    let detached = far.detach().unwrap();
    let moved = tokio::spawn(async move {
        let mut far = detached.attach().unwrap();
        let received = numbers(&receive(&mut far, 3).await);
        far.sink.try_send(ping(9)).unwrap();
        (far, received)
    });
    let (_far, received) = soon(moved).await.unwrap();
    assert_eq!(received, [0, 1, 2]);
    let mut near = near;
    assert_eq!(numbers(&receive(&mut near, 1).await), [9]);
}

async fn a_connection_whose_sink_is_shared_does_not_move(transport: &dyn Transport, addr: &str) {
    let listener = transport.listen(addr).await.unwrap();
    let (near, _far) = greeted(transport, &*listener).await;
    let _shared = near.sink.clone();
    let refused = near.detach().err().expect("it is in use");
    assert!(matches!(refused, TransportError::InUse));
}

async fn an_empty_frame_is_nothing_to_send(transport: &dyn Transport, addr: &str) {
    let listener = transport.listen(addr).await.unwrap();
    let (near, mut far) = greeted(transport, &*listener).await;
    near.sink.try_send(bytes::Bytes::new()).unwrap();
    near.sink.try_send(ping(1)).unwrap();
    assert_eq!(numbers(&receive(&mut far, 1).await), [1]);
}
