//! What a lost disk excuses: reads behind the loss, of keys that it held; nothing else.

use quorate_sim::check::{Invariant, Ruling, check};
use quorate_sim::history::{
    Ask, Complete, CopySeen, Event, Held, Invoke, NodeEvent, Outcome, Value, What, When,
};
use quorate_types::{Key, Level, NodeId, Timestamp, Version};

use crate::model::{N, header, node};
use crate::{history, verdict};

fn key() -> Key {
    Key::new(&b"k"[..]).unwrap()
}

fn version(number: u64) -> Version {
    Version::new(Timestamp::from_parts(number, 0), node(0))
}

/// The value that put number `number` writes.
fn held(number: u64) -> Held {
    Held {
        version: version(number),
        value: Some(Value::of(format!("v{number}").as_bytes())),
        expires_at_ms: None,
        expiry_version: None,
    }
}

fn asked(at_ns: u64, id: u64, level: Level, ask: Ask) -> Event {
    let (client, session, keyspace, coordinator, retry_of) = (1, None, None, None, None);
    Event::Invoke(Invoke { at_ns, id, client, session, keyspace, level, coordinator, retry_of, ask })
}

fn told(at_ns: u64, id: u64, outcome: Outcome) -> Event {
    Event::Complete(Complete { at_ns, id, coordinator: None, outcome })
}

/// A put from `at` to `at + 1`, acknowledged.
fn put(at: u64, id: u64, level: Level) -> [Event; 2] {
    let value = held(id).value.unwrap();
    let required = level.required(N).unwrap() as u8;
    let written = Outcome::Written { version: version(id), expires_at_ms: None, acked: required, required };
    let ask = Ask::Put { key: key(), value, expires: false };
    [asked(at, id, level, ask), told(at + 1, id, written)]
}

/// A get from `at` to `at + 1` that finds what put number `shows` wrote.
fn get(at: u64, id: u64, level: Level, shows: u64) -> [Event; 2] {
    [asked(at, id, level, Ask::Get { key: key() }), told(at + 1, id, Outcome::Found(held(shows)))]
}

fn wiped(at_ns: u64, k: usize) -> [Event; 1] {
    [Event::Node(NodeEvent { at_ns, node: node(k), what: What::Wipe })]
}

/// The last words of the key's replicas: nodes 0 up to `N`, and no other.
fn finals(at_ns: u64, number: u64) -> Vec<Event> {
    let copy = |node: NodeId| {
        let (keyspace, record, moment) = (None, Some(held(number)), When::Final);
        Event::Copy(CopySeen { at_ns, node, keyspace, key: key(), record, moment })
    };
    (0..N).map(|k| copy(node(k))).collect()
}

fn ruling(invariant: Invariant, events: &[&[Event]]) -> Ruling {
    verdict(&check(&history(&header(), &events.concat())), invariant).ruling
}

#[test]
fn a_disk_of_a_node_that_was_no_replica_excuses_nothing_if_the_history_tells_whose_replicas_are_whose() {
    let two = Level::Two;
    let (first, second, stale) = (put(1, 1, two), put(3, 2, two), get(7, 3, two, 1));
    let story = |k| -> [Vec<Event>; 5] {
        [first.to_vec(), second.to_vec(), wiped(5, k).to_vec(), stale.to_vec(), finals(9, 2)]
    };
    let judged = |k, parts: usize| {
        let story = story(k);
        let events: Vec<&[Event]> = story[..parts].iter().map(Vec::as_slice).collect();
        (ruling(Invariant::Linearizability, &events), ruling(Invariant::Freshness, &events))
    };
    assert_eq!(judged(N, 5), (Ruling::Violated, Ruling::Violated), "it was no replica");
    assert_eq!(judged(0, 5), (Ruling::Holds, Ruling::Holds), "it was one");
    assert_eq!(judged(N, 4), (Ruling::Holds, Ruling::Holds), "nobody looked whose replicas are whose");
}

#[test]
fn a_key_is_judged_as_a_register_up_to_the_first_loss() {
    let two = Level::Two;
    let (first, second) = (put(1, 1, two), put(3, 2, two));
    let before = [&first[..], &second, &get(5, 3, two, 1), &wiped(7, 0)];
    assert_eq!(ruling(Invariant::Linearizability, &before), Ruling::Violated);
    let behind = [&first[..], &second, &wiped(5, 0), &get(7, 3, two, 1)];
    assert_eq!(ruling(Invariant::Linearizability, &behind), Ruling::Holds);
    let across = [&first[..], &second, &asked_and_lost(), &get(9, 4, two, 2)];
    assert_eq!(ruling(Invariant::Linearizability, &across), Ruling::Holds, "it ended behind the loss");
}

/// A get that was under way when a disk was lost.
fn asked_and_lost() -> Vec<Event> {
    let [asked, _] = get(5, 3, Level::Two, 1);
    [&[asked][..], &wiped(6, 0), &[told(7, 3, Outcome::Found(held(1)))]].concat()
}

#[test]
fn disks_that_were_lost_after_a_read_do_not_excuse_what_it_missed() {
    let (first, second) = (put(1, 1, Level::Quorum), put(3, 2, Level::Quorum));
    let before = [&first[..], &second, &get(5, 3, Level::Quorum, 1), &wiped(7, 0), &wiped(8, 1)];
    assert_eq!(ruling(Invariant::Durability, &before), Ruling::Violated);
    let behind = [&first[..], &second, &wiped(5, 0), &wiped(6, 1), &get(7, 3, Level::Quorum, 1)];
    assert_ne!(ruling(Invariant::Durability, &behind), Ruling::Violated);
}
