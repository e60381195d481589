//! The kinds of messages and their type and version bytes.
//!
//! Invariants:
//! - a type byte is never used for something else, in any version;
//! - the version of a kind changes when a byte of its body changes its meaning; fields are never added in place,
//!   enum variants never reordered (postcard is not self-describing).

use std::fmt;

use crate::{Hello, HelloReply, PeerMessage, Request, Response};

/// The type byte of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// [`Hello`].
    Hello = 1,
    /// [`HelloReply`].
    HelloReply = 2,
    /// [`PeerMessage::Ping`].
    Ping = 16,
    /// [`PeerMessage::Pong`].
    Pong = 17,
    /// [`PeerMessage::Writes`].
    Writes = 18,
    /// [`PeerMessage::Acks`].
    Acks = 19,
    /// [`PeerMessage::Read`].
    Read = 20,
    /// [`PeerMessage::ReadReply`].
    ReadReply = 21,
    /// [`PeerMessage::ReadPage`].
    ReadPage = 22,
    /// [`PeerMessage::PageReply`].
    PageReply = 23,
    /// [`PeerMessage::Traced`].
    Traced = 24,
    /// [`Request`].
    Request = 32,
    /// [`Response`].
    Response = 33,
}

const KINDS: [Kind; 13] = [
    Kind::Hello,
    Kind::HelloReply,
    Kind::Ping,
    Kind::Pong,
    Kind::Writes,
    Kind::Acks,
    Kind::Read,
    Kind::ReadReply,
    Kind::ReadPage,
    Kind::PageReply,
    Kind::Traced,
    Kind::Request,
    Kind::Response,
];

impl Kind {
    /// The kind whose type byte is `byte`, if this build knows it.
    pub fn of_byte(byte: u8) -> Option<Kind> {
        KINDS.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// The version of its body that this build writes and reads.
    pub fn version(self) -> u8 {
        match self {
            // 2: the level LINEARIZABLE, its refusals, and the queried in a receipt.
            Kind::Request | Kind::Response => 2,
            _ => 1,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Any message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The first of a dialler.
    Hello(Hello),
    /// The first of an answerer.
    HelloReply(HelloReply),
    /// Between nodes.
    Peer(PeerMessage),
    /// From a client.
    Request(Request),
    /// To a client.
    Response(Response),
}

impl Message {
    /// Its type.
    pub fn kind(&self) -> Kind {
        match self {
            Message::Hello(_) => Kind::Hello,
            Message::HelloReply(_) => Kind::HelloReply,
            Message::Peer(message) => message.kind(),
            Message::Request(_) => Kind::Request,
            Message::Response(_) => Kind::Response,
        }
    }
}

impl PeerMessage {
    /// Its type.
    pub fn kind(&self) -> Kind {
        match self {
            PeerMessage::Ping { .. } => Kind::Ping,
            PeerMessage::Pong { .. } => Kind::Pong,
            PeerMessage::Writes(_) => Kind::Writes,
            PeerMessage::Acks(_) => Kind::Acks,
            PeerMessage::Read { .. } => Kind::Read,
            PeerMessage::ReadReply { .. } => Kind::ReadReply,
            PeerMessage::ReadPage { .. } => Kind::ReadPage,
            PeerMessage::PageReply { .. } => Kind::PageReply,
            PeerMessage::Traced(_) => Kind::Traced,
        }
    }
}
