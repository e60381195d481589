//! The named scenarios: the cases that people bring to a store of this kind. Each module is one, by its name.

mod faults;
mod levels;
mod reads;
mod recovery;
mod repair;

use crate::lab::LabSpec;

/// Runs a scenario with one shard and with two, from a few seeds each.
fn each(scenario: impl Fn(LabSpec)) {
    for shards in [1, 2] {
        for seed in 1..=3 {
            scenario(LabSpec::new(seed).with_shards(shards));
        }
    }
}

/// The value that stands for nothing having been found.
const NONE: Option<String> = None;

#[expect(clippy::unnecessary_wraps, reason = "what a read is compared with")]
fn some(value: &str) -> Option<String> {
    Some(value.to_owned())
}
