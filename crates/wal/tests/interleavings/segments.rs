//! Segments made ahead and given back, by a thread of their own or by whoever needs them.

use quorate_wal::{Chores, Lead, Lsn};
use shuttle::future;
use shuttle::thread;

use crate::disk::{Disk, assert_holds};
use crate::{explore, join_all, open, options, payload, spawn_each};

/// A few of these fill a segment of 4 KiB.
const BALLAST: [u8; 900] = [0; 900];

fn assert_all_there(disk: &Disk, writers: u8, each: u8, lsns: &[Vec<Lsn>]) {
    let found = disk.after_power_cut();
    assert_eq!(found.len(), usize::from(writers) * usize::from(each));
    for (writer, lsns) in (0..).zip(lsns) {
        (0..).zip(lsns).for_each(|(nth, lsn)| assert_holds(&found, *lsn, &payload(writer, nth)));
    }
}

fn rotating(chores: Chores) {
    let (disk, wal) = open(&options().segment_bytes(4096).chores(chores));
    let writers = spawn_each(3, {
        let wal = wal.clone();
        move |writer| {
            (0..4)
                .map(|nth| {
                    let append = wal.append(1, &[&payload(writer, nth), &BALLAST]).unwrap();
                    if writer == 2 { future::block_on(append).unwrap() } else { append.wait().unwrap() }
                })
                .collect()
        }
    });
    assert_all_there(&disk, 3, 4, &join_all(writers));
    assert!(wal.stats().rotations >= 2, "{} rotations", wal.stats().rotations);
}

#[test]
fn a_full_segment_waits_for_the_preparer_and_wakes_whoever_waits_for_it() {
    explore(|| rotating(Chores::Thread));
}

#[test]
fn a_full_segment_is_followed_by_one_made_in_the_callers_thread() {
    explore(|| rotating(Chores::Inline));
}

#[test]
fn an_event_loop_that_finds_no_segment_is_carried_by_the_flusher() {
    explore(|| {
        let (disk, wal) = open(&options().segment_bytes(4096));
        let loops = spawn_each(2, {
            let wal = wal.clone();
            move |which| {
                (0..5)
                    .map(|nth| {
                        let lsn = wal.stage(1, &[&payload(which, nth), &BALLAST]).unwrap();
                        if wal.try_lead().unwrap() == Lead::HandedOver {
                            wal.subscribe().wait_reached(lsn).unwrap();
                        }
                        lsn
                    })
                    .collect()
            }
        });
        assert_all_there(&disk, 2, 5, &join_all(loops));
    });
}

#[test]
fn checkpoints_beside_appends_give_back_nothing_that_is_pinned_or_new() {
    explore(|| {
        let (disk, wal) = open(&options().segment_bytes(4096));
        let pin = wal.retain("a slow reader", Lsn::new(4)).unwrap();
        let mut tail = wal.tail(Lsn::new(4)).unwrap();
        let reader = thread::spawn(move || {
            (4..=10).for_each(|lsn| assert_eq!(tail.wait_next().unwrap().unwrap().lsn, Lsn::new(lsn)));
            drop(pin);
        });
        let writers = spawn_each(2, {
            let wal = wal.clone();
            move |writer| {
                for nth in 0..5 {
                    let append = wal.append(1, &[&payload(writer, nth), &BALLAST]).unwrap();
                    wal.checkpoint(append.wait().unwrap());
                }
            }
        });
        join_all(writers);
        assert!(wal.oldest_lsn() <= Lsn::new(11));
        reader.join().unwrap();
        wal.close().unwrap();
        let found = disk.after_power_cut();
        let oldest = wal.oldest_lsn();
        assert!(found.first().is_none_or(|(first, _)| *first == oldest), "{oldest:?}");
        assert_eq!(found.len() as u64, 11 - oldest.get(), "no gap");
    });
}
