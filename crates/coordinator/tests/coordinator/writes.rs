//! Writes: outcomes, hints, receipts.

use quorate_coordinator::{Attempt, ClientWrite, KeyspacePolicy, Part};
use quorate_types::{Expiry, Level, NodeId, Record, Refusal, WriteOutcome};
use quorate_wire::{ReplicaWrite, ResponseBody};

use crate::desk::{Desk, Seat, at};

fn desk() -> Desk {
    Desk::new(KeyspacePolicy::default())
}

fn no_handoff() -> Desk {
    Desk::new(KeyspacePolicy { hinted_handoff: false, ..KeyspacePolicy::default() })
}

#[test]
fn a_write_goes_to_all_replicas_and_is_answered_at_the_required_acks_once() {
    let mut desk = desk();
    assert_eq!(desk.put(Level::Quorum), ["write r0 v5@5", "write r1 v5@5", "write r2 v5@5"]);
    assert_eq!(desk.ack(2), [""; 0]);
    assert_eq!(desk.ack(0), ["written 2 of 2 as 5"]);
    assert_eq!(desk.coordinator.in_flight().stragglers, 1);
    assert_eq!(desk.ack(1), [""; 0]);
    assert!(desk.is_idle());
    assert_eq!(desk.wait_ms(10_000), [""; 0]);
}

#[test]
fn too_few_alive_is_unavailable_before_anything_is_sent_or_hinted() {
    let mut desk = desk().down(0).down(1);
    assert_eq!(desk.put(Level::Quorum), ["unavailable: 1 of 2 alive"]);
    assert!(desk.is_idle());
    assert_eq!(desk.coordinator.counters().unavailable, 1);
}

#[test]
fn a_coordinating_replica_counts_itself_alive_whatever_is_believed_of_it() {
    let mut desk = Desk::with(KeyspacePolicy::default(), Seat::Replica(1), |_| {}).down(1).down(2);
    assert_eq!(desk.put(Level::Quorum), ["write r0 v5@5", "write r1 v5@5", "hint for r2 v5@5"]);
}

#[test]
fn a_replica_believed_down_is_hinted_at_once_and_not_sent_to() {
    let mut desk = desk().down(1);
    assert_eq!(desk.put(Level::Quorum), ["write r0 v5@5", "write r2 v5@5", "hint for r1 v5@5"]);
    assert_eq!(desk.ack(0), [""; 0]);
    assert_eq!(desk.ack(2), ["written 2 of 2 as 5"]);
    assert!(desk.is_idle());
}

#[test]
fn a_replica_silent_until_the_deadline_is_hinted_after_the_answer() {
    let mut desk = desk();
    desk.put(Level::Two);
    desk.ack(0);
    assert_eq!(desk.ack(1), ["written 2 of 2 as 5"]);
    assert_eq!(desk.wait_ms(1_990), [""; 0]);
    assert_eq!(desk.wait_ms(20), ["hint for r2 v5@5"]);
    assert!(desk.is_idle());
    assert_eq!(desk.ack(2), [""; 0]);
    let counters = desk.coordinator.counters();
    assert_eq!((counters.hints_taken, counters.write_silences, counters.answers_stale), (1, 1, 1));
}

#[test]
fn a_lost_link_is_hinted_at_once() {
    let mut desk = desk();
    desk.put(Level::One);
    assert_eq!(desk.lose(1), ["hint for r1 v5@5"]);
    assert_eq!(desk.ack(0), ["written 1 of 1 as 5"]);
    assert_eq!(desk.lose(2), ["hint for r2 v5@5"]);
    assert!(desk.is_idle());
}

#[test]
fn a_level_that_can_no_longer_be_met_is_answered_at_once_as_indeterminate_with_the_version() {
    let mut desk = desk();
    desk.put(Level::Quorum);
    assert_eq!(desk.lose(0), ["hint for r0 v5@5"]);
    assert_eq!(desk.lose(1), ["hint for r1 v5@5", "indeterminate 0 of 2 as Some(5)"]);
    assert_eq!(desk.ack(2), [""; 0]);
    assert!(desk.is_idle());
}

#[test]
fn at_the_deadline_a_write_with_too_few_acks_is_indeterminate_and_the_silent_are_hinted() {
    let mut desk = desk();
    desk.put(Level::Quorum);
    desk.ack(1);
    let told = desk.wait_ms(2_010);
    assert_eq!(told, ["hint for r0 v5@5", "hint for r2 v5@5", "indeterminate 1 of 2 as Some(5)"]);
    assert!(desk.is_idle());
}

#[test]
fn only_a_refusal_by_every_recipient_is_a_rejection_and_then_nobody_is_hinted() {
    let mut desk = desk();
    desk.put(Level::One);
    assert_eq!((desk.refuse(0), desk.refuse(1)), (vec![], vec![]));
    assert_eq!(desk.refuse(2), ["rejected: the node's log failed; it takes no writes until it is restarted"]);
    assert!(desk.is_idle());
    assert_eq!(desk.coordinator.counters().hints_taken, 0);
}

#[test]
fn a_refusal_after_another_replica_applied_is_no_rejection() {
    let mut desk = desk();
    desk.put(Level::All);
    assert_eq!(desk.ack(0), [""; 0]);
    assert_eq!(desk.refuse(1), ["hint for r1 v5@5", "indeterminate 1 of 3 as Some(5)"]);
    assert_eq!(desk.refuse(2), ["hint for r2 v5@5"]);
}

#[test]
fn refusals_before_the_first_ack_are_hinted_when_it_comes() {
    let mut desk = desk();
    desk.put(Level::One);
    assert_eq!(desk.refuse(1), [""; 0]);
    assert_eq!(desk.ack(0), ["hint for r1 v5@5", "written 1 of 1 as 5"]);
}

#[test]
fn with_a_hint_already_taken_all_refusals_together_are_indeterminate() {
    let mut desk = desk().down(0);
    assert_eq!(desk.put(Level::One)[2], "hint for r0 v5@5");
    assert_eq!(desk.refuse(1), ["hint for r1 v5@5"]);
    assert_eq!(desk.refuse(2), ["hint for r2 v5@5", "indeterminate 0 of 1 as Some(5)"]);
}

#[test]
fn a_retry_is_never_rejected_because_the_first_attempt_may_have_been_applied() {
    let mut desk = no_handoff();
    let retry =
        quorate_coordinator::ClientWrite { attempt: Attempt::Retry, ..desk.client_write(5, Level::One) };
    desk.start_write(retry);
    assert_eq!((desk.refuse(0), desk.refuse(1)), (vec![], vec![]));
    assert_eq!(desk.refuse(2), ["indeterminate 0 of 1 as Some(5)"]);
}

#[test]
fn without_handoff_no_failure_of_any_kind_makes_a_hint() {
    let mut desk = no_handoff().down(0);
    assert_eq!(desk.put(Level::One), ["write r1 v5@5", "write r2 v5@5"]);
    assert_eq!(desk.lose(1), [""; 0]);
    assert_eq!(desk.wait_ms(3_000), ["indeterminate 0 of 1 as Some(5)"]);
    let mut desk = no_handoff();
    desk.put(Level::One);
    desk.ack(0);
    assert_eq!((desk.refuse(1), desk.wait_ms(3_000)), (vec![], vec![]));
    assert!(desk.is_idle());
}

#[test]
fn acks_that_come_twice_late_or_from_a_stranger_count_for_nothing() {
    let mut desk = desk();
    desk.put(Level::Quorum);
    assert_eq!(desk.ack(0), [""; 0]);
    assert_eq!(desk.ack(0), [""; 0]);
    assert_eq!(desk.ack_from(NodeId(99)), [""; 0]);
    assert_eq!(desk.refuse(0), [""; 0]);
    assert_eq!(desk.ack(1), ["written 2 of 2 as 5"]);
    desk.ack(2);
    assert_eq!(desk.ack(2), [""; 0]);
    let counters = desk.coordinator.counters();
    assert_eq!((counters.write_acks, counters.answers_duplicate, counters.answers_stale), (3, 2, 2));
}

#[test]
fn an_ack_for_an_old_write_does_not_count_for_the_one_that_took_its_place() {
    let mut desk = desk();
    desk.put(Level::All);
    let mut out = Vec::new();
    let old = quorate_coordinator::WriteHandle::from_raw(1 << 28);
    for replica in 0..3 {
        desk.ack(replica);
    }
    assert!(desk.is_idle());
    desk.put(Level::All);
    for &node in &desk.replicas {
        desk.coordinator.on_write_acked(desk.now, node, old, &mut out);
    }
    assert_eq!((out, desk.coordinator.counters().answers_stale), (vec![], 3));
}

#[test]
fn a_receipt_names_who_acked_when_who_was_hinted_and_who_refused() {
    let mut desk = desk().down(2);
    desk.put(Level::All);
    assert!(desk.receipt.is_none());
    let mut desk = Desk::new(KeyspacePolicy { n: 4, ..KeyspacePolicy::default() }).down(3);
    desk.put(Level::Two);
    desk.wait_ms(1);
    desk.refuse(1);
    desk.ack(2);
    desk.wait_ms(2);
    assert_eq!(desk.ack(0), ["written 2 of 2 as 5"]);
    let receipt = desk.receipt.take().unwrap();
    let timings: Vec<_> = receipt.answered.iter().map(|t| (t.node, t.elapsed_us)).collect();
    assert_eq!(timings, [(desk.replicas[2], 1_000), (desk.replicas[0], 3_000)]);
    assert_eq!(receipt.replicas, desk.replicas);
    assert_eq!(receipt.hinted, [desk.replicas[3], desk.replicas[1]]);
    assert_eq!(receipt.refused, [(desk.replicas[1], Refusal::LogFailed)]);
}

#[test]
fn deletes_and_expiries_are_carried_whole_and_answered_absolutely() {
    let mut desk = desk();
    let expiring =
        quorate_coordinator::ClientWrite { expires_at_ms: Some(77), ..desk.client_write(5, Level::One) };
    assert_eq!(desk.start_write(expiring)[0], "write r0 v5@5 until 77");
    desk.ack(0);
    let Some(ResponseBody::Write(WriteOutcome::Written { expires_at_ms, .. })) = desk.last_answer else {
        panic!("{:?}", desk.last_answer)
    };
    assert_eq!(expires_at_ms, Some(77));
    let delete = quorate_coordinator::ClientWrite { value: None, ..desk.client_write(6, Level::One) };
    assert_eq!(desk.start_write(delete)[0], "write r0 -@6");
}

#[test]
fn a_write_of_one_part_carries_the_other_under_its_own_stamp_and_is_answered_by_its_own() {
    let mut desk = desk();
    let (older, at_ms) = (at(3), Some(77));
    let parts = [
        (
            Part::Expiry { of: older },
            Record { version: older, value: None, expiry: Expiry { version: at(5), at_ms } },
        ),
        (
            Part::Value { expiry: Expiry { version: older, at_ms } },
            Record { version: at(5), value: None, expiry: Expiry { version: older, at_ms } },
        ),
    ];
    for (part, sent) in parts {
        let write = ClientWrite { part, expires_at_ms: at_ms, ..desk.client_write(5, Level::One) };
        let sent = Record { value: write.value.clone(), ..sent };
        desk.start_write(write);
        assert_eq!(desk.last_write.as_ref().map(ReplicaWrite::record), Some(sent), "{part:?}");
        desk.ack(0);
        let Some(ResponseBody::Write(WriteOutcome::Written { version, expires_at_ms, .. })) =
            desk.last_answer
        else {
            panic!("{:?}", desk.last_answer)
        };
        assert_eq!((version, expires_at_ms), (at(5), at_ms), "{part:?}");
    }
}

#[test]
fn an_impossible_level_and_an_unknown_keyspace_are_rejected_with_nothing_sent() {
    let mut desk = desk();
    assert_eq!(
        desk.put(Level::Exactly(4)),
        ["rejected: the level needs 4 replicas, but the keyspace has n = 3"]
    );
    let stray = quorate_coordinator::ClientWrite {
        keyspace: quorate_types::KeyspaceId(1),
        ..desk.client_write(5, Level::One)
    };
    assert_eq!(desk.start_write(stray), ["rejected: no such keyspace"]);
    let late =
        quorate_coordinator::ClientWrite { deadline: desk.now.mono, ..desk.client_write(5, Level::One) };
    assert_eq!(desk.start_write(late), ["refused: the deadline had passed before the work began"]);
    assert!(desk.is_idle());
}

#[test]
fn every_level_waits_for_its_number_of_acks() {
    for (level, required) in
        [(Level::One, 1), (Level::Two, 2), (Level::Three, 3), (Level::Quorum, 3), (Level::All, 5)]
    {
        let mut desk = Desk::new(KeyspacePolicy { n: 5, ..KeyspacePolicy::default() });
        desk.put(level);
        let answers: Vec<_> = (0..5).map(|replica| desk.ack(replica).len()).collect();
        let wanted: Vec<_> = (1..=5).map(|acks| usize::from(acks == required)).collect();
        assert_eq!(answers, wanted, "{level}");
    }
}
