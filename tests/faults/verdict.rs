//! What is said of a round: the checker's verdict, and in a line what it was a verdict on.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use libtest_mimic::Failed;
use quorate_sim::check::{Figures, Invariant, Report, Ruling, check};
use quorate_sim::history::{History, Limits, read};
use serde_json::{Value, json};

/// Invariants of which each history must show something.
const MUST_HOLD: &[Invariant] = &[
    Invariant::Phantoms,
    Invariant::Stamps,
    Invariant::Durability,
    Invariant::Freshness,
    Invariant::MonotonicReads,
    Invariant::Linearizability,
    Invariant::Resurrection,
    Invariant::Convergence,
    Invariant::Replies,
];

/// Acknowledged writes without which a round proves nothing, however slow the machine.
const ACKNOWLEDGED_MIN: u64 = 20;

/// A round that is fine.
pub struct Judged {
    figures: Figures,
    faults: BTreeMap<&'static str, u64>,
    undecided: Vec<&'static str>,
    rounds: u64,
}

/// Judges the history in `file`, during which `faults` were planted.
pub fn judge(file: &Path, faults: &BTreeMap<&'static str, u64>) -> Result<Judged, Failed> {
    let history = read(BufReader::new(File::open(file)?), Limits::default())?;
    let report = check(&history);
    if report.ruling() == Ruling::Violated {
        return Err(convicted(&report, &history).into());
    }
    let unseen: Vec<&str> = rulings(&report, Ruling::NotJudged)
        .filter(|invariant| MUST_HOLD.contains(invariant))
        .map(Invariant::name)
        .collect();
    let acknowledged = report.figures.writes.acknowledged;
    if !unseen.is_empty() || acknowledged < ACKNOWLEDGED_MIN {
        return Err(format!("{acknowledged} acknowledged writes, nothing to judge by {unseen:?}").into());
    }
    if faults.is_empty() {
        return Err("nothing was done to the cluster".into());
    }
    must_convict(file)?;
    let undecided = rulings(&report, Ruling::Undecided).map(Invariant::name).collect();
    Ok(Judged { figures: report.figures, faults: faults.clone(), undecided, rounds: 1 })
}

/// The same history, but for one acknowledged write that its last read does not show, must be convicted: a judge that
/// would not see it here could not have seen a real one.
fn must_convict(file: &Path) -> Result<(), Failed> {
    let planted = without_one_write(&std::fs::read_to_string(file)?)?;
    convicted_of_loss(planted.as_bytes()).map(drop)
}

/// What the history in `file` is convicted of, which must be the loss of an acknowledged write.
pub fn convict(file: &Path) -> Result<String, Failed> {
    convicted_of_loss(BufReader::new(File::open(file)?))
}

fn convicted_of_loss(history: impl BufRead) -> Result<String, Failed> {
    let report = check(&read(history, Limits::default())?);
    let durability = report.verdicts.iter().find(|verdict| verdict.invariant == Invariant::Durability);
    let told = durability.filter(|verdict| verdict.ruling == Ruling::Violated).map(|verdict| {
        let first = verdict.violations.first().map_or("", |violation| &violation.what);
        format!("acknowledged writes of {} keys are lost; the first: {first}", verdict.violated)
    });
    told.ok_or_else(|| "not convicted of losing what was acknowledged".into())
}

/// The lines of a history, with the last answer that shows an acknowledged write changed to *not found*.
fn without_one_write(lines: &str) -> Result<String, Failed> {
    let mut lines: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let outcome =
        |line: &Value, kind: &str| Some(line.get("complete")?["outcome"].get(kind)?["version"].clone());
    let written: Vec<Value> = lines.iter().filter_map(|line| outcome(line, "written")).collect();
    let shown = lines.iter().rposition(|line| outcome(line, "found").is_some_and(|v| written.contains(&v)));
    let shown = shown.ok_or("no acknowledged write is read in the end")?;
    lines[shown]["complete"]["outcome"] = json!({ "not_found": {} });
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    Ok(lines.join("\n") + "\n")
}

fn rulings(report: &Report, ruling: Ruling) -> impl Iterator<Item = Invariant> + '_ {
    report.verdicts.iter().filter(move |verdict| verdict.ruling == ruling).map(|verdict| verdict.invariant)
}

/// What is violated; the table of each key is `kvctl check`'s, from the history that is kept.
fn convicted(report: &Report, history: &History) -> String {
    let told = report.violations().map(|(verdict, violation)| {
        let key = violation.key.map(|key| history.keys()[key as usize].key.to_string()).unwrap_or_default();
        format!("\n- {} ({key}): {}", verdict.invariant.name(), violation.what)
    });
    format!("VIOLATED{}", told.collect::<String>())
}

impl Judged {
    /// Both rounds together.
    #[must_use]
    pub fn and(mut self, other: Judged) -> Judged {
        for (asked, answers) in other.figures.operations {
            let sums = self.figures.operations.entry(asked).or_default();
            for (answer, times) in answers {
                *sums.entry(answer).or_default() += times;
            }
        }
        for (fault, times) in other.faults {
            *self.faults.entry(fault).or_default() += times;
        }
        self.figures.writes.acknowledged += other.figures.writes.acknowledged;
        self.undecided.extend(other.undecided);
        self.rounds += other.rounds;
        self
    }

    fn operations(&self) -> u64 {
        self.figures.operations.values().flat_map(BTreeMap::values).sum()
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounds = if self.rounds == 1 { "1 round".to_owned() } else { format!("{} rounds", self.rounds) };
        write!(f, "{rounds}, {} operations (", self.operations())?;
        for (place, (asked, answers)) in self.figures.operations.iter().enumerate() {
            let separator = if place > 0 { "; " } else { "" };
            write!(f, "{separator}{asked}: {}", list(answers))?;
        }
        let acknowledged = self.figures.writes.acknowledged;
        write!(f, "), {acknowledged} writes acknowledged, faults: {}, verdict: ", list(&self.faults))?;
        match self.undecided.as_slice() {
            [] => write!(f, "ok"),
            undecided => write!(f, "no promise broken, undecided: {}", undecided.join(", ")),
        }
    }
}

fn list(counts: &BTreeMap<&'static str, u64>) -> String {
    counts.iter().map(|(name, times)| format!("{name} {times}")).collect::<Vec<_>>().join(", ")
}
