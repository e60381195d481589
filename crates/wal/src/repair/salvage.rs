//! Whatever is intact, wherever it lies.
//!
//! Invariants: a record is delivered once, in the order of LSNs, and only from a frame that passes its checksum; what a
//! later segment declared not to count is not delivered; every hole between two delivered records is named.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{CorruptionProof, MissingProof};
use crate::frame::{Binding, FrameHeader, FrameKind, Record};
use crate::io::{Io, OpenMode};
use crate::replay::Cursor;
use crate::scan::{Scanner, Window, orphan_frame};
use crate::segment::{FileRole, HeaderFault, SegmentHeader};
use crate::survey::{corrupt, names, read_header};
use crate::{Error, LogId, Lsn};

/// Something found in a damaged log.
#[derive(Debug)]
pub enum Salvaged<'a> {
    /// An intact record.
    Record(Record<'a>),
    /// Here records are gone, or may be: [`Error::Corrupt`], [`Error::Missing`], [`Error::Io`].
    Gap(Error),
}

/// The intact records of the log in `dir`, and its gaps. Takes no lock, changes nothing. An unreadable sector costs the
/// rest of its segment; frames of a segment without header are found by what they say themselves.
///
/// # Errors
/// [`Error::Io`]: the directory cannot be listed, or a file not opened.
pub fn salvage(io: Arc<dyn Io>, dir: &Path) -> Result<Salvage, Error> {
    let mut files = Vec::new();
    for role in names(&*io, dir)? {
        if let FileRole::Segment(index) = role {
            let path = role.path(dir);
            let header = read_header(&*io, &path)?.0;
            files.push(Found { index, path, header });
        }
    }
    files.sort_unstable_by_key(|file| file.index);
    let log_id = files.iter().find_map(|file| file.header.ok()).map(|header| header.log_id);
    let files = VecDeque::from(files);
    Ok(Salvage { io, dir: dir.to_owned(), log_id, files, before: None, last: None, piece: None })
}

/// See [`salvage`]. Holds one frame, at least 1 MiB, in memory.
pub struct Salvage {
    io: Arc<dyn Io>,
    dir: PathBuf,
    log_id: Option<LogId>,
    files: VecDeque<Found>,
    /// The index before the next file's.
    before: Option<u64>,
    /// The last record delivered, or the one before the oldest.
    last: Option<Lsn>,
    piece: Option<Piece>,
}

/// A segment's file.
struct Found {
    index: u64,
    path: PathBuf,
    header: Result<SegmentHeader, HeaderFault>,
}

/// The segment being read.
struct Piece {
    path: PathBuf,
    cursor: Cursor,
    /// The end and the last record it must have.
    promised: Option<(u64, Lsn)>,
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
        let known = self.last.unwrap_or_default();
        match piece.advance(self.last) {
            Ok(true) => {
                self.last = Some(piece.cursor.lsn);
                Ok(true)
            }
            Ok(false) => {
                let short = piece.promised.filter(|(_, last)| *last > known);
                let gap = short.map(|(end, last)| {
                    let proof = CorruptionProof::Successor { end, last };
                    corrupt(&piece.path, piece.cursor.scanner.offset(), known, proof)
                });
                self.last = self.last.max(short.map(|(_, last)| last));
                self.piece = None;
                gap.map_or(Ok(false), Err)
            }
            Err(gap) => {
                if let Error::Io { .. } = gap {
                    self.piece = None;
                }
                Err(gap)
            }
        }
    }

    /// Opens the next file, or names what stands in its place.
    fn next_file(&mut self) -> Result<(), Error> {
        let Some(file) = self.files.front() else { return Ok(()) };
        if let Some(before) = self.before
            && file.index > before + 1
        {
            self.before = Some(file.index - 1);
            let (dir, reason) = (self.dir.clone(), MissingProof::Gap);
            return Err(Error::Missing { dir, segment: before + 1, reason });
        }
        self.before = Some(file.index);
        let Some(file) = self.files.pop_front() else { return Ok(()) };
        let window = self.io.open(&file.path, OpenMode::Read).and_then(Window::new);
        let window = window.map_err(Error::io("open", &file.path))?;
        match file.header {
            Ok(header) if header.index == file.index && header.is_coherent() => {
                self.begin(&file, window, &header);
                Ok(())
            }
            _ => self.begin_headless(&file, window),
        }
    }

    fn begin(&mut self, file: &Found, window: Window, header: &SegmentHeader) {
        let next = self.files.front().and_then(|next| next.header.ok());
        let promised = next.filter(|next| next.continues(header)).map(|next| next.previous);
        let mut cursor = Cursor::new(window, header);
        if let Some(promised) = promised {
            cursor.scanner.limit_to(promised.end);
        }
        self.last = self.last.or(Some(header.first_lsn.prev()));
        let promised = promised.map(|promised| (promised.end, promised.last_lsn));
        self.piece = Some(Piece { path: file.path.clone(), cursor, promised });
    }

    /// Reads on by what the frames of a segment say, if there are any.
    fn begin_headless(&mut self, file: &Found, mut window: Window) -> Result<(), Error> {
        let known = self.last.unwrap_or_default();
        let gap = corrupt(&file.path, 0, known, CorruptionProof::Header);
        let Some(log_id) = self.log_id else { return Err(gap) };
        let orphan = orphan_frame(&mut window, log_id, file.index, known);
        if let Some((_, frame)) = orphan.map_err(Error::io("read", &file.path))? {
            let limit = window.file_bytes();
            let binding = Binding::new(log_id, file.index, frame.cookie);
            let cursor = Cursor::over(Scanner::bound_to(window, binding, limit), frame.first_lsn.prev());
            self.piece = Some(Piece { path: file.path.clone(), cursor, promised: None });
            return Err(gap);
        }
        // The newest may never have been begun.
        if self.files.is_empty() { Ok(()) } else { Err(gap) }
    }
}

impl Piece {
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
            let Some(frame) = self.next_frame(known).map_err(Error::io("read", &self.path))? else {
                return Ok(false);
            };
            self.cursor.enter(frame);
            let expected = known.next();
            if last.is_some() && frame.kind == FrameKind::Records && frame.first_lsn > expected {
                let proof = CorruptionProof::Discontinuity { expected, found: frame.first_lsn };
                return Err(corrupt(&self.path, offset, known, proof));
            }
        }
    }

    /// The next intact frame, wherever it is.
    fn next_frame(&mut self, known: Lsn) -> std::io::Result<Option<FrameHeader>> {
        let scanner = &mut self.cursor.scanner;
        loop {
            match scanner.step()? {
                Some(frame) if scanner.is_well_formed(&frame)? => return Ok(Some(frame)),
                Some(_) => {}
                None if scanner.skip_to_intact(known)? => {}
                None => return Ok(None),
            }
        }
    }
}
