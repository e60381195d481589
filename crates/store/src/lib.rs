//! Versions in memory, and everything of a node that is on disk but the log itself.
//!
//! [`Store`] holds the records of one shard: 4,096 partition buckets per keyspace, split over the shards, each bucket a
//! hash table with an incremental digest, one allocation per record, no locks: one owner. [`disk`] brings the stores
//! back from a checkpoint and the log, takes the next checkpoint, and knows whose directory it is. [`hints`] keeps the
//! writes that other replicas missed.
//!
//! It is not the log (that is `quorate-wal`), it never looks at a clock or draws a random number, and starts no
//! thread. Whoever drives it logs a write first, waits until it is durable, and only then calls [`Store::apply`].
//!
//! ```
//! use quorate_store::{Store, StoreConfig};
//! use quorate_types::{KeyspaceId, Merge, NodeId, Record, Timestamp, Token, Version};
//!
//! let mut store = Store::new(StoreConfig { hash_seed: 7, shard: 0, shards: 1 });
//! let (keyspace, token) = (KeyspaceId::of_name("default"), Token::of(b"k", 7));
//! let at = |t| Version::new(Timestamp(t), NodeId(1));
//!
//! let newer = Record::put(at(2), "newer", None);
//! store.apply(keyspace, token, b"k", &newer);
//! let late = store.apply(keyspace, token, b"k", &Record::put(at(1), "older", None));
//! assert_eq!(late.ready(), Some(Merge::Unchanged));
//! assert_eq!(store.read(keyspace, token, b"k").ready(), Some(Some(newer)));
//!
//! let partition = token.partition();
//! assert_eq!(store.digest(keyspace, partition), store.recomputed_digest(keyspace, partition));
//! ```
//!
//! A directory, from its first start to its second:
//!
//! ```
//! use quorate_store::disk::{self, Identity, OpenOptions};
//! use quorate_types::{ClusterId, NodeId};
//! use quorate_wal::{Chores, Options, testkit::SimIo};
//! use std::{path::Path, sync::Arc};
//!
//! let (io, dir) = (Arc::new(SimIo::new(1)), Path::new("/data/n1"));
//! let start = |shards| {
//!     let identity = Identity {
//!         cluster: ClusterId::of_name("ring"),
//!         cluster_name: "ring".into(),
//!         node: NodeId::of_name("n1"),
//!         node_name: "n1".into(),
//!     };
//!     let wal = Options::new(disk::wal_dir(dir)).segment_bytes(1 << 20).chores(Chores::Inline);
//!     disk::open(io.clone(), dir, OpenOptions { identity, shards, hash_seed: 7, wal }, 1_000)
//! };
//! let first = start(1)?.generation;
//! assert!(start(2)?.generation > first);
//! # Ok::<(), quorate_store::DiskError>(())
//! ```
//!
//! The bytes of every file are in `docs/formats.md`, frozen by golden files.
//!
//! # Guaranteed
//! - Applying is commutative, associative, idempotent; a digest equals the one computed again from the records.
//! - Whatever the log held durably comes back after a power cut at any moment, around checkpoints too, with any number
//!   of shards; the generation grows with each start, and no stamp below [`disk::Opened::clock_start`] is issued twice.
//! - A hint that was synced comes back until it is delivered.
//! - Corrupt, foreign, lost and older files are refused by name, with the place and what to do; nothing is overwritten.
//!
//! # Not guaranteed
//! - Durability of what the caller applied before its log record was durable.
//! - That a hint is handed out once: after a crash some are handed out again.
//! - Order by key: a page is ordered by token, then key.
//!
//! Cost at a million records of 16 + 100 bytes, whole process: 65 bytes per record over key and value
//! (`examples/memory.rs`).
//!
//! Sources: Dynamo (SOSP 2007) §6.2 strategy 3 and §4.6; CASSANDRA-6230 (hint files); Bellare & Micciancio (1997).

#![forbid(unsafe_code)]

mod bucket;
mod digest;
pub mod disk;
mod error;
mod hint;
pub mod hints;
pub mod log;
mod memory;
mod packed;
#[cfg(test)]
mod testing;
mod walk;

pub use bucket::Totals;
pub use digest::{BucketDigest, record_digest};
pub use error::{Damage, DiskError};
pub use hint::{Hint, HintNumber};
pub use memory::{Access, Page, Store, StoreConfig, Ticket};
pub use walk::Walk;
