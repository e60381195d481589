//! A write that a replica missed, and its place in the log kept for it.

use bytes::{BufMut, Bytes};
use quorate_types::{KeyspaceId, Record};

use crate::log::{self, EntryInvalid, KIND_MUTATION, LogEntry};
use crate::packed;

/// A write that its target has not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The keyspace.
    pub keyspace: KeyspaceId,
    /// The key.
    pub key: Bytes,
    /// What the target misses.
    pub record: Record,
    /// When it was taken, wall milliseconds since the Unix epoch: the hint window counts from here.
    pub created_wall_ms: u64,
}

/// A hint's number in its target's log: increasing in the order of arrival, with gaps; 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HintNumber(pub u64);

impl Hint {
    /// Bytes that the hint takes in its log, framing aside.
    pub fn encoded_len(&self) -> usize {
        8 + log::mutation_len(&self.key, self.record.view())
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64_le(self.created_wall_ms);
        log::encode_mutation(out, self.keyspace, &self.key, &self.record);
    }

    pub(crate) fn decode(payload: &[u8]) -> Result<Hint, EntryInvalid> {
        let (created, mutation) = payload.split_at_checked(8).ok_or(EntryInvalid::TooShort)?;
        match log::decode(KIND_MUTATION, mutation)? {
            LogEntry::Mutation { keyspace, key, record } => Ok(Hint {
                keyspace,
                key: Bytes::copy_from_slice(key),
                record: record.to_record(),
                created_wall_ms: packed::read_u64(created),
            }),
            LogEntry::ClockCeiling(_) => Err(EntryInvalid::UnknownKind { kind: log::KIND_CLOCK_CEILING }),
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_types::{NodeId, Timestamp, Version};

    use super::*;

    #[test]
    fn the_layout_is_frozen_because_it_is_on_disk() {
        let version = Version::new(Timestamp::from_parts(1000, 1), NodeId(9));
        let hint = Hint {
            keyspace: KeyspaceId(7),
            key: "key".into(),
            record: Record::put(version, "value", None),
            created_wall_ms: 123_456,
        };
        let mut bytes = Vec::new();
        hint.encode(&mut bytes);
        assert_eq!(bytes, include_bytes!("../tests/golden/hint.bin"));
        assert_eq!(bytes.len(), hint.encoded_len());
        assert_eq!(Hint::decode(&bytes), Ok(hint));
        assert_eq!(Hint::decode(&bytes[..7]), Err(EntryInvalid::TooShort));
    }
}
