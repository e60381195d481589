//! What can be due at a time.

use quorate_node::LinkId;
use quorate_types::NodeId;

/// Something that happens at a time. What names a life of a node concerns that one alone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    /// Time passes.
    Nothing,
    /// A shard turns to what has come.
    Turn { k: usize, life: u64, shard: usize },
    /// The sync of the log's batch ends.
    Synced { k: usize, life: u64 },
    /// The next slice of a checkpoint.
    Checkpoint { k: usize, life: u64 },
    /// The hint logs' sync ends.
    HintsSynced { k: usize, life: u64, target: NodeId },
    /// A shard dials a shard of a peer, unless there is a link.
    Dial { from: (usize, usize), to: (usize, usize) },
    /// The end of a link is heard of at last.
    Farewell { link: LinkId },
}
