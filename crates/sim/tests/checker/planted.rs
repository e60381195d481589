//! One thing is planted in a history that is as it should be, and the checker for it finds it, in every seed.

use std::collections::BTreeMap;

use quorate_sim::check::Invariant;
use quorate_sim::history::{Ask, Complete, CopySeen, Event, Held, Invoke, Outcome, Sessions, Value, When};
use quorate_types::{Key, Level, Timestamp, Version};

use crate::assert_convicted;
use crate::atomic::{Size, atomic};
use crate::model::{N, Run, Shape, header, run};

const SEEDS: u64 = 150;

/// An operation that was answered once, found by plain means.
#[derive(Clone, Debug)]
struct Done {
    key: Key,
    begun: u64,
    ended: u64,
    required: usize,
    level: Level,
    ask: Ask,
    outcome: Outcome,
    /// Where its answer stands in the events.
    at: usize,
    id: u64,
}

impl Done {
    fn writes(&self) -> bool {
        !matches!(self.ask, Ask::Get { .. })
    }

    fn version(&self) -> Option<Version> {
        match &self.outcome {
            Outcome::Written { version, .. } | Outcome::Deleted { version } => Some(*version),
            Outcome::Found(held) => Some(held.version),
            Outcome::NotFound { expired } => *expired,
            _ => None,
        }
    }

    fn is_told(&self) -> bool {
        matches!(
            self.outcome,
            Outcome::Written { .. } | Outcome::Deleted { .. } | Outcome::Found(_) | Outcome::NotFound { .. }
        )
    }

    /// Whether `self` must have seen what `before` left on the replicas that it counted.
    fn overlaps_after(&self, before: &Done) -> bool {
        self.key == before.key && before.ended < self.begun && self.required + before.required > N
    }
}

/// Operations on single keys that were answered once; not those with another attempt or answer.
fn done(events: &[Event]) -> Vec<Done> {
    let mut begun: BTreeMap<u64, &Invoke> = BTreeMap::new();
    let mut doubled = Vec::new();
    for event in events {
        match event {
            Event::Invoke(invoke) => {
                doubled.extend(invoke.retry_of);
                doubled.extend(invoke.retry_of.map(|_| invoke.id));
                begun.insert(invoke.id, invoke);
            }
            Event::Duplicate(duplicate) => doubled.push(duplicate.id),
            _ => {}
        }
    }
    let answered = events.iter().enumerate().filter_map(|(at, event)| {
        let Event::Complete(Complete { at_ns, id, outcome, .. }) = event else { return None };
        let Invoke { at_ns: began, level, ask, .. } = begun[id];
        let (Ask::Get { key } | Ask::Put { key, .. } | Ask::Delete { key }) = ask else { return None };
        let (key, level, ask, outcome) = (key.clone(), *level, ask.clone(), outcome.clone());
        let required = level.required(N).unwrap();
        Some(Done { key, begun: *began, ended: *at_ns, required, level, ask, outcome, at, id: *id })
    });
    answered.filter(|done| !doubled.contains(&done.id) && done.is_told()).collect()
}

/// Plants something in the run of each seed, where it can be planted, and sees it found.
fn each_is_convicted(invariant: Invariant, at_least: usize, plant: impl Fn(&mut Run, &[Done]) -> bool) {
    let mut planted = 0;
    for seed in 0..SEEDS {
        let mut run = run(seed, Shape::default());
        let done = done(&run.events);
        if plant(&mut run, &done) {
            planted += 1;
            assert_convicted(&run.header, &run.events, invariant, &format!("seed {seed}"));
        }
    }
    assert!(planted >= at_least, "planted in {planted} runs only");
}

fn set(run: &mut Run, done: &Done, outcome: Outcome) {
    let Event::Complete(complete) = &mut run.events[done.at] else { panic!("an answer") };
    complete.outcome = outcome;
}

fn held(version: Version, value: Option<&Value>) -> Held {
    Held { version, value: value.cloned(), expiry_version: None, expires_at_ms: None }
}

fn value_of(ask: &Ask) -> Option<&Value> {
    if let Ask::Put { value, .. } = ask { Some(value) } else { None }
}

fn reads(done: &[Done]) -> impl Iterator<Item = &Done> {
    done.iter().filter(|one| !one.writes())
}

fn writes(done: &[Done]) -> impl Iterator<Item = &Done> {
    done.iter().filter(|one| one.writes())
}

#[test]
fn a_value_that_nobody_wrote_is_found() {
    each_is_convicted(Invariant::Phantoms, 140, |run, done| {
        let Some(read) = reads(done).find(|read| matches!(read.outcome, Outcome::Found(_))) else {
            return false;
        };
        set(run, read, Outcome::Found(held(read.version().unwrap(), Some(&Value::of(b"thin air")))));
        true
    });
}

#[test]
fn a_version_under_which_nobody_wrote_the_value_is_found() {
    each_is_convicted(Invariant::Phantoms, 100, |run, done| {
        let written = |read: &Done| {
            let Outcome::Found(found) = &read.outcome else { return None };
            writes(done).any(|write| write.version() == read.version()).then(|| found.clone())
        };
        let Some((read, found)) = reads(done).find_map(|read| Some((read, written(read)?))) else {
            return false;
        };
        let version = Version::new(Timestamp(found.version.timestamp.0 + 1), found.version.node);
        set(run, read, Outcome::Found(Held { version, ..found }));
        true
    });
}

#[test]
fn a_value_whose_write_was_refused_is_found() {
    each_is_convicted(Invariant::Phantoms, 100, |run, done| {
        // A put: of several deletions without an answer another could be the one that was seen.
        let seen = |write: &&Done| {
            value_of(&write.ask).is_some() && reads(done).any(|read| read.version() == write.version())
        };
        let Some(write) = writes(done).find(seen) else { return false };
        set(run, write, Outcome::Rejected { reason: "planted".to_owned() });
        true
    });
}

#[test]
fn a_retry_that_was_stamped_anew_is_found() {
    each_is_convicted(Invariant::Phantoms, 60, |run, done| {
        // The write hears nothing; two reads see it under two versions.
        let seen = |write: &Done| {
            let found =
                |read: &&Done| matches!(read.outcome, Outcome::Found(_)) && read.version() == write.version();
            reads(done).filter(found).cloned().collect::<Vec<Done>>()
        };
        let Some((write, sights)) = writes(done).map(|write| (write, seen(write))).find(|(_, s)| s.len() > 1)
        else {
            return false;
        };
        set(run, write, Outcome::Indeterminate { acked: 0, required: write.required as u8, version: None });
        let Outcome::Found(found) = &sights[0].outcome else { panic!("found") };
        let version = Version::new(Timestamp(found.version.timestamp.0 + 1), found.version.node);
        set(run, &sights[0], Outcome::Found(Held { version, ..found.clone() }));
        true
    });
}

#[test]
fn a_stamp_of_a_clock_that_ran_back_is_found() {
    each_is_convicted(Invariant::Stamps, 100, |run, done| {
        let same = |a: &Done, b: &Done| a.version().map(|v| v.node) == b.version().map(|v| v.node);
        let follows = |later: &&Done| {
            writes(done)
                .any(|first| first.key == later.key && first.ended < later.begun && same(first, later))
        };
        let Some(later) = writes(done).find(follows) else { return false };
        let version = Version::new(Timestamp(0), later.version().unwrap().node);
        set(
            run,
            later,
            Outcome::Written { version, expires_at_ms: None, acked: 3, required: later.required as u8 },
        );
        true
    });
}

#[test]
fn a_copy_that_went_back_or_disappeared_is_found() {
    for gone in [true, false] {
        each_is_convicted(Invariant::ReplicaVersions, 100, |run, done| {
            let copies = run.events.iter().enumerate().filter_map(|(at, event)| match event {
                Event::Copy(copy @ CopySeen { moment: When::Underway, .. }) => Some((at, copy)),
                _ => None,
            });
            let newest = |key: &Key| writes(done).filter(|w| w.key == *key).filter_map(Done::version).max();
            let mut held_newest =
                copies.filter(|(_, copy)| copy.record.as_ref().map(|r| r.version) == newest(&copy.key));
            let Some((at, copy)) = held_newest.next() else { return false };
            let older = writes(done).find(|w| w.key == copy.key && w.version() < newest(&copy.key));
            let older = older.map(|write| held(write.version().unwrap(), value_of(&write.ask)));
            if !gone && older.is_none() {
                return false;
            }
            let record = if gone { None } else { older };
            run.events.insert(at + 1, Event::Copy(CopySeen { record, ..copy.clone() }));
            true
        });
    }
}

#[test]
fn an_acknowledged_write_that_is_on_too_few_copies_in_the_end_is_found() {
    each_is_convicted(Invariant::Durability, 140, |run, done| {
        let Some(last) = writes(done).filter(|write| write.required > 1).max_by_key(|write| write.version())
        else {
            return false;
        };
        let older = writes(done).filter(|write| write.key == last.key && write.version() < last.version());
        let older = older.max_by_key(|write| write.version());
        let older = older.map(|write| held(write.version().unwrap(), value_of(&write.ask)));
        let mut left = last.required - 1;
        for event in &mut run.events {
            let Event::Copy(copy @ CopySeen { moment: When::Final, .. }) = event else { continue };
            let has = copy.record.as_ref().map(|record| record.version) >= last.version();
            if copy.key == last.key && has {
                if left > 0 {
                    left -= 1;
                } else {
                    copy.record.clone_from(&older);
                }
            }
        }
        true
    });
}

/// Turns every later read that must show the write into one that shows what was before.
fn drop_from_reads(run: &mut Run, done: &[Done], write: &Done) -> usize {
    let later: Vec<&Done> = reads(done).filter(|read| read.overlaps_after(write)).collect();
    for read in &later {
        set(run, read, Outcome::NotFound { expired: None });
    }
    later.len()
}

#[test]
fn an_acknowledged_write_that_no_later_read_shows_is_lost_even_if_nobody_looked_at_the_replicas() {
    each_is_convicted(Invariant::Durability, 120, |run, done| {
        let read_later = |write: &&Done| reads(done).any(|read| read.overlaps_after(write));
        let Some(write) = writes(done).find(read_later).cloned() else { return false };
        drop_from_reads(run, done, &write);
        // Reads with other answers than one are left out above: take them out of the history, and the last copies.
        let planted: Vec<u64> = done.iter().map(|one| one.id).collect();
        run.events.retain(|event| match event {
            Event::Copy(_) => false,
            Event::Complete(complete) => planted.contains(&complete.id),
            _ => true,
        });
        true
    });
}

#[test]
fn a_stale_read_is_found() {
    each_is_convicted(Invariant::Freshness, 140, |run, done| {
        let newest =
            |read: &Done| writes(done).filter(|w| read.overlaps_after(w)).max_by_key(|w| w.version());
        let Some((read, write)) = reads(done).find_map(|read| Some((read, newest(read)?))) else {
            return false;
        };
        let before = writes(done).filter(|w| w.key == read.key && w.version() < write.version());
        let outcome =
            before.max_by_key(|w| w.version()).map_or(
                Outcome::NotFound { expired: None },
                |w| match value_of(&w.ask) {
                    None => Outcome::Deleted { version: w.version().unwrap() },
                    Some(value) => Outcome::Found(held(w.version().unwrap(), Some(value))),
                },
            );
        set(run, read, outcome);
        true
    });
}

#[test]
fn a_read_that_is_older_than_a_read_before_it_is_found() {
    each_is_convicted(Invariant::MonotonicReads, 120, |run, done| {
        let newer =
            |read: &&Done| reads(done).any(|first| read.overlaps_after(first) && first.version().is_some());
        let Some(read) = reads(done).find(newer) else { return false };
        set(run, read, Outcome::NotFound { expired: None });
        true
    });
}

#[test]
fn an_order_that_no_register_has_is_found() {
    each_is_convicted(Invariant::Linearizability, 100, |run, done| {
        // A write, a later write, and a still later read: it shows the first.
        let two_phase = |one: &&Done| one.level == Level::Two;
        let chain = reads(done).filter(two_phase).find_map(|read| {
            let then = |first: &Done| {
                writes(done).any(|w| w.key == read.key && w.ended < read.begun && first.ended < w.begun)
            };
            let first = writes(done).find(|first| first.key == read.key && then(first))?;
            Some((read, first))
        });
        let Some((read, first)) = chain else { return false };
        let version = first.version().unwrap();
        let outcome = match value_of(&first.ask) {
            None => Outcome::Deleted { version },
            Some(value) => Outcome::Found(held(version, Some(value))),
        };
        set(run, read, outcome);
        true
    });
}

#[test]
fn a_deleted_value_that_comes_back_is_found() {
    each_is_convicted(Invariant::Resurrection, 60, |run, done| {
        let deletes = writes(done).filter(|write| matches!(write.ask, Ask::Delete { .. }));
        let older = |delete: &Done| {
            writes(done)
                .find(|w| w.key == delete.key && w.version() < delete.version() && value_of(&w.ask).is_some())
        };
        let found = deletes.filter_map(|delete| {
            let read = reads(done).find(|read| read.overlaps_after(delete))?;
            Some((read, older(delete)?))
        });
        let Some((read, older)) = found.into_iter().next() else { return false };
        set(run, read, Outcome::Found(held(older.version().unwrap(), value_of(&older.ask))));
        true
    });
}

#[test]
fn a_tombstone_that_all_replicas_forgot_is_found() {
    each_is_convicted(Invariant::Resurrection, 20, |run, done| {
        let newest = |key: &Key| writes(done).filter(|w| w.key == *key).max_by_key(|w| w.version());
        let deletes = writes(done).filter(|w| matches!(w.ask, Ask::Delete { .. }));
        let last = deletes.filter(|delete| newest(&delete.key).map(|w| w.id) == Some(delete.id));
        let pair = last.filter_map(|delete| {
            let older = writes(done).find(|w| w.key == delete.key && value_of(&w.ask).is_some())?;
            Some((delete, held(older.version().unwrap(), value_of(&older.ask))))
        });
        let Some((delete, older)) = pair.into_iter().next() else { return false };
        for event in &mut run.events {
            if let Event::Copy(copy @ CopySeen { moment: When::Final, .. }) = event
                && copy.key == delete.key
            {
                copy.record = Some(older.clone());
            }
        }
        true
    });
}

#[test]
fn a_copy_that_differs_in_the_end_is_found() {
    each_is_convicted(Invariant::Convergence, 140, |run, _| {
        let mut last = run.events.iter_mut().rev().filter_map(|event| match event {
            Event::Copy(copy @ CopySeen { moment: When::Final, .. }) => Some(copy),
            _ => None,
        });
        let Some(copy) = last.next() else { return false };
        let record = copy.record.as_mut().unwrap();
        record.expires_at_ms = Some(record.expires_at_ms.map_or(7, |at| at + 1));
        true
    });
}

#[test]
fn a_second_answer_and_an_answer_to_nothing_and_a_missing_answer_are_found() {
    each_is_convicted(Invariant::Replies, SEEDS as usize, |run, done| {
        let second = run.events[done[0].at].clone();
        run.events.insert(done[0].at, second);
        true
    });
    each_is_convicted(Invariant::Replies, SEEDS as usize, |run, done| {
        let Event::Complete(mut stray) = run.events[done[0].at].clone() else { panic!("an answer") };
        stray.id = 1_000_000;
        run.events.insert(done[0].at, Event::Complete(stray));
        true
    });
    each_is_convicted(Invariant::Replies, 100, |run, done| {
        let crashed = run.events.iter().any(|event| matches!(event, Event::Node(_)));
        if crashed {
            run.events.retain(|event| !matches!(event, Event::Node(_)));
        }
        let at =
            run.events.iter().position(|e| matches!(e, Event::Complete(c) if c.id == done[0].id)).unwrap();
        run.events.remove(at);
        true
    });
}

#[test]
fn an_acknowledgement_that_counts_too_few_is_found() {
    each_is_convicted(Invariant::Replies, SEEDS as usize, |run, done| {
        let Some(write) = writes(done).find(|write| write.required > 1) else { return false };
        let (version, required) = (write.version().unwrap(), write.required as u8);
        set(run, write, Outcome::Written { version, expires_at_ms: None, acked: required - 1, required });
        true
    });
}

#[test]
fn a_session_that_does_not_read_its_own_write_is_found() {
    let size = Size { clients: 4, ops: 80, keys: 2 };
    let mut promised = header();
    promised.keyspaces[0].sessions = Sessions::Tokens;
    let mut planted = 0;
    for seed in 0..SEEDS {
        // At ONE, nothing but the session says that it must.
        let mut events = Vec::new();
        atomic(seed, size, Level::Quorum, |event| events.push(event));
        let fine = quorate_sim::check::check(&crate::history(&promised, &events));
        assert_eq!(fine.ruling(), quorate_sim::check::Ruling::Holds, "seed {seed}");
        for event in &mut events {
            match event {
                Event::Invoke(invoke) => invoke.level = Level::One,
                Event::Complete(Complete { outcome: Outcome::Written { required, .. }, .. }) => *required = 1,
                _ => {}
            }
        }
        let client = |id: u64| {
            let of = events
                .iter()
                .find_map(|e| if let Event::Invoke(i) = e { (i.id == id).then_some(i.client) } else { None });
            of.unwrap()
        };
        let done = done(&events);
        let own = |read: &&Done| {
            let written =
                |w: &Done| w.key == read.key && w.ended < read.begun && client(w.id) == client(read.id);
            writes(&done).any(written)
        };
        let Some(at) = reads(&done).find(own).map(|read| read.at) else { continue };
        let Event::Complete(complete) = &mut events[at] else { panic!("an answer") };
        complete.outcome = Outcome::NotFound { expired: None };
        planted += 1;
        assert_convicted(&promised, &events, Invariant::Sessions, &format!("seed {seed}"));
    }
    assert!(planted > 100, "{planted}");
}
