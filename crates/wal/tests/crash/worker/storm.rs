//! Many threads on one log.

use std::thread;
use std::time::Duration;

use quorate_wal::testkit::SplitMix;
use quorate_wal::{Durability, Error, Lsn, Options, Retention, SyncPolicy, Wal};

use super::{Task, refused, say, stopped, voice};
use crate::hand::Hand;
use crate::name::Name;
use crate::report::Report;

/// The keeper's and the follower's names; writers count from 1.
const KEEPER: u32 = 1000;
const FOLLOWER: u32 = 1001;
/// Every so many records the follower says how far it is.
const PACE: u64 = 16;
/// Who waits in a storm of waiters, each in a way of its own where there is one.
pub const WAITERS: u32 = 8;

/// Appends, batches, checkpoints, pins and follows until it is killed or the log stops.
pub fn storm(task: &Task) {
    let mut chance = task.chance();
    let (options, policy) = options(task, &mut chance);
    let Some((wal, recovery)) = task.open(&options, 0) else { return };
    let first = recovery.last_lsn().next();
    drop(recovery);
    thread::scope(|threads| {
        for writer in 1..=2 + chance.below(4) as u32 {
            let mut hand = hand(task, &wal, writer, policy);
            let mut chance = SplitMix::new(chance.bits());
            threads.spawn(move || until_stopped(&mut hand, |hand| turn(hand, &mut chance)));
        }
        let chance = SplitMix::new(chance.bits());
        threads.spawn(|| keep(&wal, chance));
        threads.spawn(|| follow(task, &wal, first));
    });
}

fn options(task: &Task, chance: &mut SplitMix) -> (Options, Durability) {
    let (sync, policy) = match chance.below(5) {
        0 => (SyncPolicy::Group { max_wait: Duration::from_micros(300) }, Durability::Durable),
        1 => (SyncPolicy::Interval { every: Duration::from_millis(2) }, Durability::Written),
        2 => (SyncPolicy::Os, Durability::Written),
        _ => (SyncPolicy::Always, Durability::Durable),
    };
    let options = Options::new(&task.dir)
        .segment_bytes(16384 << chance.below(3))
        .staged_bytes_max(32768 << chance.below(4))
        .spare_segments_max(chance.below(3) as usize)
        .sync(sync);
    (options, policy)
}

fn hand(task: &Task, wal: &Wal, writer: u32, policy: Durability) -> Hand {
    let (wal, life) = (wal.clone(), task.life(0));
    Hand { wal, seed: task.seed, life, writer, counter: 0, policy, voice: voice() }
}

/// Does `work` again and again; when the log stops, sees to it that it stopped for all it can be asked.
fn until_stopped(hand: &mut Hand, mut work: impl FnMut(&mut Hand) -> Result<(), Error>) {
    loop {
        let result = match work(hand) {
            // Not taken: others are ahead. What is staged makes room when it is durable.
            Err(Error::Full { .. }) => hand.wal.sync_to(hand.wal.last_lsn()),
            other => other,
        };
        if let Err(error) = result {
            return stopped(&hand.wal, hand.writer, &error);
        }
    }
}

fn turn(hand: &mut Hand, chance: &mut SplitMix) -> Result<(), Error> {
    let some = 1 + chance.below(6);
    match chance.below(8) {
        0..3 => hand.append(Durability::Durable),
        3 => hand.append(Durability::Written),
        4 => hand.append_batch(1 + some as u16),
        5 => hand.append_and_watch(some),
        _ => hand.stage(some),
    }
}

/// Whenever more is durable: checkpoints, pins, lets go.
fn keep(wal: &Wal, mut chance: SplitMix) {
    let mut mark = wal.subscribe();
    let mut pin = None;
    loop {
        match mark.wait_changed() {
            Ok(durable) => care(wal, durable, &mut pin, &mut chance),
            Err(error) => return stopped(wal, KEEPER, &error),
        }
    }
}

fn care(wal: &Wal, durable: Lsn, pin: &mut Option<Retention>, chance: &mut SplitMix) {
    let oldest = wal.oldest_lsn().get();
    // In the older half, mostly in a segment that is full.
    let lsn = oldest + chance.below((durable.get() + 1).saturating_sub(oldest)) / 2;
    match (chance.below(40), pin) {
        (0..4, pin @ None) => {
            // The preparer may just have retired it.
            if let Ok(held) = wal.retain("crash test", Lsn::new(lsn)) {
                say(&Report::Pinned { lsn });
                *pin = Some(held);
            }
        }
        (0..3, Some(held)) if Lsn::new(lsn) > held.lsn() => {
            say(&Report::Pinned { lsn });
            held.advance(Lsn::new(lsn));
        }
        (3..6, pin @ Some(_)) => {
            say(&Report::Unpinned);
            *pin = None;
        }
        (6..16, _) => {
            say(&Report::Cutting { lsn });
            wal.checkpoint(Lsn::new(lsn));
        }
        (16, _) => wal.note_idle(),
        _ => {}
    }
}

/// Reads what becomes durable, in order, each record once.
fn follow(task: &Task, wal: &Wal, mut from: Lsn) {
    loop {
        let error = match wal.tail(from) {
            Ok(mut tail) => loop {
                match tail.wait_next() {
                    Ok(Some(record)) => {
                        let name = Name::recognise(task.seed, record.kind, record.payload);
                        if record.lsn != from || name.is_none() {
                            let why = format!("a tail delivered {name:?} as {} for {from}", record.lsn);
                            return say(&Report::Broken { why });
                        }
                        from = from.next();
                    }
                    Ok(None) => return,
                    Err(error) => break error,
                }
                if from.get().is_multiple_of(PACE) {
                    say(&Report::Delivered { lsn: from.prev().get() });
                }
            },
            Err(error) => error,
        };
        match error {
            // It holds nothing back, so the keeper may be faster.
            Error::Recycled { oldest, .. } => from = oldest,
            // A disk without power can't be read either; writers find out for themselves.
            Error::Io { .. } => return refused(&error),
            error => return stopped(wal, FOLLOWER, &error),
        }
    }
}

/// [`WAITERS`] threads wait for durability, a keeper's subscription and a follower besides, until the log stops.
///
/// One segment for all: nothing but batches goes to the disk.
pub fn waiters(task: &Task) {
    let options = Options::new(&task.dir).segment_bytes(8 << 20);
    let Some((wal, recovery)) = task.open(&options, 0) else { return };
    let first = recovery.last_lsn().next();
    drop(recovery);
    thread::scope(|threads| {
        for writer in 1..=WAITERS {
            let mut hand = hand(task, &wal, writer, Durability::Durable);
            threads.spawn(move || {
                until_stopped(&mut hand, |hand| match writer % 4 {
                    0 => hand.append_batch(2),
                    1 => hand.append_and_watch(2),
                    2 => hand.stage(2),
                    _ => hand.append(Durability::Durable),
                });
            });
        }
        threads.spawn(|| {
            let mut mark = wal.subscribe();
            let error = loop {
                if let Err(error) = mark.wait_changed() {
                    break error;
                }
            };
            stopped(&wal, KEEPER, &error);
        });
        threads.spawn(|| follow(task, &wal, first));
    });
}
