//! The hooks as metrics of the facade `metrics`.
//!
//! Invariant: every handle is made once, at the start. What is called with the log's lock held adds to two counters, and
//! looks nothing up.

use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use super::{BatchReport, Hooks, RecoveryReport};
use crate::{Error, Lsn, Stats, TailState};

/// Tells the facade [`metrics`] what the log does. Feature `metrics`.
///
#[doc = include_str!("to_metrics.md")]
///
/// Metrics go to the recorder that is there when this is made: **install yours first**, else they go nowhere, for good. Its
/// counters are added to with the log's lock held ([`Hooks::on_append`]): they must not block, nor call the log. Those of
/// the usual exporters are atomic numbers. Seconds of syncs want buckets from about 20 µs up.
///
/// ```
/// use quorate_wal::{MetricsHooks, Options, StdIo, Wal};
/// use std::sync::Arc;
///
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// // Here your exporter is installed.
/// let metrics = Arc::new(MetricsHooks::new("orders"));
/// let (wal, _) = Wal::open(&Options::new(dir).hooks(metrics.clone()), StdIo::shared())?;
/// metrics.observe(&wal.stats()); // now and then: levels
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct MetricsHooks {
    records: Counter,
    record_bytes: Counter,
    batches: Counter,
    written_bytes: Counter,
    batch_records: Histogram,
    queue_wait: Histogram,
    sync_duration: Histogram,
    rotations: Counter,
    recycled_segments: Counter,
    opened: Opened,
    copied_records: Counter,
    failed: Gauge,
    levels: Levels,
}

/// By how the log had ended.
#[derive(Clone, Debug)]
struct Opened {
    created: Counter,
    closed: Counter,
    open: Counter,
    torn: Counter,
}

/// What hooks are not told.
#[derive(Clone, Debug)]
struct Levels {
    staged_bytes: Gauge,
    segments: Gauge,
    retained_bytes: Gauge,
    pins: Gauge,
}

impl MetricsHooks {
    /// For a log that the label `log` calls so. Describes and registers all of its metrics.
    pub fn new(log: impl Into<String>) -> Self {
        let new = Named { log: log.into() };
        Self {
            records: new.counter("wal_records_total", Unit::Count, "Records taken."),
            record_bytes: new.counter("wal_record_bytes_total", Unit::Bytes, "Payload of records taken."),
            batches: new.counter("wal_batches_total", Unit::Count, "Batches written."),
            written_bytes: new.counter("wal_written_bytes_total", Unit::Bytes, "Bytes of frames written."),
            batch_records: new.histogram("wal_batch_records", Unit::Count, "Records in a batch."),
            queue_wait: new.histogram(
                "wal_queue_wait_seconds",
                Unit::Seconds,
                "How long a batch's first record was staged when it set out.",
            ),
            sync_duration: new.histogram("wal_sync_duration_seconds", Unit::Seconds, "How long a sync took."),
            rotations: new.counter("wal_rotations_total", Unit::Count, "Changes to another segment."),
            recycled_segments: new.counter(
                "wal_recycled_segments_total",
                Unit::Count,
                "Segments given back.",
            ),
            opened: Opened::new(&new),
            copied_records: new.counter(
                "wal_copied_records_total",
                Unit::Count,
                "Records that recovery copied.",
            ),
            failed: new.gauge("wal_failed", Unit::Count, "1 once the log has stopped for good."),
            levels: Levels::new(&new),
        }
    }

    /// Sets the levels.
    pub fn observe(&self, stats: &Stats) {
        let levels = &self.levels;
        levels.staged_bytes.set(stats.staged_bytes as f64);
        levels.segments.set(stats.segments as f64);
        levels.retained_bytes.set(stats.retained_bytes as f64);
        levels.pins.set(stats.pins as f64);
    }
}

impl Hooks for MetricsHooks {
    fn on_append(&self, _last: Lsn, records: u64, payload_bytes: u64) {
        self.records.increment(records);
        self.record_bytes.increment(payload_bytes);
    }

    fn on_batch(&self, batch: &BatchReport) {
        self.batches.increment(1);
        self.written_bytes.increment(batch.bytes);
        if batch.records > 0 {
            self.batch_records.record(batch.records as f64);
            self.queue_wait.record(batch.queue_wait);
        }
    }

    fn on_sync(&self, took: Duration) {
        self.sync_duration.record(took);
    }

    fn on_rotate(&self, _index: u64) {
        self.rotations.increment(1);
    }

    fn on_recycle(&self, _index: u64) {
        self.recycled_segments.increment(1);
    }

    fn on_recover(&self, recovery: &RecoveryReport) {
        self.opened.by(recovery.tail).increment(1);
        self.copied_records.increment(recovery.copied_records);
        self.failed.set(0.0);
    }

    fn on_poison(&self, _cause: &Error) {
        self.failed.set(1.0);
    }
}

impl Opened {
    fn new(new: &Named) -> Self {
        describe_counter!("wal_opened_total", Unit::Count, "Times the log was opened.");
        let tail = |tail| counter!("wal_opened_total", "log" => new.log.clone(), "tail" => tail);
        Self { created: tail("created"), closed: tail("closed"), open: tail("open"), torn: tail("torn") }
    }

    fn by(&self, tail: TailState) -> &Counter {
        match tail {
            TailState::Created => &self.created,
            TailState::Closed => &self.closed,
            TailState::Open => &self.open,
            TailState::Torn { .. } => &self.torn,
        }
    }
}

impl Levels {
    fn new(new: &Named) -> Self {
        Self {
            staged_bytes: new.gauge("wal_staged_bytes", Unit::Bytes, "Bytes staged or in flight."),
            segments: new.gauge("wal_segments", Unit::Count, "Segments in use."),
            retained_bytes: new.gauge("wal_retained_bytes", Unit::Bytes, "Bytes filled in segments in use."),
            pins: new.gauge("wal_pins", Unit::Count, "Pins held."),
        }
    }
}

/// Makes metrics that bear the log's name.
struct Named {
    log: String,
}

impl Named {
    fn counter(&self, name: &'static str, unit: Unit, help: &'static str) -> Counter {
        describe_counter!(name, unit, help);
        counter!(name, "log" => self.log.clone())
    }

    fn gauge(&self, name: &'static str, unit: Unit, help: &'static str) -> Gauge {
        describe_gauge!(name, unit, help);
        gauge!(name, "log" => self.log.clone())
    }

    fn histogram(&self, name: &'static str, unit: Unit, help: &'static str) -> Histogram {
        describe_histogram!(name, unit, help);
        histogram!(name, "log" => self.log.clone())
    }
}
