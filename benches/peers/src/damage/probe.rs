//! Opening damaged logs, at arm's length: in a thread, with a deadline.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tempfile::TempDir;

use super::{Damage, Hit, Image, Layout, Outcome, PAYLOAD_BYTES, RECORDS, Record, Seen, judge};
use crate::contender::{Contender, Ending, Scale, SharedSink, Sink};

/// A log that has not answered after this long hangs.
const DEADLINE: Duration = Duration::from_secs(20);

/// Where damaged copies are written, one after the other.
pub struct Workshop {
    root: TempDir,
    made: std::cell::Cell<u64>,
}

impl Workshop {
    /// In a folder of its own below `dir`, removed with the workshop.
    pub fn in_dir(dir: &Path) -> Result<Self> {
        let root = tempfile::Builder::new()
            .prefix("quorate-peers-")
            .tempdir_in(dir)
            .with_context(|| format!("cannot make a folder in {}", dir.display()))?;
        Ok(Self { root, made: std::cell::Cell::new(0) })
    }

    /// An empty folder.
    pub fn folder(&self) -> Result<PathBuf> {
        self.made.set(self.made.get() + 1);
        let folder = self.root.path().join(self.made.get().to_string());
        std::fs::create_dir(&folder)?;
        Ok(folder)
    }
}

/// A log with acknowledged records, ready to be damaged.
pub struct Specimen {
    contender: Arc<dyn Contender>,
    acknowledged: Vec<Record>,
    healthy: Ending,
    image: Image,
    layout: Layout,
}

impl Specimen {
    /// Fills a log, copies its files, and makes sure that the undamaged copy hands everything over.
    pub fn of(contender: Arc<dyn Contender>, workshop: &Workshop) -> Result<Self> {
        let payloads = payloads();
        let folder = workshop.folder()?;
        let log = contender.open(&folder, Scale::Small)?;
        for payload in &payloads {
            log.append_durable(payload)?;
        }
        let image = Image::of(&folder)?;
        drop(log);
        std::fs::remove_dir_all(&folder)?;
        let layout = image.layout(payloads.iter().map(Vec::as_slice))?;
        let seen =
            seen(&contender, &image, workshop)?.map_err(|outcome| anyhow!("undamaged, it {outcome}"))?;
        let healthy = seen.result.map_err(|error| anyhow!("undamaged, it does not open: {error}"))?;
        let came = seen.records.iter().map(|record| &record.payload);
        ensure!(came.eq(&payloads), "undamaged, it does not hand over what it acknowledged");
        Ok(Self { contender, acknowledged: seen.records, healthy, image, layout })
    }

    /// The contender.
    pub fn contender(&self) -> &dyn Contender {
        &*self.contender
    }

    /// Where the records lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Damages a copy and opens it.
    pub fn suffer(&self, damage: Damage, workshop: &Workshop) -> Result<(Outcome, Hit)> {
        let mut image = self.image.clone();
        let hit = damage.apply(&mut image, &self.layout)?;
        let outcome = match seen(&self.contender, &image, workshop)? {
            Ok(seen) => judge(&self.acknowledged, self.healthy, &seen, hit),
            Err(outcome) => outcome,
        };
        Ok((outcome, hit))
    }
}

/// Payloads in which no eight bytes are alike, the same in each run.
fn payloads() -> Vec<Vec<u8>> {
    let mut random = ChaCha8Rng::seed_from_u64(0x51_52_4d_57);
    let payload = |_| {
        let mut payload = vec![0; PAYLOAD_BYTES];
        random.fill_bytes(&mut payload);
        payload
    };
    (0..RECORDS).map(payload).collect()
}

/// What the contender hands over from this image, or that it panicked or hung.
fn seen(contender: &Arc<dyn Contender>, image: &Image, workshop: &Workshop) -> Result<Result<Seen, Outcome>> {
    let folder = workshop.folder()?;
    image.write(&folder)?;
    let (answer, answers) = channel();
    let (contender, dir) = (Arc::clone(contender), folder.clone());
    std::thread::Builder::new().name(PROBE.to_owned()).spawn(move || {
        // Nobody listens any more if it took too long.
        drop(answer.send(catch_unwind(AssertUnwindSafe(|| read(&*contender, &dir)))));
    })?;
    let seen = match answers.recv_timeout(DEADLINE) {
        Ok(Ok(seen)) => Ok(seen),
        Ok(Err(panic)) => Err(Outcome::Panicked { message: said(&*panic) }),
        Err(RecvTimeoutError::Timeout) => Err(Outcome::Hung),
        Err(RecvTimeoutError::Disconnected) => bail!("the probe ended without an answer"),
    };
    std::fs::remove_dir_all(&folder)?;
    Ok(seen)
}

/// The name of the threads in which panics are expected.
pub(crate) const PROBE: &str = "probe";

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("something").to_owned()
}

#[derive(Default)]
struct Collected {
    records: Vec<Record>,
}

impl Sink for Collected {
    fn record(&mut self, id: u64, payload: &[u8]) {
        self.records.push(Record { id, payload: payload.to_vec() });
    }
}

fn read(contender: &dyn Contender, dir: &Path) -> Seen {
    let collected = Arc::new(Mutex::new(Collected::default()));
    let sink: SharedSink = Arc::clone(&collected) as SharedSink;
    let result = contender.replay(dir, Scale::Small, &sink).map_err(|error| format!("{error:#}"));
    let records = std::mem::take(&mut collected.lock().unwrap_or_else(PoisonError::into_inner).records);
    Seen { records, result }
}

/// Panics of probes are outcomes, not news: they are kept off the terminal.
pub fn keep_panics_of_probes_quiet() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() != Some(PROBE) {
            usual(panic);
        }
    }));
}
