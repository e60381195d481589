//! The frame: what is written, and vouched for, as one.
//!
//! A frame is 32 bytes of header and a payload of records, padded to 8 bytes. It is atomic: all of its records are
//! there after a crash, or none.
//!
//! Invariants:
//! - the checksum covers everything but itself and is bound to log, segment, epoch and offset, so that stale, shifted,
//!   misdirected and recycled frames fail it;
//! - every frame carries the LSN known durable when it was written, which is less than its first LSN. That is what
//!   tells rot from a torn tail (Pebble, issue 453 and PRs 4331, 4336).

use crate::mutants::{Mutant, planted};
use crate::segment::{u32_at, u64_at};
use crate::{LogId, Lsn};

/// Bytes of a frame header.
pub const FRAME_HEADER_BYTES: usize = 32;
/// Bytes before each record: its length and its kind.
pub const RECORD_HEADER_BYTES: usize = 5;
/// Frames begin at multiples of this.
pub const FRAME_ALIGN: u64 = 8;
/// Bytes of the frame that ends a full segment.
pub(crate) const SEAL_BYTES: u64 = FRAME_HEADER_BYTES as u64 + 16;
/// Records a frame can count.
pub(crate) const COUNT_MAX: u32 = (1 << 24) - 1;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameKind {
    /// Holds records.
    Records,
    /// Says only what is durable; written without a sync when the log falls idle, overwritten by the next frame.
    Watermark,
    /// The last frame of a full segment: index and epoch of the next.
    Seal,
    /// The log was closed in good order.
    Close,
}

impl FrameKind {
    fn code(self) -> u32 {
        match self {
            Self::Records => 0,
            Self::Watermark => 1,
            Self::Seal => 2,
            Self::Close => 3,
        }
    }

    fn of(code: u32) -> Option<Self> {
        [Self::Records, Self::Watermark, Self::Seal, Self::Close].into_iter().find(|kind| kind.code() == code)
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Checksum of all that follows, bound to log, segment, epoch and offset.
    pub crc: u32,
    /// Payload bytes, without padding.
    pub payload_bytes: u32,
    /// The LSN of its first record; without records, the LSN that comes next.
    pub first_lsn: Lsn,
    /// Everything up to here was durable when it was written.
    pub durable_lsn: Lsn,
    /// Records in it.
    pub count: u32,
    /// What it is for.
    pub kind: FrameKind,
    /// The lower half of the segment's epoch.
    pub cookie: u32,
}

impl FrameHeader {
    /// The header in these 32 bytes, if they could be one; whether they are, the checksum says.
    pub(crate) fn decode(b: &[u8]) -> Option<Self> {
        let word = u32_at(b, 24);
        let header = Self {
            crc: u32_at(b, 0),
            payload_bytes: u32_at(b, 4),
            first_lsn: Lsn::new(u64_at(b, 8)),
            durable_lsn: Lsn::new(u64_at(b, 16)),
            count: word & COUNT_MAX,
            kind: FrameKind::of(word >> 24)?,
            cookie: u32_at(b, 28),
        };
        header.is_plausible().then_some(header)
    }

    fn is_plausible(&self) -> bool {
        let sized = match self.kind {
            FrameKind::Records => {
                self.count > 0
                    && u64::from(self.payload_bytes) >= u64::from(self.count) * RECORD_HEADER_BYTES as u64
            }
            FrameKind::Seal => self.count == 0 && self.payload_bytes == 16,
            FrameKind::Watermark | FrameKind::Close => self.count == 0 && self.payload_bytes == 0,
        };
        sized && self.durable_lsn < self.first_lsn && self.first_lsn < Lsn::LIMIT
    }

    /// Bytes on disk, header and padding included.
    pub fn frame_bytes(&self) -> u64 {
        frame_bytes(u64::from(self.payload_bytes))
    }

    /// The LSN of its last record; without records, the one before `first_lsn`.
    pub fn last_lsn(&self) -> Lsn {
        Lsn::new(self.first_lsn.get() + u64::from(self.count) - 1)
    }
}

/// Bytes on disk of a frame with this payload.
pub(crate) fn frame_bytes(payload_bytes: u64) -> u64 {
    FRAME_HEADER_BYTES as u64 + payload_bytes.next_multiple_of(FRAME_ALIGN)
}

/// What a frame's checksum is bound to besides its bytes: log, segment and epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    seed: u32,
    cookie: u32,
}

impl Binding {
    pub(crate) fn new(log_id: LogId, index: u64, cookie: u32) -> Self {
        let (index, cookie) =
            if planted(Mutant::ChecksumNotBoundToEpoch) { (0, 0x5eed) } else { (index, cookie) };
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&log_id.get().to_le_bytes());
        hasher.update(&index.to_le_bytes());
        hasher.update(&cookie.to_le_bytes());
        Self { seed: hasher.finalize(), cookie }
    }

    pub(crate) fn cookie(self) -> u32 {
        self.cookie
    }

    /// The checksum of a frame (its bytes behind the checksum field) at `offset`.
    pub(crate) fn crc(self, offset: u64, behind_crc: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.seed);
        let offset = if planted(Mutant::ChecksumNotBoundToOffset) { 0 } else { offset };
        hasher.update(&offset.to_le_bytes());
        hasher.update(behind_crc);
        hasher.finalize()
    }

    /// Writes the header into the first 32 bytes of `frame`, whose payload and padding are in place.
    /// Returns the checksum.
    pub(crate) fn seal(self, frame: &mut [u8], offset: u64, fields: &FrameFields) -> u32 {
        frame[4..8].copy_from_slice(&fields.payload_bytes.to_le_bytes());
        frame[8..16].copy_from_slice(&fields.first_lsn.get().to_le_bytes());
        frame[16..24].copy_from_slice(&fields.durable_lsn.get().to_le_bytes());
        frame[24..28].copy_from_slice(&(fields.count | fields.kind.code() << 24).to_le_bytes());
        frame[28..32].copy_from_slice(&self.cookie.to_le_bytes());
        let crc = self.crc(offset, &frame[4..]);
        frame[..4].copy_from_slice(&crc.to_le_bytes());
        crc
    }

    /// A frame without records: header, and the seal's payload.
    pub(crate) fn bare(self, offset: u64, bare: Bare) -> Vec<u8> {
        let (kind, payload) = match bare.what {
            BareKind::Watermark => (FrameKind::Watermark, Vec::new()),
            BareKind::Close => (FrameKind::Close, Vec::new()),
            BareKind::Seal { next_index, next_epoch } => {
                (FrameKind::Seal, [next_index.to_le_bytes(), next_epoch.to_le_bytes()].concat())
            }
        };
        let mut frame = vec![0; FRAME_HEADER_BYTES];
        frame.extend_from_slice(&payload);
        let fields = FrameFields {
            kind,
            payload_bytes: payload.len() as u32,
            first_lsn: bare.next_lsn,
            durable_lsn: bare.durable_lsn,
            count: 0,
        };
        self.seal(&mut frame, offset, &fields);
        frame
    }
}

/// The fields of a header that is about to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameFields {
    pub(crate) kind: FrameKind,
    pub(crate) payload_bytes: u32,
    pub(crate) first_lsn: Lsn,
    pub(crate) durable_lsn: Lsn,
    pub(crate) count: u32,
}

/// A frame without records that is about to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bare {
    pub(crate) what: BareKind,
    pub(crate) next_lsn: Lsn,
    pub(crate) durable_lsn: Lsn,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum BareKind {
    Watermark,
    Close,
    Seal { next_index: u64, next_epoch: u64 },
}

/// A record as it lies in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number.
    pub lsn: Lsn,
    /// The kind its writer gave it.
    pub kind: u8,
    /// Its bytes.
    pub payload: &'a [u8],
}

/// The record at the start of `payload` and the bytes it takes; `None` if there is none.
pub(crate) fn split_record(payload: &[u8], lsn: Lsn) -> Option<(Record<'_>, usize)> {
    let (head, rest) = payload.split_at_checked(RECORD_HEADER_BYTES)?;
    let bytes = u32_at(head, 0) as usize;
    let record = Record { lsn, kind: head[4], payload: rest.get(..bytes)? };
    Some((record, RECORD_HEADER_BYTES + bytes))
}

/// Whether exactly `count` records fill `payload`.
pub(crate) fn is_filled(payload: &[u8], count: u32) -> bool {
    let mut rest = payload;
    for _ in 0..count {
        match split_record(rest, Lsn::ZERO) {
            Some((_, bytes)) => rest = &rest[bytes..],
            None => return false,
        }
    }
    rest.is_empty()
}
