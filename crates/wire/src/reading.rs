//! What a coordinator asks a replica for, and what the replica answers.
//!
//! Invariants:
//! - a replica returns what it holds, tombstones and expired records too: the coordinator alone judges expiry;
//! - a [`ReadDigest`] says everything about a record but its bytes, so that equal digests mean equal records.

use bytes::Bytes;
use quorate_types::{Expiry, Record, Refusal, Version};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

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
    /// The xxh3 hash of the value's bytes; 0 for a tombstone.
    pub hash: u128,
}

impl ReadDigest {
    /// The digest of `record`; costs one pass over the value.
    pub fn of(record: &Record) -> ReadDigest {
        let value = record.value.as_deref();
        ReadDigest {
            version: record.version,
            expiry: record.expiry,
            value_bytes: value.map_or(0, |v| v.len() as u32),
            tombstone: value.is_none(),
            hash: value.map_or(0, xxh3_128),
        }
    }

    /// The newer of the two versions in it, as [`Record::newest`].
    pub fn newest(&self) -> Version {
        self.version.max(self.expiry.version)
    }
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

impl ReadResult {
    /// The answer of a replica that holds `record`, to an asker who wants `full`.
    pub fn of(record: Option<Record>, full: FullIf) -> ReadResult {
        let FullIf::UpTo(bytes) = full else { return ReadResult::Record(record) };
        match record {
            Some(held) if held.value.as_ref().is_some_and(|v| v.len() > bytes as usize) => {
                ReadResult::Digest(ReadDigest::of(&held))
            }
            other => ReadResult::Record(other),
        }
    }
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

#[cfg(test)]
mod tests {
    use quorate_types::{NodeId, Timestamp};

    use super::*;

    fn at(t: u64) -> Version {
        Version::new(Timestamp(t), NodeId(1))
    }

    #[test]
    fn a_value_above_the_bound_is_answered_by_its_digest_and_everything_else_in_full() {
        let record = Record::put(at(5), "hello", Some(9));
        let digest = ReadDigest {
            version: at(5),
            expiry: Expiry { version: at(5), at_ms: Some(9) },
            value_bytes: 5,
            tombstone: false,
            hash: 0xb5e9_c1ad_071b_3e7f_c779_cfaa_5e52_3818,
        };
        let full = ReadResult::Record(Some(record.clone()));
        assert_eq!(ReadResult::of(Some(record.clone()), FullIf::UpTo(4)), ReadResult::Digest(digest));
        assert_eq!(ReadResult::of(Some(record.clone()), FullIf::UpTo(5)), full);
        assert_eq!(ReadResult::of(Some(record), FullIf::Always), full);
        let tombstone = Some(Record::tombstone(at(6)));
        assert_eq!(ReadResult::of(tombstone.clone(), FullIf::UpTo(0)), ReadResult::Record(tombstone));
        assert_eq!(ReadResult::of(None, FullIf::UpTo(0)), ReadResult::Record(None));
    }
}
