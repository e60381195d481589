//! Disks that are full, that fail a sync, and whose power goes.
//!
//! What is expected of a replica whose log failed: it acknowledges nothing more and ends by itself, with exit code 12;
//! the others serve; once there is room, or the disk works again, a start repairs it.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use libtest_mimic::Failed;
use quorate_sim::history::What;
use quorate_types::Level;

use crate::cases::{Outcome, passed, skipped};
use crate::disk::{Ext4, Mount, probe_power, probe_tmpfs};
use crate::folder::Folder;
use crate::harness::{Cluster, PATIENCE, Spec};
use crate::settings::Settings;
use crate::storm::{Storm, rounds, spec};
use crate::tools::{poll, tool};

/// The replica whose disk fails.
const K: usize = 2;
/// Enough for its log, its hints and a checkpoint.
const DISK_BYTES: u64 = 32 << 20;
/// A few of these fill what is left of a segment.
const FILLER_BYTES: usize = 200 << 10;
/// So many keys that checkpoints stay small.
const FILLERS: usize = 8;
/// What a replica ends with whose log failed.
const LOG_FAILED: Option<i32> = Some(12);
const PAUSE_MS: u64 = 600;
/// Values on all replicas together, of which none is on disk.
const SOMETHING: u64 = 150;

/// Segments that are soon full, so that the next one must find room, and a log that stays small.
fn small_log() -> Spec {
    Spec { wal: "segment_bytes = \"3MiB\"\nwal_bytes_max = \"6MiB\"\n", ..spec() }
}

/// Replicas that go on writing the files that they have. One whose header was lost is no loss that goes unnoticed: the
/// replica refuses to start, and says which file is damaged.
fn no_new_files() -> Spec {
    let more = "[liveness]\nping_every = \"100ms\"\nsilent_after = \"1s\"\n\n\
                [checkpoint]\ncheckpoint_interval = \"1h\"\n";
    Spec { hinted_handoff: false, more, ..spec() }
}

/// Until the last byte; then there is room again.
pub fn a_full_disk_stops_one_replica_and_room_brings_it_back(settings: &Settings) -> Result<Outcome, Failed> {
    if let Err(why) = probe_tmpfs() {
        return skipped(why);
    }
    let judged = rounds(settings, |seed| {
        let mut cluster = Cluster::prepare(&small_log());
        let folder = Folder::make()?;
        let disk = folder.path().join("small");
        let mount = Mount::tmpfs(&disk, DISK_BYTES)?;
        cluster.launch(K).arguments = vec!["--data-dir".into(), disk.join("data").into()];
        cluster.start_all();
        let mut storm = Storm::begin("full", seed, settings, cluster)?;
        while storm.rages() {
            storm.pause(PAUSE_MS);
            fill(&disk.join("ballast"))?;
            storm.count("disk full");
            write_until_it_ends(&mut storm)?;
            others_serve(&storm);
            std::fs::remove_file(disk.join("ballast"))?;
            storm.start(K);
        }
        let judged = storm.end()?;
        drop(mount);
        folder.done()?;
        Ok(judged)
    })?;
    passed(judged.to_string())
}

fn fill(ballast: &Path) -> Result<(), Failed> {
    let (mut file, zeros) = (File::create(ballast)?, vec![0; 64 << 10]);
    loop {
        match file.write(&zeros) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Each sync fails from some moment on.
pub fn a_failed_sync_stops_one_replica_and_a_restart_brings_it_back(
    settings: &Settings,
) -> Result<Outcome, Failed> {
    if let Err(why) = probe_strace() {
        return skipped(why);
    }
    let judged = rounds(settings, |seed| {
        let mut storm = Storm::begin("eio", seed, settings, Cluster::start(&spec()))?;
        while storm.rages() {
            storm.pause(PAUSE_MS);
            let pid = storm.cluster.pid(K).ok_or("n2 does not run")?;
            let strace = Strace::attach(pid, "error=EIO")?;
            storm.count("sync fails");
            write_until_it_ends(&mut storm)?;
            others_serve(&storm);
            drop(strace);
            storm.start(K);
        }
        storm.end()
    })?;
    passed(judged.to_string())
}

/// The load may be too slow to fill a segment: large values beside it, which are not in the history.
fn write_until_it_ends(storm: &mut Storm) -> Result<(), Failed> {
    let (filler, deadline) = ("x".repeat(FILLER_BYTES), Instant::now() + PATIENCE);
    for number in 0.. {
        if let Some(status) = storm.cluster.ended(K) {
            storm.happened(K, What::DiskFailed);
            storm.happened(K, What::Crash);
            return if status.code() == LOG_FAILED {
                Ok(())
            } else {
                Err(format!("n2 ended with {status} instead of {LOG_FAILED:?}").into())
            };
        }
        if Instant::now() > deadline {
            break;
        }
        // Whether it is written matters to nobody.
        let _ = storm.cluster.put(1, &format!("filler-{}", number % FILLERS), &filler, Level::Two);
    }
    Err(format!("n2 does not end within {PATIENCE:?}, and its disk fails").into())
}

fn others_serve(storm: &Storm) {
    storm.cluster.await_that("the others serve", || {
        (0..8).all(|number| storm.cluster.put(1, &format!("served-{number}"), "v", Level::Two).is_ok())
    });
}

/// A running process, to each sync of which `what` happens from now on instead; dropped, they work again.
struct Strace(Child);

impl Strace {
    fn attach(pid: u32, what: &str) -> Result<Strace, Failed> {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync"]);
        strace.args(["-e", &format!("inject=fdatasync,fsync:{what}"), "-p", &pid.to_string()]);
        let mut strace = Strace(strace.stdin(Stdio::null()).stderr(Stdio::null()).spawn()?);
        let traced = |thread: PathBuf| {
            let status = std::fs::read_to_string(thread.join("status")).unwrap_or_default();
            status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
        };
        let threads = || std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let mut ended = false;
        let attached = poll(|| {
            ended = strace.0.try_wait().is_ok_and(|status| status.is_some());
            ended || threads().all(|thread| traced(thread.path()))
        });
        if attached && !ended { Ok(strace) } else { Err("strace may not attach to a process here".into()) }
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        // Told to end, it lets go of the process first.
        let _ = tool(Command::new("kill").args(["-TERM", &self.0.id().to_string()]));
        if !poll(|| self.0.try_wait().is_ok_and(|status| status.is_some())) {
            let _ = self.0.kill().and_then(|()| self.0.wait());
        }
    }
}

/// Whether strace can attach to processes here and make calls fail; else why not.
fn probe_strace() -> Result<(), String> {
    tool(Command::new("strace").arg("--version"))?;
    let folder = Folder::make().map_err(|error| error.to_string())?;
    let file = folder.path().join("file");
    std::fs::write(&file, "bytes").map_err(|error| error.to_string())?;
    let inject = ["-qq", "-o", "/dev/null", "-e", "inject=fdatasync:error=EIO", "sync", "-d"];
    let failed = tool(Command::new("strace").args(inject).arg(&file));
    folder.done().map_err(|error| error.to_string())?;
    match failed {
        Err(why) if why.contains("Input/output error") => {}
        other => return Err(format!("strace may not trace here, or not inject ({other:?})")),
    }
    let mut idle = Command::new("sleep").arg("infinity").spawn().map_err(|error| error.to_string())?;
    let attached = Strace::attach(idle.id(), "error=EIO").map(drop);
    let _ = idle.kill().and_then(|()| idle.wait());
    attached.map_err(|why| why.message().unwrap_or("strace").to_owned())
}

/// What was not synced is gone; the process goes with the power, or some time after its disk.
pub fn acknowledged_writes_survive_a_power_cut_of_one_replica(
    settings: &Settings,
) -> Result<Outcome, Failed> {
    power_cuts("power", settings, &[K])
}

/// As close together as possible, in any order.
pub fn acknowledged_writes_survive_a_power_cut_of_all_replicas(
    settings: &Settings,
) -> Result<Outcome, Failed> {
    power_cuts("power-all", settings, &[1, 2, 3, 4])
}

fn power_cuts(case: &str, settings: &Settings, whose: &[usize]) -> Result<Outcome, Failed> {
    if let Err(why) = probe_power() {
        return skipped(why);
    }
    let judged = rounds(settings, |seed| {
        let (mut cluster, mut disks) = (Cluster::prepare(&spec()), Disks::make(whose)?);
        disks.lend(&mut cluster);
        cluster.start_all();
        let mut storm = Storm::begin(case, seed, settings, cluster)?;
        while storm.rages() {
            storm.pause(2 * PAUSE_MS);
            disks.cut_and_return(&mut storm)?;
        }
        let judged = storm.end()?;
        disks.release()?;
        Ok(judged)
    })?;
    passed(judged.to_string())
}

/// These cases would notice replicas that acknowledge before the sync: here the kernel pretends that it synced.
pub fn replicas_that_do_not_sync_are_convicted_when_the_power_goes(
    settings: &Settings,
) -> Result<Outcome, Failed> {
    if let Err(why) = probe_strace().and_then(|()| probe_power()) {
        return skipped(why);
    }
    let (mut cluster, mut disks) = (Cluster::prepare(&no_new_files()), Disks::make(&[1, 2, 3, 4])?);
    disks.lend(&mut cluster);
    cluster.start_all();
    let mut storm = Storm::begin("no-sync", settings.seed, settings, cluster)?;
    let pids = (1..=storm.cluster.nodes()).filter_map(|k| storm.cluster.pid(k));
    let lies = pids.map(|pid| Strace::attach(pid, "retval=0")).collect::<Result<Vec<_>, _>>()?;
    let before = storm.keys();
    storm.cluster.await_that("there is something to lose", || storm.keys() > before + SOMETHING);
    disks.cut_and_return(&mut storm)?;
    drop(lies);
    let convicted = storm.end_convicted()?;
    disks.release()?;
    passed(convicted)
}

/// Disks of replicas, whose power can be cut.
struct Disks {
    each: Vec<(usize, Ext4)>,
    folder: Folder,
}

impl Disks {
    fn make(whose: &[usize]) -> Result<Disks, Failed> {
        let mut disks = Disks { each: Vec::new(), folder: Folder::make()? };
        for k in whose {
            let folder = disks.folder.path().join(format!("n{k}"));
            std::fs::create_dir(&folder)?;
            disks.each.push((*k, Ext4::make(&folder)?));
        }
        Ok(disks)
    }

    /// They are where the replicas of `cluster` will have their data.
    fn lend(&self, cluster: &mut Cluster) {
        for (k, disk) in &self.each {
            let data_dir = disk.path().join("data");
            cluster.launch(*k).arguments = vec!["--data-dir".into(), data_dir.into()];
        }
    }

    fn cut_and_return(&mut self, storm: &mut Storm) -> Result<(), Failed> {
        let first = storm.chance.below(self.each.len() as u64) as usize;
        self.each.rotate_left(first);
        for (_, disk) in &self.each {
            disk.cut_power()?;
        }
        if storm.chance.one_in(2) {
            // Nothing that they say in this time can be true of the disk.
            storm.pause(PAUSE_MS);
        }
        for (k, _) in &self.each {
            storm.cluster.kill(*k);
            storm.happened(*k, What::PowerCut);
        }
        for (k, disk) in &mut self.each {
            disk.power_on()?;
            storm.start(*k);
        }
        Ok(())
    }

    fn release(self) -> Result<(), Failed> {
        self.each.into_iter().try_for_each(|(_, disk)| disk.release())?;
        Ok(self.folder.done()?)
    }
}
