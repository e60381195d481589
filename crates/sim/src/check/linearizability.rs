//! Levels that promise it: each key is a linearizable register.
//!
//! Judged for a key if every write of it that may exist was at such a level, from its reads at such levels. The zone
//! test decides, over versions: a version is written once and read by name. A write without a plain *no* and without
//! an answer may take effect at any time or never; what expires keeps its version. On small keys the general search
//! decides as well, and the two must agree. Where several writes without an answer could be the one that was seen,
//! zones see only what is certain, and the search judges by values.
//!
//! Judged up to the first loss of a disk of the key's replicas, as a beginning of a linearizable history is one: a replica
//! without memory is not what the two phases count on.
//!
//! Source: invariant A4; Herlihy and Wing 1990. Zones: Gibbons and Korach 1997. Search: Wing and Gong 1993.

use std::collections::BTreeMap;

use quorate_types::{Mono, Version};

use super::KeyCheck;
use super::judge::{Invariant, Judge, Verdict};
use super::register::{By, Register, Sight, Write};
use super::search::{Decision, search};
use super::zones::{Action, RegisterOp, zones};
use crate::history::{Initial, Value};

/// What the general search may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Keys of at most so many operations are searched although the zone test has decided: 64 by default.
    pub cross_check_ops_max: usize,
    /// Steps for one key: 2 million by default.
    pub steps_per_key: u64,
    /// Steps in all: 50 million by default, some seconds.
    pub steps: u64,
}

impl Default for Effort {
    fn default() -> Effort {
        Effort { cross_check_ops_max: 64, steps_per_key: 2_000_000, steps: 50_000_000 }
    }
}

pub(super) struct Linearizability {
    judge: Judge,
    effort: Effort,
}

impl Linearizability {
    pub(super) fn new(effort: Effort) -> Linearizability {
        Linearizability { judge: Judge::new(Invariant::Linearizability), effort }
    }
}

impl KeyCheck for Linearizability {
    fn look(&mut self, register: &Register<'_>) {
        let levels = &register.promise.linearizable;
        let until = register.losses.first().unwrap_or(Mono(u64::MAX));
        let sights = || sights_until(register, until);
        let exists = |write: &&Write<'_>| write.may_exist && write.begun < until;
        let written = register.writes.iter().filter(exists).any(|write| levels.contains(&write.level));
        if !written && sights().next().is_none() {
            return;
        }
        if !register.losses.is_empty() {
            self.judge.note("keys of whose replicas one lost its disk are judged up to then");
        }
        if !register.writes.iter().filter(exists).all(|write| levels.contains(&write.level)) {
            self.judge.note("keys that are also written at levels that don't promise it are not judged");
            return;
        }
        let ops = Ops::of(register, until);
        self.judge.looked(ops.all.len());
        self.decide(register, (&ops, until));
    }

    fn verdict(self: Box<Self>) -> Verdict {
        self.judge.verdict()
    }
}

impl Linearizability {
    fn decide(&mut self, register: &Register<'_>, (ops, until): (&Ops, Mono)) {
        let found = zones(&ops.all);
        if let Some((a, b)) = found {
            let (a, b) = (ops.places[a], ops.places[b]);
            self.judge.violated(Some(register.key), &[a, b], || {
                let (a, b) = (register.id(a), register.id(b));
                format!(
                    "no order of the operations explains what was read; #{a} and #{b} contradict each other"
                )
            });
        }
        let foreign = register.history.header().initial == Initial::Unknown;
        if ops.ambiguous && found.is_none() && !foreign {
            self.search_values(register, until);
        } else if ops.all.len() <= self.effort.cross_check_ops_max {
            let searched = self.search(&ops.all);
            let agrees = match searched {
                Decision::Linearizable => found.is_none(),
                Decision::NotLinearizable => found.is_some(),
                Decision::Undecided => true,
            };
            if !agrees {
                self.judge.undecided(
                    "the zone test and the search disagree: a defect of the checker; please report it",
                );
            }
        }
    }

    fn search_values(&mut self, register: &Register<'_>, until: Mono) {
        match self.search(&values(register, until)) {
            Decision::Linearizable => {}
            Decision::NotLinearizable => self.judge.violated(Some(register.key), &[], || {
                "no order of the operations explains the values that were read".to_owned()
            }),
            Decision::Undecided => {
                self.judge.undecided("several unanswered writes could be the one that was read, and the search ran out of steps");
            }
        }
    }

    fn search(&mut self, ops: &[RegisterOp]) -> Decision {
        let mut budget = self.effort.steps_per_key.min(self.effort.steps);
        let had = budget;
        let decision = search(ops, &mut budget);
        self.effort.steps -= had - budget;
        decision
    }
}

/// A key's operations over versions, and where in the history each stands.
struct Ops {
    all: Vec<RegisterOp>,
    places: Vec<usize>,
    ambiguous: bool,
}

impl Ops {
    fn of(register: &Register<'_>, until: Mono) -> Ops {
        let mut numbers = Numbers::default();
        let begun = || register.writes.iter().filter(|write| write.begun < until);
        let untold: Vec<&Write<'_>> =
            begun().filter(|write| write.version.is_none() && write.may_exist).collect();
        let mut ops = Ops { all: Vec::new(), places: Vec::new(), ambiguous: false };
        for write in begun() {
            let Some(version) = write.version() else { continue };
            let ended = ended(write, until);
            let value = numbers.of(Some(version));
            ops.push(write.op, RegisterOp { begun: write.begun.0, ended, action: Action::Write(value) });
        }
        for sight in sights_until(register, until) {
            let known = numbers.knows(sight.version);
            let value = numbers.of(sight.version);
            if !known {
                ops.find_writer(register, &untold, (sight, value));
            }
            let (begun, ended) = (sight.begun.0, Some(sight.at.0));
            ops.push(sight.op, RegisterOp { begun, ended, action: Action::Read(value) });
        }
        ops
    }

    fn push(&mut self, place: usize, op: RegisterOp) {
        self.all.push(op);
        self.places.push(place);
    }

    /// The write that `sight` is the first to see: one of those that were told no version. If several could be it, the
    /// one that began first stands for all.
    fn find_writer(
        &mut self,
        register: &Register<'_>,
        untold: &[&Write<'_>],
        (sight, number): (&Sight<'_>, u32),
    ) {
        let value = sight.held.and_then(|held| held.value.as_ref());
        let hidden = sight.held.is_none() && sight.by != By::Tombstone;
        let begun_by_then = &untold[..untold.partition_point(|write| write.begun <= sight.at)];
        let mut candidates = begun_by_then.iter().filter(|write| hidden || write.value == value);
        let first = candidates.next();
        self.ambiguous |= candidates.next().is_some();
        let foreign = register.history.header().initial == Initial::Unknown;
        let begun = first.map(|write| write.begun.0).filter(|_| !foreign).or(foreign.then_some(0));
        if let Some(begun) = begun {
            let place = first.map_or(sight.op, |write| write.op);
            self.push(place, RegisterOp { begun, ended: None, action: Action::Write(number) });
        }
    }
}

/// Numbers for what the register holds; 0 is nothing.
#[derive(Default)]
struct Numbers(BTreeMap<Version, u32>);

impl Numbers {
    fn of(&mut self, version: Option<Version>) -> u32 {
        let next = self.0.len() as u32 + 1;
        version.map_or(0, |version| *self.0.entry(version).or_insert(next))
    }

    fn knows(&self, version: Option<Version>) -> bool {
        version.is_none_or(|version| self.0.contains_key(&version))
    }
}

/// The reads of `register` that are judged: those that ended before `until`.
fn sights_until<'a, 'b>(register: &'b Register<'a>, until: Mono) -> impl Iterator<Item = &'b Sight<'a>> {
    let levels = &register.promise.linearizable;
    let is_judged = move |s: &&Sight<'_>| s.by != By::Scan && levels.contains(&s.level) && s.at < until;
    register.sights.iter().filter(is_judged)
}

/// When a write ended, if that was before `until`.
fn ended(write: &Write<'_>, until: Mono) -> Option<u64> {
    write.acked().map(|acked| acked.at).filter(|at| *at < until).map(|at| at.0)
}

/// The same key's operations over values: what was deleted or never there is 0, and so is what has expired.
fn values(register: &Register<'_>, until: Mono) -> Vec<RegisterOp> {
    let mut numbers: BTreeMap<u64, u32> = BTreeMap::new();
    let mut number = |value: Option<&Value>| {
        let next = numbers.len() as u32 + 1;
        value.map_or(0, |value| *numbers.entry(value.hash()).or_insert(next))
    };
    let mut ops = Vec::new();
    for write in register.writes.iter().filter(|write| write.may_exist && write.begun < until) {
        let (begun, ended) = (write.begun.0, ended(write, until));
        ops.push(RegisterOp { begun, ended, action: Action::Write(number(write.value)) });
    }
    let expired =
        |sight: &Sight<'_>| sight.held.is_none() && sight.by != By::Tombstone && sight.version.is_some();
    for sight in sights_until(register, until).filter(|sight| !expired(sight)) {
        let value = sight.held.and_then(|held| held.value.as_ref());
        let (begun, ended) = (sight.begun.0, Some(sight.at.0));
        ops.push(RegisterOp { begun, ended, action: Action::Read(number(value)) });
    }
    ops
}
