//! Batches carried out step by step.

use std::collections::BTreeSet;

use quorate_wal::testkit::SimIo;
use quorate_wal::{Error, Lsn, Wal};

use crate::{open, records};

fn staged(disk: &SimIo, count: u8) -> Wal {
    let (wal, _) = open(disk).unwrap();
    (0..count).for_each(|i| drop(wal.append(1, &[&[i]]).unwrap()));
    wal
}

#[test]
fn what_is_staged_while_a_batch_is_underway_is_in_the_next() {
    let disk = SimIo::new(1);
    let wal = staged(&disk, 2);
    let mut first = wal.begin_batch().unwrap().unwrap();
    first.write().unwrap();
    wal.stage(1, &[b"later"]).unwrap();
    assert!(wal.begin_batch().unwrap().is_none(), "one at a time");
    assert_eq!(wal.durable_lsn(), Lsn::ZERO);
    assert_eq!(first.complete().unwrap(), Lsn::new(2));
    let mut second = wal.begin_batch().unwrap().unwrap();
    assert_eq!(second.last_lsn(), Lsn::new(3));
    second.write().unwrap();
    assert_eq!(second.complete().unwrap(), Lsn::new(3));
    assert!(wal.begin_batch().unwrap().is_none(), "nothing is left");
}

#[test]
fn a_power_cut_between_write_and_sync_leaves_all_some_or_none_of_the_batch() {
    let left: BTreeSet<usize> = (0..60)
        .map(|seed| {
            let disk = SimIo::new(seed);
            let wal = staged(&disk, 3);
            let mut batch = wal.begin_batch().unwrap().unwrap();
            batch.write().unwrap();
            disk.cut_power();
            drop(batch);
            drop(wal);
            records(&open(&disk).unwrap().1).unwrap().len()
        })
        .collect();
    assert_eq!(left, BTreeSet::from([0, 3]), "one frame holds all three");
}

#[test]
fn a_batch_whose_writer_is_gone_poisons_the_log_and_hangs_nobody() {
    let disk = SimIo::new(1);
    let wal = staged(&disk, 1);
    drop(wal.begin_batch().unwrap().unwrap());
    assert!(matches!(wal.begin_batch(), Err(Error::Poisoned { .. })));
    assert!(matches!(wal.sync_to(Lsn::new(1)), Err(Error::Poisoned { .. })));
}

#[test]
fn a_sync_that_fails_at_the_end_of_a_batch_poisons_the_log() {
    let disk = SimIo::new(1);
    let wal = staged(&disk, 1);
    let mut batch = wal.begin_batch().unwrap().unwrap();
    batch.write().unwrap();
    disk.fail_sync_after(1);
    assert!(matches!(batch.complete(), Err(Error::Poisoned { action: "sync", .. })));
    assert!(matches!(wal.stage(1, &[b"more"]), Err(Error::Poisoned { .. })));
}

#[test]
fn a_batch_completed_without_having_been_written_is_written_first() {
    let disk = SimIo::new(1);
    let wal = staged(&disk, 3);
    assert_eq!(wal.begin_batch().unwrap().unwrap().complete().unwrap(), Lsn::new(3));
    drop(wal);
    disk.cut_power();
    assert_eq!(records(&open(&disk).unwrap().1).unwrap().len(), 3, "acknowledged is on the disk");
}

#[test]
fn a_batch_completed_without_having_been_written_fails_as_its_write_does() {
    let disk = SimIo::new(1);
    let wal = staged(&disk, 1);
    let batch = wal.begin_batch().unwrap().unwrap();
    disk.fail_write_after(1);
    assert!(matches!(batch.complete(), Err(Error::Poisoned { action: "write", .. })));
}

#[test]
fn a_batch_is_written_once_however_often_it_is_asked_to_be() {
    let disk = SimIo::new(1);
    let wal = staged(&disk, 1);
    let mut batch = wal.begin_batch().unwrap().unwrap();
    batch.write().unwrap();
    let operations = disk.operations();
    batch.write().unwrap();
    assert_eq!(disk.operations(), operations);
    assert_eq!(batch.complete().unwrap(), Lsn::new(1));

    wal.stage(1, &[b"lost"]).unwrap();
    let mut batch = wal.begin_batch().unwrap().unwrap();
    disk.fail_write_after(1);
    assert!(batch.write().is_err());
    assert!(batch.write().is_err(), "nothing is retried");
    assert!(matches!(batch.complete(), Err(Error::Poisoned { action: "write", .. })));
}

#[test]
fn a_batch_that_fills_the_segment_rotates_on_its_way() {
    let disk = SimIo::new(1);
    let (wal, _) = open(&disk).unwrap();
    for i in 0..200_u8 {
        drop(wal.append(1, &[&[i; 200]]).unwrap());
        let mut batch = wal.begin_batch().unwrap().unwrap();
        batch.write().unwrap();
        assert_eq!(batch.complete().unwrap(), Lsn::new(u64::from(i) + 1));
    }
    assert!(wal.stats().rotations > 0);
    drop(wal);
    assert_eq!(records(&open(&disk).unwrap().1).unwrap().len(), 200);
}
