//! A fault at each place where the log calls the disk, by `strace`.
//!
//! One thread goes through a script that has all that a log does in it. It is run once to count its calls; then once
//! for each call, with the fault there: `WAL_POINTS=all` for all, some by default. When it was all, one more run plants
//! the fault behind the last call, and must go through unharmed: so no place was left out.

use std::path::Path;

use libtest_mimic::Failed;
use quorate_wal::testkit::SplitMix;

use crate::cases::{Outcome, passed, skipped};
use crate::folder::Folder;
use crate::log::{Heard, Log, Moment, Stop};
use crate::oracle::Fate;
use crate::process::Worker;
use crate::settings::Settings;
use crate::strace::{self, Fault, SYNCS, Trace};
use crate::worker::{Play, WAITERS};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// What is said of lost bytes.
const NOTICED: &[&str] = &["LOST", "the log is corrupt"];

/// Where to plant a fault, and whether the script ever comes there.
#[derive(Clone, Debug)]
pub struct Point {
    pub call: String,
    pub nth: u64,
    pub beyond: bool,
}

/// The places in the script where one of the `wanted` calls is made, as many as the settings say, and those beyond.
pub fn points(settings: &Settings, wanted: impl Fn(&str) -> bool) -> Result<Vec<Point>, Failed> {
    let folder = Folder::make()?;
    let (mut log, trace) = (Log::new(&folder.path().join("log"), settings.seed), Trace::into(folder.path()));
    let heard = play(&mut log, &trace, None)?;
    if !heard.finished {
        return Err(format!("the script fails without a fault: {heard:?}").into());
    }
    let mut points = Vec::new();
    for (call, count) in trace.counts()?.into_iter().filter(|(call, _)| wanted(call)) {
        points.extend((1..=count + 1).map(|nth| Point { call: call.clone(), nth, beyond: nth > count }));
    }
    folder.done()?;
    Ok(sample(settings, points))
}

/// One by chance of each of so many stretches, and always the first, which is in the opening.
fn sample(settings: &Settings, mut points: Vec<Point>) -> Vec<Point> {
    let Some(limit) = settings.points else { return points };
    points.retain(|point| !point.beyond);
    let stretch = points.len().div_ceil(limit as usize).max(1);
    let mut chance = SplitMix::new(settings.seed);
    let pick = |stretch: &[Point]| stretch[chance.below(stretch.len() as u64) as usize].clone();
    points.iter().take(1).cloned().chain(points.chunks(stretch).map(pick)).collect()
}

/// Runs the script to its end, or to the fault's.
pub fn play(log: &mut Log, trace: &Trace, fault: Option<&Fault>) -> Result<Heard, Failed> {
    let task = log.task(Play::Script);
    let mut worker = Worker::start(&task, &trace.wrapper(fault))?;
    let heard = log.hear(&mut worker, Moment::Dead)?;
    worker.end()?;
    Ok(heard)
}

impl Point {
    pub fn fault(&self, what: &'static str) -> Fault {
        Fault { calls: self.call.clone(), what, when: self.nth.to_string() }
    }

    /// In an own folder: the script with the fault here, and what it said; the log is examined and must be in order.
    fn strike(&self, settings: &Settings, what: &'static str) -> Result<Heard, Failed> {
        let folder = Folder::make()?;
        let heard = self.strike_in(folder.path(), settings, what).map_err(|why| {
            let why = why.message().unwrap_or_default();
            Failed::from(format!("{what} at {} {}: {why}", self.call, self.nth))
        })?;
        folder.done()?;
        Ok(heard)
    }

    fn strike_in(&self, folder: &Path, settings: &Settings, what: &'static str) -> Result<Heard, Failed> {
        let (mut log, trace) = (Log::new(&folder.join("log"), settings.seed), Trace::into(folder));
        let heard = play(&mut log, &trace, Some(&self.fault(what)))?;
        if self.beyond && !heard.finished {
            return Err(format!("the script did not finish, without a fault: {heard:?}").into());
        }
        log.examine(Fate::Killed)?;
        // What the parent appended is there too.
        log.examine(Fate::Killed)?;
        Ok(heard)
    }
}

/// Killed on entering each of the calls that change the disk.
pub fn acknowledged_records_survive_a_kill_at_each_call(settings: &Settings) -> Result<Outcome, Failed> {
    if let Err(why) = strace::probe() {
        return skipped(why);
    }
    let points = points(settings, |_| true)?;
    for point in &points {
        let heard = point.strike(settings, "signal=SIGKILL")?;
        if heard.finished != point.beyond {
            return Err(format!("{point:?} and finished = {}", heard.finished).into());
        }
    }
    passed(by_call(&points))
}

/// How many points each call has.
pub fn by_call(points: &[Point]) -> String {
    let mut calls: Vec<&str> = points.iter().map(|point| point.call.as_str()).collect();
    calls.dedup();
    let count = |call: &&str| points.iter().filter(|point| point.call == *call).count();
    calls.iter().map(|call| format!("{} at {call}", count(call))).collect::<Vec<_>>().join(", ")
}

/// The sync fails and does nothing: whoever waits is told, nothing is acknowledged, an open afterwards recovers.
pub fn a_sync_that_fails_anywhere_loses_nothing_acknowledged(settings: &Settings) -> Result<Outcome, Failed> {
    fail_each(settings, SYNCS, ("error=EIO", EIO))
}

/// The write fails and does nothing.
pub fn a_full_disk_at_any_write_loses_nothing_acknowledged(settings: &Settings) -> Result<Outcome, Failed> {
    fail_each(settings, "pwrite64", ("error=ENOSPC", ENOSPC))
}

/// The write takes no byte at all.
pub fn a_write_that_takes_nothing_loses_nothing_acknowledged(settings: &Settings) -> Result<Outcome, Failed> {
    fail_each(settings, "pwrite64", ("retval=0", 0))
}

/// The kernel says that it took eight bytes, and took none: a lie, after which nothing is promised, but that no lie is
/// read as a record. The log is unharmed, or says what is wrong, or ends before the lie; then the oracle says so.
pub fn a_write_that_was_only_pretended_is_never_read_as_a_record(
    settings: &Settings,
) -> Result<Outcome, Failed> {
    if let Err(why) = strace::probe() {
        return skipped(why);
    }
    let (mut unharmed, mut noticed) = (0, 0);
    for point in points(settings, |call| call == "pwrite64")? {
        let folder = Folder::make()?;
        let result = point.strike_in(folder.path(), settings, "retval=8");
        folder.done()?;
        match result.map_err(|why| why.message().unwrap_or_default().to_owned()) {
            Ok(_) => unharmed += 1,
            Err(why) if NOTICED.iter().any(|word| why.starts_with(word)) => noticed += 1,
            Err(why) => return Err(format!("{point:?}: {why}").into()),
        }
    }
    passed(format!("unharmed {unharmed} times, noticed {noticed} times"))
}

/// Plants the fault at each of `calls`. The script's log must stop, or refuse to open, with the system's own word, or
/// do without what failed; and each of them must be seen.
fn fail_each(
    settings: &Settings,
    calls: &'static str,
    (what, os_error): (&'static str, i32),
) -> Result<Outcome, Failed> {
    if let Err(why) = strace::probe() {
        return skipped(why);
    }
    let points = points(settings, |call| calls.split(',').any(|wanted| wanted == call))?;
    let (mut stopped, mut refused) = (0, 0);
    for point in &points {
        let heard = point.strike(settings, what)?;
        must_be_clear(&heard, os_error)?;
        stopped += heard.stopped.len();
        refused += heard.refused.len();
        if point.beyond && !heard.is_calm() {
            return Err(format!("{point:?}: {heard:?}").into());
        }
    }
    if settings.points.is_none() && (stopped == 0 || refused == 0) {
        return Err(format!("stopped {stopped} times, refused to open {refused} times").into());
    }
    passed(format!("{}; stopped {stopped} times, refused to open {refused} times", by_call(&points)))
}

/// Each error says what the system said, and what became of the data.
pub fn must_be_clear(heard: &Heard, os_error: i32) -> Result<(), Failed> {
    for Stop { durable, os_error: number, why, .. } in &heard.stopped {
        let words =
            ["stopped for good when it could not", &format!("Records up to LSN {durable} are durable")];
        if *number != os_error || !words.iter().all(|word| why.contains(word)) {
            return Err(format!("errno {number} instead of {os_error}, or not clear enough: {why}").into());
        }
    }
    match heard.refused.iter().find(|(number, why)| *number != os_error || !why.starts_with("could not")) {
        Some((number, why)) => {
            Err(format!("errno {number} instead of {os_error}, or not clear enough: {why}").into())
        }
        None => Ok(()),
    }
}

/// Many threads wait, in all ways there are, when a sync fails.
pub fn a_failed_sync_is_told_to_every_waiter_and_nothing_is_tried_again(
    settings: &Settings,
) -> Result<Outcome, Failed> {
    if let Err(why) = strace::probe() {
        return skipped(why);
    }
    // Opening takes fewer syncs than this, so that a waiter or the flusher meets the fault.
    for nth in [30, 45, 70] {
        let folder = Folder::make()?;
        let mut log = Log::new(&folder.path().join("log"), settings.seed);
        let trace = Trace::into(folder.path());
        let fault = Fault { calls: "fdatasync".to_owned(), what: "error=EIO", when: nth.to_string() };
        let mut worker = Worker::start(&log.task(Play::Waiters), &trace.wrapper(Some(&fault)))?;
        let heard = log.hear(&mut worker, Moment::Dead)?;
        worker.end()?;
        everybody_was_told(&log, &heard)?;
        nothing_was_tried_again(&trace)?;
        log.examine(Fate::Killed)?;
        folder.done()?;
    }
    passed(format!("{WAITERS} writers, a subscriber and a tail each time"))
}

fn everybody_was_told(log: &Log, heard: &Heard) -> Result<(), Failed> {
    must_be_clear(heard, EIO)?;
    let mut told: Vec<u32> = heard.stopped.iter().map(|stop| stop.writer).collect();
    told.sort_unstable();
    told.dedup();
    if told.len() != WAITERS as usize + 2 {
        return Err(format!("only these were told: {told:?}").into());
    }
    let durable = heard.stopped[0].durable;
    if heard.stopped.iter().any(|stop| stop.durable != durable) {
        return Err(format!("told different marks: {heard:?}").into());
    }
    match log.history.last_acked() {
        Some(acked) if acked > durable => {
            Err(format!("LSN {acked} was acknowledged, but only {durable} is durable").into())
        }
        _ => Ok(()),
    }
}

fn nothing_was_tried_again(trace: &Trace) -> Result<(), Failed> {
    let calls = trace.calls()?;
    let failed = calls.iter().position(|call| call.injected).ok_or("no fault was planted")?;
    match &calls[failed + 1..] {
        [] => Ok(()),
        more => Err(format!("after the sync that failed the disk was called again: {more:?}").into()),
    }
}
