//! Who listens hears what happened, and changes nothing by it.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorate_wal::testkit::SimIo;
use quorate_wal::{
    BatchReport, Durability, Error, Hooks, Lsn, Options, RecoveryReport, SyncPolicy, TailState, Wal,
};

use crate::{append, options, shared};

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Heard {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Hooks for Heard {
    fn on_append(&self, last: Lsn, records: u64, payload_bytes: u64) {
        self.note(format!("append {last} {records} {payload_bytes}"));
    }
    fn on_batch(&self, batch: &BatchReport) {
        self.note(format!("batch {} {} {} {}", batch.last_lsn, batch.records, batch.bytes, batch.synced));
    }
    fn on_sync(&self, took: Duration) {
        self.note(format!("sync {took:?}"));
    }
    fn on_rotate(&self, index: u64) {
        self.note(format!("rotate {index}"));
    }
    fn on_recycle(&self, index: u64) {
        self.note(format!("recycle {index}"));
    }
    fn on_recover(&self, recovery: &RecoveryReport) {
        self.note(format!("recover {} {:?}", recovery.last_lsn, recovery.tail));
    }
    fn on_poison(&self, cause: &Error) {
        self.note(format!("poison {}", matches!(cause, Error::Poisoned { .. })));
    }
}

/// The hooks of nobody in particular: every method as the trait has it.
struct Deaf;
impl Hooks for Deaf {}

#[test]
fn each_hook_is_told_what_happened_in_order() {
    let (disk, heard) = (SimIo::new(1), Arc::new(Heard::default()));
    let (wal, _) = Wal::open(&options().hooks(heard.clone()), shared(&disk)).unwrap();
    assert_eq!(heard.take(), [format!("recover 0 {:?}", TailState::Created)]);
    append(&wal, b"seven b");
    assert_eq!(heard.take(), ["append 1 1 7", "sync 80µs", "batch 1 1 48 true"]);
    let batch: [(u8, &[&[u8]]); 2] = [(1, &[b"a", b"b"]), (1, &[b"c"])];
    wal.append_batch(batch).unwrap().wait().unwrap();
    assert_eq!(heard.take()[0], "append 3 2 3");
    assert_eq!(wal.stats().append_bytes, 10);

    while wal.stats().segments < 3 {
        append(&wal, &[1; 300]);
    }
    let rotations: Vec<_> = heard.take().into_iter().filter(|what| what.starts_with("rotate")).collect();
    assert_eq!(rotations, ["rotate 2", "rotate 3"]);
    wal.checkpoint(wal.last_lsn());
    assert_eq!(heard.take(), ["recycle 1", "recycle 2"]);

    disk.fail_sync_after(1);
    assert!(wal.append(1, &[b"x"]).unwrap().wait().is_err());
    assert!(wal.append(1, &[b"x"]).is_err());
    assert_eq!(heard.take()[1..], ["poison true"], "once, and no batch is told that failed");
}

/// A life in which each hook is told something: opened, filled, given back, stopped by a failed sync.
pub fn live(hooks: Arc<dyn Hooks>) {
    let disk = SimIo::new(1);
    let (wal, _) = Wal::open(&options().hooks(hooks), shared(&disk)).unwrap();
    while wal.stats().segments < 3 {
        append(&wal, &[1; 900]);
    }
    wal.checkpoint(wal.last_lsn());
    disk.fail_sync_after(1);
    assert!(wal.append(1, &[b"x"]).unwrap().wait().is_err());
}

#[test]
fn several_listeners_hear_what_one_hears() {
    let alone = Arc::new(Heard::default());
    live(alone.clone());
    let alone = alone.take();
    for what in ["recover", "append", "sync", "batch", "rotate", "recycle", "poison"] {
        assert!(alone.iter().any(|line| line.starts_with(what)), "nothing of {what}");
    }
    let each: [Arc<Heard>; 3] = Default::default();
    let [one, another, third] = each.clone();
    live(Arc::new((one, (another as Arc<dyn Hooks>, third))));
    for heard in each {
        assert_eq!(heard.take(), alone);
    }
}

/// Fails at everything.
struct Panics;

impl Hooks for Panics {
    fn on_rotate(&self, _index: u64) {
        panic!("out of order");
    }
}

#[test]
fn a_panic_of_the_first_listener_does_not_keep_the_second_from_hearing() {
    let heard = Arc::new(Heard::default());
    for both in [&(Panics, heard.clone()) as &dyn Hooks, &(heard.clone(), Panics)] {
        let panic = std::panic::catch_unwind(AssertUnwindSafe(|| both.on_rotate(7))).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"out of order"));
        assert_eq!(heard.take(), ["rotate 7"]);
    }
}

/// Everything a run leaves: files, marks, errors.
fn trace(seed: u64, options: &Options) -> Vec<String> {
    let disk = SimIo::new(seed);
    disk.short_writes(5);
    let (wal, _) = Wal::open(options, shared(&disk)).unwrap();
    let mut trace = Vec::new();
    disk.fail_sync_after(60 + seed);
    for number in 0..200_u64 {
        let outcome = wal.append(1, &[&[7; 90]]).and_then(|append| append.wait());
        trace.push(format!("{:?} {:?}", outcome.map_err(|e| e.to_string()), wal.marks()));
        if number % 40 == 39 {
            wal.checkpoint(Lsn::new(number - 20));
            wal.note_idle();
        }
    }
    trace.push(format!("{:?}", wal.close().map_err(|error| error.to_string())));
    trace.extend(disk.paths().iter().map(|path| format!("{} {:?}", path.display(), disk.contents(path))));
    trace
}

#[test]
fn the_log_is_the_same_with_hooks_and_without() {
    for seed in 0..8 {
        let without = trace(seed, &options());
        assert_eq!(trace(seed, &options().hooks(Arc::new(Deaf))), without, "seed {seed}");
        assert_eq!(trace(seed, &options().hooks(Arc::new(Heard::default()))), without, "seed {seed}");
        assert!(without.iter().any(|line| line.contains("stopped for good")), "seed {seed}");
    }
}

#[test]
fn a_batch_is_as_safe_as_its_strictest_member() {
    let heard = Arc::new(Heard::default());
    let options = options().sync(SyncPolicy::Os).hooks(heard.clone());
    let (wal, _) = Wal::open(&options, shared(&SimIo::new(1))).unwrap();
    let weak = wal.append_with(Durability::Written, 1, &[b"weak"]).unwrap();
    weak.wait().unwrap();
    assert_eq!((wal.marks().written, wal.durable_lsn()), (Lsn::new(1), Lsn::ZERO), "nobody asked for more");
    wal.stage(1, &[b"before"]).unwrap();
    let strict = wal.append_with(Durability::Durable, 1, &[b"strict"]).unwrap();
    let after = wal.append_with(Durability::Written, 1, &[b"after"]).unwrap();
    // The weak one leads; the strict one must not be acknowledged by a write alone.
    after.wait().unwrap();
    assert!(strict.is_done());
    assert_eq!(wal.durable_lsn(), Lsn::new(4), "one batch, one sync, all of it durable");
    assert_eq!(heard.take().iter().filter(|what| what.starts_with("sync")).count(), 1);
}

#[test]
fn an_atomic_batch_is_as_safe_as_it_was_asked_to_be_whatever_the_policy() {
    let records: [(u8, &[&[u8]]); 2] = [(1, &[b"a"]), (1, &[b"b"])];
    let (strong, _) = Wal::open(&options(), shared(&SimIo::new(1))).unwrap();
    strong.append_batch_with(Durability::Written, records).unwrap().wait().unwrap();
    assert_eq!((strong.marks().written, strong.durable_lsn()), (Lsn::new(2), Lsn::ZERO));
    let (weak, _) = Wal::open(&options().sync(SyncPolicy::Os), shared(&SimIo::new(1))).unwrap();
    weak.append_batch(records).unwrap().wait().unwrap();
    assert_eq!(weak.durable_lsn(), Lsn::ZERO);
    weak.append_batch_with(Durability::Durable, records).unwrap().wait().unwrap();
    assert_eq!(weak.durable_lsn(), Lsn::new(4));
    let staged = weak.stager().stage_batch_with(Durability::Durable, records.into_iter()).unwrap();
    weak.commit_to(staged).unwrap();
    assert_eq!(weak.durable_lsn(), staged, "the batch it is in syncs");
}

/// Remembers how long each batch's first record waited.
#[derive(Default)]
struct Waits(Mutex<Vec<(u64, Duration)>>);

impl Hooks for Waits {
    fn on_batch(&self, batch: &BatchReport) {
        self.0.lock().unwrap().push((batch.records, batch.queue_wait));
    }
}

#[test]
fn a_batch_says_how_long_its_first_record_waited() {
    let (disk, waits) = (SimIo::new(1), Arc::new(Waits::default()));
    let (wal, _) = Wal::open(&options().hooks(waits.clone()), shared(&disk)).unwrap();
    wal.stage(1, &[b"first"]).unwrap();
    disk.advance(Duration::from_millis(3));
    let second = wal.append(1, &[b"second"]).unwrap();
    disk.advance(Duration::from_millis(2));
    second.wait().unwrap();
    append(&wal, b"waits for nothing");
    wal.note_idle();
    let told = [(2, Duration::from_millis(5)), (1, Duration::ZERO), (0, Duration::ZERO)];
    assert_eq!(*waits.0.lock().unwrap(), told);
}

#[test]
fn a_group_waits_for_company_for_blocking_waiters_and_futures_alike() {
    let dir = tempfile::tempdir().unwrap();
    let policy = SyncPolicy::Group { max_wait: Duration::from_millis(20) };
    let (wal, _) = Wal::open(
        &Options::new(dir.path()).segment_bytes(1 << 20).sync(policy),
        quorate_wal::StdIo::shared(),
    )
    .unwrap();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let wal = &wal;
            scope.spawn(move || {
                let append = wal.append(1, &[b"x"]).unwrap();
                if n % 2 == 0 { append.wait() } else { crate::block_on(append) }.unwrap();
            });
        }
    });
    assert_eq!(wal.durable_lsn(), Lsn::new(8));
    assert!(wal.stats().syncs < 8, "{} syncs", wal.stats().syncs);
    assert_eq!(wal.stats().flusher_batches, wal.stats().batches, "who waits does not lead");
    // Nobody else comes: the wait is bounded.
    assert_eq!(append(&wal, b"alone"), Lsn::new(9));
    wal.stage(1, &[b"now"]).unwrap();
    wal.sync_to(Lsn::new(10)).unwrap();
    wal.close().unwrap();
}

#[test]
fn a_group_that_has_gathered_enough_waits_no_longer() {
    let disk = SimIo::new(1);
    // A wait that would outlast every patience.
    let policy = SyncPolicy::Group { max_wait: Duration::from_hours(24) };
    let options = options().segment_bytes(1 << 20).staged_bytes_max(600 << 10).sync(policy);
    let (wal, _) = Wal::open(&options, shared(&disk)).unwrap();
    let appends: Vec<_> = (0..4).map(|_| wal.append(1, &[&vec![1; 100 << 10]]).unwrap()).collect();
    assert_eq!(appends[3].wait().unwrap(), Lsn::new(4));
    assert_eq!(wal.durable_lsn(), Lsn::new(4));
}
