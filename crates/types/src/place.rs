//! Where a page of a partition begins.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::Token;

/// Where the reading of a partition begins, in the order of (token, key).
///
/// On the wire it is the option of a key that it was once, with a third case behind: never reorder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PageStart<B = Bytes> {
    /// With the partition's first key.
    #[default]
    First,
    /// Behind this key.
    After(B),
    /// With the first key whose token is at least this: a place that fits into a number, as cursors of Redis are.
    At(Token),
}

impl<B> From<Option<B>> for PageStart<B> {
    fn from(after: Option<B>) -> PageStart<B> {
        after.map_or(PageStart::First, PageStart::After)
    }
}

impl<B: AsRef<[u8]>> PageStart<B> {
    /// The same place, borrowed.
    pub fn as_deref(&self) -> PageStart<&[u8]> {
        match self {
            PageStart::First => PageStart::First,
            PageStart::After(key) => PageStart::After(key.as_ref()),
            PageStart::At(token) => PageStart::At(*token),
        }
    }

    /// Bytes of the key in it.
    pub fn key_bytes(&self) -> usize {
        if let PageStart::After(key) = self { key.as_ref().len() } else { 0 }
    }
}
