//! Slow requests: reported once, before their answer, with what they asked for and whom they waited for.

use std::time::Duration;

use quorate_coordinator::{
    ClientRead, ClientWrite, CoordinatorConfig, KeyspacePolicy, Origin, Tag, UnstampedWrite,
};
use quorate_types::{Level, Mono};
use quorate_wire::PageResult;

use crate::desk::{Desk, Seat, put};

fn slow_after_100_ms(config: &mut CoordinatorConfig) {
    config.slow_after = Some(Duration::from_millis(100));
}

fn desk() -> Desk {
    Desk::with(KeyspacePolicy::default(), Seat::Outside, slow_after_100_ms).measured()
}

#[test]
fn a_write_that_took_long_is_reported_with_a_receipt_that_it_did_not_ask_for() {
    let mut desk = desk();
    let write = ClientWrite { want_receipt: false, ..desk.client_write(5, Level::Quorum) };
    desk.start_write(write);
    desk.wait_ms(1);
    desk.ack(2);
    desk.wait_ms(99);
    let done = desk.ack(0);
    let slow = "slow key, asked after 0 ms; answered r2 1000us; answered r0 100000us; silent r1";
    assert_eq!(done, [slow, "written 2 of 2 as 5"]);
    assert_eq!(desk.receipt, None);
}

#[test]
fn a_read_that_took_long_is_reported_too_and_a_quick_one_is_not() {
    for (waited_ms, told) in [(0, None), (150, Some("slow key, asked after 0 ms; answered r0 150000us"))] {
        let mut desk = desk();
        let read = ClientRead { want_receipt: false, ..desk.client_read(Level::One) };
        desk.start_read(read);
        desk.wait_ms(waited_ms);
        let done = desk.holds(0, &put(5, "v"));
        assert_eq!(done[..done.len() - 1], Vec::from_iter(told), "{waited_ms} ms");
        assert_eq!(desk.receipt, None);
    }
}

/// It came to another shard, and waited there and in this one's queue.
#[test]
fn what_a_request_waited_before_it_was_begun_counts_and_is_told_apart() {
    let mut desk = desk();
    desk.wait_ms(1_000);
    let came = Mono(desk.now.mono.0 - 95_000_000);
    let read = desk.client_read(Level::One);
    let origin = Origin { tag: Tag::new(came, 0xff), ..read.origin };
    desk.start_read(ClientRead { origin, want_receipt: false, ..read });
    desk.wait_ms(5);
    let done = desk.holds(0, &put(5, "v"));
    assert_eq!(done[0], "slow key, asked after 95 ms; answered r0 5000us");
}

#[test]
fn a_page_that_took_long_is_reported_with_its_partition_and_where_it_begins() {
    let mut desk = desk();
    desk.page(Level::Two, 10);
    desk.wait_ms(40);
    desk.shows(1, PageResult::Page { entries: Vec::new(), done: true });
    desk.wait_ms(60);
    let done = desk.shows(0, PageResult::Page { entries: Vec::new(), done: true });
    assert_eq!(done[0], "slow page First, asked after 0 ms; answered r1 40000us; answered r0 100000us");
    assert_eq!(done.len(), 2, "{done:?}");
}

#[test]
fn an_explain_that_waited_for_a_silent_replica_is_reported_with_its_key_and_who_was_not_silent() {
    let mut desk = desk();
    desk.explain();
    desk.wait_ms(1);
    desk.holds_nothing(2);
    desk.holds_nothing(1);
    let done = desk.wait_ms(500);
    assert_eq!(done[0], "slow key, asked after 0 ms; answered r1 1000us; answered r2 1000us; silent r0");
    assert_eq!(done.len(), 2, "{done:?}");
}

#[test]
fn a_linearizable_write_is_reported_with_both_of_its_phases_though_neither_was_slow_by_itself() {
    let mut desk = desk();
    let write = UnstampedWrite { want_receipt: false, ..desk.unstamped_write("v") };
    desk.start_unstamped(write);
    desk.holds_nothing(0);
    desk.wait_ms(60);
    desk.holds_nothing(2);
    desk.stamp(Ok(7));
    desk.wait_ms(40);
    desk.ack(1);
    let done = desk.ack(0);
    let queried = "queried r0 0us; queried r2 60000us";
    let answered = "answered r0 40000us; answered r1 40000us";
    assert_eq!(done[0], format!("slow key, asked after 60 ms; {queried}; {answered}; silent r2"));
    assert_eq!(desk.receipt, None);
    assert_eq!(done.len(), 2, "{done:?}");
}

#[test]
fn a_linearizable_write_that_found_no_majority_is_reported_with_who_was_queried() {
    let mut desk = desk();
    let write = UnstampedWrite { want_receipt: false, ..desk.unstamped_write("v") };
    desk.start_unstamped(write);
    desk.wait_ms(3);
    desk.holds_nothing(1);
    let done = desk.wait_ms(2_000);
    assert_eq!(done[0], "slow key, asked after 0 ms; queried r1 3000us; silent r0; silent r2");
    assert_eq!(done.len(), 2, "{done:?}");
}

#[test]
fn one_that_timed_out_names_those_that_were_asked_and_silent_and_not_those_that_were_not_asked() {
    let mut desk = desk();
    desk.get(Level::One);
    let done = desk.wait_ms(2_010);
    let slow = done.iter().find(|told| told.starts_with("slow")).expect("it is slow");
    assert_eq!(slow, "slow key, asked after 0 ms; silent r0");
    let write = ClientWrite { want_receipt: false, ..desk.client_write(5, Level::Quorum) };
    desk.start_write(write);
    desk.ack(1);
    let done = desk.wait_ms(2_010);
    let slow = done.iter().find(|told| told.starts_with("slow")).expect("it is slow");
    assert_eq!(
        slow,
        "slow key, asked after 0 ms; answered r1 0us; hinted r0; hinted r2; silent r0; silent r2"
    );
}

#[test]
fn nothing_is_reported_unless_it_is_asked_for() {
    let mut desk = Desk::new(KeyspacePolicy::default());
    desk.put(Level::One);
    desk.wait_ms(1_900);
    assert_eq!(desk.ack(0), ["written 1 of 1 as 5"]);
}
