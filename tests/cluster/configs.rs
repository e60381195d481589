//! The shipped configurations, each run as it is but for its addresses.

use std::path::Path;

use quorate_types::Level;

use crate::harness::Cluster;

fn shipped(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("shipped")
}

#[test]
fn the_shipped_cluster_toml_runs_four_nodes_with_three_copies_at_quorum() {
    let cluster = Cluster::start_config(&shipped("cluster.toml"), 4);
    cluster.put(1, "k", "v", Level::Quorum).expect("written");
    for k in 1..=4 {
        assert_eq!(cluster.get(k, "k", Level::Quorum).expect("answered").as_deref(), Some("v"));
    }
    assert_eq!(cluster.explain(1, "k").n, 3);
}

#[test]
fn the_classic_four_hold_every_key_and_answer_at_one_and_two() {
    let cluster = Cluster::start_config(&shipped("docs/configs/classic-four.toml"), 4);
    cluster.put(1, "k", "v", Level::Two).expect("written");
    cluster.put(2, "j", "w", Level::One).expect("written");
    cluster.await_that("both keys are on all four", || {
        ["k", "j"]
            .iter()
            .all(|key| (1..=4).all(|k| cluster.get(k, key, Level::One).is_ok_and(|v| v.is_some())))
    });
    assert_eq!(cluster.explain(1, "k").n, 4);
}

#[test]
fn a_single_node_serves_with_one_copy() {
    let cluster = Cluster::start_config(&shipped("docs/configs/single.toml"), 1);
    cluster.put(1, "k", "v", Level::All).expect("written");
    assert_eq!(cluster.get(1, "k", Level::One).expect("answered").as_deref(), Some("v"));
}
