//! The key of a record: bytes, checked once at the edge.

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

use crate::limits::KEY_BYTES_MAX;

/// A key: 1 to [`KEY_BYTES_MAX`] bytes of anything.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Bytes);

/// A key that no record can have. Nothing was read or written.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyInvalid {
    /// No bytes at all.
    #[error("the key is empty; a key has 1 to {KEY_BYTES_MAX} bytes")]
    Empty,
    /// More than [`KEY_BYTES_MAX`] bytes.
    #[error("the key has {bytes} bytes; a key has 1 to {KEY_BYTES_MAX} bytes")]
    TooLong {
        /// The length that was asked for.
        bytes: usize,
    },
}

impl Key {
    /// The key made of `bytes`, or why it is none.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Key, KeyInvalid> {
        let bytes = bytes.into();
        match bytes.len() {
            0 => Err(KeyInvalid::Empty),
            n if n > KEY_BYTES_MAX => Err(KeyInvalid::TooLong { bytes: n }),
            _ => Ok(Key(bytes)),
        }
    }

    /// The bytes, shared.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// The bytes, moved out.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Printable bytes as they are, others escaped: safe in a log line.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_neither_empty_nor_longer_than_the_limit() {
        assert_eq!(Key::new(""), Err(KeyInvalid::Empty));
        assert!(Key::new(vec![b'k'; KEY_BYTES_MAX]).is_ok());
        assert_eq!(
            Key::new(vec![b'k'; KEY_BYTES_MAX + 1]),
            Err(KeyInvalid::TooLong { bytes: KEY_BYTES_MAX + 1 })
        );
    }
}
