//! Cuts of power, on a real ext4: what was not synced is gone, and the oracle asks for what was.
//!
//! The limits: the disk below is a file that loses nothing, so no sector is torn and no order is broken that ext4 gave
//! out; the simulated disk does that. Here it is ext4's own order, its journal and its idea of a synced directory.

use std::path::Path;

use libtest_mimic::Failed;

use crate::disk::{Ext4, probe_power};
use crate::faults::{Point, by_call, play, points};
use crate::folder::Folder;
use crate::log::{Log, Moment};
use crate::oracle::Fate;
use crate::settings::Settings;
use crate::strace::{self, Fault, SYNCS, Trace};
use crate::worker::Play;
use crate::{Outcome, passed, skipped};

/// The latest moment at which the power goes.
const ACKS_MAX: u64 = 500;

/// Storms on one disk, in each of which the power goes.
pub fn durable_records_survive_power_cuts(settings: &Settings) -> Result<Outcome, Failed> {
    if let Err(why) = probe_power() {
        return skipped(why);
    }
    let folder = Folder::make()?;
    let mut disk = Ext4::make(folder.path())?;
    let mut log = Log::new(&disk.path().join("log"), settings.seed);
    let (mut acked, mut lost) = (0, 0);
    for _ in 0..settings.power_cuts {
        // What a recovery delivered is on the disk, though the process that wrote it never synced it.
        if log.chance.one_in(2) {
            kill_one(&mut log)?;
        }
        let checked = cut_one(&mut disk, &mut log)?;
        acked += checked.acked;
        lost += checked.unacked_lost;
    }
    disk.release()?;
    folder.done()?;
    if acked == 0 || lost == 0 {
        return Err(
            format!("{acked} acknowledged, {lost} lost that were not: a cut that cuts nothing").into()
        );
    }
    passed(format!("{} cuts: {acked} acknowledged, {lost} lost that nobody was told of", settings.power_cuts))
}

fn kill_one(log: &mut Log) -> Result<(), Failed> {
    let mut worker = log.start(Play::Storm)?;
    let moment = 1 + log.chance.below(ACKS_MAX);
    log.hear(&mut worker, Moment::Acked(moment))?;
    log.kill(&mut worker)?;
    worker.end()?;
    log.examine(Fate::Killed)?;
    Ok(())
}

fn cut_one(disk: &mut Ext4, log: &mut Log) -> Result<crate::oracle::Checked, Failed> {
    let mut worker = log.start(Play::Storm)?;
    let moment = log.history.acked() + 1 + log.chance.below(ACKS_MAX);
    log.hear(&mut worker, Moment::Acked(moment))?;
    disk.cut_power()?;
    // It must find out by itself, stop, and acknowledge nothing more.
    let heard = log.hear(&mut worker, Moment::Dead)?;
    let status = worker.end()?;
    if !status.success() || heard.stopped.is_empty() {
        return Err(format!("{status} when the power went: {heard:?}").into());
    }
    disk.power_on()?;
    Ok(log.examine(Fate::PowerCut)?.checked)
}

/// The power goes at each sync of the script, before it is done.
pub fn durable_records_survive_a_power_cut_at_each_sync(settings: &Settings) -> Result<Outcome, Failed> {
    if let Err(why) = strace::probe().and_then(|()| probe_power()) {
        return skipped(why);
    }
    let points = points(settings, |call| SYNCS.split(',').any(|sync| sync == call))?;
    let mut lost = 0;
    for point in &points {
        lost += at(point, settings)?;
    }
    if lost == 0 {
        return Err("no cut lost a record that was not yet durable".into());
    }
    passed(format!("{}; {lost} records lost that nobody was told of", by_call(&points)))
}

fn at(point: &Point, settings: &Settings) -> Result<u64, Failed> {
    let folder = Folder::make()?;
    let checked = cut_at(&point.fault("signal=SIGKILL"), folder.path(), settings)
        .map_err(|why| format!("{point:?}: {}", why.message().unwrap_or_default()))?;
    folder.done()?;
    Ok(checked)
}

/// Runs the script with a fault, and cuts the power when it has ended; how many records were lost, rightly.
fn cut_at(fault: &Fault, folder: &Path, settings: &Settings) -> Result<u64, Failed> {
    let mut disk = Ext4::make(folder)?;
    let mut log = Log::new(&disk.path().join("log"), settings.seed);
    play(&mut log, &Trace::into(folder), Some(fault))?;
    disk.cut_power()?;
    disk.power_on()?;
    let examined = log.examine(Fate::PowerCut)?;
    disk.release()?;
    Ok(examined.checked.unacked_lost)
}

/// The loops above would notice a log that acknowledges before the sync: here the kernel pretends that it synced.
pub fn a_sync_that_does_nothing_is_convicted(settings: &Settings) -> Result<Outcome, Failed> {
    if let Err(why) = strace::probe().and_then(|()| probe_power()) {
        return skipped(why);
    }
    let folder = Folder::make()?;
    let lies = Fault { calls: SYNCS.to_owned(), what: "retval=0", when: "1+".to_owned() };
    let verdict = cut_at(&lies, folder.path(), settings);
    folder.done()?;
    match verdict {
        Err(why) if why.message().is_some_and(|why| why.starts_with("LOST")) => passed(format!("{why:?}")),
        other => Err(format!("not convicted of losing what was acknowledged: {other:?}").into()),
    }
}
