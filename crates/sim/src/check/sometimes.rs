//! What must happen now and then did.
//!
//! A run that replays no hint says nothing of hints. Named counters say what a run has exercised; over a sweep of runs
//! each must fire at least once ([`crate::sometimes`]). One history alone is judged for nothing: its counters are told.
//!
//! Source: invariant 22; Antithesis's *sometimes* assertions; FoundationDB's `TEST` macros.

use super::judge::{Invariant, Judge, Verdict};
use crate::history::History;

pub(super) fn judge(history: &History) -> Verdict {
    let mut judge = Judge::new(Invariant::Sometimes);
    if !history.seen().sometimes.is_empty() {
        judge.note("judged over a sweep of runs, not over one");
    }
    judge.verdict()
}
