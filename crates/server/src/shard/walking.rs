//! The shard's side of a checkpoint: one slice of its records per turn, as the checkpoint thread asks for it.
//!
//! Invariants:
//! - a slice is bounded (`checkpoint_slice_bytes`), and the next one is asked for when the last was written: the disk
//!   slows the walk, never the shard;
//! - what was applied is noted before the walk begins: everything of this shard up to there is in the walk.

use quorate_node::Shard;
use quorate_store::Walk;
use quorate_types::Timestamp;
use quorate_wal::Lsn;

use crate::shard::log::ShardLog;
use crate::shard::walk_step::{Slice, WalkStep};

/// Where the walk of a shard stands.
#[derive(Debug)]
pub(crate) struct Walking {
    walk: Option<Walk>,
    begun: (Lsn, Timestamp),
    slice_bytes: usize,
}

impl Walking {
    /// No walk, in slices of about `slice_bytes`.
    pub(crate) fn new(slice_bytes: usize) -> Walking {
        Walking { walk: None, begun: (Lsn::ZERO, Timestamp(0)), slice_bytes }
    }

    /// Fills one slice and sends it.
    pub(crate) fn step(&mut self, shard: &Shard, log: &ShardLog, step: WalkStep) {
        let WalkStep { begin, mut buffer, reply } = step;
        if begin {
            self.begun = (log.applied_through(), shard.clock_ceiling());
            self.walk = Some(shard.store().begin_walk());
        }
        let more = match &mut self.walk {
            Some(walk) => walk.next_slice(shard.store(), &mut buffer, self.slice_bytes),
            None => false,
        };
        if !more {
            self.walk = None;
        }
        // Whoever asked may be gone: then nobody wants the slice.
        let _ = reply.send(Slice { buffer, more, begun: self.begun });
    }
}
