//! The stamp of a write: a hybrid logical timestamp, and the node that issued it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::NodeId;

const COUNTER_BITS: u32 = 16;

/// A hybrid logical timestamp: 48 bits of wall milliseconds, 16 bits of counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The timestamp of `counter` within the millisecond `wall_ms` since the Unix epoch.
    pub fn from_parts(wall_ms: u64, counter: u16) -> Timestamp {
        Timestamp((wall_ms << COUNTER_BITS) | u64::from(counter))
    }

    /// Milliseconds since the Unix epoch.
    pub fn wall_ms(self) -> u64 {
        self.0 >> COUNTER_BITS
    }

    /// The counter within the millisecond.
    pub fn counter(self) -> u16 {
        self.0 as u16
    }
}

/// What orders writes: the timestamp, then the node that coordinated the write. Unique per write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// When the coordinator stamped the write.
    pub timestamp: Timestamp,
    /// The coordinator.
    pub node: NodeId,
}

impl Version {
    /// The version that `node` issued at `timestamp`.
    pub fn new(timestamp: Timestamp, node: NodeId) -> Version {
        Version { timestamp, node }
    }
}

/// `WALL_MS.COUNTER@NODE`, for logs and `explain`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}@{}", self.timestamp.wall_ms(), self.timestamp.counter(), self.node)
    }
}
