//! The log's core: no thread, no wait, no call to the disk.
//!
//! ```text
//!   stage ──▶ [staged] ──take_batch──▶ [in flight] ──completed──▶ [written] ─sync─▶ [durable]
//!                                                        └─ error ──▶ poisoned, for good
//! ```
//!
//! Invariants:
//! - one batch in flight at most; so is one chore;
//! - `durable <= written <= staged`; none of them ever falls;
//! - a batch syncs if any record in it, or before it and still un-synced, asked for it: the strictest member wins;
//! - after a failed write or sync nothing is staged, taken or acknowledged any more.
//!
//! The blocking [`Wal`](crate::Wal) is a shell over it; a simulator drives it by itself.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::batch::{Batch, Placed, PlacedBare, Rotation};
use crate::chore::Prepared;
use crate::frame::{BareKind, Binding, RECORD_HEADER_BYTES, SEAL_BYTES};
use crate::hold::Holds;
use crate::io::{Io, IoFile, LockGuard};
use crate::mutants::{Mutant, planted};
use crate::options::{Durability, Limits, Options, RecoveryMode};
use crate::recovery::{Recovery, lock_log, recover};
use crate::repair::truncate_locked;
use crate::segment::{Begun, Predecessor, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::staging::Staging;
use crate::{Error, LogId, Lsn};

mod chores;
mod pins;

pub use pins::PinStats;

/// How far the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Marks {
    /// The last record taken.
    pub staged: Lsn,
    /// Up to here the operating system has everything.
    pub written: Lsn,
    /// Up to here the disk has everything.
    pub durable: Lsn,
}

impl Marks {
    /// Up to where everything is as safe as `durability` says.
    pub fn at(&self, durability: Durability) -> Lsn {
        match durability {
            Durability::Written => self.written,
            Durability::Durable => self.durable,
        }
    }
}

/// What there is to do for the disk.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one per write to the disk: not worth an allocation")]
pub enum Take {
    /// This.
    Batch(Batch),
    /// Nothing: all that was asked for is as safe as it was asked to be.
    Nothing,
    /// A batch is in flight: first its `completed`.
    Busy,
    /// The segment is full and the next is not ready: first a chore.
    NeedsSegment,
}

/// The segment being written.
pub(crate) struct Active {
    pub(crate) header: SegmentHeader,
    pub(crate) file: Arc<dyn IoFile>,
    /// Where the next frame goes.
    pub(crate) offset: u64,
    /// Checksum of the last frame.
    pub(crate) chain_crc: u32,
}

/// A segment behind the active one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) index: u64,
    pub(crate) first_lsn: Lsn,
    pub(crate) last_lsn: Lsn,
    pub(crate) bytes: u64,
}

/// Where a record lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) index: u64,
    pub(crate) first_lsn: Lsn,
    /// The last record of that segment that counts; of the active one it is not known yet.
    pub(crate) last_lsn: Option<Lsn>,
}

/// What recovery found, to go on from.
pub(crate) struct Resume {
    pub(crate) dir: PathBuf,
    pub(crate) active: Active,
    pub(crate) kept: VecDeque<Kept>,
    pub(crate) free: Vec<u64>,
    pub(crate) last_lsn: Lsn,
}

enum Next {
    Unready,
    Ready(Prepared),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum InFlight {
    None,
    Batch,
    Rotation,
}

/// The log without its disk.
pub struct Machine {
    dir: PathBuf,
    limits: Limits,
    staging: Staging,
    active: Active,
    next: Next,
    kept: VecDeque<Kept>,
    free: Vec<u64>,
    holds: Holds,
    marks: Marks,
    /// Somebody asked that everything up to here be durable.
    demand: Lsn,
    /// Everything up to here is safe elsewhere.
    cut: Lsn,
    pins: BTreeMap<u64, PinStats>,
    pins_made: u64,
    in_flight: InFlight,
    chore_in_flight: bool,
    prepare_failed: Option<io::Error>,
    stopped: Option<Error>,
}

/// A log just opened, without a shell.
#[non_exhaustive]
pub struct Opened {
    /// To go on with.
    pub machine: Machine,
    /// What was there.
    pub recovery: Recovery,
    /// Keeps everybody else out until dropped.
    pub lock: Box<dyn LockGuard>,
}

impl Machine {
    /// Opens a log as [`Wal::open`](crate::Wal::open) does, for a caller that carries out batches and chores itself.
    ///
    /// # Errors
    /// As there.
    pub fn open(options: &Options, io: &Arc<dyn Io>) -> Result<Opened, Error> {
        let limits = options.check()?;
        let dir = &options.dir;
        io.ensure_dir(dir).map_err(Error::io("make, or sync the directory above,", dir))?;
        let lock = lock_log(&**io, dir)?;
        if let RecoveryMode::TruncateAt(last) = options.recovery {
            options.check_reach(last)?;
            truncate_locked(&**io, dir, last)?;
        }
        let (resume, mut recovery) = recover(io, options)?;
        let (holds, lock) = Holds::under(lock);
        recovery.hold_by(&holds);
        Ok(Opened { machine: Self::new(limits, (resume, holds)), recovery, lock })
    }

    fn new(limits: Limits, (resume, holds): (Resume, Holds)) -> Self {
        let last = resume.last_lsn;
        Self {
            dir: resume.dir,
            limits,
            staging: Staging::new(last.next(), limits.frame_bytes_target),
            active: resume.active,
            next: Next::Unready,
            kept: resume.kept,
            free: resume.free,
            holds,
            marks: Marks { staged: last, written: last, durable: last },
            demand: last,
            cut: Lsn::ZERO,
            pins: BTreeMap::new(),
            pins_made: 0,
            in_flight: InFlight::None,
            chore_in_flight: false,
            prepare_failed: None,
            stopped: None,
        }
    }

    /// How far the log is.
    pub fn marks(&self) -> Marks {
        Marks { staged: self.staging.last_lsn(), ..self.marks }
    }

    /// Which log this is.
    pub fn log_id(&self) -> LogId {
        self.active.header.log_id
    }

    /// The oldest record that is still there; one more than the last if there is none.
    pub fn oldest_lsn(&self) -> Lsn {
        self.kept.front().map_or(self.active.header.first_lsn, |kept| kept.first_lsn)
    }

    /// The segment that holds record `lsn`, which must be written or come next.
    pub(crate) fn place_of(&self, lsn: Lsn) -> Result<Place, Error> {
        if lsn < self.oldest_lsn() {
            return Err(Error::Recycled { from: lsn, oldest: self.oldest_lsn() });
        }
        let kept = self.kept.get(self.kept.partition_point(|kept| kept.last_lsn < lsn));
        let active = &self.active.header;
        Ok(kept.map_or(Place { index: active.index, first_lsn: active.first_lsn, last_lsn: None }, |kept| {
            Place { index: kept.index, first_lsn: kept.first_lsn, last_lsn: Some(kept.last_lsn) }
        }))
    }

    /// Bytes of the segments in use, as far as they are filled.
    pub fn retained_bytes(&self) -> u64 {
        self.kept.iter().map(|kept| kept.bytes).sum::<u64>() + self.active.offset
    }

    /// Segments in use, the active one included.
    pub fn segments(&self) -> usize {
        self.kept.len() + 1
    }

    /// Bytes staged or in flight.
    pub fn staged_bytes(&self) -> u64 {
        self.staging.bytes()
    }

    /// Why nothing is taken any more, if so.
    pub fn stopped(&self) -> Option<&Error> {
        self.stopped.as_ref()
    }

    /// Takes a record, whose bytes are `parts` one after the other. Copies once, allocates nothing once warm.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Full`], [`Error::Poisoned`], [`Error::Closed`]: the record was not taken.
    #[inline]
    pub fn stage(&mut self, kind: u8, parts: &[&[u8]], durability: Durability) -> Result<Lsn, Error> {
        let payload_bytes = parts.iter().map(|part| part.len()).sum::<usize>();
        self.admit(payload_bytes + RECORD_HEADER_BYTES)?;
        self.staging.reserve(payload_bytes + RECORD_HEADER_BYTES);
        let lsn = self.staging.push(kind, parts, payload_bytes);
        if durability == Durability::Durable {
            self.demand = lsn;
        } else if planted(Mutant::WeakestMember) {
            self.demand = self.marks.durable;
        }
        Ok(lsn)
    }

    /// Takes records that will all be there after a crash, or none; returns the LSN of the last.
    ///
    /// # Errors
    /// As [`Machine::stage`], and [`Error::EmptyBatch`]: none of them was taken.
    pub fn stage_batch<'a, I>(&mut self, records: I, durability: Durability) -> Result<Lsn, Error>
    where
        I: Iterator<Item = (u8, &'a [&'a [u8]])> + Clone,
    {
        let bytes = |parts: &[&[u8]]| parts.iter().map(|part| part.len()).sum::<usize>();
        let total = records.clone().map(|(_, parts)| bytes(parts) + RECORD_HEADER_BYTES).sum::<usize>();
        self.admit(total)?;
        let mut mark = self.staging.reserve(total);
        let mut last = None;
        for (kind, parts) in records {
            let payload_bytes = bytes(parts);
            if self.staging.bytes_since(&mark) + payload_bytes + RECORD_HEADER_BYTES > total
                || self.staging.count_since(&mark) >= crate::frame::COUNT_MAX / 2
            {
                self.staging.undo(&mark);
                return Err(Error::TooLarge { bytes: total as u64, bytes_max: self.limits.record_bytes_max });
            }
            if planted(Mutant::BatchInSeveralFrames) && last.is_some() {
                mark = self.staging.split();
            }
            last = Some(self.staging.push(kind, parts, payload_bytes));
        }
        let lsn = last.ok_or(Error::EmptyBatch)?;
        if durability == Durability::Durable {
            self.demand = lsn;
        }
        Ok(lsn)
    }

    #[inline]
    fn admit(&self, bytes: usize) -> Result<(), Error> {
        let (bytes, staged) = (bytes as u64, self.staging.bytes());
        if self.stopped.is_none()
            && bytes <= self.limits.record_bytes_max
            && staged + bytes <= self.limits.staged_bytes_max
        {
            return Ok(());
        }
        Err(self.refusal(bytes))
    }

    #[cold]
    fn refusal(&self, bytes: u64) -> Error {
        if let Some(error) = &self.stopped {
            return error.clone();
        }
        if bytes > self.limits.record_bytes_max {
            return Error::TooLarge { bytes, bytes_max: self.limits.record_bytes_max };
        }
        Error::Full { staged_bytes: self.staging.bytes(), staged_bytes_max: self.limits.staged_bytes_max }
    }

    /// Asks that everything up to `lsn` be durable: the next batch syncs.
    pub fn demand(&mut self, lsn: Lsn) {
        self.demand = self.demand.max(lsn.min(self.staging.last_lsn()));
    }

    /// What to write now: everything staged that fits the segment.
    pub fn take_batch(&mut self) -> Take {
        if self.in_flight != InFlight::None {
            return Take::Busy;
        }
        if self.stopped.is_some() {
            return Take::Nothing;
        }
        let Some(first) = self.staging.oldest_frame_bytes() else { return self.take_sync() };
        let full = self.is_full(first);
        let mut batch = if full {
            match std::mem::replace(&mut self.next, Next::Unready) {
                Next::Unready => return Take::NeedsSegment,
                Next::Ready(next) => self.rotate(&next),
            }
        } else {
            self.batch()
        };
        self.place(&mut batch);
        self.in_flight = if full { InFlight::Rotation } else { InFlight::Batch };
        Take::Batch(batch)
    }

    fn is_full(&self, frame_bytes: u64) -> bool {
        self.active.offset + frame_bytes + SEAL_BYTES > self.active.header.segment_bytes
    }

    /// Whether a batch is in flight.
    pub fn is_busy(&self) -> bool {
        self.in_flight != InFlight::None
    }

    fn take_sync(&mut self) -> Take {
        if !self.must_sync() {
            return Take::Nothing;
        }
        self.in_flight = InFlight::Batch;
        Take::Batch(self.batch())
    }

    fn must_sync(&self) -> bool {
        self.demand > self.marks.durable
    }

    /// Puts staged frames into `batch` until its segment is full.
    fn place(&mut self, batch: &mut Batch) {
        let segment_bytes = batch.rotation.as_ref().map_or(&self.active.header, |r| &r.header).segment_bytes;
        while let Some(bytes) = self.staging.oldest_frame_bytes()
            && batch.end + bytes + SEAL_BYTES <= segment_bytes
            && let Some(mut frame) = self.staging.pop()
        {
            let payload_bytes = frame.payload_bytes() as u64;
            frame.pad();
            batch.last_lsn = frame.last_lsn();
            batch.frames.push(Placed { frame, payload_bytes, offset: batch.end });
            batch.end += bytes;
        }
    }

    /// A frame that carries the durable mark, without sync, if the log is idle: the next frame overwrites it. Narrows
    /// the window in which rot of the last batch looks like a torn tail.
    pub fn take_watermark(&mut self) -> Option<Batch> {
        let idle = self.in_flight == InFlight::None && self.staging.is_empty() && self.stopped.is_none();
        if !idle || self.marks.durable < self.marks.written {
            return None;
        }
        self.in_flight = InFlight::Batch;
        let bare = PlacedBare { offset: self.active.offset, what: BareKind::Watermark };
        Some(Batch { bare: Some(bare), ..self.batch() })
    }

    /// The last batch of all: says that the log was closed in good order. Call it when nothing is staged and
    /// everything is durable.
    pub fn take_close(&mut self) -> Option<Batch> {
        let batch = self.take_watermark()?;
        let bare = PlacedBare { offset: self.active.offset, what: BareKind::Close };
        self.stopped = Some(Error::Closed);
        Some(Batch { bare: Some(bare), syncs: true, ..batch })
    }

    /// An empty batch behind what is written.
    fn batch(&self) -> Batch {
        Batch {
            rotation: None,
            frames: Vec::new(),
            bare: None,
            file: Arc::clone(&self.active.file),
            binding: self.active.header.binding(),
            durable_lsn: self.marks.durable,
            last_lsn: self.marks.written,
            syncs: self.must_sync(),
            end: self.active.offset,
            last_crc: self.active.chain_crc,
        }
    }

    /// An empty batch at the start of the next segment.
    fn rotate(&self, next: &Prepared) -> Batch {
        let old = &self.active;
        let header = SegmentHeader {
            log_id: old.header.log_id,
            index: next.index,
            epoch: next.epoch,
            first_lsn: self.marks.written.next(),
            segment_bytes: next.segment_bytes,
            previous: Predecessor {
                epoch: old.header.epoch,
                last_lsn: self.marks.written,
                end: old.offset + SEAL_BYTES,
                chain_crc: 0,
            },
            begun: Begun::Rotation,
            created_unix_ms: next.created_unix_ms,
        };
        let rotation = Rotation {
            old_file: Arc::clone(&old.file),
            old_binding: old.header.binding(),
            seal_offset: old.offset,
            header,
        };
        Batch {
            rotation: Some(rotation),
            file: Arc::clone(&next.file),
            binding: Binding::new(header.log_id, header.index, header.epoch as u32),
            end: SEGMENT_HEADER_BYTES as u64,
            ..self.batch()
        }
    }

    /// How the batch went. An error poisons the log for good: `action` says what failed.
    pub fn completed(&mut self, batch: Batch, result: Result<(), (&'static str, io::Error)>) {
        assert!(self.in_flight != InFlight::None, "completed without a batch in flight");
        self.in_flight = InFlight::None;
        match result {
            // A chore failed meanwhile: that nothing more is acknowledged was told already.
            Ok(()) if self.is_poisoned() => {}
            Ok(()) => self.advance(batch),
            Err((action, source)) => self.poison(action, source),
        }
    }

    fn advance(&mut self, batch: Batch) {
        if let Some(rotation) = batch.rotation {
            self.kept.push_back(Kept {
                index: self.active.header.index,
                first_lsn: self.active.header.first_lsn,
                last_lsn: rotation.header.previous.last_lsn,
                bytes: rotation.header.previous.end,
            });
            // The rotation synced the old segment.
            self.marks.durable = self.marks.durable.max(rotation.header.previous.last_lsn);
            self.active.header = rotation.header;
            self.active.file = batch.file;
        }
        self.active.offset = batch.end;
        self.active.chain_crc = batch.last_crc;
        self.marks.written = batch.last_lsn;
        if batch.syncs || planted(Mutant::WeakestMember) {
            self.marks.durable = batch.last_lsn;
        }
        for placed in batch.frames {
            self.staging.recycle(placed.frame, placed.payload_bytes);
        }
    }

    /// Its last user is gone: nothing is taken or written any more.
    pub(crate) fn abandon(&mut self) {
        let durable = self.marks.durable;
        self.stopped.get_or_insert_with(|| Error::Dropped { dir: self.dir.clone(), durable });
    }

    /// Stops for good: something outside failed without which the log cannot go on.
    pub fn stop(&mut self, action: &'static str, source: io::Error) {
        self.poison(action, source);
    }

    fn is_poisoned(&self) -> bool {
        matches!(self.stopped, Some(Error::Poisoned { .. }))
    }

    /// The first cause stays: everybody is told the same.
    fn poison(&mut self, action: &'static str, source: io::Error) {
        if self.is_poisoned() {
            return;
        }
        self.stopped = Some(Error::Poisoned {
            dir: self.dir.clone(),
            action,
            durable: self.marks.durable,
            source: Arc::new(source),
        });
    }
}
