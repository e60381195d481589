//! What the tests share: greetings, frames, and a deadline that no passing test comes near.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use quorate_transport::{Connection, Listener, Transport, TransportError, handshake};
use quorate_types::{ClusterId, Generation, NodeId, SessionId};
use quorate_wire::{
    Hello, Message, PROTOCOL_MAX, PROTOCOL_MIN, PeerMessage, Role, Welcome, decode, frame_of,
};

pub const SOON: Duration = Duration::from_secs(20);

pub fn hello() -> Hello {
    Hello {
        protocol_min: PROTOCOL_MIN,
        protocol_max: PROTOCOL_MAX,
        cluster: Some(ClusterId(1)),
        cluster_name: "test".to_owned(),
        dialled: None,
        role: Role::Client {},
    }
}

pub fn welcome() -> Welcome {
    Welcome {
        protocol: 1,
        node: NodeId(2),
        generation: Generation(1),
        shards: 1,
        ring_hash: 7,
        session: SessionId(9),
    }
}

pub fn ping(number: u64) -> Bytes {
    frame_of(&PeerMessage::Ping { number, wall_ms: 0 }).expect("a ping fits in a frame")
}

/// The numbers of the pings in `frames`.
pub fn numbers(frames: &[Bytes]) -> Vec<u64> {
    let messages = frames.iter().flat_map(|frame| decode(frame.clone()));
    messages
        .map(|message| match message {
            Ok(Message::Peer(PeerMessage::Ping { number, .. })) => number,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// `future`, which never takes so long unless it hangs.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.expect("it hangs")
}

/// Two ends of a greeted connection: the dialler's and the listener's.
pub async fn greeted(transport: &dyn Transport, listener: &dyn Listener) -> (Connection, Connection) {
    let addr = listener.local_addr();
    let dial = async {
        let mut near = transport.dial(&addr).await.expect("somebody listens");
        assert_eq!(handshake::greet(&mut near, &hello(), SOON).await.expect("welcome"), welcome());
        near
    };
    let answer = async {
        let mut far = listener.accept().await.expect("somebody dials");
        assert_eq!(handshake::receive_hello(&mut far, SOON).await.expect("a hello"), hello());
        handshake::welcome(&far, welcome()).expect("it is open");
        far
    };
    soon(async { tokio::join!(dial, answer) }).await
}

/// Receives until `count` frames are there.
pub async fn receive(connection: &mut Connection, count: usize) -> Vec<Bytes> {
    let mut frames = Vec::new();
    while frames.len() < count {
        soon(connection.source.recv(&mut frames)).await.expect("the connection stands");
    }
    frames
}

/// Receives until the connection is over, and says why.
pub async fn end_of(connection: &mut Connection) -> TransportError {
    let mut frames = Vec::new();
    soon(async {
        loop {
            if let Err(end) = connection.source.recv(&mut frames).await {
                return end;
            }
        }
    })
    .await
}
