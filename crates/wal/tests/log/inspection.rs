//! Looking at a log from outside, while it is in use and when it is damaged.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quorate_wal::inspect::{self, SegmentState};
use quorate_wal::io::{LockGuard, OpenMode};
use quorate_wal::testkit::SimIo;
use quorate_wal::{Error, FrameKind, Io, IoFile, Lsn, TailState};

use crate::{DIR, append, open, segment, shared};

#[test]
fn a_log_in_use_is_listed_verified_and_dumped_without_its_lock() {
    let disk = SimIo::new(1);
    let (wal, _) = open(&disk).unwrap();
    for number in 0..100_u8 {
        append(&wal, &[number; 60]);
    }
    let files = inspect::segments(&disk, DIR.as_ref()).unwrap();
    assert_eq!(files.iter().map(|file| file.index).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(files.iter().all(|file| file.bytes == 4096));
    let SegmentState::Begun(header) = &files[1].state else { panic!("{files:?}") };
    assert_eq!((header.index, header.log_id), (2, wal.log_id()));
    assert_eq!(files[3].state, SegmentState::Prepared);

    let verdict = inspect::verify(&disk, DIR.as_ref()).unwrap().expect("a log");
    assert_eq!((verdict.oldest_lsn, verdict.last_lsn), (Lsn::new(1), Lsn::new(100)));
    assert_eq!((verdict.witnessed_lsn, verdict.tail), (Lsn::new(99), TailState::Open));
    assert_eq!(verdict.segments.iter().map(|segment| segment.records).sum::<u64>(), 100);

    let mut replay = inspect::records(&shared(&disk), DIR.as_ref(), Lsn::new(99)).unwrap().expect("a log");
    assert_eq!(replay.next_record().unwrap().unwrap().payload, [98; 60]);
    assert_eq!(replay.next_record().unwrap().unwrap().lsn, Lsn::new(100));
    assert!(replay.next_record().unwrap().is_none());
    assert_eq!(append(&wal, b"undisturbed"), Lsn::new(101));
}

#[test]
fn frames_show_their_places_kinds_and_records() {
    let disk = SimIo::new(1);
    let (wal, _) = open(&disk).unwrap();
    let batch: [(u8, &[&[u8]]); 2] = [(7, &[b"one"]), (8, &[b"two"])];
    wal.append_batch(batch).unwrap().wait().unwrap();
    wal.close().unwrap();
    let mut frames = inspect::frames(&disk, DIR.as_ref(), 1).unwrap();
    let frame = frames.next_frame().unwrap().unwrap();
    assert_eq!((frame.offset, frame.header.kind, frame.header.count), (128, FrameKind::Records, 2));
    let records: Vec<_> = frame.records().map(|r| (r.lsn.get(), r.kind, r.payload)).collect();
    assert_eq!(records, [(1, 7, &b"one"[..]), (2, 8, b"two")]);
    let close = frames.next_frame().unwrap().unwrap();
    assert_eq!((close.header.kind, close.header.durable_lsn), (FrameKind::Close, Lsn::new(2)));
    assert!(frames.next_frame().unwrap().is_none());
}

#[test]
fn verify_finds_what_opening_would_and_in_old_segments_too() {
    let disk = SimIo::new(1);
    let (wal, _) = open(&disk).unwrap();
    for number in 0..100_u8 {
        append(&wal, &[number; 60]);
    }
    drop(wal);
    disk.kill();
    disk.flip_bit(segment(1), 3000, 0);
    let Err(Error::Corrupt(at)) = inspect::verify(&disk, DIR.as_ref()) else { panic!("went unnoticed") };
    assert_eq!(at.path.to_str(), Some(&segment(1)[..]));
    assert!(at.offset <= 3000 && at.offset + 104 > 3000);
    disk.vanish(segment(2));
    assert!(matches!(inspect::verify(&disk, DIR.as_ref()), Err(Error::Missing { segment: 2, .. })));
}

#[test]
fn where_there_is_no_log_there_is_no_verdict() {
    let disk = SimIo::new(1);
    disk.set_contents("/log/README", b"not a segment".to_vec());
    assert_eq!(inspect::verify(&disk, DIR.as_ref()).unwrap(), None);
    assert!(inspect::segments(&disk, DIR.as_ref()).unwrap().is_empty());
}

/// A disk whose first segment becomes `then` when the directory is listed for the second time.
struct Writing {
    disk: SimIo,
    then: Vec<u8>,
    lists: AtomicUsize,
}

impl Io for Writing {
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        if self.lists.fetch_add(1, Ordering::Relaxed) == 1 {
            self.disk.set_contents(segment(1), self.then.clone());
        }
        self.disk.list(dir)
    }
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn IoFile>> {
        self.disk.open(path, mode)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir(dir)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn LockGuard>> {
        self.disk.lock(path)
    }
    fn fill_random(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.disk.fill_random(bytes)
    }
    fn monotonic(&self) -> Duration {
        self.disk.monotonic()
    }
    fn unix_ms(&self) -> u64 {
        self.disk.unix_ms()
    }
}

#[test]
fn a_frame_that_is_being_written_is_no_torn_tail_and_one_that_stays_cut_short_is() {
    let disk = SimIo::new(1);
    let (wal, _) = open(&disk).unwrap();
    append(&wal, &[1; 60]);
    append(&wal, &[2; 600]);
    let whole = disk.contents(segment(1)).unwrap();
    let mut cut = whole.clone();
    let end = cut.iter().rposition(|byte| *byte != 0).expect("two frames");
    cut[end - 400..].fill(0);
    drop(wal);
    disk.kill();
    let tail = |then: &[u8]| {
        disk.set_contents(segment(1), cut.clone());
        let writing = Writing { disk: disk.clone(), then: then.to_vec(), lists: AtomicUsize::new(0) };
        inspect::verify(&writing, DIR.as_ref()).unwrap().expect("a log").tail
    };
    assert_eq!(tail(&whole), TailState::Open);
    assert!(matches!(tail(&cut), TailState::Torn { .. }));
}
