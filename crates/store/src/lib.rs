//! store

#![forbid(unsafe_code)]

mod bucket;
mod digest;
pub mod disk;
mod error;
mod hint;
pub mod hints;
pub mod log;
mod memory;
mod packed;
#[cfg(test)]
mod testing;
mod walk;

pub use bucket::Totals;
pub use digest::{BucketDigest, record_digest};
pub use error::{Damage, DiskError};
pub use hint::{Hint, HintNumber};
pub use memory::{Access, Page, Store, StoreConfig, Ticket};
pub use walk::Walk;
