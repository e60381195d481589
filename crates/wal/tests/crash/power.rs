//! Cuts of power, on a real ext4: what was not synced is gone, and the oracle asks for what was.
//!
//! The limits: the disk below is a file that loses nothing, so no sector is torn and no order is broken that ext4 gave
//! out; the simulated disk does that. Here it is ext4's own order, its journal and its idea of a synced directory.

use std::path::Path;

use libtest_mimic::Failed;

use crate::cases::{Outcome, passed, skipped};
use crate::disk::{Ext4, probe_power};
use crate::faults::{Point, by_call, play, points};
use crate::folder::Folder;
use crate::log::{Log, Moment};
use crate::oracle::{Checked, Fate};
use crate::settings::Settings;
use crate::strace::{self, Fault, SYNCS, Trace};
use crate::worker::Play;

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
        if log.chance.one_in(2) {
            kill_and_cut(&mut disk, &mut log)?;
        }
        let checked = cut_one(&mut disk, &mut log)?;
        acked += checked.acked;
        lost += checked.unacked_lost;
    }
    disk.release()?;
    folder.done()?;
    if settings.power_cuts >= 5 && (acked == 0 || lost == 0) {
        return Err(
            format!("{acked} acknowledged, {lost} lost that were not: a cut that cuts nothing").into()
        );
    }
    passed(format!("{} cuts: {acked} acknowledged, {lost} lost that nobody was told of", settings.power_cuts))
}

/// What a recovery delivered stays, though the process that wrote it never synced it.
fn kill_and_cut(disk: &mut Ext4, log: &mut Log) -> Result<(), Failed> {
    let mut worker = log.start(Play::Storm)?;
    let moment = 1 + log.chance.below(ACKS_MAX);
    log.hear(&mut worker, Moment::Acked(moment))?;
    log.kill(&mut worker)?;
    worker.end()?;
    drop(log.judge(Fate::Killed)?);
    disk.cut_power()?;
    disk.power_on()?;
    log.examine(Fate::PowerCut)?;
    Ok(())
}

fn cut_one(disk: &mut Ext4, log: &mut Log) -> Result<Checked, Failed> {
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
        lost += cut_at(point, settings)?;
    }
    if settings.points.is_none() && lost == 0 {
        return Err("no cut lost a record that was not yet durable".into());
    }
    passed(format!("{}; {lost} records lost that nobody was told of", by_call(&points)))
}

/// How many records were lost, rightly.
fn cut_at(point: &Point, settings: &Settings) -> Result<u64, Failed> {
    let folder = Folder::make()?;
    let (disk, mut log) = play_and_cut(&point.fault("signal=SIGKILL"), folder.path(), settings)?;
    let examined = log.examine(Fate::PowerCut).map_err(|why| format!("{point:?}: {}", said(&why)))?;
    disk.release()?;
    folder.done()?;
    Ok(examined.checked.unacked_lost)
}

/// Runs the script with a fault, and cuts the power when it has ended.
fn play_and_cut(fault: &Fault, folder: &Path, settings: &Settings) -> Result<(Ext4, Log), Failed> {
    let mut disk = Ext4::make(folder)?;
    let mut log = Log::new(&disk.path().join("log"), settings.seed);
    play(&mut log, &Trace::into(folder), Some(fault))?;
    disk.cut_power()?;
    disk.power_on()?;
    Ok((disk, log))
}

fn said(why: &Failed) -> String {
    why.message().unwrap_or("no word why").to_owned()
}

/// The loops above would notice a log that acknowledges before the sync: here the kernel pretends that it synced.
pub fn a_sync_that_does_nothing_is_convicted(settings: &Settings) -> Result<Outcome, Failed> {
    if let Err(why) = strace::probe().and_then(|()| probe_power()) {
        return skipped(why);
    }
    let folder = Folder::make()?;
    let lies = Fault { calls: SYNCS.to_owned(), what: "retval=0", when: "1+".to_owned() };
    let (disk, mut log) = play_and_cut(&lies, folder.path(), settings)?;
    let verdict = log.examine(Fate::PowerCut).map_err(|why| said(&why));
    disk.release()?;
    folder.done()?;
    match verdict {
        Err(why) if why.starts_with("LOST") => passed(why),
        other => Err(format!("not convicted of losing what was acknowledged: {other:?}").into()),
    }
}
