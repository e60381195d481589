//! Other people's programs, which end in time or are ended, with everything that they have started.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// The pause between two looks at whether it has ended.
const PACE: Duration = Duration::from_millis(5);

/// What a program said.
#[derive(Clone, Debug)]
pub struct Ran {
    /// `None`: it was ended, by us or by somebody else.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `command`, for `patience` at most.
pub fn run(command: &mut Command, patience: Duration) -> io::Result<Ran> {
    let (mut stdout, mut stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command.stdout(stdout.try_clone()?).stderr(stderr.try_clone()?).process_group(0);
    let code = ended(&mut command.spawn()?, patience)?;
    Ok(Ran { code, stdout: text(&mut stdout)?, stderr: text(&mut stderr)? })
}

fn ended(child: &mut Child, patience: Duration) -> io::Result<Option<i32>> {
    let start = Instant::now();
    while start.elapsed() < patience {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code());
        }
        std::thread::park_timeout(PACE);
    }
    let group = format!("kill -KILL -- -{}", child.id());
    Command::new("sh").args(["-c", &group]).status()?;
    child.wait()?;
    Ok(None)
}

fn text(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
