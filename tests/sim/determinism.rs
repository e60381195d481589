//! The same seed gives the same run; a healed partition converges.

use std::time::Duration;

use quorate_types::Level;

use crate::lab::{Lab, LabSpec};

/// Four nodes, a partition, writes on both sides, heal, quiet.
fn partitioned_run(seed: u64, shards: usize) -> Lab {
    let mut lab = Lab::start(LabSpec::new(seed).with_shards(shards));
    lab.partition(&[1, 2], &[3, 4]);
    lab.run_for(Duration::from_secs(3));
    for i in 0..40 {
        lab.put(1 + i % 4, &format!("key-{}", i % 10), &format!("value-{i}"), Level::One);
    }
    lab.unite(&[1, 2], &[3, 4]);
    lab.run_until_converged(Duration::from_mins(2));
    lab
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let traces = [1, 1, 2].map(|seed| partitioned_run(seed, 2).trace());
    assert_eq!(traces[0], traces[1]);
    assert_ne!(traces[0], traces[2]);
}

#[test]
fn writes_on_both_sides_of_a_partition_converge_after_it_heals() {
    for (seed, shards) in [(10, 1), (11, 2)] {
        let mut lab = partitioned_run(seed, shards);
        for i in 0..10 {
            let key = format!("key-{i}");
            let values: Vec<_> = (1..=4).map(|k| lab.value(k, &key, Level::One)).collect();
            assert!(
                values[0].is_some() && values.iter().all(|v| *v == values[0]),
                "{key}: {values:?} (seed {seed})"
            );
        }
    }
}
