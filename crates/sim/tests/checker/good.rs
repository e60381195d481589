//! Histories that are as they should be raise no alarm.

use quorate_sim::check::{Invariant, Ruling, check};

use crate::model::{Shape, run};
use crate::{history, verdict};

const SEEDS: u64 = 600;

fn assert_fine(seeds: std::ops::Range<u64>, shape: Shape) {
    for seed in seeds {
        let run = run(seed, shape);
        let history = history(&run.header, &run.events);
        let report = check(&history);
        assert_eq!(report.ruling(), Ruling::Holds, "seed {seed} of {shape:?}\n{}", report.text(&history));
    }
}

#[test]
fn a_cluster_that_does_everything_right_raises_no_alarm() {
    assert_fine(0..SEEDS, Shape::default());
    assert_fine(0..SEEDS / 4, Shape { clients: 12, ops: 250, keys: 2, ..Shape::default() });
}

#[test]
fn disks_that_were_lost_excuse_what_was_on_them_and_raise_no_alarm() {
    assert_fine(0..SEEDS, Shape { wipes: true, ..Shape::default() });
}

#[test]
fn the_models_histories_show_every_invariant_about_keys() {
    let mut judged = std::collections::BTreeMap::new();
    let mut stale = 0;
    for seed in 0..40 {
        let run = run(seed, Shape::default());
        let report = check(&history(&run.header, &run.events));
        for verdict in &report.verdicts {
            *judged.entry(verdict.invariant).or_insert(0) += verdict.judged;
        }
        stale += report.figures.reads.get("ONE").map_or(0, |reads| reads.stale);
    }
    for invariant in [
        Invariant::Phantoms,
        Invariant::Stamps,
        Invariant::ReplicaVersions,
        Invariant::Durability,
        Invariant::Freshness,
        Invariant::MonotonicReads,
        Invariant::Linearizability,
        Invariant::Resurrection,
        Invariant::Convergence,
        Invariant::Replies,
    ] {
        assert!(judged[&invariant] > 100, "{invariant:?}: {}", judged[&invariant]);
    }
    assert!(stale > 0, "reads at ONE are never stale");
}

#[test]
fn what_nothing_shows_is_not_judged_and_not_called_fine() {
    let run = run(1, Shape::default());
    let report = check(&history(&run.header, &[]));
    assert_eq!(report.ruling(), Ruling::NotJudged);
    assert_eq!(verdict(&report, Invariant::Freshness).ruling, Ruling::NotJudged);
}
