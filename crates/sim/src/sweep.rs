//! Many runs, added up.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::plan::Fault;
use crate::run::{Ending, Report};
use crate::sometimes;

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
    /// Seeds in which a promise was broken, in order.
    pub bad: Vec<u64>,
    /// Seeds in which none was, but not everything could be decided, in order.
    pub undecided: Vec<u64>,
}

impl Sweep {
    /// Takes in one run.
    pub fn add(&mut self, report: &Report) {
        self.runs += 1;
        self.simulated += report.simulated;
        self.events += report.trace.events();
        let seeds = match report.ending() {
            Ending::Well => None,
            Ending::Undecided => Some(&mut self.undecided),
            Ending::Violated => Some(&mut self.bad),
        };
        if let Some(seeds) = seeds {
            seeds.insert(seeds.partition_point(|seed| *seed < report.seed), report.seed);
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

    /// How it ended: as the worst of its runs.
    pub fn ending(&self) -> Ending {
        match (self.bad.is_empty(), self.undecided.is_empty()) {
            (false, _) => Ending::Violated,
            (true, false) => Ending::Undecided,
            (true, true) => Ending::Well,
        }
    }

    /// How often what is called so happened, of whatever kind it is.
    pub fn count(&self, name: &str) -> u64 {
        let kinds = [&self.faults, &self.sometimes, &self.operations, &self.network];
        kinds.iter().filter_map(|kind| kind.get(name)).sum()
    }

    /// What must happen now and then ([`sometimes`]), and never did in these runs.
    pub fn never_fired(&self) -> impl Iterator<Item = &'static str> + '_ {
        sometimes::names().filter(|name| self.count(name) == 0)
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
        self.undecided.extend(other.undecided);
        self.undecided.sort_unstable();
    }
}

fn add_to(sum: &mut BTreeMap<&'static str, u64>, more: &BTreeMap<&'static str, u64>) {
    for (name, count) in more {
        *sum.entry(name).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Plan, Shape};
    use crate::run::{Violation, run};

    #[test]
    fn a_run_that_left_something_undecided_has_not_ended_well_and_its_seed_is_kept() {
        let plan = Plan::draw(1, Shape { run_ms: 50, nodes: None });
        let well = run(&plan);
        assert_eq!(well.ending(), Ending::Well, "{}", well.text);
        let open =
            Report { seed: 8, undecided: vec!["linearizability: no steps left".into()], ..well.clone() };
        let broken = Violation { about: "durability", key: None, what: "a write is gone".into() };
        let bad = Report { seed: 5, violations: vec![broken], ..open.clone() };
        let mut sweep = Sweep::default();
        sweep.add(&well);
        assert_eq!(sweep.ending(), Ending::Well);
        sweep.add(&open);
        assert!(!open.is_well());
        assert_eq!((sweep.ending(), &sweep.undecided[..]), (Ending::Undecided, &[8][..]));
        sweep.add(&bad);
        let (ending, seeds) = (sweep.ending(), (sweep.bad, sweep.undecided));
        assert_eq!((ending, seeds), (Ending::Violated, (vec![5], vec![8])));
    }
}
