//! Pins: what somebody still needs is not given back.

use quorate_wal::testkit::SimIo;
use quorate_wal::{Error, Lsn};

use crate::{append, open, segment};

#[test]
fn a_checkpoint_respects_the_least_pin_and_goes_on_when_it_is_dropped() {
    let disk = SimIo::new(1);
    let (wal, _) = open(&disk).unwrap();
    (0..100).for_each(|_| _ = append(&wal, &[5; 100]));
    let mut backup = wal.retain("backup", Lsn::new(60)).unwrap();
    let cdc = wal.retain("cdc", Lsn::new(10)).unwrap();
    let pins: Vec<_> = wal.pins().into_iter().map(|pin| (pin.name, pin.lsn.get())).collect();
    assert_eq!(pins, [("backup".to_owned(), 60), ("cdc".to_owned(), 10)]);
    assert_eq!((wal.stats().pins, wal.stats().pinned_lsn), (2, Some(Lsn::new(10))));

    wal.checkpoint(Lsn::new(100));
    assert_eq!(wal.oldest_lsn(), Lsn::new(1), "one segment holds 10 and everything below");
    let segments = wal.stats().segments;
    drop(cdc);
    let oldest = wal.oldest_lsn();
    assert!(oldest > Lsn::new(10) && oldest <= Lsn::new(60), "{oldest}");
    assert!(wal.stats().segments < segments);
    assert!(disk.contents(segment(1)).is_none());

    let mut tail = wal.tail(Lsn::new(60)).unwrap();
    assert_eq!(tail.try_next().unwrap().unwrap().lsn, Lsn::new(60));
    backup.advance(Lsn::new(5));
    assert_eq!(backup.lsn(), Lsn::new(60), "a pin never goes back");
    backup.advance(Lsn::new(101));
    assert_eq!((wal.stats().segments, wal.stats().pinned_lsn), (1, Some(Lsn::new(101))));
    drop(backup);
    assert_eq!((wal.stats().pins, wal.stats().pinned_lsn), (0, None));
}

#[test]
fn what_is_gone_cannot_be_retained() {
    let disk = SimIo::new(2);
    let (wal, _) = open(&disk).unwrap();
    (0..100).for_each(|_| _ = append(&wal, &[5; 100]));
    wal.checkpoint(Lsn::new(90));
    let Err(Error::Recycled { from, oldest }) = wal.retain("late", Lsn::new(3)).map(drop) else {
        panic!("retained")
    };
    assert_eq!((from, oldest), (Lsn::new(3), wal.oldest_lsn()));
    assert!(wal.pins().is_empty());
    assert_eq!(wal.retain("in time", oldest).unwrap().lsn(), oldest);
}

#[test]
fn a_pin_outlives_a_failed_owner_of_the_log_without_harm() {
    let disk = SimIo::new(3);
    let (wal, _) = open(&disk).unwrap();
    append(&wal, b"one");
    let pin = wal.retain("orphan", Lsn::ZERO).unwrap();
    drop(wal);
    drop(pin);
    assert_eq!(open(&disk).unwrap().1.last_lsn(), Lsn::new(1));
}
