//! Where a key lives: its token on the ring, and the partition that the token falls into.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Partitions of the ring; a power of two fixed when the cluster is born.
pub const PARTITIONS: usize = 4096;
const PARTITION_BITS: u32 = PARTITIONS.trailing_zeros();

/// A place on the ring: the seeded xxh3 hash of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Token(pub u64);

impl Token {
    /// The token of `key` in the cluster whose hash seed is `seed`.
    pub fn of(key: &[u8], seed: u64) -> Token {
        Token(xxh3_64_with_seed(key, seed))
    }

    /// The partition that holds this token: its top 12 bits.
    pub fn partition(self) -> PartitionId {
        PartitionId((self.0 >> (64 - PARTITION_BITS)) as u16)
    }
}

/// One of the [`PARTITIONS`] equal parts of the ring, in token order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PartitionId(pub u16);

impl PartitionId {
    /// All partitions in token order.
    pub fn all() -> impl ExactSizeIterator<Item = PartitionId> {
        (0..PARTITIONS as u16).map(PartitionId)
    }

    /// The shard that owns this partition in a replica of `shards` shards.
    pub fn shard(self, shards: usize) -> usize {
        usize::from(self.0) % shards
    }

    /// The first token of this partition.
    pub fn first_token(self) -> Token {
        Token(u64::from(self.0) << (64 - PARTITION_BITS))
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_the_top_twelve_bits_of_the_token() {
        assert_eq!(Token(0).partition(), PartitionId(0));
        assert_eq!(Token(u64::MAX).partition(), PartitionId(4095));
        assert_eq!(PartitionId(7).first_token().partition(), PartitionId(7));
        assert_eq!(Token(PartitionId(7).first_token().0 - 1).partition(), PartitionId(6));
    }

    #[test]
    fn the_token_hash_is_frozen_because_data_is_placed_by_it() {
        assert_eq!(Token::of(b"hello", 0), Token(0x9555_e855_5c62_dcfd));
    }
}
