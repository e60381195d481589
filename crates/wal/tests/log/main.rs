//! The log from outside: its promises under crashes, damage, threads and strange bytes.
#![expect(clippy::unwrap_used, reason = "a test that unwraps an error fails, as it should")]

mod damage;
mod early_waiters;
mod enumeration;
mod failed_sync;
mod faults;
mod files;
mod golden;
mod hooks;
mod inspection;
#[cfg(feature = "mmap")]
mod mapped;
mod matrix;
#[cfg(feature = "metrics")]
mod measured;
#[cfg(feature = "mutants")]
mod mutants;
mod oracle;
mod panicking;
mod reading_ahead;
mod refusals;
mod repairing;
mod retention;
mod rotation;
mod rotten;
mod shown;
mod stepped;
mod stopping;
mod strange_bytes;
mod tailing;
mod tally;
mod timers;
#[cfg(feature = "tracing")]
mod traced;
#[cfg(feature = "typed")]
mod typed;
mod waiting;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use quorate_wal::testkit::SimIo;
use quorate_wal::{Chores, Error, Io, Lsn, Options, Record, Recovery, Wal};

const DIR: &str = "/log";
/// Long enough for anything but a hang.
const PATIENCE: Duration = Duration::from_mins(1);

fn options() -> Options {
    Options::new(DIR).segment_bytes(4096).staged_bytes_max(1 << 20).chores(Chores::Inline)
}

fn shared(disk: &SimIo) -> Arc<dyn Io> {
    Arc::new(disk.clone())
}

fn open(disk: &SimIo) -> Result<(Wal, Recovery), Error> {
    Wal::open(&options(), shared(disk))
}

/// Records as (LSN, kind, payload).
type Records = Vec<(u64, u8, Vec<u8>)>;

/// All the records of a log, the same in whichever way they are read.
fn records(recovery: &Recovery) -> Result<Records, Error> {
    let oldest = recovery.oldest_lsn();
    let mut replay = recovery.replay(oldest)?;
    let plain = gathered(|all| replay.next_record().map(|record| noted(all, record)));
    let mut replay = recovery.replay_ahead(oldest)?;
    let ahead = gathered(|all| replay.next_record().map(|record| noted(all, record)));
    assert!(plain.0 == ahead.0, "reading ahead delivers {} records, not {}", ahead.0.len(), plain.0.len());
    assert_eq!(format!("{:?}", plain.1), format!("{:?}", ahead.1));
    plain.1.map(|()| plain.0)
}

/// The records that `next` notes until it says that there are no more, and how that ended.
fn gathered(mut next: impl FnMut(&mut Records) -> Result<bool, Error>) -> (Records, Result<(), Error>) {
    let mut all = Records::new();
    loop {
        match next(&mut all) {
            Ok(true) => {}
            Ok(false) => return (all, Ok(())),
            Err(error) => return (all, Err(error)),
        }
    }
}

fn noted(all: &mut Records, record: Option<Record<'_>>) -> bool {
    all.extend(record.map(|record| (record.lsn.get(), record.kind, record.payload.to_vec())));
    record.is_some()
}

fn segment(index: u64) -> String {
    format!("{DIR}/{index:010}.seg")
}

fn append(wal: &Wal, payload: &[u8]) -> Lsn {
    wal.append(1, &[payload]).and_then(|append| append.wait()).expect("the disk works")
}

/// An executor of twenty lines: parks the thread until woken.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park_timeout(PATIENCE);
    }
}
