//! From a plan that ends badly to a small one that still does.
//!
//! Delta debugging over the steps (Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, TSE 2002),
//! then whatever else can be made plainer: tunables back to their defaults, fewer keyspaces, shards and nodes. Each
//! candidate is run; streams of chance are by name, so that taking a step out leaves the rest as it was.

use crate::cluster::{ClusterSpec, KeyspaceSpec, Tuning};
use crate::plan::{Act, Plan, Step};

/// The outcome of shrinking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The smallest plan found that still ends badly.
    pub plan: Plan,
    /// Plans that were run.
    pub runs: u64,
    /// Whether it stopped because `runs_max` was reached, and not because nothing smaller ends badly.
    pub gave_up: bool,
}

/// Makes `plan`, which ends badly, smaller, as long as `ends_badly` holds of it; runs at most `runs_max` plans.
pub fn shrink(plan: &Plan, runs_max: u64, ends_badly: impl FnMut(&Plan) -> bool) -> Shrunk {
    let mut search = Search { best: plan.clone(), runs: 0, runs_max, ends_badly };
    loop {
        let before = search.best.clone();
        search.fewer_steps();
        search.plainer_cluster();
        search.shorter();
        if search.best == before || search.is_over() {
            break;
        }
    }
    Shrunk { gave_up: search.is_over(), runs: search.runs, plan: search.best }
}

struct Search<F> {
    best: Plan,
    runs: u64,
    runs_max: u64,
    ends_badly: F,
}

impl<F: FnMut(&Plan) -> bool> Search<F> {
    fn is_over(&self) -> bool {
        self.runs >= self.runs_max
    }

    /// Whether the candidate ends badly too; then it is the best.
    fn take(&mut self, candidate: Plan) -> bool {
        let candidate = candidate.without_dangling();
        if self.is_over() || candidate == self.best || candidate.check().is_err() {
            return false;
        }
        self.runs += 1;
        let bad = (self.ends_badly)(&candidate);
        if bad {
            self.best = candidate;
        }
        bad
    }

    /// Takes out ever smaller pieces, from the end, where the steps are that came too late to matter.
    fn fewer_steps(&mut self) {
        let mut piece = self.best.steps.len().div_ceil(2).max(1);
        loop {
            let mut end = self.best.steps.len();
            while end > 0 {
                let from = end.saturating_sub(piece);
                let mut steps = self.best.steps.clone();
                steps.drain(from..end.min(steps.len()));
                self.take(Plan { steps, ..self.best.clone() });
                end = from.min(self.best.steps.len());
            }
            if piece == 1 || self.is_over() {
                return;
            }
            piece /= 2;
        }
    }

    /// Ends the run just behind the last step, if that is enough.
    fn shorter(&mut self) {
        let last = self.best.steps.last().map_or(0, |step| step.at_ms);
        for run_ms in [last + 1, last + 5_000] {
            if run_ms < self.best.run_ms && self.take(Plan { run_ms, ..self.best.clone() }) {
                return;
            }
        }
    }

    fn plainer_cluster(&mut self) {
        for change in CHANGES {
            let mut plan = self.best.clone();
            change(&mut plan.cluster);
            self.take(plan);
        }
        let last = self.best.cluster.keyspaces.len() - 1;
        for space in (0..=last).rev().filter(|_| last > 0) {
            let plan = without_space(&self.best, space);
            self.take(plan);
        }
    }
}

/// One thing made plainer.
type Change = fn(&mut ClusterSpec);

const CHANGES: &[Change] = &[
    |cluster| cluster.tuning = Tuning::default(),
    |cluster| cluster.keyspaces.iter_mut().for_each(|space| *space = plain(space)),
    |cluster| cluster.shards = 1,
    |cluster| cluster.order = crate::kernel::Order::Arrival,
    |cluster| cluster.nodes -= 1,
    |cluster| cluster.tuning.rare_branches = false,
    |cluster| cluster.tuning.turn_us = 0,
    |cluster| cluster.tuning.sync_us_most = cluster.tuning.sync_us_least,
    |cluster| cluster.tuning.wal_segment_bytes = Tuning::default().wal_segment_bytes,
    |cluster| cluster.tuning.hint_segment_bytes = Tuning::default().hint_segment_bytes,
    |cluster| cluster.tuning.hint_bytes_per_target_max = Tuning::default().hint_bytes_per_target_max,
    |cluster| cluster.tuning.slice_bytes = Tuning::default().slice_bytes,
    |cluster| cluster.tuning.slice_us = Tuning::default().slice_us,
    |cluster| cluster.tuning.session_numbers = Tuning::default().session_numbers,
    |cluster| cluster.tuning.clock_parked_max = Tuning::default().clock_parked_max,
    |cluster| cluster.tuning.hints_pending_max = Tuning::default().hints_pending_max,
    |cluster| cluster.tuning.peer_requests_max = Tuning::default().peer_requests_max,
    |cluster| cluster.tuning.link_outstanding_batches_max = Tuning::default().link_outstanding_batches_max,
    |cluster| cluster.tuning.link_outstanding_bytes_max = Tuning::default().link_outstanding_bytes_max,
    |cluster| cluster.tuning.clock_ahead_ms = Tuning::default().clock_ahead_ms,
    |cluster| cluster.tuning.digest_above_bytes = Tuning::default().digest_above_bytes,
];

fn plain(space: &KeyspaceSpec) -> KeyspaceSpec {
    KeyspaceSpec { name: space.name.clone(), n: space.n, ..KeyspaceSpec::default() }
}

/// The plan without a keyspace and what was asked of it.
fn without_space(plan: &Plan, gone: usize) -> Plan {
    let mut plan = plan.clone();
    plan.cluster.keyspaces.remove(gone);
    plan.steps.retain(|step| !matches!(&step.act, Act::Ask(ask) if ask.space == gone));
    for Step { act, .. } in &mut plan.steps {
        if let Act::Ask(ask) = act
            && ask.space > gone
        {
            ask.space -= 1;
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Fault, Shape};

    fn cuts_power_of(plan: &Plan, nodes: &[usize]) -> bool {
        let cut = |node: &usize| {
            plan.faults().any(|(_, fault)| matches!(fault, Fault::CutPower { node: at, .. } if at == node))
        };
        nodes.iter().all(cut)
    }

    /// A plan of many steps in which the power of nodes 1 and 2 is cut.
    fn large() -> Plan {
        let shape = Shape { nodes: Some(4), ..Shape::default() };
        (0..1_000).map(|seed| Plan::draw(seed, shape)).find(|plan| cuts_power_of(plan, &[1, 2])).unwrap()
    }

    #[test]
    fn what_remains_is_what_the_bad_end_needs_in_the_plainest_cluster() {
        let shrunk = shrink(&large(), 10_000, |plan| cuts_power_of(plan, &[1, 2]));
        let names: Vec<_> = shrunk.plan.faults().map(|(_, fault)| fault.name()).collect();
        assert_eq!((names, shrunk.plan.steps.len()), (vec!["power cut"; 2], 2));
        let cluster = &shrunk.plan.cluster;
        let n = cluster.keyspaces[0].n;
        assert_eq!((cluster.nodes, &cluster.tuning), (n.max(2), &Tuning::default()));
        assert!(!shrunk.gave_up && shrunk.runs < 2_000, "{} runs", shrunk.runs);
    }

    #[test]
    fn it_stops_after_as_many_runs_as_it_may() {
        let shrunk = shrink(&large(), 10, |plan| cuts_power_of(plan, &[1, 2]));
        assert!(shrunk.gave_up);
        assert_eq!(shrunk.runs, 10);
        assert!(cuts_power_of(&shrunk.plan, &[1, 2]));
    }

    #[test]
    fn without_a_keyspace_the_others_keep_their_requests() {
        let plan = Plan::draw(1, Shape::default());
        let mut two = plan.clone();
        two.cluster.keyspaces =
            ["a", "b"].map(|name| KeyspaceSpec { name: name.into(), n: 1, ..KeyspaceSpec::default() }).into();
        for (i, step) in two.steps.iter_mut().enumerate() {
            if let Act::Ask(ask) = &mut step.act {
                ask.space = i % 2;
            }
        }
        let kept = without_space(&two, 0);
        assert_eq!(kept.cluster.keyspaces[0].name, "b");
        let asks = |plan: &Plan, space| {
            plan.steps.iter().filter(|s| matches!(&s.act, Act::Ask(a) if a.space == space)).count()
        };
        assert_eq!(asks(&kept, 0), asks(&two, 1));
        assert_eq!(kept.without_dangling().check(), Ok(()));
    }
}
