//! A sync that fails once (fsyncgate): does a later sync say that all is well?
//!
//! After a failed `fdatasync` Linux marks the lost pages clean, and the next one succeeds: it proves nothing about them.
//! No crate but ours and `wal-db` lets a test in between itself and the disk, so the failure comes from outside: a child
//! process appends under `strace`, which answers one `fdatasync` with EIO in the kernel's stead.

use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::contender::{Contender, Scale};

/// The `fdatasync` that fails, counted in the appending thread: past what opening takes.
const FAILING: usize = 12;
/// Appends tried.
const APPENDS: usize = 24;
/// A call that takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(5);

/// What the child says of an append that succeeded, and of one that did not come back.
const DONE: &str = "ok";
const SILENT: &str = "silent";

/// What a failed sync led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The append got the error, and no later one succeeded.
    Final,
    /// The append got the error; later ones say that all is durable.
    Forgotten,
    /// The append got the error; the next one never came back.
    Hung,
    /// No append got an error.
    Swallowed,
    /// It could not be tried.
    Skipped(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Final => write!(f, "every later call fails"),
            Self::Forgotten => write!(f, "**later syncs say Ok**"),
            Self::Hung => write!(f, "**the next append hangs**"),
            Self::Swallowed => write!(f, "**the error is swallowed**"),
            Self::Skipped(reason) => write!(f, "SKIPPED: {reason}"),
        }
    }
}

/// In the child: appends in one thread, and says of each append how it went.
pub fn append_under_fault(contender: Box<dyn Contender>, dir: PathBuf) -> Result<()> {
    let (answer, answers) = channel();
    std::thread::spawn(move || {
        let log = contender.open(&dir, Scale::Small)?;
        for number in 0..APPENDS {
            let appended = log.append_durable(format!("record {number:5}").as_bytes());
            // The other end goes with the process only.
            drop(answer.send(appended.map_err(|error| format!("{error:#}").replace('\n', " "))));
        }
        anyhow::Ok(())
    });
    for _ in 0..APPENDS {
        match answers.recv_timeout(DEADLINE) {
            Ok(Ok(())) => println!("{DONE}"),
            Ok(Err(error)) => println!("{error}"),
            Err(RecvTimeoutError::Timeout) => {
                println!("{SILENT}");
                return Ok(());
            }
            Err(RecvTimeoutError::Disconnected) => bail!("the log could not be opened"),
        }
    }
    Ok(())
}

/// Runs `child` (this program, told to call [`append_under_fault`]) with one failing sync.
pub fn inject(child: &Command) -> Result<Fault> {
    let mut traced = Command::new("strace");
    traced
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e"])
        .arg(format!("inject=fdatasync:error=EIO:when={FAILING}"))
        .arg(child.get_program())
        .args(child.get_args());
    let output = match traced.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Fault::Skipped("strace is not installed".to_owned()));
        }
        other => other.context("cannot start strace")?,
    };
    let heard = String::from_utf8_lossy(&output.stdout);
    let answers: Vec<&str> = heard.lines().collect();
    let said = String::from_utf8_lossy(&output.stderr);
    match verdict(&answers) {
        None if answers.is_empty() => Ok(Fault::Skipped(format!("strace could not run it: {}", said.trim()))),
        None => bail!("the child ended after {} of {APPENDS} appends: {said}", answers.len()),
        Some(fault) => Ok(fault),
    }
}

/// `None`: the child did not get to its end.
fn verdict(answers: &[&str]) -> Option<Fault> {
    let silent = answers.last() == Some(&SILENT);
    if answers.len() < APPENDS && !silent {
        return None;
    }
    let Some(failed) = answers.iter().position(|answer| *answer != DONE) else {
        return Some(Fault::Swallowed);
    };
    Some(if answers[failed..].contains(&DONE) {
        Fault::Forgotten
    } else if silent {
        Fault::Hung
    } else {
        Fault::Final
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(behind_the_first: &[&str], rest: &str) -> Option<Fault> {
        let mut answers = vec![DONE];
        answers.extend(behind_the_first);
        answers.resize(APPENDS, rest);
        verdict(&answers)
    }

    #[test]
    fn an_error_is_final_only_if_nothing_succeeds_behind_it() {
        assert_eq!(judged(&["EIO"], "stopped"), Some(Fault::Final));
        assert_eq!(judged(&["EIO"], DONE), Some(Fault::Forgotten));
        assert_eq!(judged(&["EIO", "stopped", DONE], "stopped"), Some(Fault::Forgotten));
        assert_eq!(judged(&[], DONE), Some(Fault::Swallowed));
        assert_eq!(verdict(&[DONE, "EIO", SILENT]), Some(Fault::Hung));
        assert_eq!(verdict(&[DONE, "EIO"]), None);
    }
}
