//! How fast each log is: every contender in turn, round by round, so that what else the machine does hits all alike.
//!
//! Absolute figures are this machine's. What counts are ratios within one round; of several rounds, the median.

mod aims;
mod appends;
mod board;
mod machine;
mod measured;
mod replay;
mod table;

pub use aims::{Aim, aims, aims_table};
pub use appends::{Appends, Workload};
pub use board::Board;
pub use machine::{describe, exec_in_real_time, load};
pub use measured::Measured;
pub use replay::{Cooling, Replayed, Replays, Temperature, replay_here};
pub use table::{appends_table, replays_table, settings_table};

use std::path::Path;
use std::time::Duration;

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Rounds; each takes every contender once.
    pub rounds: usize,
    /// Appending before the measurement begins.
    pub warm_up: Duration,
    /// Appending that is measured.
    pub measured: Duration,
    /// Records buffered before the one sync.
    pub buffered_records: u64,
    /// Payload bytes replayed.
    pub replayed_bytes: u64,
    /// Rounds of replays.
    pub replay_rounds: usize,
}

impl Plan {
    /// For figures that are to be believed.
    pub const FULL: Self = Self {
        rounds: 5,
        warm_up: Duration::from_millis(400),
        measured: Duration::from_millis(1200),
        buffered_records: 1_000_000,
        replayed_bytes: 1 << 30,
        replay_rounds: 3,
    };
    /// To see that everything works.
    pub const QUICK: Self = Self {
        rounds: 1,
        warm_up: Duration::from_millis(20),
        measured: Duration::from_millis(100),
        buffered_records: 20_000,
        replayed_bytes: 8 << 20,
        replay_rounds: 1,
    };
}

/// A folder below `dir` that goes when it is dropped.
fn folder(dir: &Path) -> anyhow::Result<tempfile::TempDir> {
    Ok(tempfile::Builder::new().prefix("quorate-peers-").tempdir_in(dir)?)
}

/// The order of a round: another in each, so that nobody always comes behind the same one. What the one before leaves to the
/// disk is felt: the same bare calls, measured at two places of a fixed order, differed by a sixth.
fn in_turn<T>(field: &[T], round: usize) -> impl Iterator<Item = &T> {
    let place = |at: usize| {
        (at as u64 + 1)
            .wrapping_mul((2 * round as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
            .rotate_left(29)
    };
    let mut order: Vec<usize> = (0..field.len()).collect();
    order.sort_by_key(|at| place(*at));
    order.into_iter().map(|at| &field[at])
}

/// The value in the middle; of an even number, the lower of the two.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}
