use super::*;
use quorate_types::{KeyspaceId, Record, Timestamp, Version};

const TARGET: NodeId = NodeId(8);

fn at(ms: u64) -> Mono {
    Mono(ms * 1_000_000)
}

fn now(ms: u64) -> Now {
    Now { mono: at(ms), wall_ms: 20_000_000 + ms }
}

fn handoff() -> Handoff {
    let mut handoff = Handoff::new(HandoffConfig::default(), (0, 2), (2, 4));
    handoff.on_backlog(at(0), TARGET, backlog(5));
    handoff
}

fn backlog(durable: u64) -> HintBacklog {
    HintBacklog { durable, bytes: durable * 100, oldest_wall_ms: Some(20_000_000) }
}

fn hint(number: u64) -> (HintNumber, Hint) {
    let record = Record::put(Version::new(Timestamp(number), NodeId(1)), "v", None);
    let created_wall_ms = 20_000_000;
    (HintNumber(number), Hint { keyspace: KeyspaceId(1), key: "k".into(), record, created_wall_ms })
}

fn poll(handoff: &mut Handoff, ms: u64) -> Vec<HintCommand> {
    let mut out = Vec::new();
    handoff.poll(at(ms), |_| true, &mut out);
    out
}

/// Reads the page and sends one copy of each hint.
fn open(handoff: &mut Handoff, ms: u64, numbers: &[u64]) -> Vec<HintSlot> {
    assert_eq!(poll(handoff, ms).len(), 1);
    let opened = handoff.on_page(now(ms), TARGET, numbers.iter().map(|&n| hint(n)).collect());
    let slots: Vec<HintSlot> = opened.into_iter().map(|(slot, _)| slot).collect();
    for &slot in &slots {
        handoff.on_copy(slot);
    }
    handoff.on_sent(TARGET);
    slots
}

fn finish(handoff: &mut Handoff, ms: u64) -> (Option<PageEnd>, Vec<HintCommand>) {
    let mut out = Vec::new();
    (handoff.finish(at(ms), &mut out).pop(), out)
}

fn complete(delivered: u64) -> PageEnd {
    PageEnd { delivered, complete: true, ..PageEnd::default() }
}

fn in_part(delivered: u64) -> PageEnd {
    PageEnd { delivered, ..PageEnd::default() }
}

fn delivered(through: u64) -> Vec<HintCommand> {
    vec![HintCommand::Delivered { target: TARGET, through: HintNumber(through) }]
}

#[test]
fn it_begins_when_the_target_is_ready_and_not_all_nodes_at_once() {
    let mut handoff = handoff();
    let mut out = Vec::new();
    handoff.poll(at(100), |_| false, &mut out);
    assert_eq!(out, [], "not alive");
    assert_eq!(poll(&mut handoff, 39), [], "two nodes are before us");
    assert_eq!(handoff.next_timer(|_| true), Some(at(40)));
    let first = HintCommand::ReadPage { target: TARGET, after: HintNumber(0), bytes_max: 256 << 10 };
    assert_eq!(poll(&mut handoff, 40), [first]);
    assert_eq!(poll(&mut handoff, 41), [], "one page at a time");
}

#[test]
fn another_shards_targets_are_known_and_left_alone() {
    let mut handoff = handoff();
    handoff.on_backlog(at(0), NodeId(7), backlog(9));
    assert_eq!(poll(&mut handoff, 1_000).len(), 1);
    assert_eq!(handoff.backlog(NodeId(7)).durable, 9);
}

#[test]
fn a_page_is_delivered_when_its_last_hint_is_and_the_next_begins_behind_it() {
    let mut handoff = handoff();
    let slots = open(&mut handoff, 50, &[3, 4]);
    handoff.on_verdict(slots[1], &Verdict::Acked);
    assert_eq!(finish(&mut handoff, 51), (None, Vec::new()));
    handoff.on_verdict(slots[0], &Verdict::Acked);
    assert_eq!(finish(&mut handoff, 52), (Some(complete(2)), delivered(4)));
    handoff.on_verdict(slots[0], &Verdict::Acked);
    assert_eq!(handoff.backlog(TARGET).durable, 3);
    let after = |command: &HintCommand| match command {
        HintCommand::ReadPage { after, bytes_max, .. } => (*after, *bytes_max),
        other => panic!("{other:?}"),
    };
    assert_eq!(poll(&mut handoff, 60).iter().map(after).collect::<Vec<_>>(), [(HintNumber(4), 320 << 10)]);
}

#[test]
fn a_page_that_failed_in_the_middle_goes_on_behind_what_came_before_after_a_pause_and_smaller() {
    let mut handoff = handoff();
    let slots = open(&mut handoff, 50, &[3, 4, 5]);
    handoff.on_verdict(slots[0], &Verdict::Acked);
    let overloaded = Verdict::Refused(Refusal::Overloaded { limit: "peer_bytes_max".to_owned() });
    handoff.on_verdict(slots[1], &overloaded);
    handoff.on_verdict(slots[2], &Verdict::Acked);
    assert_eq!(finish(&mut handoff, 100), (Some(in_part(1)), delivered(3)));
    assert_eq!(poll(&mut handoff, 349), []);
    let again = HintCommand::ReadPage { target: TARGET, after: HintNumber(3), bytes_max: 128 << 10 };
    assert_eq!(poll(&mut handoff, 350), [again]);
}

#[test]
fn a_target_that_takes_a_part_of_each_page_is_not_kept_waiting() {
    let mut handoff = handoff();
    let mut ms = 50;
    for first in (3..60).step_by(2) {
        let slots = open(&mut handoff, ms, &[first, first + 1]);
        handoff.on_verdict(slots[0], &Verdict::Acked);
        handoff.on_verdict(
            slots[1],
            &Verdict::Refused(Refusal::Overloaded { limit: "peer_requests_max".to_owned() }),
        );
        assert_eq!(finish(&mut handoff, ms), (Some(in_part(1)), delivered(first)));
        handoff.on_backlog(at(ms), TARGET, backlog(5));
        assert_eq!(handoff.next_timer(|_| true), Some(at(ms + 250)));
        ms += 250;
    }
}

#[test]
fn pauses_grow_to_their_bound_and_end_when_the_target_shows_life() {
    let mut handoff = handoff();
    let mut ms = 50;
    for pause in [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000] {
        let slots = open(&mut handoff, ms, &[3]);
        handoff.on_verdict(slots[0], &Verdict::Lost);
        assert_eq!(finish(&mut handoff, ms), (Some(in_part(0)), Vec::new()));
        assert_eq!(handoff.next_timer(|_| true), Some(at(ms + pause)));
        ms += pause;
    }
    handoff.on_alive(at(ms - 5_000), TARGET);
    let bytes_max = HandoffConfig::default().page_bytes_min;
    let expected = HintCommand::ReadPage { target: TARGET, after: HintNumber(0), bytes_max };
    assert_eq!(poll(&mut handoff, ms - 4_000), [expected]);
}

#[test]
fn what_the_target_will_never_take_is_dropped_and_holds_nobody_back() {
    let mut handoff = handoff();
    let slots = open(&mut handoff, 50, &[3, 4]);
    let never = Verdict::Refused(Refusal::UnknownKeyspace);
    handoff.on_verdict(slots[0], &never);
    handoff.on_verdict(slots[1], &Verdict::Acked);
    assert_eq!(
        finish(&mut handoff, 60),
        (Some(PageEnd { delivered: 1, dropped: 1, expired: 0, complete: true }), delivered(4))
    );
}

#[test]
fn a_hint_with_two_copies_is_delivered_when_both_are() {
    let mut handoff = handoff();
    let slots = open(&mut handoff, 50, &[3]);
    handoff.on_copy(slots[0]);
    handoff.on_verdict(slots[0], &Verdict::Acked);
    assert_eq!(finish(&mut handoff, 51).0, None);
    handoff.on_verdict(slots[0], &Verdict::Lost);
    assert_eq!(finish(&mut handoff, 52).0, Some(in_part(0)));
}

#[test]
fn a_hint_older_than_the_window_is_dropped() {
    let mut handoff = handoff();
    assert_eq!(poll(&mut handoff, 50).len(), 1);
    let late = Now { mono: at(50), wall_ms: 20_000_000 + 3 * 3_600_000 };
    let opened = handoff.on_page(late, TARGET, vec![hint(3)]);
    assert_eq!(opened, []);
    handoff.on_sent(TARGET);
    assert_eq!(
        finish(&mut handoff, 51),
        (Some(PageEnd { delivered: 0, dropped: 0, expired: 1, complete: true }), delivered(3))
    );
}

#[test]
fn hints_are_taken_until_the_oldest_is_older_than_the_window() {
    let mut handoff = handoff();
    let window_ms = 3 * 3_600_000;
    assert!(handoff.is_within_window(20_000_000 + window_ms, TARGET));
    assert!(!handoff.is_within_window(20_000_001 + window_ms, TARGET));
    assert!(handoff.is_within_window(u64::MAX, NodeId(99)), "no hint, no window");
    handoff.on_backlog(at(0), TARGET, HintBacklog::default());
    assert!(handoff.is_within_window(u64::MAX, TARGET));
}

#[test]
fn pages_keep_to_the_rate_and_to_what_the_target_grants() {
    let config = HandoffConfig { rate_bytes: 3_000, page_bytes_min: 10, ..HandoffConfig::default() };
    let mut handoff = Handoff::new(config, (0, 1), (0, 4));
    handoff.on_backlog(at(0), TARGET, backlog(5));
    handoff.on_credit(TARGET, 700);
    let read = HintCommand::ReadPage { target: TARGET, after: HintNumber(0), bytes_max: 700 };
    assert_eq!(poll(&mut handoff, 0), [read]);
    let bytes = hint(1).1.encoded_len() as u64;
    let opened = handoff.on_page(now(0), TARGET, vec![hint(1)]);
    handoff.on_copy(opened[0].0);
    handoff.on_sent(TARGET);
    handoff.on_verdict(opened[0].0, &Verdict::Acked);
    finish(&mut handoff, 1);
    assert_eq!(handoff.next_timer(|_| true), Some(at(bytes)), "a third of 3,000 bytes a second");
}

#[test]
fn a_page_that_could_not_be_read_is_asked_for_again_later() {
    let mut handoff = handoff();
    assert_eq!(poll(&mut handoff, 50).len(), 1);
    handoff.on_page_failed(at(50), TARGET);
    assert_eq!(poll(&mut handoff, 50).len(), 0, "not at once");
    let again = handoff.next_timer(|_| true).expect("the hints are still there");
    assert!(again > at(50));
    assert_eq!(poll(&mut handoff, 60_000).len(), 1);
}

#[test]
fn an_empty_page_ends_it_until_new_hints_are_stored() {
    let mut handoff = handoff();
    assert_eq!(poll(&mut handoff, 50).len(), 1);
    assert_eq!(handoff.on_page(now(50), TARGET, Vec::new()), []);
    assert_eq!(handoff.next_timer(|_| true), None);
    handoff.on_backlog(at(60), TARGET, backlog(1));
    assert_eq!(poll(&mut handoff, 60).len(), 1);
}
