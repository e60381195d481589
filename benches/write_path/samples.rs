//! What the benches write: keys of 16 and values of 100 bytes, unless a name says otherwise.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_ring::{Member, Ring};
use quorate_types::{KeyspaceId, NodeId, Record, Timestamp, Version};
use quorate_wire::{ExpiryRequest, Purpose, ReplicaWrite, Request, RequestBody};

/// Distinct keys: more than fit a core's second-level cache with their records.
pub(crate) const KEYS: usize = 1 << 14;
/// How each bench is run: short, for what is measured is steady.
pub(crate) const MEASURED_FOR: Duration = Duration::from_secs(2);
pub(crate) const HASH_SEED: u64 = 7;

pub(crate) fn keyspace() -> KeyspaceId {
    KeyspaceId::of_name("default")
}

pub(crate) fn keys() -> Vec<Bytes> {
    (0..KEYS).map(|i| Bytes::from(format!("key-{i:012}"))).collect()
}

pub(crate) fn value() -> Bytes {
    Bytes::from(vec![b'v'; 100])
}

/// A ring of `nodes` nodes, n = 3.
pub(crate) fn ring(nodes: u32) -> Arc<Ring> {
    let members: Vec<Member> = (1..=nodes).map(|i| Member::new(NodeId(i), 1.0, None)).collect();
    Arc::new(Ring::build(HASH_SEED, &members, &[(keyspace(), 3)]).expect("three nodes and more suit n = 3"))
}

/// The `at`-th version.
pub(crate) fn version(at: u64) -> Version {
    Version::new(Timestamp(at), NodeId(1))
}

pub(crate) fn put(number: u64, key: Bytes, value: Bytes) -> Request {
    let (level, expiry, version) = (None, ExpiryRequest::Never, None);
    let body = RequestBody::Put { keyspace: keyspace(), key, value, level, expiry, version };
    Request { number, time_left_ms: 2_000, want_receipt: false, body }
}

pub(crate) fn replica_write(at: u64, key: Bytes) -> ReplicaWrite {
    let record = Record::put(version(at), value(), None);
    let mut write = ReplicaWrite::from_record(keyspace(), key, record);
    (write.purpose, write.time_left_ms) = (Purpose::Write, 2_000);
    write
}
