//! The checker: judges a history against what was promised.
//!
//! One module an invariant, its definition and source at its head. Those about keys see one `Register` after the
//! other; the rest look at the whole history.
//!
//! Invariants of the checkers themselves:
//! - no false alarm: what is not certain from the history counts for the cluster. A write without a plain *no* may
//!   take effect at any later time or never; a disk that was lost takes its copies with it;
//! - what is not judged is said, with the reason: silence is no verdict;
//! - O(n log n) in the events of a key; the one search that could take longer has a budget, and then says *undecided*.

mod accounting;
mod convergence;
mod durability;
mod figures;
mod freshness;
mod hints;
mod judge;
mod linearizability;
mod losses;
mod overlap;
mod phantoms;
mod queues;
mod register;
mod replicas;
mod replies;
mod report;
mod restart;
mod resurrection;
mod search;
mod sessions;
mod sometimes;
mod stamps;
mod table;
mod zones;

pub use figures::{Figures, Reads, Writes};
pub use judge::{Invariant, Ruling, Verdict, Violation};
pub use linearizability::Effort;
pub use report::Report;
pub use search::{Decision, search};
pub use zones::{Action, RegisterOp, zones};

use crate::history::History;
use losses::Losses;
use register::{Register, registers};

/// A checker of one key after the other.
trait KeyCheck {
    /// Judges one key.
    fn look(&mut self, register: &Register<'_>);
    /// What it says in the end.
    fn verdict(self: Box<Self>) -> Verdict;
}

/// Judges `history` by every invariant.
///
/// O(n log n); memory: the history once more at most, one key at a time.
pub fn check(history: &History) -> Report {
    check_within(history, Effort::default())
}

/// The history of the key of this name as a table; `None`: there is no such key.
pub(crate) fn key_table(history: &History, name: &str) -> Option<String> {
    let at = history.keys().iter().position(|key| key.key.to_string() == name)?;
    Some(table::table(history, at as u32, &[]))
}

/// The same with another budget for the general search.
pub fn check_within(history: &History, effort: Effort) -> Report {
    let losses = Losses::of(history);
    let mut by_key: Vec<Box<dyn KeyCheck>> = vec![
        Box::new(phantoms::Phantoms::new()),
        Box::new(stamps::Stamps::new()),
        Box::new(replicas::ReplicaVersions::new()),
        Box::new(durability::Durability::new()),
        Box::new(freshness::Freshness::new()),
        Box::new(freshness::MonotonicReads::new()),
        Box::new(linearizability::Linearizability::new(effort)),
        Box::new(sessions::SessionPromises::new()),
        Box::new(resurrection::Resurrection::new()),
        Box::new(convergence::Convergence::new(history)),
    ];
    let mut figures = Figures::of(history);
    for register in registers(history, &losses) {
        figures.look(&register);
        for check in &mut by_key {
            check.look(&register);
        }
    }
    let mut verdicts: Vec<Verdict> = by_key.into_iter().map(KeyCheck::verdict).collect();
    verdicts.extend([
        hints::judge(history),
        replies::judge(history),
        queues::judge(history),
        restart::judge(history, &losses),
        accounting::judge(history),
        sometimes::judge(history),
    ]);
    Report { verdicts, figures }
}
