//! Frames: many messages behind one length and one checksum.
//!
//! ```text
//! len u32 LE (bytes after the crc) | crc32 u32 LE (of everything after it) | frame version u8 | messages
//! message: type u8 | version u8 | body length u32 LE | body (postcard)
//! ```
//!
//! Invariants:
//! - a length is checked against the limit before anything is allocated for it;
//! - what [`FrameWriter::finish`] gives, [`FrameReader::next_frame`] gives, and [`decode`](crate::decode) takes, are
//!   the same bytes, header included; the checksum is verified once, by `decode`.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use quorate_types::limits::FRAME_BYTES_MAX;

use crate::encode::Room;
use crate::handshake::{HANDSHAKE_BYTES_MAX, MAGIC};
use crate::{Encode, FirstBytes, WireError};

/// The frame layout that this build writes and reads.
pub const FRAME_VERSION: u8 = 1;
/// Length and checksum, bytes.
pub(crate) const PREFIX_BYTES: usize = 8;
/// Length, checksum and frame version, bytes.
pub const FRAME_HEADER_BYTES: usize = PREFIX_BYTES + 1;
/// Type, version and body length of a message, bytes.
pub const MESSAGE_HEADER_BYTES: usize = 6;

/// Collects messages into frames, in one buffer that it reuses once the frames made of it are dropped.
#[derive(Debug)]
pub struct FrameWriter {
    buffer: BytesMut,
    bytes_max: usize,
}

impl Default for FrameWriter {
    fn default() -> Self {
        FrameWriter::new(FRAME_BYTES_MAX)
    }
}

impl FrameWriter {
    /// A writer of frames of at most `bytes_max` bytes, header included; at most [`FRAME_BYTES_MAX`].
    pub fn new(bytes_max: usize) -> FrameWriter {
        FrameWriter { buffer: BytesMut::new(), bytes_max: bytes_max.min(FRAME_BYTES_MAX) }
    }

    /// Adds `message` to the frame.
    ///
    /// # Errors
    /// [`WireError::FrameFull`]: finish the frame and push again; [`WireError::MessageTooLarge`]: it fits in no frame.
    /// The frame is as before.
    pub fn push(&mut self, message: &impl Encode) -> Result<(), WireError> {
        let frame_bytes = self.buffer.len();
        if self.buffer.is_empty() {
            self.buffer.put_slice(&[0; PREFIX_BYTES]);
            self.buffer.put_u8(FRAME_VERSION);
        }
        let pushed = self.push_message(message);
        if pushed.is_err() {
            self.buffer.truncate(frame_bytes);
        }
        pushed.map_err(|_| match frame_bytes {
            0 => WireError::MessageTooLarge { kind: message.body_kind(), bytes_max: self.bytes_max as u64 },
            bytes => WireError::FrameFull { bytes: bytes as u64 },
        })
    }

    fn push_message(&mut self, message: &impl Encode) -> postcard::Result<()> {
        let kind = message.body_kind();
        self.buffer.put_slice(&[kind as u8, kind.version(), 0, 0, 0, 0]);
        let body_at = self.buffer.len();
        message.body(&mut Room::new(&mut self.buffer, self.bytes_max))?;
        let body_bytes = (self.buffer.len() - body_at) as u32;
        self.buffer[body_at - 4..body_at].copy_from_slice(&body_bytes.to_le_bytes());
        Ok(())
    }

    /// The frame, ready to be sent; the writer is empty again. Without messages: no bytes, nothing to send.
    pub fn finish(&mut self) -> Bytes {
        if self.buffer.is_empty() {
            return Bytes::new();
        }
        let len = (self.buffer.len() - PREFIX_BYTES) as u32;
        let crc = crc32fast::hash(&self.buffer[PREFIX_BYTES..]);
        self.buffer[..4].copy_from_slice(&len.to_le_bytes());
        self.buffer[4..PREFIX_BYTES].copy_from_slice(&crc.to_le_bytes());
        self.buffer.split().freeze()
    }

    /// The frame's size so far, header included; 0 without messages.
    pub fn bytes_len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether it has no messages.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

/// The frame of a single message.
pub fn frame_of(message: &impl Encode) -> Result<Bytes, WireError> {
    let mut writer = FrameWriter::default();
    writer.push(message)?;
    Ok(writer.finish())
}

/// The magic and the frame of a handshake message, which is what a connection begins with.
pub fn handshake_frame(message: &impl Encode) -> Result<Bytes, WireError> {
    let mut writer = FrameWriter::new(HANDSHAKE_BYTES_MAX);
    writer.push(message)?;
    let frame = writer.finish();
    let mut bytes = BytesMut::with_capacity(MAGIC.len() + frame.len());
    bytes.put_slice(&MAGIC);
    bytes.put_slice(&frame);
    Ok(bytes.freeze())
}

/// Cuts a stream of bytes into frames, without copying them.
///
/// Read into [`Self::buffer`], then take [`Self::next_frame`] until there is none. After an error it stays failed:
/// the stream has lost its way.
#[derive(Debug)]
pub struct FrameReader {
    buffer: BytesMut,
    bytes_max: usize,
    awaits_magic: bool,
}

impl FrameReader {
    /// A reader of a stream in the middle: frames of at most `bytes_max` bytes, header included.
    pub fn new(bytes_max: usize) -> FrameReader {
        FrameReader { buffer: BytesMut::new(), bytes_max, awaits_magic: false }
    }

    /// A reader of a stream from its beginning: the magic, one frame of at most [`HANDSHAKE_BYTES_MAX`], then frames
    /// of at most `bytes_max`.
    pub fn from_handshake(bytes_max: usize) -> FrameReader {
        FrameReader { buffer: BytesMut::new(), bytes_max, awaits_magic: true }
    }

    /// Where the stream's next bytes are to be appended.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Bytes of the stream that are not yet handed out.
    pub fn pending_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The next complete frame, `None` if more bytes are needed. Its header is not checked beyond its length.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, WireError> {
        if self.awaits_magic {
            return self.handshake_frame();
        }
        self.frame(0, self.bytes_max)
    }

    /// How many bytes the frame at the buffer's front still lacks, 0 if that is not known yet. Never more than the
    /// limit of a frame: safe to reserve.
    pub fn missing_bytes(&self) -> usize {
        let start = if self.awaits_magic { MAGIC.len() } else { 0 };
        match frame_bytes(self.buffer.get(start..).unwrap_or_default()) {
            Some(bytes) if bytes <= self.limit() as u64 => {
                (start + bytes as usize).saturating_sub(self.buffer.len())
            }
            _ => 0,
        }
    }

    fn limit(&self) -> usize {
        if self.awaits_magic { HANDSHAKE_BYTES_MAX } else { self.bytes_max }
    }

    fn handshake_frame(&mut self) -> Result<Option<Bytes>, WireError> {
        let seen = self.buffer.len().min(MAGIC.len());
        if self.buffer[..seen] != MAGIC[..seen] {
            return Err(WireError::NotQuorate { first: FirstBytes::of(&self.buffer) });
        }
        let frame = self.frame(MAGIC.len(), HANDSHAKE_BYTES_MAX)?;
        self.awaits_magic = frame.is_none();
        Ok(frame)
    }

    fn frame(&mut self, start: usize, bytes_max: usize) -> Result<Option<Bytes>, WireError> {
        let Some(bytes) = frame_bytes(self.buffer.get(start..).unwrap_or_default()) else {
            return Ok(None);
        };
        if bytes > bytes_max as u64 {
            return Err(WireError::FrameTooLarge { bytes, bytes_max: bytes_max as u64 });
        }
        if bytes < FRAME_HEADER_BYTES as u64 {
            return Err(WireError::Truncated { missing: FRAME_HEADER_BYTES as u64 - bytes });
        }
        let bytes = bytes as usize;
        if self.buffer.len() < start + bytes {
            return Ok(None);
        }
        self.buffer.advance(start);
        Ok(Some(self.buffer.split_to(bytes).freeze()))
    }
}

/// The size that a frame's header announces, if the header is there.
fn frame_bytes(input: &[u8]) -> Option<u64> {
    let len = u32::from_le_bytes(*input.first_chunk()?);
    Some(u64::from(len) + PREFIX_BYTES as u64)
}
