//! Processes that are killed and frozen while they write.
//!
//! SIGKILL exercises the process alone: what the operating system had is not lost. Cuts of power are in
//! [`disks`](crate::disks).

use libtest_mimic::Failed;
use quorate_sim::history::What;

use crate::cases::{Outcome, passed};
use crate::harness::Cluster;
use crate::settings::Settings;
use crate::storm::{Storm, rounds, spec};

/// The longest time between two faults, and for which a replica stays dead, milliseconds.
const PAUSE_MS: u64 = 400;
/// The longest time for which a replica stands still: longer than it takes the others to call it dead, and than
/// clients wait.
const FROZEN_MS: u64 = 2_500;

/// One is killed, stays dead for a while, comes back; then the next.
pub fn acknowledged_writes_survive_sigkill_of_one_replica_after_the_other(
    settings: &Settings,
) -> Result<Outcome, Failed> {
    let judged = rounds(settings, |seed| {
        let mut storm = Storm::begin("kills", seed, settings, Cluster::start(&spec()))?;
        while storm.rages() {
            storm.pause(PAUSE_MS);
            let k = storm.anyone();
            storm.kill(k);
            storm.pause(PAUSE_MS);
            storm.start(k);
        }
        storm.end()
    })?;
    passed(judged.to_string())
}

/// All are killed as close together as possible, and come back one after the other.
pub fn acknowledged_writes_survive_sigkill_of_all_replicas_at_once(
    settings: &Settings,
) -> Result<Outcome, Failed> {
    let judged = rounds(settings, |seed| {
        let mut storm = Storm::begin("kills-all", seed, settings, Cluster::start(&spec()))?;
        while storm.rages() {
            storm.pause(2 * PAUSE_MS);
            storm.cluster.kill_all();
            for k in 1..=storm.cluster.nodes() {
                storm.happened(k, What::Crash);
            }
            for k in 1..=storm.cluster.nodes() {
                storm.start(k);
            }
        }
        storm.end()
    })?;
    passed(judged.to_string())
}

/// It stands still with writes under way, and finishes them when the others have long gone on without it.
pub fn a_coordinator_frozen_in_the_middle_of_its_writes_breaks_no_promise(
    settings: &Settings,
) -> Result<Outcome, Failed> {
    let judged = rounds(settings, |seed| {
        let mut storm = Storm::begin("frozen", seed, settings, Cluster::start(&spec()))?;
        while storm.rages() {
            storm.pause(PAUSE_MS);
            let k = storm.anyone();
            storm.cluster.signal(k, "STOP");
            storm.happened(k, What::Pause);
            storm.pause(FROZEN_MS);
            storm.cluster.signal(k, "CONT");
            storm.happened(k, What::Resume);
        }
        storm.end()
    })?;
    passed(judged.to_string())
}
