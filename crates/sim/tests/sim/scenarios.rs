//! The named scenarios: the cases that people bring to a store of this kind. Each module is one, by its name.

mod faults;
mod levels;
mod reads;
mod recovery;
mod repair;

use std::time::Duration;

use quorate_types::Level;

use quorate_sim::cluster::{Cluster, ClusterSpec};

/// Runs a scenario with one shard and with two, from a few seeds each.
fn each(scenario: impl Fn(u64, ClusterSpec)) {
    for shards in [1, 2] {
        for seed in 1..=3 {
            scenario(seed, ClusterSpec::default().with_shards(shards));
        }
    }
}

/// Kills n2 of four replicas of every key and puts `k` through n1, which then holds a hint for n2.
fn put_while_n2_is_down(cluster: &mut Cluster) {
    cluster.kill(2);
    cluster.run_for(Duration::from_secs(1));
    assert!(cluster.put(1, "k", "v", Level::Three).is_written());
    cluster.run_for(Duration::from_secs(3));
}

/// The value that stands for nothing having been found.
const NONE: Option<String> = None;

#[expect(clippy::unnecessary_wraps, reason = "what a read is compared with")]
fn some(value: &str) -> Option<String> {
    Some(value.to_owned())
}
