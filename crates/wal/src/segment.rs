//! The segment: its name, its header.
//!
//! A log is a directory of files of one size. `NNNNNNNNNN.seg` is part of the log: a header of 128 bytes, then frames.
//! `NNNNNNNNNN.new` is a segment that recovery is still writing, `NNNNNNNNNN.free` one that waits to be used again;
//! neither is part of the log, whatever is in it.
//!
//! Invariants:
//! - indices are consecutive; only the newest `.seg` may be without a header (prepared ahead, or torn while rotating);
//! - a file has its full size, durable, before it is named `.seg`;
//! - a header is durable before the first frame behind it is written, so an intact frame proves its header once was;
//! - the header names its predecessor and how far that went, so only the newest segment's end is ever in doubt.

use std::path::{Path, PathBuf};

use crate::frame::Binding;
use crate::{LogId, Lsn};

/// Bytes of a header, and where the first frame lies.
pub const SEGMENT_HEADER_BYTES: usize = 128;
/// The first eight bytes of a segment.
pub const MAGIC: [u8; 8] = *b"QRMWAL\r\n";
/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;
/// No log gets so far: a file whose name claims to is not the log's.
const INDEX_LIMIT: u64 = u64::MAX >> 1;
/// Zeroed at the start of a segment that is used again.
pub(crate) const BLANK_BYTES: usize = 4096;

/// Header flag: this segment was begun by recovery, not by rotation.
const FLAG_RECOVERED: u32 = 1;

/// How a segment came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Begun {
    /// The one before it was full, and its seal names this one's epoch.
    Rotation,
    /// The log was opened; the one before it ends where this header says.
    Recovery,
}

/// What a segment knows of the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Predecessor {
    /// Its epoch; 0 if there is none.
    pub epoch: u64,
    /// Its last record that counts.
    pub last_lsn: Lsn,
    /// Where that record's frame (or the seal behind it) ends. Bytes after it do not count.
    pub end: u64,
    /// The checksum of the frame that ends there, of the header if there is no frame.
    pub chain_crc: u32,
}

/// The first 128 bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The log it belongs to.
    pub log_id: LogId,
    /// Its place in the log.
    pub index: u64,
    /// Random; its lower half, the cookie, is in every frame.
    pub epoch: u64,
    /// The LSN of its first record.
    pub first_lsn: Lsn,
    /// Bytes the segment may fill.
    pub segment_bytes: u64,
    /// The one before it.
    pub previous: Predecessor,
    /// How it came about.
    pub begun: Begun,
    /// When, by the wall clock; informative only.
    pub created_unix_ms: u64,
}

/// Why 128 bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    Blank,
    Damaged,
    Version(u32),
    Features(u32),
}

impl SegmentHeader {
    /// The bytes on disk.
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut b = [0; SEGMENT_HEADER_BYTES];
        b[0..8].copy_from_slice(&MAGIC);
        b[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        // 12..16: features, none yet
        b[16..32].copy_from_slice(&self.log_id.get().to_le_bytes());
        b[32..40].copy_from_slice(&self.index.to_le_bytes());
        b[40..48].copy_from_slice(&self.epoch.to_le_bytes());
        b[48..56].copy_from_slice(&self.first_lsn.get().to_le_bytes());
        b[56..64].copy_from_slice(&self.segment_bytes.to_le_bytes());
        b[64..72].copy_from_slice(&self.previous.epoch.to_le_bytes());
        b[72..80].copy_from_slice(&self.previous.last_lsn.get().to_le_bytes());
        b[80..88].copy_from_slice(&self.previous.end.to_le_bytes());
        b[88..92].copy_from_slice(&self.previous.chain_crc.to_le_bytes());
        let flags = if self.begun == Begun::Recovery { FLAG_RECOVERED } else { 0 };
        b[92..96].copy_from_slice(&flags.to_le_bytes());
        b[96..104].copy_from_slice(&self.created_unix_ms.to_le_bytes());
        // 104..124: reserved, zero
        let crc = crc32fast::hash(&b[..124]);
        b[124..].copy_from_slice(&crc.to_le_bytes());
        b
    }

    pub(crate) fn decode(b: &[u8; SEGMENT_HEADER_BYTES]) -> Result<Self, HeaderFault> {
        if b.iter().all(|byte| *byte == 0) {
            return Err(HeaderFault::Blank);
        }
        if b[0..8] != MAGIC || u32_at(b, 124) != crc32fast::hash(&b[..124]) {
            return Err(HeaderFault::Damaged);
        }
        match (u32_at(b, 8), u32_at(b, 12), u32_at(b, 92)) {
            (FORMAT_VERSION, 0, flags) if flags & !FLAG_RECOVERED == 0 => {}
            (FORMAT_VERSION, 0, flags) => return Err(HeaderFault::Features(flags)),
            (FORMAT_VERSION, features, _) => return Err(HeaderFault::Features(features)),
            (version, _, _) => return Err(HeaderFault::Version(version)),
        }
        Ok(Self {
            log_id: LogId::new(u128::from(u64_at(b, 16)) | u128::from(u64_at(b, 24)) << 64),
            index: u64_at(b, 32),
            epoch: u64_at(b, 40),
            first_lsn: Lsn::new(u64_at(b, 48)),
            segment_bytes: u64_at(b, 56),
            previous: Predecessor {
                epoch: u64_at(b, 64),
                last_lsn: Lsn::new(u64_at(b, 72)),
                end: u64_at(b, 80),
                chain_crc: u32_at(b, 88),
            },
            begun: if u32_at(b, 92) & FLAG_RECOVERED == 0 { Begun::Rotation } else { Begun::Recovery },
            created_unix_ms: u64_at(b, 96),
        })
    }

    /// Whether this segment continues `before`.
    pub(crate) fn continues(&self, before: &Self) -> bool {
        let p = &self.previous;
        self.log_id == before.log_id
            && self.index == before.index + 1
            && p.epoch == before.epoch
            && p.last_lsn.next() >= before.first_lsn
            && (SEGMENT_HEADER_BYTES as u64..=before.segment_bytes).contains(&p.end)
    }

    /// Whether the header makes sense alone.
    pub(crate) fn is_coherent(&self) -> bool {
        self.first_lsn.get() == self.previous.last_lsn.get().wrapping_add(1)
            && self.segment_bytes >= SEGMENT_HEADER_BYTES as u64
            && (Lsn::new(1)..Lsn::LIMIT).contains(&self.first_lsn)
    }

    pub(crate) fn binding(&self) -> Binding {
        Binding::new(self.log_id, self.index, self.epoch as u32)
    }

    pub(crate) fn crc(&self) -> u32 {
        let bytes = self.encode();
        u32_at(&bytes, 124)
    }
}

/// What a file in the log's directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileRole {
    Segment(u64),
    New(u64),
    Free(u64),
}

impl FileRole {
    pub(crate) fn of(name: &str) -> Option<Self> {
        let (digits, suffix) = name.split_once('.')?;
        if digits.len() < 10 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let index = digits.parse().ok().filter(|index| *index < INDEX_LIMIT)?;
        let role = match suffix {
            "seg" => Self::Segment(index),
            "new" => Self::New(index),
            "free" => Self::Free(index),
            _ => return None,
        };
        // More zeros than need be: a name that the log never gives.
        (digits.len() == 10 || !digits.starts_with('0')).then_some(role)
    }

    pub(crate) fn path(self, dir: &Path) -> PathBuf {
        dir.join(match self {
            Self::Segment(index) => format!("{index:010}.seg"),
            Self::New(index) => format!("{index:010}.new"),
            Self::Free(index) => format!("{index:010}.free"),
        })
    }
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
