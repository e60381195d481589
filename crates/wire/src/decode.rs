//! Messages out of a frame.
//!
//! Invariants:
//! - no input panics, and none takes more memory than the decoded size of as many elements as it has bytes;
//! - after the first error nothing more is handed out.

mod body;
mod checks;
mod traced;

use bytes::Bytes;

use self::body::Body;
use crate::frame::{FRAME_HEADER_BYTES, FRAME_VERSION, MESSAGE_HEADER_BYTES, PREFIX_BYTES};
use crate::{Kind, Message, WireError};

/// The messages of `frame`, which is a whole frame with its header.
///
/// One pass over the frame for the checksum, at the first message; no allocation but those of the messages.
pub fn decode(frame: Bytes) -> Messages {
    Messages { frame, at: 0, failed: false }
}

/// The messages of one frame, in order. After an error there are none: the rest of the frame can't be trusted.
#[derive(Debug)]
pub struct Messages {
    frame: Bytes,
    /// Where the next message begins; 0: the frame's header is not yet checked.
    at: usize,
    failed: bool,
}

impl Iterator for Messages {
    type Item = Result<Message, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let message = self.next_message();
        self.failed = message.is_err();
        message.transpose()
    }
}

impl Messages {
    fn next_message(&mut self) -> Result<Option<Message>, WireError> {
        if self.at == 0 {
            check_header(&self.frame)?;
            self.at = FRAME_HEADER_BYTES;
        }
        if self.at == self.frame.len() {
            return Ok(None);
        }
        let (kind, body) = split_message(&self.frame[self.at..])?;
        let message = Body::new(kind, &self.frame, body).message()?;
        self.at += MESSAGE_HEADER_BYTES + body.len();
        Ok(Some(message))
    }
}

/// The kind and the body of the message at the front of `rest`.
fn split_message(rest: &[u8]) -> Result<(Kind, &[u8]), WireError> {
    let Some((&[kind, version, b0, b1, b2, b3], bodies)) = rest.split_first_chunk::<MESSAGE_HEADER_BYTES>()
    else {
        return Err(WireError::Truncated { missing: (MESSAGE_HEADER_BYTES - rest.len()) as u64 });
    };
    let kind = known_kind(kind, version)?;
    let bytes = u32::from_le_bytes([b0, b1, b2, b3]) as usize;
    match bodies.get(..bytes) {
        Some(body) => Ok((kind, body)),
        None => Err(WireError::Truncated { missing: (bytes - bodies.len()) as u64 }),
    }
}

/// The kind of a message that begins with these bytes, if this build reads it.
fn known_kind(byte: u8, version: u8) -> Result<Kind, WireError> {
    let kind = Kind::of_byte(byte).ok_or(WireError::UnknownType { found: byte })?;
    if version != kind.version() {
        return Err(WireError::UnknownVersion { kind, found: version, known: kind.version() });
    }
    Ok(kind)
}

fn check_header(frame: &[u8]) -> Result<(), WireError> {
    let Some((&[l0, l1, l2, l3, c0, c1, c2, c3, version], _)) =
        frame.split_first_chunk::<FRAME_HEADER_BYTES>()
    else {
        return Err(WireError::Truncated { missing: (FRAME_HEADER_BYTES - frame.len()) as u64 });
    };
    let announced = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
    let covered = &frame[PREFIX_BYTES..];
    if announced != covered.len() as u64 {
        return Err(WireError::FrameLength { announced, bytes: covered.len() as u64 });
    }
    let (stored, computed) = (u32::from_le_bytes([c0, c1, c2, c3]), crc32fast::hash(covered));
    if stored != computed {
        return Err(WireError::Checksum { stored, computed, bytes: frame.len() as u64 });
    }
    if version != FRAME_VERSION {
        return Err(WireError::FrameVersion { found: version, known: FRAME_VERSION });
    }
    Ok(())
}
