//! Appends to the log on a real disk, each writer waiting for its own before the next.

use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use quorate_wal::{Options, StdIo, SyncPolicy, Wal};

use super::samples::MEASURED_FOR;

const PAYLOAD: usize = 256;
const SEGMENT_BYTES: u64 = 8 << 20;

pub(crate) fn benches(criterion: &mut Criterion) {
    let policies = [
        ("always", SyncPolicy::Always),
        ("interval", SyncPolicy::Interval { every: Duration::from_millis(10) }),
        ("os", SyncPolicy::Os),
    ];
    let mut group = criterion.benchmark_group("wal");
    group.measurement_time(MEASURED_FOR).warm_up_time(MEASURED_FOR / 4).sample_size(10);
    group.throughput(Throughput::Elements(1));
    for (name, policy) in policies {
        for writers in [1, 8, 64] {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let options = Options::new(dir.path()).sync(policy).segment_bytes(SEGMENT_BYTES);
            let (wal, _) = Wal::open(&options, StdIo::shared()).expect("an empty folder");
            let name = format!("append/sync={name}/writers={writers}/payload={PAYLOAD}");
            group.bench_function(name, |b| b.iter_custom(|appends| appending(&wal, writers, appends)));
            wal.close().expect("the disk works");
        }
    }
    group.finish();
}

/// How long `appends` appends take, split over `writers`.
fn appending(wal: &Wal, writers: u64, appends: u64) -> Duration {
    let each = appends.div_ceil(writers);
    let before = wal.last_lsn().get();
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| (0..each).for_each(|_| append(wal)));
        }
    });
    let took = begun.elapsed();
    assert_eq!(wal.last_lsn().get() - before, each * writers, "all of them are in the log");
    assert_eq!(wal.committed_lsn(), wal.last_lsn(), "all of them are as safe as the policy says");
    wal.checkpoint(wal.durable_lsn());
    took.mul_f64(appends as f64 / (each * writers) as f64)
}

fn append(wal: &Wal) {
    let lsn = wal.append(1, &[&[7; PAYLOAD]]).and_then(|append| append.wait()).expect("the disk works");
    assert!(wal.committed_lsn() >= lsn, "it was waited for");
}
