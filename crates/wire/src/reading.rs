//! What a coordinator asks a replica for, and what the replica answers.
//!
//! Invariants:
//! - a replica returns what it holds, tombstones and expired records too: the coordinator alone judges expiry;
//! - a [`ReadDigest`] says everything about a record but its bytes, so that equal digests mean equal records.

use bytes::Bytes;
use quorate_types::{Expiry, Record, Refusal, Version};
use serde::{Deserialize, Serialize};

/// When the answer to a read carries the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FullIf {
    /// Always.
    Always,
    /// If the value has at most this many bytes; a larger one is answered by a [`ReadDigest`]. 0: always a digest,
    /// but for tombstones, absent keys and empty values.
    UpTo(u32),
}

/// A record without its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReadDigest {
    /// The version of the value or of the deletion.
    pub version: Version,
    /// The expiry and the version that set it.
    pub expiry: Expiry,
    /// The value's length; 0 for a tombstone.
    pub value_bytes: u32,
    /// Whether it is a deletion.
    pub tombstone: bool,
    /// A hash of the value's bytes.
    pub hash: u128,
}

/// A replica's answer to a read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadResult {
    /// What it holds; `None`: it holds nothing, not even a tombstone.
    Record(Option<Record>),
    /// It holds this, and the value is larger than was asked for.
    Digest(ReadDigest),
    /// It did not look.
    Refused(Refusal),
}

/// A replica's answer to the reading of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PageResult {
    /// Records in the order of (token, key), tombstones and expired ones included.
    Page {
        /// Keys with their records.
        entries: Vec<(Bytes, Record)>,
        /// Whether the partition ends here.
        done: bool,
    },
    /// It did not look.
    Refused(Refusal),
}
