//! `walogs`: a log of one writer that syncs every append; many writers share it by a mutex.

use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Result, bail};
use walogs::{Lsn, TailState, Wal};

use crate::contender::{Contender, Ending, Log, Numbered, Scale, SharedSink, filling};

/// `walogs` under a mutex.
pub struct Walogs;

impl Contender for Walogs {
    fn name(&self) -> &'static str {
        "walogs (mutex)"
    }

    fn settings(&self) -> &'static str {
        "defaults (64 MiB segments); `append` under a mutex; it has no append without sync"
    }

    fn open(&self, dir: &Path, _scale: Scale) -> Result<Box<dyn Log>> {
        Ok(Box::new(Locked(Mutex::new(Wal::open(dir)?))))
    }

    fn replay(&self, dir: &Path, _scale: Scale, sink: &SharedSink) -> Result<Ending> {
        let wal = Wal::open(dir)?;
        let mut sink = filling(sink);
        for record in wal.iter() {
            let (lsn, payload) = record?;
            sink.record(lsn.0, &payload);
        }
        Ok(Ending { torn: wal.tail_state() != TailState::Clean, mark: wal.next_lsn().0 })
    }

    fn buffers(&self) -> bool {
        false
    }
}

struct Locked(Mutex<Wal>);

impl Locked {
    fn wal(&self) -> MutexGuard<'_, Wal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for Locked {
    fn append_durable(&self, payload: &[u8]) -> Result<()> {
        self.wal().append(payload)?;
        Ok(())
    }

    fn append_range(&self, _numbers: Range<u64>, _payload: &mut Numbered) -> Result<()> {
        bail!("walogs has no append without sync")
    }

    fn trim(&self) -> Result<()> {
        let mut wal = self.wal();
        let last = Lsn(wal.next_lsn().0 - 1);
        wal.checkpoint(last)?;
        Ok(())
    }
}
