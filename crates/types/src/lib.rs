//! The words of Quorate.
//!
//! Every other crate speaks in these: keys, tokens and partitions, versions and records, consistency levels,
//! outcomes and receipts, and the hybrid logical clock that stamps writes. Pure values: no I/O, no clock, no
//! random source; what time it is comes in as [`Now`].
//!
//! ```
//! use quorate_types::{Level, NodeId, Record, Timestamp, Version};
//!
//! let n1 = NodeId::of_name("n1");
//! let older = Record::put(Version::new(Timestamp::from_parts(1_000, 0), n1), "a", None);
//! let newer = Record::tombstone(Version::new(Timestamp::from_parts(1_001, 0), n1));
//!
//! // Applying is commutative: the delete wins in both orders.
//! assert_eq!(older.clone().merged(&newer), newer.clone().merged(&older));
//! assert_eq!(Level::Quorum.required(3), Ok(2));
//! ```
//!
//! # Guaranteed
//! - [`Record::merge`] is commutative, associative and idempotent.
//! - [`Version`]s are totally ordered and unique per write: (timestamp, node).
//! - [`Hlc`] never issues a timestamp twice, never runs backwards, never beyond its durable ceiling.
//!
//! # Not guaranteed
//! - That a larger version was written later in real time: wall clocks order only as well as they agree.
//!
//! Sources: Kulkarni et al., Logical Physical Clocks (2014); Dynamo (SOSP 2007) §4.

#![forbid(unsafe_code)]

mod clock;
mod ident;
mod key;
mod level;
pub mod limits;
pub mod mutants;
mod outcome;
mod place;
pub mod points;
mod record;
mod time;
mod token;
mod trace;
mod units;
mod version;

pub use clock::{ClockSkew, Hlc, HlcExhausted};
pub use ident::{ClusterId, Generation, KeyspaceId, NodeId, NumberInvalid, SessionId};
pub use key::{Key, KeyInvalid};
pub use level::{Level, LevelInvalid, LevelUnmeetable};
pub use outcome::{NodeTiming, ReadOutcome, ReadRepair, Receipt, Refusal, WriteOutcome};
pub use place::PageStart;
pub use record::{Expiry, Merge, Record, RecordRef};
pub use time::{Mono, Now};
pub use token::{PARTITIONS, PartitionId, Token};
pub use trace::{HexId, SpanId, Trace, TraceId};
pub use units::number_with_unit;
pub use version::{Timestamp, Version, VersionInvalid};
