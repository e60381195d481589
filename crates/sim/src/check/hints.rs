//! No hint disappears.
//!
//! For each life of a node: hints found at its beginning and taken since = delivered + expired + dropped + left; and
//! the next life finds at least those that were durable when this one ended (more, if what was not yet synced was
//! written all the same; the delivery of some may have been forgotten), unless the disk was lost between.
//!
//! Source: invariant 10; CASSANDRA-14309, scylla 77a934e5b9 (hints deleted before they could be replayed).

use std::collections::BTreeMap;

use quorate_types::{Mono, NodeId};

use super::judge::{Invariant, Judge, Verdict};
use super::losses::Losses;
use crate::history::{HintLedger, History};

pub(super) fn judge(history: &History) -> Verdict {
    let mut judge = Judge::new(Invariant::Hints);
    let losses = Losses::of(history);
    let mut last: BTreeMap<NodeId, &HintLedger> = BTreeMap::new();
    for ledger in &history.seen().hints {
        judge.looked(1);
        let node = history.node_name(ledger.node);
        let HintLedger { found, taken, delivered, expired, dropped, left, durable, .. } = ledger;
        let (come, gone) = (found + taken, delivered + expired + dropped + left);
        if come != gone {
            judge.violated(None, &[], || {
                format!("{node}: {found} hints found and {taken} taken, but {delivered} delivered, {expired} expired, {dropped} dropped, {left} left")
            });
        }
        if durable > left {
            judge.violated(None, &[], || format!("{node}: {durable} hints durable of {left} that are left"));
        }
        let before = last.insert(ledger.node, ledger);
        let Some(before) = before.filter(|before| follows(before.life, ledger.life)) else { continue };
        let between = (Mono(before.at_ns), Mono(ledger.at_ns));
        if *found < before.durable && !losses.of_node(ledger.node, between) {
            judge.violated(None, &[], || {
                format!(
                    "{node}: {} hints were durable when it ended, {found} when it began again",
                    before.durable
                )
            });
        }
    }
    judge.verdict()
}

fn follows(before: Option<u64>, life: Option<u64>) -> bool {
    before.zip(life).is_none_or(|(before, life)| before + 1 == life)
}
