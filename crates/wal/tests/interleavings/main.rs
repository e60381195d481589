//! The shell under many interleavings: the real code, its locks, threads, wakers and the disk's calls scheduled by
//! [shuttle](https://docs.rs/shuttle). Empty unless built for it:
//!
//! ```sh
//! RUSTFLAGS="--cfg shuttle" cargo test -p quorate-wal --features shuttle --test interleavings
//! ```
//!
//! A lost wake-up is found as a deadlock: when nobody can go on and not everybody is done, shuttle names who is left.
//! Wrong results are found by the assertions here, against what a power cut at that very moment would leave. What is
//! *not* explored: orderings weaker than sequential consistency, and preemption between two operations that neither
//! lock, wait, notify, touch a shared counter, nor call the disk.
//!
//! `WAL_INTERLEAVINGS` (default 100) scales the executions per test; `SHUTTLE_RANDOM_SEED` varies them. A failure prints
//! its schedule: `WAL_SCHEDULE=<that>`, with the test's name, runs that one again.
#![cfg(all(shuttle, feature = "shuttle"))]
#![expect(clippy::unwrap_used, reason = "a test that unwraps an error fails, as it should")]

mod disk;
mod ending;
mod failing;
mod leading;
mod reading;
mod segments;

use std::env;
use std::sync::Arc;

use quorate_wal::{Chores, Error, Lsn, Options, Wal};
use shuttle::scheduler::{PctScheduler, RandomScheduler, UncontrolledNondeterminismCheckScheduler};
use shuttle::thread::{self, JoinHandle};
use shuttle::{Config, MaxSteps, Runner};

use disk::Disk;

const DIR: &str = "/log";
const SEED: u64 = 4;
/// How many preemptions the bug may need that the PCT scheduler looks for.
const DEPTHS: [usize; 3] = [2, 3, 5];
/// No execution of these takes a tenth of it, unless it spins.
const STEPS_MAX: usize = 200_000;
const STACK_BYTES: usize = 256 << 10;

/// Runs `test` under many schedules.
fn explore(test: fn()) {
    if let Ok(schedule) = env::var("WAL_SCHEDULE") {
        return shuttle::replay(test, &schedule);
    }
    let executions = env::var("WAL_INTERLEAVINGS").map_or(100, |count| count.parse().unwrap());
    // A third at random, a third under PCT; and that it is the same twice, else no failure could be looked into.
    let random = RandomScheduler::new_from_seed(SEED, executions);
    Runner::new(random, config()).run(test);
    for depth in DEPTHS {
        let pct = PctScheduler::new_from_seed(SEED, depth, executions / DEPTHS.len());
        Runner::new(pct, config()).run(test);
    }
    let few = RandomScheduler::new_from_seed(!SEED, executions.div_ceil(50));
    Runner::new(UncontrolledNondeterminismCheckScheduler::new(few), config()).run(test);
}

fn config() -> Config {
    let mut config = Config::new();
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    config.stack_size = STACK_BYTES;
    config
}

/// Room for all that a test writes in one segment.
fn options() -> Options {
    Options::new(DIR).segment_bytes(8 << 10).staged_bytes_max(1 << 20).chores(Chores::Thread)
}

fn open(options: &Options) -> (Disk, Wal) {
    let disk = Disk::new();
    let (wal, _) = Wal::open(options, Arc::new(disk.clone())).unwrap();
    (disk, wal)
}

/// What the record that `writer` appends as its `nth` holds.
fn payload(writer: u8, nth: u8) -> [u8; 2] {
    [writer, nth]
}

fn spawn_each<T: Send + 'static>(
    count: u8,
    work: impl Fn(u8) -> T + Clone + Send + 'static,
) -> Vec<JoinHandle<T>> {
    (0..count)
        .map(|nth| {
            let work = work.clone();
            thread::spawn(move || work(nth))
        })
        .collect()
}

fn join_all<T>(threads: Vec<JoinHandle<T>>) -> Vec<T> {
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// Dropped or closed: what was not durable is nobody's promise.
fn is_over(error: &Error) -> bool {
    matches!(error, Error::Closed | Error::Dropped { .. })
}

/// `lsn`, if it was acknowledged; `None` if the log was over first.
fn unless_over(outcome: Result<Lsn, Error>) -> Option<Lsn> {
    match outcome {
        Ok(lsn) => Some(lsn),
        Err(error) => {
            assert!(is_over(&error), "{error}");
            None
        }
    }
}
