//! The end of a log: dropped or closed while others wait, append, lead.

use quorate_wal::{Append, Error, Lsn, SyncPolicy};
use shuttle::future;
use shuttle::thread;

use crate::disk::Disk;
use crate::{explore, is_over, join_all, open, options, payload, spawn_each, unless_over};

/// Waits for it in the `which`-th way; what is acknowledged must be safe.
fn wait(disk: &Disk, append: Append, which: u8) -> Option<Lsn> {
    let outcome = if which % 2 == 0 { append.wait() } else { future::block_on(append) };
    let told = unless_over(outcome);
    if let Some(lsn) = told {
        disk.assert_safe(lsn, &payload(which, 0));
    }
    told
}

#[test]
fn when_the_last_handle_goes_every_waiter_is_told_and_nothing_is_written_after() {
    explore(|| {
        let (disk, wal) = open(&options());
        let waiters: Vec<_> = (0..4)
            .map(|which| {
                let append = wal.append(1, &[&payload(which, 0)]).unwrap();
                let disk = disk.clone();
                thread::spawn(move || wait(&disk, append, which))
            })
            .collect();
        let mut mark = wal.subscribe();
        let subscriber = thread::spawn(move || {
            loop {
                match mark.wait_changed() {
                    Ok(_) => {}
                    Err(error) => return assert!(is_over(&error), "{error}"),
                }
            }
        });
        drop(wal);
        // The directory is free, and as it will stay: the disk watches that.
        let told = join_all(waiters);
        subscriber.join().unwrap();
        let found = disk.after_kill();
        assert!(told.iter().flatten().all(|lsn| found.iter().any(|(found, _)| found == lsn)));
    });
}

#[test]
fn a_handle_dropped_while_others_append_ends_nothing() {
    explore(|| {
        let (disk, wal) = open(&options());
        let writers = spawn_each(3, {
            let (disk, wal) = (disk.clone(), wal.clone());
            move |writer| {
                let append = wal.clone().append(1, &[&payload(writer, 0)]).unwrap();
                let lsn = wait(&disk, append, writer);
                assert!(lsn.is_some(), "this thread still has a handle");
            }
        });
        drop(wal);
        join_all(writers);
        assert_eq!(disk.after_power_cut().len(), 3);
    });
}

#[test]
fn closing_makes_durable_what_was_taken_and_refuses_the_rest() {
    explore(|| {
        let (disk, wal) = open(&options());
        let before = wal.append(1, &[&payload(8, 0)]).unwrap();
        let before = thread::spawn({
            let disk = disk.clone();
            move || wait(&disk, before, 8)
        });
        let writers = spawn_each(2, {
            let (disk, wal) = (disk.clone(), wal.clone());
            move |writer| match wal.append(1, &[&payload(writer, 0)]) {
                Ok(append) => wait(&disk, append, writer),
                Err(error) => {
                    assert!(matches!(error, Error::Closed), "{error}");
                    None
                }
            }
        });
        wal.close().unwrap();
        assert!(before.join().unwrap().is_some(), "taken before the close began");
        let told = join_all(writers);
        let found = disk.after_power_cut();
        assert_eq!(found.len(), 1 + told.iter().flatten().count(), "none was taken and not told");
    });
}

#[test]
fn two_who_close_at_once_both_find_it_closed() {
    explore(|| {
        let (disk, wal) = open(&options().sync(SyncPolicy::Os));
        wal.append(1, &[&payload(0, 0)]).unwrap().wait().unwrap();
        let closers = spawn_each(2, {
            let wal = wal.clone();
            move |_| wal.close()
        });
        drop(wal);
        assert!(join_all(closers).iter().all(Result::is_ok));
        disk.assert_safe(Lsn::new(1), &payload(0, 0));
    });
}
