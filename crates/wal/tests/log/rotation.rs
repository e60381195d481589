//! Changing to another segment, and giving old ones back: every point at which the power can go.

use quorate_wal::testkit::SimIo;
use quorate_wal::{Error, Lsn};

use crate::{append, open, options, records, segment, shared};

/// Appends until the log has `segments` begun segments; returns the last LSN.
fn fill(wal: &quorate_wal::Wal, segments: u64) -> Lsn {
    while wal.stats().segments < segments {
        append(wal, &[3; 200]);
    }
    wal.last_lsn()
}

#[test]
fn power_may_go_at_any_change_around_a_rotation() {
    let log = SimIo::new(1);
    let (wal, _) = open(&log).unwrap();
    while log.contents(segment(2)).is_none() || wal.stats().retained_bytes < 3800 {
        append(&wal, &[3; 200]);
    }
    let acked = wal.last_lsn();
    let mut lost_nothing = 0;
    drop(wal);
    log.kill();
    // Every change from here through the rotation, with several fates of what was un-synced each.
    for change in 1..40 {
        for fate in 0..24 {
            let disk = log.fork(change * 100 + fate);
            let Ok((wal, _)) = open(&disk) else { panic!("a good log opens") };
            disk.cut_power_after(change);
            let mut safe = acked;
            while let Ok(append) = wal.append(1, &[&[4; 200]]) {
                match append.wait() {
                    Ok(lsn) => safe = lsn,
                    Err(_) => break,
                }
            }
            let tried = wal.last_lsn();
            drop(wal);
            disk.cut_power();
            let (_wal, recovery) = open(&disk).unwrap();
            let last = recovery.last_lsn();
            assert!(safe <= last && last <= tried, "change {change} fate {fate}: {safe} {last} {tried}");
            assert_eq!(records(&recovery).unwrap().len() as u64, last.get());
            lost_nothing += u64::from(last == tried);
        }
    }
    assert!(lost_nothing > 0, "some un-acknowledged records survive, too");
}

#[test]
fn power_may_go_at_any_change_while_segments_are_given_back() {
    let log = SimIo::new(2);
    let (wal, _) = open(&log).unwrap();
    let last = fill(&wal, 7);
    drop(wal);
    log.kill();
    for change in 1..30 {
        for fate in 0..12 {
            let disk = log.fork(change * 100 + fate);
            let (wal, _) = open(&disk).unwrap();
            disk.cut_power_after(change);
            wal.checkpoint(last);
            drop(wal);
            disk.cut_power();
            let (wal, recovery) = open(&disk).unwrap();
            assert_eq!(recovery.last_lsn(), last, "change {change} fate {fate}");
            let kept = records(&recovery).unwrap();
            assert_eq!(kept.len() as u64, last.get() + 1 - recovery.oldest_lsn().get());
            assert_eq!(append(&wal, b"on"), last.next());
        }
    }
}

#[test]
fn power_may_go_at_any_change_of_recovery_itself() {
    let log = SimIo::new(3);
    let (wal, _) = open(&log).unwrap();
    let last = fill(&wal, 3);
    drop(wal);
    for fate in 0..30 {
        let crashed = log.fork(fate);
        crashed.cut_power();
        let mut change = 1;
        loop {
            let disk = crashed.fork(fate * 100 + change);
            disk.cut_power_after(change);
            let whole = open(&disk).is_ok();
            disk.cut_power();
            let (_wal, recovery) = open(&disk).unwrap();
            assert_eq!(recovery.last_lsn(), last, "fate {fate} change {change}");
            assert_eq!(records(&recovery).unwrap().len() as u64, last.get());
            if whole {
                break;
            }
            change += 1;
        }
        assert!(change > 4, "recovery makes some changes: {change}");
    }
}

#[test]
fn a_checkpoint_gives_back_whole_segments_and_never_a_record_above_it() {
    let disk = SimIo::new(4);
    let (wal, _) = open(&disk).unwrap();
    let last = fill(&wal, 6);
    let before = wal.stats();
    wal.checkpoint(Lsn::new(30));
    let oldest = wal.oldest_lsn();
    assert!(oldest > Lsn::new(1) && oldest <= Lsn::new(31), "{oldest}");
    assert!(wal.stats().retained_bytes < before.retained_bytes);
    wal.checkpoint(last.next().next());
    assert_eq!(wal.stats().segments, 1, "only the active one is left");
    assert_eq!(append(&wal, b"on"), last.next());
    drop(wal);
    disk.cut_power();
    let (_wal, recovery) = open(&disk).unwrap();
    assert_eq!(recovery.last_lsn(), last.next());
    let Err(Error::Recycled { oldest, .. }) = recovery.replay(Lsn::new(1)).map(drop) else {
        panic!("replayed")
    };
    assert_eq!(oldest, recovery.oldest_lsn());
}

#[test]
fn a_recycled_segments_old_frames_are_never_taken_for_new_ones() {
    let disk = SimIo::new(5);
    let (wal, _) = quorate_wal::Wal::open(&options().spare_segments_max(2), shared(&disk)).unwrap();
    for _ in 0..40 {
        let last = fill(&wal, 3);
        wal.checkpoint(last);
    }
    let last = append(&wal, b"the newest");
    let free = disk.paths().iter().filter(|path| path.extension().is_some_and(|e| e == "free")).count();
    assert!(free <= 2, "{free} spare files");
    drop(wal);
    disk.kill();
    let (_wal, recovery) = open(&disk).unwrap();
    assert_eq!(recovery.last_lsn(), last);
    assert_eq!(records(&recovery).unwrap().last().unwrap().2, b"the newest");
}

#[test]
fn opening_again_and_again_without_appending_does_not_make_the_log_grow() {
    let disk = SimIo::new(6);
    let (wal, _) = open(&disk).unwrap();
    append(&wal, b"once");
    drop(wal);
    for _ in 0..20 {
        disk.kill();
        let (_wal, recovery) = open(&disk).unwrap();
        assert_eq!(records(&recovery).unwrap(), [(1, 1, b"once".to_vec())]);
    }
    let segments = disk.paths().iter().filter(|path| path.extension().is_some_and(|e| e == "seg")).count();
    // The record, where nobody vouched for it; its copy; and an active one that is replaced each time.
    assert_eq!(segments, 3, "{:?}", disk.paths());
}

#[test]
fn records_around_a_smaller_segment_size_survive() {
    let disk = SimIo::new(7);
    let (wal, _) = quorate_wal::Wal::open(&options().segment_bytes(64 << 10), shared(&disk)).unwrap();
    // Written and un-witnessed: more than fits the smaller segments.
    let mut last = Lsn::ZERO;
    for _ in 0..8 {
        last = wal.stage(1, &[&[9; 5000]]).unwrap();
    }
    wal.sync_to(last).unwrap();
    drop(wal);
    disk.kill();
    let (wal, recovery) = open(&disk).unwrap();
    assert_eq!((recovery.last_lsn(), recovery.copied_records()), (last, 8));
    assert_eq!(append(&wal, b"on"), last.next());
}
