//! A client's program, run once; what it says of each case.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use libtest_mimic::Failed;

use crate::deadline::{self, Ran};
use crate::doors::{Doors, PASSWORD};
use crate::install::{Installations, Missing};
use crate::roster::Client;

/// The longest that all cases of one client may take.
const CASES_MAX: Duration = Duration::from_mins(3);

/// A client, and what it said once it was run.
#[derive(Clone, Debug)]
pub struct Runs {
    pub client: &'static Client,
    doors: Doors,
    installations: Installations,
    said: Arc<OnceLock<Result<Said, Missing>>>,
}

#[derive(Debug)]
struct Said {
    version: String,
    /// Case: what went wrong, if something did.
    cases: BTreeMap<String, Option<String>>,
    /// How the program ended, in words.
    end: String,
}

impl Runs {
    pub fn new(client: &'static Client, doors: &Doors, installations: &Installations) -> Runs {
        let said = Arc::default();
        Runs { client, doors: doors.clone(), installations: installations.clone(), said }
    }

    /// How `case` went; `Ok(Some)`: it could not be tried, and why.
    pub fn verdict(&self, case: &str) -> Result<Option<String>, Failed> {
        let said = match self.said.get_or_init(|| self.ask()) {
            Ok(said) => said,
            Err(Missing::Skipped(why)) => return Ok(Some(why.clone())),
            Err(Missing::Broken(why)) => return Err(why.into()),
        };
        match said.cases.get(case) {
            Some(None) => Ok(None),
            Some(Some(why)) => Err(why.into()),
            None => Err(format!("the program said nothing of it and {}", said.end).into()),
        }
    }

    /// The version that the client says it has, once it was run.
    pub fn version(&self) -> Option<&str> {
        self.said.get()?.as_ref().ok().map(|said| said.version.as_str())
    }

    fn ask(&self) -> Result<Said, Missing> {
        let ran = self.run(&self.doors.open, &[])?;
        let lines = || ran.stdout.lines();
        let ok = lines().filter_map(|line| line.strip_prefix("ok ")).map(|case| (case.to_owned(), None));
        let failed = lines().filter_map(|line| line.strip_prefix("FAILED ")?.split_once(": "));
        let failed = failed.map(|(case, why)| (case.to_owned(), Some(why.to_owned())));
        let version = lines().find_map(|line| line.strip_prefix("version ")).unwrap_or("?").to_owned();
        Ok(Said { version, cases: ok.chain(failed).collect(), end: end(&ran) })
    }

    /// The program in its short form: connect, set, get and leave. Says the client's version.
    pub fn hello(&self, door: &str) -> Result<Result<String, String>, Missing> {
        let ran = self.run(door, &["hello"])?;
        let version = ran.stdout.lines().find_map(|line| line.strip_prefix("version "));
        Ok(match (ran.code, version) {
            (Some(0), Some(version)) => Ok(version.to_owned()),
            _ => Err(end(&ran)),
        })
    }

    /// One case of a cluster client, in a run of its own; `victim` is the process that it may kill.
    pub fn spread(&self, door: &str, case: &str, victim: u32) -> Result<Result<(), String>, Missing> {
        let mut command = self.command(door, &[case])?;
        command.env("VICTIM", victim.to_string());
        let ran = Runs::ended(&mut command)?;
        let failed = ran.stdout.lines().find(|line| line.starts_with("FAILED "));
        Ok(match failed {
            Some(failed) => Err(failed.to_owned()),
            None if ran.stdout.lines().any(|line| line.strip_prefix("ok ") == Some(case)) => Ok(()),
            None => Err(end(&ran)),
        })
    }

    fn run(&self, door: &str, arguments: &[&str]) -> Result<Ran, Missing> {
        Runs::ended(&mut self.command(door, arguments)?)
    }

    fn command(&self, door: &str, arguments: &[&str]) -> Result<Command, Missing> {
        let mut command: Command = self.installations.command(self.client)?;
        command.args(arguments).stdin(Stdio::null());
        command.env("DOOR", door).env("LOCKED", &self.doors.locked).env("PASSWORD", PASSWORD);
        command.env("PREFIX", format!("{}:", self.client.name));
        Ok(command)
    }

    fn ended(command: &mut Command) -> Result<Ran, Missing> {
        deadline::run(command, CASES_MAX).map_err(|why| Missing::Broken(format!("its program: {why}")))
    }
}

fn end(ran: &Ran) -> String {
    let code = ran
        .code
        .map_or_else(|| format!("did not end within {CASES_MAX:?}"), |code| format!("ended with {code}"));
    let last: Vec<&str> = ran.stderr.trim().lines().rev().take(5).collect();
    format!("{code}; its last words: {}", last.into_iter().rev().collect::<Vec<_>>().join(" | "))
}
