//! A restart changes nothing.
//!
//! What a node holds after a start is what it held before the stop in good order that came before it; and if it starts
//! again without having been asked for anything, it holds the same once more: replaying twice is replaying once.
//!
//! Source: invariant 19.

use std::collections::BTreeMap;

use quorate_types::{Mono, NodeId};

use super::judge::{Invariant, Judge, Verdict};
use super::losses::Losses;
use crate::history::{History, Moment, StateSeen};

pub(super) fn judge(history: &History, losses: &Losses) -> Verdict {
    let mut judge = Judge::new(Invariant::Restart);
    let mut last: BTreeMap<NodeId, &StateSeen> = BTreeMap::new();
    for state in &history.seen().states {
        let before = last.insert(state.node, state);
        let (Some(before), Moment::AfterStart) = (before, state.moment) else { continue };
        if losses.of_node(state.node, (Mono(before.at_ns), Mono(state.at_ns))) {
            continue;
        }
        judge.looked(1);
        if (&before.hash, before.records) != (&state.hash, state.records) {
            judge.violated(None, &[], || {
                format!(
                    "{} held {} records ({}) before, and {} ({}) after its start",
                    history.node_name(state.node),
                    before.records,
                    before.hash,
                    state.records,
                    state.hash
                )
            });
        }
    }
    judge.verdict()
}
