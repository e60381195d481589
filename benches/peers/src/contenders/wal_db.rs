//! `wal-db`.

use std::future::Future;
use std::ops::Range;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::Result;
use wal_db::{OpenPolicy, Wal, WalConfig, WalStore};

use crate::contender::{Contender, Ending, Log, Numbered, Scale, SharedSink, filling};

/// As in the crate's README.
const SEGMENT_BYTES: u64 = 16 << 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    File,
    Strict,
    Segmented,
}

/// `wal-db`.
pub struct WalDb {
    shape: Shape,
}

impl WalDb {
    /// One file, default configuration.
    pub fn file() -> Self {
        Self { shape: Shape::File }
    }

    /// One file, `OpenPolicy::Strict`.
    pub fn strict() -> Self {
        Self { shape: Shape::Strict }
    }

    /// Segments of 16 MiB.
    pub fn segmented() -> Self {
        Self { shape: Shape::Segmented }
    }

    fn config(&self) -> WalConfig {
        let policy = if self.shape == Shape::Strict { OpenPolicy::Strict } else { OpenPolicy::TruncateTail };
        WalConfig::new().with_open_policy(policy)
    }
}

impl Contender for WalDb {
    fn name(&self) -> &'static str {
        match self.shape {
            Shape::File => "wal-db",
            Shape::Strict => "wal-db, strict",
            Shape::Segmented => "wal-db, segmented",
        }
    }

    fn settings(&self) -> &'static str {
        match self.shape {
            Shape::File => "`Wal::open`, defaults; `append_and_sync`; buffered: `append`, then `sync`",
            Shape::Strict => "as before, `OpenPolicy::Strict`",
            Shape::Segmented => "`Wal::open_segmented`, 16 MiB",
        }
    }

    fn open(&self, dir: &Path, _scale: Scale) -> Result<Box<dyn Log>> {
        Ok(match self.shape {
            Shape::Segmented => Box::new(WalDbLog(Arc::new(Wal::open_segmented(dir, SEGMENT_BYTES)?))),
            _ => Box::new(WalDbLog(Arc::new(Wal::open_with(dir.join("wal"), self.config())?))),
        })
    }

    fn replay(&self, dir: &Path, _scale: Scale, sink: &SharedSink) -> Result<Ending> {
        match self.shape {
            Shape::Segmented => deliver(&Wal::open_segmented(dir, SEGMENT_BYTES)?, sink),
            _ => deliver(&Wal::open_with(dir.join("wal"), self.config())?, sink),
        }
    }

    fn async_way(&self) -> Option<&'static str> {
        Some("`spawn_blocking`, as its README says")
    }
}

fn deliver<S: WalStore>(wal: &Wal<S>, sink: &SharedSink) -> Result<Ending> {
    let mut sink = filling(sink);
    for record in wal.iter()? {
        let record = record?;
        sink.record(record.lsn().get(), record.data());
    }
    Ok(Ending { torn: wal.truncated_on_open() > 0, mark: wal.len() })
}

struct WalDbLog<S: WalStore>(Arc<Wal<S>>);

impl<S: WalStore + 'static> Log for WalDbLog<S> {
    fn append_durable(&self, payload: &[u8]) -> Result<()> {
        Ok(self.0.append_and_sync(payload).map(drop)?)
    }

    fn append_range(&self, numbers: Range<u64>, payload: &mut Numbered) -> Result<()> {
        for number in numbers {
            self.0.append(payload.stamp(number)).map(drop)?;
        }
        Ok(self.0.sync()?)
    }

    fn append_async<'a>(&'a self, payload: &[u8]) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        let (wal, payload) = (Arc::clone(&self.0), payload.to_vec());
        Box::pin(async move {
            let appended = tokio::task::spawn_blocking(move || wal.append_and_sync(&payload)).await?;
            Ok(appended.map(drop)?)
        })
    }
}
