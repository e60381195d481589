//! What a history shows in numbers, whether anything is wrong with it or not.

use std::collections::BTreeMap;

use quorate_types::Version;
use serde::Serialize;

use super::durability::{Fate, Shown, newest_first};
use super::freshness::acknowledged;
use super::register::Register;
use crate::history::{History, OpKind};

/// See the module's head.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Operations by what was asked, and what was answered first.
    pub operations: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// Keys that were named.
    pub keys: u64,
    /// Reads of single keys by level, entries of scans too.
    pub reads: BTreeMap<String, Reads>,
    /// Acknowledged writes.
    pub writes: Writes,
    /// *Sometimes* counters.
    pub sometimes: BTreeMap<String, u64>,
    /// The last line was cut short and left out.
    pub torn_line: Option<u64>,
}

/// The reads at one level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reads {
    /// All that were answered.
    pub answered: u64,
    /// Of those, the ones that showed an older version than some write that was acknowledged, at whatever level,
    /// before they began. At weak levels that is no violation.
    pub stale: u64,
}

/// Acknowledged writes by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Writes {
    /// All of them.
    pub acknowledged: u64,
    /// Shown, or something newer, by every read that must show them.
    pub kept: u64,
    /// Missed by the last read that must show them; of each key the newest such write.
    pub lost: u64,
    /// The older ones of these.
    pub overshadowed: u64,
    /// Missed by a read that must show them, and shown by a later one.
    pub stale: u64,
    /// No read had to show them.
    pub never_read: u64,
    /// The longest time from an acknowledgement to a read that missed it and must not have, nanoseconds.
    pub stale_for_max_ns: u64,
}

impl Figures {
    pub(super) fn of(history: &History) -> Figures {
        let mut figures = Figures { keys: history.keys().len() as u64, ..Figures::default() };
        for op in history.ops() {
            let asked = match op.kind {
                OpKind::Get(_) => "get",
                OpKind::Put { .. } => "put",
                OpKind::Delete(_) => "delete",
                OpKind::Scan => "scan",
            };
            let answered = op.answers.first().map_or("unanswered", |answer| answer.outcome.kind());
            *figures.operations.entry(asked).or_default().entry(answered).or_default() += 1;
        }
        for fired in &history.seen().sometimes {
            *figures.sometimes.entry(fired.name.clone()).or_default() += fired.times;
        }
        figures.torn_line = history.torn_line();
        figures
    }

    pub(super) fn look(&mut self, register: &Register<'_>) {
        self.look_at_reads(register);
        let shown = Shown::of(register);
        let mut is_lost = false;
        for write in newest_first(register).into_iter().filter(|write| write.acked().is_some()) {
            let writes = &mut self.writes;
            writes.acknowledged += 1;
            match shown.fate(register, write) {
                Fate::Kept => writes.kept += 1,
                Fate::Lost { .. } if is_lost => writes.overshadowed += 1,
                Fate::Lost { .. } => {
                    writes.lost += 1;
                    is_lost = true;
                }
                Fate::Stale { for_ns } => {
                    writes.stale += 1;
                    writes.stale_for_max_ns = writes.stale_for_max_ns.max(for_ns);
                }
                Fate::Unread => writes.never_read += 1,
            }
        }
    }

    fn look_at_reads(&mut self, register: &Register<'_>) {
        let mut known = acknowledged(register);
        known.sort_by_key(|fact| fact.from);
        let mut known = known.into_iter().peekable();
        let mut newest: Option<Version> = None;
        for sight in &register.sights {
            while let Some(fact) = known.next_if(|fact| fact.from < sight.begun) {
                newest = newest.max(Some(fact.version));
            }
            // A level is looked up without making a text of it for each read.
            let reads = self.level(sight.level);
            reads.answered += 1;
            reads.stale += u64::from(sight.version < newest);
        }
    }

    fn level(&mut self, level: quorate_types::Level) -> &mut Reads {
        self.reads.entry(level.to_string()).or_default()
    }
}
