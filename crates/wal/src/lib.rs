//! A write-ahead log that tells a torn tail from rotten acknowledged data.
#![cfg_attr(not(feature = "mmap"), forbid(unsafe_code))]

mod batch;
mod chore;
mod error;
mod frame;
pub mod inspect;
pub mod io;
mod lsn;
mod machine;
mod options;
mod recovery;
mod replay;
mod scan;
mod segment;
mod shell;
mod staging;
mod stats;
mod survey;
pub mod testkit;

pub use batch::Batch;
pub use chore::{Chore, ChoreDone};
pub use error::{Corruption, CorruptionProof, Error, Foreign, MissingProof};
pub use frame::{FrameHeader, FrameKind, Record};
pub use io::{Io, IoFile, StdIo};
pub use lsn::{LogId, Lsn};
pub use machine::{Machine, Marks, Opened, Take};
pub use options::{
    Chores, Durability, Options, RECORD_BYTES_MAX, SEGMENT_BYTES, SEGMENT_BYTES_MIN, SPARE_SEGMENTS_MAX,
    STAGED_BYTES_MAX, SyncPolicy,
};
pub use recovery::{Recovery, TailState};
pub use replay::Replay;
pub use segment::{Begun, FORMAT_VERSION, MAGIC, Predecessor, SEGMENT_HEADER_BYTES, SegmentHeader};
pub use shell::{Append, Lead, OnDurable, Stager, Wal};
pub use stats::Stats;
