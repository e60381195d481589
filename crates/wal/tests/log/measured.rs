//! The metrics say what the log did.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metrics_util::MetricKind;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use quorate_wal::testkit::SimIo;
use quorate_wal::{Lsn, MetricsHooks, TailState, Wal};

use crate::{append, hooks, options, shared};

/// Hooks of the log "orders", and what they measured.
fn measured() -> (Arc<MetricsHooks>, Snapshotter) {
    let recorder = DebuggingRecorder::new();
    let hooks = metrics::with_local_recorder(&recorder, || MetricsHooks::new("orders"));
    (Arc::new(hooks), recorder.snapshotter())
}

/// What moved since it was asked last, by name and labels.
fn moved(snapshotter: &Snapshotter) -> BTreeMap<String, DebugValue> {
    let of_one = |(key, _, _, value): (metrics_util::CompositeKey, _, _, _)| {
        let labels: Vec<_> =
            key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        (format!("{} {}", key.key().name(), labels.join(" ")), value)
    };
    let all = snapshotter.snapshot().into_vec().into_iter().map(of_one);
    all.filter(|(_, value)| !is_still(value)).collect()
}

fn is_still(value: &DebugValue) -> bool {
    match value {
        DebugValue::Counter(count) => *count == 0,
        DebugValue::Gauge(level) => level.0 == 0.0,
        DebugValue::Histogram(samples) => samples.is_empty(),
    }
}

fn counts<const N: usize>(of: [(&str, u64); N]) -> BTreeMap<String, DebugValue> {
    let named = |(name, count): (&str, u64)| (format!("{name} log=orders"), DebugValue::Counter(count));
    of.into_iter().map(named).collect()
}

fn samples(of: &[f64]) -> DebugValue {
    DebugValue::Histogram(of.iter().map(|sample| (*sample).into()).collect())
}

#[test]
fn appends_batches_and_syncs_are_measured() {
    let (disk, (hooks, snapshotter)) = (SimIo::new(1), measured());
    let (wal, _) = Wal::open(&options().hooks(hooks), shared(&disk)).unwrap();
    let mut opened = counts([]);
    opened.insert("wal_opened_total log=orders tail=created".to_owned(), DebugValue::Counter(1));
    assert_eq!(moved(&snapshotter), opened);

    wal.stage(1, &[b"seven b"]).unwrap();
    assert_eq!(
        moved(&snapshotter),
        counts([("wal_records_total", 1), ("wal_record_bytes_total", 7)]),
        "before anything is written"
    );
    disk.advance(Duration::from_millis(3));
    let two: [(u8, &[&[u8]]); 2] = [(1, &[b"a", b"b"]), (1, &[b"c"])];
    wal.append_batch(two).unwrap().wait().unwrap();
    append(&wal, b"in no haste");
    wal.note_idle();
    let stats = wal.stats();
    let mut expected = counts([
        ("wal_records_total", 3),
        ("wal_record_bytes_total", 14),
        ("wal_batches_total", 3),
        ("wal_written_bytes_total", stats.batch_bytes),
    ]);
    // The mark of an idle log has no record and no sync.
    for (name, of) in [
        ("wal_batch_records", samples(&[3.0, 1.0])),
        ("wal_queue_wait_seconds", samples(&[0.003, 0.0])),
        ("wal_sync_duration_seconds", samples(&[0.000_08, 0.000_08])),
    ] {
        expected.insert(format!("{name} log=orders"), of);
    }
    assert_eq!((stats.batches, stats.syncs, stats.sync_time_max), (3, 2, Duration::from_micros(80)));
    assert_eq!(moved(&snapshotter), expected);
}

#[test]
fn rotations_recycled_segments_and_the_end_are_measured() {
    let (hooks, snapshotter) = measured();
    hooks::live(hooks);
    let moved = moved(&snapshotter);
    let told = |name: &str| moved.get(&format!("{name} log=orders"));
    assert_eq!(told("wal_rotations_total"), Some(&DebugValue::Counter(2)));
    assert_eq!(told("wal_recycled_segments_total"), Some(&DebugValue::Counter(2)));
    assert_eq!(told("wal_failed"), Some(&DebugValue::Gauge(1.0.into())));
}

#[test]
fn each_opening_is_counted_by_how_the_log_had_ended() {
    let (disk, (hooks, snapshotter)) = (SimIo::new(1), measured());
    let open = || Wal::open(&options().hooks(hooks.clone()), shared(&disk)).unwrap();
    let opened = |tail: &str| {
        let mut moved = moved(&snapshotter);
        moved.retain(|name, _| name.starts_with("wal_opened") || name.starts_with("wal_copied"));
        assert_eq!(
            moved.remove(&format!("wal_opened_total log=orders tail={tail}")),
            Some(DebugValue::Counter(1)),
            "{tail}"
        );
        moved
    };
    let (wal, _) = open();
    append(&wal, b"one");
    wal.close().unwrap();
    assert_eq!(opened("created"), counts([]));
    let (wal, _) = open();
    append(&wal, b"two");
    drop(wal);
    assert_eq!(opened("closed"), counts([]));
    let (wal, recovery) = open();
    assert_eq!(recovery.copied_records(), 1);
    append(&wal, b"three");
    drop(wal);
    assert_eq!(opened("open"), counts([("wal_copied_records_total", 1)]));
    let newest = disk.paths().into_iter().rfind(|path| path.extension() == Some("seg".as_ref())).unwrap();
    let end = disk.contents(&newest).unwrap().iter().rposition(|byte| *byte != 0).unwrap();
    disk.flip_bit(&newest, end as u64, 0);
    let (_wal, recovery) = open();
    assert!(matches!(recovery.tail(), TailState::Torn { .. }), "{:?}", recovery.tail());
    opened("torn");
}

#[test]
fn a_log_that_was_opened_again_has_not_failed() {
    let (hooks, snapshotter) = measured();
    hooks::live(hooks.clone());
    let _opened = Wal::open(&options().hooks(hooks), shared(&SimIo::new(1))).unwrap();
    assert!(!moved(&snapshotter).contains_key("wal_failed log=orders"));
}

#[test]
fn levels_are_those_of_the_stats_observed() {
    let (disk, (hooks, snapshotter)) = (SimIo::new(1), measured());
    let (wal, _) = Wal::open(&options().hooks(hooks.clone()), shared(&disk)).unwrap();
    while wal.stats().segments < 2 {
        append(&wal, &[1; 300]);
    }
    let _pins = [wal.retain("a", Lsn::new(1)).unwrap(), wal.retain("b", Lsn::new(2)).unwrap()];
    wal.stage(1, &[b"staged"]).unwrap();
    let stats = wal.stats();
    moved(&snapshotter);
    hooks.observe(&stats);
    let levels = [
        ("wal_staged_bytes", stats.staged_bytes),
        ("wal_segments", 2),
        ("wal_retained_bytes", stats.retained_bytes),
        ("wal_pins", 2),
    ];
    let gauge =
        |(name, level): (&str, u64)| (format!("{name} log=orders"), DebugValue::Gauge((level as f64).into()));
    assert_eq!(moved(&snapshotter), levels.into_iter().map(gauge).collect());
    assert!(stats.staged_bytes > 0 && stats.retained_bytes > 4096);
}

#[test]
fn the_documented_table_has_each_metric_with_its_type_and_unit_and_the_readme_has_the_table() {
    let text = include_str!("../../src/hooks/to_metrics.md");
    let (table, _) = text.split_once("\n\n").unwrap();
    assert!(include_str!("../../README.md").contains(table), "the README's table is another");
    let (_hooks, snapshotter) = measured();
    let mut rows: Vec<_> = table.lines().skip(2).collect();
    for (key, unit, help, _) in snapshotter.snapshot().into_vec() {
        let (name, kind) = (key.key().name(), kind(key.kind()));
        let row = format!("| `{name}` | {kind} | {} |", unit.unwrap().as_str());
        rows.retain(|line| !line.starts_with(&row));
        assert!(table.contains(&row), "{row}");
        assert!(help.is_some(), "{name}");
    }
    assert_eq!(rows, [""; 0], "documented, and not there");
}

fn kind(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    }
}
