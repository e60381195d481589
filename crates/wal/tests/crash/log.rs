//! One log on a real file system through many deaths, as the parent sees it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;

use libtest_mimic::Failed;
use quorate_wal::testkit::SplitMix;
use quorate_wal::{Chores, Durability, Error, Options, Recovery, StdIo, TailState, Wal};

use crate::hand::Hand;
use crate::oracle::{Checked, Fate, Found, History};
use crate::process::Worker;
use crate::report::Report;
use crate::worker::{Play, Task, life};

/// Segments that the parent makes.
const SEGMENT_BYTES: u64 = 16 << 10;

/// When to stop listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It is about to open the log.
    Opening,
    /// So many records were acknowledged since the last check.
    Acked(u64),
    /// It died, and everything it said was read.
    Dead,
}

/// What of the workers' words the oracle does not need.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    pub opened: u64,
    pub finished: bool,
    pub stopped: Vec<Stop>,
    /// (the operating system's number, message).
    pub refused: Vec<(i32, String)>,
}

/// What a thread was told when the log stopped.
#[derive(Clone, Debug)]
pub struct Stop {
    pub writer: u32,
    pub durable: u64,
    /// The operating system's number, 0 if it was not it.
    pub os_error: i32,
    pub why: String,
}

/// What an examination found.
#[derive(Clone, Copy, Debug)]
pub struct Examined {
    pub checked: Checked,
    pub copied: u64,
    pub tail: TailState,
}

/// A log and all that is known of it.
pub struct Log {
    pub dir: PathBuf,
    pub history: History,
    pub chance: SplitMix,
    seed: u64,
    processes: u64,
}

impl Log {
    pub fn new(dir: &Path, seed: u64) -> Self {
        let (history, chance) = (History::new(seed), SplitMix::new(seed));
        Self { dir: dir.to_owned(), history, chance, seed, processes: 0 }
    }

    /// Work for the next process.
    pub fn task(&mut self, play: Play) -> Task {
        self.processes += 1;
        Task { play, seed: self.seed, process: self.processes, dir: self.dir.clone() }
    }

    /// Starts a worker.
    pub fn start(&mut self, play: Play) -> Result<Worker, Failed> {
        Worker::start(&self.task(play), &[])
    }

    /// Hears what `worker` says, until `moment`.
    pub fn hear(&mut self, worker: &mut Worker, moment: Moment) -> Result<Heard, Failed> {
        let mut heard = Heard::default();
        while let Some(report) = worker.next_report()? {
            self.history.feed(&report)?;
            let reached = match moment {
                Moment::Opening => report == Report::Opening,
                Moment::Acked(count) => self.history.acked() >= count,
                Moment::Dead => false,
            };
            heard.note(report);
            if reached {
                return Ok(heard);
            }
        }
        match moment {
            Moment::Dead => Ok(heard),
            _ => Err(format!("the worker ended before {moment:?}: {heard:?}").into()),
        }
    }

    /// Kills `worker` and hears its last words.
    pub fn kill(&mut self, worker: &mut Worker) -> Result<Heard, Failed> {
        worker.kill()?;
        self.hear(worker, Moment::Dead)
    }

    /// Opens the log and lets the oracle judge; then appends to it, ends it in good order or not, and lets go.
    pub fn examine(&mut self, fate: Fate) -> Result<Examined, Failed> {
        let (wal, examined) = self.judge(fate)?;
        self.append_some(&wal, examined.checked)?;
        if self.chance.one_in(2) {
            wal.close()?;
        }
        Ok(examined)
    }

    /// Opens the log and lets the oracle judge; nothing is appended.
    pub fn judge(&mut self, fate: Fate) -> Result<(Wal, Examined), Failed> {
        let (wal, recovery) = self.open()?;
        let found = Found::read(&recovery)?;
        let checked = self.history.check(&found, fate)?;
        Ok((wal, Examined { checked, copied: recovery.copied_records(), tail: recovery.tail() }))
    }

    fn open(&self) -> Result<(Wal, Recovery), Error> {
        let options = Options::new(&self.dir).segment_bytes(SEGMENT_BYTES).chores(Chores::Inline);
        Wal::open(&options, StdIo::shared())
    }

    /// What is in the log; opening is all that is done to it.
    pub fn found(&self) -> Result<Found, Error> {
        Found::read(&self.open()?.1)
    }

    /// Checkpoints everything, and gives the segments back for use.
    pub fn recycle(&mut self) -> Result<(), Failed> {
        let (wal, recovery) = self.open()?;
        let last = recovery.last_lsn();
        drop(recovery);
        self.history.feed(&Report::Cutting { lsn: last.get() })?;
        wal.checkpoint(last);
        wal.close()?;
        Ok(())
    }

    /// The log goes on after whatever it was.
    fn append_some(&mut self, wal: &Wal, checked: Checked) -> Result<(), Failed> {
        self.processes += 1;
        let life = life(self.processes, 0);
        let (said, reports) = mpsc::channel();
        let voice = Arc::new(move |report| drop(said.send(report)));
        self.history.feed(&Report::Opened { life, oldest: checked.oldest, last: checked.last })?;
        let (wal, policy) = (wal.clone(), Durability::Durable);
        let mut hand = Hand { wal, seed: self.seed, life, writer: 1, counter: 0, policy, voice };
        hand.append(Durability::Durable)?;
        hand.append_batch(3)?;
        reports.try_iter().try_for_each(|report| self.history.feed(&report))?;
        Ok(())
    }
}

impl Heard {
    /// Nothing failed.
    pub fn is_calm(&self) -> bool {
        self.stopped.is_empty() && self.refused.is_empty()
    }

    fn note(&mut self, report: Report) {
        match report {
            Report::Opened { .. } => self.opened += 1,
            Report::Finished => self.finished = true,
            Report::Stopped { writer, durable, os_error, why } => {
                self.stopped.push(Stop { writer, durable, os_error, why });
            }
            Report::Refused { os_error, why } => self.refused.push((os_error, why)),
            _ => {}
        }
    }
}
