//! Sessions read their own writes and never go back.
//!
//! Within a session, an operation that began after another was answered: a read returns a version at least as large as
//! the session has written or read of the key before, at any level; a write gets a larger one. (Read your writes,
//! monotonic reads, monotonic writes, writes follow reads.) Judged where the keyspace promises it; a write of the
//! session that was answered otherwise than *written* counts for nothing.
//!
//! Source: Terry et al., Session Guarantees for Weakly Consistent Replicated Data (1994); invariant A5.

use std::collections::BTreeMap;

use quorate_types::{Mono, Version};

use super::KeyCheck;
use super::judge::{Invariant, Judge, Verdict};
use super::register::{By, Register};
use crate::history::Sessions;

pub(super) struct SessionPromises {
    judge: Judge,
}

impl SessionPromises {
    pub(super) fn new() -> SessionPromises {
        SessionPromises { judge: Judge::new(Invariant::Sessions) }
    }
}

/// One step of a session: when it began and was answered, the version, whether it wrote, the operation.
#[derive(Clone, Copy)]
struct Step {
    begun: Mono,
    at: Mono,
    version: Option<Version>,
    wrote: bool,
    op: usize,
}

impl KeyCheck for SessionPromises {
    fn look(&mut self, register: &Register<'_>) {
        if register.promise.sessions == Sessions::None {
            self.judge.note("the keyspace promises nothing of sessions");
            return;
        }
        for mut steps in sessions(register).into_values() {
            steps.sort_by_key(|step| step.begun);
            self.judge.looked(steps.len());
            self.look_at(register, &steps);
        }
    }

    fn verdict(self: Box<Self>) -> Verdict {
        self.judge.verdict()
    }
}

fn sessions(register: &Register<'_>) -> BTreeMap<u64, Vec<Step>> {
    let mut sessions: BTreeMap<u64, Vec<Step>> = BTreeMap::new();
    let mut add = |step: Step| {
        if let Some(session) = register.history.ops()[step.op].session {
            sessions.entry(session).or_default().push(step);
        }
    };
    for write in &register.writes {
        if let (version @ Some(_), Some(acked)) = (write.version(), write.acked()) {
            add(Step { begun: write.begun, at: acked.at, version, wrote: true, op: write.op });
        }
    }
    for sight in register.sights.iter().filter(|sight| sight.by != By::Scan) {
        let (begun, at, version, op) = (sight.begun, sight.at, sight.version, sight.op);
        add(Step { begun, at, version, wrote: false, op });
    }
    sessions
}

impl SessionPromises {
    fn look_at(&mut self, register: &Register<'_>, steps: &[Step]) {
        let mut ended: Vec<&Step> = steps.iter().collect();
        ended.sort_by_key(|step| step.at);
        let mut ended = ended.into_iter().peekable();
        let mut newest: Option<(Version, usize)> = None;
        for step in steps {
            while let Some(before) = ended.next_if(|before| before.at < step.begun) {
                newest = newest.max(before.version.map(|version| (version, before.op)));
            }
            let Some((known, before)) = newest else { continue };
            let behind = if step.wrote { step.version <= Some(known) } else { step.version < Some(known) };
            if behind {
                self.judge.violated(Some(register.key), &[before, step.op], || {
                    let verb = if step.wrote { "wrote" } else { "read" };
                    let what =
                        step.version.map_or_else(|| "nothing".to_owned(), |version| version.to_string());
                    let (a, b) = (register.id(before), register.id(step.op));
                    format!("#{b} {verb} {what} after #{a} of the same session had shown it {known}")
                });
            }
        }
    }
}
