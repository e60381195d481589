//! What the checker costs: `cargo run --release -p quorate-sim --example check_cost [OPERATIONS]` (1 million).
//!
//! One history of keys on which everything happens at one moment, so that every checker has all its work to do and
//! finds nothing; written to memory, read back, and judged.

// A measurement: it reads the clock, and it may panic.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

#[path = "../tests/checker/atomic.rs"]
mod atomic;

use std::time::Duration;

use atomic::{Size, atomic};
use quorate_sim::check::{Ruling, check};
use quorate_sim::history::{Header, Initial, Limits, Promise, ReadRepairPolicy, Sessions, Writer, read};
use quorate_types::Level;

fn header() -> Header {
    let promise = Promise {
        read_repair: Some(ReadRepairPolicy::Blocking),
        linearizable: vec![Level::Quorum],
        sessions: Sessions::Tokens,
        ..Promise::of("default", 3)
    };
    Header {
        version: 1,
        made_by: "the cost of checking".to_owned(),
        seed: None,
        plan: None,
        replay: None,
        initial: Initial::Empty,
        keyspaces: vec![promise],
        nodes: Vec::new(),
    }
}

/// CPU time of this thread, which other work on the machine does not lengthen (Linux).
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

fn main() {
    let ops = std::env::args().nth(1).map_or(1_000_000, |text| text.parse().unwrap());
    for (keys, clients) in [(10, 16), (10_000, 64), (ops, 64)] {
        let mut writer = Writer::new(Vec::new(), &header()).unwrap();
        let began = cpu_time();
        atomic(1, Size { clients, ops, keys }, Level::Quorum, |event| writer.write(&event).unwrap());
        let (written, bytes) = (cpu_time().saturating_sub(began), writer.into_inner());
        let began = cpu_time();
        let history = read(&bytes[..], Limits::default()).unwrap();
        let reading = cpu_time().saturating_sub(began);
        let began = cpu_time();
        let report = check(&history);
        let judging = cpu_time().saturating_sub(began);
        assert_eq!(report.ruling(), Ruling::Holds, "{}", report.text(&history));
        println!(
            "{ops} operations on {keys} keys, {} MiB: made and written in {:.2} s of CPU, read in {:.2} s, judged in {:.2} s",
            bytes.len() >> 20,
            written.as_secs_f64(),
            reading.as_secs_f64(),
            judging.as_secs_f64()
        );
    }
}
