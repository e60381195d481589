//! Whatever is intact, wherever it lies.
//!
//! Invariants: a record is delivered once, in the order of LSNs, and only from a frame that passes its checksum; what a
//! later segment declared not to count is not delivered; every hole that an intact frame or header witnesses is named,
//! between two delivered records or behind the last: [`verify`](crate::inspect::verify) finds a fault in exactly those
//! logs in which this finds a gap.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{CorruptionProof, MissingProof};
use crate::frame::{Binding, FrameHeader, FrameKind, Record};
use crate::inspect::is_gone;
use crate::io::{Io, OpenMode};
use crate::replay::Cursor;
use crate::scan::{Scanner, Sought, Window, orphan_frame};
use crate::segment::{BLANK_BYTES, FileRole, HeaderFault, SegmentHeader};
use crate::survey::{check_length, corrupt, is_used, names, read_header, unreadable};
use crate::{Error, LogId, Lsn};

/// Something found in a damaged log.
#[derive(Debug)]
#[non_exhaustive]
pub enum Salvaged<'a> {
    /// An intact record.
    Record(Record<'a>),
    /// Here records are gone, or may be: [`Error::Corrupt`], [`Error::Missing`], [`Error::Foreign`], [`Error::Io`]; or the log gave
    /// them back while it was read: [`Error::Recycled`].
    Gap(Error),
}

/// The intact records of the log in `dir`, and its gaps. Takes no lock, changes nothing. An unreadable sector costs the
/// rest of its segment; frames of a segment without header are found by what they say themselves.
///
/// Of a log in use: what was there when this was called, and maybe a little more. What the log gives back meanwhile,
/// before it was read, is a gap by the name of [`Error::Recycled`], and no damage.
///
/// # Errors
/// [`Error::Io`]: the directory cannot be listed, or a file not opened.
pub fn salvage(io: Arc<dyn Io>, dir: &Path) -> Result<Salvage, Error> {
    let mut files = Vec::new();
    for index in indices(&*io, dir)? {
        let path = FileRole::Segment(index).path(dir);
        match read_header(&*io, &path) {
            Ok((header, _)) => files.push(Found { index, path, header, is_settled: false }),
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    let log_id = files.iter().find_map(|file| file.header.ok()).map(|header| header.log_id);
    let files = VecDeque::from(files);
    Ok(Salvage {
        io,
        dir: dir.to_owned(),
        log_id,
        files,
        before: None,
        last: None,
        recycled: None,
        piece: None,
    })
}

/// The segments' indices, ascending.
fn indices(io: &dyn Io, dir: &Path) -> Result<Vec<u64>, Error> {
    let segment = |role| if let FileRole::Segment(index) = role { Some(index) } else { None };
    let mut indices: Vec<u64> = names(io, dir)?.into_iter().filter_map(segment).collect();
    indices.sort_unstable();
    Ok(indices)
}

/// See [`salvage`]. Holds one frame, at least 1 MiB, in memory.
pub struct Salvage {
    io: Arc<dyn Io>,
    dir: PathBuf,
    log_id: Option<LogId>,
    files: VecDeque<Found>,
    /// What lies before the next file.
    before: Option<Passed>,
    /// The last record delivered or known to be gone, or the one before the oldest.
    last: Option<Lsn>,
    /// The last one before segments that the log gave back underfoot.
    recycled: Option<Lsn>,
    piece: Option<Piece>,
}

/// A segment's file.
struct Found {
    index: u64,
    path: PathBuf,
    header: Result<SegmentHeader, HeaderFault>,
    /// The segment before it ended while this one's header was as it is here.
    is_settled: bool,
}

/// The segment that was read last.
struct Passed {
    index: u64,
    header: Option<SegmentHeader>,
    is_sealed: bool,
}

/// The segment being read.
struct Piece {
    path: PathBuf,
    index: u64,
    header: Option<SegmentHeader>,
    cursor: Cursor,
    /// The end and the last record it must have.
    promised: Option<(u64, Lsn)>,
    is_sealed: bool,
}

impl Salvage {
    /// The next record or gap; `None` at the end.
    pub fn next_item(&mut self) -> Option<Salvaged<'_>> {
        loop {
            match self.advance() {
                Ok(true) => break,
                Ok(false) if self.files.is_empty() => return None,
                Ok(false) => {}
                Err(gap) => return Some(Salvaged::Gap(gap)),
            }
            if let Err(gap) = self.next_file() {
                return Some(Salvaged::Gap(gap));
            }
        }
        self.piece.as_ref().map(|piece| Salvaged::Record(piece.cursor.record()))
    }

    /// Goes to the next record of the segment; `false` at its end.
    fn advance(&mut self) -> Result<bool, Error> {
        let Some(piece) = &mut self.piece else { return Ok(false) };
        match piece.advance(self.last) {
            Ok(true) => {
                self.last = Some(piece.cursor.lsn);
                Ok(true)
            }
            Ok(false) => self.finish(),
            Err(gap @ Error::Io { .. }) => {
                self.leave();
                Err(gap)
            }
            Err(gap) => {
                let (index, lsn) = (piece.index, piece.cursor.lsn);
                if self.is_recycled(index)? {
                    return Ok(false);
                }
                self.last = self.last.max(Some(lsn));
                Err(gap)
            }
        }
    }

    /// No more intact frames: the end of the segment, or less than that.
    fn finish(&mut self) -> Result<bool, Error> {
        self.settle_next();
        let next = self.files.front().and_then(|next| next.header.ok());
        let known = self.last.unwrap_or_default();
        let Some(piece) = &mut self.piece else { return Ok(false) };
        if piece.promised.is_none() && piece.hold_to(next) {
            // Begun since this segment was: more was written to this one meanwhile.
            return self.advance();
        }
        let (index, seals_the_last) = (piece.index, piece.is_sealed && self.files.is_empty());
        let short = piece.promised.filter(|(_, last)| *last > known);
        let gap = short.map(|(end, last)| {
            let proof = CorruptionProof::Successor { end, last };
            corrupt(&piece.path, piece.cursor.scanner.offset(), known, proof)
        });
        if gap.is_some() && self.is_recycled(index)? {
            return Ok(false);
        }
        self.leave();
        self.last = self.last.max(short.map(|(_, last)| last));
        match gap {
            Some(gap) => Err(gap),
            None if seals_the_last => self.check_successor(index + 1).map(|()| false),
            None => Ok(false),
        }
    }

    fn leave(&mut self) {
        self.settle_next();
        if let Some(piece) = self.piece.take() {
            let Piece { index, header, is_sealed, .. } = piece;
            self.before = Some(Passed { index, header, is_sealed });
        }
    }

    /// A seal names a segment that must be there, if only since a moment ago.
    fn check_successor(&self, index: u64) -> Result<(), Error> {
        let roles = names(&*self.io, &self.dir)?;
        if roles.contains(&FileRole::Segment(index)) || roles.contains(&FileRole::New(index)) {
            return Ok(());
        }
        Err(Error::Missing { dir: self.dir.clone(), segment: index, reason: MissingProof::Sealed })
    }

    /// Whether the log gave segment `index` back underfoot: it is no longer there, nor any before it. Then it is left.
    fn is_recycled(&mut self, index: u64) -> Result<bool, Error> {
        let oldest = indices(&*self.io, &self.dir)?.first().copied();
        let is_recycled = oldest.is_some_and(|oldest| oldest > index);
        if is_recycled {
            self.leave();
            self.before = None;
            self.recycled = self.recycled.or(self.last.take());
        }
        Ok(is_recycled)
    }

    /// A header that was none may be one by now.
    fn look_at_next(&mut self) {
        if let Some(next) = self.files.front_mut()
            && next.header.is_err()
            && !next.is_settled
            && let Ok((header, _)) = read_header(&*self.io, &next.path)
        {
            next.header = header;
        }
    }

    /// Looks at the next header for the last time: what was appended since, the end of the segment before does not know.
    fn settle_next(&mut self) {
        self.look_at_next();
        if let Some(next) = self.files.front_mut() {
            next.is_settled = true;
        }
    }

    /// Opens the next file, or names what stands in its place.
    fn next_file(&mut self) -> Result<(), Error> {
        self.settle_next();
        let Some(file) = self.files.front() else { return Ok(()) };
        let index = file.index;
        if let Some(before) = self.before.as_ref().map(|before| before.index)
            && index > before + 1
        {
            if !self.is_recycled(before + 1)? {
                self.before = Some(Passed { index: index - 1, header: None, is_sealed: false });
                let (dir, reason) = (self.dir.clone(), MissingProof::Gap);
                return Err(Error::Missing { dir, segment: before + 1, reason });
            }
            return Ok(());
        }
        let Some(file) = self.files.pop_front() else { return Ok(()) };
        let window = self.io.open(&file.path, OpenMode::Read).and_then(Window::new);
        let window = match window.map_err(Error::io("open", &file.path)) {
            Err(error) if is_gone(&error) && self.is_recycled(index)? => return Ok(()),
            window => window?,
        };
        match file.header {
            Ok(header) if header.index == index && header.is_coherent() => self.begin(&file, window, &header),
            _ => self.begin_headless(&file, window),
        }
    }

    fn begin(&mut self, file: &Found, window: Window, header: &SegmentHeader) -> Result<(), Error> {
        self.look_at_next();
        let before = self.before.take().and_then(|before| before.header);
        let bytes = window.file_bytes();
        let mut piece = Piece::new(file, Cursor::new(window, header), Some(*header));
        piece.hold_to(self.files.front().and_then(|next| next.header.ok()));
        let bytes_min = piece.promised.map_or(header.segment_bytes, |(end, _)| end);
        self.piece = Some(piece);
        let known = *self.last.get_or_insert(header.first_lsn.prev());
        if let Some(last) = self.recycled.take()
            && last < known
        {
            return Err(Error::Recycled { from: last.next(), oldest: known.next() });
        }
        if before.is_some_and(|before| !header.continues(&before)) {
            return Err(corrupt(&file.path, 0, known, CorruptionProof::Chain));
        }
        check_length(&file.path, bytes, bytes_min, known)
    }

    /// Reads on by what the frames of a segment say, if there are any.
    fn begin_headless(&mut self, file: &Found, mut window: Window) -> Result<(), Error> {
        let known = self.last.unwrap_or_default();
        let before = self.before.replace(Passed { index: file.index, header: None, is_sealed: false });
        let fault = file.header.err().unwrap_or(HeaderFault::Damaged);
        let gap = unreadable(&file.path, fault, known);
        let Some(log_id) = self.log_id else { return Err(gap) };
        let orphan = orphan_frame(&mut window, log_id, file.index, known);
        let orphan = orphan.map_err(Error::io("read", &file.path))?;
        if let Sought::Frame(_, frame) = orphan {
            let limit = window.file_bytes();
            let binding = Binding::new(log_id, file.index, frame.cookie);
            let cursor = Cursor::over(Scanner::bound_to(window, binding, limit), frame.first_lsn.prev());
            self.piece = Some(Piece::new(file, cursor, None));
            return Err(gap);
        }
        // The newest may never have been begun, or not have got further than its header.
        let may_be_torn = fault == HeaderFault::Damaged && before.is_some_and(|before| before.is_sealed);
        let is_used = is_used(&mut window).map_err(Error::io("read", &file.path))?;
        let is_newest = self.files.is_empty() && matches!(orphan, Sought::Nothing) && !is_used;
        if is_newest && (fault == HeaderFault::Blank || may_be_torn) {
            return check_length(&file.path, window.file_bytes(), BLANK_BYTES as u64, known);
        }
        Err(gap)
    }
}

impl Piece {
    fn new(file: &Found, cursor: Cursor, header: Option<SegmentHeader>) -> Self {
        Self { path: file.path.clone(), index: file.index, header, cursor, promised: None, is_sealed: false }
    }

    /// Ends where the header of the next segment says; `false` if that says nothing about this one.
    fn hold_to(&mut self, next: Option<SegmentHeader>) -> bool {
        let promise = next.zip(self.header).filter(|(next, header)| next.continues(header));
        let Some((next, _)) = promise else { return false };
        self.promised = Some((next.previous.end, next.previous.last_lsn));
        self.cursor.scanner.forget();
        self.cursor.scanner.limit_to(next.previous.end);
        true
    }

    /// Goes to the next record after `last`; `false` at the end. A gap is told once, then it goes on behind it.
    fn advance(&mut self, last: Option<Lsn>) -> Result<bool, Error> {
        let known = last.unwrap_or_default();
        loop {
            while !self.cursor.is_spent() && self.cursor.pass() {
                if self.cursor.lsn > known {
                    return Ok(true);
                }
            }
            let offset = self.cursor.scanner.offset();
            let Some(frame) = self.next_frame(known)? else { return Ok(false) };
            self.is_sealed = frame.kind == FrameKind::Seal;
            self.cursor.enter(frame);
            let expected = known.next();
            if last.is_some() && frame.first_lsn != expected {
                let proof = CorruptionProof::Discontinuity { expected, found: frame.first_lsn };
                return Err(corrupt(&self.path, offset, known, proof));
            }
        }
    }

    /// The next intact frame, wherever it is.
    fn next_frame(&mut self, known: Lsn) -> Result<Option<FrameHeader>, Error> {
        let scanner = &mut self.cursor.scanner;
        let offset = scanner.offset();
        match step_or_skip(scanner, known).map_err(Error::io("read", &self.path))? {
            Sought::Nothing => Ok(None),
            Sought::GaveUp { checked_bytes } => {
                Err(corrupt(&self.path, offset, known, CorruptionProof::Undecided { checked_bytes }))
            }
            Sought::Frame(at, frame) => {
                if scanner.is_well_formed(&frame).map_err(Error::io("read", &self.path))? {
                    return Ok(Some(frame));
                }
                Err(corrupt(&self.path, at, known, CorruptionProof::Malformed))
            }
        }
    }
}

/// The frame that lies here; else the next that is intact, at which the scanner then is.
fn step_or_skip(scanner: &mut Scanner, known: Lsn) -> std::io::Result<Sought> {
    if let Some(frame) = scanner.step()? {
        return Ok(Sought::Frame(scanner.at(), frame));
    }
    let further = scanner.intact_beyond(known)?;
    if let Sought::Nothing = further {
        return Ok(further);
    }
    // A log in use may have written the frame here while it was read; it was whole before the one further on began.
    scanner.forget();
    if let Some(frame) = scanner.step()? {
        return Ok(Sought::Frame(scanner.at(), frame));
    }
    match further {
        Sought::Frame(offset, _) => {
            scanner.go_to(offset);
            Ok(scanner.step()?.map_or(Sought::Nothing, |frame| Sought::Frame(offset, frame)))
        }
        gave_up => {
            scanner.go_to_end();
            Ok(gave_up)
        }
    }
}
