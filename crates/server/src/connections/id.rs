//! The number of a connection within a node.

/// A connection's number, unique in one incarnation of the node; the low bits name the shard that owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionId(pub(crate) u64);

const SHARD_BITS: u32 = quorate_types::limits::SHARDS_MAX.trailing_zeros();

impl ConnectionId {
    pub(crate) fn new(serial: u64, shard: usize) -> ConnectionId {
        ConnectionId(serial << SHARD_BITS | shard as u64)
    }

    /// The shard that owns the connection.
    pub(crate) fn shard(self) -> usize {
        (self.0 & ((1 << SHARD_BITS) - 1)) as usize
    }
}
