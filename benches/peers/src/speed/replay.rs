//! Replaying a log of many records, cold and warm, each time in a process of its own: what it takes in memory is then
//! its own, too.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::appends::BULK_BYTES;
use super::{folder, in_turn, median};
use crate::contender::{Contender, Numbered, Scale, SharedSink, Sink};
use crate::contenders::Field;

/// Records between two syncs while a log is filled.
const FILL_RECORDS: u64 = 4096;
/// Records of a log that syncs each of them.
const SYNCED_RECORDS: u64 = 20_000;

/// Whether the log's bytes are in the page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Temperature {
    /// Not.
    Cold,
    /// They are.
    Warm,
}

/// How a log's bytes are thrown out of the page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Cooling {
    /// `posix_fadvise(DONTNEED)` on its files: hurts nobody else.
    Fadvise,
    /// `/proc/sys/vm/drop_caches`, as root: everybody's.
    DropCaches,
}

/// One replay.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Replayed {
    /// Records that came, checked to be those that were written, in order.
    pub records: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// From the call to the first record.
    pub opening: f64,
    /// From the first record to the last, and the return of the call; seconds, as before.
    pub replaying: f64,
    /// Resident before, and at most: KiB.
    pub resident_before_kib: u64,
    /// As before.
    pub resident_peak_kib: u64,
    /// Bytes that this process had read from the disk.
    pub disk_bytes: u64,
}

impl Replayed {
    /// Without opening.
    pub fn per_second(&self) -> f64 {
        self.records as f64 / self.replaying
    }

    /// Opening included.
    pub fn per_second_with_opening(&self) -> f64 {
        self.records as f64 / (self.opening + self.replaying)
    }

    /// Payload bytes, without opening, in units of 10^9.
    pub fn gigabytes_per_second(&self) -> f64 {
        self.payload_bytes as f64 / self.replaying / 1e9
    }

    /// MiB above what was resident before.
    pub fn memory_mib(&self) -> f64 {
        (self.resident_peak_kib.saturating_sub(self.resident_before_kib)) as f64 / 1024.0
    }
}

/// Logs to replay, and what came of it.
pub struct Replays {
    folders: Vec<(Box<dyn Contender>, TempDir)>,
    scale: Scale,
    cooling: Cooling,
    results: BTreeMap<(Temperature, &'static str), Vec<Replayed>>,
}

impl Replays {
    /// Fills a log of about `payload_bytes` for each contender.
    pub fn prepare(dir: &Path, field: Field, payload_bytes: u64, cooling: Cooling) -> Result<Self> {
        let scale = Scale::Keep(payload_bytes);
        let mut folders = Vec::new();
        for contender in field {
            let folder = folder(dir)?;
            fill(&*contender, folder.path(), scale, payload_bytes / BULK_BYTES as u64)
                .with_context(|| format!("filling the log of {}", contender.name()))?;
            folders.push((contender, folder));
        }
        Ok(Self { folders, scale, cooling, results: BTreeMap::new() })
    }

    /// Every contender in turn, cold, then warm.
    pub fn round(
        &mut self,
        round: usize,
        mut told: impl FnMut(Temperature, &'static str, Replayed),
    ) -> Result<()> {
        for (contender, folder) in in_turn(&self.folders, round) {
            for temperature in [Temperature::Cold, Temperature::Warm] {
                if temperature == Temperature::Cold {
                    cool(folder.path(), self.cooling)?;
                }
                let replayed = in_a_child(contender.name(), folder.path(), self.scale)
                    .with_context(|| format!("replaying the log of {}", contender.name()))?;
                told(temperature, contender.name(), replayed);
                self.results.entry((temperature, contender.name())).or_default().push(replayed);
            }
        }
        Ok(())
    }

    /// In the order of the field.
    pub fn contenders(&self) -> impl Iterator<Item = &'static str> {
        self.folders.iter().map(|(contender, _)| contender.name())
    }

    /// The median of a value over all rounds.
    pub fn median(
        &self,
        temperature: Temperature,
        contender: &'static str,
        value: impl Fn(&Replayed) -> f64,
    ) -> Option<f64> {
        median(self.results.get(&(temperature, contender))?.iter().map(value).collect())
    }
}

fn fill(contender: &dyn Contender, dir: &Path, scale: Scale, records: u64) -> Result<()> {
    let log = contender.open(dir, scale)?;
    let mut payload = Numbered::new(BULK_BYTES);
    if contender.buffers() {
        for first in (0..records).step_by(FILL_RECORDS as usize) {
            log.append_range(first..records.min(first + FILL_RECORDS), &mut payload)?;
        }
    } else {
        for number in 0..records.min(SYNCED_RECORDS) {
            log.append_durable(payload.stamp(number))?;
        }
    }
    log.close()
}

/// Throws the files' pages out of the cache.
fn cool(dir: &Path, cooling: Cooling) -> Result<()> {
    rustix::fs::syncfs(File::open(dir)?)?;
    if cooling == Cooling::DropCaches {
        return fs::write("/proc/sys/vm/drop_caches", "3").context("dropping all caches takes root");
    }
    for path in files(dir)? {
        rustix::fs::fadvise(File::open(path)?, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    Ok(())
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// This program, told to replay.
fn in_a_child(name: &str, dir: &Path, scale: Scale) -> Result<Replayed> {
    let Scale::Keep(bytes) = scale else { bail!("a log to replay keeps its records") };
    let output = Command::new(std::env::current_exe()?)
        .args(["--replay", name, "--replay-bytes", &bytes.to_string(), "--dir"])
        .arg(dir)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Checks that the records come in order, and notes when the first came.
struct Tally {
    first: Option<Instant>,
    records: u64,
    payload_bytes: u64,
    misplaced: u64,
}

impl Sink for Tally {
    fn record(&mut self, _id: u64, payload: &[u8]) {
        if self.first.is_none() {
            self.first = Some(Instant::now());
        }
        self.misplaced += u64::from(Numbered::number(payload) != Some(self.records));
        self.records += 1;
        self.payload_bytes += payload.len() as u64;
    }
}

/// In the child: replays, and says what that took.
pub fn replay_here(contender: &dyn Contender, dir: &Path, payload_bytes: u64) -> Result<Replayed> {
    let tally = Arc::new(Mutex::new(Tally { first: None, records: 0, payload_bytes: 0, misplaced: 0 }));
    let sink: SharedSink = Arc::clone(&tally) as SharedSink;
    // 5: the peak begins anew, at what is resident now.
    fs::write("/proc/self/clear_refs", "5").context("the peak cannot be reset")?;
    let before = status_kib("VmRSS")?;
    let begun = Instant::now();
    contender.replay(dir, Scale::Keep(payload_bytes), &sink)?;
    let ended = Instant::now();
    let peak = status_kib("VmHWM")?;
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    let first = tally.first.context("no record came")?;
    ensure!(tally.misplaced == 0, "{} of {} records are out of order", tally.misplaced, tally.records);
    let expected = payload_bytes / BULK_BYTES as u64;
    let expected = if contender.buffers() { expected } else { expected.min(SYNCED_RECORDS) };
    ensure!(tally.records == expected, "{} of {expected} records came", tally.records);
    Ok(Replayed {
        records: tally.records,
        payload_bytes: tally.payload_bytes,
        opening: first.duration_since(begun).as_secs_f64(),
        replaying: ended.duration_since(first).max(Duration::from_nanos(1)).as_secs_f64(),
        resident_before_kib: before,
        resident_peak_kib: peak,
        disk_bytes: field_of(&fs::read_to_string("/proc/self/io")?, "read_bytes")?,
    })
}

fn status_kib(name: &str) -> Result<u64> {
    field_of(&fs::read_to_string("/proc/self/status")?, name)
}

/// The number behind `name:` in a file of the kernel's.
fn field_of(text: &str, name: &str) -> Result<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let value = value.and_then(|value| value.split_whitespace().next()?.parse().ok());
    value.with_context(|| format!("the kernel does not say {name}"))
}
