//! The proof proved: bugs that were planted on purpose, and after how many seeds the simulator finds each.
//!
//! A mutant is looked for as a bug of ours would be: plans are drawn from one seed after the other and judged as always,
//! and nothing knows which bug is in force. Several disjoint ranges of seeds are asked, because one lucky seed says
//! nothing. The plan that convicts is run again without the bug and must end well: else it is our code that failed.

use std::fmt;

use quorate_types::mutants as cluster;
use quorate_wal::mutants as log;

use crate::plan::{Plan, Shape};
use crate::run::{Report, run};

/// Within so many seeds a mutant must be found.
pub const SEEDS_MAX: u64 = 200;
/// Ranges begin this far apart.
const RANGE: u64 = 1_000_000;

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Of the coordinator, the node or the store.
    Cluster(cluster::Mutant),
    /// Of the log.
    Log(log::Mutant),
}

/// Bugs of the log that a cluster can show: the log's own proofs look for all of them.
const OF_THE_LOG: &[log::Mutant] = &[
    log::Mutant::AckBeforeSync,
    log::Mutant::RetryAfterSyncError,
    log::Mutant::NoChecksum,
    log::Mutant::NoDirSyncAfterRecovery,
    log::Mutant::RecoveredSegmentNotSynced,
    log::Mutant::GoesOnInTheTornSegment,
    log::Mutant::NoCopyAtRecovery,
];

impl Mutant {
    /// All of the cluster, and those of the log that a cluster can show.
    pub fn all() -> Vec<Mutant> {
        let of_the_cluster = cluster::Mutant::ALL.iter().copied().map(Mutant::Cluster);
        of_the_cluster.chain(OF_THE_LOG.iter().copied().map(Mutant::Log)).collect()
    }

    /// What it does wrong, in a line.
    pub fn description(self) -> &'static str {
        match self {
            Mutant::Cluster(mutant) => mutant.description(),
            Mutant::Log(mutant) => mutant.description(),
        }
    }

    /// Runs `plan` with this bug, and no other, in force.
    pub fn run(self, plan: &Plan) -> Report {
        match self {
            Mutant::Cluster(mutant) => cluster::with(Some(mutant), || run(plan)),
            Mutant::Log(mutant) => log::with(Some(mutant), || run(plan)),
        }
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mutant::Cluster(mutant) => write!(f, "{mutant:?}"),
            Mutant::Log(mutant) => write!(f, "wal::{mutant:?}"),
        }
    }
}

/// A plan that convicts a mutant.
#[derive(Clone, Debug)]
pub struct Found {
    /// Seeds that were looked at, this one too.
    pub seeds: u64,
    /// Its seed.
    pub seed: u64,
    /// The first violation, in words.
    pub by: String,
}

/// What looking for a mutant came to.
#[derive(Clone, Debug)]
pub enum Search {
    /// A plan convicts it.
    Found(Found),
    /// None of the seeds does.
    Missed,
    /// This seed ends badly without any planted bug: ours.
    Ours(u64),
}

/// Looks for `mutant` in the seeds of range number `range`.
pub fn look(mutant: Mutant, range: u64, seeds_max: u64) -> Search {
    for i in 0..seeds_max {
        let seed = (range + 1) * RANGE + i;
        let plan = Plan::draw(seed, Shape::default());
        let report = mutant.run(&plan);
        if report.violations.is_empty() {
            continue;
        }
        if !run(&plan).is_well() {
            return Search::Ours(seed);
        }
        return Search::Found(Found { seeds: i + 1, seed, by: words(&report) });
    }
    Search::Missed
}

/// What convicted it: the invariant, and the first violation of it.
fn words(report: &Report) -> String {
    let first = &report.violations[0];
    format!("{}: {}", first.about, first.what)
}
