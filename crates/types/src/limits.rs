//! Limits that are part of the formats; those that an operator may change are in the server's config.

/// Longest key, bytes.
pub const KEY_BYTES_MAX: usize = 32_768;
/// Largest value that any configuration may allow, bytes (`value_bytes_max` defaults to [`VALUE_BYTES_DEFAULT`]).
pub const VALUE_BYTES_MAX: usize = 8 << 20;
/// Default of `value_bytes_max`, bytes.
pub const VALUE_BYTES_DEFAULT: usize = 1 << 20;
/// Most replicas of a key (`n`).
pub const REPLICAS_MAX: usize = 7;
/// Most shards of a replica; the low three bits of a timestamp's counter tell them apart.
pub const SHARDS_MAX: usize = 8;
/// Largest frame on a link between nodes or from a client, bytes.
pub const FRAME_BYTES_MAX: usize = 16 << 20;
