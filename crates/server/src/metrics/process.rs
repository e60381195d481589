//! The process, as the system sees it: `/proc`, where there is one. What can't be read is left out.

use std::fs;

/// Ticks of the clock that `/proc` counts in; Linux shows programs a hundred a second on every machine.
const TICKS_PER_SECOND: f64 = 100.0;

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Process {
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) open_fds: Option<u64>,
    pub(crate) max_fds: Option<u64>,
    pub(crate) threads: Option<u64>,
    pub(crate) cpu_seconds: Option<f64>,
    /// Since the Unix epoch.
    pub(crate) start_seconds: Option<f64>,
}

impl Process {
    pub(crate) fn read() -> Process {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let status = text("/proc/self/status");
        let stat = text("/proc/self/stat");
        let booted = field(&text("/proc/stat"), "btime").map(|seconds| seconds as f64);
        Process {
            resident_bytes: resident(&status),
            threads: field(&status, "Threads:"),
            // The descriptor that reads the folder is one of them.
            open_fds: fs::read_dir("/proc/self/fd").ok().map(|open| (open.count() as u64).saturating_sub(1)),
            max_fds: field(&text("/proc/self/limits"), "Max open files"),
            cpu_seconds: ticks(&stat, 11).zip(ticks(&stat, 12)).map(|(user, system)| user + system),
            start_seconds: booted.zip(ticks(&stat, 19)).map(|(booted, after)| booted + after),
        }
    }
}

/// The memory that the process has of the machine.
pub(crate) fn resident_bytes() -> Option<u64> {
    resident(&fs::read_to_string("/proc/self/status").unwrap_or_default())
}

fn resident(status: &str) -> Option<u64> {
    field(status, "VmRSS:").map(|kib| kib << 10)
}

/// The number behind `name` at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Field `at` behind the command's name in `/proc/PID/stat`, as seconds. The name may hold anything, brackets too.
fn ticks(stat: &str, at: usize) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: f64 = fields.split_whitespace().nth(at)?.parse().ok()?;
    Some(ticks / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc_are_found_behind_any_command_name() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 9 0 1200 1 2";
        assert_eq!([11, 12, 19].map(|at| ticks(stat, at)), [Some(2.5), Some(0.5), Some(12.0)]);
        assert_eq!(ticks("7 (cut", 11), None);
        let status = "VmPeak:\t  9 kB\nVmRSS:\t  4096 kB\nThreads:\t9\n";
        assert_eq!((field(status, "VmRSS:"), field(status, "Threads:")), (Some(4_096), Some(9)));
        assert_eq!(field(status, "VmSwap:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_threads_and_descriptors() {
        let process = Process::read();
        assert!(process.resident_bytes.is_some_and(|bytes| bytes > 1 << 20), "{process:?}");
        assert!(process.open_fds.zip(process.max_fds).is_some_and(|(open, max)| 0 < open && open < max));
        assert!(process.cpu_seconds.is_some() && process.threads > Some(0), "{process:?}");
        assert!(process.start_seconds.is_some_and(|start| start > 1.6e9), "{process:?}");
    }
}
