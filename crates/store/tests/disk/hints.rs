//! Hints: durable after a sync, in order, bounded, and gone only when delivered.

use std::sync::Arc;

use quorate_store::hints::{HintLogs, HintOptions};
use quorate_store::{DiskError, Hint, HintNumber};
use quorate_types::NodeId;
use quorate_wal::testkit::SimIo;

use crate::support::*;

const TARGET: NodeId = NodeId(0xabc);
const OTHER: NodeId = NodeId(0xfff_ffff);
const OPTIONS: HintOptions = HintOptions { segment_bytes: 16 << 10, bytes_per_target_max: 1 << 30 };

fn hint(i: u64) -> Hint {
    hint_of(i, 100)
}

fn hint_of(i: u64, value_bytes: usize) -> Hint {
    Hint {
        keyspace: KEYSPACE,
        key: i.to_be_bytes().to_vec().into(),
        record: put(i + 1, &"v".repeat(value_bytes)),
        created_wall_ms: 10_000 * (i + 1),
    }
}

fn open(disk: &Disk, options: HintOptions) -> HintLogs {
    HintLogs::open(disk.io.clone(), &disk.dir, options).unwrap()
}

/// All that waits for `TARGET` above `after`, page by page.
fn all(hints: &mut HintLogs, mut after: HintNumber, bytes_max: usize) -> Vec<(HintNumber, Hint)> {
    let mut found = Vec::new();
    loop {
        let page = hints.page(TARGET, after, bytes_max).unwrap();
        let Some(&(last, _)) = page.last() else { return found };
        assert!(page[0].0 > after && last > after, "a page that goes nowhere");
        after = last;
        found.extend(page);
    }
}

fn take(hints: &mut HintLogs, taken: impl IntoIterator<Item = Hint>) {
    for hint in taken {
        hints.append(TARGET, &hint).unwrap();
    }
}

fn bare(found: Vec<(HintNumber, Hint)>) -> Vec<Hint> {
    found.into_iter().map(|(_, hint)| hint).collect()
}

#[test]
fn nothing_is_on_disk_before_the_first_hint() {
    let disk = Disk::real();
    let mut hints = open(&disk, OPTIONS);
    assert_eq!((hints.status(), hints.targets()), (Vec::new(), Vec::new()));
    assert_eq!(hints.page(TARGET, HintNumber(0), 100).unwrap(), Vec::new());
    assert!(disk.io.list(&disk.dir.join("hints")).is_err());
}

#[test]
fn hints_count_as_durable_after_a_sync_and_survive_the_process() {
    let disk = Disk::real();
    let mut hints = open(&disk, OPTIONS);
    take(&mut hints, (0..300).map(hint));
    hints.append(OTHER, &hint(7)).unwrap();
    assert_eq!(hints.status()[0].durable, 0);
    let synced: Vec<_> = hints.sync().into_iter().map(|(target, result)| (target, result.unwrap())).collect();
    assert_eq!(synced, [(TARGET, HintNumber(300)), (OTHER, HintNumber(1))]);
    assert!(hints.sync().is_empty());
    let status = hints.status();
    assert_eq!((status[0].durable, status[0].taken, status[0].oldest_wall_ms), (300, 300, Some(10_000)));
    drop(hints);

    let mut hints = open(&disk, OPTIONS);
    assert_eq!(hints.status(), status);
    assert_eq!(hints.targets(), [TARGET, OTHER]);
    assert_eq!(bare(all(&mut hints, HintNumber(0), 1000)), (0..300).map(hint).collect::<Vec<_>>());
}

#[test]
fn delivered_hints_go_with_their_segments_and_stay_gone() {
    let disk = Disk::real();
    let mut hints = open(&disk, OPTIONS);
    let numbers: Vec<_> = (0..2000).map(|i| hints.append(TARGET, &hint(i)).unwrap()).collect();
    hints.sync();
    let segments = || {
        let names = disk.io.list(&disk.dir.join("hints/00000abc")).unwrap();
        names.iter().filter(|name| name.ends_with(".seg")).count()
    };
    let before = segments();
    hints.delivered(TARGET, numbers[1499]).unwrap();
    let status = hints.status()[0];
    assert_eq!((status.durable, status.oldest_wall_ms), (500, Some(10_000 * 1501)));
    assert!(segments() < before / 2, "{} of {before} segments", segments());
    hints.sync();
    drop(hints);

    let mut hints = open(&disk, OPTIONS);
    assert_eq!(hints.status(), [status]);
    assert_eq!(bare(all(&mut hints, HintNumber(0), 5000)), (1500..2000).map(hint).collect::<Vec<_>>());
    hints.delivered(TARGET, numbers[1999]).unwrap();
    assert_eq!((hints.status(), hints.targets()), (Vec::new(), Vec::new()));
    hints.close().unwrap();
    assert_eq!(open(&disk, OPTIONS).status(), Vec::new());
}

#[test]
fn a_full_log_refuses_by_name_and_takes_again_after_delivery() {
    let disk = Disk::real();
    let bytes = hint(0).encoded_len() as u64;
    let mut hints = open(&disk, HintOptions { bytes_per_target_max: 3 * bytes, ..OPTIONS });
    let numbers: Vec<_> = (0..3).map(|i| hints.append(TARGET, &hint(i)).unwrap()).collect();
    let error = hints.append(TARGET, &hint(3)).unwrap_err();
    let DiskError::HintsFull { target, bytes: held, bytes_max, hint_bytes } = error else { panic!() };
    assert_eq!((target, held, bytes_max, hint_bytes), (TARGET, 3 * bytes, 3 * bytes, bytes));
    assert!(error.to_string().contains("hints_bytes_max") && error.to_string().contains("was not taken"));
    hints.append(OTHER, &hint(3)).unwrap();
    hints.delivered(TARGET, numbers[0]).unwrap();
    hints.append(TARGET, &hint(4)).unwrap();
    assert_eq!(bare(all(&mut hints, HintNumber(0), 1)), [], "what is not durable is not sent");
    assert!(hints.sync().iter().all(|(_, synced)| synced.is_ok()));
    assert_eq!(bare(all(&mut hints, HintNumber(0), 1)), [hint(1), hint(2), hint(4)]);
}

#[test]
fn hints_too_many_for_memory_are_read_from_the_log_while_more_arrive() {
    let disk = Disk::real();
    let mut hints = open(&disk, HintOptions { segment_bytes: 1 << 20, ..OPTIONS });
    let big = |i| hint_of(i, 100_000);
    take(&mut hints, (0..40).map(big));
    let first = hints.page(TARGET, HintNumber(0), 1_000_000).unwrap();
    let after = first.last().unwrap().0;
    take(&mut hints, (40..60).map(big));
    hints.delivered(TARGET, after).unwrap();
    let rest = all(&mut hints, after, 1_000_000);
    assert_eq!(bare(first.into_iter().chain(rest).collect()), (0..60).map(big).collect::<Vec<_>>());
    assert_eq!(hints.status()[0].taken, 60 - after.0);
}

#[test]
fn a_corrupt_hint_log_is_named_and_nothing_is_overwritten() {
    let disk = Disk::real();
    let mut hints = open(&disk, OPTIONS);
    for i in 0..10 {
        take(&mut hints, [hint(i)]);
        hints.sync();
    }
    hints.close().unwrap();
    let segment = disk.file("hints/00000abc", "1.seg");
    disk.damage(&segment, 400);
    let Err(error) = HintLogs::open(disk.io.clone(), &disk.dir, OPTIONS) else { panic!("opened") };
    assert!(error.to_string().contains(&segment.display().to_string()), "{error}");
}

#[test]
fn after_a_sync_that_failed_the_log_goes_on_with_all_that_was_durable() {
    let sim = SimIo::new(7);
    let disk = Disk::on(Arc::new(sim.clone()));
    let mut hints = open(&disk, OPTIONS);
    take(&mut hints, (0..3).map(hint));
    assert!(hints.sync().iter().all(|(_, synced)| synced.is_ok()));
    take(&mut hints, [hint(3)]);
    sim.fail_sync_after(1);
    assert!(matches!(hints.sync()[..], [(TARGET, Err(_))]));

    take(&mut hints, [hint(4)]);
    assert!(matches!(hints.sync()[..], [(TARGET, Ok(_))]));
    drop(hints);
    sim.cut_power();
    let mut hints = open(&disk, OPTIONS);
    let found: Vec<Hint> =
        all(&mut hints, HintNumber(0), 1 << 20).into_iter().map(|(_, hint)| hint).collect();
    assert_eq!(found[..3], (0..3).map(hint).collect::<Vec<_>>());
    assert_eq!(found.last(), Some(&hint(4)), "the one that was on its way may be there too");
}

#[test]
fn a_log_that_stopped_at_a_failed_write_takes_the_next_hint() {
    let sim = SimIo::new(8);
    let disk = Disk::on(Arc::new(sim.clone()));
    let mut hints = open(&disk, OPTIONS);
    take(&mut hints, [hint(0)]);
    assert!(hints.sync()[0].1.is_ok());
    take(&mut hints, [hint(1)]);
    sim.fail_write_after(1);
    assert!(hints.sync()[0].1.is_err());
    take(&mut hints, [hint(2)]);
    assert!(hints.sync()[0].1.is_ok());
    let found = all(&mut hints, HintNumber(0), 1 << 20);
    assert_eq!((&found[0].1, &found.last().unwrap().1), (&hint(0), &hint(2)));
}

#[test]
fn what_was_delivered_stays_so_though_the_log_could_not_take_it_down() {
    let sim = SimIo::new(9);
    let disk = Disk::on(Arc::new(sim.clone()));
    let mut hints = open(&disk, OPTIONS);
    let numbers: Vec<_> = (0..4).map(|i| hints.append(TARGET, &hint(i)).unwrap()).collect();
    assert!(hints.sync()[0].1.is_ok());
    hints.delivered(TARGET, numbers[1]).unwrap();
    sim.fail_sync_after(1);
    assert!(hints.sync()[0].1.is_err());
    assert_eq!(hints.status()[0].durable, 2);

    hints.delivered(TARGET, numbers[2]).unwrap();
    sim.fail_write_after(1);
    assert!(hints.sync()[0].1.is_err());
    hints.delivered(TARGET, numbers[3]).unwrap();
    assert_eq!(hints.status(), Vec::new());
    assert_eq!(all(&mut hints, HintNumber(0), 1 << 20), Vec::new());
    take(&mut hints, [hint(4)]);
    assert!(hints.sync()[0].1.is_ok());
    assert_eq!(
        bare(all(&mut hints, HintNumber(0), 1 << 20)),
        [hint(4)],
        "a hint with a number that was lost"
    );
    drop(hints);
    sim.cut_power();
    assert_eq!(bare(all(&mut open(&disk, OPTIONS), HintNumber(0), 1 << 20)), [hint(4)]);
}
