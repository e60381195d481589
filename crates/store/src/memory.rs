//! The records of one shard: keyspaces of partition buckets, all under one owner, without locks.
//!
//! Invariants:
//! - a shard holds exactly the partitions p with p mod `shards` = `shard`; any other is a bug in the router and
//!   stops the process rather than put data where nobody looks for it;
//! - applying is commutative, associative and idempotent ([`quorate_types::Record::merge`]); nothing here looks at a clock;
//! - a keyspace exists from its first record on, whether the configuration names it or not.
//!
//! Source: DeCandia et al., Dynamo (SOSP 2007) §6.2, strategy 3: fixed equal partitions.

use std::collections::BTreeMap;

use bytes::Bytes;
use quorate_types::{KeyspaceId, Merge, PARTITIONS, PageStart, PartitionId, Record, RecordRef, Token};

use crate::bucket::{Bounds, Bucket, Place, Totals};
use crate::digest::BucketDigest;
use crate::packed;

/// What a store call gives: memory answers at once, a cold tier may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access<T> {
    /// The answer.
    Ready(T),
    /// The answer comes later, as an event that carries this ticket.
    Pending(Ticket),
}

impl<T> Access<T> {
    /// The answer, if it is there.
    pub fn ready(self) -> Option<T> {
        match self {
            Access::Ready(answer) => Some(answer),
            Access::Pending(_) => None,
        }
    }
}

/// Stands for an answer that is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Which part of the ring a [`Store`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// Seed of the cluster's token hash.
    pub hash_seed: u64,
    /// This shard's number, below `shards`.
    pub shard: usize,
    /// Shards of this replica, 1 at least.
    pub shards: usize,
}

/// A stretch of one partition in (token, key) order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Keys with their records, tombstones and expired ones included.
    pub entries: Vec<(Bytes, Record)>,
    /// Whether the partition ends here.
    pub done: bool,
}

/// The records of one shard.
pub struct Store {
    config: StoreConfig,
    keyspaces: BTreeMap<KeyspaceId, Keyspace>,
}

#[derive(Default)]
struct Keyspace {
    buckets: Box<[Bucket]>,
    totals: Totals,
}

impl Store {
    /// An empty store for the partitions of `config`.
    pub fn new(config: StoreConfig) -> Store {
        let StoreConfig { shard, shards, .. } = config;
        assert!(shard < shards && shards <= PARTITIONS, "shard {shard} of {shards}");
        Store { config, keyspaces: BTreeMap::new() }
    }

    /// What this store holds.
    pub fn config(&self) -> StoreConfig {
        self.config
    }

    /// Merges `incoming` into `key`'s record; `token` is the key's.
    ///
    /// Allocates the merged record and nothing else; nothing when it is `Unchanged`.
    pub fn apply(
        &mut self,
        keyspace: KeyspaceId,
        token: Token,
        key: &[u8],
        incoming: &Record,
    ) -> Access<Merge> {
        self.apply_view(keyspace, token, key, incoming.view())
    }

    /// [`Store::apply`] for a record whose value lies in the caller's buffer.
    pub fn apply_view(
        &mut self,
        keyspace: KeyspaceId,
        token: Token,
        key: &[u8],
        incoming: RecordRef<'_>,
    ) -> Access<Merge> {
        let slot = self.slot(token.partition());
        debug_assert_eq!(token, Token::of(key, self.config.hash_seed), "the token of another key");
        let keyspace = self.keyspaces.entry(keyspace).or_insert_with(|| Keyspace::new(self.config.shards));
        let bucket = &mut keyspace.buckets[slot];
        let place = Place { token, key };
        Access::Ready(bucket.apply(place, incoming, &mut keyspace.totals, self.config.hash_seed))
    }

    /// Brings what applies to `places` will touch into the processor's cache, if it is there at all: changes nothing.
    ///
    /// A record lies three dependent cache misses away (bucket, table, record). Asked for one after the other they
    /// cost more than the rest of an apply; asked for level by level, those of different places overlap. Worth it
    /// from a handful of places on, for at most a few dozen.
    pub fn read_ahead(&self, places: impl Iterator<Item = (KeyspaceId, Token)> + Clone) {
        let buckets =
            places.filter_map(|(keyspace, token)| Some((self.bucket(keyspace, token.partition())?, token)));
        let levels = [Bucket::touch_table, Bucket::touch_slot, Bucket::touch_record];
        for touch in levels {
            let touched = buckets.clone().fold(0, |sum, (bucket, token)| sum ^ touch(bucket, token));
            std::hint::black_box(touched);
        }
    }

    /// `key`'s record, tombstone or expired as it may be; one allocation, for the value.
    pub fn read(&self, keyspace: KeyspaceId, token: Token, key: &[u8]) -> Access<Option<Record>> {
        Access::Ready(self.find(keyspace, token, key).map(RecordRef::to_record))
    }

    /// [`Store::read`] without a copy: for those who need the version or a digest only.
    pub fn view(&self, keyspace: KeyspaceId, token: Token, key: &[u8]) -> Access<Option<RecordRef<'_>>> {
        Access::Ready(self.find(keyspace, token, key))
    }

    fn find(&self, keyspace: KeyspaceId, token: Token, key: &[u8]) -> Option<RecordRef<'_>> {
        self.bucket(keyspace, token.partition())?.read(Place { token, key })
    }

    /// At most `limit` records from `start` on, in (token, key) order, until keys and values pass
    /// `bytes_max`; one at least unless the partition is done. O(records in the partition).
    pub fn page(
        &self,
        keyspace: KeyspaceId,
        partition: PartitionId,
        start: PageStart<&[u8]>,
        limit: usize,
        bytes_max: usize,
    ) -> Access<Page> {
        let Some(bucket) = self.bucket(keyspace, partition) else {
            return Access::Ready(Page { entries: Vec::new(), done: true });
        };
        let bounds = Bounds { start, limit: limit.max(1), bytes_max };
        let (found, done) = bucket.ordered(bounds, self.config.hash_seed);
        Access::Ready(Page { entries: found.into_iter().map(entry).collect(), done })
    }

    /// The digest of one bucket, kept up to date by every apply. O(1).
    pub fn digest(&self, keyspace: KeyspaceId, partition: PartitionId) -> BucketDigest {
        self.bucket(keyspace, partition).map(Bucket::digest).unwrap_or_default()
    }

    /// The same digest, computed again from the records: what a scrub compares it with.
    pub fn recomputed_digest(&self, keyspace: KeyspaceId, partition: PartitionId) -> BucketDigest {
        self.bucket(keyspace, partition).map(Bucket::recomputed_digest).unwrap_or_default()
    }

    /// The keyspaces that hold anything, in order of their numbers, with their counts. O(keyspaces).
    pub fn stats(&self) -> impl Iterator<Item = (KeyspaceId, Totals)> {
        self.keyspaces.iter().map(|(&id, keyspace)| (id, keyspace.totals))
    }

    /// The first keyspace numbered `from` or higher.
    pub(crate) fn keyspace_from(&self, from: KeyspaceId) -> Option<KeyspaceId> {
        self.keyspaces.range(from..).next().map(|(&id, _)| id)
    }

    /// Packed records of this shard's `slot`-th partition; `None` behind the last.
    pub(crate) fn packed(
        &self,
        keyspace: KeyspaceId,
        slot: usize,
        bounds: Bounds<'_>,
    ) -> Option<(Vec<&[u8]>, bool)> {
        let bucket = self.keyspaces.get(&keyspace)?.buckets.get(slot)?;
        Some(bucket.ordered(bounds, self.config.hash_seed))
    }

    fn bucket(&self, keyspace: KeyspaceId, partition: PartitionId) -> Option<&Bucket> {
        let slot = self.slot(partition);
        Some(&self.keyspaces.get(&keyspace)?.buckets[slot])
    }

    fn slot(&self, partition: PartitionId) -> usize {
        let StoreConfig { shard, shards, .. } = self.config;
        assert_eq!(
            partition.shard(shards),
            shard,
            "partition {partition} is not of shard {shard} of {shards}"
        );
        usize::from(partition.0) / shards
    }
}

impl Keyspace {
    fn new(shards: usize) -> Keyspace {
        let buckets = (0..PARTITIONS.div_ceil(shards)).map(|_| Bucket::default()).collect();
        Keyspace { buckets, totals: Totals::default() }
    }
}

fn entry(packed: &[u8]) -> (Bytes, Record) {
    (Bytes::copy_from_slice(packed::key_of(packed)), packed::record_of(packed).to_record())
}
