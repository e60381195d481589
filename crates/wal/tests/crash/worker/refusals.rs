//! Everything one can ask of a log that stopped for good.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use quorate_wal::{Durability, Error, Lsn, Wal};

const RECORD: &[&[u8]] = &[b"too late"];
/// Any record there is; calls that wait for an LSN cap it at the last one taken.
const ALL: Lsn = Lsn::new(u64::MAX);

/// The calls that did not answer [`Error::Poisoned`]; must be empty. Also looks whether the durable mark moved.
pub fn not_refused(wal: &Wal) -> Vec<&'static str> {
    let durable = wal.durable_lsn();
    let mut wrong: Vec<&'static str> = appends(wal).into_iter().chain(ends(wal)).collect();
    // What is safe may be waited for, also in a log that stopped.
    if wal.last_lsn() > durable {
        wrong.extend(waits_for_durable(wal));
    }
    if wal.last_lsn() > wal.committed_lsn() {
        wrong.extend(waits_for_policy(wal));
    }
    if wal.durable_lsn() != durable {
        wrong.push("the durable mark moved");
    }
    wrong
}

fn appends(wal: &Wal) -> Vec<&'static str> {
    failing([
        ("append", wal.append(1, RECORD).map(drop)),
        ("append_durable", wal.append_durable(1, RECORD).map(drop)),
        ("append_with", wal.append_with(Durability::Written, 1, RECORD).map(drop)),
        ("append_batch", wal.append_batch([(1, RECORD), (2, RECORD)]).map(drop)),
        ("stage", wal.stage(1, RECORD).map(drop)),
        ("stage_batch", wal.stager().stage_batch([(1, RECORD)].into_iter()).map(drop)),
    ])
}

fn waits_for_durable(wal: &Wal) -> Vec<&'static str> {
    let future = pin!(wal.when_durable(ALL));
    let polled = match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.map(drop),
        Poll::Pending => Ok(()),
    };
    failing([
        ("sync_to", wal.sync_to(ALL)),
        ("when_durable", wal.when_durable(ALL).wait().map(drop)),
        ("when_durable, awaited", polled),
    ])
}

fn waits_for_policy(wal: &Wal) -> Vec<&'static str> {
    failing([("commit_to", wal.commit_to(ALL)), ("try_lead", wal.try_lead().map(drop))])
}

fn ends(wal: &Wal) -> Vec<&'static str> {
    wal.request_sync();
    wal.note_idle();
    failing([
        ("wait_changed", wal.subscribe().wait_changed().map(drop)),
        ("stopped", wal.stopped().map_or(Ok(()), Err)),
        ("close", wal.close()),
    ])
}

fn failing<const N: usize>(calls: [(&'static str, Result<(), Error>); N]) -> Vec<&'static str> {
    let well = calls.into_iter().filter(|(_, result)| !matches!(result, Err(Error::Poisoned { .. })));
    well.map(|(call, _)| call).collect()
}
