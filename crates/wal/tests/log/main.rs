//! The log from outside: its promises under crashes, damage, threads and strange bytes.
#![expect(clippy::unwrap_used, reason = "a test that unwraps an error fails, as it should")]

mod damage;
mod files;
mod golden;
mod inspection;
mod oracle;
mod refusals;
mod rotation;
mod strange_bytes;
mod waiting;

use std::sync::Arc;

use quorate_wal::testkit::SimIo;
use quorate_wal::{Chores, Error, Io, Lsn, Options, Recovery, Wal};

const DIR: &str = "/log";

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

/// All the records of a log.
fn records(recovery: &Recovery) -> Result<Records, Error> {
    let mut all = Vec::new();
    recovery.replay(recovery.oldest_lsn())?.for_each::<Error>(|record| {
        all.push((record.lsn.get(), record.kind, record.payload.to_vec()));
        Ok(())
    })?;
    Ok(all)
}

fn segment(index: u64) -> String {
    format!("{DIR}/{index:010}.seg")
}

fn append(wal: &Wal, payload: &[u8]) -> Lsn {
    wal.append(1, &[payload]).and_then(|append| append.wait()).expect("the disk works")
}
