//! One answer for each request.
//!
//! No answer to what was not asked; no more answers than the request had copies; an answer of the kind that was asked
//! for; *written* with as many acknowledgements as the level needs. Once the history says that it has drained, no
//! request is without an answer whose coordinator lives on.
//!
//! Source: invariant 17; riak 82eb70de, a request that was forwarded twice and never answered.

use quorate_types::{Mono, NodeId};

use super::judge::{Invariant, Judge, Verdict};
use crate::history::{History, Op, OpKind, Outcome};

pub(super) fn judge(history: &History) -> Verdict {
    let mut judge = Judge::new(Invariant::Replies);
    for stray in history.strays() {
        judge.violated(None, &[], || {
            format!("an answer, {}, to #{}, which was not asked", stray.outcome.kind(), stray.id)
        });
    }
    for (at, op) in history.ops().iter().enumerate() {
        judge.looked(1);
        if let Some(what) = wrong(history, op) {
            judge.violated(op.key(), &[at], || format!("#{}: {what}", op.id));
        }
    }
    if history.seen().drained.is_none() {
        judge.note("the history does not say that it has drained: requests without an answer are not judged");
    }
    judge.verdict()
}

fn wrong(history: &History, op: &Op) -> Option<String> {
    let copies = 1 + op.duplicates as usize;
    if op.answers.len() > copies {
        return Some(format!("{} answers to {copies} copies", op.answers.len()));
    }
    if op.answers.is_empty() && must_be_answered(history, op) {
        return Some("no answer, though its coordinator lives on".to_owned());
    }
    let n = usize::from(history.header().keyspaces[op.keyspace].n);
    op.answers.iter().find_map(|answer| match &answer.outcome {
        outcome if !answers(op, outcome) => Some(format!("an answer of another kind: {}", outcome.kind())),
        Outcome::Written { acked, required, .. } => {
            let needed = op.level.required(n).ok();
            let enough = acked >= required && needed == Some(usize::from(*required));
            (!enough).then(|| {
                format!("written with {acked} of {required} acknowledgements at {} of n = {n}", op.level)
            })
        }
        _ => None,
    })
}

fn answers(op: &Op, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Written { .. } | Outcome::Indeterminate { .. } => op.writes(),
        Outcome::Found(held) => matches!(op.kind, OpKind::Get(_)) && held.value.is_some(),
        Outcome::Deleted { .. } | Outcome::NotFound { .. } => matches!(op.kind, OpKind::Get(_)),
        Outcome::Scanned { entries } => {
            matches!(op.kind, OpKind::Scan) && entries.iter().all(|entry| entry.record.value.is_some())
        }
        Outcome::TimedOut { .. } => !op.writes(),
        Outcome::Unavailable { .. } | Outcome::Rejected { .. } => true,
    }
}

fn must_be_answered(history: &History, op: &Op) -> bool {
    let (Some(drained), Some(asked)) = (history.seen().drained, op.coordinator) else { return false };
    op.begun < drained && !fell_silent(history, asked, (op.begun, drained))
}

/// Not what happens at `to`: nodes are stopped behind the drain, at the same virtual time.
fn fell_silent(history: &History, node: NodeId, (from, to): (Mono, Mono)) -> bool {
    let during = |at: u64| (from..to).contains(&Mono(at));
    history
        .seen()
        .nodes
        .iter()
        .any(|event| event.node == node && event.what.silences() && during(event.at_ns))
}
