//! The same seed gives the same run; a healed partition converges.

use std::time::Duration;

use quorate_sim::cluster::{Cluster, ClusterSpec};
use quorate_sim::plan::{Plan, Shape};
use quorate_sim::run::run;
use quorate_types::Level;

/// Four nodes, a partition, writes on both sides, heal, quiet.
fn partitioned_run(seed: u64, shards: usize) -> Cluster {
    let mut cluster = Cluster::start(seed, ClusterSpec::default().with_shards(shards));
    cluster.partition(&[1, 2], &[3, 4]);
    cluster.run_for(Duration::from_secs(3));
    for i in 0..40 {
        cluster.put(1 + i % 4, &format!("key-{}", i % 10), &format!("value-{i}"), Level::One);
    }
    cluster.unite(&[1, 2], &[3, 4]);
    cluster.run_until_converged(Duration::from_mins(2)).unwrap();
    cluster
}

#[test]
fn writes_on_both_sides_of_a_partition_converge_after_it_heals() {
    for (seed, shards) in [(10, 1), (11, 2)] {
        let mut cluster = partitioned_run(seed, shards);
        for i in 0..10 {
            let key = format!("key-{i}");
            let values: Vec<_> = (1..=4).map(|k| cluster.value(k, &key, Level::One)).collect();
            assert!(
                values[0].is_some() && values.iter().all(|v| *v == values[0]),
                "{key}: {values:?} (seed {seed})"
            );
        }
    }
}

/// Long enough for crashes, repairs and checkpoints of the trace.
const SHAPE: Shape = Shape { run_ms: 1_500, nodes: None };

/// The hashes of a run: of its trace, and of what was counted.
fn hashes(seed: u64) -> String {
    let report = run(&Plan::draw(seed, SHAPE));
    assert!(report.is_well(), "{}", report.text);
    let counts = format!("{:?} {:?} {:?}", report.tally, report.operations, report.network);
    let (events, hash) = (report.trace.events(), report.trace.hash());
    format!("{seed}: {events} {hash:016x} {:016x}", xxhash_rust::xxh3::xxh3_64(counts.as_bytes()))
}

#[test]
fn a_hundred_runs_of_a_seed_in_one_process_are_the_same() {
    let first = hashes(3);
    assert!((1..100).all(|_| hashes(3) == first));
    assert_ne!(hashes(4).split_once(':').unwrap().1, first.split_once(':').unwrap().1);
}

/// What [`a_run_in_another_process_is_the_same`] starts: prints the hashes of the seed that it is told.
#[test]
fn prints_its_hashes_if_it_is_told_a_seed() {
    if let Ok(seed) = std::env::var("HASHES_OF_SEED") {
        println!("hashes {}", hashes(seed.parse().unwrap()));
    }
}

/// How many processes [`a_run_in_another_process_is_the_same`] starts, unless `PROCESSES` says another number.
const PROCESSES: u64 = 12;
/// Their seeds.
const SEEDS: std::ops::Range<u64> = 5..9;

#[test]
fn a_run_in_another_process_is_the_same() {
    let asked = std::env::var("PROCESSES").map(|number| number.parse().expect("PROCESSES is a number"));
    let processes: u64 = asked.unwrap_or(PROCESSES);
    let here: Vec<(u64, String)> = SEEDS.map(|seed| (seed, hashes(seed))).collect();
    for process in 0..processes {
        let (seed, hashes) = &here[process as usize % here.len()];
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "determinism::prints_its_hashes_if_it_is_told_a_seed", "--nocapture"])
            .env("HASHES_OF_SEED", seed.to_string())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(&format!("hashes {hashes}")), "process {process}, seed {seed}: {text}");
    }
}
