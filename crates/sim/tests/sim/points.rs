//! Named points: a crash at one stops everything behind it.

use std::time::Duration;

use quorate_sim::cluster::{Cluster, ClusterSpec, Moment};
use quorate_sim::plan::{Plan, PlanInvalid};
use quorate_sim::run::run;
use quorate_types::points::Point;
use quorate_types::{Level, NodeId};

fn point(name: &str) -> Point {
    Point::find(name).unwrap()
}

fn node(k: usize) -> NodeId {
    quorate_sim::cluster::node_id(k)
}

/// Three nodes that hold every key, without a sync of less than a millisecond.
fn three() -> Cluster {
    let mut spec = ClusterSpec::default().with_nodes(3);
    (spec.tuning.sync_us_least, spec.tuning.sync_us_most) = (1_000, 1_000);
    Cluster::start(5, spec)
}

/// How many of the other replicas hold `key` after node 1 died when it had sent a write of it, at this moment; and
/// whether node 1 itself holds it after its return.
fn after_a_death_at_its_sending(moment: Moment) -> (usize, bool) {
    let mut cluster = three();
    cluster.crash_at(1, point("write.sent"), 1, moment);
    let request = cluster.put_request("key", "value", Level::Quorum);
    cluster.send(1, request);
    cluster.run_for(Duration::from_millis(20));
    assert!(!cluster.is_up(1));
    assert_eq!(cluster.take_fall(1), Some(point("write.sent")));
    let others = [2, 3].into_iter().filter(|k| cluster.copy(*k, b"key").is_some()).count();
    cluster.restart(1);
    (others, cluster.copy(1, b"key").is_some())
}

#[test]
fn of_a_turn_that_dies_there_nothing_leaves_and_of_one_that_dies_behind_its_frames_only_these() {
    assert_eq!(after_a_death_at_its_sending(Moment::There), (0, false));
    assert_eq!(after_a_death_at_its_sending(Moment::Frames), (2, false));
}

#[test]
fn a_death_behind_the_nth_passing_lets_those_before_it_go_by() {
    let mut cluster = three();
    cluster.crash_at(1, point("write.sent"), 3, Moment::There);
    assert!(cluster.put(1, "a", "1", Level::All).is_written());
    assert!(cluster.put(1, "b", "2", Level::All).is_written());
    let request = cluster.put_request("c", "3", Level::All);
    cluster.send(1, request);
    cluster.run_for(Duration::from_millis(20));
    assert!(!cluster.is_up(1));
    assert_eq!(cluster.copy(2, b"c"), None);
}

/// The number of the checkpoint that node 1 recovers, if it dies at `name` while its second is taken.
fn checkpoint_after_a_death_at(name: &str) -> u64 {
    let mut cluster = three();
    cluster.put(1, "key", "value", Level::All);
    cluster.checkpoint(1);
    cluster.crash_at(1, point(name), 1, Moment::There);
    cluster.begin_checkpoint(1);
    cluster.run_for(Duration::from_millis(50));
    assert!(!cluster.is_up(1), "{name}");
    cluster.restart(1);
    assert!(cluster.copy(1, b"key").is_some(), "{name}");
    cluster.report(1).unwrap().checkpoint
}

#[test]
fn a_checkpoint_that_dies_before_its_manifest_is_published_serves_no_more_and_one_behind_it_does() {
    for before in ["begun", "part_begun", "slice", "part_synced", "log_synced", "parts_named"] {
        assert_eq!(checkpoint_after_a_death_at(&format!("checkpoint.{before}")), 1, "{before}");
    }
    for behind in ["published", "log_cut", "swept"] {
        assert_eq!(checkpoint_after_a_death_at(&format!("checkpoint.{behind}")), 2, "{behind}");
    }
}

#[test]
fn a_start_that_dies_at_any_of_its_steps_can_be_tried_again_and_loses_nothing() {
    let steps = Point::all().filter(|point| point.name().starts_with("start."));
    let mut count = 0;
    for step in steps {
        let mut cluster = three();
        cluster.put(2, "key", "value", Level::All);
        cluster.kill(1);
        cluster.crash_at(1, step, 1, Moment::There);
        cluster.try_restart(1).unwrap_err();
        assert_eq!(cluster.take_fall(1), Some(step));
        assert!(cluster.lose_power_if_dark(1));
        cluster.restart(1);
        assert!(cluster.copy(1, b"key").is_some(), "{}", step.name());
        count += 1;
    }
    assert_eq!(count, 5);
}

#[test]
fn hints_that_were_not_synced_when_their_node_died_are_gone_and_those_that_were_are_delivered() {
    for (name, kept) in [("hint.staged", 0), ("hint.synced", 1)] {
        let mut cluster = three();
        cluster.kill(3);
        cluster.run_for(Duration::from_millis(50));
        cluster.crash_at(1, point(name), 1, Moment::There);
        let request = cluster.put_request("key", "value", Level::Quorum);
        cluster.send(1, request);
        cluster.run_for(Duration::from_millis(50));
        assert!(!cluster.is_up(1), "{name}");
        cluster.restart(1);
        let hints = cluster.durable_hints(1).get(&node(3)).copied().unwrap_or(0);
        assert_eq!(hints, kept, "{name}");
    }
}

#[test]
fn a_plan_with_a_point_that_is_not_there_is_refused_by_name() {
    let text = |point: &str| {
        format!(
            "seed = 1\nrun_ms = 100\n[[step]]\nat_ms = 5\n[step.do.fault.crash_at]\nnode = 1\npoint = \"{point}\"\nnth = 1\nback = {{}}\n"
        )
    };
    let plan = Plan::parse(&text("write.sent")).unwrap();
    assert_eq!(Plan::parse(&plan.to_toml()).unwrap(), plan);
    let Err(PlanInvalid::Syntax(why)) = Plan::parse(&text("write.snet")) else { panic!("it was taken") };
    assert!(why.contains("no point at which a replica may die is called \"write.snet\""), "{why}");
    assert!(Plan::parse(&text("link.closed")).is_err(), "a rare branch is no death");
}

#[test]
fn a_run_with_rare_branches_takes_them_alike_each_time_and_without_them_none() {
    let rare = |plan: &Plan| -> Vec<(&'static str, u64)> {
        let tally = run(plan).tally;
        let kinds = Point::all().filter(|point| point.kind() == quorate_types::points::Kind::Rare);
        kinds.map(|point| (point.name(), tally.get(point.name()).copied().unwrap_or(0))).collect()
    };
    let shape = quorate_sim::plan::Shape { run_ms: 2_000, nodes: Some(3) };
    let mut taken = 0;
    for seed in 0..3 {
        let mut plan = Plan::draw(seed, shape);
        plan.cluster.tuning.rare_branches = true;
        let first = rare(&plan);
        assert_eq!(first, rare(&plan), "seed {seed}");
        taken += first.iter().map(|(_, count)| count).sum::<u64>();
        plan.cluster.tuning.rare_branches = false;
        assert!(rare(&plan).iter().all(|(_, count)| *count == 0), "seed {seed}");
    }
    assert!(taken > 0);
}
