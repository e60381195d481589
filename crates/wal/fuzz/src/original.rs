//! Logs without fault, as the log itself wrote them: what edits start from, and the seeds of the corpus.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use quorate_wal::repair::truncate;
use quorate_wal::testkit::SimIo;
use quorate_wal::{Lsn, Wal};

use super::log::{DIR, open};

/// The files of a log.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

/// One of each kind, by the way it ended.
pub fn originals() -> &'static [Files] {
    static MADE: OnceLock<Vec<Files>> = OnceLock::new();
    MADE.get_or_init(|| {
        [empty, closed, idle, rotated, recycled, torn, recovered, cut].map(|write| written(write)).into()
    })
}

fn written(write: fn(&SimIo)) -> Files {
    let disk = SimIo::new(7);
    write(&disk);
    disk.kill();
    let logs = disk.paths().into_iter().filter(|path| path.extension().is_some());
    logs.filter_map(|path| disk.contents(&path).map(|bytes| (path, bytes))).collect()
}

fn fresh(disk: &SimIo) -> Wal {
    open(disk).expect("an empty disk").0
}

fn append(wal: &Wal, kind: u8, bytes: usize) {
    let payload = vec![kind; bytes];
    wal.append(kind, &[&payload]).and_then(|append| append.wait()).expect("a disk that works");
}

fn empty(disk: &SimIo) {
    fresh(disk);
}

fn closed(disk: &SimIo) {
    let wal = fresh(disk);
    (1..=3).for_each(|kind| append(&wal, kind, 5 * usize::from(kind)));
    let batch: [(u8, &[&[u8]]); 2] = [(4, &[b"both"]), (5, &[b"or none"])];
    wal.append_batch(batch).and_then(|append| append.wait()).expect("a disk that works");
    wal.close().expect("a disk that works");
}

fn idle(disk: &SimIo) {
    let wal = fresh(disk);
    (1..=4).for_each(|kind| append(&wal, kind, 20));
    wal.note_idle();
}

/// Three segments, and one made ready that was never begun.
fn rotated(disk: &SimIo) {
    let wal = fresh(disk);
    (1..=11).for_each(|kind| append(&wal, kind, 900));
}

fn recycled(disk: &SimIo) {
    let wal = fresh(disk);
    (1..=11).for_each(|kind| append(&wal, kind, 900));
    wal.checkpoint(Lsn::new(8));
    (12..=17).for_each(|kind| append(&wal, kind, 900));
}

/// The last frame's second half never came to the disk.
fn torn(disk: &SimIo) {
    let wal = fresh(disk);
    (1..=3).for_each(|kind| append(&wal, kind, 200));
    let path = Path::new(DIR).join("0000000001.seg");
    let mut bytes = disk.contents(&path).expect("the first segment");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("records");
    bytes[end - 100..].fill(0);
    disk.set_contents(path, bytes);
}

/// Opened thrice; what nobody had vouched for was copied each time.
fn recovered(disk: &SimIo) {
    for life in 0..3 {
        let wal = fresh(disk);
        (1..=3).for_each(|kind| append(&wal, 10 * life + kind, 30));
        drop(wal);
        disk.kill();
    }
}

fn cut(disk: &SimIo) {
    rotated(disk);
    disk.kill();
    truncate(disk, Path::new(DIR), Lsn::new(5)).expect("where a frame ends");
}
