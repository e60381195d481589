//! Numbers that stand for names: nodes, clusters, keyspaces, and the incarnations of a process.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

/// A text that is not the number of a node, keyspace or cluster.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{text:?} is no number of {digits} hexadecimal digits")]
pub struct NumberInvalid {
    /// The text.
    pub text: String,
    /// How many digits it should have.
    pub digits: usize,
}

macro_rules! name_hash {
    ($(#[$doc:meta])* $name:ident, $repr:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub $repr);

        impl $name {
            /// The number of `name`: its xxh3 hash, cut to the width, never zero.
            pub fn of_name(name: &str) -> Self {
                Self((xxh3_64(name.as_bytes()) as $repr).max(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:0width$x}", self.0, width = size_of::<$repr>() * 2)
            }
        }

        /// The inverse of `Display`.
        impl FromStr for $name {
            type Err = NumberInvalid;

            fn from_str(text: &str) -> Result<Self, NumberInvalid> {
                let digits = size_of::<$repr>() * 2;
                let is_hex = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                let number = is_hex.then(|| <$repr>::from_str_radix(text, 16).ok()).flatten();
                number.map(Self).ok_or_else(|| NumberInvalid { text: text.to_owned(), digits })
            }
        }
    };
}

name_hash!(
    /// A node's number: a hash of its id in `cluster.toml`. Collisions are refused when the config is read.
    NodeId,
    u32
);
name_hash!(
    /// A keyspace's number: a hash of its name, so that it does not move when the config is reordered.
    KeyspaceId,
    u32
);
name_hash!(
    /// A cluster's number: a hash of its name; it is also the seed of the token hash.
    ClusterId,
    u64
);

/// One incarnation of a node's process: persisted, strictly increasing over restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation that follows `stored` at a start at `wall_ms`.
    ///
    /// Seconds of wall time, or one more than the stored one if the clock ran backwards; so a node whose disk was
    /// wiped still comes back larger. Source: CASSANDRA-8113, -10969.
    pub fn next(stored: Option<Generation>, wall_ms: u64) -> Generation {
        Generation(stored.map_or(1, |g| g.0 + 1).max(wall_ms / 1000))
    }
}

/// One client's conversation with one node incarnation; requests are numbered within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(pub u64);

impl SessionId {
    /// No session: a client that sends each request once, over a door that keeps no retries apart. Nothing is
    /// remembered of its requests.
    pub const NONE: SessionId = SessionId(u64::MAX);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_grows_even_when_the_wall_clock_ran_backwards() {
        assert_eq!(Generation::next(None, 50_000), Generation(50));
        assert_eq!(Generation::next(Some(Generation(70)), 50_000), Generation(71));
        assert_eq!(Generation::next(None, 0), Generation(1));
    }

    #[test]
    fn node_numbers_are_frozen_because_they_are_on_disk() {
        assert_eq!(NodeId::of_name("n1").to_string().len(), 8);
        assert_eq!(NodeId::of_name("n1"), NodeId::of_name("n1"));
        assert_ne!(NodeId::of_name("n1"), NodeId::of_name("n2"));
    }

    #[test]
    fn a_number_as_text_is_read_back_and_anything_else_is_named() {
        assert_eq!("0000002a".parse(), Ok(NodeId(42)));
        assert_eq!(NodeId::of_name("n1").to_string().parse(), Ok(NodeId::of_name("n1")));
        for bad in ["", "2a", "+000002a", "0000002g", "00000002a"] {
            assert_eq!(bad.parse::<NodeId>(), Err(NumberInvalid { text: bad.to_owned(), digits: 8 }));
        }
    }
}
