//! The thirteen damages.

use anyhow::Result;

use super::{Image, Layout, PAYLOAD_BYTES, RECORDS};

/// The record in the middle that is hit.
const MIDDLE: usize = RECORDS / 2;
const PAGE_BYTES: usize = 4096;

/// One damage.
pub struct Case {
    /// For people.
    pub label: &'static str,
    /// What is done.
    pub damage: Damage,
}

/// What is done to the file with the records.
#[derive(Clone, Copy, Debug)]
pub enum Damage {
    /// The lowest bit of a byte of the record's payload.
    PayloadBit(usize),
    /// The lowest bit of the byte so many bytes before the payload of the middle record.
    BitBefore(usize),
    /// Any bit of the file.
    AnyBit {
        /// Of this byte.
        offset: usize,
        /// This bit.
        bit: u8,
    },
    /// 4 KiB of zeros from behind the payload before the middle record on: its front is gone, too.
    ZeroedMiddle,
    /// 4 KiB of zeros that end with the last record.
    ZeroedEnd,
    /// The second half of the last record was never written.
    TornEnd,
    /// The second half of the last record is something else.
    GarbageAtEnd,
}

/// What a damage hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The first record with a changed byte in it or before it.
    pub first: usize,
    /// No intact record lies behind: a crash could have left it so.
    pub at_end: bool,
}

const fn case(label: &'static str, damage: Damage) -> Case {
    Case { label, damage }
}

/// The matrix.
pub const CASES: [Case; 13] = [
    case("bit in the payload of record 500", Damage::PayloadBit(MIDDLE)),
    case("bit 1 byte before it", Damage::BitBefore(1)),
    case("bit 4 bytes before it", Damage::BitBefore(4)),
    case("bit 8 bytes before it", Damage::BitBefore(8)),
    case("bit 12 bytes before it", Damage::BitBefore(12)),
    case("bit 16 bytes before it", Damage::BitBefore(16)),
    case("bit 20 bytes before it", Damage::BitBefore(20)),
    case("bit 32 bytes before it", Damage::BitBefore(32)),
    case("4 KiB zeroed behind record 499", Damage::ZeroedMiddle),
    case("last record torn: half of it never written", Damage::TornEnd),
    case("last record torn: garbage in its second half", Damage::GarbageAtEnd),
    case("bit in the payload of the last record", Damage::PayloadBit(RECORDS - 1)),
    case("last 4 KiB zeroed", Damage::ZeroedEnd),
];

impl Damage {
    /// Changes the image.
    pub fn apply(self, image: &mut Image, layout: &Layout) -> Result<Hit> {
        let (middle, last) = (layout.payloads[MIDDLE], layout.payloads[RECORDS - 1]);
        let (half, end) = (last + PAYLOAD_BYTES / 2, layout.end());
        let behind = layout.payloads[MIDDLE - 1] + PAYLOAD_BYTES;
        let (from, to) = match self {
            Self::PayloadBit(record) => {
                let at = layout.payloads[record] + PAYLOAD_BYTES / 2;
                (at, at + 1)
            }
            Self::BitBefore(bytes) => (middle - bytes, middle - bytes + 1),
            Self::AnyBit { offset, .. } => (offset, offset + 1),
            Self::ZeroedMiddle => (behind, behind + PAGE_BYTES),
            Self::ZeroedEnd => (end - PAGE_BYTES, end),
            Self::TornEnd | Self::GarbageAtEnd => (half, end),
        };
        image.change(&layout.file, |bytes| match self {
            Self::PayloadBit(_) | Self::BitBefore(_) => bytes[from] ^= 1,
            Self::AnyBit { bit, .. } => bytes[from] ^= 1 << bit,
            Self::ZeroedMiddle | Self::ZeroedEnd => bytes[from..to].fill(0),
            Self::TornEnd => bytes.truncate(from),
            Self::GarbageAtEnd => {
                bytes[from..to].iter_mut().for_each(|byte| *byte = byte.wrapping_mul(5) ^ 0xa5);
            }
        })?;
        let first = layout.owner(from);
        Ok(Hit { first, at_end: layout.owner(to - 1) >= RECORDS - 1 && from > layout.payloads[0] })
    }
}
