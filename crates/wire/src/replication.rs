//! Writes on their way to a replica, and the acknowledgements that come back.
//!
//! Invariants:
//! - batches are numbered from 1 within a [`LinkEpoch`], and an epoch is never used twice: the generation is durable
//!   before the first frame, and the connection number grows within it; so an old acknowledgement never matches;
//! - a batch is in a [`BatchRange`] only if *every* write in it is durable and applied; one with a refused write
//!   is told as a [`PartialBatch`]; a batch in neither is unanswered;
//! - the receiver executes a batch number of one epoch at most once, in whatever order and number frames arrive.

use bytes::Bytes;
use quorate_types::{Expiry, Generation, KeyspaceId, Record, Refusal, Version};
use serde::{Deserialize, Serialize, Serializer};

/// One life of one link: what its batch numbers count within.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkEpoch {
    /// The sending process's incarnation.
    pub generation: Generation,
    /// The connection's number within that incarnation.
    pub connection: u64,
}

/// Why a record is sent to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Purpose {
    /// A client's write: refused if its stamp is too far ahead.
    Write,
    /// A write that the replica missed, kept by a coordinator meanwhile. Never refused for its stamp.
    Hint,
    /// The winner of a read, for a replica that was behind. Never refused for its stamp.
    Repair,
}

/// One record for one replica. Encoded: about 26 bytes over key and value if value and expiry have one
/// version, which is then sent once.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "SentWrite<B>")]
pub struct ReplicaWrite<B = Bytes> {
    /// The keyspace of the key.
    pub keyspace: KeyspaceId,
    /// The key, 1 to [`KEY_BYTES_MAX`](quorate_types::limits::KEY_BYTES_MAX) bytes.
    pub key: B,
    /// The version of the value or of the deletion.
    pub version: Version,
    /// The value; `None` is a tombstone.
    pub value: Option<B>,
    /// The expiry and the version that set it.
    pub expiry: Expiry,
    /// Why it is sent.
    pub purpose: Purpose,
    /// How long the sender goes on waiting, milliseconds. For hints and repairs too.
    pub time_left_ms: u32,
}

/// The body of a [`ReplicaWrite`] on the wire.
#[derive(Serialize, Deserialize)]
struct SentWrite<B> {
    keyspace: KeyspaceId,
    key: B,
    version: Version,
    value: Option<B>,
    /// `None`: never, said by `version`.
    expiry: Option<Expiry>,
    purpose: Purpose,
    time_left_ms: u32,
}

impl<B> From<SentWrite<B>> for ReplicaWrite<B> {
    fn from(sent: SentWrite<B>) -> Self {
        let SentWrite { keyspace, key, version, value, expiry, purpose, time_left_ms } = sent;
        let expiry = expiry.unwrap_or(Expiry { version, at_ms: None });
        ReplicaWrite { keyspace, key, version, value, expiry, purpose, time_left_ms }
    }
}

impl<B: Serialize> Serialize for ReplicaWrite<B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let implied = Expiry { version: self.version, at_ms: None };
        SentWrite {
            keyspace: self.keyspace,
            key: &self.key,
            version: self.version,
            value: self.value.as_ref(),
            expiry: (self.expiry != implied).then_some(self.expiry),
            purpose: self.purpose,
            time_left_ms: self.time_left_ms,
        }
        .serialize(serializer)
    }
}

impl ReplicaWrite {
    /// The write that carries `record` of `key`, with [`Purpose::Write`] and no time left; set both.
    pub fn from_record(keyspace: KeyspaceId, key: Bytes, record: Record) -> ReplicaWrite {
        let Record { version, value, expiry } = record;
        ReplicaWrite { keyspace, key, version, value, expiry, purpose: Purpose::Write, time_left_ms: 0 }
    }

    /// Key and record, moved out.
    pub fn into_keyed(self) -> (Bytes, Record) {
        (self.key, Record { version: self.version, value: self.value, expiry: self.expiry })
    }

    /// The record; the value is shared, not copied.
    pub fn record(&self) -> Record {
        Record { version: self.version, value: self.value.clone(), expiry: self.expiry }
    }
}

/// What one turn of a sending shard has for one receiving shard.
///
/// Decoding costs one allocation, the `Vec`; keys and values are slices of the frame and keep all of it in memory
/// as long as one of them lives: copy what is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteBatch<B = Bytes> {
    /// The link's life.
    pub epoch: LinkEpoch,
    /// The batch's number in it, from 1.
    pub batch: u64,
    /// The hash of the ring by which the sender chose the receiver.
    pub ring_hash: u64,
    /// The writes; an acknowledgement names them by index.
    pub writes: Vec<ReplicaWrite<B>>,
}

/// Batches `first ..= last`, both included. Never empty. May be as wide as `u64`: never iterate over it, clip it
/// to the batches that are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BatchRange {
    /// The first batch, at least 1.
    pub first: u64,
    /// The last batch, at least `first`.
    pub last: u64,
}

/// A batch of which some writes were refused. All its other writes are durable and applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialBatch {
    /// The batch.
    pub batch: u64,
    /// The indexes of the refused writes, and why. An index may lie beyond the batch's end if the peer is broken.
    pub refused: Vec<(u32, Refusal)>,
}

/// What a replica says about the batches of one epoch: several messages may say it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acks {
    /// Whose batches.
    pub epoch: LinkEpoch,
    /// Batches whose every write is durable and applied.
    pub ranges: Vec<BatchRange>,
    /// Batches with refused writes.
    pub partial: Vec<PartialBatch>,
    /// How many bytes of hints the sender may have on their way.
    pub credit_bytes: u32,
}
