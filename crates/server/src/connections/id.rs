//! The number of a connection within a node.

/// A connection's number, unique in one incarnation of the node; the low bits name the shard that owns it, and
/// high ones mark those of Redis clients and what HTTP clients ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionId(pub(crate) u64);

const SHARD_BITS: u32 = quorate_types::limits::SHARDS_MAX.trailing_zeros();

/// The mark of a Redis client's connection. No serial number comes near it.
const RESP: u64 = 1 << 62;

/// The mark of what HTTP clients ask.
const HTTP: u64 = 1 << 61;

impl ConnectionId {
    pub(crate) fn new(serial: u64, shard: usize) -> ConnectionId {
        ConnectionId(serial << SHARD_BITS | shard as u64)
    }

    /// A Redis client's.
    pub(crate) fn resp(serial: u64, shard: usize) -> ConnectionId {
        ConnectionId(RESP | ConnectionId::new(serial, shard).0)
    }

    /// What HTTP clients ask of `shard`, all of them: their connections are the HTTP thread's own.
    pub(crate) fn http(shard: usize) -> ConnectionId {
        ConnectionId(HTTP | shard as u64)
    }

    pub(crate) fn is_http(self) -> bool {
        self.0 & HTTP != 0
    }

    pub(crate) fn is_resp(self) -> bool {
        self.0 & RESP != 0
    }

    /// The shard that owns the connection.
    pub(crate) fn shard(self) -> usize {
        (self.0 & ((1 << SHARD_BITS) - 1)) as usize
    }
}
