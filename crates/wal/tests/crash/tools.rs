//! Tools of the system, and patience with a limit. Other crates' tests of real processes have this file, too.

use std::io::ErrorKind;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use quorate_wal::{Io, StdIo};

/// Long enough for a worker's whole life and for all that is waited for, on a busy machine too.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// The pause between two looks at a condition.
const PACE: Duration = Duration::from_millis(2);

/// Looks again and again until `is_so`; `false` if it never was.
pub fn poll(mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = StdIo.monotonic() + PATIENCE;
    while !is_so() {
        if StdIo.monotonic() > deadline {
            return false;
        }
        thread::park_timeout(PACE);
    }
    true
}

/// The signal that ended it, if one did.
#[cfg(unix)]
pub fn signal_of(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

/// As above; there are none here.
#[cfg(not(unix))]
pub fn signal_of(_status: ExitStatus) -> Option<i32> {
    None
}

/// Runs a tool to its end; what it printed, or why it failed.
pub fn tool(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("{name} is not installed"),
        _ => format!("{name}: {error}"),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or("no word why");
    // Most tools say their name themselves.
    Err(if said.starts_with(&name) { said.to_owned() } else { format!("{name}: {said}") })
}
