//! Whole writes: a client's frame in, three replicas in one thread, the answer's frame out.
//!
//! All nodes' work is in the figure: what one node of a cluster of three does for a write is about a third of it.

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use quorate_wal::{Options, StdIo, Wal};

use super::cluster::{Cluster, Log};
use super::samples::MEASURED_FOR;

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("quorum_write");
    group.measurement_time(MEASURED_FOR).warm_up_time(MEASURED_FOR / 4).sample_size(20);
    for in_flight in [1, 16, 512] {
        measure(&mut group, "instant", in_flight, [Log::Instant, Log::Instant, Log::Instant]);
    }
    for in_flight in [1, 16, 512] {
        let dirs = [(); 3].map(|()| tempfile::tempdir().expect("a temporary folder"));
        let logs = dirs.each_ref().map(|dir| {
            let options = Options::new(dir.path()).segment_bytes(8 << 20);
            Log::Disk(Wal::open(&options, StdIo::shared()).expect("an empty folder").0)
        });
        measure(&mut group, "always", in_flight, logs);
    }
    group.finish();
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, log: &str, in_flight: usize, logs: [Log; 3]) {
    group.throughput(Throughput::Elements(in_flight as u64));
    let mut cluster = Cluster::new(logs);
    group.bench_function(format!("n=3/level=QUORUM/log={log}/in_flight={in_flight}/value=100"), |b| {
        b.iter(|| assert_eq!(cluster.write(in_flight), in_flight, "every write is acknowledged by a quorum"));
    });
    cluster.assert_converged();
}
