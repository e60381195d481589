//! What clients asked and were told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use quorate_types::{Level, Mono, ReadOutcome, Version, WriteOutcome};
use quorate_wire::{Response, ResponseBody};

use crate::cluster::Heard;

/// A key of a keyspace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The keyspace's place in the cluster's specification.
    pub space: usize,
    /// The key.
    pub name: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.space {
            0 => f.write_str(&self.name),
            space => write!(f, "{} of keyspace {space}", self.name),
        }
    }
}

/// One sending of a write or read to one coordinator, with its duplicates.
#[derive(Debug)]
pub struct Attempt {
    pub by: usize,
    pub life: u64,
    pub sent: Mono,
    /// How often it was sent.
    pub copies: usize,
    pub answers: Vec<(Mono, Response)>,
    /// Copies of which nothing more will be said.
    pub unanswered: usize,
    /// It brought its version.
    pub retry: bool,
    /// The coordinator's log had failed when it was sent.
    pub log_failed: bool,
}

/// What a client wants.
#[derive(Clone, Debug)]
pub enum Intent {
    Get,
    Delete,
    Put(String),
}

impl Intent {
    pub fn writes(&self) -> bool {
        !matches!(self, Intent::Get)
    }

    /// Whether this leaves `value`; a delete leaves none.
    pub fn leaves(&self, value: Option<&[u8]>) -> bool {
        match self {
            Intent::Get => false,
            Intent::Delete => value.is_none(),
            Intent::Put(put) => value == Some(put.as_bytes()),
        }
    }
}

#[derive(Debug)]
pub struct Op {
    pub key: Key,
    pub level: Level,
    pub intent: Intent,
    pub attempts: Vec<Attempt>,
}

#[derive(Debug, Default)]
pub struct History {
    pub ops: Vec<Op>,
    keys: BTreeSet<Key>,
    sent: BTreeMap<(u64, u64), (usize, usize)>,
    /// Answers to what was never asked.
    pub strays: Vec<Heard>,
}

/// An acknowledged write.
#[derive(Clone, Copy, Debug)]
pub struct Acked {
    pub at: Mono,
    pub version: Version,
    pub required: usize,
}

impl History {
    pub fn note_sent(&mut self, op: usize, attempt: Attempt, (session, number): (u64, u64)) {
        self.sent.insert((session, number), (op, self.ops[op].attempts.len()));
        self.ops[op].attempts.push(attempt);
    }

    /// Notes an answer; the write that it belongs to.
    pub fn note_heard(&mut self, heard: Heard) -> Option<usize> {
        let Some(&(op, attempt)) = self.sent.get(&(heard.session, heard.number)) else {
            self.strays.push(heard);
            return None;
        };
        let attempt = &mut self.ops[op].attempts[attempt];
        match heard.response {
            Some(response) => attempt.answers.push((heard.at, response)),
            None => attempt.unanswered += 1,
        }
        Some(op)
    }

    /// The keys that were asked for.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }

    /// Takes in an operation, not yet sent.
    pub fn begin(&mut self, op: Op) -> usize {
        self.keys.insert(op.key.clone());
        self.ops.push(op);
        self.ops.len() - 1
    }

    /// Everything about one key, in the order of time.
    pub fn table(&self, key: &Key) -> String {
        let mut lines = Vec::new();
        for (id, op) in self.ops.iter().enumerate().filter(|(_, op)| op.key == *key) {
            for attempt in &op.attempts {
                lines.push((attempt.sent, op.describe(id, attempt)));
                for (at, response) in &attempt.answers {
                    lines.push((*at, format!("  -> {id:<4} n{} {:?}", attempt.by, response.body)));
                }
            }
        }
        lines.sort();
        lines.iter().fold(String::new(), |mut out, (at, line)| {
            let _ = writeln!(out, "{:>10.3} ms {}", at.0 as f64 / 1e6, &line[..line.len().min(300)]);
            out
        })
    }
}

impl Op {
    fn describe(&self, id: usize, attempt: &Attempt) -> String {
        let what = match &self.intent {
            Intent::Get => "get".to_owned(),
            Intent::Delete => "delete".to_owned(),
            Intent::Put(value) => format!("put {}", &value[..value.len().min(12)]),
        };
        let retry = if attempt.retry { " again with its version" } else { "" };
        let Attempt { by, life, copies, .. } = attempt;
        format!("#{id:<4} n{by} (life {life}) {what} at {}{retry}, {copies} times", self.level)
    }

    pub fn write_outcomes(&self) -> impl Iterator<Item = (Mono, &WriteOutcome)> {
        let answers = self.attempts.iter().flat_map(|attempt| &attempt.answers);
        answers.filter_map(|(at, response)| match &response.body {
            ResponseBody::Write(outcome) => Some((*at, outcome)),
            _ => None,
        })
    }

    pub fn read_outcomes(&self) -> impl Iterator<Item = (Mono, &Attempt, &ReadOutcome)> {
        self.attempts.iter().flat_map(|attempt| {
            attempt.answers.iter().filter_map(move |(at, response)| match &response.body {
                ResponseBody::Read(outcome) => Some((*at, attempt, outcome)),
                _ => None,
            })
        })
    }

    /// The versions that were told for it: at most one may be.
    pub fn versions(&self) -> Vec<Version> {
        let told = self.write_outcomes().filter_map(|(_, outcome)| match outcome {
            WriteOutcome::Written { version, .. } => Some(*version),
            WriteOutcome::Indeterminate { version, .. } => *version,
            _ => None,
        });
        let mut versions: Vec<Version> = told.collect();
        versions.sort_unstable();
        versions.dedup();
        versions
    }

    /// Whether a read of it was answered with what there is.
    pub fn found_out(&self) -> bool {
        use ReadOutcome::{Deleted, Found, NotFound};
        self.read_outcomes()
            .any(|(.., outcome)| matches!(outcome, Found { .. } | Deleted { .. } | NotFound { .. }))
    }

    pub fn acked(&self) -> Option<Acked> {
        let written = self.write_outcomes().filter_map(|(at, outcome)| match outcome {
            WriteOutcome::Written { version, required, .. } => {
                Some(Acked { at, version: *version, required: usize::from(*required) })
            }
            _ => None,
        });
        written.min_by_key(|acked| acked.at)
    }

    /// Whether it may ever be seen: false only if all that was sent was answered by a plain no.
    pub fn may_exist(&self) -> bool {
        let said_no = |response: &Response| {
            matches!(
                response.body,
                ResponseBody::Refused(_)
                    | ResponseBody::Write(WriteOutcome::Unavailable { .. } | WriteOutcome::Rejected { .. })
            )
        };
        self.attempts.iter().any(|attempt| {
            attempt.answers.len() + attempt.unanswered < attempt.copies
                || attempt.answers.is_empty()
                || !attempt.answers.iter().all(|(_, response)| said_no(response))
        })
    }
}
