//! A recorded history: what clients asked, what they were told, and what was seen of the replicas.
//!
//! As a file it is JSON Lines (docs/formats.md, "History"): a header, then one [`Event`] a line in the order of time.
//! In memory it is a [`History`], which both the simulator and [`read`] fill by [`History::push`].
//!
//! Invariants:
//! - times never run back, and numbers of operations only rise: then a number is found without a map, and an answer
//!   never comes before its request;
//! - values are compared by length and xxh3 hash; short ones are kept to be shown;
//! - reading never takes more than [`Limits`] allow, and names the line that would.
//!
//! Source: Jepsen's histories (invoke and completion as separate events; what never completes may have happened).

mod blob;
mod error;
mod event;
mod memory;
mod outcome;
mod promise;
mod reader;
pub(crate) mod text;
mod value;
mod writer;

pub use error::{HistoryError, LineFault, PushRefused};
pub use event::{
    Ask, BucketSeen, Complete, CopySeen, Duplicate, Event, Fired, Header, HintLedger, Initial, Invoke,
    Moment, NetworkCounts, NodeEvent, NodeName, QueueDepth, RequestCounts, StateSeen, What, When,
};
pub use memory::{Answer, Copy, History, KeyName, KeyNumber, Op, OpKind, Seen};
pub use outcome::{Entry, Held, Outcome};
pub use promise::{Promise, Sessions, Sync};
pub use quorate_coordinator::ReadRepairPolicy;
pub use reader::{Limits, Reader, read};
pub use value::Value;
pub use writer::Writer;

/// The version of the format that is written, and the only one that is read.
pub const FORMAT_VERSION: u32 = 1;
