//! What is due at a virtual time: completions of disk work, redials, and the lab's own wake-ups.

use std::collections::BTreeMap;

use quorate_types::{Mono, NodeId};
use quorate_wal::Lsn;

/// Something that happens at a time.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// Time passes.
    Nothing,
    /// The log's sync, asked for by a shard of one incarnation, ends.
    Synced { k: usize, life: u64, shard: usize, last: Lsn },
    /// The log has failed, and the shards hear of it.
    LogFailed { k: usize, life: u64 },
    /// The power went in the middle of something.
    WentDark { k: usize, life: u64 },
    /// The next slice of a checkpoint.
    Checkpoint { k: usize, life: u64 },
    /// The hint logs' sync ends.
    HintsSynced { k: usize, life: u64, target: NodeId },
    /// A shard dials a shard of a peer, unless there is a link.
    Dial { from: (usize, usize), to: (usize, usize) },
}

/// Actions in the order of time, then of scheduling.
#[derive(Default)]
pub struct Agenda {
    due: BTreeMap<(Mono, u64), Action>,
    scheduled: u64,
}

impl Agenda {
    pub fn at(&mut self, when: Mono, action: Action) {
        self.scheduled += 1;
        self.due.insert((when, self.scheduled), action);
    }

    pub fn next_at(&self) -> Option<Mono> {
        self.due.keys().next().map(|(when, _)| *when)
    }

    pub fn take_due(&mut self, now: Mono) -> Option<Action> {
        let first = self.due.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}
