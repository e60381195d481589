//! A read is as new as what was known before it began.
//!
//! - *Freshness by version*, any clocks: a read at R returns a version at least as large as that of every write
//!   acknowledged at W before the read began, if R + W > n. Levels may be mixed: each pair is judged by its own two.
//! - *Monotonic reads across clients*, with blocking read repair: a read returns a version at least as large as every
//!   read returned that ended before it began, if the two levels overlap, because the earlier one left its answer on as
//!   many replicas as it asked. Scans repair nothing: they are judged for freshness alone.
//!
//! Source: invariants A2 and A3; Attiya, Bar-Noy, Dolev 1995 for why a read has to write.

use quorate_coordinator::ReadRepairPolicy;

use super::KeyCheck;
use super::judge::{Invariant, Judge, Verdict};
use super::overlap::{Fact, each_behind};
use super::register::{By, Register};

pub(super) struct Freshness {
    judge: Judge,
}

impl Freshness {
    pub(super) fn new() -> Freshness {
        Freshness { judge: Judge::new(Invariant::Freshness) }
    }
}

/// What is known of each acknowledged write.
pub(super) fn acknowledged(register: &Register<'_>) -> Vec<Fact> {
    let known = register.writes.iter().filter_map(|write| Some((write, write.version()?)));
    known
        .flat_map(|(write, version)| {
            write.acks.iter().map(move |acked| Fact {
                begun: write.begun,
                from: acked.at,
                copies: acked.required,
                version,
                op: write.op,
            })
        })
        .collect()
}

impl KeyCheck for Freshness {
    fn look(&mut self, register: &Register<'_>) {
        let n = usize::from(register.promise.n);
        let acknowledged = acknowledged(register);
        let Some(widest) = acknowledged.iter().map(|fact| fact.copies).max() else { return };
        self.judge.looked(register.sights.iter().filter(|sight| sight.required + widest > n).count());
        each_behind(register, acknowledged, register.sights.iter(), |sight, fact| {
            self.judge.violated(Some(register.key), &[fact.op, sight.op], || {
                format!(
                    "#{} at {} read {}, {:.3} ms after #{} had been acknowledged as {}",
                    register.id(sight.op),
                    sight.level,
                    seen(sight.version),
                    (sight.begun.0 - fact.from.0) as f64 / 1e6,
                    register.id(fact.op),
                    fact.version
                )
            });
        });
    }

    fn verdict(self: Box<Self>) -> Verdict {
        self.judge.verdict()
    }
}

pub(super) struct MonotonicReads {
    judge: Judge,
}

impl MonotonicReads {
    pub(super) fn new() -> MonotonicReads {
        MonotonicReads { judge: Judge::new(Invariant::MonotonicReads) }
    }
}

impl KeyCheck for MonotonicReads {
    fn look(&mut self, register: &Register<'_>) {
        if register.promise.read_repair != Some(ReadRepairPolicy::Blocking) {
            self.judge.note("promised by blocking read repair only");
            return;
        }
        let gets = || register.sights.iter().filter(|sight| sight.by != By::Scan);
        let facts = gets().filter_map(|sight| {
            let (begun, from, copies) = (sight.begun, sight.at, sight.required);
            Some(Fact { begun, from, copies, version: sight.version?, op: sight.op })
        });
        self.judge.looked(gets().count());
        each_behind(register, facts.collect(), gets(), |sight, fact| {
            self.judge.violated(Some(register.key), &[fact.op, sight.op], || {
                let (earlier, later) = (register.id(fact.op), register.id(sight.op));
                let (level, seen) = (sight.level, seen(sight.version));
                format!("#{later} at {level} read {seen}, after #{earlier} had read {}", fact.version)
            });
        });
    }

    fn verdict(self: Box<Self>) -> Verdict {
        self.judge.verdict()
    }
}

fn seen(version: Option<quorate_types::Version>) -> String {
    version.map_or_else(|| "nothing".to_owned(), |version| version.to_string())
}
