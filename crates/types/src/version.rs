//! The stamp of a write: a hybrid logical timestamp, and the node that issued it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

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

/// A text that is no version.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0:?} is no version; one looks like 1795160463112.0@1f2e3d4c: wall milliseconds, counter, node")]
pub struct VersionInvalid(pub String);

/// The inverse of [`Version`]'s `Display`.
impl FromStr for Version {
    type Err = VersionInvalid;

    fn from_str(text: &str) -> Result<Version, VersionInvalid> {
        let parse = || {
            let (stamp, node) = text.split_once('@')?;
            let (wall_ms, counter) = stamp.split_once('.')?;
            let wall_ms: u64 = wall_ms.parse().ok().filter(|ms| ms >> (64 - COUNTER_BITS) == 0)?;
            let timestamp = Timestamp::from_parts(wall_ms, counter.parse().ok()?);
            Some(Version::new(timestamp, node.parse().ok()?))
        };
        parse().ok_or_else(|| VersionInvalid(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_as_text_is_read_back_and_anything_else_is_named() {
        for (ms, counter, node) in
            [(0, 0, 1), (1_795_160_463_112, 65_535, u32::MAX), ((1 << 48) - 1, 7, 0xab)]
        {
            let version = Version::new(Timestamp::from_parts(ms, counter), NodeId(node));
            assert_eq!(version.to_string().parse(), Ok(version));
        }
        for bad in [
            "",
            "1.0",
            "1@00000001",
            "1.65536@00000001",
            "1.0@1",
            "281474976710656.0@00000001",
            "1.0@+0000001",
        ] {
            assert_eq!(bad.parse::<Version>(), Err(VersionInvalid(bad.to_owned())));
        }
    }
}
