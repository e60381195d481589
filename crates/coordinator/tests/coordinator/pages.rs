//! Pages of a partition.

use bytes::Bytes;
use quorate_coordinator::KeyspacePolicy;
use quorate_types::{Level, Record, Refusal};
use quorate_wire::PageResult;

use crate::desk::{Desk, at, put};

fn desk() -> Desk {
    Desk::new(KeyspacePolicy::default())
}

/// Keys in the order of the ring, each with a record.
fn shown(desk: &Desk, entries: &[(&'static str, Record)], end: End) -> PageResult {
    let mut entries: Vec<_> =
        entries.iter().map(|(key, r)| (Bytes::from_static(key.as_bytes()), r.clone())).collect();
    entries.sort_by_key(|(key, _)| (desk.ring.token(key), key.clone()));
    PageResult::Page { entries, done: end == End::Done }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Done,
    More,
}

#[test]
fn a_page_is_the_newest_of_what_as_many_replicas_as_the_level_needs_show() {
    let mut desk = desk();
    assert_eq!(desk.page(Level::Quorum, 10), ["page r0 limit 10", "page r1 limit 10"]);
    let first = shown(&desk, &[("a", put(1, "old")), ("b", put(5, "b"))], End::Done);
    let second =
        shown(&desk, &[("a", put(2, "new")), ("c", Record::tombstone(at(9))), ("b", put(5, "b"))], End::Done);
    assert_eq!(desk.shows(0, first), [""; 0]);
    let told = desk.shows(1, second);
    let order = desk.ring.token(b"a") < desk.ring.token(b"b");
    let wanted = if order { "page [new@2, b@5] next false" } else { "page [b@5, new@2] next false" };
    assert_eq!(told, [wanted]);
    assert!(desk.is_idle());
}

#[test]
fn a_page_ends_where_the_first_replica_that_has_more_ended() {
    let mut desk = desk();
    desk.page(Level::Two, 2);
    let keys = ["a", "b", "c", "d"];
    let mut ordered = keys.to_vec();
    ordered.sort_by_key(|key| desk.ring.token(key.as_bytes()));
    let short = shown(&desk, &[(ordered[0], put(1, "1"))], End::More);
    let long = shown(&desk, &[(ordered[0], put(1, "1")), (ordered[1], put(2, "2"))], End::Done);
    desk.shows(0, short);
    assert_eq!(desk.shows(1, long), ["page [1@1] next true"]);
}

#[test]
fn a_replica_that_refuses_dies_or_shows_nothing_to_go_on_from_is_replaced() {
    let mut desk = desk();
    desk.page(Level::One, 5);
    assert_eq!(desk.shows(0, PageResult::Refused(Refusal::NotReplica)), ["page r1 limit 5"]);
    assert_eq!(desk.shows(1, PageResult::Page { entries: vec![], done: false }), ["page r2 limit 5"]);
    assert_eq!(desk.dies(2), ["timed out: 0 of 1"]);
    assert!(desk.is_idle());
}

#[test]
fn pages_are_unavailable_rejected_and_timed_out_as_reads_are() {
    assert_eq!(desk().down(0).page(Level::All, 5), ["unavailable: 2 of 3 alive"]);
    let mut desk = self::desk();
    desk.page(Level::All, 5);
    desk.shows(0, PageResult::Page { entries: vec![], done: true });
    assert_eq!(desk.shows(0, PageResult::Page { entries: vec![], done: true }), [""; 0]);
    assert_eq!(desk.wait_ms(2_010), ["timed out: 1 of 3"]);
    let mut desk = self::desk();
    desk.page(Level::One, 5);
    desk.shows(0, PageResult::Refused(Refusal::UnknownKeyspace));
    desk.shows(1, PageResult::Refused(Refusal::UnknownKeyspace));
    assert_eq!(desk.shows(2, PageResult::Refused(Refusal::UnknownKeyspace)), ["rejected: no such keyspace"]);
    assert!(desk.is_idle());
}
