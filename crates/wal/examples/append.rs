//! Durable appends per second, for several ways to ask: `cargo run --release -p quorate-wal --example append [DIR]`.
//!
//! Bare `pwrite` + `fdatasync` into a zero-filled file is the yardstick, measured in the same run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use quorate_wal::io::OpenMode;
use quorate_wal::{Io, Lead, Lsn, Options, StdIo, SyncPolicy, Wal};

const RECORD: [u8; 130] = [7; 130];
const RUN: Duration = Duration::from_millis(1500);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args()
        .nth(1)
        .map_or_else(|| std::env::temp_dir().join("quorate-wal-append"), PathBuf::from);
    StdIo.ensure_dir(&dir)?;
    println!("records of {} B; 1.5 s per row", RECORD.len());
    for _ in 0..3 {
        println!("{:44} {:>12.0}/s", "bare pwrite + fdatasync, 1 writer", bare(&dir)?);
        println!("{:44} {:>12.0}/s", "wait(): the caller leads, 1 writer", leader(&dir, 1)?);
        println!("{:44} {:>12.0}/s", "try_lead, 1 shard, batches of 1", inline_batches(&dir, 1)?);
    }
    for writers in [1, 8, 64] {
        println!(
            "{:44} {:>12.0}/s",
            format!("wait(): the caller leads, {writers} writers"),
            leader(&dir, writers)?
        );
        println!("{:44} {:>12.0}/s", format!("flusher thread, {writers} writers"), flusher(&dir, writers)?);
    }
    for batch in [16, 512, 2048] {
        let rate = inline_batches(&dir, batch)?;
        println!("{:44} {rate:>12.0}/s", format!("try_lead, 1 shard, batches of {batch}"));
    }
    println!("{:44} {:>12.0}/s", "try_lead, 2 shards, batches of 512", two_shards(&dir, 512)?);
    let (rate, synced) = staged(&dir)?;
    println!("{:44} {rate:>12.0}/s", "stage only, 1 thread (frames pooled)");
    println!("{:44} {synced:>12.0}/s", "stage + write every 1,000, policy os");
    println!("{:44} {:>12.0}/s", "replay", replay(&dir)?);
    for file in StdIo.list(&dir)? {
        drop(StdIo.remove(&dir.join(file)));
    }
    Ok(())
}

fn fresh(dir: &Path, policy: SyncPolicy) -> Result<Wal, quorate_wal::Error> {
    for file in StdIo.list(dir).unwrap_or_default() {
        drop(StdIo.remove(&dir.join(file)));
    }
    Ok(Wal::open(&Options::new(dir).sync(policy), StdIo::shared())?.0)
}

fn since(begun: Duration) -> Duration {
    StdIo.monotonic().saturating_sub(begun)
}

fn per_second(count: u64, begun: Duration) -> f64 {
    count as f64 / since(begun).as_secs_f64()
}

fn bare(dir: &Path) -> std::io::Result<f64> {
    let file = StdIo.open(&dir.join("bare"), OpenMode::Create)?;
    let zeros = vec![0; 1 << 20];
    for piece in 0..64 {
        file.write_all_at(&zeros, piece << 20)?;
    }
    file.sync_data()?;
    let (begun, mut count) = (StdIo.monotonic(), 0);
    while since(begun) < RUN {
        file.write_all_at(&RECORD, count * 168)?;
        file.sync_data()?;
        count += 1;
    }
    let rate = per_second(count, begun);
    StdIo.remove(&dir.join("bare"))?;
    Ok(rate)
}

fn threads(writers: usize, body: impl Fn(&AtomicBool) -> u64 + Send + Sync) -> f64 {
    let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let begun = StdIo.monotonic();
    thread::scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| count.fetch_add(body(&stop), Ordering::Relaxed));
        }
        thread::park_timeout(RUN);
        stop.store(true, Ordering::Relaxed);
    });
    per_second(count.into_inner(), begun)
}

fn leader(dir: &Path, writers: usize) -> Result<f64, quorate_wal::Error> {
    let wal = fresh(dir, SyncPolicy::Always)?;
    Ok(threads(writers, |stop| {
        let mut count = 0;
        while !stop.load(Ordering::Relaxed) {
            wal.append(1, &[&RECORD]).and_then(|append| append.wait()).expect("the disk works");
            count += 1;
        }
        count
    }))
}

/// Each writer stages, asks the flusher, and parks until the callback says so.
fn flusher(dir: &Path, writers: usize) -> Result<f64, quorate_wal::Error> {
    let wal = fresh(dir, SyncPolicy::Always)?;
    let parked = Arc::new(std::sync::Mutex::new(Vec::<(Lsn, thread::Thread)>::new()));
    let waiting = Arc::clone(&parked);
    wal.on_durable(Arc::new(move |durable| {
        waiting.lock().expect("no panic").retain(|(lsn, thread)| {
            let done = *lsn <= durable;
            if done {
                thread.unpark();
            }
            !done
        });
    }));
    Ok(threads(writers, |stop| {
        let mut count = 0;
        while !stop.load(Ordering::Relaxed) {
            let lsn = wal.stage(1, &[&RECORD]).expect("the disk works");
            parked.lock().expect("no panic").push((lsn, thread::current()));
            wal.request_sync();
            while wal.durable_lsn() < lsn {
                thread::park_timeout(Duration::from_millis(10));
            }
            count += 1;
        }
        count
    }))
}

fn inline_batches(dir: &Path, batch: u64) -> Result<f64, quorate_wal::Error> {
    let wal = fresh(dir, SyncPolicy::Always)?;
    let (begun, mut count) = (StdIo.monotonic(), 0);
    while since(begun) < RUN {
        let mut last = Lsn::ZERO;
        for _ in 0..batch {
            last = wal.stage(1, &[&RECORD])?;
        }
        if wal.try_lead()? == Lead::HandedOver {
            wal.sync_to(last)?;
        }
        wal.checkpoint(last);
        count += batch;
    }
    Ok(per_second(count, begun))
}

fn two_shards(dir: &Path, batch: u64) -> Result<f64, quorate_wal::Error> {
    let wal = fresh(dir, SyncPolicy::Always)?;
    Ok(threads(2, |stop| {
        let mut count = 0;
        while !stop.load(Ordering::Relaxed) {
            let mut last = Lsn::ZERO;
            for _ in 0..batch {
                last = wal.stage(1, &[&RECORD]).expect("the disk works");
            }
            if wal.try_lead().expect("the disk works") == Lead::HandedOver {
                wal.sync_to(last).expect("the disk works");
            }
            wal.checkpoint(last);
            count += batch;
        }
        count
    }))
}

fn staged(dir: &Path) -> Result<(f64, f64), quorate_wal::Error> {
    let wal = fresh(dir, SyncPolicy::Os)?;
    let (mut inside, mut count) = (Duration::ZERO, 0_u64);
    let begun = StdIo.monotonic();
    while since(begun) < RUN {
        let from = StdIo.monotonic();
        for _ in 0..1000 {
            wal.stage(1, &[&RECORD])?;
        }
        inside += since(from);
        count += 1000;
        if wal.try_lead()? == Lead::HandedOver {
            wal.commit_to(wal.last_lsn())?;
        }
        wal.checkpoint(wal.durable_lsn());
    }
    Ok((count as f64 / inside.as_secs_f64(), per_second(count, begun)))
}

fn replay(dir: &Path) -> Result<f64, quorate_wal::Error> {
    let wal = fresh(dir, SyncPolicy::Os)?;
    for _ in 0..2_000_000 / 1000 {
        for _ in 0..1000 {
            wal.stage(1, &[&RECORD])?;
        }
        wal.commit_to(wal.last_lsn())?;
    }
    wal.close()?;
    drop(wal);
    let (_, recovery) = Wal::open(&Options::new(dir), StdIo::shared())?;
    let begun = StdIo.monotonic();
    let (mut count, mut bytes) = (0, 0);
    recovery.replay(Lsn::ZERO)?.for_each::<quorate_wal::Error>(|record| {
        count += 1;
        bytes += record.payload.len();
        Ok(())
    })?;
    assert_eq!(bytes as u64, count * RECORD.len() as u64);
    Ok(per_second(count, begun))
}
