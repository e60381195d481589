//! `quorate-wal`.

use std::future::Future;
use std::ops::Range;
use std::path::Path;
use std::pin::Pin;

use anyhow::Result;
use quorate_wal::{Durability, Error, Lsn, Options, Record, Recovery, StdIo, TailState, Wal};

use crate::contender::{Contender, Ending, Log, Numbered, Scale, SharedSink, filling};

/// The name of ours.
pub const OURS: &str = "quorate-wal";

const KIND: u8 = 1;
/// Who buffers hands over to the system after so many records: half a megabyte, which stays in the processor's cache.
const WRITE_EVERY: u64 = 4096;

/// How ours replays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Plain,
    Ahead,
}

/// `quorate-wal`, default options.
pub struct Ours {
    reading: Reading,
}

impl Ours {
    /// Replays in the caller's thread.
    pub fn plain() -> Self {
        Self { reading: Reading::Plain }
    }

    /// Replays with a thread that reads ahead.
    pub fn reading_ahead() -> Self {
        Self { reading: Reading::Ahead }
    }
}

fn open(dir: &Path, scale: Scale) -> Result<(Wal, Recovery), Error> {
    let options = match scale {
        Scale::Small => Options::new(dir).segment_bytes(1 << 20),
        Scale::Usual | Scale::Keep(_) => Options::new(dir),
    };
    Wal::open(&options, StdIo::shared())
}

impl Contender for Ours {
    fn name(&self) -> &'static str {
        match self.reading {
            Reading::Plain if cfg!(feature = "mmap") => "quorate-wal, mmap",
            Reading::Plain => OURS,
            Reading::Ahead => "quorate-wal, ahead",
        }
    }

    fn settings(&self) -> &'static str {
        match self.reading {
            Reading::Plain => {
                "default options (64 MiB segments, always sync); `append().wait()`, `.await`; buffered: \
                 `append_with(Durability::Written)`, every 4,096th waited for, then `sync_to`"
            }
            Reading::Ahead => "as before; `replay_ahead`",
        }
    }

    fn open(&self, dir: &Path, scale: Scale) -> Result<Box<dyn Log>> {
        Ok(Box::new(OurLog { wal: open(dir, scale)?.0 }))
    }

    fn replay(&self, dir: &Path, scale: Scale, sink: &SharedSink) -> Result<Ending> {
        let (_wal, recovery) = open(dir, scale)?;
        let mut sink = filling(sink);
        let deliver = |record: Record<'_>| {
            sink.record(record.lsn.get() << 8 | u64::from(record.kind), record.payload);
            Ok::<(), Error>(())
        };
        match self.reading {
            Reading::Plain => recovery.replay(Lsn::ZERO)?.for_each(deliver)?,
            Reading::Ahead => recovery.replay_ahead(Lsn::ZERO)?.for_each(deliver)?,
        }
        Ok(Ending {
            torn: matches!(recovery.tail(), TailState::Torn { .. }),
            mark: recovery.last_lsn().get(),
        })
    }

    fn async_way(&self) -> Option<&'static str> {
        Some("future, any executor")
    }
}

struct OurLog {
    wal: Wal,
}

impl Log for OurLog {
    fn append_durable(&self, payload: &[u8]) -> Result<()> {
        self.wal.append(KIND, &[payload])?.wait()?;
        Ok(())
    }

    fn append_range(&self, numbers: Range<u64>, payload: &mut Numbered) -> Result<()> {
        let mut last = Lsn::ZERO;
        for number in numbers {
            let append = self.wal.append_with(Durability::Written, KIND, &[payload.stamp(number)])?;
            last = append.lsn();
            if number % WRITE_EVERY == WRITE_EVERY - 1 {
                append.wait()?;
            }
        }
        Ok(self.wal.sync_to(last)?)
    }

    fn append_async<'a>(&'a self, payload: &[u8]) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        let append = self.wal.append(KIND, &[payload]);
        Box::pin(async move {
            append?.await?;
            Ok(())
        })
    }

    fn trim(&self) -> Result<()> {
        self.wal.checkpoint(self.wal.durable_lsn());
        Ok(())
    }

    fn close(&self) -> Result<()> {
        Ok(self.wal.close()?)
    }
}
