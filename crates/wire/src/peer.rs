//! What nodes say to each other on a link, after the handshake.
//!
//! Invariants:
//! - a link is directed: the node that dialled sends `Ping`, `Writes`, `Read`, `ReadPage`, the last three also as
//!   `Traced`; the other one answers on the same connection;
//! - `id` is chosen by the asker and only means something to it, within the life of the link.

use bytes::Bytes;
use quorate_types::{KeyspaceId, PageStart, PartitionId};

use crate::{Acks, FullIf, Message, PageResult, ReadResult, Traced, WireError, WriteBatch};

/// One message between two nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerMessage {
    /// Are you there?
    Ping {
        /// The ping's number.
        number: u64,
        /// The sender's wall clock.
        wall_ms: u64,
    },
    /// I am.
    Pong {
        /// The number of the ping that it answers.
        number: u64,
        /// The sender's wall clock.
        wall_ms: u64,
    },
    /// Records to log and apply.
    Writes(WriteBatch),
    /// What became of them.
    Acks(Acks),
    /// What do you hold of this key?
    Read {
        /// The asker's name for it.
        id: u64,
        /// The asker's ring.
        ring_hash: u64,
        /// The keyspace of the key.
        keyspace: KeyspaceId,
        /// The key.
        key: Bytes,
        /// When to send the value itself.
        full: FullIf,
        /// How long the asker goes on waiting, milliseconds.
        time_left_ms: u32,
    },
    /// This.
    ReadReply {
        /// The `id` of the `Read`.
        id: u64,
        /// What the replica holds.
        result: ReadResult,
    },
    /// What do you hold of this partition?
    ReadPage {
        /// The asker's name for it.
        id: u64,
        /// The asker's ring.
        ring_hash: u64,
        /// The keyspace.
        keyspace: KeyspaceId,
        /// The partition.
        partition: PartitionId,
        /// Where the page begins.
        start: PageStart,
        /// Most entries.
        limit: u32,
        /// Most bytes of keys and values; one entry is sent even if it is larger.
        bytes_max: u32,
        /// How long the asker goes on waiting, milliseconds.
        time_left_ms: u32,
    },
    /// This.
    PageReply {
        /// The `id` of the `ReadPage`.
        id: u64,
        /// What the replica holds.
        result: PageResult,
    },
    /// A `Writes`, `Read` or `ReadPage` that has to do with traced requests.
    Traced(Box<Traced>),
}

impl TryFrom<Message> for PeerMessage {
    type Error = WireError;

    fn try_from(message: Message) -> Result<PeerMessage, WireError> {
        match message {
            Message::Peer(message) => Ok(message),
            other => Err(WireError::Unexpected { kind: other.kind(), expected: "a message between nodes" }),
        }
    }
}
