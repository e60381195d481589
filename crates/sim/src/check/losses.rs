//! Disks that were lost: each takes one copy of everything with it.
//!
//! A wiped disk, an older state of a disk, and, where acknowledged writes are synced later, a power cut. Every write
//! that began before counts as held by one replica less from then on: too generous where the node got its copy back, or
//! was no replica of the key and the history does not tell whose replicas are whose, and so never a false alarm.

use quorate_types::{Mono, NodeId};

use crate::history::{History, Sync, What};

/// When which node lost its disk, in the order of time.
#[derive(Clone, Debug)]
pub(super) struct Losses(Vec<(Mono, NodeId)>);

impl Losses {
    pub(super) fn of(history: &History) -> Losses {
        let later = history.header().keyspaces.iter().any(|promise| promise.sync == Sync::Later);
        let is_loss = |what| match what {
            What::Wipe | What::OldDisk => true,
            What::PowerCut => later,
            _ => false,
        };
        let lost = history.seen().nodes.iter().filter(|event| is_loss(event.what));
        Losses(lost.map(|event| (Mono(event.at_ns), event.node)).collect())
    }

    /// Those of these nodes.
    pub(super) fn of_nodes(&self, nodes: &[NodeId]) -> Losses {
        Losses(self.0.iter().filter(|(_, lost)| nodes.contains(lost)).copied().collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first of them.
    pub(super) fn first(&self) -> Option<Mono> {
        self.0.first().map(|(at, _)| *at)
    }

    /// How many there are in all.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// How many there were before `time`.
    pub(super) fn before(&self, time: Mono) -> usize {
        self.0.partition_point(|(at, _)| *at < time)
    }

    /// How many disks were lost from `begun` on, up to `end`.
    pub(super) fn between(&self, begun: Mono, end: Mono) -> usize {
        self.before(Mono(end.0.saturating_add(1))).saturating_sub(self.before(begun))
    }

    /// How many disks were lost from `begun` on.
    pub(super) fn since(&self, begun: Mono) -> usize {
        self.between(begun, Mono(u64::MAX))
    }

    /// Whether `node` lost its disk from `begun` on, up to `end`.
    pub(super) fn of_node(&self, node: NodeId, (begun, end): (Mono, Mono)) -> bool {
        self.0.iter().any(|(at, lost)| *lost == node && (begun..=end).contains(at))
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = Mono> + '_ {
        self.0.iter().map(|(at, _)| *at)
    }
}
