//! Real `replica` processes under load with faults, and the same judge as in the simulator.
//!
//! Each case starts a cluster, lets `kvctl bench` record what it asks and is answered, plants its faults meanwhile,
//! heals everything, reads every key at ALL, looks at every copy, and hands the history to `quorate_sim::check`. What a
//! machine does not allow (namespaces, nft, strace, mounts, loop devices, libfaketime) is tried first; a case that cannot
//! run is *ignored*, with the reason, and never counts as passed. The last line says how many did what.
//!
//! Everything runs in namespaces that this program makes for itself: processes, mounts and networks are gone when it is,
//! whatever ends it, and the machine's own network and its rules are never touched.
//!
//! ```text
//! cargo test --test faults                                      # small: every technique once, some seconds each
//! FAULTS_SECONDS=60 FAULTS_ROUNDS=10 cargo test --release --test faults
//! FAULTS_SEED=7 cargo test --test faults kills::                # what is drawn is drawn from the seed
//! ```

// clippy's `allow-unwrap-in-tests` does not cover the plain functions of a test crate.
#![allow(clippy::unwrap_used)]

mod clocks;
mod disks;
mod epilogue;
mod kills;
mod network;
mod proxied;
mod proxy;
mod settings;
mod storm;
mod verdict;

#[allow(dead_code, reason = "shared: not every test uses all of it")]
#[path = "../../crates/wal/tests/crash/cases.rs"]
mod cases;
#[allow(dead_code, reason = "shared: not every test uses all of it")]
#[path = "../../crates/wal/tests/crash/disk.rs"]
mod disk;
#[allow(dead_code, reason = "shared: not every test uses all of it")]
#[path = "../../crates/wal/tests/crash/folder.rs"]
mod folder;
#[allow(dead_code, reason = "shared: not every test uses all of it")]
#[path = "../cluster/harness.rs"]
mod harness;
#[path = "../../crates/wal/tests/crash/namespace.rs"]
mod namespace;
#[allow(dead_code, reason = "shared: not every test uses all of it")]
#[path = "../../crates/wal/tests/crash/tools.rs"]
mod tools;

use std::process::ExitCode;

use libtest_mimic::Arguments;

use crate::cases::{Case, Suite, cases};
use crate::namespace::Wish;
use crate::settings::Settings;

const CASES: &[(&str, Case<Settings>)] = cases![
    kills::acknowledged_writes_survive_sigkill_of_one_replica_after_the_other,
    kills::acknowledged_writes_survive_sigkill_of_all_replicas_at_once,
    kills::a_coordinator_frozen_in_the_middle_of_its_writes_breaks_no_promise,
    network::one_way_cuts_and_partitions_break_no_promise,
    proxied::delay_and_cut_connections_break_no_promise,
    proxied::corrupted_bytes_are_noticed_and_no_wrong_value_is_ever_read,
    disks::a_full_disk_stops_one_replica_and_room_brings_it_back,
    disks::a_failed_sync_stops_one_replica_and_a_restart_brings_it_back,
    disks::acknowledged_writes_survive_a_power_cut_of_one_replica,
    disks::acknowledged_writes_survive_a_power_cut_of_all_replicas,
    disks::replicas_that_do_not_sync_are_convicted_when_the_power_goes,
    clocks::clocks_that_jump_an_hour_break_no_promise,
];

/// Networks of its own, and the end of every process with this one; where that is not to be had, mounts alone.
const WISHES: &[Wish] = &[
    Wish {
        flags: &[
            "--mount",
            "--net",
            "--pid",
            "--mount-proc",
            "--fork",
            "--kill-child",
            "--propagation",
            "private",
        ],
        prepare: "ip link set lo up",
    },
    Wish { flags: &["--mount", "--propagation", "private"], prepare: "true" },
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let settings = match Settings::read() {
        Ok(settings) => settings,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    if !arguments.list {
        namespace::enter(WISHES);
        println!("faults: {settings}");
    }
    Suite { name: "faults", command: "cargo test --test faults", cases: CASES, settings }.run(&arguments)
}
