//! The greeting: one small frame each way, before anything else, within a deadline.
//!
//! The dialler calls [`greet`]; the listener calls [`receive_hello`], judges
//! (see [`Host`](quorate_wire::Host)), and answers by [`welcome`] or [`refuse`].

use std::time::Duration;

use bytes::Bytes;
use quorate_wire::{
    Encode, HandshakeRefusal, Hello, HelloReply, Message, Welcome, WireError, decode, handshake_frame,
};

use crate::{Connection, TransportError};

/// Says `hello` and waits for the answer.
///
/// # Errors
/// Refused by the other side or by us (it is not the node that was dialled), silence beyond `within`, or no peer at
/// all. The connection is of no use then: drop it.
pub async fn greet(
    connection: &mut Connection,
    hello: &Hello,
    within: Duration,
) -> Result<Welcome, TransportError> {
    send(connection, hello)?;
    let reply = match first_message(connection, within).await? {
        Message::HelloReply(reply) => reply,
        other => return Err(unexpected(&other, "the answer to a hello")),
    };
    let judged = match reply {
        HelloReply::Welcome(welcome) => hello.accept(welcome),
        HelloReply::Refused(refusal) => Err(refusal),
    };
    judged.map_err(|refusal| TransportError::HandshakeRefused {
        peer_addr: connection.peer_addr.clone(),
        refusal,
    })
}

/// What the dialler says first.
///
/// # Errors
/// Garbage, another message, or silence beyond `within`. There is nobody to answer: drop the connection.
pub async fn receive_hello(connection: &mut Connection, within: Duration) -> Result<Hello, TransportError> {
    match first_message(connection, within).await? {
        Message::Hello(hello) => Ok(hello),
        other => Err(unexpected(&other, "a hello")),
    }
}

/// Answers that the dialler may come in.
pub fn welcome(connection: &Connection, welcome: Welcome) -> Result<(), TransportError> {
    send(connection, &HelloReply::Welcome(welcome))
}

/// Answers that it may not, and closes the connection. The refusal reaches it as far as the network allows.
pub fn refuse(connection: &Connection, refusal: HandshakeRefusal) -> Result<(), TransportError> {
    let sent = send(connection, &HelloReply::Refused(refusal));
    connection.sink.close();
    sent
}

fn send(connection: &Connection, message: &impl Encode) -> Result<(), TransportError> {
    let frame = handshake_frame(message)?;
    connection.sink.try_send(frame).map_err(|_| TransportError::Closed)
}

async fn first_message(connection: &mut Connection, within: Duration) -> Result<Message, TransportError> {
    let mut frames = Vec::with_capacity(1);
    let received = tokio::time::timeout(within, connection.source.recv(&mut frames)).await;
    received.map_err(|_| TransportError::HandshakeTimeout {
        peer_addr: connection.peer_addr.clone(),
        after: within,
    })??;
    let frame = frames.pop().unwrap_or_else(Bytes::new);
    let none = || WireError::Truncated { missing: 1 };
    Ok(decode(frame).next().unwrap_or_else(|| Err(none()))?)
}

fn unexpected(message: &Message, expected: &'static str) -> TransportError {
    WireError::Unexpected { kind: message.kind(), expected }.into()
}
