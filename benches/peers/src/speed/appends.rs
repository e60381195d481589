//! Appending: by threads that wait, by tasks that await, in bulk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::measured::Waits;
use super::{Measured, Plan, folder, in_turn};
use crate::contender::{Contender, Log, Numbered, Scale};
use crate::contenders::{BARE, Field};

/// Bytes of a record that is waited for.
const DURABLE_BYTES: usize = 256;
/// Bytes of a record that is buffered or replayed.
pub(crate) const BULK_BYTES: usize = 128;
/// Appenders that await, and threads that run them.
const TASKS: u64 = 1000;
const TASK_THREADS: usize = 2;
/// A writer lets the log reuse its space after so many appends.
const TRIM_EVERY: u64 = 1024;

/// What is asked of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Workload {
    /// Threads that each wait for every record.
    Durable {
        /// Threads.
        writers: u64,
    },
    /// A thousand tasks that each await every record.
    Async,
    /// One thread, one sync at the end.
    Buffered,
}

impl Workload {
    /// In order of printing.
    pub fn all(writers: &[u64]) -> Vec<Self> {
        let durable = writers.iter().map(|writers| Self::Durable { writers: *writers });
        durable.chain([Self::Async, Self::Buffered]).collect()
    }

    /// The name in the JSON lines.
    pub fn name(self) -> String {
        match self {
            Self::Durable { writers } => format!("append/durable/writers={writers}/payload={DURABLE_BYTES}"),
            Self::Async => {
                format!("append/async/tasks={TASKS}/threads={TASK_THREADS}/payload={DURABLE_BYTES}")
            }
            Self::Buffered => format!("append/buffered/payload={BULK_BYTES}"),
        }
    }

    /// Whether this contender can do it.
    pub fn suits(self, contender: &dyn Contender) -> bool {
        match self {
            Self::Durable { writers } => writers == 1 || contender.name() != BARE,
            Self::Async => contender.async_way().is_some(),
            Self::Buffered => contender.buffers(),
        }
    }
}

/// Where and how long logs are appended to.
pub struct Appends {
    /// Folders are made here.
    pub dir: PathBuf,
    /// How long.
    pub plan: Plan,
}

impl Appends {
    /// One round of one workload: every contender that can, in turn.
    pub fn round(
        &self,
        workload: Workload,
        field: &Field,
        round: usize,
        mut enter: impl FnMut(&'static str, Measured),
    ) -> Result<()> {
        for contender in in_turn(field, round).filter(|contender| workload.suits(&***contender)) {
            let measured = self.measure(&**contender, workload).with_context(|| contender.name())?;
            enter(contender.name(), measured);
        }
        Ok(())
    }

    fn measure(&self, contender: &dyn Contender, workload: Workload) -> Result<Measured> {
        let folder = folder(&self.dir)?;
        settle(folder.path())?;
        match workload {
            Workload::Durable { writers } => {
                let log = contender.open(folder.path(), Scale::Usual)?;
                self.durable(&*log, writers)
            }
            Workload::Async => {
                let log = contender.open(folder.path(), Scale::Usual)?;
                self.awaited(&log.into())
            }
            Workload::Buffered => {
                let records = self.plan.buffered_records;
                let log = contender.open(folder.path(), Scale::Keep(records * BULK_BYTES as u64))?;
                let begun = Instant::now();
                log.append_range(0..records, &mut Numbered::new(BULK_BYTES))?;
                Ok(Measured::bulk(records, begun.elapsed()))
            }
        }
    }

    fn durable(&self, log: &dyn Log, writers: u64) -> Result<Measured> {
        let clock = Clock::default();
        thread::scope(|scope| {
            let clock = &clock;
            let writers: Vec<_> =
                (0..writers).map(|writer| scope.spawn(move || write(log, writer, clock))).collect();
            let time = clock.run(&self.plan);
            let waits = writers.into_iter().map(|writer| writer.join().expect("a writer does not panic"));
            Ok(Measured::of(&waits.collect::<Result<Vec<_>>>()?, time))
        })
    }

    fn awaited(&self, log: &Arc<dyn Log>) -> Result<Measured> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(TASK_THREADS).build()?;
        let clock = Arc::new(Clock::default());
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| runtime.spawn(write_awaiting(Arc::clone(log), task, Arc::clone(&clock))))
            .collect();
        let time = clock.run(&self.plan);
        let mut waits = Vec::new();
        for task in tasks {
            waits.push(runtime.block_on(task)??);
        }
        Ok(Measured::of(&waits, time))
    }
}

/// What earlier contenders left to be written is written before the next begins.
fn settle(dir: &Path) -> Result<()> {
    Ok(rustix::fs::syncfs(std::fs::File::open(dir)?)?)
}

/// Tells all writers what counts. A record counts if it became durable while the clock ran; what was still waited for
/// when it stopped is waited for to its end, and counts as a wait, so that no starved writer goes unseen.
#[derive(Default)]
struct Clock {
    phase: AtomicU8,
}

const WARMING_UP: u8 = 0;
const RUNNING: u8 = 1;
const OVER: u8 = 2;

impl Clock {
    fn run(&self, plan: &Plan) -> Duration {
        thread::sleep(plan.warm_up);
        self.phase.store(RUNNING, Ordering::Relaxed);
        let begun = Instant::now();
        thread::sleep(plan.measured);
        self.phase.store(OVER, Ordering::Relaxed);
        begun.elapsed()
    }

    fn is_over(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == OVER
    }

    fn note(&self, begun: Instant, waits: &mut Waits) {
        let phase = self.phase.load(Ordering::Relaxed);
        if phase == RUNNING {
            waits.counted += 1;
        }
        if phase != WARMING_UP {
            waits.nanos.push(begun.elapsed().as_nanos() as u64);
        }
    }
}

/// Record `turn` of a writer: all different.
fn number(writer: u64, turn: u64) -> u64 {
    writer << 40 | turn
}

fn write(log: &dyn Log, writer: u64, clock: &Clock) -> Result<Waits> {
    let (mut payload, mut waits) = (Numbered::new(DURABLE_BYTES), Waits::with_room(1 << 15));
    for turn in 0.. {
        if clock.is_over() {
            break;
        }
        let begun = Instant::now();
        log.append_durable(payload.stamp(number(writer, turn)))?;
        clock.note(begun, &mut waits);
        if writer == 0 && turn % TRIM_EVERY == TRIM_EVERY - 1 {
            log.trim()?;
        }
    }
    Ok(waits)
}

async fn write_awaiting(log: Arc<dyn Log>, task: u64, clock: Arc<Clock>) -> Result<Waits> {
    let (mut payload, mut waits) = (Numbered::new(DURABLE_BYTES), Waits::with_room(1 << 10));
    for turn in 0.. {
        if clock.is_over() {
            break;
        }
        let begun = Instant::now();
        log.append_async(payload.stamp(number(task, turn))).await?;
        clock.note(begun, &mut waits);
        if task == 0 && turn % TRIM_EVERY == TRIM_EVERY - 1 {
            log.trim()?;
        }
    }
    Ok(waits)
}
