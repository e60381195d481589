//! Processes that are killed while they work, and what must be in their logs.
//!
//! SIGKILL exercises the process alone: what the operating system had is not lost. Cuts of power are in
//! [`power`](crate::power).

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use libtest_mimic::Failed;
use quorate_wal::{Io, StdIo, TailState};

use crate::cases::{Outcome, passed};
use crate::folder::Folder;
use crate::log::{Examined, Log, Moment};
use crate::oracle::{Conviction, Fate, Found};
use crate::settings::Settings;
use crate::tools::{signal_of, tool};
use crate::worker::Play;

const SIGKILL: i32 = 9;
/// The latest moment at which a storm is killed.
const ACKS_MAX: u64 = 600;

/// What happened in a loop of deaths: one in which something never does proves little.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    processes: u64,
    killed_while_opening: u64,
    acked: u64,
    unacked_lost: u64,
    copied: u64,
    torn: u64,
    recycled_up_to: u64,
}

impl Seen {
    fn add(&mut self, examined: &Examined) {
        let Examined { checked, copied, tail } = examined;
        self.acked += checked.acked;
        self.unacked_lost += checked.unacked_lost;
        self.copied += copied;
        self.torn += u64::from(matches!(tail, TailState::Torn { .. }));
        self.recycled_up_to = checked.oldest - 1;
    }

    fn must_not_be_idle(&self) -> Result<(), Failed> {
        let each = [self.acked, self.unacked_lost, self.copied, self.recycled_up_to];
        if each.contains(&0) { Err(format!("something never happened: {self:?}").into()) } else { Ok(()) }
    }
}

/// Storms on one directory, each killed at a moment of its own, one or two of them between two examinations.
pub fn acknowledged_records_survive_sigkill(settings: &Settings) -> Result<Outcome, Failed> {
    let folder = Folder::make()?;
    let mut log = Log::new(&folder.path().join("log"), settings.seed);
    let mut seen = Seen::default();
    while seen.processes < settings.kills {
        for _ in 0..=log.chance.below(2) {
            kill_one(&mut log, &mut seen)?;
        }
        seen.add(&log.examine(Fate::Killed)?);
    }
    if settings.kills >= 10 {
        seen.must_not_be_idle()?;
    }
    folder.done()?;
    passed(format!("{seen:?}"))
}

fn kill_one(log: &mut Log, seen: &mut Seen) -> Result<(), Failed> {
    let moment = match log.chance.below(5) {
        0 => Moment::Opening,
        _ => Moment::Acked(log.history.acked() + 1 + log.chance.below(ACKS_MAX)),
    };
    let mut worker = log.start(Play::Storm)?;
    let before = log.hear(&mut worker, moment)?;
    let after = log.kill(&mut worker)?;
    let status = worker.end()?;
    let as_told = !cfg!(unix) || signal_of(status) == Some(SIGKILL);
    if !as_told || !before.is_calm() || !after.is_calm() {
        return Err(
            format!("it was to work until it was killed, but: {status}, {before:?}, {after:?}").into()
        );
    }
    seen.processes += 1;
    seen.killed_while_opening += u64::from(before.opened + after.opened == 0);
    Ok(())
}

/// The loop above would notice a log that acknowledges too early: here is one.
pub fn a_process_that_acknowledges_too_early_is_convicted(settings: &Settings) -> Result<Outcome, Failed> {
    let folder = Folder::make()?;
    let mut log = Log::new(&folder.path().join("log"), settings.seed);
    let mut worker = log.start(Play::Liar)?;
    log.hear(&mut worker, Moment::Acked(2))?;
    log.kill(&mut worker)?;
    let verdict = log.examine(Fate::Killed).map(drop);
    folder.done()?;
    match verdict {
        Err(why) if why.message().is_some_and(|why| why.starts_with("LOST: LSN 2")) => passed(String::new()),
        other => Err(format!("not convicted of losing LSN 2: {other:?}").into()),
    }
}

/// Records of a real log that was killed, but for one that the oracle is not shown; and one with a bit turned.
pub fn a_record_withheld_or_altered_is_convicted(settings: &Settings) -> Result<Outcome, Failed> {
    let folder = Folder::make()?;
    let mut log = Log::new(&folder.path().join("log"), settings.seed);
    let mut worker = log.start(Play::Storm)?;
    log.hear(&mut worker, Moment::Acked(50))?;
    log.kill(&mut worker)?;
    let found = log.found()?;
    let last_acked = log.history.last_acked().ok_or("nothing was acknowledged")?;
    let mut short = found.clone();
    short.records.retain(|(lsn, ..)| *lsn < last_acked);
    let verdict = log.history.clone().check(&short, Fate::Killed);
    if !matches!(verdict, Err(Conviction::Lost { lsn, .. }) if lsn == last_acked) {
        return Err(format!("LSN {last_acked} was withheld: {verdict:?}").into());
    }
    altered_is_convicted(&mut log, &found)?;
    log.history.check(&found, Fate::Killed)?;
    folder.done()?;
    passed(format!("{} records, each altered in one bit", found.records.len()))
}

fn altered_is_convicted(log: &mut Log, found: &Found) -> Result<(), Failed> {
    for place in 0..found.records.len() {
        let mut altered = found.clone();
        let (lsn, _, payload) = &mut altered.records[place];
        let lsn = *lsn;
        let bit = log.chance.below(8 * payload.len() as u64) as usize;
        payload[bit / 8] ^= 1 << (bit % 8);
        let verdict = log.history.clone().check(&altered, Fate::Killed);
        if verdict != Err(Conviction::Altered { lsn }) {
            return Err(format!("bit {bit} of LSN {lsn} was turned: {verdict:?}").into());
        }
    }
    Ok(())
}

/// A worker whose parent vanishes ends by itself.
pub fn a_worker_never_outlives_the_test(settings: &Settings) -> Result<Outcome, Failed> {
    let folder = Folder::make()?;
    let mut log = Log::new(&folder.path().join("log"), settings.seed);
    let mut worker = log.start(Play::Storm)?;
    log.hear(&mut worker, Moment::Acked(1))?;
    worker.orphan();
    log.hear(&mut worker, Moment::Dead)?;
    let status = worker.end()?;
    log.examine(Fate::Killed)?;
    folder.done()?;
    match status.code() {
        Some(code) if code != 0 => passed(String::new()),
        _ => Err(format!("it ended otherwise: {status}").into()),
    }
}

/// A process that another thread starts holds, for a moment, all that this process has open. The lock does not stay
/// with it.
pub fn a_lock_let_go_is_free_at_once_while_processes_are_started(_: &Settings) -> Result<Outcome, Failed> {
    const PROCESSES: usize = 200;
    let folder = Folder::make()?;
    let path = folder.path().join("LOCK");
    let starting = AtomicBool::new(true);
    let (mut taken, mut refused) = (0, 0);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            for _ in 0..PROCESSES {
                drop(tool(Command::new("true").arg("quickly")));
            }
            starting.store(false, Ordering::Release);
        });
        while starting.load(Ordering::Acquire) {
            match StdIo.lock(&path) {
                Ok(guard) => drop(guard),
                Err(_) => refused += 1,
            }
            taken += 1;
        }
    });
    folder.done()?;
    if refused > 0 {
        return Err(format!("refused {refused} times of {taken}").into());
    }
    passed(format!("{taken} times, beside {PROCESSES} processes"))
}
