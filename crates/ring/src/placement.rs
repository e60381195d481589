//! Who holds which boundary: from nothing ([`arrangement`]), and when members come and go ([`allocator`]).
//!
//! Both aim at [`COPIES_AIM`] copies. For them a node's vnodes are in proportion to its fair share, and no two of
//! them within as many boundaries: then each vnode carries exactly that many partitions.

pub(crate) mod allocator;
mod arrangement;
mod plan;

use quorate_types::PARTITIONS;

pub(crate) use arrangement::arranged;

/// Per partition the index of the node that holds its boundary, or [`NOBODY`].
pub(crate) type Vnodes = Vec<u16>;

/// A boundary without a vnode: the next one clockwise owns the partition.
pub(crate) const NOBODY: u16 = u16::MAX;

/// The number of copies that placement balances: the default `n`. A constant, because keyspaces may come and go and
/// nodes must not move for it; other `n` follow as far as neighbours differ beyond three.
pub(crate) const COPIES_AIM: usize = 3;

/// A ring without vnodes.
pub(crate) fn empty() -> Vnodes {
    vec![NOBODY; PARTITIONS]
}
