//! Many runs, added up.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::plan::Fault;
use crate::run::Report;

/// What many runs came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Runs.
    pub runs: u64,
    /// Virtual time of all of them.
    pub simulated: Duration,
    /// Events of all traces.
    pub events: u64,
    /// Faults by name.
    pub faults: BTreeMap<&'static str, u64>,
    /// Whatever else happened: *sometimes* counters, the nodes' counters.
    pub sometimes: BTreeMap<&'static str, u64>,
    /// Answers to clients by kind.
    pub operations: BTreeMap<&'static str, u64>,
    /// What became of frames.
    pub network: BTreeMap<&'static str, u64>,
    /// Reads that were answered, and how many of those were stale, by level.
    pub reads: BTreeMap<String, (u64, u64)>,
    /// What was judged, by invariant.
    pub judged: BTreeMap<&'static str, u64>,
    /// Seeds that ended badly, in order.
    pub bad: Vec<u64>,
}

impl Sweep {
    /// Takes in one run.
    pub fn add(&mut self, report: &Report) {
        self.runs += 1;
        self.simulated += report.simulated;
        self.events += report.trace.events();
        if !report.is_well() {
            let place = self.bad.partition_point(|seed| *seed < report.seed);
            self.bad.insert(place, report.seed);
        }
        for (name, count) in &report.tally {
            let to = if Fault::NAMES.contains(name) { &mut self.faults } else { &mut self.sometimes };
            *to.entry(name).or_default() += count;
        }
        add_to(&mut self.operations, &report.operations);
        let network = &report.network;
        for (name, count) in [
            ("frames sent", network.sent),
            ("frames dropped", network.dropped),
            ("frames duplicated", network.duplicated),
            ("frames reordered", network.reordered),
        ] {
            *self.network.entry(name).or_default() += count;
        }
        let Some(checked) = &report.checked else { return };
        for (level, reads) in &checked.figures.reads {
            let (answered, stale) = self.reads.entry(level.clone()).or_default();
            *answered += reads.answered;
            *stale += reads.stale;
        }
        for verdict in &checked.verdicts {
            *self.judged.entry(verdict.invariant.name()).or_default() += verdict.judged;
        }
    }

    /// How often what is called so happened, of whatever kind it is.
    pub fn count(&self, name: &str) -> u64 {
        let kinds = [&self.faults, &self.sometimes, &self.operations, &self.network];
        kinds.iter().filter_map(|kind| kind.get(name)).sum()
    }

    /// Takes in what somebody else added up.
    pub fn merge(&mut self, other: Sweep) {
        self.runs += other.runs;
        self.simulated += other.simulated;
        self.events += other.events;
        add_to(&mut self.faults, &other.faults);
        add_to(&mut self.sometimes, &other.sometimes);
        add_to(&mut self.operations, &other.operations);
        add_to(&mut self.network, &other.network);
        add_to(&mut self.judged, &other.judged);
        for (level, (answered, stale)) in other.reads {
            let sum = self.reads.entry(level).or_default();
            *sum = (sum.0 + answered, sum.1 + stale);
        }
        self.bad.extend(other.bad);
        self.bad.sort_unstable();
    }
}

fn add_to(sum: &mut BTreeMap<&'static str, u64>, more: &BTreeMap<&'static str, u64>) {
    for (name, count) in more {
        *sum.entry(name).or_default() += count;
    }
}
