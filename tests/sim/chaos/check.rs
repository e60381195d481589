//! What must hold of a finished run. What levels promise: freshness by version for R + W > n, monotonic reads under
//! blocking repair, and no more; that an acknowledged write survives on as many replicas as acknowledged it, always.

use std::collections::BTreeMap;

use quorate_coordinator::ReadRepairPolicy;
use quorate_types::{Mono, ReadOutcome, Refusal, Version, WriteOutcome};
use quorate_wire::ResponseBody;

use super::history::{Acked, Op};
use super::run::Run;

/// A read that found out something.
#[derive(Debug)]
struct Sight {
    id: usize,
    sent: Mono,
    at: Mono,
    required: usize,
    version: Option<Version>,
}

impl Run {
    /// After the hints: what was acknowledged is there, on as many replicas as said so.
    pub fn check_durability(&mut self) {
        for key in self.history.keys() {
            let copies = self.copies(&key);
            for (id, op) in self.history.ops.iter().enumerate().filter(|(_, op)| op.key == key) {
                let Some(Acked { version, required, .. }) = op.acked() else { continue };
                let held = copies.iter().flatten_newest().filter(|newest| *newest >= version).count();
                if held < required {
                    let what =
                        format!("#{id} was acknowledged by {required} and is on {held} replicas: {copies:?}");
                    self.wrong.push((Some(key.clone()), what));
                }
            }
        }
    }

    /// Whether all copies must be equal by now, without a single read.
    pub fn hints_suffice(&self) -> bool {
        self.plan.gentle && self.spec.policy.hinted_handoff
    }

    pub fn repair_suffices(&self) -> bool {
        self.spec.policy.read_repair != ReadRepairPolicy::Off
    }

    pub fn check_convergence(&mut self, by: &str) {
        for key in self.history.keys() {
            let copies = self.copies(&key);
            if copies.windows(2).any(|two| two[0].1 != two[1].1) {
                self.wrong.push((Some(key), format!("copies differ after {by}: {copies:?}")));
            }
        }
        if self.wrong.is_empty() && !self.lab.converged() {
            self.wrong.push((None, format!("digests differ after {by}")));
        }
    }

    pub fn check_history(&mut self) {
        let mut wrong = Vec::new();
        self.check_answers(&mut wrong);
        self.check_values(&mut wrong);
        for key in self.history.keys() {
            let ops: Vec<(usize, &Op)> =
                self.history.ops.iter().enumerate().filter(|(_, op)| op.key == key).collect();
            let sights = sights(&ops, self.spec.policy.n);
            let mut found = Vec::new();
            self.check_freshness(&ops, &sights, &mut found);
            check_stamps(&ops, &mut found);
            wrong.extend(found.into_iter().map(|what| (Some(key.clone()), what)));
        }
        self.wrong.extend(wrong);
    }

    fn check_freshness(&self, ops: &[(usize, &Op)], sights: &[Sight], found: &mut Vec<String>) {
        let n = self.spec.policy.n;
        for sight in sights {
            for (id, op) in ops.iter().filter(|(_, op)| op.intent.writes()) {
                let Some(Acked { at, version, required }) = op.acked() else { continue };
                if at < sight.sent && required + sight.required > n && sight.version < Some(version) {
                    found.push(format!(
                        "read #{} {sight:?} began after #{id} was acknowledged as {version:?}",
                        sight.id
                    ));
                }
            }
            if self.spec.policy.read_repair != ReadRepairPolicy::Blocking {
                continue;
            }
            for before in sights {
                let ordered = before.at < sight.sent && before.required + sight.required > n;
                if ordered && before.version > sight.version {
                    found.push(format!("read {sight:?} is older than {before:?}"));
                }
            }
        }
    }

    /// One answer for each request, the same for its duplicates, and none from a coordinator that can't write.
    fn check_answers(&self, wrong: &mut Vec<(Option<String>, String)>) {
        for stray in &self.history.strays {
            wrong.push((None, format!("an answer to nothing: {stray:?}")));
        }
        for (id, op) in self.history.ops.iter().enumerate() {
            let mut say = |what: String| wrong.push((Some(op.key.clone()), format!("#{id}: {what}")));
            if op.versions().len() > 1 {
                say(format!("has several versions: {:?}", op.versions()));
            }
            for attempt in &op.attempts {
                let said = attempt.answers.len() + attempt.unanswered;
                let lives = attempt.life == self.lab.life(attempt.by);
                if said > attempt.copies || lives && said != attempt.copies {
                    say(format!("{} copies sent, {said} answers: {attempt:?}", attempt.copies));
                }
                let written =
                    |body: &ResponseBody| matches!(body, ResponseBody::Write(WriteOutcome::Written { .. }));
                if attempt.log_failed
                    && attempt.answers.iter().any(|(_, r)| written(&r.body))
                    && attempt.copies == 1
                {
                    say("a coordinator whose log had failed wrote".to_owned());
                }
                for (_, response) in &attempt.answers {
                    if let ResponseBody::Write(WriteOutcome::Written { acked, required, .. }) = &response.body
                        && (acked < required
                            || usize::from(*required) != op.level.required(self.spec.policy.n).unwrap_or(99))
                    {
                        say(format!("Written with {acked} of {required}"));
                    }
                    let unasked =
                        |why: &Refusal| matches!(why, Refusal::NotReplica | Refusal::UnknownKeyspace);
                    if let ResponseBody::Refused(why) = &response.body
                        && unasked(why)
                    {
                        say(format!("refused: {why}"));
                    }
                }
            }
        }
    }

    /// No value that nobody wrote, or whose writer was told no; every version means one write.
    fn check_values(&self, wrong: &mut Vec<(Option<String>, String)>) {
        let mut by_version: BTreeMap<(String, Version), usize> = BTreeMap::new();
        for (id, op) in self.history.ops.iter().enumerate() {
            for version in op.versions() {
                if let Some(other) = by_version.insert((op.key.clone(), version), id) {
                    wrong.push((
                        Some(op.key.clone()),
                        format!("#{id} and #{other} have the version {version:?}"),
                    ));
                }
            }
        }
        let mut seen = Vec::new();
        for op in &self.history.ops {
            for (_, _, outcome) in op.read_outcomes() {
                match outcome {
                    ReadOutcome::Found { record } => {
                        seen.push((&op.key, record.version, record.value.clone()));
                    }
                    ReadOutcome::Deleted { version } => seen.push((&op.key, *version, None)),
                    _ => {}
                }
            }
        }
        let keys = self.history.keys();
        for key in &keys {
            let copies = self.copies(key).into_iter().filter_map(|(_, record)| record);
            seen.extend(copies.map(|record| (key, record.version, record.value)));
        }
        for (key, version, value) in seen {
            let ok = self.history.ops.iter().any(|op| {
                op.key == *key
                    && op.intent.leaves(value.as_deref())
                    && op.may_exist()
                    && (op.versions().is_empty() || op.versions() == [version])
            });
            if !ok {
                let value =
                    value.map(|value| String::from_utf8_lossy(&value[..value.len().min(12)]).into_owned());
                wrong.push((Some(key.clone()), format!("nobody wrote {value:?} as {version:?}")));
            }
        }
    }
}

/// Stamps of one coordinator rise with its own writes of a key, across its deaths and whatever its wall clock does.
fn check_stamps(ops: &[(usize, &Op)], found: &mut Vec<String>) {
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

fn sights(ops: &[(usize, &Op)], n: usize) -> Vec<Sight> {
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

/// The newest version of each copy that there is.
trait FlattenNewest<'a> {
    fn flatten_newest(self) -> impl Iterator<Item = Version> + Clone;
}

impl<'a, I: Iterator<Item = &'a (usize, Option<quorate_types::Record>)> + Clone> FlattenNewest<'a> for I {
    fn flatten_newest(self) -> impl Iterator<Item = Version> + Clone {
        self.filter_map(|(_, record)| record.as_ref().map(|record| record.version))
    }
}
