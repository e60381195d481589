//! Explain.

use quorate_coordinator::KeyspacePolicy;
use quorate_types::{Expiry, Record, Refusal};
use quorate_wire::{CopyView, Explanation, ResponseBody};

use crate::desk::{Desk, at, put};

fn explanation(desk: &Desk) -> &Explanation {
    match &desk.last_answer {
        Some(ResponseBody::Explain(explanation)) => explanation,
        other => panic!("{other:?}"),
    }
}

fn present(t: u64, value_bytes: u32) -> CopyView {
    CopyView::Present { version: at(t), expiry: Expiry { version: at(t), at_ms: None }, value_bytes }
}

#[test]
fn explain_shows_every_replica_by_itself_and_repairs_nothing() {
    let mut desk = Desk::new(KeyspacePolicy { n: 4, ..KeyspacePolicy::default() });
    let asked = ["read r0 up to 0", "read r1 up to 0", "read r2 up to 0", "read r3 up to 0"];
    assert_eq!(desk.explain(), asked);
    desk.wait_ms(3);
    desk.holds_digest(1, &put(5, "hello"));
    desk.holds(0, &Record::tombstone(at(9)));
    desk.holds_nothing(3);
    assert_eq!(desk.will_not_read(2), ["explained"]);
    let shown = explanation(&desk);
    let copies: Vec<_> = shown.replicas.iter().map(|view| view.copy.clone()).collect();
    let tombstone = CopyView::Tombstone { version: at(9) };
    assert_eq!(copies, [tombstone, present(5, 5), CopyView::Refused(Refusal::NotReplica), CopyView::Absent]);
    let nodes: Vec<_> = shown.replicas.iter().map(|view| view.node).collect();
    assert_eq!((nodes, shown.winner, shown.n), (desk.replicas.clone(), Some(at(9)), 4));
    assert_eq!((shown.token, shown.partition), (desk.token(), desk.token().partition()));
    assert!(desk.is_idle());
}

#[test]
fn the_silent_and_the_dead_do_not_hold_an_explain_up_for_longer_than_its_own_timeout() {
    let mut desk = Desk::new(KeyspacePolicy::default()).down(0);
    assert_eq!(desk.explain(), ["read r1 up to 0", "read r2 up to 0"]);
    desk.wait_ms(3);
    desk.holds(1, &put(5, ""));
    assert_eq!(desk.holds(1, &put(6, "")), [""; 0]);
    assert_eq!(desk.wait_ms(500), ["explained"]);
    let shown = explanation(&desk);
    let views: Vec<_> = shown.replicas.iter().map(|view| (view.alive, view.copy.clone())).collect();
    assert_eq!(views, [(false, CopyView::Silent), (true, present(5, 0)), (true, CopyView::Silent)]);
    assert_eq!(shown.replicas[1].elapsed_us, 3_000);
    assert!(desk.is_idle());
}

#[test]
fn explain_works_with_nobody_alive() {
    let mut desk = Desk::new(KeyspacePolicy::default()).down(0).down(1).down(2);
    assert_eq!(desk.explain(), ["explained"]);
    assert_eq!(explanation(&desk).winner, None);
}

#[test]
fn a_replica_that_dies_is_shown_as_silent_at_once() {
    let mut desk = Desk::new(KeyspacePolicy { n: 1, ..KeyspacePolicy::default() });
    desk.explain();
    assert_eq!(desk.dies(0), ["explained"]);
}
