//! One bucket: the records of one partition of one keyspace, under one owner.
//!
//! Invariants:
//! - the digest is the sum over exactly the records in the table;
//! - no key is in the table twice: keys are compared whole, the hash only narrows the search;
//! - order (by token, then key) is made when asked for, never kept.

use hashbrown::HashTable;
use quorate_types::mutants::{Mutant, planted};
use quorate_types::{Merge, PageStart, RecordRef, Token};

use crate::digest::{BucketDigest, KeyDigest, record_digest};
use crate::packed;

/// What a record takes beside its packed bytes where pages and slices carry it.
pub(crate) const RECORD_FRAMING_BYTES: usize = 8;

/// A key with its token, both from the caller.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub token: Token,
    pub key: &'a [u8],
}

/// Counts over the records of one keyspace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records with a value, expired ones included.
    pub keys: u64,
    /// Records that are tombstones.
    pub tombstones: u64,
    /// Bytes of all keys and values.
    pub bytes: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, key: &[u8], record: RecordRef<'_>) {
        *self.count(record) += 1;
        self.bytes += bytes_of(key, record);
    }

    fn subtract(&mut self, key: &[u8], record: RecordRef<'_>) {
        *self.count(record) -= 1;
        self.bytes -= bytes_of(key, record);
    }

    fn count(&mut self, record: RecordRef<'_>) -> &mut u64 {
        if record.value.is_some() { &mut self.keys } else { &mut self.tombstones }
    }
}

fn bytes_of(key: &[u8], record: RecordRef<'_>) -> u64 {
    (key.len() + record.value.map_or(0, <[u8]>::len)) as u64
}

/// The bounds of an ordered walk over a bucket.
#[derive(Clone, Copy)]
pub(crate) struct Bounds<'a> {
    pub start: PageStart<&'a [u8]>,
    pub limit: usize,
    pub bytes_max: usize,
}

#[derive(Default)]
pub(crate) struct Bucket {
    table: HashTable<Box<[u8]>>,
    digest: BucketDigest,
}

impl Bucket {
    /// Merges `incoming` into what is held at `place`, and keeps `totals` up to date.
    pub fn apply(
        &mut self,
        place: Place<'_>,
        incoming: RecordRef<'_>,
        totals: &mut Totals,
        seed: u64,
    ) -> Merge {
        let hash = table_hash(place.token);
        let Some(slot) = self.table.find_mut(hash, |packed| packed::key_of(packed) == place.key) else {
            let packed = packed::boxed(place.key, incoming);
            self.table.insert_unique(hash, packed, |other| hash_of(other, seed));
            if !skipped(incoming) {
                self.digest.add(record_digest(place.key, incoming));
            }
            totals.add(place.key, incoming);
            return Merge::Changed;
        };
        let held = packed::record_of(slot);
        let mut merged = held;
        if planted(Mutant::OverwrittenUncompared) {
            merged = incoming;
        } else if merged.merge(incoming) == Merge::Unchanged {
            return Merge::Unchanged;
        }
        let key_digest = KeyDigest::of(place.key);
        if !skipped(held) {
            self.digest.subtract(key_digest.with(held));
        }
        if !skipped(merged) {
            self.digest.add(key_digest.with(merged));
        }
        totals.subtract(place.key, held);
        totals.add(place.key, merged);
        match overwriting(merged, incoming).filter(|new| packed::len(place.key, *new) == slot.len()) {
            Some(new) => packed::write(&mut &mut slot[..], place.key, new),
            None => *slot = packed::boxed(place.key, merged),
        }
        Merge::Changed
    }

    pub fn read(&self, place: Place<'_>) -> Option<RecordRef<'_>> {
        let hash = table_hash(place.token);
        let packed = self.table.find(hash, |packed| packed::key_of(packed) == place.key)?;
        Some(packed::record_of(packed))
    }

    /// Reads what [`Self::touch_slot`] needs; the number means nothing.
    pub fn touch_table(&self, _: Token) -> usize {
        self.table.len()
    }

    /// Reads what says where records of `token` lie.
    pub fn touch_slot(&self, token: Token) -> usize {
        self.touch(token, <[u8]>::len)
    }

    /// Reads one byte in each of the first cache lines of such a record, and its last.
    pub fn touch_record(&self, token: Token) -> usize {
        self.touch(token, |packed| {
            let byte = |at: usize| packed.get(at).copied().map_or(0, usize::from);
            byte(0) ^ byte(64) ^ byte(packed.len() - 1)
        })
    }

    fn touch(&self, token: Token, read: impl Fn(&[u8]) -> usize) -> usize {
        self.table.iter_hash(table_hash(token)).fold(0, |sum, packed| sum ^ read(packed))
    }

    pub fn digest(&self) -> BucketDigest {
        self.digest
    }

    pub fn recomputed_digest(&self) -> BucketDigest {
        let mut digest = BucketDigest::default();
        for packed in &self.table {
            digest.add(record_digest(packed::key_of(packed), packed::record_of(packed)));
        }
        digest
    }

    /// Packed records in (token, key) order within `bounds`, at least one if any is left, and whether that was
    /// all of them. O(records in the bucket).
    pub fn ordered(&self, bounds: Bounds<'_>, seed: u64) -> (Vec<&[u8]>, bool) {
        let mut found = self.candidates(bounds.start, seed);
        let total = found.len();
        if total > bounds.limit {
            found.select_nth_unstable(bounds.limit);
            found.truncate(bounds.limit);
        }
        found.sort_unstable();
        let fitting = fitting(&found, bounds.bytes_max);
        (found[..fitting].iter().map(|&(_, _, packed)| packed).collect(), fitting == total)
    }

    fn candidates(&self, start: PageStart<&[u8]>, seed: u64) -> Vec<(Token, &[u8], &[u8])> {
        // No key is empty: an empty one stands before all of its token.
        let after = match start {
            PageStart::First => None,
            PageStart::After(key) => Some((Token::of(key, seed), key)),
            PageStart::At(token) => Some((token, &[][..])),
        };
        let placed = self.table.iter().map(|packed| {
            let key = packed::key_of(packed);
            (Token::of(key, seed), key, &packed[..])
        });
        placed.filter(|&(token, key, _)| after.is_none_or(|after| (token, key) > after)).collect()
    }
}

/// `merged` without what it borrows from the record it replaces, if its value is the incoming one.
fn overwriting<'a>(merged: RecordRef<'_>, incoming: RecordRef<'a>) -> Option<RecordRef<'a>> {
    let is_incoming = merged.value.map(<[u8]>::as_ptr) == incoming.value.map(<[u8]>::as_ptr);
    is_incoming.then_some(RecordRef { version: merged.version, value: incoming.value, expiry: merged.expiry })
}

/// How many of `found` fit into `bytes_max`; one at least, so that a walk always goes on.
fn fitting(found: &[(Token, &[u8], &[u8])], bytes_max: usize) -> usize {
    let mut bytes = 0;
    let over = found.iter().position(|(_, _, packed)| {
        bytes += packed.len() + RECORD_FRAMING_BYTES;
        bytes > bytes_max
    });
    over.map_or(found.len(), |count| count.max(1))
}

/// A hash for the table from the token's bits. All tokens of a bucket share their top 12 bits, and hashbrown
/// takes its tags from the top: so fold lower bits over them; the low bits stay as they are.
fn table_hash(token: Token) -> u64 {
    token.0 ^ (token.0 << 12)
}

fn hash_of(packed: &[u8], seed: u64) -> u64 {
    table_hash(Token::of(packed::key_of(packed), seed))
}

/// Whether a bucket's digest leaves this record out, as a planted bug would.
fn skipped(record: RecordRef<'_>) -> bool {
    planted(Mutant::DigestSkipsTombstones) && record.value.is_none()
}
