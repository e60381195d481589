//! One thread, the same calls to the disk each time: so that "the N-th sync" names a place in the log's life.

use std::thread;

use quorate_wal::testkit::SplitMix;
use quorate_wal::{Chores, Durability, Error, Lsn, Options, Retention, Wal};

use super::{Task, say, stopped, voice};
use crate::hand::Hand;
use crate::report::Report;

/// What a log does, over and over: appends of both safeties, batches, explicit syncs, idle marks, checkpoints that
/// recycle and one that a pin holds back, ends in good order and without any.
const ACTS: &[Act] = &[
    Act::Durable,
    Act::Written,
    Act::Batch,
    Act::Written,
    Act::Sync,
    Act::Pin,
    Act::Stage,
    Act::Checkpoint,
    Act::Durable,
    Act::Idle,
    Act::Batch,
    Act::Unpin,
    Act::Checkpoint,
    Act::Written,
    Act::Drop,
    Act::Durable,
    Act::Batch,
    Act::Stage,
    Act::Checkpoint,
    Act::Close,
    Act::Written,
    Act::Written,
];
const STEPS: usize = 5 * ACTS.len();
/// Small segments, so that there are many rotations.
const SEGMENT_BYTES: u64 = 4096;

/// More records than a segment has, so that a checkpoint falls into a segment that is full.
const CHECKPOINT_LAG: u64 = 25;

#[derive(Clone, Copy)]
enum Act {
    Durable,
    Written,
    Batch,
    Stage,
    Sync,
    Idle,
    Pin,
    Unpin,
    Checkpoint,
    /// Opens the log anew, without an end.
    Drop,
    /// Opens it anew, after an end in good order.
    Close,
}

/// How a life goes on after an act.
enum After {
    Goes,
    Ends,
}

/// One life of the log.
struct Scribe {
    hand: Hand,
    pin: Option<Retention>,
    chance: SplitMix,
}

/// Goes through the acts. Where the log stops, it is opened anew and the work goes on.
pub fn script(task: &Task) {
    let mut acts = ACTS.iter().cycle().take(STEPS);
    for life in 0.. {
        let Some(wal) = open(task, life) else { return };
        let chance = SplitMix::new(task.seed ^ life);
        let mut scribe = Scribe { hand: hand(task, wal, life), pin: None, chance };
        let mut lives = true;
        while lives {
            let Some(act) = acts.next() else { return scribe.finish() };
            lives = matches!(scribe.act(*act), After::Goes);
        }
        scribe.unpin();
    }
}

/// One fault is planted, so a second try must go well.
fn open(task: &Task, life: u64) -> Option<Wal> {
    let options = Options::new(&task.dir)
        .segment_bytes(SEGMENT_BYTES)
        .staged_bytes_max(SEGMENT_BYTES)
        .spare_segments_max(1)
        .chores(Chores::Inline);
    task.open(&options, life).or_else(|| task.open(&options, life)).map(|(wal, _)| wal)
}

fn hand(task: &Task, wal: Wal, life: u64) -> Hand {
    let (seed, life) = (task.seed, task.life(life));
    Hand { wal, seed, life, writer: 1, counter: 0, policy: Durability::Durable, voice: voice() }
}

impl Scribe {
    fn act(&mut self, act: Act) -> After {
        match act {
            Act::Idle => self.hand.wal.note_idle(),
            Act::Unpin => self.unpin(),
            Act::Checkpoint => self.checkpoint(),
            Act::Drop => return After::Ends,
            _ => {
                if let Err(error) = self.try_to(act) {
                    stopped(&self.hand.wal, self.hand.writer, &error);
                    return After::Ends;
                }
            }
        }
        if matches!(act, Act::Close) { After::Ends } else { After::Goes }
    }

    fn try_to(&mut self, act: Act) -> Result<(), Error> {
        let some = 1 + self.chance.below(3);
        match act {
            Act::Written => self.hand.append(Durability::Written),
            Act::Batch => self.hand.append_batch(1 + some as u16),
            Act::Stage => self.hand.stage(some),
            Act::Sync => self.sync(),
            Act::Pin => self.pin(),
            Act::Close => self.hand.wal.close(),
            _ => self.hand.append(Durability::Durable),
        }
    }

    fn sync(&self) -> Result<(), Error> {
        let last = self.hand.wal.last_lsn();
        self.hand.wal.sync_to(last)?;
        // What is there at the beginning of a life is none of its records.
        if self.hand.counter > 0 {
            self.hand.acknowledge(last, Durability::Durable);
        }
        Ok(())
    }

    fn pin(&mut self) -> Result<(), Error> {
        let lsn = self.hand.wal.oldest_lsn();
        self.pin = Some(self.hand.wal.retain("script", lsn)?);
        say(&Report::Pinned { lsn: lsn.get() });
        Ok(())
    }

    fn unpin(&mut self) {
        say(&Report::Unpinned);
        self.pin = None;
    }

    fn checkpoint(&mut self) {
        let lsn = self.hand.wal.durable_lsn().get().saturating_sub(CHECKPOINT_LAG);
        say(&Report::Cutting { lsn });
        self.hand.wal.checkpoint(Lsn::new(lsn));
    }

    fn finish(mut self) {
        self.unpin();
        match self.hand.wal.close() {
            Ok(()) => say(&Report::Finished),
            Err(error) => stopped(&self.hand.wal, self.hand.writer, &error),
        }
    }
}

/// Appends until the log stops.
pub fn fill(task: &Task, segment_bytes: u64) {
    let options = Options::new(&task.dir).segment_bytes(segment_bytes).spare_segments_max(0);
    let Some((wal, _)) = task.open(&options, 0) else { return };
    let mut hand = hand(task, wal, 0);
    let error = loop {
        let result = hand.append(Durability::Durable).and_then(|()| hand.append_batch(4));
        if let Err(error) = result {
            break error;
        }
    };
    stopped(&hand.wal, hand.writer, &error);
}

/// Acknowledges a record that was never given to the operating system, and waits for its end.
pub fn lie(task: &Task) {
    let Some((wal, _)) = task.open(&Options::new(&task.dir).segment_bytes(1 << 20), 0) else { return };
    let mut hand = hand(task, wal, 0);
    if let Err(error) = hand.append(Durability::Durable) {
        return stopped(&hand.wal, hand.writer, &error);
    }
    let (kind, payload) = hand.announce(1).remove(0);
    if let Ok(lsn) = hand.wal.stage(kind, &[&payload]) {
        hand.counter += 1;
        hand.acknowledge(lsn, Durability::Written);
    }
    loop {
        thread::park();
    }
}
