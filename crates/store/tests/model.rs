//! The store against a `BTreeMap`: whatever is applied in whatever order, both hold the same.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use quorate_store::{Access, BucketDigest, Store, StoreConfig, Totals, record_digest};
use quorate_types::{
    Expiry, KeyspaceId, Merge, NodeId, PARTITIONS, PageStart, PartitionId, Record, Timestamp, Token, Version,
};

const SEED: u64 = 42;

type Model = BTreeMap<(KeyspaceId, Token, Vec<u8>), Record>;

fn versions() -> impl Strategy<Value = Version> {
    (0u64..9, 1u32..3).prop_map(|(t, n)| Version::new(Timestamp(t), NodeId(n)))
}

fn records() -> impl Strategy<Value = Record> {
    let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from));
    (versions(), value, prop::option::of(versions()), prop::option::of(0u64..3)).prop_map(
        |(version, value, expiry, at_ms)| Record {
            version,
            value,
            expiry: Expiry { version: expiry.unwrap_or(version), at_ms },
        },
    )
}

/// Few keys, many of them in one partition, so that merges and full buckets both happen.
fn keys() -> impl Strategy<Value = Vec<u8>> {
    let one_partition: Vec<Vec<u8>> = (0u32..)
        .map(|i| i.to_be_bytes().to_vec())
        .filter(|key| Token::of(key, SEED).partition() == PartitionId(6))
        .take(40)
        .collect();
    prop_oneof![prop::sample::select(one_partition), prop::collection::vec(0u8..4, 1..3)]
}

fn writes() -> impl Strategy<Value = Vec<(KeyspaceId, Vec<u8>, Record)>> {
    prop::collection::vec(((1u32..3).prop_map(KeyspaceId), keys(), records()), 0..200)
}

fn ready<T>(access: Access<T>) -> T {
    access.ready().expect("memory answers at once")
}

fn stores(shards: usize) -> Vec<Store> {
    (0..shards).map(|shard| Store::new(StoreConfig { hash_seed: SEED, shard, shards })).collect()
}

fn apply(stores: &mut [Store], keyspace: KeyspaceId, key: &[u8], record: &Record) -> Merge {
    let token = Token::of(key, SEED);
    let shard = token.partition().shard(stores.len());
    ready(stores[shard].apply(keyspace, token, key, record))
}

fn apply_to_model(model: &mut Model, keyspace: KeyspaceId, key: &[u8], record: &Record) -> Merge {
    let place = (keyspace, Token::of(key, SEED), key.to_vec());
    let Some(held) = model.get_mut(&place) else {
        model.insert(place, record.clone());
        return Merge::Changed;
    };
    held.merge(record)
}

fn digest_of(model: &Model, keyspace: KeyspaceId, partition: PartitionId) -> BucketDigest {
    let records = model.iter().filter(|((k, token, _), _)| *k == keyspace && token.partition() == partition);
    BucketDigest(
        records.fold(0u128, |sum, ((_, _, key), record)| sum.wrapping_add(record_digest(key, record.view()))),
    )
}

fn totals_of(model: &Model, keyspace: KeyspaceId) -> Totals {
    let mut totals = Totals::default();
    for ((_, _, key), record) in model.iter().filter(|((k, _, _), _)| *k == keyspace) {
        match &record.value {
            Some(_) => totals.keys += 1,
            None => totals.tombstones += 1,
        }
        totals.bytes += (key.len() + record.value.as_ref().map_or(0, Bytes::len)) as u64;
    }
    totals
}

fn totals(stores: &[Store], keyspace: KeyspaceId) -> Totals {
    let mut sum = Totals::default();
    for (_, totals) in stores.iter().flat_map(Store::stats).filter(|(k, _)| *k == keyspace) {
        sum.keys += totals.keys;
        sum.tombstones += totals.tombstones;
        sum.bytes += totals.bytes;
    }
    sum
}

/// All of `partition`, page by page.
fn paged(
    store: &Store,
    keyspace: KeyspaceId,
    partition: PartitionId,
    by: (usize, usize),
) -> Vec<(Bytes, Record)> {
    let mut entries: Vec<(Bytes, Record)> = Vec::new();
    loop {
        let after = entries.last().map(|(key, _)| key.clone());
        let page = ready(store.page(keyspace, partition, after.as_deref().into(), by.0, by.1));
        assert!(page.done || !page.entries.is_empty(), "a page that goes nowhere");
        assert!(page.entries.len() <= by.0, "more than asked for");
        entries.extend(page.entries);
        if page.done {
            return entries;
        }
    }
}

proptest! {
    #[test]
    fn a_store_holds_what_the_model_holds(writes in writes(), shards in 1usize..4) {
        let (mut stores, mut model) = (stores(shards), Model::new());
        for (keyspace, key, record) in &writes {
            let said = apply(&mut stores, *keyspace, key, record);
            prop_assert_eq!(said, apply_to_model(&mut model, *keyspace, key, record));
        }
        for ((keyspace, token, key), record) in &model {
            let store = &stores[token.partition().shard(shards)];
            prop_assert_eq!(ready(store.read(*keyspace, *token, key)), Some(record.clone()));
            prop_assert_eq!(ready(store.view(*keyspace, *token, key)), Some(record.view()));
        }
        for keyspace in [KeyspaceId(1), KeyspaceId(2)] {
            prop_assert_eq!(totals(&stores, keyspace), totals_of(&model, keyspace));
            for (_, token, _) in model.keys() {
                let (partition, store) = (token.partition(), &stores[token.partition().shard(shards)]);
                let digest = store.digest(keyspace, partition);
                prop_assert_eq!(digest, digest_of(&model, keyspace, partition));
                prop_assert_eq!(digest, store.recomputed_digest(keyspace, partition));
            }
        }
    }

    #[test]
    fn the_order_of_arrival_does_not_matter(writes in writes()) {
        let (mut one, mut other) = (stores(1), stores(1));
        for (keyspace, key, record) in &writes {
            apply(&mut one, *keyspace, key, record);
        }
        for (keyspace, key, record) in writes.iter().rev().chain(&writes) {
            apply(&mut other, *keyspace, key, record);
        }
        for (keyspace, key, _) in &writes {
            let partition = Token::of(key, SEED).partition();
            prop_assert_eq!(one[0].digest(*keyspace, partition), other[0].digest(*keyspace, partition));
        }
    }

    #[test]
    fn pages_of_any_size_give_the_partition_in_token_order(
        writes in writes(),
        limit in 1usize..30,
        bytes_max in 0usize..600,
    ) {
        let (mut stores, mut model) = (stores(2), Model::new());
        for (keyspace, key, record) in &writes {
            apply(&mut stores, *keyspace, key, record);
            apply_to_model(&mut model, *keyspace, key, record);
        }
        let expected: Vec<(Bytes, Record)> = model
            .iter()
            .filter(|((k, token, _), _)| *k == KeyspaceId(1) && token.partition() == PartitionId(6))
            .map(|((_, _, key), record)| (Bytes::from(key.clone()), record.clone()))
            .collect();
        prop_assert_eq!(paged(&stores[0], KeyspaceId(1), PartitionId(6), (limit, bytes_max)), expected);
    }

    #[test]
    fn a_walk_in_slices_of_any_size_is_the_same_bytes(writes in writes(), slice in 1usize..2000) {
        let mut stores = stores(1);
        for (keyspace, key, record) in &writes {
            apply(&mut stores, *keyspace, key, record);
        }
        let whole = walked(&stores[0], usize::MAX).concat();
        let slices = walked(&stores[0], slice);
        prop_assert_eq!(slices.concat(), whole);
        prop_assert!(slices.iter().all(|s| s.len() < slice + 200));
    }
}

fn walked(store: &Store, bytes_max: usize) -> Vec<Vec<u8>> {
    let (mut walk, mut slices) = (store.begin_walk(), Vec::new());
    loop {
        let mut slice = Vec::new();
        let more = walk.next_slice(store, &mut slice, bytes_max);
        slices.push(slice);
        if !more {
            return slices;
        }
    }
}

#[test]
fn an_absent_partition_is_empty_and_done() {
    let store = &stores(1)[0];
    let page = ready(store.page(KeyspaceId(1), PartitionId(0), PageStart::First, 10, 1000));
    assert_eq!((page.entries.len(), page.done), (0, true));
    assert_eq!(store.digest(KeyspaceId(1), PartitionId(0)), BucketDigest(0));
    assert_eq!(store.stats().count(), 0);
}

#[test]
fn each_partition_belongs_to_one_shard_of_three() {
    let mut stores = stores(3);
    for partition in PartitionId::all() {
        let owner = partition.shard(3);
        assert_eq!(stores[owner].digest(KeyspaceId(1), partition), BucketDigest(0));
    }
    let record = Record::tombstone(Version::new(Timestamp(1), NodeId(1)));
    let mut placed = [0; PARTITIONS];
    for key in (0u32..20_000).map(u32::to_be_bytes) {
        apply(&mut stores, KeyspaceId(1), &key, &record);
        placed[usize::from(Token::of(&key, SEED).partition().0)] += 1;
    }
    assert_eq!(totals(&stores, KeyspaceId(1)).tombstones, 20_000);
    let paged: usize =
        PartitionId::all().map(|p| paged(&stores[p.shard(3)], KeyspaceId(1), p, (7, usize::MAX)).len()).sum();
    assert_eq!(paged, 20_000);
}

#[test]
#[should_panic(expected = "partition 1 is not of shard 0 of 2")]
fn a_partition_of_another_shard_stops_the_process() {
    stores(2)[0].digest(KeyspaceId(1), PartitionId(1));
}
