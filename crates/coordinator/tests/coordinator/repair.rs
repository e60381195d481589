//! Read repair, in each of its strategies.

use quorate_coordinator::{CoordinatorConfig, KeyspacePolicy, ReadRepairPolicy};
use quorate_types::{Level, ReadRepair, Record};

use crate::desk::{Desk, Seat, at, put};

fn desk(read_repair: ReadRepairPolicy) -> Desk {
    Desk::new(KeyspacePolicy { read_repair, ..KeyspacePolicy::default() })
}

fn blocking() -> Desk {
    desk(ReadRepairPolicy::Blocking)
}

fn background() -> Desk {
    desk(ReadRepairPolicy::Background)
}

#[test]
fn blocking_repair_writes_the_winner_to_the_stale_replica_before_it_answers() {
    let mut desk = blocking();
    desk.get(Level::Quorum);
    desk.holds(0, &put(3, "old"));
    assert_eq!(desk.holds(1, &put(9, "new")), ["repair r0 new@9"]);
    assert_eq!(desk.wait_ms(10), [""; 0]);
    assert_eq!(desk.ack(0), ["found new@9"]);
    assert!(desk.is_idle());
    assert_eq!(desk.receipt.unwrap().repair, ReadRepair::Blocking(vec![desk.replicas[0]]));
}

#[test]
fn an_absent_copy_is_stale_and_a_tombstone_is_repaired_like_a_value() {
    let mut desk = blocking();
    desk.get(Level::Quorum);
    desk.holds_nothing(0);
    assert_eq!(desk.holds(1, &Record::tombstone(at(9))), ["repair r0 -@9"]);
    assert_eq!(desk.ack(0), ["deleted 9"]);
}

#[test]
fn a_merge_that_no_replica_holds_is_written_to_all_that_were_asked() {
    let touched =
        Record { expiry: quorate_types::Expiry { version: at(8), at_ms: Some(7) }, ..put(3, "old") };
    let mut desk = blocking();
    desk.get(Level::Quorum);
    desk.holds(0, &put(5, "new"));
    assert_eq!(desk.holds(1, &touched), ["repair r0 new@5 until 7", "repair r1 new@5 until 7"]);
    assert_eq!(desk.ack(1), [""; 0]);
    assert_eq!(desk.ack(0), ["not found, expired Some(5)"]);
}

#[test]
fn replicas_that_agree_are_answered_from_at_once() {
    let mut desk = blocking();
    desk.get(Level::Quorum);
    desk.holds(0, &put(5, "v"));
    assert_eq!(desk.holds(1, &put(5, "v")), ["found v@5"]);
    assert!(desk.is_idle());
}

#[test]
fn a_blocking_repair_that_is_not_acknowledged_times_out_and_makes_no_hint() {
    let mut desk = Desk::with(KeyspacePolicy::default(), Seat::Outside, |config: &mut CoordinatorConfig| {
        config.hedge.extra_percent_max = 0;
    });
    desk.get(Level::Quorum);
    desk.holds(0, &put(3, "old"));
    desk.holds(1, &put(9, "new"));
    assert_eq!(desk.wait_ms(2_010), ["timed out: 1 of 2"]);
    assert!(desk.is_idle());
    assert_eq!(desk.coordinator.counters().hints_taken, 0);
}

#[test]
fn a_stale_replica_that_can_not_be_repaired_is_replaced_by_one_that_was_not_asked() {
    let mut desk = blocking();
    desk.get(Level::Quorum);
    desk.holds(0, &put(3, "old"));
    desk.holds(1, &put(9, "new"));
    assert_eq!(desk.lose(0), ["repair r2 new@9"]);
    assert_eq!(desk.ack(2), ["found new@9"]);
    assert!(desk.is_idle());
}

#[test]
fn a_slow_blocking_repair_is_hedged_to_a_replica_that_was_not_asked() {
    let mut desk = blocking().measured();
    for _ in 0..20 {
        desk.get(Level::One);
        desk.holds(0, &put(1, "v"));
    }
    desk.get(Level::Quorum);
    desk.holds(0, &put(3, "old"));
    assert_eq!(desk.holds(1, &put(9, "new")), ["repair r0 new@9"]);
    assert_eq!(desk.wait_ms(4), ["repair r2 new@9"]);
    assert_eq!(desk.ack(2), ["found new@9"]);
    assert_eq!(desk.ack(0), [""; 0]);
    assert!(desk.is_idle());
}

#[test]
fn if_nobody_is_left_to_hold_the_winner_the_read_fails_at_once() {
    let mut desk = blocking().down(2);
    desk.get(Level::Quorum);
    desk.holds(0, &put(3, "old"));
    desk.holds(1, &put(9, "new"));
    assert_eq!(desk.refuse(0), ["timed out: 1 of 2"]);
}

#[test]
fn a_stale_answer_beyond_the_level_is_repaired_without_waiting() {
    let mut desk = blocking().measured();
    for _ in 0..20 {
        desk.get(Level::One);
        desk.holds(0, &put(1, "v"));
    }
    desk.get(Level::Two);
    desk.holds(0, &put(9, "new"));
    assert_eq!(desk.wait_ms(60), ["read r2 up to 4096"]);
    assert_eq!(desk.holds(2, &put(3, "old")), ["repair r2 new@9"]);
    assert_eq!(desk.ack(2), ["found new@9"]);
}

#[test]
fn background_repair_answers_first_then_compares_all_replicas_at_any_level() {
    let mut desk = background();
    assert_eq!(desk.get(Level::One), ["read r0 whole"]);
    assert_eq!(desk.holds(0, &put(3, "old")), ["found old@3", "read r1 up to 4096", "read r2 up to 4096"]);
    assert_eq!(desk.holds(1, &put(9, "new")), [""; 0]);
    assert_eq!(desk.holds_nothing(2), ["repair r0 new@9", "repair r2 new@9"]);
    assert_eq!((desk.ack(0), desk.ack(2)), (vec![], vec![]));
    assert!(desk.is_idle());
    let counters = desk.coordinator.counters();
    assert_eq!((counters.repair_writes, counters.repair_acks, counters.repairs_background), (2, 2, 1));
}

#[test]
fn background_repair_compares_large_values_by_digest_and_fetches_only_a_winner() {
    let large = |t| put(t, &"x".repeat(5_000));
    let mut desk = background();
    desk.get(Level::One);
    desk.holds(0, &large(3));
    desk.holds_digest(1, &large(9));
    assert_eq!(desk.holds_digest(2, &large(9)), ["read r1 whole"]);
    assert_eq!(desk.holds(1, &large(9)), ["repair r0 xxxxxxxx@9"]);
    assert_eq!(desk.refuse(0), [""; 0]);
    assert!(desk.is_idle());
}

#[test]
fn background_repair_goes_on_without_silent_replicas_when_its_time_is_over() {
    let mut desk = background();
    desk.get(Level::One);
    desk.holds(0, &put(9, "new"));
    desk.holds(1, &put(3, "old"));
    assert_eq!(desk.wait_ms(2_010), ["repair r1 new@9"]);
    assert_eq!(desk.wait_ms(2_010), [""; 0]);
    assert!(desk.is_idle());
    assert_eq!(desk.coordinator.counters().hints_taken, 0);
}

#[test]
fn background_repair_leaves_replicas_believed_dead_alone() {
    let mut desk = background().down(2);
    desk.get(Level::One);
    assert_eq!(desk.holds(0, &put(9, "new")), ["found new@9", "read r1 up to 4096"]);
    assert_eq!(desk.dies(1), [""; 0]);
    assert!(desk.is_idle());
}

#[test]
fn with_too_many_reads_in_the_background_the_next_is_answered_but_not_compared() {
    let policy = KeyspacePolicy { read_repair: ReadRepairPolicy::Background, ..KeyspacePolicy::default() };
    let mut desk = Desk::with(policy, Seat::Outside, |config| config.background_max = 1).measured();
    desk.get(Level::One);
    assert_eq!(desk.holds(0, &put(5, "v")).len(), 3);
    desk.get(Level::One);
    assert_eq!(desk.holds(0, &put(5, "v")), ["found v@5"]);
    assert_eq!(desk.coordinator.counters().background_skipped, 1);
}

#[test]
fn with_repair_off_the_newest_is_answered_and_the_stale_stay_behind() {
    let mut desk = desk(ReadRepairPolicy::Off);
    desk.get(Level::Quorum);
    desk.holds(0, &put(3, "old"));
    assert_eq!(desk.holds(1, &put(9, "new")), ["found new@9"]);
    assert!(desk.is_idle());
}

#[test]
fn repair_and_handoff_are_chosen_apart() {
    let policies = [
        (ReadRepairPolicy::Blocking, true),
        (ReadRepairPolicy::Blocking, false),
        (ReadRepairPolicy::Background, true),
        (ReadRepairPolicy::Background, false),
        (ReadRepairPolicy::Off, true),
        (ReadRepairPolicy::Off, false),
    ];
    for (read_repair, hinted_handoff) in policies {
        let policy = KeyspacePolicy { read_repair, hinted_handoff, ..KeyspacePolicy::default() };
        let mut desk = Desk::new(policy).down(2);
        assert_eq!(desk.put(Level::Two).len(), if hinted_handoff { 3 } else { 2 });
        desk.ack(0);
        desk.ack(1);
        desk.live.down.clear();
        desk.get(Level::All);
        desk.holds(0, &put(5, "v5"));
        desk.holds(1, &put(5, "v5"));
        let told = desk.holds_nothing(2);
        match read_repair {
            ReadRepairPolicy::Blocking => assert_eq!(told, ["repair r2 v5@5"]),
            ReadRepairPolicy::Background => assert_eq!(told, ["found v5@5", "repair r2 v5@5"]),
            ReadRepairPolicy::Off => assert_eq!(told, ["found v5@5"]),
        }
    }
}
