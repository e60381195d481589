//! How a node is, as it says itself: the answer to `status`.
//!
//! Figures are of one moment per shard, summed over the shards one after the other: they need not fit together to
//! the last record.

use quorate_types::{ClusterId, Generation, KeyspaceId, NodeId};
use serde::{Deserialize, Serialize};

/// One node's own view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its number.
    pub node: NodeId,
    /// Its id in the config.
    pub name: String,
    /// Its cluster.
    pub cluster: ClusterId,
    /// The incarnation of its process.
    pub generation: Generation,
    /// Since its start, milliseconds.
    pub uptime_ms: u64,
    /// Its shards.
    pub shards: u16,
    /// The hash of the ring that it computes.
    pub ring_hash: u64,
    /// The other nodes, as it sees them.
    pub peers: Vec<PeerStatus>,
    /// What it holds.
    pub keyspaces: Vec<KeyspaceStatus>,
    /// What it holds for others.
    pub hints: Vec<HintStatus>,
    /// Its log.
    pub wal: WalStatus,
    /// Everything that is counted, by name: limits hit, repairs, hints taken, replayed, dropped…
    pub counters: Vec<(String, u64)>,
}

/// Another node, as this one sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// The peer.
    pub node: NodeId,
    /// Whether requests are sent to it.
    pub alive: bool,
    /// Since when it has been so, milliseconds ago.
    pub since_ms: u64,
    /// The last ping's round trip, microseconds; 0: none yet.
    pub rtt_us: u32,
    /// Writes and reads sent to it and not yet answered.
    pub in_flight: u64,
    /// Why it is believed down.
    pub why_down: Option<String>,
}

/// What a node holds of one keyspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyspaceStatus {
    /// Its number.
    pub id: KeyspaceId,
    /// Its name.
    pub name: String,
    /// Replicas per key.
    pub n: u8,
    /// Records with a value, expired ones included.
    pub keys: u64,
    /// Deletions.
    pub tombstones: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// Hints that a node holds for one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HintStatus {
    /// Whom they are for.
    pub target: NodeId,
    /// Hints on disk and not yet delivered: these survive a crash.
    pub durable: u64,
    /// Their size on disk, bytes.
    pub bytes: u64,
    /// When the oldest was taken, wall milliseconds.
    pub oldest_wall_ms: Option<u64>,
}

/// The state of a node's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalStatus {
    /// `always`, `interval` or `os`.
    pub sync: String,
    /// Whether the shards sync by themselves (`true`) or the flusher thread does.
    pub inline_sync: bool,
    /// The last position appended.
    pub appended_lsn: u64,
    /// The last position known durable.
    pub durable_lsn: u64,
    /// Segments on disk.
    pub segments: u32,
    /// Bytes of log since the replay point.
    pub bytes: u64,
    /// Syncs done since the start.
    pub syncs: u64,
    /// Records made durable by them.
    pub synced_records: u64,
    /// A recent sync's duration, microseconds.
    pub sync_us: u32,
    /// The number of the last published checkpoint; 0: none.
    pub checkpoint: u64,
    /// Where replay would begin.
    pub replay_lsn: u64,
    /// Why the log failed for good, if it did.
    pub failed: Option<String>,
}
