//! What must hold of a finished run. What levels promise: freshness by version for R + W > n, monotonic reads under
//! blocking repair, and no more; that an acknowledged write survives on as many replicas as acknowledged it, always.

use std::collections::BTreeMap;

use quorate_types::{Mono, ReadOutcome, Refusal, Version, WriteOutcome};
use quorate_wire::{Response, ResponseBody};

use super::Run;
use super::record::{Acked, Attempt, Key, Op};
use super::report::Violation;
use crate::cluster::{KeyspaceSpec, Repair};

/// A read that found out something.
#[derive(Debug)]
struct Sight {
    id: usize,
    sent: Mono,
    at: Mono,
    required: usize,
    version: Option<Version>,
}

/// The operations of one key, with their numbers.
type Ops<'a> = Vec<(usize, &'a Op)>;

impl Run {
    fn by_key(&self) -> BTreeMap<&Key, Ops<'_>> {
        let mut keys: BTreeMap<&Key, Ops<'_>> = BTreeMap::new();
        for (id, op) in self.history.ops.iter().enumerate() {
            keys.entry(&op.key).or_default().push((id, op));
        }
        keys
    }

    /// After the hints: what was acknowledged is there, on as many replicas as said so.
    pub(super) fn check_durability(&mut self) {
        let mut found = Vec::new();
        for (key, ops) in self.by_key() {
            let copies = self.copies(key);
            let newest: Vec<_> =
                copies.iter().filter_map(|(_, copy)| copy.as_ref().map(|r| r.version)).collect();
            for (id, op) in ops {
                let Some(Acked { version, required, .. }) = op.acked() else { continue };
                let held = newest.iter().filter(|newest| **newest >= version).count();
                if held < required {
                    let what =
                        format!("#{id} was acknowledged by {required} and is on {held} replicas: {copies:?}");
                    found.push(Violation { key: Some(key.clone()), what });
                }
            }
        }
        self.wrong.extend(found);
    }

    /// Whether the copies of every key are equal whose keyspace is one of `those`; the digests too, if all are.
    pub(super) fn check_convergence(&mut self, by: &str, those: impl Fn(&KeyspaceSpec) -> bool) {
        let spaces = &self.plan.cluster.keyspaces;
        let all = spaces.iter().all(&those);
        let mut found = Vec::new();
        for key in self.history.keys().filter(|key| those(&spaces[key.space])) {
            let copies = self.copies(key);
            if copies.windows(2).any(|two| two[0].1 != two[1].1) {
                let what = format!("copies differ after {by}: {copies:?}");
                found.push(Violation { key: Some(key.clone()), what });
            }
        }
        self.wrong.extend(found);
        if all && self.wrong.is_empty() && !self.cluster.converged() {
            self.complain(None, format!("digests differ after {by}"));
        }
    }

    pub(super) fn check_history(&mut self) {
        let mut wrong = Vec::new();
        for stray in &self.history.strays {
            wrong.push(Violation { key: None, what: format!("an answer to nothing: {stray:?}") });
        }
        for (key, ops) in self.by_key() {
            let space = &self.plan.cluster.keyspaces[key.space];
            let mut found = Vec::new();
            self.check_answers(&ops, space.n, &mut found);
            self.check_values(key, &ops, &mut found);
            check_freshness(&ops, space, &mut found);
            check_stamps(&ops, &mut found);
            wrong.extend(found.into_iter().map(|what| Violation { key: Some(key.clone()), what }));
        }
        self.wrong.extend(wrong);
    }

    /// One answer for each request, the same for its duplicates, and none from a coordinator that can't write.
    fn check_answers(&self, ops: &Ops<'_>, n: usize, found: &mut Vec<String>) {
        for (id, op) in ops {
            if op.versions().len() > 1 {
                found.push(format!("#{id}: has several versions: {:?}", op.versions()));
            }
            for attempt in &op.attempts {
                let said = attempt.answers.len() + attempt.unanswered;
                let lives = attempt.life == self.cluster.life(attempt.by);
                if said > attempt.copies || lives && said != attempt.copies {
                    found.push(format!("#{id}: {} copies sent, {said} answers: {attempt:?}", attempt.copies));
                }
                let answers = attempt.answers.iter();
                let wrong = answers.filter_map(|(_, response)| wrong_answer(op, attempt, response, n));
                found.extend(wrong.map(|what| format!("#{id}: {what}")));
            }
        }
    }

    /// No value that nobody wrote, or whose writer was told no; every version means one write.
    fn check_values(&self, key: &Key, ops: &Ops<'_>, found: &mut Vec<String>) {
        let mut by_version: BTreeMap<Version, usize> = BTreeMap::new();
        for (id, op) in ops {
            for version in op.versions() {
                if let Some(other) = by_version.insert(version, *id) {
                    found.push(format!("#{id} and #{other} have the version {version:?}"));
                }
            }
        }
        let mut seen = Vec::new();
        for (.., outcome) in ops.iter().flat_map(|(_, op)| op.read_outcomes()) {
            match outcome {
                ReadOutcome::Found { record } => seen.push((record.version, record.value.clone())),
                ReadOutcome::Deleted { version } => seen.push((*version, None)),
                _ => {}
            }
        }
        let copies = self.copies(key).into_iter().filter_map(|(_, record)| record);
        seen.extend(copies.map(|record| (record.version, record.value)));
        seen.sort_unstable();
        seen.dedup();
        for (version, value) in seen {
            let wrote = |op: &Op| {
                op.intent.leaves(value.as_deref())
                    && op.may_exist()
                    && (op.versions().is_empty() || op.versions() == [version])
            };
            if !ops.iter().any(|(_, op)| wrote(op)) {
                let value = value.map(|v| String::from_utf8_lossy(&v[..v.len().min(12)]).into_owned());
                found.push(format!("nobody wrote {value:?} as {version:?}"));
            }
        }
    }
}

fn wrong_answer(op: &Op, attempt: &Attempt, response: &Response, n: usize) -> Option<String> {
    match &response.body {
        ResponseBody::Write(WriteOutcome::Written { .. }) if attempt.log_failed && attempt.copies == 1 => {
            Some("a coordinator whose log had failed wrote".to_owned())
        }
        ResponseBody::Write(WriteOutcome::Written { acked, required, .. }) => {
            let right = acked >= required && op.level.required(n).ok() == Some(usize::from(*required));
            (!right).then(|| format!("Written with {acked} of {required}"))
        }
        ResponseBody::Refused(why @ (Refusal::NotReplica | Refusal::UnknownKeyspace)) => {
            Some(format!("refused: {why}"))
        }
        _ => None,
    }
}

fn check_freshness(ops: &Ops<'_>, space: &KeyspaceSpec, found: &mut Vec<String>) {
    let sights = sights(ops, space.n);
    let acked: Vec<(usize, Acked)> = ops
        .iter()
        .filter(|(_, op)| op.intent.writes())
        .filter_map(|(id, op)| Some((*id, op.acked()?)))
        .collect();
    for sight in &sights {
        for (id, Acked { at, version, required }) in &acked {
            if *at < sight.sent && required + sight.required > space.n && sight.version < Some(*version) {
                found.push(format!(
                    "read #{} {sight:?} began after #{id} was acknowledged as {version:?}",
                    sight.id
                ));
            }
        }
        if space.read_repair != Repair::Blocking {
            continue;
        }
        for before in &sights {
            let ordered = before.at < sight.sent && before.required + sight.required > space.n;
            if ordered && before.version > sight.version {
                found.push(format!("read {sight:?} is older than {before:?}"));
            }
        }
    }
}

/// Stamps of one coordinator rise with its own writes of a key, across its deaths and whatever its wall clock does.
fn check_stamps(ops: &Ops<'_>, found: &mut Vec<String>) {
    let mut stamped: Vec<(usize, Mono, Mono, Version, usize)> = Vec::new();
    for (id, op) in ops {
        let Some(first) = op.attempts.first() else { continue };
        let told = first.answers.iter().find_map(|(at, response)| match &response.body {
            ResponseBody::Write(WriteOutcome::Written { version, .. }) => Some((*at, *version)),
            ResponseBody::Write(WriteOutcome::Indeterminate { version: Some(version), .. }) => {
                Some((*at, *version))
            }
            _ => None,
        });
        if let Some((at, version)) = told {
            stamped.push((first.by, first.sent, at, version, *id));
        }
    }
    for (by, _, at, version, id) in &stamped {
        for (other_by, sent, _, other, other_id) in &stamped {
            if by == other_by && at < sent && other <= version {
                found.push(format!("n{by} stamped #{other_id} {other:?}, after #{id} {version:?}"));
            }
        }
    }
}

fn sights(ops: &Ops<'_>, n: usize) -> Vec<Sight> {
    let mut sights = Vec::new();
    for (id, op) in ops {
        let Ok(required) = op.level.required(n) else { continue };
        for (at, attempt, outcome) in op.read_outcomes() {
            let version = match outcome {
                ReadOutcome::Found { record } => Some(record.version),
                ReadOutcome::Deleted { version } => Some(*version),
                ReadOutcome::NotFound { expired } => *expired,
                _ => continue,
            };
            // A duplicate may have been answered by a later read than the first: all began when the first was sent.
            sights.push(Sight { id: *id, sent: attempt.sent, at, required, version });
        }
    }
    sights
}
