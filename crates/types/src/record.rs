//! The last-write-wins record: a value or tombstone, and an expiry, each with the version that wrote it.
//!
//! Invariants:
//! - merge is commutative, associative and idempotent, and never looks at a clock;
//! - value and expiry merge separately, each by its highest version;
//! - a tie (equal versions with different content, which only a broken client can make) is broken by content:
//!   the tombstone, then the larger bytes; the earlier expiry.
//!
//! Source: CASSANDRA-14592 (a tie-break that looked at the clock changed its winner as time passed).

use std::cmp::Ordering;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::Version;

/// When a value expires, and the write that said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Expiry {
    /// The write that set or cleared the expiry.
    pub version: Version,
    /// Wall milliseconds since the Unix epoch; `None` = never.
    pub at_ms: Option<u64>,
}

impl Expiry {
    /// Higher version first, then the earlier time; never expires last.
    fn wins_over(self, other: Expiry) -> bool {
        let by_time = || other.at_ms.unwrap_or(u64::MAX).cmp(&self.at_ms.unwrap_or(u64::MAX));
        self.version.cmp(&other.version).then_with(by_time) == Ordering::Greater
    }
}

/// One key's state on one replica under `conflict = "lww"`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Record {
    /// The write that set the value or deleted it.
    pub version: Version,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// When it expires.
    pub expiry: Expiry,
}

/// What a merge changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// The incoming record brought something newer.
    Changed,
    /// Everything in it was already known or superseded.
    Unchanged,
}

impl Record {
    /// A value written by `version`, expiring at `expires_at_ms` wall milliseconds or never.
    pub fn put(version: Version, value: impl Into<Bytes>, expires_at_ms: Option<u64>) -> Record {
        Record { version, value: Some(value.into()), expiry: Expiry { version, at_ms: expires_at_ms } }
    }

    /// A deletion written by `version`.
    pub fn tombstone(version: Version) -> Record {
        Record { version, value: None, expiry: Expiry { version, at_ms: None } }
    }

    /// Takes over whatever is newer in `other`.
    pub fn merge(&mut self, other: &Record) -> Merge {
        let value_wins = other.view().value_wins_over(self.view());
        let expiry_wins = other.expiry.wins_over(self.expiry);
        if value_wins {
            self.version = other.version;
            self.value.clone_from(&other.value);
        }
        if expiry_wins {
            self.expiry = other.expiry;
        }
        if value_wins || expiry_wins { Merge::Changed } else { Merge::Unchanged }
    }

    /// The same record with its value borrowed.
    pub fn view(&self) -> RecordRef<'_> {
        RecordRef { version: self.version, value: self.value.as_deref(), expiry: self.expiry }
    }

    /// The merge of both.
    #[must_use]
    pub fn merged(mut self, other: &Record) -> Record {
        self.merge(other);
        self
    }

    /// The newer of the two versions in it: a receipt, a hint or a freshness check goes by this one.
    pub fn newest(&self) -> Version {
        self.version.max(self.expiry.version)
    }

    /// Whether a reader at `wall_ms` must not see the value. Only a coordinator may ask.
    pub fn is_expired(&self, wall_ms: u64) -> bool {
        self.expiry.at_ms.is_some_and(|at| at <= wall_ms)
    }
}

/// A [`Record`] whose value lies in somebody else's buffer: what stores and codecs compare without copying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// The write that set the value or deleted it.
    pub version: Version,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// When it expires.
    pub expiry: Expiry,
}

impl<'a> RecordRef<'a> {
    /// Takes over whatever is newer in `other`; the same rule as [`Record::merge`], nothing is copied.
    pub fn merge(&mut self, other: RecordRef<'a>) -> Merge {
        let value_wins = other.value_wins_over(*self);
        let expiry_wins = other.expiry.wins_over(self.expiry);
        if value_wins {
            (self.version, self.value) = (other.version, other.value);
        }
        if expiry_wins {
            self.expiry = other.expiry;
        }
        if value_wins || expiry_wins { Merge::Changed } else { Merge::Unchanged }
    }

    /// The record with a value of its own; one allocation when there is a value.
    pub fn to_record(self) -> Record {
        let value = self.value.map(Bytes::copy_from_slice);
        Record { version: self.version, value, expiry: self.expiry }
    }

    fn value_wins_over(self, other: RecordRef<'_>) -> bool {
        let by_content = || match (self.value, other.value) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(mine), Some(theirs)) => mine.cmp(theirs),
        };
        self.version.cmp(&other.version).then_with(by_content) == Ordering::Greater
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{NodeId, Timestamp};

    fn versions() -> impl Strategy<Value = Version> {
        (0u64..4, 1u32..3).prop_map(|(t, n)| Version::new(Timestamp(t), NodeId(n)))
    }

    fn records() -> impl Strategy<Value = Record> {
        let value = proptest::option::of(proptest::collection::vec(0u8..3, 0..2).prop_map(Bytes::from));
        (versions(), value, versions(), proptest::option::of(0u64..3)).prop_map(
            |(version, value, ev, at_ms)| Record { version, value, expiry: Expiry { version: ev, at_ms } },
        )
    }

    proptest! {
        #[test]
        fn merge_commutes_associates_and_is_idempotent(a in records(), b in records(), c in records()) {
            prop_assert_eq!(a.clone().merged(&b), b.clone().merged(&a));
            prop_assert_eq!(a.clone().merged(&b).merged(&c), a.clone().merged(&b.clone().merged(&c)));
            prop_assert_eq!(a.clone().merged(&a), a.clone());
        }

        #[test]
        fn merge_says_changed_exactly_when_it_changed(a in records(), b in records()) {
            let mut merged = a.clone();
            let said = merged.merge(&b);
            prop_assert_eq!(said == Merge::Changed, merged != a);
        }

        #[test]
        fn a_borrowed_record_merges_as_an_owned_one(a in records(), b in records()) {
            let mut view = a.view();
            let said = view.merge(b.view());
            let mut owned = a.clone();
            prop_assert_eq!(said, owned.merge(&b));
            prop_assert_eq!(view.to_record(), owned);
        }
    }

    #[test]
    fn a_newer_value_keeps_an_even_newer_expiry() {
        let at = |t| Version::new(Timestamp(t), NodeId(1));
        let value = Record::put(at(5), "new", None);
        let expire = Record {
            version: at(1),
            value: Some("old".into()),
            expiry: Expiry { version: at(9), at_ms: Some(70) },
        };
        let both = value.merged(&expire);
        assert_eq!((both.version, both.value, both.expiry.at_ms), (at(5), Some("new".into()), Some(70)));
    }
}
