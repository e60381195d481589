//! A log that stops while a batch is under way.

use std::io;
use std::path::Path;
use std::sync::Arc;

use quorate_wal::testkit::SimIo;
use quorate_wal::{Batch, Durability, Error, Io, Lsn, Machine, Opened, Take};

use crate::{DIR, options, shared};

/// A batch carried out, and the retirement of a segment that failed meanwhile.
fn batch_beside_a_failed_chore(disk: &SimIo) -> (Opened, Batch) {
    let io = shared(disk);
    let mut log = Machine::open(&options(), &io).unwrap();
    while log.machine.segments() < 3 {
        stage(&mut log.machine);
        if let Some(batch) = carried_out(&mut log.machine, &io) {
            log.machine.completed(batch, Ok(()));
        }
    }
    stage(&mut log.machine);
    let batch = carried_out(&mut log.machine, &io).expect("there is room");
    // Only retiring is left to do.
    while do_chore(&mut log.machine, &io) {}
    log.machine.checkpoint(Lsn::new(u64::MAX));
    disk.cut_power_after(1);
    assert!(do_chore(&mut log.machine, &io));
    (log, batch)
}

fn do_chore(machine: &mut Machine, io: &Arc<dyn Io>) -> bool {
    let Some(chore) = machine.take_chore() else { return false };
    let done = chore.carry_out(&**io, Path::new(DIR));
    machine.chore_completed(&chore, done);
    true
}

fn stage(machine: &mut Machine) {
    machine.stage(1, &[&[7; 1000]], Durability::Durable).unwrap();
}

/// The next batch, on the disk; `None` if a segment had to be made first.
fn carried_out(machine: &mut Machine, io: &Arc<dyn Io>) -> Option<Batch> {
    match machine.take_batch() {
        Take::Batch(mut batch) => {
            batch.write().and_then(|()| batch.sync()).unwrap();
            Some(batch)
        }
        Take::NeedsSegment => {
            let chore = machine.take_chore_now().unwrap();
            let done = chore.carry_out(&**io, Path::new(DIR));
            machine.chore_completed(&chore, done);
            None
        }
        Take::Nothing | Take::Busy => panic!("something is staged, nothing in flight"),
    }
}

fn cause(machine: &Machine) -> (&'static str, Lsn) {
    match machine.stopped() {
        Some(Error::Poisoned { action, durable, .. }) => (action, *durable),
        other => panic!("not stopped: {other:?}"),
    }
}

#[test]
fn a_batch_that_goes_well_after_the_log_stopped_is_not_acknowledged() {
    let (mut log, batch) = batch_beside_a_failed_chore(&SimIo::new(1));
    let (marks, told) = (log.machine.marks(), cause(&log.machine));
    assert_eq!(told, ("retire a segment", marks.durable));
    log.machine.completed(batch, Ok(()));
    assert_eq!(log.machine.marks(), marks);
    assert_eq!(cause(&log.machine), told);
    assert!(matches!(log.machine.take_batch(), Take::Nothing));
}

#[test]
fn the_first_failure_is_what_everybody_is_told() {
    let (mut log, batch) = batch_beside_a_failed_chore(&SimIo::new(1));
    let told = cause(&log.machine);
    log.machine.completed(batch, Err(("sync", io::Error::other("no power"))));
    assert_eq!(cause(&log.machine), told);
    log.machine.stop("start a thread", io::Error::other("no room"));
    assert_eq!(cause(&log.machine), told);
}
