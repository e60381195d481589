//! The parent's end of a worker: what it says, its death, and patience with a limit.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use libtest_mimic::Failed;
use quorate_wal::{Io, StdIo};

use crate::report::Report;
use crate::tools::{PATIENCE, poll};
use crate::worker::Task;

/// A worker at work; dropped, it is killed and waited for.
pub struct Worker {
    child: Child,
    /// Its end is the worker's end.
    stdin: Option<ChildStdin>,
    reports: Receiver<Result<Report, String>>,
    /// When it must be dead.
    deadline: Duration,
}

impl Worker {
    /// Starts this binary with `task`, as an argument of `wrapper` if that is not empty.
    pub fn start(task: &Task, wrapper: &[OsString]) -> Result<Self, Failed> {
        let own = std::env::current_exe()?.into_os_string();
        let line: Vec<OsString> = wrapper.iter().cloned().chain([own]).collect();
        let mut command = Command::new(&line[0]);
        task.assign(&mut command);
        let mut child = command.args(&line[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (said, reports) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || listen(stdout, &said));
        }
        Ok(Self { stdin: child.stdin.take(), child, reports, deadline: StdIo.monotonic() + PATIENCE })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next that it says; `None` once it is dead and everything was read.
    pub fn next_report(&mut self) -> Result<Option<Report>, Failed> {
        let left = self.deadline.saturating_sub(StdIo.monotonic());
        match self.reports.recv_timeout(left) {
            Ok(report) if !left.is_zero() => Ok(Some(report?)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            _ => Err(format!("a worker did not come to its end within {PATIENCE:?}").into()),
        }
    }

    /// SIGKILL. What it said before can still be read.
    pub fn kill(&mut self) -> Result<(), Failed> {
        Ok(self.child.kill()?)
    }

    /// Its parent is gone, as far as it can see.
    pub fn orphan(&mut self) {
        self.stdin = None;
    }

    /// How it ended; it is expected to do so by itself.
    pub fn end(&mut self) -> Result<ExitStatus, Failed> {
        let mut status = None;
        let ended = poll(|| {
            status = self.child.try_wait().transpose();
            status.is_some()
        });
        match status {
            Some(status) if ended => Ok(status?),
            _ => Err(format!("a worker did not end within {PATIENCE:?}").into()),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Under strace the child is strace; the worker itself ends with its standard input.
        self.stdin = None;
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn listen(stdout: ChildStdout, said: &Sender<Result<Report, String>>) {
    let mut stdout = BufReader::new(stdout);
    let mut line = String::new();
    // A line without an end was never said.
    while stdout.read_line(&mut line).is_ok_and(|bytes| bytes > 0) && line.ends_with('\n') {
        if said.send(line.trim_end_matches('\n').parse()).is_err() {
            return;
        }
        line.clear();
    }
}
