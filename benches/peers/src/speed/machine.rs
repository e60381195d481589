//! What it runs on.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, anyhow};

/// One line: processor, kernel, file system, scheduling.
pub fn describe(dir: &Path) -> String {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let build = if cfg!(debug_assertions) { "**debug build: no figure counts**" } else { "release build" };
    format!(
        "{cpus} x {}, Linux {}, {} below {}, {}, {build}, load {}",
        model.unwrap_or("unknown processor"),
        kernel.trim(),
        file_system(dir),
        dir.display(),
        scheduling(),
        load()
    )
}

/// The load averages.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// The type of the file system with the longest mount point above `dir`.
fn file_system(dir: &Path) -> String {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let above = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        dir.starts_with(point).then_some((point.len(), kind))
    });
    above.max_by_key(|(length, _)| *length).map_or("unknown file system", |(_, kind)| kind).to_owned()
}

/// The scheduling policy of this process: field 41 of its `stat`.
fn scheduling() -> String {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit(") ").next().unwrap_or_default();
    match behind_name.split(' ').nth(38) {
        Some("0") => "SCHED_OTHER".to_owned(),
        Some("1") => "SCHED_FIFO".to_owned(),
        Some("2") => "SCHED_RR".to_owned(),
        other => format!("scheduling policy {}", other.unwrap_or("unknown")),
    }
}

/// Becomes the same program under `SCHED_FIFO`, priority 10; returns only if that fails.
pub fn exec_in_real_time(without: &str) -> Result<()> {
    let program = std::env::current_exe()?;
    let arguments = std::env::args_os().skip(1).filter(|argument| argument != without);
    let error = Command::new("chrt").args(["-f", "10"]).arg(program).args(arguments).exec();
    Err(anyhow!(error).context("cannot start chrt"))
}
