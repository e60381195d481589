//! From a directory to a log that can go on.
//!
//! 1. Lock; sync every segment and the directory *before* reading, so that nothing is believed that a power cut could
//!    still take back (redb issue 299).
//! 2. Read all headers, check the chain, find the end of the newest segment ([`survey`](crate::survey)).
//! 3. Begin a new segment, whose header pins the last record *witnessed* durable. The intact frames behind that are
//!    copied into it and synced before its name makes it part of the log: after an EIO, Linux goes on showing pages
//!    that are on no disk, and what was read and applied must be.
//!
//! No segment in which a record was begun is written, cut or removed. Only a newest segment that shows no trace of one is
//! replaced: no frame with records, and nothing but zeros behind its last frame, to its end if recovery began it, else up
//! to byte 4,096 (behind that, a file that was used before holds old bytes).

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::chore::{fill_zero, fix_size};
use crate::error::CorruptionProof;
use crate::frame::{Bare, BareKind, FRAME_ALIGN, FRAME_HEADER_BYTES, FrameFields, FrameKind, SEAL_BYTES};
use crate::hold::Holds;
use crate::hooks::RecoveryReport;
use crate::io::{Io, IoFile, LockGuard, OpenMode, random_u64};
use crate::machine::{Active, Kept, Resume};
use crate::mutants::{Mutant, planted};
use crate::replay::{Access, Replay, ReplayAhead, Span};
use crate::scan::Window;
use crate::segment::{Begun, FileRole, Predecessor, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::survey::{Segment, Survey, Tail, corrupt};
use crate::{Error, LogId, Lsn, Options};

/// How the log had ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TailState {
    /// There was no log: it was made.
    Created,
    /// It was closed in good order.
    Closed,
    /// It was not closed, and nothing shows that a frame was begun behind its last intact one. (In a file that was used
    /// before, a large frame of which the first 4 KiB never came, or are gone, leaves no trace.)
    Open,
    /// A frame was begun behind its last intact one, and was cut short by a crash, or damaged where no later frame says that
    /// it was durable. Its records are not delivered; its bytes are kept where they are until a checkpoint gives their
    /// segment back.
    Torn {
        /// Behind the last intact frame.
        offset: u64,
    },
}

/// What was found, and the records.
#[derive(Clone)]
pub struct Recovery {
    io: Arc<dyn Io>,
    spans: Vec<Span>,
    tail: TailState,
    copied: u64,
}

impl Recovery {
    /// Which log this is: compare it with what your manifest says.
    pub fn log_id(&self) -> LogId {
        self.newest().header.log_id
    }

    /// The oldest record there is; one more than [`Recovery::last_lsn`] if there is none.
    pub fn oldest_lsn(&self) -> Lsn {
        self.spans.first().map_or(Lsn::new(1), |span| span.header.first_lsn)
    }

    /// The last record there is. A log that ends below what a checkpoint already holds has lost data, and must not be
    /// written to: new records would take LSNs that the next replay skips. Only the caller can know, and says so with
    /// [`Options::at_least`].
    pub fn last_lsn(&self) -> Lsn {
        self.newest().last_lsn
    }

    /// How the log had ended.
    pub fn tail(&self) -> TailState {
        self.tail
    }

    /// Records that no later write vouched for, and that were therefore copied into the new segment.
    pub fn copied_records(&self) -> u64 {
        self.copied
    }

    /// The records from `from` on ([`Lsn::ZERO`]: from the first ever). Replay before you
    /// [`checkpoint`](crate::Wal::checkpoint): that recycles the files read here.
    ///
    /// With feature `mmap`, and while the log is open and has recycled no segment, segments are read through memory maps.
    /// Dropping the log then leaves its directory locked until the replay is dropped, or through with the segment.
    ///
    /// # Errors
    /// [`Error::Recycled`] if older records than the oldest are asked for.
    pub fn replay(&self, from: Lsn) -> Result<Replay, Error> {
        let from = self.check_start(from)?;
        Ok(Replay::new(Arc::clone(&self.io), self.spans.clone(), from))
    }

    /// As [`Recovery::replay`], with a thread that reads and checks ahead while you apply.
    ///
    /// # Errors
    /// As there, and [`Error::Io`] if no thread is to be had.
    pub fn replay_ahead(&self, from: Lsn) -> Result<ReplayAhead, Error> {
        let from = self.check_start(from)?;
        ReplayAhead::start(Arc::clone(&self.io), self.spans.clone(), from)
    }

    fn check_start(&self, from: Lsn) -> Result<Lsn, Error> {
        let (from, oldest) = (from.max(Lsn::new(1)), self.oldest_lsn());
        if from < oldest { Err(Error::Recycled { from, oldest }) } else { Ok(from) }
    }

    /// Its segments, but for the newest, may be mapped under a hold.
    pub(crate) fn hold_by(&mut self, holds: &Holds) {
        if let Some((_newest, older)) = self.spans.split_last_mut() {
            for span in older {
                span.access = Access::Holdable(holds.clone());
            }
        }
    }

    pub(crate) fn report(&self) -> RecoveryReport {
        RecoveryReport {
            log_id: self.log_id(),
            oldest_lsn: self.oldest_lsn(),
            last_lsn: self.last_lsn(),
            tail: self.tail,
            copied_records: self.copied,
        }
    }

    fn newest(&self) -> &Span {
        self.spans.last().expect("recovery begins a segment, so there is one")
    }
}

/// Opens the log's files; the caller holds the lock and has checked the options.
pub(crate) fn recover(io: &Arc<dyn Io>, options: &Options) -> Result<(Resume, Recovery), Error> {
    let dir = &*options.dir;
    settle(&**io, dir)?;
    let mut survey = Survey::of(&**io, dir)?;
    let tail = survey.tail(&**io, dir)?;
    options.check_reach(tail.as_ref().map_or(Lsn::ZERO, |tail| tail.last_lsn))?;
    #[cfg(feature = "mutants")]
    if let Some(resumed) = crate::mutants::in_place::resume(io, dir, &mut survey, tail.as_ref())? {
        return Ok(resumed);
    }
    let plan = match (survey.segments.last(), &tail) {
        (Some(newest), Some(tail)) if tail.is_empty(newest) => Plan::instead_of(newest),
        (Some(newest), Some(tail)) => Plan::after(&**io, newest, tail)?,
        _ => Plan::fresh(&**io)?,
    };
    survey.segments.retain(|segment| segment.header.index < plan.index);
    let begun = Beginning { io: &**io, dir, plan: &plan }.begin(&mut survey, options.segment_bytes)?;
    let state = tail.map_or(TailState::Created, |tail| tail.state());
    let copied = begun.last_lsn.get() - plan.previous.last_lsn.get();
    let path = FileRole::Segment(plan.index).path(dir);
    Ok(begun.resume(io, (dir, &path), &survey, (state, copied)))
}

/// Keeps everybody else out.
pub(crate) fn lock_log(io: &dyn Io, dir: &Path) -> Result<Box<dyn LockGuard>, Error> {
    io.lock(&dir.join("LOCK")).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Error::Locked { dir: dir.to_owned() },
        _ => Error::io("lock", dir)(error),
    })
}

/// What is about to be read shall be on the disk.
pub(crate) fn settle(io: &dyn Io, dir: &Path) -> Result<(), Error> {
    if planted(Mutant::Unsettled) {
        return Ok(());
    }
    for role in crate::survey::names(io, dir)? {
        if let FileRole::Segment(_) = role {
            let path = role.path(dir);
            let file = io.open(&path, OpenMode::Read).map_err(Error::io("open", &path))?;
            file.sync_data().map_err(Error::io("sync", &path))?;
        }
    }
    io.sync_dir(dir).map_err(Error::io("sync", dir))
}

fn spans(survey: &Survey, begun: &Opening, new_path: &Path) -> Vec<Span> {
    let mut spans = Vec::with_capacity(survey.segments.len() + 1);
    for (place, segment) in survey.segments.iter().enumerate() {
        let next = &survey.successor(place).unwrap_or(&begun.active.header).previous;
        spans.push(Span {
            path: segment.path.clone(),
            header: segment.header,
            end: next.end,
            last_lsn: next.last_lsn,
            chain_crc: next.chain_crc,
            access: Access::Live,
        });
    }
    spans.push(Span {
        path: new_path.to_owned(),
        header: begun.active.header,
        end: begun.active.offset,
        last_lsn: begun.last_lsn,
        chain_crc: begun.active.chain_crc,
        access: Access::Live,
    });
    spans
}

fn kept(spans: &[Span]) -> VecDeque<Kept> {
    let older = &spans[..spans.len() - 1];
    older
        .iter()
        .map(|span| Kept {
            index: span.header.index,
            first_lsn: span.header.first_lsn,
            last_lsn: span.last_lsn,
            bytes: span.end,
        })
        .collect()
}

/// What the new segment will say and hold.
pub(crate) struct Plan {
    pub(crate) log_id: LogId,
    pub(crate) index: u64,
    pub(crate) previous: Predecessor,
    /// Intact frames behind the last witnessed record, as (segment, from, to).
    pub(crate) copy: Option<(Segment, u64, u64)>,
}

impl Plan {
    fn fresh(io: &dyn Io) -> Result<Self, Error> {
        let mut id = [0; 16];
        io.fill_random(&mut id).map_err(Error::io("draw a log id for", PathBuf::from("the log")))?;
        let log_id = LogId::new(u128::from_le_bytes(id));
        Ok(Self { log_id, index: 1, previous: Predecessor::default(), copy: None })
    }

    /// A newest segment without a single record, or a trace of one, is replaced. Its header may be on no disk, if it is the write that
    /// failed; and a log that is opened again and again does not grow.
    fn instead_of(newest: &Segment) -> Self {
        let header = &newest.header;
        Self { log_id: header.log_id, index: header.index, previous: header.previous, copy: None }
    }

    fn after(io: &dyn Io, newest: &Segment, tail: &Tail) -> Result<Self, Error> {
        let mut scanner = newest.scanner(io)?;
        let mut last_lsn = newest.header.previous.last_lsn;
        let (mut end, mut chain_crc) = (SEGMENT_HEADER_BYTES as u64, newest.header.crc());
        let believed = if planted(Mutant::NoCopyAtRecovery) { tail.last_lsn } else { tail.witnessed };
        while last_lsn < believed {
            let Some(frame) = scanner.step().map_err(newest.read_error())? else { break };
            (last_lsn, end, chain_crc) = (frame.last_lsn(), scanner.offset(), frame.crc);
        }
        if last_lsn != believed {
            return Err(corrupt(&newest.path, end, last_lsn, CorruptionProof::Malformed));
        }
        let copy = (tail.last_lsn > last_lsn).then(|| (newest.clone(), end, tail.end));
        let previous = Predecessor { epoch: newest.header.epoch, last_lsn, end, chain_crc };
        Ok(Self { log_id: newest.header.log_id, index: newest.header.index + 1, previous, copy })
    }

    fn bytes_to_copy(&self) -> u64 {
        self.copy.as_ref().map_or(0, |(_, from, to)| to - from)
    }
}

/// The segment that recovery began.
pub(crate) struct Opening {
    pub(crate) active: Active,
    pub(crate) last_lsn: Lsn,
}

/// The making of a new segment from a plan.
pub(crate) struct Beginning<'a> {
    pub(crate) io: &'a dyn Io,
    pub(crate) dir: &'a Path,
    pub(crate) plan: &'a Plan,
}

impl Beginning<'_> {
    pub(crate) fn begin(&self, survey: &mut Survey, segment_bytes: u64) -> Result<Opening, Error> {
        let overhead = SEGMENT_HEADER_BYTES as u64 + SEAL_BYTES + 2 * FRAME_HEADER_BYTES as u64;
        let bytes = segment_bytes.max(self.plan.bytes_to_copy() + overhead).next_multiple_of(FRAME_ALIGN);
        let path = FileRole::New(self.plan.index).path(self.dir);
        let fail = |action| Error::io(action, &path);
        let file = self.zeroed(survey, &path, bytes).map_err(fail("make"))?;
        let header = SegmentHeader {
            log_id: self.plan.log_id,
            index: self.plan.index,
            epoch: random_u64(self.io).map_err(fail("draw an epoch for"))?,
            first_lsn: self.plan.previous.last_lsn.next(),
            segment_bytes: bytes,
            previous: self.plan.previous,
            begun: Begun::Recovery,
            created_unix_ms: self.io.unix_ms(),
        };
        let mut begun = Opening {
            last_lsn: self.plan.previous.last_lsn,
            active: Active { header, file, offset: SEGMENT_HEADER_BYTES as u64, chain_crc: header.crc() },
        };
        begun.active.file.write_all_at(&header.encode(), 0).map_err(fail("write"))?;
        if let Some((segment, from, to)) = &self.plan.copy {
            begun.copy(self.io, segment, (*from, *to))?;
        }
        if !planted(Mutant::RecoveredSegmentNotSynced) {
            begun.active.file.sync_data().map_err(fail("sync"))?;
        }
        let name = FileRole::Segment(self.plan.index).path(self.dir);
        self.io.rename(&path, &name).map_err(fail("name"))?;
        if !planted(Mutant::NoDirSyncAfterRecovery) {
            self.io.sync_dir(self.dir).map_err(fail("sync the directory of"))?;
        }
        Ok(begun)
    }

    /// A file of `bytes` zeros under the working name: what an interrupted recovery left, else the prepared segment
    /// in whose place it will come, else a spare one, else a new one. Only the last needs room on the disk.
    fn zeroed(&self, survey: &mut Survey, path: &Path, bytes: u64) -> io::Result<Arc<dyn IoFile>> {
        let index = self.plan.index;
        let source = if survey.new.contains(&index) {
            None
        } else if let Some(unbegun) = survey.unbegun {
            Some(FileRole::Segment(unbegun.index))
        } else {
            survey.free.pop().map(FileRole::Free)
        };
        if let Some(source) = source {
            self.io.rename(&source.path(self.dir), path)?;
            self.io.sync_dir(self.dir)?;
        }
        for stale in survey.new.iter().filter(|stale| **stale != index) {
            self.io.remove(&FileRole::New(*stale).path(self.dir))?;
        }
        if let Ok(file) = self.io.open(path, OpenMode::ReadWrite)
            && file.len()? == bytes
        {
            if !Window::new(Arc::clone(&file))?.is_zero(0..bytes)? {
                fill_zero(&*file, bytes)?;
            }
            fix_size(&*file, bytes)?;
            return Ok(file);
        }
        let file = self.io.open(path, OpenMode::Create)?;
        fill_zero(&*file, bytes)?;
        Ok(file)
    }
}

impl Opening {
    /// The log, to go on behind what lies in the segment begun, which is at `path`.
    pub(crate) fn resume(
        self,
        io: &Arc<dyn Io>,
        (dir, path): (&Path, &Path),
        survey: &Survey,
        (tail, copied): (TailState, u64),
    ) -> (Resume, Recovery) {
        let spans = spans(survey, &self, path);
        let kept = kept(&spans);
        let Self { active, last_lsn } = self;
        let resume = Resume { dir: dir.to_owned(), active, kept, free: survey.free.clone(), last_lsn };
        (resume, Recovery { io: Arc::clone(io), spans, tail, copied })
    }

    /// Copies the records between two offsets of `segment`, same LSNs, and a watermark behind them: by the time the
    /// file gets its name, all of it is durable.
    fn copy(&mut self, io: &dyn Io, segment: &Segment, (from, to): (u64, u64)) -> Result<(), Error> {
        let mut scanner = segment.scanner(io)?;
        let witnessed = self.last_lsn;
        while scanner.offset() < to {
            let Some(frame) = scanner.step().map_err(segment.read_error())? else { break };
            if scanner.at() < from || frame.kind != FrameKind::Records {
                continue;
            }
            let mut bytes = vec![0; FRAME_HEADER_BYTES];
            bytes.extend_from_slice(scanner.payload(&frame).map_err(segment.read_error())?);
            bytes.resize(bytes.len().next_multiple_of(FRAME_ALIGN as usize), 0);
            let fields = FrameFields {
                kind: FrameKind::Records,
                payload_bytes: frame.payload_bytes,
                first_lsn: frame.first_lsn,
                durable_lsn: witnessed,
                count: frame.count,
            };
            let active = &mut self.active;
            active.chain_crc = active.header.binding().seal(&mut bytes, active.offset, &fields);
            active
                .file
                .write_all_at(&bytes, active.offset)
                .map_err(Error::io("copy the tail of", &segment.path))?;
            active.offset += bytes.len() as u64;
            self.last_lsn = frame.last_lsn();
        }
        let mark =
            Bare { what: BareKind::Watermark, next_lsn: self.last_lsn.next(), durable_lsn: self.last_lsn };
        let mark = self.active.header.binding().bare(self.active.offset, mark);
        let active = &self.active;
        active.file.write_all_at(&mark, active.offset).map_err(Error::io("copy the tail of", &segment.path))
    }
}
