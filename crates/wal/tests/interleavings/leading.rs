//! Who leads, who is carried, who comes next.

use std::sync::Arc;
use std::time::Duration;

use quorate_wal::{Durability, Lead, Lsn, SyncPolicy, Wal};
use shuttle::future;
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread;

use crate::disk::{Disk, assert_holds};
use crate::{explore, join_all, open, options, payload, spawn_each};

#[test]
fn blocking_writers_and_futures_are_told_only_what_a_power_cut_leaves() {
    explore(|| {
        let (disk, wal) = open(&options());
        let (blocking, awaiting) = ((disk.clone(), wal.clone()), (disk.clone(), wal.clone()));
        let writers = spawn_each(3, move |writer| {
            let (disk, wal) = &blocking;
            for nth in 0..2 {
                let lsn = wal.append(1, &[&payload(writer, nth)]).unwrap().wait().unwrap();
                disk.assert_safe(lsn, &payload(writer, nth));
            }
        });
        let futures = spawn_each(1, move |writer| {
            let (disk, wal) = &awaiting;
            let [one, other] = [0, 1].map(|nth| wal.append(1, &[&payload(9 + writer, nth)]).unwrap());
            disk.assert_safe(future::block_on(other).unwrap(), &payload(9 + writer, 1));
            assert!(one.is_done(), "what was staged before is safe too");
        });
        join_all(writers);
        join_all(futures);
        assert_eq!(wal.durable_lsn(), Lsn::new(8));
    });
}

#[test]
fn a_leader_that_finishes_hands_over_to_a_blocked_one_or_to_the_flusher() {
    explore(|| {
        let (_disk, wal) = open(&options());
        let leader = spawn_each(1, {
            let wal = wal.clone();
            move |_| wal.append(1, &[b"leads"]).unwrap().wait().unwrap()
        });
        // Staged while the leader is at the disk, or before, or after.
        let follower = spawn_each(1, {
            let wal = wal.clone();
            move |_| wal.append(1, &[b"follows"]).unwrap().wait().unwrap()
        });
        let awaited = future::block_on(wal.append(1, &[b"is awaited"]).unwrap()).unwrap();
        let mut lsns = [awaited, join_all(leader)[0], join_all(follower)[0]];
        lsns.sort_unstable();
        assert_eq!(lsns, [1, 2, 3].map(Lsn::new));
    });
}

/// One leads, one is carried by it, one leads next before the carried one has run; then nobody else comes.
#[test]
fn who_was_told_already_is_not_counted_on_to_lead_for_a_future() {
    explore(|| {
        let (_disk, wal) = open(&options());
        let [leads, is_carried] = [b"leads", b"is ca"].map(|name| wal.append(1, &[name]).unwrap());
        let first = [leads, is_carried].map(|append| thread::spawn(move || append.wait().unwrap()));
        let next = spawn_each(1, {
            let wal = wal.clone();
            move |_| wal.append(1, &[b"leads next"]).unwrap().wait().unwrap()
        });
        future::block_on(wal.append(1, &[b"is awaited"]).unwrap()).unwrap();
        join_all(first.into());
        join_all(next);
    });
}

/// What an event loop is told.
#[derive(Default)]
struct Told {
    mark: Mutex<Lsn>,
    moved: Condvar,
}

impl Told {
    fn by(wal: &Wal) -> Arc<Self> {
        let told = Arc::new(Self::default());
        let teller = Arc::clone(&told);
        wal.on_durable(Arc::new(move |lsn| {
            let mut mark = teller.mark.lock().unwrap();
            *mark = lsn.max(*mark);
            teller.moved.notify_all();
        }));
        told
    }

    fn await_mark(&self, lsn: Lsn) {
        drop(self.moved.wait_while(self.mark.lock().unwrap(), |mark| *mark < lsn).unwrap());
    }
}

fn event_loop(disk: &Disk, wal: &Wal, told: &Told, which: u8) {
    for nth in 0..2 {
        let lsn = wal.stage(1, &[&payload(which, nth)]).unwrap();
        match wal.try_lead().unwrap() {
            Lead::Led(mark) => assert!(mark >= lsn, "led up to {mark:?}, not {lsn:?}"),
            _ => told.await_mark(lsn),
        }
        disk.assert_safe(lsn, &payload(which, nth));
    }
}

#[test]
fn event_loops_that_never_wait_for_each_others_syncs_are_called_back() {
    explore(|| {
        let (disk, wal) = open(&options());
        let told = Told::by(&wal);
        let loops = spawn_each(3, {
            let wal = wal.clone();
            move |which| event_loop(&disk, &wal, &told, which)
        });
        let blocking = wal.append(1, &[b"blocking"]).unwrap().wait().unwrap();
        assert!(wal.durable_lsn() >= blocking);
        join_all(loops);
        assert_eq!(wal.durable_lsn(), Lsn::new(7));
    });
}

#[test]
fn a_requested_sync_is_called_back_though_nobody_asks_again() {
    explore(|| {
        let (disk, wal) = open(&options());
        let told = Told::by(&wal);
        let askers = spawn_each(2, {
            let wal = wal.clone();
            move |which| {
                let lsn = wal.stage(1, &[&payload(which, 0)]).unwrap();
                wal.request_sync();
                told.await_mark(lsn);
                disk.assert_safe(lsn, &payload(which, 0));
            }
        });
        wal.append(1, &[b"leads"]).unwrap().wait().unwrap();
        join_all(askers);
    });
}

#[test]
fn who_waits_for_a_record_before_it_is_taken_is_woken_when_it_is_safe() {
    explore(|| {
        let (disk, wal) = open(&options().sync(SyncPolicy::Os));
        let early = spawn_each(2, {
            let (disk, wal) = (disk.clone(), wal.clone());
            move |which| {
                let second = wal.when_durable(Lsn::new(2));
                let told = if which == 0 { second.wait() } else { future::block_on(second) };
                disk.assert_safe(told.unwrap(), &payload(7, 1));
            }
        });
        // Nobody else asks for a sync.
        for nth in 0..2 {
            wal.stage(1, &[&payload(7, nth)]).unwrap();
        }
        join_all(early);
    });
}

#[test]
fn a_batch_is_as_safe_as_its_strictest_member() {
    explore(|| {
        let (disk, wal) = open(&options().sync(SyncPolicy::Os));
        let members = spawn_each(4, {
            let (disk, wal) = (disk.clone(), wal.clone());
            move |which| {
                let durability = if which % 2 == 0 { Durability::Written } else { Durability::Durable };
                let append = wal.append_with(durability, 1, &[&payload(which, 0)]).unwrap();
                let lsn = if which < 2 { append.wait().unwrap() } else { future::block_on(append).unwrap() };
                match durability {
                    Durability::Written => assert_holds(&disk.after_kill(), lsn, &payload(which, 0)),
                    _ => disk.assert_safe(lsn, &payload(which, 0)),
                }
            }
        });
        let before = wal.last_lsn();
        wal.sync_to(before).unwrap();
        assert!(wal.durable_lsn() >= before);
        join_all(members);
        assert!(wal.durable_lsn() >= Lsn::new(2), "two asked for it");
    });
}

#[test]
fn a_group_that_gathers_is_led_by_the_timer_or_by_who_fills_it() {
    explore(|| {
        let group = SyncPolicy::Group { max_wait: Duration::from_micros(100) };
        let (disk, wal) = open(&options().sync(group).record_bytes_max(64).staged_bytes_max(64));
        let writers = spawn_each(3, {
            let (disk, wal) = (disk.clone(), wal.clone());
            move |writer| {
                let append = wal.append(1, &[&payload(writer, 0), &[0; 8]]).unwrap();
                let lsn = if writer < 2 { append.wait().unwrap() } else { future::block_on(append).unwrap() };
                disk.assert_safe(lsn, &payload(writer, 0));
            }
        });
        join_all(writers);
    });
}

#[test]
fn under_an_interval_the_last_record_becomes_durable_though_nobody_asks() {
    explore(|| {
        let interval = SyncPolicy::Interval { every: Duration::from_micros(100) };
        let (disk, wal) = open(&options().sync(interval));
        let told = Told::by(&wal);
        let writers = spawn_each(2, {
            let (disk, wal) = (disk.clone(), wal.clone());
            move |writer| {
                let lsn = wal.append(1, &[&payload(writer, 0)]).unwrap().wait().unwrap();
                assert_holds(&disk.after_kill(), lsn, &payload(writer, 0));
            }
        });
        let mut mark = wal.subscribe();
        while mark.lsn() < Lsn::new(2) {
            mark.wait_changed().unwrap();
        }
        join_all(writers);
        told.await_mark(Lsn::new(2));
        assert_eq!(disk.after_power_cut().len(), 2);
    });
}

#[test]
fn an_idle_watermark_and_those_who_come_meanwhile_do_not_miss_each_other() {
    explore(|| {
        let (disk, wal) = open(&options());
        let first = wal.append(1, &[&payload(0, 0)]).unwrap();
        // Wakes the flusher, whose idleness ends at any moment from here on.
        future::block_on(first).unwrap();
        let writers = spawn_each(2, {
            let (disk, wal) = (disk.clone(), wal.clone());
            move |writer| {
                thread::yield_now();
                let lsn = wal.append(1, &[&payload(1 + writer, 0)]).unwrap().wait().unwrap();
                disk.assert_safe(lsn, &payload(1 + writer, 0));
            }
        });
        wal.note_idle();
        join_all(writers);
        wal.close().unwrap();
    });
}
