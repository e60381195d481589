//! What has to move when one ring takes the place of another.

use quorate_types::{NodeId, PartitionId};

use crate::Ring;

/// One copy of one partition that comes to a node which had none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Move {
    /// What moves.
    pub partition: PartitionId,
    /// The replica that gives its copy up; where none does, because there were fewer nodes than `n`, the nearest
    /// replica there was.
    pub from: NodeId,
    /// The node that gets the copy.
    pub to: NodeId,
}

/// The copies that move when `new` replaces `old` and partitions have `n` copies, in ring order.
///
/// A change of order among a partition's replicas moves nothing.
pub fn movement(old: &Ring, new: &Ring, n: usize) -> Vec<Move> {
    PartitionId::all().flat_map(|partition| moves_of(partition, old, new, n)).collect()
}

fn moves_of(partition: PartitionId, old: &Ring, new: &Ring, n: usize) -> Vec<Move> {
    let (before, after) = (old.replicas(partition, n), new.replicas(partition, n));
    let mut givers = before.iter().filter(|&node| !after.contains(node));
    let takers = after.iter().filter(|&node| !before.contains(node));
    takers.map(|&to| Move { partition, from: *givers.next().unwrap_or(&before[0]), to }).collect()
}
