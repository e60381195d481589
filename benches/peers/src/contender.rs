//! What an adapter has to do for a log to take part.
//!
//! Invariants, which `tests/adapters.rs` checks for each:
//! - what [`Log::append_durable`] and [`Log::append_range`] acknowledged is replayed, in order, unaltered;
//! - each adapter asks its crate for no less than the other adapters ask theirs for: durable means `fdatasync`.

use std::future::Future;
use std::ops::Range;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

/// A kind of log.
pub trait Contender: Send + Sync {
    /// As it stands in the tables.
    fn name(&self) -> &'static str;

    /// Which options it is given, and how it is called.
    fn settings(&self) -> &'static str;

    /// Opens the log in `dir`, or makes it.
    fn open(&self, dir: &Path, scale: Scale) -> Result<Box<dyn Log>>;

    /// Opens what is in `dir`, as after a crash, and hands over every record, oldest first.
    fn replay(&self, dir: &Path, scale: Scale, sink: &SharedSink) -> Result<Ending>;

    /// How it waits without blocking a thread, if it can.
    fn async_way(&self) -> Option<&'static str> {
        None
    }

    /// Whether it can take records without syncing each.
    fn buffers(&self) -> bool {
        true
    }
}

/// A log in use. Dropping it is a crash of the process: nothing more is written.
pub trait Log: Send + Sync {
    /// Returns once the record would survive power loss.
    fn append_durable(&self, payload: &[u8]) -> Result<()>;

    /// Takes one record per number, and syncs once behind the last. Only called if [`Contender::buffers`].
    fn append_range(&self, numbers: Range<u64>, payload: &mut Numbered) -> Result<()>;

    /// As [`Log::append_durable`], without blocking. Only called if there is a [`Contender::async_way`].
    fn append_async<'a>(&'a self, payload: &[u8]) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        let _ = payload;
        Box::pin(async { anyhow::bail!("this log has no way to wait without blocking") })
    }

    /// Everything durable is safe elsewhere now: the log may reuse its space.
    fn trim(&self) -> Result<()> {
        Ok(())
    }

    /// Ends in good order, where a log knows such a thing.
    fn close(&self) -> Result<()> {
        Ok(())
    }
}

/// What a log is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// At most 1 MiB of records, in files that are quickly copied.
    Small,
    /// The crate's defaults.
    Usual,
    /// About this many bytes, all of which must still be there afterwards.
    Keep(u64),
}

/// What a log says of itself after opening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// It reports that a torn tail was cut.
    pub torn: bool,
    /// Where its own count of records or bytes stands, if its API tells.
    pub mark: u64,
}

/// Takes replayed records.
pub trait Sink: Send {
    /// `id` is all that the log says about the record besides its payload: number, offset, kind.
    fn record(&mut self, id: u64, payload: &[u8]);
}

/// A sink that a log may call from a thread of its own.
pub type SharedSink = Arc<Mutex<dyn Sink>>;

/// The sink, for as long as records come.
pub(crate) fn filling(sink: &SharedSink) -> std::sync::MutexGuard<'_, dyn Sink + 'static> {
    sink.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A payload that begins with a number, so that each record is another.
pub struct Numbered {
    bytes: Vec<u8>,
}

impl Numbered {
    /// Of `bytes` bytes, at least 8.
    pub fn new(bytes: usize) -> Self {
        assert!(bytes >= 8, "a payload of {bytes} bytes has no room for its number");
        Self { bytes: (0..bytes).map(|at| (at * 151 + 43) as u8 | 1).collect() }
    }

    /// The payload of record `number`.
    pub fn stamp(&mut self, number: u64) -> &[u8] {
        self.bytes[..8].copy_from_slice(&number.to_le_bytes());
        &self.bytes
    }

    /// The number of a payload.
    pub fn number(payload: &[u8]) -> Option<u64> {
        payload.first_chunk().map(|head| u64::from_le_bytes(*head))
    }
}
