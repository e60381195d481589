//! What the log tells its owner while it works: for metrics and traces.
//!
//! Invariant: nothing in the log depends on whether somebody listens (Pebble issue 6031: a watermark that moved only
//! while a histogram was set). The log has the same bytes, marks and errors with hooks and without; but a hook that
//! panics stops it.

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::{Error, LogId, Lsn, TailState};

mod both;
#[cfg(feature = "metrics")]
mod to_metrics;
#[cfg(feature = "tracing")]
mod to_tracing;

#[cfg(feature = "metrics")]
pub use to_metrics::MetricsHooks;
#[cfg(feature = "tracing")]
pub use to_tracing::TracingHooks;

/// Told what the log does. Every method does nothing unless it is written anew.
///
/// Called in the thread that does the work, without any lock but for [`Hooks::on_append`]. They must not block. A panic
/// ends there and stops the log for good, as a failed write would ([`Error::Poisoned`], action "call a hook"): what was
/// durable by then is acknowledged, nobody hangs. Two are called before there is anything to stop, or with the lock
/// held, and always in the caller's own thread, to which a panic goes through: [`Hooks::on_recover`], after which the
/// log is not open, and [`Hooks::on_append`], after which it goes on.
///
/// A pair of hooks is hooks, and so is an [`Arc`] of hooks. Ready-made, as features: `metrics` (`MetricsHooks`) and
/// `tracing` (`TracingHooks`).
pub trait Hooks: Send + Sync {
    // Whatever is added here is to be passed on by pairs and `Arc`s.
    /// Records were taken, the last of them `last`; they are, even if this panics. Called *with* the staging lock: count,
    /// and return; any call to the log from here deadlocks.
    fn on_append(&self, last: Lsn, records: u64, payload_bytes: u64) {
        let _ = (last, records, payload_bytes);
    }
    /// A batch was written (and, if it was to be, synced).
    fn on_batch(&self, batch: &BatchReport) {
        let _ = batch;
    }
    /// A sync of the log's newest segment came back well; those within a rotation are not told.
    fn on_sync(&self, took: Duration) {
        let _ = took;
    }
    /// The log changed to segment `index`.
    fn on_rotate(&self, index: u64) {
        let _ = index;
    }
    /// Segment `index` was given back.
    fn on_recycle(&self, index: u64) {
        let _ = index;
    }
    /// The log was opened. Replay has not begun.
    fn on_recover(&self, recovery: &RecoveryReport) {
        let _ = recovery;
    }
    /// The log stopped for good; told once.
    fn on_poison(&self, cause: &Error) {
        let _ = cause;
    }
}

/// A batch that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchReport {
    /// Its last record.
    pub last_lsn: Lsn,
    /// Records in it; none, if it only synced or marked.
    pub records: u64,
    /// Bytes of its frames.
    pub bytes: u64,
    /// Whether it synced.
    pub synced: bool,
    /// How long its first record had been staged when it set out: for a leader, for the batch before it, for company. Of
    /// what a full segment left over, counted from the first record of all. Zero if it has no record.
    pub queue_wait: Duration,
}

/// How opening went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// Which log it is.
    pub log_id: LogId,
    /// The oldest record.
    pub oldest_lsn: Lsn,
    /// The last record.
    pub last_lsn: Lsn,
    /// How the log had ended.
    pub tail: TailState,
    /// Records copied, because no later write vouched for them.
    pub copied_records: u64,
}

/// Who listens, if anybody.
#[derive(Clone, Default)]
pub(crate) struct Listener(Option<Arc<dyn Hooks>>);

impl Listener {
    pub(crate) fn new(hooks: Arc<dyn Hooks>) -> Self {
        Self(Some(hooks))
    }

    /// Whether anybody listens: what only hooks are told need not be measured else.
    #[inline]
    pub(crate) fn listens(&self) -> bool {
        self.0.is_some()
    }

    #[inline]
    pub(crate) fn tell(&self, what: impl FnOnce(&dyn Hooks)) {
        if let Some(hooks) = &self.0 {
            what(&**hooks);
        }
    }
}

/// Calls what is not ours; a panic there is an error here.
pub(crate) fn caught(call: impl FnOnce()) -> Result<(), io::Error> {
    // Whatever is left half done in there is its owner's.
    catch_unwind(AssertUnwindSafe(call))
        .map_err(|panic| io::Error::other(format!("it panicked: {}", said(&*panic))))
}

fn said(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("nothing was said")
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Hooks" } else { "no hooks" })
    }
}
