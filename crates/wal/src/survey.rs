//! What lies in a log's directory: the segments in order, and where the newest one ends.
//!
//! Reads only. Decides between the four cases that must never be mixed up: a tail torn by a crash, a segment that was
//! never begun, rot, and a file that is gone.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Corruption, CorruptionProof, Foreign, MissingProof};
use crate::frame::FrameKind;
use crate::io::{Io, OpenMode};
use crate::mutants::{Mutant, planted};
use crate::recovery::TailState;
use crate::scan::{Scanner, Sought, Window, orphan_frame};
use crate::segment::{
    BLANK_BYTES, Begun, FileRole, HeaderFault, SEGMENT_HEADER_BYTES, SegmentHeader, u64_at,
};
use crate::{Error, Lsn};

/// A segment with a good header.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) header: SegmentHeader,
    /// The length of its file.
    pub(crate) file_bytes: u64,
}

/// The files of a log.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Consecutive, each continuing the one before.
    pub(crate) segments: Vec<Segment>,
    /// The newest `.seg` if it has no header.
    pub(crate) unbegun: Option<Unbegun>,
    pub(crate) new: Vec<u64>,
    pub(crate) free: Vec<u64>,
}

/// A `.seg` without a readable header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unbegun {
    pub(crate) index: u64,
    /// All of the header is zero: it was prepared and never used.
    blank: bool,
}

/// Where a segment ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    /// Behind the last intact frame.
    pub(crate) end: u64,
    pub(crate) last_lsn: Lsn,
    /// The checksum of that frame, of the header if there is none.
    pub(crate) chain_crc: u32,
    /// Up to here some frame or header proves that it was durable.
    pub(crate) witnessed: Lsn,
    /// Index and epoch of the next segment.
    pub(crate) sealed: Option<(u64, u64)>,
    pub(crate) closed: bool,
    /// A frame was begun behind `end`, and cut short or damaged.
    pub(crate) torn: bool,
}

pub(crate) fn corrupt(path: &Path, offset: u64, after_lsn: Lsn, proof: CorruptionProof) -> Error {
    Error::Corrupt(Box::new(Corruption { path: path.to_owned(), offset, after_lsn, proof }))
}

/// Why a segment without a readable header is none of this log.
pub(crate) fn unreadable(path: &Path, fault: HeaderFault, after: Lsn) -> Error {
    let foreign = |reason| Error::Foreign { path: path.to_owned(), reason };
    match fault {
        HeaderFault::Version(version) => foreign(Foreign::Version(version)),
        HeaderFault::Features(bits) => foreign(Foreign::Features(bits)),
        HeaderFault::Blank | HeaderFault::Damaged => corrupt(path, 0, after, CorruptionProof::Header),
    }
}

/// The segment files, by name only.
pub(crate) fn names(io: &dyn Io, dir: &Path) -> Result<Vec<FileRole>, Error> {
    let names = io.list(dir).map_err(Error::io("list", dir))?;
    Ok(names.iter().filter_map(|name| FileRole::of(name)).collect())
}

impl Survey {
    /// Reads every header and checks the chain.
    pub(crate) fn of(io: &dyn Io, dir: &Path) -> Result<Self, Error> {
        let mut survey = Self::default();
        let mut indices = Vec::new();
        for role in names(io, dir)? {
            match role {
                FileRole::Segment(index) => indices.push(index),
                FileRole::New(index) => survey.new.push(index),
                FileRole::Free(index) => survey.free.push(index),
            }
        }
        indices.sort_unstable();
        if let Some(gap) = indices.windows(2).find(|pair| pair[1] != pair[0] + 1) {
            let segment = gap[0] + 1;
            return Err(Error::Missing { dir: dir.to_owned(), segment, reason: MissingProof::Gap });
        }
        let newest = indices.last().copied();
        for index in indices {
            survey.add(io, dir, index, newest)?;
        }
        check_lengths(&survey.segments)?;
        if let Some(newest) = survey.segments.last() {
            newest.check_length(newest.header.segment_bytes)?;
        }
        Ok(survey)
    }

    fn add(&mut self, io: &dyn Io, dir: &Path, index: u64, newest: Option<u64>) -> Result<(), Error> {
        let path = FileRole::Segment(index).path(dir);
        let last = self.segments.last();
        let after = last.map_or(Lsn::ZERO, |last| last.header.first_lsn.prev());
        let (header, file_bytes) = read_header(io, &path)?;
        let header = match header {
            Ok(header) => header,
            Err(fault @ (HeaderFault::Blank | HeaderFault::Damaged))
                if newest == Some(index) && last.is_some() =>
            {
                check_length(&path, file_bytes, BLANK_BYTES as u64, after)?;
                self.unbegun = Some(Unbegun { index, blank: fault == HeaderFault::Blank });
                return Ok(());
            }
            Err(fault) => return Err(unreadable(&path, fault, after)),
        };
        if last.is_some_and(|last| last.header.log_id != header.log_id) {
            return Err(Error::Foreign { path, reason: Foreign::Log });
        }
        let chained = last.is_none_or(|last| header.continues(&last.header));
        if header.index != index || !header.is_coherent() || !chained {
            return Err(corrupt(&path, 0, after, CorruptionProof::Chain));
        }
        self.segments.push(Segment { path, header, file_bytes });
        Ok(())
    }

    /// Of a directory: what a new segment may be made of.
    pub(crate) fn to_build_on((new, free): (Vec<u64>, Vec<u64>), prepared: Option<u64>) -> Self {
        let unbegun = prepared.map(|index| Unbegun { index, blank: true });
        Self { segments: Vec::new(), unbegun, new, free }
    }

    /// Where the newest segment ends, and whether everything around that end is as a crash leaves it.
    pub(crate) fn tail(&self, io: &dyn Io, dir: &Path) -> Result<Option<Tail>, Error> {
        let Some(newest) = self.segments.last() else { return Ok(None) };
        let tail = Tail::of(io, newest)?;
        let next = newest.header.index + 1;
        let succeeded = self.unbegun.is_some() || self.new.contains(&next);
        if tail.sealed.is_some() && !succeeded && !planted(Mutant::MissingSegmentIsEnd) {
            return Err(Error::Missing { dir: dir.to_owned(), segment: next, reason: MissingProof::Sealed });
        }
        if let Some(unbegun) = self.unbegun {
            self.check_unbegun(io, dir, unbegun, &tail)?;
        }
        Ok(Some(tail))
    }

    /// A newest segment without a header must never have had one.
    fn check_unbegun(&self, io: &dyn Io, dir: &Path, unbegun: Unbegun, tail: &Tail) -> Result<(), Error> {
        let Some(newest) = self.segments.last() else { return Ok(()) };
        let path = FileRole::Segment(unbegun.index).path(dir);
        let file = io.open(&path, OpenMode::Read).map_err(Error::io("open", &path))?;
        let mut window = Window::new(file).map_err(Error::io("read", &path))?;
        let frame = orphan_frame(&mut window, newest.header.log_id, unbegun.index, tail.witnessed)
            .map_err(Error::io("read", &path))?;
        let bytes = window.file_bytes();
        if planted(Mutant::CorruptionIsTornRotation) {
            return Ok(());
        }
        if planted(Mutant::TornRotationIsCorruption)
            && !window.is_zero(0..bytes).map_err(Error::io("read", &path))?
        {
            return Err(corrupt(&path, 0, tail.last_lsn, CorruptionProof::Header));
        }
        match frame {
            Sought::Frame(offset, _) => {
                return Err(corrupt(&path, 0, tail.last_lsn, CorruptionProof::FramesBehindHeader { offset }));
            }
            Sought::GaveUp { checked_bytes } => {
                let proof = CorruptionProof::Undecided { checked_bytes };
                return Err(corrupt(&path, 0, tail.last_lsn, proof));
            }
            Sought::Nothing => {}
        }
        // A header is begun only after the seal before it is durable, and is durable before a frame is begun.
        let is_used = is_used(&mut window).map_err(Error::io("read", &path))?;
        if is_used || !unbegun.blank && tail.sealed.is_none() {
            return Err(corrupt(&path, 0, tail.last_lsn, CorruptionProof::Header));
        }
        Ok(())
    }

    /// Where segment `place` ends by the word of the one after it.
    pub(crate) fn successor(&self, place: usize) -> Option<&SegmentHeader> {
        self.segments.get(place + 1).map(|next| &next.header)
    }
}

/// The header, and the length of the file.
pub(crate) fn read_header(
    io: &dyn Io,
    path: &Path,
) -> Result<(Result<SegmentHeader, HeaderFault>, u64), Error> {
    let file = io.open(path, OpenMode::Read).map_err(Error::io("open", path))?;
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    file.read_at_most(&mut bytes, 0).map_err(Error::io("read", path))?;
    Ok((SegmentHeader::decode(&bytes), file.len().map_err(Error::io("read", path))?))
}

/// Whether a frame was begun in a segment without header: what is recycled is blank up to [`BLANK_BYTES`].
pub(crate) fn is_used(window: &mut Window) -> io::Result<bool> {
    window.is_zero(SEGMENT_HEADER_BYTES as u64..BLANK_BYTES as u64).map(|is_zero| !is_zero)
}

/// Every segment but the last reaches to where the one after it says that it ends.
pub(crate) fn check_lengths(segments: &[Segment]) -> Result<(), Error> {
    segments.windows(2).try_for_each(|pair| pair[0].check_length(pair[1].header.previous.end))
}

pub(crate) fn check_length(path: &Path, bytes: u64, bytes_min: u64, after: Lsn) -> Result<(), Error> {
    if bytes < bytes_min {
        return Err(corrupt(path, bytes, after, CorruptionProof::Short { bytes: bytes_min }));
    }
    Ok(())
}

impl Segment {
    fn check_length(&self, bytes_min: u64) -> Result<(), Error> {
        check_length(&self.path, self.file_bytes, bytes_min, self.header.previous.last_lsn)
    }

    pub(crate) fn scanner(&self, io: &dyn Io) -> Result<Scanner, Error> {
        let window = io.open(&self.path, OpenMode::Read).and_then(Window::new);
        Ok(Scanner::new(window.map_err(Error::io("open", &self.path))?, &self.header))
    }

    /// Up to here it was all zeros when it was begun. A file that rotation took may have been used before.
    fn zeroed_to(&self) -> u64 {
        match self.header.begun {
            Begun::Recovery => self.header.segment_bytes,
            Begun::Rotation => BLANK_BYTES as u64,
        }
    }

    pub(crate) fn read_error(&self) -> impl FnOnce(io::Error) -> Error {
        Error::io("read", &self.path)
    }
}

impl Tail {
    pub(crate) fn state(&self) -> TailState {
        match self {
            Self { torn: true, end, .. } => TailState::Torn { offset: *end },
            Self { closed: true, .. } => TailState::Closed,
            _ => TailState::Open,
        }
    }

    /// Whether `segment`, which ends here, has no record, nor any trace of one that was begun.
    pub(crate) fn is_empty(&self, segment: &Segment) -> bool {
        self.last_lsn == segment.header.previous.last_lsn && !self.torn && self.sealed.is_none()
    }

    /// Reads the newest segment to its end.
    pub(crate) fn of(io: &dyn Io, segment: &Segment) -> Result<Self, Error> {
        let mut scanner = segment.scanner(io)?;
        let last = segment.header.previous.last_lsn;
        let mut tail = Self {
            end: 0,
            last_lsn: last,
            chain_crc: segment.header.crc(),
            witnessed: last,
            sealed: None,
            closed: false,
            torn: false,
        };
        while tail.sealed.is_none()
            && let Some(frame) = scanner.step().map_err(segment.read_error())?
        {
            let expected = tail.last_lsn.next();
            if frame.first_lsn != expected {
                let proof = CorruptionProof::Discontinuity { expected, found: frame.first_lsn };
                return Err(corrupt(&segment.path, scanner.at(), tail.last_lsn, proof));
            }
            if !scanner.is_well_formed(&frame).map_err(segment.read_error())? {
                return Err(corrupt(&segment.path, scanner.at(), tail.last_lsn, CorruptionProof::Malformed));
            }
            (tail.last_lsn, tail.chain_crc) = (frame.last_lsn(), frame.crc);
            tail.witnessed = tail.witnessed.max(frame.durable_lsn);
            tail.closed = frame.kind == FrameKind::Close;
            if frame.kind == FrameKind::Seal {
                let payload = scanner.payload(&frame).map_err(segment.read_error())?;
                tail.sealed = Some((u64_at(payload, 0), u64_at(payload, 8)));
            }
        }
        tail.end = scanner.offset();
        if tail.sealed.is_none() {
            tail.look_behind(&mut scanner, segment)?;
        }
        Ok(tail)
    }

    /// Behind the last good frame there may be nothing that says more was durable.
    fn look_behind(&mut self, scanner: &mut Scanner, segment: &Segment) -> Result<(), Error> {
        let witness = scanner.witness_beyond(self.last_lsn).map_err(segment.read_error())?;
        let proof = match witness {
            Sought::Frame(offset, frame) => CorruptionProof::Witness { offset, durable: frame.durable_lsn },
            Sought::GaveUp { checked_bytes } => CorruptionProof::Undecided { checked_bytes },
            Sought::Nothing => {
                self.torn = scanner.leaves_a_stump(segment.zeroed_to()).map_err(segment.read_error())?;
                return Ok(());
            }
        };
        Err(corrupt(&segment.path, self.end, self.last_lsn, proof))
    }
}
