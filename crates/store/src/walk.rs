//! The walk of a checkpoint: all records of one shard, slice by slice, while writes go on.
//!
//! Fuzzy by design: a record that was there when the walk began and did not change is in exactly one slice; one
//! that changes during the walk is in it with its old or new state, and its change is in the log behind the
//! replay point. Merging the log on top gives the present state either way.

use bytes::BufMut;
use quorate_types::mutants::{Mutant, planted};
use quorate_types::{KeyspaceId, rarely};

use crate::bucket::Bounds;
use crate::disk::SLICE_BYTES_MAX;
use crate::memory::Store;
use crate::packed;

/// Where a walk stands: behind `after` in the `slot`-th partition of `keyspace`.
#[derive(Clone, Debug)]
pub struct Walk {
    keyspace: KeyspaceId,
    slot: usize,
    after: Option<Vec<u8>>,
    done: bool,
}

impl Store {
    /// A walk over all that this shard holds. Everything applied so far will be in it.
    pub fn begin_walk(&self) -> Walk {
        Walk { keyspace: KeyspaceId(0), slot: 0, after: None, done: false }
    }
}

impl Walk {
    /// Appends records to `out`, about `bytes_max` bytes (one record at least, [`SLICE_BYTES_MAX`] and one record
    /// at most); whether more may be left. 64 KiB keep the owner busy for about 0.1 ms. Keyspaces by number,
    /// partitions and tokens in ring order: equal contents, equal bytes.
    pub fn next_slice(&mut self, store: &Store, out: &mut Vec<u8>, bytes_max: usize) -> bool {
        let bytes_max = if rarely!("checkpoint.small_slice") { 1 } else { bytes_max };
        let (start, bytes_max) = (out.len(), bytes_max.min(SLICE_BYTES_MAX));
        while let Some(keyspace) = self.keyspace(store) {
            if keyspace != self.keyspace {
                *self = Walk { keyspace, slot: 0, after: None, done: false };
            }
            let written = out.len() - start;
            if written >= bytes_max && written > 0 {
                return true;
            }
            self.take(store, out, bytes_max - written);
        }
        false
    }

    fn keyspace(&self, store: &Store) -> Option<KeyspaceId> {
        if self.done { None } else { store.keyspace_from(self.keyspace) }
    }

    fn next_keyspace(&mut self) {
        let next = self.keyspace.0.checked_add(1).map(KeyspaceId);
        *self = Walk { keyspace: next.unwrap_or(self.keyspace), slot: 0, after: None, done: next.is_none() };
    }

    /// Appends from the present partition and steps on.
    fn take(&mut self, store: &Store, out: &mut Vec<u8>, bytes_max: usize) {
        let bounds = Bounds { start: self.after.as_deref().into(), limit: usize::MAX, bytes_max };
        let Some((records, done)) = store.packed(self.keyspace, self.slot, bounds) else {
            self.next_keyspace();
            return;
        };
        let left_out = planted(Mutant::WalkSkipsRecords) && self.after.is_some();
        for packed in records.iter().skip(usize::from(left_out)) {
            out.put_u32_le(4 + packed.len() as u32);
            out.put_u32_le(self.keyspace.0);
            out.put_slice(packed);
        }
        if done {
            (self.slot, self.after) = (self.slot + 1, None);
        } else {
            self.after = records.last().map(|packed| packed::key_of(packed).to_vec());
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_types::{NodeId, Record, Timestamp, Token, Version, limits::VALUE_BYTES_MAX};

    use super::*;
    use crate::StoreConfig;
    use crate::disk::BLOCK_BYTES_MAX;

    #[test]
    fn a_slice_fits_into_a_block_however_much_was_asked_for() {
        let mut store = Store::new(StoreConfig { hash_seed: 0, shard: 0, shards: 1 });
        let version = Version::new(Timestamp(1), NodeId(1));
        for key in [b"a", b"b", b"c"] {
            let record = Record::put(version, vec![7; VALUE_BYTES_MAX], None);
            let _ = store.apply(KeyspaceId(1), Token::of(key, 0), key, &record);
        }
        let (mut walk, mut slices) = (store.begin_walk(), Vec::new());
        loop {
            let mut slice = Vec::new();
            let more = walk.next_slice(&store, &mut slice, usize::MAX);
            slices.push(slice.len());
            if !more {
                break;
            }
        }
        assert_eq!(slices.iter().sum::<usize>(), 3 * (VALUE_BYTES_MAX + 23));
        assert!(slices.iter().all(|&bytes| bytes <= BLOCK_BYTES_MAX), "{slices:?}");
    }
}
