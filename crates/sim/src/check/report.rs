//! The report: all verdicts, the figures, and each violation with the history of its key.

use std::fmt::Write;

use serde::Serialize;

use super::figures::Figures;
use super::judge::{Ruling, Verdict, Violation};
use super::table::table;
use crate::history::{Header, History};

/// Violations of one invariant whose tables are printed.
const TABLES_MAX: usize = 3;

/// What the checkers say of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// One for each invariant.
    pub verdicts: Vec<Verdict>,
    /// What the history shows in numbers.
    pub figures: Figures,
}

/// A verdict for programs.
#[derive(Clone, Debug, Serialize)]
struct VerdictFields<'a> {
    invariant: &'static str,
    ruling: Ruling,
    judged: u64,
    violated: u64,
    violations: Vec<ViolationFields<'a>>,
    notes: &'a [String],
}

#[derive(Clone, Debug, Serialize)]
struct ViolationFields<'a> {
    what: &'a str,
    key: Option<String>,
    operations: Vec<u64>,
}

impl Report {
    /// The worst of the verdicts; *not judged* only if nothing was.
    pub fn ruling(&self) -> Ruling {
        self.verdicts.iter().map(|verdict| verdict.ruling).max().unwrap_or(Ruling::NotJudged)
    }

    /// What the history is too weak to show, in words: silence is no verdict. Empty if it shows something of everything.
    pub fn weakness(&self) -> String {
        let open = self.verdicts.iter().filter(|verdict| verdict.ruling == Ruling::NotJudged);
        let open: Vec<&str> = open.map(|verdict| verdict.invariant.name()).collect();
        let mut weak = Vec::new();
        if !open.is_empty() {
            weak.push(format!("nothing was judged for {}", open.join(", ")));
        }
        let super::Writes { acknowledged, never_read, .. } = self.figures.writes;
        if never_read > 0 {
            weak.push(format!(
                "of {acknowledged} acknowledged writes {never_read} were never read at a level that must show them"
            ));
        }
        weak.join("; ")
    }

    /// The violations that are told, of all invariants.
    pub fn violations(&self) -> impl Iterator<Item = (&Verdict, &Violation)> {
        self.verdicts.iter().flat_map(|verdict| verdict.violations.iter().map(move |what| (verdict, what)))
    }

    /// Everything for programs: an object.
    pub fn fields(&self, history: &History) -> serde_json::Value {
        let verdicts: Vec<VerdictFields<'_>> =
            self.verdicts.iter().map(|verdict| VerdictFields::of(verdict, history)).collect();
        let Header { made_by, seed, plan, replay, keyspaces, .. } = history.header();
        serde_json::json!({
            "ruling": self.ruling(),
            "weakness": self.weakness(),
            "verdicts": verdicts,
            "figures": self.figures,
            "recorded": { "made_by": made_by, "seed": seed, "plan": plan, "replay": replay, "keyspaces": keyspaces },
        })
    }

    /// Everything for people.
    pub fn text(&self, history: &History) -> String {
        let mut text = String::new();
        self.tell_verdicts(&mut text);
        self.tell_figures(&mut text);
        for verdict in self.verdicts.iter().filter(|verdict| !verdict.violations.is_empty()) {
            tell_violations(verdict, history, &mut text);
        }
        if self.ruling() == Ruling::Violated {
            tell_origin(history.header(), &mut text);
        }
        text
    }

    fn tell_verdicts(&self, text: &mut String) {
        let _ = writeln!(text, "{:<17} {:<11} {:>10}  NOTE", "INVARIANT", "VERDICT", "JUDGED");
        for verdict in &self.verdicts {
            let Verdict { invariant, ruling, judged, violated, notes, .. } = verdict;
            let mut note = if *violated > 0 { format!("{violated} violations; ") } else { String::new() };
            note.push_str(&notes.join("; "));
            let line = format!("{:<17} {:<11} {judged:>10}  {note}", invariant.name(), ruling.name());
            let _ = writeln!(text, "{}", line.trim_end_matches([' ', ';']));
        }
    }

    fn tell_figures(&self, text: &mut String) {
        let Figures { operations, keys, reads, writes, sometimes, torn_line } = &self.figures;
        let _ = write!(text, "\nkeys: {keys}\n");
        for (asked, answers) in operations {
            let answers: Vec<String> =
                answers.iter().map(|(answer, times)| format!("{answer} {times}")).collect();
            let _ = writeln!(text, "{asked}: {}", answers.join(", "));
        }
        for (level, reads) in reads {
            let share = reads.stale as f64 * 100.0 / reads.answered.max(1) as f64;
            let _ = writeln!(
                text,
                "reads at {level}: {}, of which {} stale ({share:.3} %)",
                reads.answered, reads.stale
            );
        }
        let super::Writes { acknowledged, kept, lost, overshadowed, stale, never_read, stale_for_max_ns } =
            writes;
        let _ = write!(
            text,
            "acknowledged writes: {acknowledged}: {kept} kept, {lost} lost, {overshadowed} overshadowed by these, {stale} stale"
        );
        if *stale > 0 {
            let _ = write!(text, " (for up to {:.3} ms)", *stale_for_max_ns as f64 / 1e6);
        }
        let _ = writeln!(text, ", {never_read} never read at a level that must show them");
        if !sometimes.is_empty() {
            let fired: Vec<String> =
                sometimes.iter().map(|(name, times)| format!("{name} {times}")).collect();
            let _ = writeln!(text, "sometimes: {}", fired.join(", "));
        }
        if let Some(line) = torn_line {
            let _ = writeln!(
                text,
                "line {line}, the last, is cut short and was left out: whoever recorded it died over it"
            );
        }
    }
}

impl<'a> VerdictFields<'a> {
    fn of(verdict: &'a Verdict, history: &History) -> VerdictFields<'a> {
        let violation = |violation: &'a Violation| ViolationFields {
            what: &violation.what,
            key: violation.key.map(|key| history.keys()[key as usize].key.to_string()),
            operations: violation.ops.iter().map(|op| history.ops()[*op].id).collect(),
        };
        VerdictFields {
            invariant: verdict.invariant.name(),
            ruling: verdict.ruling,
            judged: verdict.judged,
            violated: verdict.violated,
            violations: verdict.violations.iter().map(violation).collect(),
            notes: &verdict.notes,
        }
    }
}

fn tell_violations(verdict: &Verdict, history: &History, text: &mut String) {
    let _ = write!(text, "\n{}: {} violations\n", verdict.invariant.name(), verdict.violated);
    let mut tables: Vec<u32> = Vec::new();
    for Violation { key, ops, what } in &verdict.violations {
        let name = key.map_or_else(String::new, |key| format!(" (key {})", history.keys()[key as usize].key));
        let _ = writeln!(text, "- {what}{name}");
        let Some(key) = key.filter(|key| tables.len() < TABLES_MAX && !tables.contains(key)) else {
            continue;
        };
        tables.push(key);
        text.push_str(&table(history, key, ops));
    }
    let rest = verdict.violated - verdict.violations.len() as u64;
    if rest > 0 {
        let _ = writeln!(text, "- and {rest} more");
    }
}

fn tell_origin(header: &Header, text: &mut String) {
    let seed = header.seed.map_or_else(|| "none".to_owned(), |seed| seed.to_string());
    let _ = write!(text, "\nrecorded by: {}\nseed: {seed}\n", header.made_by);
    let _ = writeln!(text, "plan: {}", header.plan.as_deref().unwrap_or("none was recorded"));
    let _ = writeln!(text, "again: {}", header.replay.as_deref().unwrap_or("no command was recorded"));
}
