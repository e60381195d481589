//! Frames and messages.

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

pub use decode::{Messages, decode};
pub use encode::Encode;
pub use error::{FirstBytes, WireError};
pub use explain::{CopyView, Explanation, ReplicaView};
pub use frame::{
    FRAME_HEADER_BYTES, FRAME_VERSION, FrameReader, FrameWriter, MESSAGE_HEADER_BYTES, frame_of,
    handshake_frame,
};
pub use handshake::{
    HANDSHAKE_BYTES_MAX, HandshakeRefusal, Hello, HelloReply, MAGIC, PROTOCOL_MAX, PROTOCOL_MIN, Role,
    Welcome,
};
pub use message::{Kind, Message};
pub use peer::PeerMessage;
pub use reading::{FullIf, PageResult, ReadDigest, ReadResult};
pub use replication::{Acks, BatchRange, LinkEpoch, PartialBatch, Purpose, ReplicaWrite, WriteBatch};
pub use request::{ExpiryRequest, Request, RequestBody};
pub use response::{PageOutcome, Response, ResponseBody};
pub use ring_view::{RingKeyspace, RingNode, RingView};
pub use status::{HintStatus, KeyspaceStatus, NodeStatus, PeerStatus, WalStatus};
