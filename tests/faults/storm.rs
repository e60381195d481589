//! One round of a case: a cluster under recorded load, the faults that are planted, and how it ends.
//!
//! Invariants:
//! - whatever ends a storm, its load and its replicas end with it;
//! - a fault that touches a node is told to the recorder when it has happened, so that it stands in the history;
//! - a storm that was not judged to be fine leaves its history and the replicas' logs behind, and says where.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use quorate_sim::history::What;
use quorate_wal::testkit::SplitMix;

use crate::epilogue;
use crate::harness::{Cluster, Spec};
use crate::settings::Settings;
use crate::tools::{PATIENCE, poll};
use crate::verdict::{self, Judged};

/// Keys that are used again and again.
const HOT_KEYS: &str = "24";
/// The pause between two looks at the load.
const PACE: Duration = Duration::from_millis(20);
/// Values on all replicas together, without which a round proves little.
const KEYS_MIN: u64 = 150;
/// Longer than any storm: the load ends when it is told to.
const LOAD_TIME_MAX: &str = "24h";

/// Replicas that notice soon that another is silent.
pub fn spec() -> Spec {
    let more = "[liveness]\nping_every = \"100ms\"\nsilent_after = \"1s\"\n";
    Spec { shards: 2, more, ..Spec::default() }
}

/// See the module's head.
pub struct Storm {
    pub cluster: Cluster,
    pub chance: SplitMix,
    name: String,
    load: Child,
    history: PathBuf,
    until: Instant,
    faults: BTreeMap<&'static str, u64>,
    fine: bool,
}

impl Storm {
    /// Puts `cluster`, which runs, under load.
    pub fn begin(case: &str, seed: u64, settings: &Settings, cluster: Cluster) -> Result<Storm, Failed> {
        let history = cluster.folder().join("history.jsonl");
        let load = load(&cluster, &history, seed, settings)?;
        let mut storm = Storm {
            cluster,
            chance: SplitMix::new(seed),
            name: format!("{case}-{seed}"),
            load,
            history,
            until: Instant::now(),
            faults: BTreeMap::new(),
            fine: false,
        };
        storm.await_load(seed, settings)?;
        storm.until = Instant::now() + settings.storm;
        Ok(storm)
    }

    /// Waits until something is written. On a busy machine it may take the load more than one attempt to learn whom it
    /// is to ask; it has asked nothing then, and made no history.
    fn await_load(&mut self, seed: u64, settings: &Settings) -> Result<(), Failed> {
        let deadline = Instant::now() + PATIENCE;
        while self.keys() == 0 {
            if let Some(status) = self.load.try_wait()? {
                let told = std::fs::read_to_string(said(&self.cluster)).unwrap_or_default();
                if self.history.exists() || Instant::now() > deadline {
                    return Err(format!("kvctl bench ended with {status} before any fault: {told}").into());
                }
                self.load = load(&self.cluster, &self.history, seed, settings)?;
            }
            if Instant::now() > deadline {
                return Err(format!("nothing is written within {PATIENCE:?}").into());
            }
            std::thread::park_timeout(PACE);
        }
        Ok(())
    }

    /// Whether there is time for another fault.
    pub fn rages(&self) -> bool {
        Instant::now() < self.until
    }

    /// Lets the load go on for a while.
    pub fn pause(&mut self, up_to_ms: u64) {
        let end = Instant::now() + Duration::from_millis(self.chance.below(up_to_ms));
        while let left @ 1.. = end.saturating_duration_since(Instant::now()).as_millis() {
            std::thread::park_timeout(Duration::from_millis(left as u64));
        }
    }

    /// A replica by chance.
    pub fn anyone(&mut self) -> usize {
        1 + self.chance.below(self.cluster.nodes() as u64) as usize
    }

    /// Records that something happened to replica `k`.
    pub fn happened(&mut self, k: usize, what: What) {
        // A load that has ended is noticed at the end of the storm.
        let _ = self.load.stdin.as_mut().map(|stdin| writeln!(stdin, "n{k} {}", what.name()));
        self.count(what.name());
    }

    /// Counts a fault that is none of a node.
    pub fn count(&mut self, fault: &'static str) {
        *self.faults.entry(fault).or_default() += 1;
    }

    /// SIGKILL.
    pub fn kill(&mut self, k: usize) {
        self.cluster.kill(k);
        self.happened(k, What::Crash);
    }

    pub fn start(&mut self, k: usize) {
        self.cluster.spawn(k);
        self.happened(k, What::Start);
    }

    /// What replicas have counted under this name since they were started, in all.
    pub fn counted(&self, name: &str) -> u64 {
        let status = (1..=self.cluster.nodes()).filter_map(|k| self.cluster.status(k));
        let counters = status.flat_map(|status| status.counters);
        counters.filter(|(counter, _)| counter == name).map(|(_, times)| times).sum()
    }

    /// Values on all replicas, as far as they answer.
    pub fn keys(&self) -> u64 {
        let status = (1..=self.cluster.nodes()).filter_map(|k| self.cluster.status(k));
        status.flat_map(|status| status.keyspaces).map(|keyspace| keyspace.keys).sum()
    }

    /// Waits until the cluster is whole, ends the load, reads everything and has it judged. Everything must be healed.
    pub fn end(mut self) -> Result<Judged, Failed> {
        self.settle()?;
        let judged = verdict::judge(&self.history, &self.faults)?;
        self.fine = true;
        Ok(judged)
    }

    /// The same for replicas that are known to break their promise of durability: what they are convicted of.
    pub fn end_convicted(mut self) -> Result<String, Failed> {
        self.settle()?;
        let convicted = verdict::convict(&self.history)?;
        self.fine = true;
        Ok(convicted)
    }

    fn settle(&mut self) -> Result<(), Failed> {
        self.cluster.await_whole();
        // On a slow machine the load goes on until there is something to judge.
        self.cluster.await_that("the load has written enough", || self.keys() >= KEYS_MIN);
        self.end_load()?;
        epilogue::append(&self.cluster, &self.history)
    }

    fn end_load(&mut self) -> Result<(), Failed> {
        self.load.stdin = None;
        let mut ended = None;
        poll(|| {
            ended = self.load.try_wait().ok().flatten();
            ended.is_some()
        });
        match ended {
            Some(status) if status.success() => Ok(()),
            Some(status) => {
                let said = std::fs::read_to_string(said(&self.cluster)).unwrap_or_default();
                Err(format!("kvctl bench ended with {status}: {said}").into())
            }
            None => Err("kvctl bench did not end when its standard input did".into()),
        }
    }

    fn keep(&self) -> std::io::Result<PathBuf> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults").join(&self.name);
        std::fs::create_dir_all(&folder)?;
        for entry in std::fs::read_dir(self.cluster.folder())? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                std::fs::copy(entry.path(), folder.join(entry.file_name()))?;
            }
        }
        Ok(folder)
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        let _ = self.load.kill().and_then(|()| self.load.wait());
        if !self.fine {
            match self.keep() {
                Ok(folder) => eprintln!(
                    "{}: history and logs are kept in {}; `kvctl check` judges history.jsonl there",
                    self.name,
                    folder.display()
                ),
                Err(error) => eprintln!("{}: history and logs are lost: {error}", self.name),
            }
        }
    }
}

/// Where the load says how it went.
fn said(cluster: &Cluster) -> PathBuf {
    cluster.folder().join("bench.log")
}

fn load(cluster: &Cluster, history: &Path, seed: u64, settings: &Settings) -> Result<Child, Failed> {
    let log = File::create(said(cluster))?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvctl"));
    command.arg("--config").arg(cluster.config()).args(["--timeout", "1s", "bench", "--preset", "mixed"]);
    command.args(["--duration", LOAD_TIME_MAX, "--keys", HOT_KEYS, "--value-size", "64"]);
    command.args(["--connections", "8", "--in-flight", "4", "-o", "json", "--events"]);
    command.args(["--rate", &settings.rate.to_string(), "--seed", &seed.to_string(), "--history"]);
    command.arg(history).env_remove("KV_ENDPOINTS").env_remove("KV_CONSISTENCY");
    Ok(command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log).spawn()?)
}

/// Runs `round` with each seed of `settings`, and says which failed.
pub fn rounds(
    settings: &Settings,
    mut round: impl FnMut(u64) -> Result<Judged, Failed>,
) -> Result<Judged, Failed> {
    let mut sum: Option<Judged> = None;
    for seed in settings.seeds() {
        let judged = round(seed).map_err(|why| {
            Failed::from(format!("seed {seed}: {}", why.message().unwrap_or("no word why")))
        })?;
        sum = Some(match sum {
            Some(before) => before.and(judged),
            None => judged,
        });
    }
    sum.ok_or_else(|| "no round".into())
}
