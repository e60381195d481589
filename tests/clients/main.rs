//! Real Redis clients at a real door, their handshakes without them, and a real Redis beside it.
//!
//! - **clients**: each of [`roster::CLIENTS`] is installed from its registry, and a small program in its language says
//!   how each case went;
//! - **handshakes**: what the clients sent when they came is played to the door, and answered as it was;
//! - **spreading**: cluster clients at four doors, of which one dies;
//! - **differential**: random commands to the door and to a `redis-server`; the replies must be the same.
//!
//! A client or server that can't be had on the machine is *ignored* with the reason, never counted as passed. Plain
//! `cargo test` tries the clients that are installed already or are quickly; the last lines say who was tried.
//!
//! ```text
//! cargo test --test clients                                # small
//! CLIENTS=all cargo test --test clients                    # every client; the first time, some minutes to install
//! CLIENTS=jedis,ioredis cargo test --test clients
//! CLIENTS_RECORD=1 CLIENTS=all cargo test --test clients handshake_of   # writes the fixtures anew
//! CLIENTS_SEQUENCES=5000 CLIENTS_SEED=7 cargo test --test clients differential
//! ```

// clippy's `allow-unwrap-in-tests` does not cover the plain functions of a test crate.
#![allow(clippy::unwrap_used)]

mod deadline;
mod differential;
mod doors;
mod handshakes;
mod install;
mod recorder;
mod reply;
mod roster;
mod runs;
mod settings;
mod spreading;

#[allow(dead_code, reason = "shared: not every test uses all of it")]
#[path = "../cluster/harness.rs"]
mod harness;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use libtest_mimic::{Arguments, Completion, Conclusion, Failed, Trial};

use crate::doors::Doors;
use crate::install::Installations;
use crate::roster::CLIENTS;
use crate::runs::Runs;
use crate::settings::Settings;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let settings = match Settings::read() {
        Ok(settings) => settings,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let start = Instant::now();
    let (doors, processes) = if arguments.list {
        (Doors::nowhere(), None)
    } else {
        let (doors, processes) = doors::open();
        (doors, Some(processes))
    };
    let mut suite = Suite { settings, doors, ledger: Ledger::default(), runs: Vec::new() };
    let mut trials = suite.of_clients();
    trials.extend(suite.of_handshakes());
    trials.extend(suite.of_redis());
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(processes);
    if !arguments.list {
        suite.conclude(&conclusion, start);
    }
    conclusion.exit_code()
}

/// What could not be tried, and why.
type Ledger = Arc<Mutex<Vec<(&'static str, String)>>>;

struct Suite {
    settings: Settings,
    doors: Doors,
    ledger: Ledger,
    runs: Vec<Runs>,
}

impl Suite {
    fn of_clients(&mut self) -> Vec<Trial> {
        let installations = Installations::default();
        let mut trials = Vec::new();
        for client in CLIENTS {
            let name = client.name;
            if !self.settings.wants(client) {
                let title = format!("{name} (not asked for: CLIENTS=all)");
                trials.push(Trial::test(title, || Ok(())).with_ignored_flag(true));
                continue;
            }
            let runs = Runs::new(client, &self.doors, &installations);
            self.runs.push(runs.clone());
            for case in client.cases {
                let runs = runs.clone();
                trials.push(self.trial(name, format!("{name}::{case}"), move || runs.verdict(case)));
            }
            if client.spreads {
                let runs = runs.clone();
                let title = format!("{name}::a_cluster_client_spreads_and_outlives_a_node");
                trials.push(self.trial(name, title, move || spreading::live(&runs)));
            }
            let (door, records) = (self.doors.open.clone(), self.settings.records);
            let title = format!("{name}::handshake_of_{}", client.program);
            trials.push(self.trial(name, title, move || handshakes::live(&runs, &door, records)));
        }
        trials
    }

    fn of_handshakes(&self) -> Vec<Trial> {
        let trial = |name: String| {
            let door = self.doors.open.clone();
            Trial::test(format!("handshakes::{name}"), move || handshakes::replay(&name, &door))
        };
        handshakes::names().into_iter().map(trial).collect()
    }

    fn of_redis(&self) -> Vec<Trial> {
        let (door, settings) = (self.doors.own.clone(), self.settings.clone());
        let sequences = move || differential::sequences(&door, &settings);
        let door = self.doors.own.clone();
        let name = |case: &str| format!("differential::{case}");
        vec![
            self.trial("redis-server", name("random_commands_are_replied_to_as_by_redis"), sequences),
            Trial::test(name("every_offered_command_is_drawn"), move || {
                differential::every_offered_command_is_drawn(&door)
            }),
            Trial::test(
                name("every_difference_is_a_row_of_the_docs_and_every_row_a_difference"),
                differential::every_difference_is_a_row_and_every_row_a_difference,
            ),
            self.trial(
                "redis-server",
                name("every_difference_is_still_there"),
                differential::every_difference_is_still_there,
            ),
            self.trial(
                "redis-server",
                name("slots_are_those_of_a_redis_cluster"),
                differential::slots_are_those_of_redis,
            ),
            Trial::test(
                "install::a_pin_that_is_gone_fails_and_a_registry_out_of_reach_does_not",
                install::only_what_is_out_of_reach_is_skipped,
            ),
        ]
    }

    fn trial(
        &self,
        client: &'static str,
        title: String,
        case: impl FnOnce() -> Result<Option<String>, Failed> + Send + 'static,
    ) -> Trial {
        let ledger = Arc::clone(&self.ledger);
        Trial::ignorable_test(title, move || match case()? {
            None => Ok(Completion::Completed),
            Some(why) => {
                ledger.lock().unwrap_or_else(PoisonError::into_inner).push((client, why.clone()));
                Ok(Completion::ignored_with(why))
            }
        })
    }

    fn conclude(&self, conclusion: &Conclusion, start: Instant) {
        let versions =
            self.runs.iter().filter_map(|runs| Some(format!("{} {}", runs.client.name, runs.version()?)));
        let versions: Vec<String> = versions.collect();
        println!("{} clients were tried: {}", versions.len(), versions.join(", "));
        let mut skipped = self.ledger.lock().unwrap_or_else(PoisonError::into_inner).clone();
        skipped.sort_unstable();
        skipped.dedup();
        for (client, why) in skipped {
            println!("SKIPPED {client}: {why}");
        }
        let Conclusion { num_passed, num_failed, num_ignored, .. } = conclusion;
        let seconds = start.elapsed().as_secs();
        println!("clients: {num_passed} passed, {num_failed} failed, {num_ignored} SKIPPED in {seconds} s");
    }
}
