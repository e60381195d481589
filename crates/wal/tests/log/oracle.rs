//! "acknowledged ⊆ recovered ⊆ appended, in order", on a simulated disk, from seeds.
//!
//! The machine is driven without its shell, so that power cuts fall between a write and its sync, inside rotations,
//! chores, retirements, cuts by hand and recovery itself. One seed: one history, drawn with its own sizes and rate of
//! faults. `WAL_SEEDS=100000 cargo test -p quorate-wal oracle -- --nocapture` for more; `WAL_SEED=n` replays one.

use crate::tally::{Tally, sweep};

mod check;
mod faults;
pub mod followers;
mod world;

use world::World;

/// What must happen in a sweep.
const HAPPENINGS: &[&str] = &[
    "a batch was carried out",
    "a rotation",
    "a retirement",
    "a segment was recycled",
    "a record was refused: staged bytes",
    "an atomic batch",
    "a pin held segments back",
    "the power went",
    "the power went inside a batch",
    "the power went inside a rotation",
    "the power went inside the preparation of a segment",
    "the power went inside the recycling of a segment",
    "the power went inside a retirement",
    "the power went inside recovery",
    "the power went inside a cut by hand",
    "the power went between write and sync",
    "the process died",
    "the process died between write and sync",
    "poisoned by a failed write",
    "poisoned by a failed sync",
    "poisoned by a failed chore",
    "the disk was full",
    "recovery met a full disk",
    "recovery met a failed sync or write",
    "recovery copied records",
    "frames were copied behind the end",
    "the log was cut by hand",
    "unacknowledged records were lost",
    "unacknowledged records survived",
];

/// One history; panics where a promise is broken.
pub fn run(seed: u64) -> Tally {
    let mut world = World::new(seed);
    for _ in 0..400 {
        world.step();
    }
    world.end()
}

#[test]
fn acknowledged_is_recovered_and_recovered_was_appended_whatever_the_disk_does() {
    let total = sweep(2_000, "oracle", run);
    if crate::tally::number("WAL_SEED").is_none() {
        total.require(HAPPENINGS);
    }
}
