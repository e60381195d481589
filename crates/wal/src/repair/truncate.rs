//! Ending a log after a record that somebody named.
//!
//! 1. Find the newest readable segment that begins at or before the cut, or the oldest if no record stays; everything from
//!    the oldest segment to it must be a chain without fault, and its frames intact up to the cut.
//! 2. Rename whatever follows it aside, oldest first, the directory synced after each: until all of it is gone, a gap
//!    keeps the log from being opened. (The segment found stays where it is, even if nothing in it counts: without it, the
//!    log would look as if it began later.)
//! 3. Begin a segment behind it whose header pins the cut. Bytes behind the cut do not count from then on.
//!
//! A crash on the way leaves the log as it was, or refusing to open, or (once nothing follows) ending later than asked
//! with intact records: cutting again finishes it. Needs 4 KiB of room, none if a spare segment exists.

use std::path::{Path, PathBuf};

use crate::error::{CorruptionProof, MissingProof};
use crate::io::{Io, OpenMode};
use crate::options::SEGMENT_BYTES_MIN;
use crate::recovery::{Beginning, Plan, lock_log, settle};
use crate::scan::{Sought, Window, orphan_frame};
use crate::segment::{FileRole, HeaderFault, Predecessor, SEGMENT_HEADER_BYTES};
use crate::survey::{Segment, Survey, check_lengths, corrupt, is_used, names, read_header, unreadable};
use crate::{Error, Foreign, Lsn};

/// What ending a log takes, or took.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cut {
    /// The last record that stays.
    pub last_lsn: Lsn,
    /// The segment in which the log ends, and the offset behind which its bytes no longer count. If no record stays, that is
    /// where the oldest segment's frames begin.
    pub at: (PathBuf, u64),
    /// The files renamed aside, with their new names.
    pub aside: Vec<(PathBuf, PathBuf)>,
}

/// What [`truncate`] would do. Takes no lock, changes nothing.
///
/// # Errors
/// As there.
pub fn plan(io: &dyn Io, dir: &Path, last: Lsn) -> Result<Cut, Error> {
    Ok(Site::find(io, dir, last)?.cut)
}

/// Ends the log in `dir` after record `last` (its own, or any before; [`Lsn::ZERO`]: no record stays). Records appended
/// later take the LSNs that were cut: tell whoever has seen the old ones.
///
/// Cost: reads one segment, writes 4 KiB.
///
/// # Errors
/// [`Error::Locked`]; [`Error::CutInside`] if `last` is not where a frame ends; [`Error::Recycled`] if it lies before the
/// oldest record; [`Error::Corrupt`], [`Error::Missing`], [`Error::Foreign`] if not everything up to it is intact:
/// nothing was changed. [`Error::Io`]: nothing is lost; cut again.
pub fn truncate(io: &dyn Io, dir: &Path, last: Lsn) -> Result<Cut, Error> {
    let _lock = lock_log(io, dir)?;
    truncate_locked(io, dir, last)
}

pub(crate) fn truncate_locked(io: &dyn Io, dir: &Path, last: Lsn) -> Result<Cut, Error> {
    settle(io, dir)?;
    let Site { cut, plan, mut survey } = Site::find(io, dir, last)?;
    for (from, to) in &cut.aside {
        io.rename(from, to).and_then(|()| io.sync_dir(dir)).map_err(Error::io("put aside", from))?;
    }
    Beginning { io, dir, plan: &plan }.begin(&mut survey, SEGMENT_BYTES_MIN)?;
    Ok(cut)
}

/// Where to cut, and what with.
struct Site {
    cut: Cut,
    plan: Plan,
    /// The files that may be used for the new segment.
    survey: Survey,
}

impl Site {
    fn find(io: &dyn Io, dir: &Path, last: Lsn) -> Result<Self, Error> {
        let files = Files::of(io, dir)?;
        let chain = files.chain_to(io, dir, last)?;
        let Some(segment) = chain.last() else {
            return Err(Error::Missing { dir: dir.to_owned(), segment: 1, reason: MissingProof::Gap });
        };
        let end = End::of(io, segment, last)?;
        let previous = Predecessor {
            epoch: segment.header.epoch,
            last_lsn: last,
            end: end.offset,
            chain_crc: end.chain_crc,
        };
        let (log_id, index) = (segment.header.log_id, segment.header.index + 1);
        let plan = Plan { log_id, index, previous, copy: None };
        let at = (segment.path.clone(), end.offset);
        let unbegun = files.prepared(io, dir, (&plan, last))?;
        let aside = files.aside(dir, plan.index, unbegun);
        let survey = Survey::to_build_on((files.new, files.free), unbegun);
        Ok(Self { cut: Cut { last_lsn: last, at, aside }, plan, survey })
    }
}

/// The names in a log's directory.
struct Files {
    segments: Vec<u64>,
    new: Vec<u64>,
    free: Vec<u64>,
    /// All of them, the log's or not.
    taken: Vec<String>,
}

impl Files {
    fn of(io: &dyn Io, dir: &Path) -> Result<Self, Error> {
        let taken = io.list(dir).map_err(Error::io("list", dir))?;
        let mut files = Self { segments: Vec::new(), new: Vec::new(), free: Vec::new(), taken };
        for role in names(io, dir)? {
            match role {
                FileRole::Segment(index) => files.segments.push(index),
                FileRole::New(index) => files.new.push(index),
                FileRole::Free(index) => files.free.push(index),
            }
        }
        files.segments.sort_unstable();
        Ok(files)
    }

    /// The segments up to the newest that begins at or before the cut, or the oldest if none does; a chain.
    fn chain_to(&self, io: &dyn Io, dir: &Path, last: Lsn) -> Result<Vec<Segment>, Error> {
        let mut headers = Vec::new();
        for index in &self.segments {
            let path = FileRole::Segment(*index).path(dir);
            let (header, file_bytes) = read_header(io, &path)?;
            headers.push((*index, header, path, file_bytes));
        }
        let newest = headers.iter().rposition(|(_, header, ..)| header.is_ok_and(|h| h.first_lsn <= last));
        headers.truncate(newest.unwrap_or(0) + 1);
        let mut chain: Vec<Segment> = Vec::new();
        for (index, header, path, file_bytes) in headers {
            let after = chain.last().map_or(Lsn::ZERO, |last| last.header.first_lsn.prev());
            let header = header.map_err(|fault| unreadable(&path, fault, after))?;
            link(&mut chain, dir, (index, Segment { path, header, file_bytes }))?;
        }
        check_lengths(&chain)?;
        let oldest = chain.first().map_or(last.next(), |oldest| oldest.header.first_lsn);
        if last < oldest.prev() {
            return Err(Error::Recycled { from: last, oldest });
        }
        Ok(chain)
    }

    /// The segment in whose place the new one comes, if it was made ready and never used.
    fn prepared(&self, io: &dyn Io, dir: &Path, (plan, last): (&Plan, Lsn)) -> Result<Option<u64>, Error> {
        let index = plan.index;
        let path = FileRole::Segment(index).path(dir);
        if !self.segments.contains(&index) || read_header(io, &path)?.0 != Err(HeaderFault::Blank) {
            return Ok(None);
        }
        let window = io.open(&path, OpenMode::Read).and_then(Window::new);
        let is_unused = window.and_then(|mut window| {
            let orphan = orphan_frame(&mut window, plan.log_id, index, last)?;
            Ok(matches!(orphan, Sought::Nothing) && !is_used(&mut window)?)
        });
        Ok(is_unused.map_err(Error::io("read", &path))?.then_some(index))
    }

    /// What must make way, oldest first, and a name for each that nothing has.
    fn aside(&self, dir: &Path, from: u64, unbegun: Option<u64>) -> Vec<(PathBuf, PathBuf)> {
        let later = self.segments.iter().filter(|index| **index >= from && unbegun != Some(**index));
        let renamed = |index: &u64| {
            let mut nth = 1;
            let mut name = format!("{index:010}.aside-{nth}");
            while self.taken.contains(&name) {
                nth += 1;
                name = format!("{index:010}.aside-{nth}");
            }
            (FileRole::Segment(*index).path(dir), dir.join(name))
        };
        later.map(renamed).collect()
    }
}

fn link(chain: &mut Vec<Segment>, dir: &Path, (index, segment): (u64, Segment)) -> Result<(), Error> {
    let (header, path) = (&segment.header, &segment.path);
    if let Some(before) = chain.last() {
        let expected = before.header.index + 1;
        if index != expected {
            let reason = MissingProof::Gap;
            return Err(Error::Missing { dir: dir.to_owned(), segment: expected, reason });
        }
        if header.log_id != before.header.log_id {
            return Err(Error::Foreign { path: path.clone(), reason: Foreign::Log });
        }
        if !header.continues(&before.header) {
            return Err(corrupt(path, 0, before.header.first_lsn.prev(), CorruptionProof::Chain));
        }
    }
    if header.index != index || !header.is_coherent() {
        return Err(corrupt(path, 0, Lsn::ZERO, CorruptionProof::Chain));
    }
    chain.push(segment);
    Ok(())
}

/// Behind the last frame that stays.
struct End {
    offset: u64,
    chain_crc: u32,
}

impl End {
    fn of(io: &dyn Io, segment: &Segment, last: Lsn) -> Result<Self, Error> {
        let mut scanner = segment.scanner(io)?;
        let mut reached = segment.header.previous.last_lsn;
        let mut end = Self { offset: SEGMENT_HEADER_BYTES as u64, chain_crc: segment.header.crc() };
        while reached < last {
            let Some(frame) = scanner.step().map_err(segment.read_error())? else {
                let proof = CorruptionProof::BeforeCut { keep: last };
                return Err(corrupt(&segment.path, end.offset, reached, proof));
            };
            let expected = reached.next();
            if frame.first_lsn != expected {
                let proof = CorruptionProof::Discontinuity { expected, found: frame.first_lsn };
                return Err(corrupt(&segment.path, scanner.at(), reached, proof));
            }
            if !scanner.is_well_formed(&frame).map_err(segment.read_error())? {
                return Err(corrupt(&segment.path, scanner.at(), reached, CorruptionProof::Malformed));
            }
            if frame.last_lsn() > last {
                return Err(Error::CutInside { lsn: last, before: reached, after: frame.last_lsn() });
            }
            reached = frame.last_lsn();
            end = Self { offset: scanner.offset(), chain_crc: frame.crc };
        }
        Ok(end)
    }
}
