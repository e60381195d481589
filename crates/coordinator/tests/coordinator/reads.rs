//! Reads without repair: whom they ask, what they answer, when they give up.

use std::time::Duration;

use quorate_coordinator::{HedgePolicy, KeyspacePolicy, ReadRepairPolicy};
use quorate_types::{Expiry, Level, Record, Refusal};
use quorate_wire::ReadResult;

use crate::desk::{Desk, Seat, at, put};

fn policy() -> KeyspacePolicy {
    KeyspacePolicy { read_repair: ReadRepairPolicy::Off, ..KeyspacePolicy::default() }
}

fn desk() -> Desk {
    Desk::new(policy())
}

fn large(t: u64, fill: &str) -> Record {
    put(t, &fill.repeat(5_000))
}

#[test]
fn a_read_asks_as_many_as_the_level_needs_and_the_newest_wins() {
    let mut desk = desk();
    assert_eq!(desk.get(Level::Quorum), ["read r0 whole", "read r1 up to 4096"]);
    assert_eq!(desk.holds(1, &put(9, "new")), [""; 0]);
    assert_eq!(desk.holds(0, &put(3, "old")), ["found new@9"]);
    assert!(desk.is_idle());
}

#[test]
fn the_coordinator_asks_itself_first_then_the_nearer_ones_then_in_the_order_of_the_ring() {
    let mut desk = Desk::with(policy(), Seat::Replica(2), |_| {});
    assert_eq!(desk.get(Level::All), ["read r2 whole", "read r0 up to 4096", "read r1 up to 4096"]);
    let mut desk = self::desk();
    for (replica, us) in [(0, 900), (1, 100), (2, 120)] {
        desk.live.p99.insert(desk.replicas[replica], Duration::from_micros(us));
    }
    assert_eq!(desk.get(Level::Two), ["read r1 whole", "read r2 up to 4096"]);
}

#[test]
fn too_few_alive_is_unavailable_and_a_dead_one_is_passed_over() {
    assert_eq!(desk().down(0).down(2).get(Level::Quorum), ["unavailable: 1 of 2 alive"]);
    assert_eq!(desk().down(0).get(Level::Quorum), ["read r1 whole", "read r2 up to 4096"]);
}

#[test]
fn absent_deleted_empty_and_expired_are_four_different_answers() {
    let expired = Record { expiry: Expiry { version: at(6), at_ms: Some(1_000_000) }, ..put(5, "gone") };
    let tombstone = Record::tombstone(at(7));
    for (record, answer) in [
        (None, "not found, expired None"),
        (Some(tombstone), "deleted 7"),
        (Some(put(5, "")), "found @5"),
        (Some(expired), "not found, expired Some(5)"),
    ] {
        let mut desk = desk();
        desk.get(Level::One);
        assert_eq!(desk.reply(0, ReadResult::Record(record)), [answer]);
    }
}

#[test]
fn expiry_is_judged_when_the_answer_is_given_by_the_coordinators_clock() {
    let expiring = Record { expiry: Expiry { version: at(5), at_ms: Some(1_000_500) }, ..put(5, "v") };
    for (waited_ms, answer) in [(499, "found v@5 until 1000500"), (500, "not found, expired Some(5)")] {
        let mut desk = desk();
        desk.get(Level::One);
        desk.wait_ms(waited_ms);
        assert_eq!(desk.holds(0, &expiring), [answer]);
    }
}

#[test]
fn value_and_expiry_are_merged_from_different_replicas() {
    let touched = Record { expiry: Expiry { version: at(8), at_ms: Some(2_000_000) }, ..put(3, "old") };
    let mut desk = desk();
    desk.get(Level::Two);
    desk.holds(0, &put(5, "new"));
    assert_eq!(desk.holds(1, &touched), ["found new@5 until 2000000"]);
}

#[test]
fn equal_digests_need_no_second_request() {
    let mut desk = desk();
    desk.get(Level::Two);
    desk.holds_digest(1, &large(5, "x"));
    assert_eq!(desk.holds(0, &large(5, "x")), ["found xxxxxxxx@5"]);
    assert_eq!(desk.coordinator.counters().digest_mismatches, 0);
}

#[test]
fn a_newer_digest_has_its_value_fetched_and_an_older_one_has_not() {
    let mut desk = desk();
    desk.get(Level::Two);
    desk.holds(0, &large(5, "x"));
    assert_eq!(desk.holds_digest(1, &large(6, "y")), ["read r1 whole"]);
    assert_eq!(desk.holds(1, &large(6, "y")), ["found yyyyyyyy@6"]);

    let mut desk = self::desk();
    desk.get(Level::Two);
    desk.holds(0, &large(5, "x"));
    assert_eq!(desk.holds_digest(1, &large(4, "y")), ["found xxxxxxxx@5"]);
}

#[test]
fn a_digest_that_comes_twice_does_not_stand_for_the_value_that_was_asked_for_next() {
    let mut desk = desk();
    desk.get(Level::Two);
    desk.holds(0, &large(5, "x"));
    desk.holds_digest(1, &large(6, "y"));
    assert_eq!(desk.holds_digest(1, &large(6, "y")), [""; 0]);
    assert_eq!(desk.holds(1, &large(6, "y")), ["found yyyyyyyy@6"]);
}

#[test]
fn a_newer_expiry_in_a_digest_needs_no_value() {
    let touched = Record { expiry: Expiry { version: at(8), at_ms: Some(2_000_000) }, ..large(3, "y") };
    let mut desk = desk();
    desk.get(Level::Two);
    desk.holds(0, &large(5, "x"));
    assert_eq!(desk.holds_digest(1, &touched), ["found xxxxxxxx@5 until 2000000"]);
}

#[test]
fn if_the_holder_of_the_newest_value_dies_before_it_is_fetched_another_replica_stands_in() {
    let mut desk = desk();
    desk.get(Level::Two);
    desk.holds(0, &large(5, "x"));
    assert_eq!(desk.holds_digest(1, &large(6, "y")), ["read r1 whole"]);
    assert_eq!(desk.dies(1), ["read r2 up to 4096"]);
    assert_eq!(desk.holds_digest(2, &large(5, "x")), ["found xxxxxxxx@5"]);
}

#[test]
fn a_digest_in_answer_to_a_request_for_the_value_counts_as_no_answer() {
    let mut desk = desk();
    desk.get(Level::One);
    assert_eq!(desk.holds_digest(0, &large(5, "x")), ["read r1 whole"]);
    assert_eq!(desk.holds(1, &large(5, "x")), ["found xxxxxxxx@5"]);
}

#[test]
fn a_replica_that_refuses_or_dies_is_replaced_by_the_next() {
    let mut desk = desk();
    desk.get(Level::Two);
    assert_eq!(desk.dies(0), ["read r2 whole"]);
    desk.holds(1, &put(5, "v"));
    assert_eq!(desk.holds(2, &put(5, "v")), ["found v@5"]);

    let mut desk = self::desk();
    desk.get(Level::One);
    assert_eq!(desk.will_not_read(0), ["read r1 whole"]);
    assert_eq!(desk.holds(1, &put(5, "v")), ["found v@5"]);
    assert_eq!(desk.receipt.unwrap().refused, [(desk.replicas[0], Refusal::NotReplica)]);
}

#[test]
fn a_level_that_can_no_longer_be_met_fails_at_once() {
    let mut desk = desk();
    desk.get(Level::All);
    desk.holds(0, &put(5, "v"));
    assert_eq!(desk.dies(2), ["timed out: 1 of 3"]);
    assert!(desk.is_idle());
    assert_eq!(desk.holds(1, &put(5, "v")), [""; 0]);
}

#[test]
fn a_read_that_everyone_refuses_is_rejected_by_the_first_reason() {
    let mut desk = desk();
    desk.get(Level::One);
    desk.will_not_read(0);
    desk.will_not_read(1);
    assert_eq!(desk.will_not_read(2), ["rejected: this node holds no copy of the key"]);
}

#[test]
fn at_the_deadline_a_read_with_too_few_answers_times_out() {
    let mut desk = Desk::with(policy(), Seat::Outside, |config| config.hedge.extra_percent_max = 0);
    desk.get(Level::Two);
    desk.holds(1, &put(5, "v"));
    assert_eq!(desk.wait_ms(1_999), [""; 0]);
    assert_eq!(desk.wait_ms(4), ["timed out: 1 of 2"]);
    assert!(desk.is_idle());
}

#[test]
fn duplicated_and_foreign_replies_do_not_count_towards_the_level() {
    let mut desk = desk();
    desk.get(Level::Two);
    desk.holds(0, &put(5, "v"));
    assert_eq!(desk.holds(0, &put(9, "w")), [""; 0]);
    assert_eq!(desk.holds(2, &put(9, "w")), [""; 0]);
    assert_eq!(desk.holds(1, &put(5, "v")), ["found v@5"]);
    let counters = desk.coordinator.counters();
    assert_eq!((counters.answers_duplicate, counters.answers_stale), (1, 1));
}

/// Twenty reads save up one extra request.
fn with_budget(mut desk: Desk) -> Desk {
    for _ in 0..20 {
        desk.get(Level::One);
        desk.wait(Duration::from_micros(100));
        desk.holds(0, &put(5, "v"));
    }
    desk
}

#[test]
fn a_slow_replica_is_hedged_after_its_p99_and_no_sooner_than_the_least_delay_once_per_read() {
    let mut desk = with_budget(desk().measured());
    assert_eq!(desk.get(Level::One), ["read r0 whole"]);
    assert_eq!(desk.wait(Duration::from_micros(900)), [""; 0]);
    assert_eq!(desk.wait_ms(3), ["read r1 whole"]);
    assert_eq!(desk.wait_ms(500), [""; 0]);
    assert_eq!(desk.holds(1, &put(6, "w")), ["found w@6"]);
    assert_eq!(desk.coordinator.counters().reads_hedged, 1);
    assert_eq!(desk.holds(0, &put(5, "v")), [""; 0]);
}

#[test]
fn an_unmeasured_replica_is_tried_before_a_measured_one_and_its_speed_is_learnt() {
    let mut desk = desk();
    for replica in [0, 1, 2] {
        assert_eq!(desk.get(Level::One), [format!("read r{replica} whole")]);
        desk.wait(Duration::from_micros([50, 100, 700][replica]));
        desk.holds(replica, &put(5, "v"));
    }
    assert_eq!(desk.get(Level::Two), ["read r0 whole", "read r1 up to 4096"]);
}

#[test]
fn without_budget_or_with_hedging_off_nobody_is_asked_beyond_the_level() {
    let mut poor = desk();
    poor.get(Level::One);
    assert_eq!(poor.wait_ms(1_000), [""; 0]);
    assert_eq!(poor.coordinator.counters().hedges_withheld, 1);
    let off = HedgePolicy { extra_percent_max: 0, ..HedgePolicy::default() };
    let mut desk = with_budget(Desk::with(policy(), Seat::Outside, |config| config.hedge = off).measured());
    desk.get(Level::One);
    assert_eq!(desk.wait_ms(1_000), [""; 0]);
}

#[test]
fn a_receipt_shows_the_versions_seen_and_when() {
    let mut desk = desk();
    desk.get(Level::Two);
    desk.wait_ms(1);
    desk.holds(1, &put(9, "new"));
    desk.wait_ms(1);
    desk.holds_nothing(0);
    let receipt = desk.receipt.take().unwrap();
    let seen: Vec<_> = receipt.answered.iter().map(|t| (t.node, t.elapsed_us, t.version)).collect();
    assert_eq!(seen, [(desk.replicas[1], 1_000, Some(at(9))), (desk.replicas[0], 2_000, None)]);
}
