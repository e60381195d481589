//! Why bytes are not a message. Nothing of a frame that failed has been handed out but the messages before the error.

use std::fmt;

use thiserror::Error;

use crate::Kind;

/// What is wrong with a frame or a message, or with one that was to be encoded.
///
/// Every variant but [`FrameFull`](WireError::FrameFull) and [`MessageTooLarge`](WireError::MessageTooLarge) means
/// that the peer is broken, or no peer at all, and that the connection must be closed: what comes next on it can't
/// be trusted. Whatever it carried was not applied.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WireError {
    /// The connection does not begin with our magic.
    #[error("the other side does not speak quorate; its first bytes are {first}")]
    NotQuorate {
        /// What it begins with.
        first: FirstBytes,
    },
    /// A frame says it is larger than allowed. Nothing was allocated for it.
    #[error("a frame of {bytes} bytes, more than the {bytes_max} allowed; nothing of it was read")]
    FrameTooLarge {
        /// What it says, with its header.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// A frame ends before what it contains.
    #[error("a frame ends {missing} bytes too early")]
    Truncated {
        /// How many bytes are missing at least.
        missing: u64,
    },
    /// A frame's bytes are not as many as it says.
    #[error("a frame says {announced} bytes and has {bytes}")]
    FrameLength {
        /// What it says, without length and checksum.
        announced: u64,
        /// What it has.
        bytes: u64,
    },
    /// The frame was damaged on its way.
    #[error("a frame of {bytes} bytes has crc {computed:08x} where it says {stored:08x}; it was dropped")]
    Checksum {
        /// What the frame says.
        stored: u32,
        /// What it has.
        computed: u32,
        /// The frame's size.
        bytes: u64,
    },
    /// A frame layout that this build does not know.
    #[error("frame version {found}; this build reads version {known}")]
    FrameVersion {
        /// What it is.
        found: u8,
        /// What is known.
        known: u8,
    },
    /// A message type that this build does not know.
    #[error("unknown message type {found}; the sender is newer than this build or broken")]
    UnknownType {
        /// Its type byte.
        found: u8,
    },
    /// A version of a message that this build does not know.
    #[error("{kind} message of version {found}; this build reads version {known}")]
    UnknownVersion {
        /// The message's type.
        kind: Kind,
        /// What it is.
        found: u8,
        /// What is known.
        known: u8,
    },
    /// A message's body is none.
    #[error("the body of a {kind} message can't be read")]
    Body {
        /// The message's type.
        kind: Kind,
        /// What postcard says.
        #[source]
        source: postcard::Error,
    },
    /// A message's body goes on after its end.
    #[error("the body of a {kind} message has {bytes} bytes too many")]
    TrailingBytes {
        /// The message's type.
        kind: Kind,
        /// How many.
        bytes: u64,
    },
    /// A key that no record can have.
    #[error("a key of {bytes} bytes in a {kind} message; a key has 1 to {bytes_max} bytes")]
    KeyLength {
        /// The message's type.
        kind: Kind,
        /// Its length.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// A value larger than any configuration allows.
    #[error("a value of {bytes} bytes in a {kind} message; a value has at most {bytes_max} bytes")]
    ValueLength {
        /// The message's type.
        kind: Kind,
        /// Its length.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// A batch number or range that no sender makes.
    #[error("batches {first} to {last} in a {kind} message; batches count from 1, upwards")]
    BatchNumber {
        /// The message's type.
        kind: Kind,
        /// The range's first batch.
        first: u64,
        /// The range's last batch.
        last: u64,
    },
    /// A partition beyond the ring.
    #[error("partition {partition} in a {kind} message; there are {partitions}")]
    NoSuchPartition {
        /// The message's type.
        kind: Kind,
        /// Its number.
        partition: u16,
        /// How many there are.
        partitions: u16,
    },
    /// A trace or a span that is all zeros.
    #[error("a trace of zeros for write {index} in a {kind} message; a trace and a span are not all zero")]
    TraceOfZeros {
        /// The message's type.
        kind: Kind,
        /// Which write of the question it is of; 0 for a read.
        index: u32,
    },
    /// Traces that are none, out of order, or beyond what is asked.
    #[error(
        "the traces in a {kind} message are none, out of order, or more than the {asked} things that it asks"
    )]
    TracesMisplaced {
        /// The message's type.
        kind: Kind,
        /// How many writes or reads the question is.
        asked: u64,
    },
    /// A sound message at the wrong place.
    #[error("a {kind} message where {expected} was expected")]
    Unexpected {
        /// What came.
        kind: Kind,
        /// What should have come.
        expected: &'static str,
    },
    /// The message does not fit behind those already in the frame. The frame is as before: finish it and push again.
    #[error("the frame has {bytes} bytes and no room for another message")]
    FrameFull {
        /// The size of the frame as it is.
        bytes: u64,
    },
    /// The message does not fit in any frame. The frame is as before.
    #[error("a {kind} message is larger than a frame, {bytes_max} bytes; nothing was sent")]
    MessageTooLarge {
        /// The message's type.
        kind: Kind,
        /// The frame's limit.
        bytes_max: u64,
    },
}

/// Up to eight bytes of a stranger.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FirstBytes {
    bytes: [u8; 8],
    len: u8,
}

impl FirstBytes {
    /// The beginning of `input`.
    pub fn of(input: &[u8]) -> FirstBytes {
        let mut bytes = [0; 8];
        let len = input.len().min(bytes.len());
        bytes[..len].copy_from_slice(&input[..len]);
        FirstBytes { bytes, len: len as u8 }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Printable bytes as they are, others escaped, in quotes: safe in a log line.
impl fmt::Display for FirstBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_slice().escape_ascii())
    }
}

impl fmt::Debug for FirstBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FirstBytes({self})")
    }
}
