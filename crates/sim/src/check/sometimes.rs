//! What must happen now and then did.
//!
//! A run that replays no hint says nothing of hints. Named counters say what a run has exercised; over a sweep of runs
//! each must fire at least once. One history alone is judged for nothing: its counters are told.
//!
//! Source: invariant 22; Antithesis's *sometimes* assertions; FoundationDB's `TEST` macros.

use std::collections::BTreeMap;

use super::judge::{Invariant, Judge, Verdict};
use crate::history::History;

/// The counters of many runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    fired: BTreeMap<String, u64>,
    runs: u64,
}

impl Sweep {
    /// A sweep in which each of `names` must fire.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Sweep {
        Sweep { fired: names.into_iter().map(|name| (name.to_owned(), 0)).collect(), runs: 0 }
    }

    /// Adds what fired in one run.
    pub fn add(&mut self, history: &History) {
        self.runs += 1;
        for fired in &history.seen().sometimes {
            *self.fired.entry(fired.name.clone()).or_default() += fired.times;
        }
    }

    /// All counters.
    pub fn counters(&self) -> impl Iterator<Item = (&str, u64)> {
        self.fired.iter().map(|(name, times)| (name.as_str(), *times))
    }

    /// Each counter was awaited, by a name or in a run, and must have fired by now.
    pub fn verdict(&self) -> Verdict {
        let mut judge = Judge::new(Invariant::Sometimes);
        judge.looked(self.fired.len());
        for (name, _) in self.counters().filter(|(_, times)| *times == 0) {
            judge.violated(None, &[], || format!("{name:?} never fired in {} runs", self.runs));
        }
        judge.verdict()
    }
}

pub(super) fn judge(history: &History) -> Verdict {
    let mut judge = Judge::new(Invariant::Sometimes);
    if !history.seen().sometimes.is_empty() {
        judge.note("judged over a sweep of runs, not over one");
    }
    judge.verdict()
}
