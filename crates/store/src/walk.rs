//! The walk of a checkpoint: all records of one shard, slice by slice, while writes go on.
//!
//! Fuzzy by design: a record that was there when the walk began and did not change is in exactly one slice; one
//! that changes during the walk is in it with its old or new state, and its change is in the log behind the
//! replay point. Merging the log on top gives the present state either way.

use bytes::BufMut;
use quorate_types::KeyspaceId;

use crate::bucket::Bounds;
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
    /// Appends records to `out` until it holds about `bytes_max` bytes (one record at least); whether more are
    /// left. At most [`SLICE_BYTES_MAX`](crate::disk::SLICE_BYTES_MAX) may be asked for if a
    /// [`PartWriter`](crate::disk::PartWriter) is to take it; 64 KiB keep the owner busy for about 0.1 ms. Keyspaces by number, partitions and tokens in ring order: equal contents, equal bytes.
    pub fn next_slice(&mut self, store: &Store, out: &mut Vec<u8>, bytes_max: usize) -> bool {
        let start = out.len();
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
        let bounds = Bounds { after: self.after.as_deref(), limit: usize::MAX, bytes_max };
        let Some((records, done)) = store.packed(self.keyspace, self.slot, bounds) else {
            self.next_keyspace();
            return;
        };
        for packed in &records {
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
