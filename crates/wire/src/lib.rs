//! What goes over the wire: frames of many messages, between nodes and from clients.
//!
//! It is a codec and nothing else: no socket, no clock, no state of a conversation. It is not a self-describing
//! format (both sides must know a message's version), it does not compress, and its checksum is against damage,
//! not against an attacker.
//!
//! ```
//! use quorate_wire::{FrameReader, FrameWriter, Message, PeerMessage, decode};
//!
//! let mut writer = FrameWriter::default();
//! writer.push(&PeerMessage::Ping { number: 1, wall_ms: 1_795_000_000_000 })?;
//! writer.push(&PeerMessage::Ping { number: 2, wall_ms: 1_795_000_000_001 })?;
//! let frame = writer.finish();
//!
//! // The other side cuts the stream into frames, in whatever pieces it arrives, and decodes them.
//! let mut reader = FrameReader::new(1 << 20);
//! reader.buffer().extend_from_slice(&frame);
//! let frame = reader.next_frame()?.expect("all of it is there");
//! let mut messages = decode(frame);
//! let ping = PeerMessage::Ping { number: 1, wall_ms: 1_795_000_000_000 };
//! assert_eq!(messages.next(), Some(Ok(Message::Peer(ping))));
//! assert_eq!(messages.count(), 1);
//! # Ok::<(), quorate_wire::WireError>(())
//! ```
//!
//! # The format
//!
//! ```text
//! connection   "QUORATE\n" | frame of one Hello or HelloReply, at most 4 KiB | frames …     (each way)
//! frame        length u32 LE | crc32 u32 LE | frame version u8 | messages
//! message      type u8 | version u8 | body length u32 LE | body (postcard)
//! ```
//!
//! The length counts what follows the checksum; the checksum covers the same bytes. All messages of a turn that go
//! to one receiver share a frame, a checksum and a write to the socket. `docs/formats.md` has every byte.
//!
//! # Guaranteed
//! - Any bytes decode to messages or to a typed error: no panic, no more than 256 bytes of memory per byte of input,
//!   and a frame's length is checked against the limit before anything is allocated for it.
//! - Keys and values that were decoded are within [`quorate_types::limits`]; partitions exist; batches count from 1.
//! - Writes, requests, reads and their replies are decoded without copying keys and values: they are slices of the
//!   frame, and keep it in memory as long as one of them lives.
//! - The bytes of every message are frozen by a test per type and version.
//!
//! # Not guaranteed
//! - That a message makes sense: indexes may lie beyond a batch, ranges may be as wide as `u64`, numbers may repeat.
//! - That an older build reads a newer message: it refuses it, naming type and version.
//!
//! Sources: the postcard specification (postcard.jamesmunns.com); `FrameWriter` batches as Kafka's and Cassandra's
//! (CASSANDRA-15066) links do, one checksum for many messages.

#![forbid(unsafe_code)]

mod decode;
mod encode;
mod error;
mod explain;
mod frame;
mod handshake;
mod message;
mod peer;
mod reading;
mod replication;
mod request;
mod response;
mod ring_view;
mod status;
mod traced;

pub use decode::{Messages, decode};
pub use encode::Encode;
pub use error::{FirstBytes, WireError};
pub use explain::{CopyView, Explanation, ReplicaView};
pub use frame::{
    FRAME_HEADER_BYTES, FRAME_VERSION, FrameReader, FrameWriter, MESSAGE_HEADER_BYTES, frame_of,
    handshake_frame,
};
pub use handshake::{
    HANDSHAKE_BYTES_MAX, HandshakeRefusal, Hello, HelloReply, Host, MAGIC, PROTOCOL_MAX, PROTOCOL_MIN,
    PROTOCOL_TRACED, Role, Welcome,
};
pub use message::{Kind, Message};
pub use peer::PeerMessage;
pub use reading::{FullIf, PageResult, ReadDigest, ReadResult};
pub use replication::{Acks, BatchRange, LinkEpoch, PartialBatch, Purpose, ReplicaWrite, WriteBatch};
pub use request::{ExpiryRequest, Request, RequestBody};
pub use response::{PageOutcome, Response, ResponseBody};
pub use ring_view::{Capacity, RingKeyspace, RingNode, RingView};
pub use status::{HintStatus, KeyspaceStatus, NodeStatus, PeerStatus, WalStatus};
pub use traced::Traced;
