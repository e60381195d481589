//! Faults planted into the calls of a real process, by `strace`.
//!
//! It counts calls by thread: "the N-th" is exact for a worker that uses one thread, and "some thread's N-th" for
//! others. An injected error or result takes the place of the call: the kernel never sees it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use libtest_mimic::Failed;

use crate::folder::Folder;
use crate::process::Worker;
use crate::tools::tool;
use crate::worker::{DIFFERENT, Play, Task};

/// What changes the disk; not every machine has all of them.
pub const CALLS: &str = "fdatasync,fsync,pwrite64,?rename,?renameat,?renameat2,?unlink,?unlinkat,?ftruncate";
/// What makes the disk keep.
pub const SYNCS: &str = "fdatasync,fsync";

/// A fault: `what` strace does to the `when`-th of `calls`.
#[derive(Clone, Debug)]
pub struct Fault {
    pub calls: String,
    pub what: &'static str,
    pub when: String,
}

/// A call that the worker made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    thread: String,
    pub name: String,
    pub injected: bool,
}

/// Where strace writes what it saw.
pub struct Trace {
    path: PathBuf,
}

/// Whether it can be used here; else why not.
pub fn probe() -> Result<(), String> {
    static PROBED: OnceLock<Result<(), String>> = OnceLock::new();
    PROBED.get_or_init(try_it).clone()
}

fn try_it() -> Result<(), String> {
    tool(Command::new("strace").arg("--version"))?;
    let failing = || -> Result<Option<i32>, Failed> {
        let folder = Folder::make()?;
        let trace = Trace::into(folder.path());
        let fault = Fault { calls: "fdatasync".to_owned(), what: "error=EIO", when: "1".to_owned() };
        let task = Task { play: Play::Probe, seed: 0, process: 0, dir: folder.path().to_owned() };
        let code = Worker::start(&task, &trace.wrapper(Some(&fault)))?.end()?.code();
        folder.done()?;
        Ok(code)
    };
    match failing() {
        Ok(Some(code)) if code == i32::from(DIFFERENT) => Ok(()),
        Ok(code) => Err(format!("strace may not trace here, or not inject (exit code {code:?})")),
        Err(error) => Err(format!("strace: {}", error.message().unwrap_or("no word why"))),
    }
}

impl Trace {
    /// A trace in `folder`.
    pub fn into(folder: &Path) -> Self {
        Self { path: folder.join("strace.log") }
    }

    /// What to put before the worker's command.
    pub fn wrapper(&self, fault: Option<&Fault>) -> Vec<OsString> {
        let mut words: Vec<OsString> = ["strace", "-f", "-qq", "-o"].map(OsString::from).into();
        words.extend([self.path.clone().into_os_string(), "-e".into(), format!("trace={CALLS}").into()]);
        if let Some(Fault { calls, what, when }) = fault {
            words.extend(["-e".into(), format!("inject={calls}:{what}:when={when}").into()]);
        }
        words
    }

    /// The calls that were begun, in order.
    pub fn calls(&self) -> Result<Vec<Call>, Failed> {
        let text = std::fs::read_to_string(&self.path)?;
        Ok(text.lines().fold(Vec::new(), note))
    }

    /// How often each call was made.
    pub fn counts(&self) -> Result<BTreeMap<String, u64>, Failed> {
        let mut counts = BTreeMap::new();
        for call in self.calls()? {
            *counts.entry(call.name).or_insert(0) += 1;
        }
        Ok(counts)
    }
}

/// `1234 fdatasync(5) = -1 EIO (Input/output error) (INJECTED)`. Where another thread's call came between, the second
/// half is `1234 <... fdatasync resumed>) = -1 EIO (Input/output error) (INJECTED)`.
fn note(mut calls: Vec<Call>, line: &str) -> Vec<Call> {
    let (thread, rest) = line.split_once(' ').unwrap_or(("", line));
    let (rest, injected) = (rest.trim_start(), line.ends_with("(INJECTED)"));
    if rest.starts_with("<... ") {
        if let Some(begun) = calls.iter_mut().rfind(|call| call.thread == thread) {
            begun.injected |= injected;
        }
    } else if let Some((name, _)) = rest.split_once('(')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    {
        calls.push(Call { thread: thread.to_owned(), name: name.to_owned(), injected });
    }
    calls
}
