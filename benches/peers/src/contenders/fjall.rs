//! `fjall` as a log: a key-value store whose journal does a log's work. Record numbers are its keys.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, ensure};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::contender::{Contender, Ending, Log, Numbered, Scale, SharedSink, filling};

/// `fjall`, journal persisted by hand.
pub struct Fjall;

fn open(dir: &Path) -> fjall::Result<(Database, Keyspace)> {
    let database = Database::builder(dir).open()?;
    let records =
        database.keyspace("log", || KeyspaceCreateOptions::default().manual_journal_persist(true))?;
    Ok((database, records))
}

impl Contender for Fjall {
    fn name(&self) -> &'static str {
        "fjall"
    }

    fn settings(&self) -> &'static str {
        "defaults, `manual_journal_persist`; `insert` + `persist(SyncData)`; buffered: inserts, then one `persist`"
    }

    fn open(&self, dir: &Path, _scale: Scale) -> Result<Box<dyn Log>> {
        let (database, records) = open(dir)?;
        Ok(Box::new(FjallLog { database, records, next: AtomicU64::new(0) }))
    }

    fn replay(&self, dir: &Path, _scale: Scale, sink: &SharedSink) -> Result<Ending> {
        let (database, records) = open(dir)?;
        let mut sink = filling(sink);
        for item in records.iter() {
            let (key, payload) = item.into_inner()?;
            ensure!(key.len() == 8, "a key of {} bytes", key.len());
            let number = key.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            sink.record(number, &payload);
        }
        Ok(Ending { torn: false, mark: database.seqno() })
    }
}

struct FjallLog {
    database: Database,
    records: Keyspace,
    next: AtomicU64,
}

impl FjallLog {
    fn insert(&self, payload: &[u8]) -> Result<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Ok(self.records.insert(number.to_be_bytes(), payload)?)
    }
}

impl Log for FjallLog {
    fn append_durable(&self, payload: &[u8]) -> Result<()> {
        self.insert(payload)?;
        Ok(self.database.persist(PersistMode::SyncData)?)
    }

    fn append_range(&self, numbers: Range<u64>, payload: &mut Numbered) -> Result<()> {
        for number in numbers {
            self.insert(payload.stamp(number))?;
        }
        Ok(self.database.persist(PersistMode::SyncData)?)
    }
}
