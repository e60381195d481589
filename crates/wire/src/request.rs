//! What a client asks a node.
//!
//! Invariants:
//! - requests are numbered by the client within its session, and a number is used for one request and its retries only;
//! - a retry of a write carries the version that the first attempt was answered with, which makes it idempotent;
//! - keys and values are within the format's limits when a request has been decoded; `value_bytes_max` of the
//!   configuration may be lower and is the node's to check.

use bytes::Bytes;
use quorate_types::{KeyspaceId, Level, PageStart, PartitionId, Version};
use serde::{Deserialize, Serialize};

use crate::{Message, WireError};

/// When a value shall expire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ExpiryRequest {
    /// Never.
    #[default]
    Never,
    /// This long after the coordinator takes the request, milliseconds. Never sent in a retry with a version:
    /// the answer to the first attempt says the absolute time.
    TtlMs(u64),
    /// At this wall time, milliseconds since the Unix epoch.
    AtMs(u64),
    /// When the value that is there expires: the coordinator reads it first, at the keyspace's level, and the write
    /// carries the stamp of that expiry, so that a racing change of it is not lost.
    Keep,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request<B = Bytes> {
    /// Its number in the session.
    pub number: u64,
    /// How long the client goes on waiting, milliseconds.
    pub time_left_ms: u32,
    /// Whether the answer shall say who did what.
    pub want_receipt: bool,
    /// What is asked.
    pub body: RequestBody<B>,
}

/// What is asked. `level: None` is the keyspace's default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestBody<B = Bytes> {
    /// The value of a key.
    Get {
        /// The keyspace.
        keyspace: KeyspaceId,
        /// The key.
        key: B,
        /// How many replicas must answer.
        level: Option<Level>,
    },
    /// Set the value of a key, and its expiry.
    Put {
        /// The keyspace.
        keyspace: KeyspaceId,
        /// The key.
        key: B,
        /// The value.
        value: B,
        /// How many replicas must have it on disk.
        level: Option<Level>,
        /// When it expires.
        expiry: ExpiryRequest,
        /// The version of the first attempt, if this is a retry.
        version: Option<Version>,
    },
    /// Delete a key.
    Delete {
        /// The keyspace.
        keyspace: KeyspaceId,
        /// The key.
        key: B,
        /// How many replicas must have it on disk.
        level: Option<Level>,
        /// The version of the first attempt, if this is a retry.
        version: Option<Version>,
    },
    /// The live records of a partition, in the order of (token, key).
    Page {
        /// The keyspace.
        keyspace: KeyspaceId,
        /// The partition.
        partition: PartitionId,
        /// Where it begins.
        start: PageStart<B>,
        /// Most entries.
        limit: u32,
        /// How many replicas must answer.
        level: Option<Level>,
    },
    /// Where a key lives and what each replica holds of it.
    Explain {
        /// The keyspace.
        keyspace: KeyspaceId,
        /// The key.
        key: B,
    },
    /// How the node is.
    Status,
    /// The ring as the node sees it.
    Ring,
    /// Change when a key expires and nothing else: the coordinator reads the key first, and writes its value back
    /// under the value's own version, so that a racing write of the value is not lost. Answered by the outcome of the
    /// write, or, if there is no live value or it could not be read, by that of the read: then nothing has changed.
    Expire {
        /// The keyspace.
        keyspace: KeyspaceId,
        /// The key.
        key: B,
        /// When it shall expire. Not [`ExpiryRequest::Keep`].
        expiry: ExpiryRequest,
        /// How many replicas must answer the read.
        read: Option<Level>,
        /// How many replicas must have it on disk.
        write: Option<Level>,
        /// The version of the first attempt, if this is a retry.
        version: Option<Version>,
    },
}

impl TryFrom<Message> for Request {
    type Error = WireError;

    fn try_from(message: Message) -> Result<Request, WireError> {
        match message {
            Message::Request(request) => Ok(request),
            other => Err(WireError::Unexpected { kind: other.kind(), expected: "a request" }),
        }
    }
}
