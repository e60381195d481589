//! What goes to and fro between the checkpoint thread and a shard that walks its records.

use std::sync::mpsc;

use quorate_types::Timestamp;
use quorate_wal::Lsn;

/// What the checkpoint thread asks of a shard.
#[derive(Debug)]
pub(crate) struct WalkStep {
    /// Whether a walk begins here; an earlier one is forgotten.
    pub(crate) begin: bool,
    /// An empty buffer for the slice.
    pub(crate) buffer: Vec<u8>,
    /// Where the slice goes.
    pub(crate) reply: mpsc::Sender<Slice>,
}

/// A stretch of a shard's records.
#[derive(Debug)]
pub(crate) struct Slice {
    /// The records, as the store encodes them.
    pub(crate) buffer: Vec<u8>,
    /// Whether there are more.
    pub(crate) more: bool,
    /// When the walk began: up to where all of the shard's records were applied, and the highest clock ceiling that
    /// it had asked for.
    pub(crate) begun: (Lsn, Timestamp),
}
