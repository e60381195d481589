//! A disk that fails: everybody who waits is told, nothing is written any more.

use std::sync::Arc;

use quorate_wal::{Error, Lsn, Wal};
use shuttle::future;
use shuttle::sync::Mutex;
use shuttle::thread::{self, JoinHandle};

use crate::disk::Disk;
use crate::{explore, join_all, open, options, payload, spawn_each};

/// `true` if it was acknowledged, and then a power cut leaves it; else the log must have stopped for good.
fn judge(disk: &Disk, outcome: Result<Lsn, Error>, payload: &[u8]) -> bool {
    match outcome {
        Ok(lsn) => disk.assert_safe(lsn, payload),
        Err(Error::Poisoned { .. }) => return false,
        Err(other) => panic!("{other}"),
    }
    true
}

/// One waits blocked, one awaits, one leads and is called back.
fn waiters(disk: &Disk, wal: &Wal) -> Vec<JoinHandle<bool>> {
    let (disk, wal) = (disk.clone(), wal.clone());
    spawn_each(3, move |which| {
        let append = match wal.append(1, &[&payload(which, 0)]) {
            Ok(append) => append,
            Err(refused) => return judge(&disk, Err(refused), &[]),
        };
        let lsn = append.lsn();
        let outcome = match which {
            0 => append.wait(),
            1 => future::block_on(append),
            _ => wal.try_lead().and_then(|_| wal.sync_to(lsn)).map(|()| lsn),
        };
        judge(&disk, outcome, &payload(which, 0))
    })
}

#[test]
fn a_failed_sync_wakes_everybody_with_the_error_and_nothing_is_written_after_it() {
    explore(|| {
        let (disk, wal) = open(&options());
        let calls: Arc<Mutex<Vec<Lsn>>> = Arc::default();
        wal.on_durable({
            let calls = Arc::clone(&calls);
            Arc::new(move |lsn| calls.lock().unwrap().push(lsn))
        });
        let subscriber = thread::spawn({
            let mut mark = wal.subscribe();
            move || while mark.wait_changed().is_ok() {}
        });
        let mut tail = wal.tail(Lsn::ZERO).unwrap();
        let tail = thread::spawn(move || {
            let mut delivered = 0;
            while let Ok(Some(_)) = tail.wait_next() {
                delivered += 1;
            }
            delivered
        });
        disk.sim.fail_sync_after(2);
        let acknowledged = join_all(waiters(&disk, &wal)).into_iter().filter(|told| *told).count() as u64;
        // The second sync may not have come about yet.
        while wal.append(1, &[b"more"]).and_then(|append| append.wait()).is_ok() {}
        assert!(matches!(wal.append(1, &[b"late"]).map(|append| append.lsn()), Err(Error::Poisoned { .. })));
        subscriber.join().unwrap();
        let delivered = tail.join().unwrap();
        assert_eq!(delivered, wal.durable_lsn().get(), "all that was durable");
        assert!(acknowledged <= delivered);
        assert!(!calls.lock().unwrap().is_empty(), "subscribers are told too");
    });
}

#[test]
fn a_segment_that_cannot_be_made_stops_the_log_and_wakes_everybody() {
    explore(|| {
        let options = options().segment_bytes(4096);
        let (disk, wal) = open(&options);
        disk.sim.set_capacity(Some(4096));
        let writers = spawn_each(3, {
            let (disk, wal) = (disk.clone(), wal.clone());
            move |writer| {
                for nth in 0..6 {
                    let append = wal.append(1, &[&payload(writer, nth), &[0; 500]]);
                    if !judge(&disk, append.and_then(|append| append.wait()), &payload(writer, nth)) {
                        return false;
                    }
                }
                true
            }
        });
        let all = join_all(writers);
        assert!(all.contains(&false), "eighteen records do not fit");
        assert!(matches!(wal.stopped(), Some(Error::Poisoned { .. })));
    });
}
