//! The causal context: what a client has seen, as one opaque text that it hands back.
//!
//! Invariants:
//! - a write that carries a context is stamped after everything that the context saw (the door lets its clock pass that
//!   time first), so that it is not lost to the very value that its writer had read;
//! - a read that carries a context of the same key never answers with an older version than that.
//!
//! Format, as base64url without padding: 1 byte format (1), 8 hash of keyspace and key, 8 timestamp, 4 node, 4 CRC-32
//! of all before it; big-endian.

use base64::Engine as _;
use quorate_types::{KeyspaceId, NodeId, Timestamp, Version};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::key::BASE64URL;
use crate::problem::Problem;

const FORMAT: u8 = 1;
const BYTES: usize = 25;
const CHECKED: usize = BYTES - 4;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    /// Which key it is of.
    pub(crate) key_hash: u64,
    /// The newest version of it that was seen.
    pub(crate) version: Version,
}

impl Context {
    pub(crate) fn new(keyspace: KeyspaceId, key: &[u8], version: Version) -> Context {
        Context { key_hash: key_hash(keyspace, key), version }
    }

    /// Whether it is of this key.
    pub(crate) fn is_of(&self, keyspace: KeyspaceId, key: &[u8]) -> bool {
        self.key_hash == key_hash(keyspace, key)
    }

    pub(crate) fn to_text(self) -> String {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(FORMAT);
        bytes.extend(self.key_hash.to_be_bytes());
        bytes.extend(self.version.timestamp.0.to_be_bytes());
        bytes.extend(self.version.node.0.to_be_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        BASE64URL.encode(bytes)
    }

    pub(crate) fn from_text(text: &[u8]) -> Result<Context, Problem> {
        let wrong = || {
            Problem::bad(
                "bad-context",
                "X-Kv-Context is none that this cluster gave out: hand it back as it was, or leave it",
            )
        };
        let bytes = BASE64URL.decode(text).ok().and_then(|bytes| <[u8; BYTES]>::try_from(bytes).ok());
        bytes.and_then(|bytes| Context::from_bytes(&bytes)).ok_or_else(wrong)
    }

    fn from_bytes(bytes: &[u8; BYTES]) -> Option<Context> {
        let (checked, crc) = bytes.split_at(CHECKED);
        if crc32fast::hash(checked).to_be_bytes() != crc {
            return None;
        }
        let (format, rest) = checked.split_first()?;
        let (key_hash, rest) = rest.split_first_chunk()?;
        let (timestamp, rest) = rest.split_first_chunk()?;
        let (node, _) = rest.split_first_chunk()?;
        let version =
            Version::new(Timestamp(u64::from_be_bytes(*timestamp)), NodeId(u32::from_be_bytes(*node)));
        (*format == FORMAT).then_some(Context { key_hash: u64::from_be_bytes(*key_hash), version })
    }
}

fn key_hash(keyspace: KeyspaceId, key: &[u8]) -> u64 {
    xxh3_64_with_seed(key, u64::from(keyspace.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        let version = Version::new(Timestamp::from_parts(1_795_160_463_112, 7), NodeId(0x1f2e_3d4c));
        Context::new(KeyspaceId::of_name("default"), b"greeting", version)
    }

    #[test]
    fn a_context_comes_back_as_it_was() {
        let context = context();
        assert_eq!(Context::from_text(context.to_text().as_bytes()).unwrap(), context);
        assert!(context.is_of(KeyspaceId::of_name("default"), b"greeting"));
        assert!(!context.is_of(KeyspaceId::of_name("default"), b"farewell"));
        assert!(!context.is_of(KeyspaceId::of_name("other"), b"greeting"));
    }

    #[test]
    fn a_context_with_any_bit_changed_is_refused() {
        let bytes = BASE64URL.decode(context().to_text()).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(Context::from_text(BASE64URL.encode(changed).as_bytes()).is_err(), "bit {bit}");
        }
        assert!(Context::from_text(b"").is_err());
    }
}
