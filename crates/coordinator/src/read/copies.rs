//! What the replicas of a read said they hold: the newest of it, and who is behind.
//!
//! Invariants:
//! - `newest` is the merge of every record seen and of every digest's expiry; no record but the merge is kept;
//! - `level` are exactly the members whose whole record was seen and equals `newest` (absent equals absent);
//! - a value is fetched only if a digest says that it would win: what loses the merge need not be seen;
//! - the expiry of a value that would win is not taken without the value: whoever was to send it may fall silent, and no
//!   write put the one value under the other's expiry.
//!
//! Source: a digest mismatch over non-canonical bytes repairs for ever (CASSANDRA-9554, -10655, -12090): here both
//! sides hash the value alone, and versions and expiry are compared as they are.

use std::cmp::Reverse;

use quorate_types::{Merge, Record};
use quorate_wire::ReadDigest;

use crate::replicas::Members;

#[derive(Debug, Default)]
pub(super) struct Copies {
    newest: Option<Record>,
    level: Members,
    #[cfg(feature = "mutants")]
    first: Option<Record>,
    digests: Vec<(u8, ReadDigest)>,
    /// The digest of `newest`, once it was needed.
    digest: Option<ReadDigest>,
}

impl Copies {
    pub(super) fn newest(&self) -> Option<&Record> {
        self.newest.as_ref()
    }

    /// `newest`, for good: nothing is repaired any more.
    pub(super) fn take_newest(&mut self) -> Option<Record> {
        self.newest.take()
    }

    /// What a repair writes.
    pub(super) fn winner(&self) -> Option<&Record> {
        #[cfg(feature = "mutants")]
        if quorate_types::mutants::planted(quorate_types::mutants::Mutant::RepairWritesOlder) {
            return self.first.as_ref();
        }
        self.newest()
    }

    /// Bytes of value held.
    pub(super) fn bytes(&self) -> u64 {
        self.newest.as_ref().and_then(|r| r.value.as_ref()).map_or(0, bytes::Bytes::len) as u64
    }

    /// `member` holds `record`, or nothing.
    pub(super) fn record(&mut self, member: u8, record: Option<Record>) {
        match (record, self.newest.is_some()) {
            (Some(record), true) => {
                self.merge(&record);
                if self.newest.as_ref() == Some(&record) {
                    self.level.insert(member);
                }
            }
            (first @ Some(_), false) => {
                #[cfg(feature = "mutants")]
                self.first.clone_from(&first);
                self.newest = first;
                self.digest = None;
                self.level = [member].into_iter().collect();
            }
            (None, false) => self.level.insert(member),
            (None, true) => {}
        }
    }

    /// `member` holds a record of this digest. A tombstone's says all there is to know.
    pub(super) fn digest(&mut self, member: u8, digest: ReadDigest) {
        let ReadDigest { version, expiry, tombstone, .. } = digest;
        if tombstone {
            self.record(member, Some(Record { version, value: None, expiry }));
        } else {
            self.digests.push((member, digest));
        }
    }

    fn merge(&mut self, record: &Record) {
        let Some(newest) = &mut self.newest else { return };
        if newest.merge(record) == Merge::Changed {
            self.level = Members::NONE;
            self.digest = None;
        }
    }

    /// A member whose value would win and has not been seen; its digest is forgotten, ask it for everything.
    ///
    /// `None`: `newest` is the merge of all that was said.
    pub(super) fn unseen_winner(&mut self) -> Option<u8> {
        if self.digests.is_empty() {
            return None;
        }
        let ours = self.own_digest();
        let candidates = self.digests.iter().enumerate();
        let winning = candidates.filter(|(_, (_, theirs))| ours.is_none_or(|ours| would_win(theirs, &ours)));
        let winner = winning.max_by_key(|&(i, &(_, theirs))| (theirs.version, Reverse(i))).map(|(i, _)| i);
        if winner.is_none() {
            self.merge_expiries();
        }
        winner.map(|index| self.digests.remove(index).0)
    }

    fn own_digest(&mut self) -> Option<ReadDigest> {
        let newest = self.newest.as_ref()?;
        Some(*self.digest.get_or_insert_with(|| ReadDigest::of(newest)))
    }

    /// An expiry is whole in a digest: no need to fetch a value for it, if that loses.
    fn merge_expiries(&mut self) {
        for index in 0..self.digests.len() {
            let Some(newest) = &self.newest else { return };
            let expiry = self.digests[index].1.expiry;
            let touched = Record { version: newest.version, value: newest.value.clone(), expiry };
            self.merge(&touched);
        }
    }

    /// Those of `answered` that do not hold `newest`. Only after [`Self::unseen_winner`] said `None`.
    pub(super) fn behind(&mut self, answered: Members) -> Members {
        answered.without(self.level).without(self.level_by_digest())
    }

    fn level_by_digest(&mut self) -> Members {
        if self.digests.is_empty() {
            return Members::NONE;
        }
        let ours = self.own_digest();
        self.digests.iter().filter(|(_, theirs)| Some(*theirs) == ours).map(|&(member, _)| member).collect()
    }
}

/// By [`Record::merge`]'s rule. On a tie of versions the larger bytes win, which a hash can't tell: so they differ.
fn would_win(theirs: &ReadDigest, ours: &ReadDigest) -> bool {
    let differ = (theirs.value_bytes, theirs.hash) != (ours.value_bytes, ours.hash);
    theirs.version > ours.version || (theirs.version == ours.version && !ours.tombstone && differ)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quorate_types::{Expiry, NodeId, Timestamp, Version};

    use super::*;

    fn versions() -> impl Strategy<Value = Version> {
        (0u64..4).prop_map(|t| Version::new(Timestamp(t), NodeId(1)))
    }

    fn holdings() -> impl Strategy<Value = Option<Record>> {
        let value =
            proptest::option::of(proptest::collection::vec(0u8..2, 0..2).prop_map(bytes::Bytes::from));
        let record = (versions(), value, versions(), proptest::option::of(0u64..3)).prop_map(
            |(version, value, ev, at_ms)| Record { version, value, expiry: Expiry { version: ev, at_ms } },
        );
        proptest::option::of(record)
    }

    proptest! {
        #[test]
        fn with_digests_in_any_places_the_newest_and_those_behind_are_as_with_records(
            held in proptest::collection::vec((holdings(), any::<bool>()), 1..6),
        ) {
            let mut copies = Copies::default();
            for (member, (record, by_digest)) in held.iter().enumerate() {
                match record {
                    Some(record) if *by_digest => copies.digest(member as u8, ReadDigest::of(record)),
                    _ => copies.record(member as u8, record.clone()),
                }
            }
            let mut fetched = 0;
            while let Some(member) = copies.unseen_winner() {
                copies.record(member, held[usize::from(member)].0.clone());
                fetched += 1;
            }
            let records = held.iter().filter_map(|(record, _)| record.clone());
            let newest = records.reduce(|a, b| a.merged(&b));
            prop_assert_eq!(copies.newest(), newest.as_ref());
            let behind: Members = (0..held.len()).filter(|&m| held[m].0 != newest).map(|m| m as u8).collect();
            prop_assert_eq!(copies.behind((0..held.len() as u8).collect()), behind);
            prop_assert!(fetched <= held.iter().filter(|(record, by_digest)| record.is_some() && *by_digest).count());
        }
    }

    #[test]
    fn the_expiry_of_a_value_that_was_not_seen_is_not_put_upon_another() {
        let at = |t| Version::new(Timestamp(t), NodeId(1));
        let (old, new) = (Record::put(at(1), "old", None), Record::put(at(2), "new", Some(70)));
        let mut copies = Copies::default();
        copies.record(0, Some(old.clone()));
        copies.digest(1, ReadDigest::of(&new));
        assert_eq!(copies.unseen_winner(), Some(1), "it is asked for everything, and falls silent");
        copies.record(2, Some(old.clone()));
        assert_eq!((copies.unseen_winner(), copies.newest()), (None, Some(&old)));
    }

    #[test]
    fn equal_digests_cost_one_fetch_and_losing_ones_none() {
        let at = |t| Version::new(Timestamp(t), NodeId(1));
        let (old, new) = (Record::put(at(1), "old", None), Record::put(at(2), "new", None));
        let mut copies = Copies::default();
        copies.digest(0, ReadDigest::of(&new));
        copies.digest(1, ReadDigest::of(&old));
        copies.digest(2, ReadDigest::of(&new));
        assert_eq!(copies.unseen_winner(), Some(0));
        copies.record(0, Some(new));
        assert_eq!(copies.unseen_winner(), None);
        assert_eq!(copies.behind((0..3).collect()), [1].into_iter().collect());
    }
}
