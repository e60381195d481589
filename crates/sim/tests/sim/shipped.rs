//! The scenarios that ship do what they say.

use std::collections::BTreeSet;
use std::path::Path;

use quorate_sim::run::run;
use quorate_sim::scenarios::{NAMED, REGRESSIONS, Scenario, all};

/// With their own seed, and with a few others.
const SEEDS: u64 = 3;

fn ends_well(scenario: &Scenario) {
    let plan = scenario.plan().unwrap_or_else(|error| panic!("{}: {error}", scenario.name));
    assert!(plan.is_scenario(), "{} says what it shows", scenario.name);
    for (variant, plan) in plan.variants() {
        for seed in plan.seed..plan.seed + SEEDS {
            let report = run(&quorate_sim::plan::Plan { seed, ..plan.clone() });
            assert!(report.is_well(), "{} {variant}\n{}", scenario.name, report.text);
        }
    }
}

#[test]
fn every_named_scenario_ends_as_it_says() {
    NAMED.iter().for_each(ends_well);
}

#[test]
fn every_regression_stays_repaired() {
    REGRESSIONS.iter().for_each(ends_well);
}

#[test]
fn every_file_is_shipped_and_no_two_have_one_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (folder, shipped) in [("scenarios", NAMED), ("../../tests/regressions", REGRESSIONS)] {
        let files = std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let names: BTreeSet<String> = files
            .filter(|path| path.extension().is_some_and(|is| is == "toml"))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        let shipped: BTreeSet<String> = shipped.iter().map(|scenario| scenario.name.to_owned()).collect();
        assert_eq!(names, shipped, "in {folder}");
    }
    assert_eq!(all().map(|scenario| scenario.name).collect::<BTreeSet<_>>().len(), all().count());
}
