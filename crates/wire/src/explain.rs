//! Where a key lives, and what each of its replicas holds: the answer to `explain`.

use quorate_types::{Expiry, NodeId, PartitionId, Refusal, Token, Version};
use serde::{Deserialize, Serialize};

/// One key's copies, side by side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The key's place on the ring.
    pub token: Token,
    /// The partition that the token falls into.
    pub partition: PartitionId,
    /// Copies that the keyspace asks for.
    pub n: u8,
    /// The replicas, nearest first on the ring.
    pub replicas: Vec<ReplicaView>,
    /// The newest version among the copies; `None`: nobody that answered holds the key.
    pub winner: Option<Version>,
}

/// One replica's copy, as the coordinator saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaView {
    /// The replica.
    pub node: NodeId,
    /// Whether the coordinator believes it alive.
    pub alive: bool,
    /// From asking to hearing, microseconds; for a silent one, how long it was waited for.
    pub elapsed_us: u32,
    /// What it holds.
    pub copy: CopyView,
    /// Hints for this replica that the coordinator holds, for any key.
    pub hints_here: u64,
}

/// What a replica holds of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CopyView {
    /// A value.
    Present {
        /// The value's version.
        version: Version,
        /// When it expires, and the version that said so.
        expiry: Expiry,
        /// The value's length.
        value_bytes: u32,
    },
    /// A deletion.
    Tombstone {
        /// The deletion's version.
        version: Version,
    },
    /// Nothing.
    Absent,
    /// It would not say.
    Refused(Refusal),
    /// It did not answer in time.
    Silent,
}
