//! Wall clocks that jump, by libfaketime: an hour back, an hour ahead, and back to the right time.
//!
//! The monotonic clock stays as it is. What is an hour wrong is one replica of four; writes that it would stamp too far
//! ahead, or that nobody could tell from older ones, must be refused rather than break a promise.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use libtest_mimic::Failed;
use quorate_sim::history::What;

use crate::cases::{Outcome, passed, skipped};
use crate::folder::Folder;
use crate::harness::Cluster;
use crate::settings::Settings;
use crate::storm::{Storm, rounds, spec};
use crate::tools::tool;

const OFFSETS: &[&str] = &["-3600", AHEAD, "-2", "+2", RIGHT];
const AHEAD: &str = "+3600";
const RIGHT: &str = "+0";
const PAUSE_MS: u64 = 800;
/// What a coordinator counts when it refuses to stamp, because its clock is too far ahead of the others'.
const REFUSED: &str = "clock_ahead_refused";

/// One replica's clock is set to another offset now and then.
pub fn clocks_that_jump_an_hour_break_no_promise(settings: &Settings) -> Result<Outcome, Failed> {
    let library = match probe() {
        Ok(library) => library,
        Err(why) => return skipped(why),
    };
    let mut refused = 0;
    let judged = rounds(settings, |seed| {
        let mut cluster = Cluster::prepare(&spec());
        let clock = cluster.folder().join("clock");
        // One replica's clock at a time is wrong.
        let k = 1 + (seed % cluster.nodes() as u64) as usize;
        set(&clock, RIGHT)?;
        cluster.launch(k).environment = faked(&library, &clock);
        cluster.start_all();
        let mut storm = Storm::begin("clocks", seed, settings, cluster)?;
        let mut next = storm.chance.below(2) as usize;
        let mut moved = 0;
        while moved < OFFSETS.len() || storm.rages() {
            storm.pause(PAUSE_MS);
            set(&clock, OFFSETS[next])?;
            storm.happened(k, What::ClockMoved);
            if OFFSETS[next] == AHEAD {
                storm.cluster.await_that("a clock that is an hour ahead stamps nothing", || {
                    storm.counted(REFUSED) > 0
                });
            }
            next = (next + 1) % OFFSETS.len();
            moved += 1;
        }
        set(&clock, RIGHT)?;
        storm.happened(k, What::ClockMoved);
        refused += storm.counted(REFUSED);
        storm.end()
    })?;
    passed(format!("{judged}; {refused} writes refused by a clock too far ahead"))
}

/// The file is replaced as a whole: nobody ever reads half an offset.
fn set(clock: &Path, offset: &str) -> std::io::Result<()> {
    let new = clock.with_extension("new");
    std::fs::write(&new, format!("{offset}\n"))?;
    std::fs::rename(new, clock)
}

fn faked(library: &Path, clock: &Path) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
    vec![
        ("LD_PRELOAD".into(), library.into()),
        ("FAKETIME_TIMESTAMP_FILE".into(), clock.into()),
        ("FAKETIME_NO_CACHE".into(), "1".into()),
        ("FAKETIME_DONT_FAKE_MONOTONIC".into(), "1".into()),
        ("DONT_FAKE_MONOTONIC".into(), "1".into()),
    ]
}

/// The library, if it fakes the time of a process here; else why not.
fn probe() -> Result<PathBuf, String> {
    let library = installed().ok_or("libfaketime is not installed")?;
    let folder = Folder::make().map_err(|error| error.to_string())?;
    let clock = folder.path().join("clock");
    set(&clock, OFFSETS[0]).map_err(|error| error.to_string())?;
    let told = tool(Command::new("date").arg("+%s").envs(faked(&library, &clock)));
    folder.done().map_err(|error| error.to_string())?;
    let told: u64 = told?.trim().parse().map_err(|error| format!("date: {error}"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?.as_secs();
    match now.saturating_sub(told) {
        3590..3700 => Ok(library),
        off => Err(format!("libfaketime moved a clock by {off} s instead of 3600")),
    }
}

fn installed() -> Option<PathBuf> {
    let libraries = std::fs::read_dir("/usr/lib").ok()?.flatten();
    let of_machine = libraries.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
    let of_all = ["/usr/lib/faketime/libfaketimeMT.so.1", "/usr/lib64/faketime/libfaketimeMT.so.1"];
    of_machine.chain(of_all.map(PathBuf::from)).find(|path| path.is_file())
}
