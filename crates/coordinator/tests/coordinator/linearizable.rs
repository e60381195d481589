//! LINEARIZABLE: writes in two phases, reads that repair before they answer.

use quorate_coordinator::{Attempt, KeyspacePolicy, ReadRepairPolicy};
use quorate_types::{Expiry, KeyspaceId, Level, ReadRepair, Record, Refusal, WriteOutcome};
use quorate_wire::ResponseBody;

use crate::desk::{Desk, KEYSPACE, Seat, at, put};

fn desk() -> Desk {
    Desk::new(KeyspacePolicy::default())
}

const ASKED: [&str; 3] = ["read r0 up to 0", "read r1 up to 0", "read r2 up to 0"];

mod put_in_two_phases {
    use super::*;

    #[test]
    fn it_asks_for_the_newest_version_stamps_above_it_and_writes_to_a_majority() {
        let mut desk = desk();
        assert_eq!(desk.put_unstamped("new"), ASKED);
        assert_eq!(desk.holds_digest(1, &put(7, "seven")), [""; 0]);
        assert_eq!(desk.holds_nothing(0), ["stamp above Some(7)"]);
        assert_eq!(desk.stamp(Ok(8)), ["write r0 new@8", "write r1 new@8", "write r2 new@8"]);
        assert_eq!(desk.ack(0), [""; 0]);
        assert_eq!(desk.ack(2), ["written 2 of 2 as 8"]);
        desk.ack(1);
        assert!(desk.is_idle());
        assert_eq!((desk.coordinator.counters().queries, desk.coordinator.counters().writes_written), (1, 1));
    }

    #[test]
    fn a_key_that_no_replica_has_is_stamped_without_a_floor() {
        let mut desk = desk();
        desk.put_unstamped("new");
        desk.holds_nothing(0);
        assert_eq!(desk.holds_nothing(2), ["stamp above None"]);
    }

    #[test]
    fn tombstones_and_newer_expiries_count_as_versions() {
        let mut desk = desk();
        desk.put_unstamped("new");
        desk.holds_digest(0, &Record::tombstone(at(6)));
        assert_eq!(desk.holds_nothing(1), ["stamp above Some(6)"]);
        let touched = Record { expiry: Expiry { version: at(9), at_ms: Some(7) }, ..put(3, "old") };
        desk.put_unstamped("newer");
        desk.holds_digest(0, &touched);
        assert_eq!(desk.holds_nothing(1), ["stamp above Some(9)"]);
    }

    #[test]
    fn the_receipt_shows_both_phases() {
        let mut desk = desk();
        desk.put_unstamped("new");
        desk.holds_digest(1, &put(7, "seven"));
        desk.wait_ms(3);
        desk.holds_nothing(0);
        desk.stamp(Ok(8));
        desk.wait_ms(2);
        desk.ack(0);
        desk.ack(2);
        let receipt = desk.receipt.take().unwrap();
        let told = |timings: &[quorate_types::NodeTiming]| -> Vec<_> {
            timings.iter().map(|t| (t.node, t.elapsed_us, t.version)).collect()
        };
        let r = &desk.replicas;
        assert_eq!(told(&receipt.queried), [(r[1], 0, Some(at(7))), (r[0], 3_000, None)]);
        assert_eq!(told(&receipt.answered), [(r[0], 2_000, None), (r[2], 2_000, None)]);
    }

    #[test]
    fn a_late_answer_to_the_first_phase_changes_nothing_in_the_second() {
        let mut desk = desk();
        desk.put_unstamped("new");
        desk.holds_nothing(0);
        desk.holds_nothing(1);
        assert_eq!(desk.holds_digest(2, &put(99, "unacknowledged")), [""; 0]);
        desk.stamp(Ok(8));
        desk.ack(0);
        assert_eq!(desk.ack(1), ["written 2 of 2 as 8"]);
    }

    #[test]
    fn a_duplicated_answer_is_no_second_replica() {
        let mut desk = desk();
        desk.put_unstamped("new");
        desk.holds_nothing(0);
        assert_eq!(desk.holds_nothing(0), [""; 0]);
        assert_eq!(desk.coordinator.counters().answers_duplicate, 1);
        assert_eq!(desk.holds_nothing(1), ["stamp above None"]);
    }

    #[test]
    fn a_keyspace_whose_writes_are_linearizable_by_default_stamps_later_and_others_do_not() {
        let policy = KeyspacePolicy { write_level: Level::Linearizable, ..KeyspacePolicy::default() };
        let ours = Desk::new(policy).coordinator;
        assert!(ours.stamps_later(KEYSPACE, None));
        assert!(!ours.stamps_later(KEYSPACE, Some(Level::Quorum)));
        assert!(!ours.stamps_later(KeyspaceId(1), None));
        let other = desk().coordinator;
        assert!(
            !other.stamps_later(KEYSPACE, None) && other.stamps_later(KEYSPACE, Some(Level::Linearizable))
        );
    }

    #[test]
    fn the_coordinator_that_is_a_replica_asks_and_writes_to_itself_like_to_any_other() {
        let mut desk = Desk::with(KeyspacePolicy::default(), Seat::Replica(1), |_| {}).down(2);
        assert_eq!(desk.put_unstamped("new"), ["read r0 up to 0", "read r1 up to 0"]);
    }
}

mod what_fails_in_the_first_phase {
    use super::*;

    fn is_rejected(desk: &Desk) -> bool {
        matches!(desk.last_answer, Some(ResponseBody::Write(WriteOutcome::Rejected { .. })))
    }

    #[test]
    fn too_few_alive_is_unavailable_and_nobody_is_asked() {
        let mut desk = desk().down(0).down(1);
        assert_eq!(desk.put_unstamped("new"), ["unavailable: 1 of 2 alive"]);
        assert!(desk.is_idle());
    }

    #[test]
    fn a_majority_that_is_silent_until_the_deadline_leaves_nothing_written_or_hinted() {
        let mut desk = desk().down(2);
        desk.put_unstamped("new");
        desk.holds_nothing(0);
        assert_eq!(
            desk.wait_ms(2_010),
            ["rejected: 1 of the 2 replicas needed said which version they hold; nothing was written"]
        );
        assert!(desk.is_idle());
        let counters = desk.coordinator.counters();
        assert_eq!((counters.queries_failed, counters.writes_rejected, counters.hints_taken), (1, 1, 0));
        assert_eq!(desk.receipt.as_ref().unwrap().queried.len(), 1);
        assert_eq!(desk.holds_nothing(1), [""; 0]);
    }

    #[test]
    fn it_fails_as_soon_as_a_majority_is_out_of_reach() {
        let mut desk = desk();
        desk.put_unstamped("new");
        assert_eq!(desk.dies(0), [""; 0]);
        let told = desk.dies(1);
        assert_eq!(
            told,
            ["rejected: 0 of the 2 replicas needed said which version they hold; nothing was written"]
        );
        assert!(desk.is_idle());
    }

    #[test]
    fn a_refusal_by_all_is_told_in_their_words() {
        let mut desk = desk();
        desk.put_unstamped("new");
        desk.will_not_read(0);
        assert_eq!(
            desk.will_not_read(1),
            ["rejected: 0 of the 2 replicas needed said which version they hold; nothing was written"]
        );
        let mut desk = desk_of_one();
        desk.put_unstamped("new");
        assert_eq!(desk.will_not_read(0), ["rejected: this node holds no copy of the key"]);
        assert_eq!(desk.receipt.as_ref().unwrap().refused.len(), 1);
    }

    fn desk_of_one() -> Desk {
        Desk::new(KeyspacePolicy { n: 1, ..KeyspacePolicy::default() })
    }

    #[test]
    fn a_clock_that_may_not_follow_is_a_rejection_that_names_both_clocks_and_nothing_was_written() {
        let mut desk = desk();
        desk.put_unstamped("new");
        desk.holds_digest(0, &put(1_010_000, "ahead"));
        desk.holds_nothing(1);
        let behind = Refusal::ClockBehind { newest_ms: 1_010_000, ours_ms: 1_000_000, skew_max_ms: 5_000 };
        assert_eq!(
            desk.stamp(Err(behind)),
            [
                "rejected: the key's newest version is of 1010000 ms, the coordinator's clock says 1000000 ms: 10000 ms ahead, more than clock_skew_max = 5000 ms; nothing was written"
            ]
        );
        assert!(desk.is_idle() && is_rejected(&desk));
    }

    #[test]
    fn a_stamp_that_comes_after_the_deadline_is_not_used() {
        let mut desk = desk();
        desk.put_unstamped("new");
        desk.holds_nothing(0);
        desk.holds_nothing(1);
        assert_eq!(desk.wait_ms(2_010), ["rejected: the deadline had passed before the work began"]);
        assert_eq!(desk.stamp(Ok(8)), [""; 0]);
        assert!(desk.is_idle());
    }

    #[test]
    fn a_stamp_is_used_once() {
        let mut desk = desk();
        desk.put_unstamped("new");
        desk.holds_nothing(0);
        desk.holds_nothing(1);
        assert_eq!(desk.stamp(Ok(8)).len(), 3);
        assert_eq!(desk.stamp(Ok(9)), [""; 0]);
    }

    #[test]
    fn the_limits_hold_for_both_phases() {
        let mut desk = Desk::with(KeyspacePolicy::default(), Seat::Outside, |c| c.requests_max = 1);
        desk.put_unstamped("new");
        assert_eq!(desk.put_unstamped("more"), ["refused: overloaded: requests_max is exhausted"]);
        let load = desk.coordinator.in_flight().load;
        assert_eq!((load.unanswered, load.bytes), (1, 6));
        desk.holds_nothing(0);
        desk.holds_nothing(1);
        desk.stamp(Ok(8));
        assert_eq!(desk.coordinator.in_flight().load, load);
    }
}

mod what_fails_in_the_second_phase {
    use super::*;

    fn stamped() -> Desk {
        let mut desk = desk();
        desk.put_unstamped("new");
        desk.holds_nothing(0);
        desk.holds_nothing(1);
        desk
    }

    #[test]
    fn it_is_indeterminate_with_its_version_and_who_did_not_acknowledge_is_hinted() {
        let mut desk = stamped();
        desk.stamp(Ok(8));
        desk.ack(0);
        let told = desk.wait_ms(2_010);
        assert_eq!(told, ["hint for r1 new@8", "hint for r2 new@8", "indeterminate 1 of 2 as Some(8)"]);
        assert!(desk.is_idle());
    }

    #[test]
    fn the_deadline_is_one_for_both_phases() {
        let mut desk = desk();
        desk.put_unstamped("new");
        desk.wait_ms(1_500);
        desk.holds_nothing(0);
        desk.holds_nothing(1);
        desk.stamp(Ok(8));
        assert_eq!(desk.wait_ms(480), [""; 0]);
        assert_eq!(desk.wait_ms(30).last().unwrap(), "indeterminate 0 of 2 as Some(8)");
    }

    #[test]
    fn those_that_answered_are_written_to_though_they_are_believed_down_by_now() {
        let mut desk = stamped().down(0).down(2);
        assert_eq!(desk.stamp(Ok(8)), ["write r0 new@8", "write r1 new@8", "hint for r2 new@8"]);
    }

    #[test]
    fn a_refusal_by_every_replica_is_a_rejection() {
        let mut desk = Desk::new(KeyspacePolicy { n: 1, ..KeyspacePolicy::default() });
        desk.put_unstamped("new");
        desk.holds_nothing(0);
        desk.stamp(Ok(8));
        assert_eq!(
            desk.refuse(0),
            ["rejected: the node's log failed; it takes no writes until it is restarted"]
        );
    }

    /// Its version was chosen in the first phase of its first attempt.
    #[test]
    fn a_retry_that_carries_its_version_has_no_first_phase_and_needs_a_majority() {
        let mut desk = desk();
        let mut retry = desk.client_write(8, Level::Linearizable);
        retry.attempt = Attempt::Retry;
        assert_eq!(desk.start_write(retry), ["write r0 v8@8", "write r1 v8@8", "write r2 v8@8"]);
        assert_eq!(desk.ack(0), [""; 0]);
        assert_eq!(desk.ack(1), ["written 2 of 2 as 8"]);
    }
}

mod reads {
    use super::*;

    fn desk_with(read_repair: ReadRepairPolicy) -> Desk {
        Desk::new(KeyspacePolicy { read_repair, ..KeyspacePolicy::default() })
    }

    #[test]
    fn one_that_sees_a_partial_write_brings_it_to_a_majority_before_it_answers_whatever_the_policy() {
        for policy in [ReadRepairPolicy::Off, ReadRepairPolicy::Background, ReadRepairPolicy::Blocking] {
            let mut desk = desk_with(policy);
            assert_eq!(desk.get(Level::Linearizable), ["read r0 whole", "read r1 up to 4096"]);
            desk.holds(0, &put(9, "partial"));
            assert_eq!(desk.holds(1, &put(3, "old")), ["repair r1 partial@9"]);
            assert_eq!(desk.ack(1), ["found partial@9"]);
            assert!(desk.is_idle());
            assert_eq!(desk.receipt.unwrap().repair, ReadRepair::Blocking(vec![desk.replicas[1]]));
        }
    }

    #[test]
    fn one_that_can_not_bring_it_to_a_majority_never_answers_it() {
        let mut desk = desk_with(ReadRepairPolicy::Off).down(2);
        desk.get(Level::Linearizable);
        desk.holds(0, &put(9, "partial"));
        desk.holds(1, &put(3, "old"));
        assert_eq!(desk.lose(1), ["timed out: 1 of 2"]);
    }

    #[test]
    fn a_majority_that_agrees_is_answered_from_at_once() {
        let mut desk = desk_with(ReadRepairPolicy::Off);
        desk.get(Level::Linearizable);
        desk.holds(0, &put(9, "v"));
        assert_eq!(desk.holds(1, &put(9, "v")), ["found v@9"]);
        assert!(desk.is_idle());
    }

    #[test]
    fn a_key_that_nobody_has_is_not_found_without_any_repair() {
        let mut desk = desk_with(ReadRepairPolicy::Off);
        desk.get(Level::Linearizable);
        desk.holds_nothing(0);
        assert_eq!(desk.holds_nothing(1), ["not found, expired None"]);
        assert!(desk.is_idle());
    }

    #[test]
    fn tombstones_and_expired_values_are_brought_to_a_majority_like_any_other() {
        let mut desk = desk_with(ReadRepairPolicy::Off);
        desk.get(Level::Linearizable);
        desk.holds(0, &Record::tombstone(at(9)));
        assert_eq!(desk.holds_nothing(1), ["repair r1 -@9"]);
        assert_eq!(desk.ack(1), ["deleted 9"]);
        let mut desk = desk_with(ReadRepairPolicy::Off);
        desk.get(Level::Linearizable);
        desk.holds(0, &Record::put(at(9), "gone", Some(999_999)));
        assert_eq!(desk.holds_nothing(1), ["repair r1 gone@9 until 999999"]);
        assert_eq!(desk.ack(1), ["not found, expired Some(9)"]);
    }

    #[test]
    fn other_levels_follow_the_policy_as_before() {
        let mut desk = desk_with(ReadRepairPolicy::Off);
        desk.get(Level::Quorum);
        desk.holds(0, &put(9, "partial"));
        assert_eq!(desk.holds(1, &put(3, "old")), ["found partial@9"]);
    }

    #[test]
    fn a_page_at_linearizable_is_refused_by_name_and_a_keyspace_of_that_default_pages_at_quorum() {
        let mut desk = desk();
        assert_eq!(
            desk.page(Level::Linearizable, 10),
            ["rejected: not supported: a page at LINEARIZABLE; read it at QUORUM"]
        );
        assert!(desk.is_idle());
        let policy = KeyspacePolicy { read_level: Level::Linearizable, ..KeyspacePolicy::default() };
        assert_eq!(policy.page_level(), Level::Quorum);
    }
}
