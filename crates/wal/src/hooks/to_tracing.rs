//! The hooks as events of `tracing`.

use std::time::Duration;

use tracing::{debug, error, info, trace};

use super::{BatchReport, Hooks, RecoveryReport};
use crate::Error;

/// The target of every event.
const TARGET: &str = "quorate_wal";

/// Emits an event of [`tracing`] for what the log does. Feature `tracing`.
///
#[doc = include_str!("to_tracing.md")]
///
/// Each event is emitted where the thing happens, in the thread that leads or appends: a subscriber that blocks holds that
/// thread up, and those who wait for it. Appends are no events: they are told with the log's lock held.
///
/// ```
/// use quorate_wal::{Options, TracingHooks};
/// use std::sync::Arc;
///
/// let options = Options::new("/var/lib/orders").hooks(Arc::new(TracingHooks::new("orders")));
/// ```
#[derive(Clone, Debug)]
pub struct TracingHooks {
    log: String,
}

impl TracingHooks {
    /// For a log that events call `log`.
    pub fn new(log: impl Into<String>) -> Self {
        Self { log: log.into() }
    }
}

impl Hooks for TracingHooks {
    fn on_batch(&self, batch: &BatchReport) {
        trace!(
            target: TARGET,
            log = self.log,
            last_lsn = batch.last_lsn.get(),
            records = batch.records,
            bytes = batch.bytes,
            synced = batch.synced,
            queue_wait_us = micros(batch.queue_wait),
            "batch written"
        );
    }

    fn on_sync(&self, took: Duration) {
        trace!(target: TARGET, log = self.log, took_us = micros(took), "synced");
    }

    fn on_rotate(&self, index: u64) {
        debug!(target: TARGET, log = self.log, segment = index, "segment begun");
    }

    fn on_recycle(&self, index: u64) {
        debug!(target: TARGET, log = self.log, segment = index, "segment given back");
    }

    fn on_recover(&self, recovery: &RecoveryReport) {
        info!(
            target: TARGET,
            log = self.log,
            log_id = %recovery.log_id,
            oldest_lsn = recovery.oldest_lsn.get(),
            last_lsn = recovery.last_lsn.get(),
            tail = ?recovery.tail,
            copied_records = recovery.copied_records,
            "log opened"
        );
    }

    fn on_poison(&self, cause: &Error) {
        error!(target: TARGET, log = self.log, error = cause as &dyn std::error::Error, "log stopped for good");
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
