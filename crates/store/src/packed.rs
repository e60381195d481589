//! A record and its key in one run of bytes: what a bucket holds, and what the log, checkpoints and hints carry.
//!
//! ```text
//! flags u8 | version 12 | [expiry version 12] | [expires at u64] | key length varint | key | value to the end
//! ```
//!
//! Invariants:
//! - integers are little-endian, a version is its timestamp (u64) and node (u32);
//! - the expiry's version is written only when it differs from the value's, its time only when there is one;
//! - parsing any bytes never panics; what [`write`] wrote, [`parse`] gives back.

use bytes::BufMut;
use quorate_types::{
    Expiry, NodeId, RecordRef, Timestamp, Version,
    limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX},
};

use crate::log::EntryInvalid;

const TOMBSTONE: u8 = 1;
const EXPIRY_VERSION: u8 = 2;
const EXPIRES: u8 = 4;
const FLAGS_KNOWN: u8 = TOMBSTONE | EXPIRY_VERSION | EXPIRES;
const VERSION_BYTES: usize = 12;

/// The bytes that [`write`] will write for `key` and `record`.
pub(crate) fn len(key: &[u8], record: RecordRef<'_>) -> usize {
    let value = record.value.map_or(0, <[u8]>::len);
    head_len(flags(record)) + varint_len(key.len()) + key.len() + value
}

/// Appends `record` under `key`; [`len`] bytes.
pub(crate) fn write(out: &mut impl BufMut, key: &[u8], record: RecordRef<'_>) {
    let flags = flags(record);
    out.put_u8(flags);
    write_version(out, record.version);
    if flags & EXPIRY_VERSION != 0 {
        write_version(out, record.expiry.version);
    }
    if let Some(at_ms) = record.expiry.at_ms {
        out.put_u64_le(at_ms);
    }
    write_varint(out, key.len());
    out.put_slice(key);
    out.put_slice(record.value.unwrap_or_default());
}

/// `key` and `record` in a box of exactly their size: one allocation.
pub(crate) fn boxed(key: &[u8], record: RecordRef<'_>) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(len(key, record));
    write(&mut bytes, key, record);
    bytes.into_boxed_slice()
}

/// The key and record in `bytes`, from first to last byte.
pub(crate) fn parse(bytes: &[u8]) -> Result<(&[u8], RecordRef<'_>), EntryInvalid> {
    let (&flags, _) = bytes.split_first().ok_or(EntryInvalid::TooShort)?;
    if flags & !FLAGS_KNOWN != 0 {
        return Err(EntryInvalid::UnknownFlags { flags });
    }
    let (head, rest) = bytes.split_at_checked(head_len(flags)).ok_or(EntryInvalid::TooShort)?;
    let (key, value) = split_key(rest)?;
    let version = read_version(&head[1..]);
    let mut expiry = Expiry { version, at_ms: None };
    let mut at = 1 + VERSION_BYTES;
    if flags & EXPIRY_VERSION != 0 {
        expiry.version = read_version(&head[at..]);
        at += VERSION_BYTES;
    }
    if flags & EXPIRES != 0 {
        expiry.at_ms = Some(read_u64(&head[at..]));
    }
    let value = value_of(flags, value)?;
    Ok((key, RecordRef { version, value, expiry }))
}

/// The key in `bytes` that [`write`] wrote.
pub(crate) fn key_of(bytes: &[u8]) -> &[u8] {
    let rest = &bytes[head_len(bytes[0])..];
    split_key(rest).expect("a bucket holds only what this module packed").0
}

/// The record in `bytes` that [`write`] wrote.
pub(crate) fn record_of(bytes: &[u8]) -> RecordRef<'_> {
    parse(bytes).expect("a bucket holds only what this module packed").1
}

fn flags(record: RecordRef<'_>) -> u8 {
    let mut flags = 0;
    if record.value.is_none() {
        flags |= TOMBSTONE;
    }
    if record.expiry.version != record.version {
        flags |= EXPIRY_VERSION;
    }
    if record.expiry.at_ms.is_some() {
        flags |= EXPIRES;
    }
    flags
}

fn head_len(flags: u8) -> usize {
    let expiry_version = if flags & EXPIRY_VERSION != 0 { VERSION_BYTES } else { 0 };
    let expires = if flags & EXPIRES != 0 { 8 } else { 0 };
    1 + VERSION_BYTES + expiry_version + expires
}

fn value_of(flags: u8, value: &[u8]) -> Result<Option<&[u8]>, EntryInvalid> {
    if flags & TOMBSTONE == 0 {
        return if value.len() > VALUE_BYTES_MAX {
            Err(EntryInvalid::ValueLength { bytes: value.len() })
        } else {
            Ok(Some(value))
        };
    }
    if value.is_empty() { Ok(None) } else { Err(EntryInvalid::TombstoneWithValue { bytes: value.len() }) }
}

fn split_key(bytes: &[u8]) -> Result<(&[u8], &[u8]), EntryInvalid> {
    let (key_bytes, rest) = read_varint(bytes)?;
    if key_bytes == 0 || key_bytes > KEY_BYTES_MAX {
        return Err(EntryInvalid::KeyLength { bytes: key_bytes });
    }
    rest.split_at_checked(key_bytes).ok_or(EntryInvalid::TooShort)
}

fn write_version(out: &mut impl BufMut, version: Version) {
    out.put_u64_le(version.timestamp.0);
    out.put_u32_le(version.node.0);
}

fn read_version(bytes: &[u8]) -> Version {
    Version::new(Timestamp(read_u64(bytes)), NodeId(read_u32(&bytes[8..])))
}

/// The first eight bytes of `bytes`, which has them.
pub(crate) fn read_u64(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes were cut"))
}

/// The first four bytes of `bytes`, which has them.
pub(crate) fn read_u32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes[..4].try_into().expect("four bytes were cut"))
}

fn varint_len(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        _ => 3,
    }
}

/// LEB128 of at most three bytes: key lengths end at 32,768.
fn write_varint(out: &mut impl BufMut, mut value: usize) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

fn read_varint(bytes: &[u8]) -> Result<(usize, &[u8]), EntryInvalid> {
    let mut value = 0;
    for (i, &byte) in bytes.iter().take(3).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Ok((value, &bytes[i + 1..]));
        }
    }
    Err(if bytes.len() < 3 { EntryInvalid::TooShort } else { EntryInvalid::KeyLength { bytes: usize::MAX } })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::records;

    proptest! {
        #[test]
        fn what_was_written_is_parsed(key in prop::collection::vec(any::<u8>(), 1..300), record in records()) {
            let bytes = boxed(&key, record.view());
            prop_assert_eq!(bytes.len(), len(&key, record.view()));
            prop_assert_eq!(parse(&bytes).unwrap(), (&key[..], record.view()));
            prop_assert_eq!(key_of(&bytes), &key[..]);
        }

        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok((key, record)) = parse(&bytes) {
                prop_assert!(len(key, record) <= bytes.len());
            }
        }
    }

    #[test]
    fn the_longest_key_takes_a_three_byte_length_and_a_longer_one_is_refused() {
        let version = Version::new(Timestamp(1), NodeId(1));
        let record = RecordRef { version, value: None, expiry: Expiry { version, at_ms: None } };
        let bytes = boxed(&vec![7; KEY_BYTES_MAX], record);
        assert_eq!(bytes.len(), 1 + 12 + 3 + KEY_BYTES_MAX);
        assert_eq!(parse(&bytes).unwrap().0.len(), KEY_BYTES_MAX);
        let longer = boxed(&vec![7; KEY_BYTES_MAX + 1], record);
        assert_eq!(parse(&longer), Err(EntryInvalid::KeyLength { bytes: KEY_BYTES_MAX + 1 }));
    }
}
