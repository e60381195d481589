//! Chaos: per seed a random cluster, random faults, random clients, and everything that must hold of what they saw.
//!
//! `CHAOS_SEED=17 cargo test -p quorate-sim --test sim chaos` runs one seed, `CHAOS_SEEDS=500` so many, from
//! `CHAOS_FROM=1000` on, with `CHAOS_FIRST=1` up to the first that fails; `CHAOS_MS=100000` lets each last so long.

use std::env;

use quorate_sim::plan::{Plan, Shape};
use quorate_sim::run::run;
use quorate_sim::sweep::Sweep;

/// Seeds that every test run looks at.
const SEEDS: u64 = 40;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn whatever_fails_nothing_acknowledged_is_lost_and_every_promise_of_the_levels_holds() {
    let one = number("CHAOS_SEED");
    let from = one.or(number("CHAOS_FROM")).unwrap_or(1);
    let count = if one.is_some() { 1 } else { number("CHAOS_SEEDS").unwrap_or(SEEDS) };
    let shape = Shape { run_ms: number("CHAOS_MS").unwrap_or(9_000), ..Shape::default() };
    let mut sweep = Sweep::default();
    for seed in from..from + count {
        let report = run(&Plan::draw(seed, shape));
        sweep.add(&report);
        if !report.is_well() {
            eprintln!("{}again: CHAOS_SEED={seed} cargo test -p quorate-sim --test sim chaos", report.text);
            if number("CHAOS_FIRST").is_some() {
                break;
            }
        }
    }
    if one.is_none() {
        eprintln!("{sweep:#?}");
    }
    assert!(sweep.bad.is_empty(), "{} of {count} seeds: {:?}", sweep.bad.len(), sweep.bad);
    assert!(sweep.undecided.is_empty(), "undecided: {:?}", sweep.undecided);
    if one.is_none() && count >= SEEDS {
        let missing: Vec<_> = sweep.never_fired().filter(|name| !RARE.contains(name)).collect();
        assert!(missing.is_empty(), "never happened: {missing:?}");
    }
}

/// What so few seeds need not show, and what no plan reaches today: `kvctl sim run --seeds` says of each whether it did.
const RARE: &[&str] = &[
    "disk rotten under a running replica",
    "hints_dropped",
    "hints_rerouted",
    "limit_peer_bytes",
    "stragglers_cut",
    "background_skipped",
    "reads_first",
    "peer_batches_too_old",
    "requests_rejected",
];
