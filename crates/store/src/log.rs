//! What the log says: mutations and clock ceilings, as payloads of [`quorate_wal`] records.
//!
//! The byte layout is in docs/formats.md, "Log records"; it is frozen by golden files. A payload is complete: what
//! is left over or missing is an error. Integrity is the log's matter (CRC per frame), meaning is checked here.

use bytes::BufMut;
use quorate_types::{KeyspaceId, Record, RecordRef, Timestamp};
use thiserror::Error;

use crate::packed;

/// Kind of a record that holds a mutation: keyspace, key, record.
pub const KIND_MUTATION: u8 = 1;
/// Kind of a record that holds a clock ceiling: no stamp at or above it was issued before it was durable.
pub const KIND_CLOCK_CEILING: u8 = 2;
/// Kind of a record of a hint log that holds a hint.
pub const KIND_HINT: u8 = 16;
/// Kind of a record of a hint log that says up to where the target has them.
pub const KIND_HINTS_DELIVERED: u8 = 17;

/// One record of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogEntry<'a> {
    /// A record to merge into the store.
    Mutation {
        /// Its keyspace, which the configuration may not know any more.
        keyspace: KeyspaceId,
        /// Its key.
        key: &'a [u8],
        /// What to merge.
        record: RecordRef<'a>,
    },
    /// Stamps below this may have been issued.
    ClockCeiling(Timestamp),
}

/// Bytes that are no log entry, checkpoint record or hint. Nothing was applied from them.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryInvalid {
    /// A kind that this release does not write.
    #[error("kind {kind} is unknown to this release")]
    UnknownKind {
        /// The kind.
        kind: u8,
    },
    /// The bytes end too early.
    #[error("the bytes end too early")]
    TooShort,
    /// Flags that this release does not write.
    #[error("flags {flags:#04x} are unknown to this release")]
    UnknownFlags {
        /// The flags.
        flags: u8,
    },
    /// A key that no record can have.
    #[error("a key of {bytes} bytes, outside 1 to {}", quorate_types::limits::KEY_BYTES_MAX)]
    KeyLength {
        /// Its length.
        bytes: usize,
    },
    /// A value longer than any configuration allows.
    #[error("a value of {bytes} bytes, more than {}", quorate_types::limits::VALUE_BYTES_MAX)]
    ValueLength {
        /// Its length.
        bytes: usize,
    },
    /// A tombstone with bytes behind its key.
    #[error("a tombstone with {bytes} bytes of value")]
    TombstoneWithValue {
        /// How many.
        bytes: usize,
    },
    /// Bytes behind an entry of fixed size.
    #[error("{bytes} bytes too many")]
    TooLong {
        /// How many.
        bytes: usize,
    },
}

/// Appends the payload of a mutation.
pub fn encode_mutation(out: &mut Vec<u8>, keyspace: KeyspaceId, key: &[u8], record: &Record) {
    encode_mutation_view(out, keyspace, key, record.view());
}

/// [`encode_mutation`] for a record whose value lies in the caller's buffer.
pub fn encode_mutation_view(out: &mut Vec<u8>, keyspace: KeyspaceId, key: &[u8], record: RecordRef<'_>) {
    out.reserve(mutation_len(key, record));
    out.put_u32_le(keyspace.0);
    packed::write(out, key, record);
}

/// Bytes that [`encode_mutation`] appends.
pub fn mutation_len(key: &[u8], record: RecordRef<'_>) -> usize {
    4 + packed::len(key, record)
}

/// Appends the payload of a clock ceiling.
pub fn encode_ceiling(out: &mut Vec<u8>, ceiling: Timestamp) {
    out.put_u64_le(ceiling.0);
}

/// The entry of `kind` in `payload`, borrowed from it.
pub fn decode(kind: u8, payload: &[u8]) -> Result<LogEntry<'_>, EntryInvalid> {
    match kind {
        KIND_MUTATION => decode_mutation(payload),
        KIND_CLOCK_CEILING => decode_ceiling(payload),
        kind => Err(EntryInvalid::UnknownKind { kind }),
    }
}

fn decode_mutation(payload: &[u8]) -> Result<LogEntry<'_>, EntryInvalid> {
    let (keyspace, packed) = payload.split_at_checked(4).ok_or(EntryInvalid::TooShort)?;
    let (key, record) = packed::parse(packed)?;
    Ok(LogEntry::Mutation { keyspace: KeyspaceId(packed::read_u32(keyspace)), key, record })
}

fn decode_ceiling(payload: &[u8]) -> Result<LogEntry<'_>, EntryInvalid> {
    match payload.len() {
        0..8 => Err(EntryInvalid::TooShort),
        8 => Ok(LogEntry::ClockCeiling(Timestamp(packed::read_u64(payload)))),
        n => Err(EntryInvalid::TooLong { bytes: n - 8 }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quorate_types::{Expiry, NodeId, Version};

    use super::*;
    use crate::testing::records;

    fn at(wall_ms: u64, counter: u16, node: u32) -> Version {
        Version::new(Timestamp::from_parts(wall_ms, counter), NodeId(node))
    }

    fn golden_mutations() -> Vec<(KeyspaceId, Vec<u8>, Record)> {
        let expiring = Record {
            version: at(1000, 1, 9),
            value: Some("v".into()),
            expiry: Expiry { version: at(1002, 0, 8), at_ms: Some(6000) },
        };
        vec![
            (KeyspaceId(7), b"key".to_vec(), Record::put(at(1000, 1, 9), "value", None)),
            (KeyspaceId(7), vec![b'k'; 200], Record::put(at(1000, 1, 9), "", Some(5000))),
            (KeyspaceId(u32::MAX), b"gone".to_vec(), Record::tombstone(at(1001, 0, 9))),
            (KeyspaceId(7), b"k".to_vec(), expiring),
        ]
    }

    #[test]
    fn the_layout_is_frozen_because_it_is_on_disk() {
        let mut bytes = Vec::new();
        for (keyspace, key, record) in golden_mutations() {
            let start = bytes.len();
            encode_mutation(&mut bytes, keyspace, &key, &record);
            let entry = LogEntry::Mutation { keyspace, key: &key, record: record.view() };
            assert_eq!(decode(KIND_MUTATION, &bytes[start..]), Ok(entry));
        }
        assert_eq!(bytes, include_bytes!("../tests/golden/mutations.bin"));

        let mut ceiling = Vec::new();
        encode_ceiling(&mut ceiling, Timestamp::from_parts(2000, 0));
        assert_eq!(ceiling, include_bytes!("../tests/golden/ceiling.bin"));
    }

    #[test]
    fn what_no_release_wrote_is_refused_by_name() {
        let mut bytes = Vec::new();
        encode_mutation(&mut bytes, KeyspaceId(1), b"k", &Record::tombstone(at(1, 0, 1)));
        assert_eq!(decode(9, &bytes), Err(EntryInvalid::UnknownKind { kind: 9 }));
        assert_eq!(decode(KIND_CLOCK_CEILING, &[0; 9]), Err(EntryInvalid::TooLong { bytes: 1 }));
        assert_eq!(decode(KIND_MUTATION, &bytes[..bytes.len() - 1]), Err(EntryInvalid::TooShort));
        bytes.push(0);
        assert_eq!(decode(KIND_MUTATION, &bytes), Err(EntryInvalid::TombstoneWithValue { bytes: 1 }));
        bytes[4] |= 0x80;
        assert_eq!(decode(KIND_MUTATION, &bytes), Err(EntryInvalid::UnknownFlags { flags: 0x81 }));
    }

    proptest! {
        #[test]
        fn a_mutation_survives_the_round_trip(
            key in prop::collection::vec(any::<u8>(), 1..300),
            record in records(),
            keyspace in any::<u32>(),
        ) {
            let mut bytes = Vec::new();
            encode_mutation(&mut bytes, KeyspaceId(keyspace), &key, &record);
            let entry = LogEntry::Mutation { keyspace: KeyspaceId(keyspace), key: &key, record: record.view() };
            prop_assert_eq!(decode(KIND_MUTATION, &bytes), Ok(entry));
            prop_assert_eq!(bytes.len(), mutation_len(&key, record.view()));
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(kind in 0u8..4, bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = decode(kind, &bytes);
        }
    }
}
