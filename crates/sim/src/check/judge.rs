//! What is said of an invariant.

use serde::Serialize;

use crate::history::KeyNumber;

/// Violations of one invariant that are told in full; further ones are counted.
const VIOLATIONS_TOLD_MAX: usize = 20;

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Invariant {
    /// No value out of thin air.
    Phantoms,
    /// A coordinator's stamps rise.
    Stamps,
    /// A replica's copy never goes back.
    ReplicaVersions,
    /// What was acknowledged is not lost.
    Durability,
    /// R + W > n: a read is as new as what was acknowledged before it began.
    Freshness,
    /// Blocking repair: a read is as new as any read that ended before it began.
    MonotonicReads,
    /// Levels that promise it: each key is a linearizable register.
    Linearizability,
    /// Sessions read their own writes and never go back.
    Sessions,
    /// What was deleted does not come back.
    Resurrection,
    /// In the end all copies are equal.
    Convergence,
    /// No hint disappears.
    Hints,
    /// One answer for each request.
    Replies,
    /// Queues keep to their bounds.
    Queues,
    /// A restart changes nothing.
    Restart,
    /// Messages and requests add up.
    Accounting,
    /// What must happen now and then did.
    Sometimes,
}

impl Invariant {
    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Invariant::Phantoms => "phantoms",
            Invariant::Stamps => "stamps",
            Invariant::ReplicaVersions => "replica_versions",
            Invariant::Durability => "durability",
            Invariant::Freshness => "freshness",
            Invariant::MonotonicReads => "monotonic_reads",
            Invariant::Linearizability => "linearizability",
            Invariant::Sessions => "sessions",
            Invariant::Resurrection => "resurrection",
            Invariant::Convergence => "convergence",
            Invariant::Hints => "hints",
            Invariant::Replies => "replies",
            Invariant::Queues => "queues",
            Invariant::Restart => "restart",
            Invariant::Accounting => "accounting",
            Invariant::Sometimes => "sometimes",
        }
    }
}

/// How it stands with an invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// The history shows nothing of it.
    NotJudged,
    /// It holds wherever the history shows it.
    Holds,
    /// Nothing is wrong as far as it was looked, but not everything could be decided.
    Undecided,
    /// It does not hold.
    Violated,
}

impl Ruling {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Ruling::NotJudged => "not judged",
            Ruling::Holds => "holds",
            Ruling::Undecided => "undecided",
            Ruling::Violated => "VIOLATED",
        }
    }
}

/// One proof that an invariant does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The key that it is about.
    #[serde(skip)]
    pub key: Option<KeyNumber>,
    /// The places of the operations that it is about.
    #[serde(skip)]
    pub ops: Vec<usize>,
    /// What is wrong.
    pub what: String,
}

/// What is said of one invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which.
    pub invariant: Invariant,
    /// How it stands.
    pub ruling: Ruling,
    /// How many cases were judged: reads, writes, copies, ledgers.
    pub judged: u64,
    /// How many violations were found.
    pub violated: u64,
    /// The first of them.
    pub violations: Vec<Violation>,
    /// Why something was not judged or decided.
    pub notes: Vec<String>,
}

/// Gathers what a checker finds.
#[derive(Debug)]
pub(super) struct Judge {
    verdict: Verdict,
    undecided: u64,
}

impl Judge {
    pub(super) fn new(invariant: Invariant) -> Judge {
        let verdict = Verdict {
            invariant,
            ruling: Ruling::NotJudged,
            judged: 0,
            violated: 0,
            violations: Vec::new(),
            notes: Vec::new(),
        };
        Judge { verdict, undecided: 0 }
    }

    /// So many cases were looked at.
    pub(super) fn looked(&mut self, cases: usize) {
        self.verdict.judged += cases as u64;
    }

    /// Something is wrong; `what` is asked for only if it will be told.
    pub(super) fn violated(&mut self, key: Option<KeyNumber>, ops: &[usize], what: impl FnOnce() -> String) {
        self.verdict.violated += 1;
        if self.verdict.violations.len() < VIOLATIONS_TOLD_MAX {
            self.verdict.violations.push(Violation { key, ops: ops.to_vec(), what: what() });
        }
    }

    /// A case could not be decided.
    pub(super) fn undecided(&mut self, why: &str) {
        self.undecided += 1;
        self.note(why);
    }

    /// Why something was not judged; said once.
    pub(super) fn note(&mut self, why: &str) {
        if !self.verdict.notes.iter().any(|note| note == why) {
            self.verdict.notes.push(why.to_owned());
        }
    }

    pub(super) fn verdict(mut self) -> Verdict {
        self.verdict.ruling = match &self.verdict {
            Verdict { violated: 1.., .. } => Ruling::Violated,
            _ if self.undecided > 0 => Ruling::Undecided,
            Verdict { judged: 0, .. } => Ruling::NotJudged,
            _ => Ruling::Holds,
        };
        self.verdict
    }
}
