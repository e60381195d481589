//! The thread that writes checkpoints: asks each shard for its records slice by slice, writes them beside the last
//! checkpoint, publishes, and only then lets the log be cut.
//!
//! Invariants:
//! - one shard's walk at a time, one slice on its way: the disk slows the walk, never a shard;
//! - a checkpoint that fails leaves the last one and the whole log in place; the next trigger tries again;
//! - nothing is written while nothing was applied since the last one;
//! - what the order of steps must be for every crash to be safe is the store's matter (`disk::Checkpoints`).

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use quorate_http::{Checkpointed, NodeEvent};
use quorate_store::DiskError;
use quorate_store::disk::{CheckpointRun, Checkpoints, PartDone};
use quorate_types::Timestamp;
use quorate_wal::Wal;
use thiserror::Error;
use tokio::sync::oneshot;
use tracing::{error, info};

use crate::alarm::Alarm;
use crate::common::Common;
use crate::shard::item::Item;
use crate::shard::walk_step::{Slice, WalkStep};

/// How often the thread looks at the size of the log, and, while it waits for a shard, at the switch.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The least time between two checkpoints because of the log's size, also when they fail or cut little.
const BY_SIZE_EVERY: Duration = Duration::from_secs(1);

/// When to write a checkpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Triggers {
    /// `checkpoint_interval`.
    pub(crate) interval: Duration,
    /// `wal_bytes_max`.
    pub(crate) wal_bytes_max: u64,
}

/// Why there is no new checkpoint. The last one and the log are as they were.
#[derive(Debug, Error)]
pub(crate) enum CheckpointFailure {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("the replica was stopped")]
    Stopped,
}

/// The thread, seen from outside.
#[derive(Debug)]
pub(crate) struct CheckpointThread {
    asks: CheckpointAsks,
    thread: JoinHandle<()>,
}

/// What is told to whoever asked for a checkpoint: what serves now, or why there is no new one.
type Told = Result<Checkpointed, String>;

/// A way to ask for a checkpoint. The thread lives while there is one.
#[derive(Clone, Debug)]
pub(crate) struct CheckpointAsks(mpsc::Sender<oneshot::Sender<Told>>);

impl CheckpointAsks {
    /// Asks for a checkpoint now; an answer that never comes means that the replica was stopped.
    pub(crate) fn ask(&self) -> oneshot::Receiver<Told> {
        let (reply, answer) = oneshot::channel();
        // If the thread is gone, the reply is dropped, which says so.
        let _ = self.0.send(reply);
        answer
    }
}

impl CheckpointThread {
    pub(crate) fn start(
        common: Arc<Common>,
        wal: Wal,
        checkpoints: Checkpoints,
        triggers: Triggers,
    ) -> std::io::Result<CheckpointThread> {
        let (asks, asked) = mpsc::channel();
        let name = format!("{}-checkpoint", common.about.name);
        let last = Instant::now();
        let writer = Writer { common, wal, checkpoints, triggers, last, appends_covered: None };
        let thread = std::thread::Builder::new().name(name).spawn(move || writer.run(&asked))?;
        Ok(CheckpointThread { asks: CheckpointAsks(asks), thread })
    }

    /// Writes a checkpoint now and waits for it.
    pub(crate) fn write(&self) -> Told {
        let answer = self.asks.ask().blocking_recv();
        answer.unwrap_or_else(|_| Err(CheckpointFailure::Stopped.to_string()))
    }

    /// How others ask for one.
    pub(crate) fn asks(&self) -> CheckpointAsks {
        self.asks.clone()
    }

    /// Waits for the thread's end, which the switch or the drop of this brings about.
    pub(crate) fn join(self) {
        drop(self.asks);
        if self.thread.join().is_err() {
            error!("the checkpoint thread panicked");
        }
    }
}

struct Writer {
    common: Arc<Common>,
    wal: Wal,
    checkpoints: Checkpoints,
    triggers: Triggers,
    last: Instant,
    /// Appends since the start that the last checkpoint has seen.
    appends_covered: Option<u64>,
}

impl Writer {
    fn run(mut self, asked: &mpsc::Receiver<oneshot::Sender<Told>>) {
        let _alarm = Alarm::new("the checkpoint thread", &self.common);
        loop {
            match asked.recv_timeout(LOOK_EVERY) {
                // Whoever asked may be gone.
                Ok(reply) => drop(reply.send(self.told())),
                Err(RecvTimeoutError::Timeout) if self.is_due() => drop(self.write()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.common.switch.is_stopped() {
                return;
            }
        }
    }

    fn told(&mut self) -> Told {
        self.write().map_err(|failure| failure.to_string())?;
        let manifest = self.checkpoints.manifest();
        Ok(Checkpointed { checkpoint: manifest.checkpoint, replay_lsn: manifest.replay_point.get() })
    }

    fn is_due(&self) -> bool {
        let since = self.last.elapsed();
        since >= self.triggers.interval || since >= BY_SIZE_EVERY && self.wal_is_large()
    }

    fn write(&mut self) -> Result<(), CheckpointFailure> {
        let begun = Instant::now();
        let appends = self.common.appends();
        self.last = begun;
        if self.appends_covered == Some(appends) {
            return Ok(());
        }
        let written = self.write_all();
        match &written {
            Ok(()) => {
                self.appends_covered = Some(appends);
                self.common.overview.checkpointed(self.checkpoints.manifest());
                self.common.counters.checkpoints_published.increment();
                let checkpoint = self.checkpoints.manifest().checkpoint;
                let took_ms = begun.elapsed().as_millis() as u64;
                info!(checkpoint, took_ms, "checkpoint published");
                self.common.news.announce(&NodeEvent::CheckpointPublished { checkpoint, took_ms });
            }
            Err(CheckpointFailure::Stopped) => {}
            Err(failure) => {
                self.common.counters.checkpoints_failed.increment();
                error!(%failure, "no checkpoint: the last one and the whole log are kept");
                self.common.news.announce(&NodeEvent::CheckpointFailed { why: failure.to_string() });
            }
        }
        written
    }

    fn wal_is_large(&self) -> bool {
        self.wal.stats().retained_bytes > self.triggers.wal_bytes_max
    }

    fn write_all(&mut self) -> Result<(), CheckpointFailure> {
        let shards = self.common.inboxes.len();
        let run = self.checkpoints.begin(shards)?;
        let mut ceiling = Timestamp(0);
        let mut parts = Vec::with_capacity(shards);
        for shard in 0..shards {
            let (part, seen) = self.write_part(&run, shard)?;
            parts.push(part);
            ceiling = ceiling.max(seen);
        }
        self.checkpoints.publish(run, parts, &self.wal, ceiling)?;
        Ok(())
    }

    fn write_part(
        &self,
        run: &CheckpointRun,
        shard: usize,
    ) -> Result<(PartDone, Timestamp), CheckpointFailure> {
        let (reply, slices) = mpsc::channel();
        let ask = |step: WalkStep| self.common.inboxes[shard].push(Item::Walk(step));
        ask(WalkStep { begin: true, buffer: Vec::new(), reply: reply.clone() });
        let mut slice = self.next(&slices)?;
        let (applied, ceiling) = slice.begun;
        let mut part = run.part(shard, applied)?;
        loop {
            part.write(&slice.buffer)?;
            if !slice.more {
                return Ok((part.finish()?, ceiling));
            }
            let mut buffer = slice.buffer;
            buffer.clear();
            ask(WalkStep { begin: false, buffer, reply: reply.clone() });
            slice = self.next(&slices)?;
        }
    }

    fn next(&self, slices: &mpsc::Receiver<Slice>) -> Result<Slice, CheckpointFailure> {
        loop {
            match slices.recv_timeout(LOOK_EVERY) {
                Ok(slice) => return Ok(slice),
                Err(_) if self.common.switch.is_stopped() => return Err(CheckpointFailure::Stopped),
                Err(_) => {}
            }
        }
    }
}
