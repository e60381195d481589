//! The threads that may wait for the disk so that no shard has to: checkpoints, and the hint logs.

pub(crate) mod checkpoints;
pub(crate) mod hints;
