//! A sync that fails once (fsyncgate): does a later sync say that all is well?
//!
//! After a failed `fdatasync` Linux marks the lost pages clean, and the next one succeeds: it proves nothing about them.
//! No crate but ours and `wal-db` lets a test in between itself and the disk, so the failure comes from outside: a child
//! process appends under `strace`, which answers one `fdatasync` with EIO in the kernel's stead.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::contender::{Contender, Scale};

/// The `fdatasync` that fails, counted in the appending thread: past what opening takes.
const FAILING: usize = 12;
/// Appends tried.
const APPENDS: usize = 24;
/// A call that takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(5);

const DONE: &str = "ok";

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

/// In the child: appends, and says of each how it went.
pub fn append_under_fault(contender: &dyn Contender, dir: &Path) -> Result<()> {
    let log = contender.open(dir, Scale::Small)?;
    let mut out = std::io::stdout();
    for number in 0..APPENDS {
        match log.append_durable(format!("record {number:5}").as_bytes()) {
            Ok(()) => writeln!(out, "{DONE}")?,
            Err(error) => writeln!(out, "{}", format!("{error:#}").replace('\n', " "))?,
        }
        out.flush()?;
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
        .args(child.get_args())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let process = match traced.spawn() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Fault::Skipped("strace is not installed".to_owned()));
        }
        other => other.context("cannot start strace")?,
    };
    watch(process)
}

fn watch(mut process: Child) -> Result<Fault> {
    let out = process.stdout.take().context("stdout is piped")?;
    let (line, lines) = channel();
    let reader = std::thread::spawn(move || {
        BufReader::new(out).lines().map_while(Result::ok).all(|text| line.send(text).is_ok())
    });
    let (answers, hung) = gather(&lines);
    if hung {
        process.kill()?;
    }
    drop(lines);
    let end = process.wait_with_output()?;
    drop(reader.join());
    if answers.len() < APPENDS && !hung {
        let said = String::from_utf8_lossy(&end.stderr);
        if answers.is_empty() {
            return Ok(Fault::Skipped(format!("strace could not run it: {}", said.trim())));
        }
        bail!("the child ended after {} of {APPENDS} appends: {said}", answers.len());
    }
    Ok(verdict(&answers, hung))
}

/// What the child says, until it ends or falls silent.
fn gather(lines: &Receiver<String>) -> (Vec<String>, bool) {
    let mut answers = Vec::new();
    loop {
        match lines.recv_timeout(DEADLINE) {
            Ok(answer) => answers.push(answer),
            Err(error) => return (answers, error == std::sync::mpsc::RecvTimeoutError::Timeout),
        }
    }
}

fn verdict(answers: &[String], hung: bool) -> Fault {
    let Some(failed) = answers.iter().position(|answer| answer != DONE) else {
        return if hung { Fault::Hung } else { Fault::Swallowed };
    };
    let later_done = answers[failed..].iter().any(|answer| answer == DONE);
    match (later_done, hung) {
        (true, _) => Fault::Forgotten,
        (false, true) => Fault::Hung,
        (false, false) => Fault::Final,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn an_error_is_final_only_if_nothing_succeeds_behind_it() {
        assert_eq!(verdict(&answers(&["ok", "EIO", "stopped"]), false), Fault::Final);
        assert_eq!(verdict(&answers(&["ok", "EIO", "ok"]), false), Fault::Forgotten);
        assert_eq!(verdict(&answers(&["ok", "EIO", "stopped", "ok"]), false), Fault::Forgotten);
        assert_eq!(verdict(&answers(&["ok", "EIO"]), true), Fault::Hung);
        assert_eq!(verdict(&answers(&["ok", "ok"]), false), Fault::Swallowed);
    }
}
