//! Finding a key's replicas, and its place in memory.

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use quorate_store::{Store, StoreConfig};
use quorate_types::{Merge, Record, Token};

use super::samples::{HASH_SEED, KEYS, MEASURED_FOR, keys, keyspace, ring, value, version};

pub(crate) fn benches(criterion: &mut Criterion) {
    ring_lookup(criterion);
    store_apply(criterion);
}

fn ring_lookup(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring");
    group.measurement_time(MEASURED_FOR).warm_up_time(MEASURED_FOR / 4).sample_size(20);
    let keys = keys();
    for nodes in [4, 100] {
        let ring = ring(nodes);
        let mut at = 0;
        group.bench_function(format!("replicas/nodes={nodes}/n=3/key=16"), |b| {
            b.iter(|| {
                at = (at + 1) % KEYS;
                let replicas = ring.replicas(ring.token(&keys[at]).partition(), 3);
                assert_eq!(black_box(replicas).len(), 3);
            });
        });
    }
    group.finish();
}

fn store_apply(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store");
    group.measurement_time(MEASURED_FOR).warm_up_time(MEASURED_FOR / 4).sample_size(20);
    let keys: Vec<_> = keys().into_iter().map(|key| (Token::of(&key, HASH_SEED), key)).collect();
    let mut at = 0;
    let mut store = Store::new(StoreConfig { hash_seed: HASH_SEED, shard: 0, shards: 1 });
    group.bench_function(format!("apply/newer/keys={KEYS}/value=100"), |b| {
        b.iter_batched(
            || {
                at += 1;
                (&keys[at % KEYS], Record::put(version(at as u64), value(), None))
            },
            |((token, key), record)| {
                let merge = store.apply(keyspace(), *token, key, &record).ready();
                assert_eq!(merge, Some(Merge::Changed));
            },
            BatchSize::SmallInput,
        );
    });
    let written = at.max(1);
    group.bench_function(format!("read/keys={KEYS}/value=100"), |b| {
        b.iter(|| {
            at = at % written + 1;
            let (token, key) = &keys[at % KEYS];
            let found = store.read(keyspace(), *token, key).ready();
            assert!(black_box(found).is_some_and(|record| record.is_some()));
        });
    });
    let (sum, again) = keys
        .iter()
        .map(|(token, _)| token.partition())
        .map(|p| (store.digest(keyspace(), p), store.recomputed_digest(keyspace(), p)))
        .unzip::<_, _, Vec<_>, Vec<_>>();
    assert_eq!(sum, again, "digests are kept up with every write");
    group.finish();
}
