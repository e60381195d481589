//! Level LINEARIZABLE: each key is a register, though clocks are up to 10 s wrong and everything fails.
//!
//! `LINEARIZABLE_SEED=17 cargo test -p quorate-sim --test sim linearizable` runs one seed, `LINEARIZABLE_SEEDS=500` so many,
//! from `LINEARIZABLE_FROM=1000` on. Sweeps want `--release`.

mod faults;
mod story;

use std::env;

use quorate_types::Level;

use quorate_sim::check::Decision;
use story::{Levels, Story, Tally};

/// Seeds that every test run looks at.
const SEEDS: u64 = 15;

/// What the level promises something for. Keyspaces' read repair is off: reads at this level repair all the same.
const PROMISED: Levels = Levels { read: Level::Linearizable, write: Level::Linearizable };
/// Writes are stamped by the coordinator's clock alone.
const WITHOUT_FIRST_PHASE: Levels = Levels { read: Level::Linearizable, write: Level::Quorum };
/// Reads answer the newest of a majority, whoever else has it.
const WITHOUT_WRITE_BACK: Levels = Levels { read: Level::Quorum, write: Level::Linearizable };

/// Runs one seed: what went wrong, as text, and what happened.
fn run(seed: u64, levels: Levels) -> (Option<String>, Tally) {
    let mut story = Story::new(seed, levels);
    let bad = story.go().into_iter().find(|(_, decision)| *decision != Decision::Linearizable);
    let text = bad.map(|(key, decision)| {
        format!(
            "seed {seed}: {decision:?}, {levels:?}; the history of {key} (begin, end):\n{}again: \
             LINEARIZABLE_SEED={seed} cargo test -p quorate-sim --test sim linearizable",
            story.table(key)
        )
    });
    (text, story.tally)
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn add(sum: &mut Tally, tally: Tally) {
    for (name, count) in tally {
        *sum.entry(name).or_default() += count;
    }
}

#[test]
fn under_clocks_ten_seconds_wrong_and_all_faults_every_key_is_a_register() {
    let one = number("LINEARIZABLE_SEED");
    let from = one.or(number("LINEARIZABLE_FROM")).unwrap_or(1);
    let count = if one.is_some() { 1 } else { number("LINEARIZABLE_SEEDS").unwrap_or(SEEDS) };
    let mut sum = Tally::new();
    let mut bad = Vec::new();
    for seed in from..from + count {
        let (wrong, tally) = run(seed, PROMISED);
        add(&mut sum, tally);
        if let Some(text) = wrong {
            eprintln!("{text}");
            bad.push(seed);
        }
    }
    eprintln!("{count} seeds: {sum:#?}");
    assert!(bad.is_empty(), "{} of {count} seeds: {bad:?}", bad.len());
    if one.is_none() {
        assert_most_succeeded(&sum);
        let never = |name: &&&str| sum.get(**name).is_none_or(|times| *times == 0);
        let missing: Vec<_> = MUST_HAPPEN.iter().filter(never).collect();
        assert!(missing.is_empty(), "never happened: {missing:?}");
    }
}

/// A store that refuses everything is linearizable, too.
fn assert_most_succeeded(sum: &Tally) {
    let count = |names: &[&str]| names.iter().filter_map(|name| sum.get(name)).sum::<u64>();
    let good = count(&["reads answered", "writes written"]);
    let all = good + count(&["reads failed", "writes refused", "writes left open"]);
    assert!(2 * good >= all, "only {good} of {all} operations succeeded");
}

/// A run of the default seeds in which one of these never happens tests less than it seems to.
const MUST_HAPPEN: &[&str] = &[
    "killed",
    "power cut",
    "power cut in the middle of something",
    "power cut of all",
    "paused",
    "cut one way",
    "partitioned",
    "network changed",
    "clock jumped",
    "clock drifts",
    "clock strobes",
    "clogged",
    "disk stalled",
    "disk full",
    "sync failed",
    "write failed",
    "log failed",
    "crashed at a point",
    "request sent twice",
    "sent again with its version",
    "writes left open",
    "writes refused",
    "queries_failed",
    "repairs_blocking",
    "clock_parked",
    "hints_replayed",
];

/// The first seed with a violation, of 200 from `from` on: not far before the first that was found to have one, for
/// each costs seconds.
fn convicted(levels: Levels, from: u64) -> u64 {
    let is_bad = |seed: &u64| run(*seed, levels).0.is_some_and(|text| text.contains("NotLinearizable"));
    (from..from + 200).find(is_bad).expect("the test finds nothing: it could not fail")
}

#[test]
fn without_the_first_phase_of_writes_a_violation_is_found() {
    eprintln!("seed {}", convicted(WITHOUT_FIRST_PHASE, 1));
}

#[test]
fn without_the_write_back_of_reads_a_violation_is_found() {
    eprintln!("seed {}", convicted(WITHOUT_WRITE_BACK, 15));
}
