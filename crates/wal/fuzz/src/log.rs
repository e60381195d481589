//! The log under test: how it is opened, what it delivers, what must hold of that.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_wal::inspect::{self, Verdict};
use quorate_wal::testkit::SimIo;
use quorate_wal::{Chores, Error, Lsn, Options, Record, Recovery, SEGMENT_HEADER_BYTES, Wal};

pub const DIR: &str = "/log";

/// The smallest segments, and no threads.
fn options() -> Options {
    Options::new(DIR).segment_bytes(4096).staged_bytes_max(64 << 10).chores(Chores::Inline)
}

pub fn open(disk: &SimIo) -> Result<(Wal, Recovery), Error> {
    Wal::open(&options(), Arc::new(disk.clone()))
}

/// The segments whose names have ten digits, and what is in them; by index, that is.
pub fn segments(disk: &SimIo) -> BTreeMap<PathBuf, Vec<u8>> {
    let is_segment = |path: &PathBuf| {
        path.extension().is_some_and(|is| is == "seg")
            && path.file_stem().is_some_and(|name| name.len() == 10)
    };
    let segments = disk.paths().into_iter().filter(is_segment);
    segments.filter_map(|path| disk.contents(&path).map(|bytes| (path, bytes))).collect()
}

/// LSN, kind and payload.
pub type Owned = (u64, u8, Vec<u8>);

pub fn owned(record: Result<Option<Record<'_>>, Error>) -> Result<Option<Owned>, Error> {
    Ok(record?.map(|record| (record.lsn.get(), record.kind, record.payload.to_vec())))
}

/// Records, in the order in which they came, and why no more came.
#[derive(Debug, Default)]
pub struct Delivered {
    records: Vec<Owned>,
    error: Option<Error>,
}

impl PartialEq for Delivered {
    fn eq(&self, other: &Self) -> bool {
        let said = |delivered: &Self| delivered.error.as_ref().map(ToString::to_string);
        self.records == other.records && said(self) == said(other)
    }
}

impl Delivered {
    /// Everything that `next` has to give.
    pub fn all<R>(mut reader: R, mut next: impl FnMut(&mut R) -> Result<Option<Owned>, Error>) -> Self {
        let mut all = Self::default();
        loop {
            match next(&mut reader) {
                Ok(Some(record)) => all.take(record),
                Ok(None) => return all,
                Err(error) => return Self { error: Some(error), ..all },
            }
        }
    }

    pub fn from(recovery: &Recovery) -> Self {
        let replay = recovery.replay(recovery.oldest_lsn()).expect("from the oldest on");
        Self::all(replay, |replay| owned(replay.next_record()))
    }

    pub fn push(&mut self, record: &Record<'_>) {
        self.take((record.lsn.get(), record.kind, record.payload.to_vec()));
    }

    fn take(&mut self, record: Owned) {
        let last = self.records.last().map_or(0, |(lsn, ..)| *lsn);
        assert!(record.0 > last, "{} after {last}", record.0);
        self.records.push(record);
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    pub fn is_prefix_of_or_equal(&self, longer: &Self) -> bool {
        longer.records.starts_with(&self.records)
    }

    /// All of `before` is still there, then what was appended; or it stops where it stopped.
    pub fn assert_continues(&self, before: &Self, appended: &[Owned]) {
        let rest = self.records.strip_prefix(&before.records[..]).expect("what was delivered once");
        match &before.error {
            Some(_) => assert!(self.error.is_some() && rest.is_empty(), "rot does not go away"),
            None => assert_eq!((rest, self.error.is_none()), (appended, true)),
        }
    }

    pub fn assert_within(&self, larger: &Self) {
        let missing = self.records.iter().find(|record| !larger.records.contains(record));
        assert!(missing.is_none(), "{missing:?} is intact, and not salvaged");
    }
}

/// What checking found beforehand is what opening and replaying met.
pub fn assert_agrees(verdict: Result<Option<Verdict>, Error>, recovery: &Recovery, delivered: &Delivered) {
    match verdict {
        Ok(Some(verdict)) => {
            assert!(delivered.error.is_none(), "verified, but {:?}", delivered.error);
            assert_eq!((verdict.last_lsn, verdict.tail), (recovery.last_lsn(), recovery.tail()));
            let records: u64 = verdict.segments.iter().map(|segment| segment.records).sum();
            assert_eq!(records, delivered.records.len() as u64);
        }
        Ok(None) => assert_eq!(recovery.last_lsn(), Lsn::ZERO, "there was no log"),
        Err(fault) => assert!(delivered.error.is_some(), "{fault}, but all was delivered"),
    }
}

/// No segment in which a record was begun was changed by opening `before`, which came to `after`: none older than the one
/// that opening began; and of the one in whose place that came, if there was one, nothing but the header, marks, and what
/// lies behind byte 4,096.
pub fn assert_untouched(before: &SimIo, after: &SimIo) {
    let (before_segments, after) = (segments(before), segments(after));
    let newest = after.keys().next_back().expect("the one that opening began");
    for (path, bytes) in &before_segments {
        if path < newest {
            assert!(after.get(path) == Some(bytes), "{} was changed", path.display());
        } else {
            assert!(
                is_unused(before, path, bytes),
                "{} was replaced, and a record was begun in it",
                path.display()
            );
        }
    }
}

/// Whether nothing shows that a record was ever begun in this segment.
fn is_unused(disk: &SimIo, path: &Path, bytes: &[u8]) -> bool {
    let index =
        path.file_stem().and_then(|stem| stem.to_string_lossy().parse().ok()).expect("a segment's name");
    let mut end = SEGMENT_HEADER_BYTES;
    if let Ok(mut frames) = inspect::frames(disk, Path::new(DIR), index) {
        while let Ok(Some(frame)) = frames.next_frame() {
            if frame.header.count > 0 {
                return false;
            }
        }
        end = frames.offset() as usize;
    }
    bytes[end.min(bytes.len())..bytes.len().min(4096)].iter().all(|byte| *byte == 0)
}

/// Appends a few records after `last`; one does not fit the segment with the others.
pub fn append_some(wal: &Wal, last: Lsn) -> Vec<Owned> {
    let payloads = [vec![1; 8], vec![2; 1800], vec![3; 1800], vec![]];
    (last.get() + 1..)
        .zip(payloads)
        .map(|(lsn, payload)| {
            let told = wal.append(9, &[&payload]).and_then(|append| append.wait());
            assert_eq!(told.expect("a disk that works").get(), lsn);
            (lsn, 9, payload)
        })
        .collect()
}

/// Everything that reads a log without opening it.
pub fn look_at_everything(disk: &SimIo) {
    let dir = Path::new(DIR);
    drop(inspect::verify(disk, dir));
    for file in inspect::segments(disk, dir).unwrap_or_default() {
        let Ok(mut frames) = inspect::frames(disk, dir, file.index) else { continue };
        let mut end = 0;
        while let Ok(Some(frame)) = frames.next_frame() {
            assert!(frame.offset > end, "frames in order");
            end = frame.offset;
            assert!(frame.records().count() <= frame.header.count as usize);
        }
    }
}
