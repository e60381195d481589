//! The checker, tried both ways: histories that are as they should be raise no alarm, histories with one thing planted
//! in them are convicted of it.

// clippy's `allow-unwrap-in-tests` does not cover the plain functions of a test crate.
#![allow(clippy::unwrap_used)]

mod agreement;
mod atomic;
mod format;
mod good;
mod losses;
mod model;
mod planted;
mod small;

use quorate_sim::check::{Invariant, Report, Ruling, Verdict, check};
use quorate_sim::history::{Event, Header, History, Limits};

/// The history of `events`.
fn history(header: &Header, events: &[Event]) -> History {
    let mut history = History::new(header.clone(), Limits::default());
    for event in events {
        history.push(event.clone()).unwrap();
    }
    history
}

fn verdict(report: &Report, invariant: Invariant) -> &Verdict {
    report.verdicts.iter().find(|verdict| verdict.invariant == invariant).unwrap()
}

/// Fails with the report unless `invariant` is violated.
fn assert_convicted(header: &Header, events: &[Event], invariant: Invariant, of: &str) {
    let history = history(header, events);
    let report = check(&history);
    let ruling = verdict(&report, invariant).ruling;
    assert_eq!(ruling, Ruling::Violated, "{of}: {invariant:?}\n{}", report.text(&history));
}
