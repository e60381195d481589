//! Limits: what is refused at once, and what gives way.

use quorate_coordinator::{KeyspacePolicy, ReadRepairPolicy};
use quorate_types::Level;

use crate::desk::{Desk, Seat, put};

#[test]
fn above_requests_max_every_kind_of_request_is_refused_at_once_and_nothing_is_sent() {
    let mut desk = Desk::with(KeyspacePolicy::default(), Seat::Outside, |config| config.requests_max = 2);
    desk.put(Level::Quorum);
    desk.get(Level::Quorum);
    let refused = ["refused: overloaded: requests_max is exhausted"];
    assert_eq!(desk.put(Level::One), refused);
    assert_eq!(desk.get(Level::One), refused);
    assert_eq!(desk.page(Level::One, 1), refused);
    assert_eq!(desk.explain(), refused);
    assert_eq!(desk.coordinator.counters().refused_at_once, 4);
    desk.wait_ms(2_010);
    assert!(desk.is_idle());
    assert_eq!(desk.put(Level::One).len(), 3);
}

#[test]
fn above_request_bytes_max_a_write_is_refused_until_bytes_are_given_back() {
    let mut desk =
        Desk::with(KeyspacePolicy::default(), Seat::Outside, |config| config.request_bytes_max = 12);
    desk.put(Level::All);
    desk.put(Level::All);
    assert_eq!(desk.put(Level::All), ["refused: overloaded: request_bytes_max is exhausted"]);
    for replica in 0..3 {
        desk.ack(replica);
    }
    assert_eq!(desk.coordinator.in_flight().load.bytes, 5);
    assert_eq!(desk.put(Level::All).len(), 3);
}

#[test]
fn answered_writes_give_way_to_new_ones_by_taking_their_hints_early() {
    let mut desk =
        Desk::with(KeyspacePolicy::default(), Seat::Outside, |config| config.request_bytes_max = 12);
    desk.put(Level::Two);
    desk.ack(0);
    assert_eq!(desk.ack(1), ["written 2 of 2 as 5"]);
    desk.put(Level::All);
    assert_eq!(desk.put(Level::All)[0], "hint for r2 v5@5");
    assert_eq!(desk.coordinator.in_flight().writes, 2);
    assert_eq!(desk.coordinator.counters().stragglers_cut, 1);
}

#[test]
fn above_stragglers_max_the_oldest_stops_waiting() {
    let mut desk = Desk::with(KeyspacePolicy::default(), Seat::Outside, |config| config.stragglers_max = 1);
    for _ in 0..3 {
        desk.put(Level::One);
        desk.ack(0);
    }
    assert_eq!(desk.coordinator.in_flight().stragglers, 2);
    assert_eq!(desk.coordinator.counters().hints_taken, 2);
    assert_eq!(desk.wait_ms(2_010).len(), 4);
    assert!(desk.is_idle());
}

#[test]
fn values_that_reads_hold_are_counted_and_given_back() {
    let policy = KeyspacePolicy { read_repair: ReadRepairPolicy::Off, ..KeyspacePolicy::default() };
    let mut desk = Desk::new(policy);
    desk.get(Level::Two);
    desk.holds(0, &put(5, "hello"));
    assert_eq!(desk.coordinator.in_flight().load.bytes, 3 + 5);
    desk.holds(1, &put(6, "hi"));
    assert!(desk.is_idle());
}
