//! Real processes on real file systems, killed and cut off: "acknowledged ⊆ recovered ⊆ appended, in order".
//!
//! This binary starts itself as a worker that opens a log, appends to it and says on a pipe what was acknowledged, and
//! makes it die: by SIGKILL, at the N-th call to the disk, by errors of the disk, by cuts of power. Then it opens the
//! log and lets an oracle judge. What a machine does not allow (strace, mounts, loop devices) is tried first; a case
//! that cannot run is *ignored*, with the reason, and never counts as passed. The last line says how many did what.
//!
//! ```text
//! cargo test -p quorate-wal --test crash                              # small: every technique, a few times
//! WAL_KILLS=500 cargo test --release -p quorate-wal --test crash sigkill
//! WAL_POINTS=all cargo test --release -p quorate-wal --test crash each
//! WAL_POWER_CUTS=50 cargo test --release -p quorate-wal --test crash power
//! ```

mod cases;
mod disk;
mod faults;
mod folder;
mod hand;
mod kills;
mod log;
mod name;
mod namespace;
mod oracle;
mod power;
mod process;
mod report;
mod room;
mod settings;
mod strace;
mod testimony;
mod tools;
mod worker;

use std::process::ExitCode;

use libtest_mimic::Arguments;

use crate::cases::{Case, Suite, cases};
use crate::namespace::Wish;
use crate::settings::Settings;
use crate::worker::Task;

const CASES: &[(&str, Case<Settings>)] = cases![
    testimony::a_faithful_log_is_accepted,
    testimony::a_lost_record_is_convicted,
    testimony::an_altered_record_is_convicted,
    testimony::a_record_out_of_place_is_convicted,
    testimony::a_split_batch_is_convicted,
    testimony::a_record_recycled_too_early_is_convicted,
    testimony::what_was_found_once_is_the_truth_from_then_on,
    kills::a_process_that_acknowledges_too_early_is_convicted,
    kills::a_record_withheld_or_altered_is_convicted,
    kills::a_worker_never_outlives_the_test,
    kills::a_lock_let_go_is_free_at_once_while_processes_are_started,
    kills::acknowledged_records_survive_sigkill,
    faults::acknowledged_records_survive_a_kill_at_each_call,
    faults::a_sync_that_fails_anywhere_loses_nothing_acknowledged,
    faults::a_full_disk_at_any_write_loses_nothing_acknowledged,
    faults::a_write_that_takes_nothing_loses_nothing_acknowledged,
    faults::a_write_that_was_only_pretended_is_never_read_as_a_record,
    faults::a_failed_sync_is_told_to_every_waiter_and_nothing_is_tried_again,
    room::a_write_cut_short_and_then_refused_is_a_torn_tail,
    room::a_process_killed_in_the_middle_of_a_write_leaves_a_torn_tail,
    room::a_full_disk_stops_the_log_and_room_lets_it_go_on,
    power::a_sync_that_does_nothing_is_convicted,
    power::durable_records_survive_power_cuts,
    power::durable_records_survive_a_power_cut_at_each_sync,
];

/// Where disks may be mounted and filled.
const OWN_MOUNTS: Wish = Wish { flags: &["--mount", "--propagation", "private"], prepare: "true" };

fn main() -> ExitCode {
    if let Some(task) = Task::assigned() {
        return task.run();
    }
    let arguments = Arguments::from_args();
    let settings = match Settings::read() {
        Ok(settings) => settings,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    if !arguments.list {
        namespace::enter(&[OWN_MOUNTS]);
    }
    let command = "cargo test -p quorate-wal --test crash";
    Suite { name: "crash", command, cases: CASES, settings }.run(&arguments)
}
