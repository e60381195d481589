//! Reading the records back, in order, with bounded memory.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::CorruptionProof;
use crate::frame::{FrameHeader, FrameKind, Record, split_record};
use crate::io::{Io, OpenMode};
use crate::mutants::{Mutant, planted};
use crate::scan::{Scanner, Window};
use crate::segment::SegmentHeader;
use crate::survey::corrupt;
use crate::{Error, Lsn};

mod ahead;

pub use ahead::ReplayAhead;

/// A segment and how far it counts.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) path: PathBuf,
    pub(crate) header: SegmentHeader,
    /// Behind the last frame that counts.
    pub(crate) end: u64,
    pub(crate) last_lsn: Lsn,
    /// Checksum of that frame.
    pub(crate) chain_crc: u32,
    /// How its file may be read.
    pub(crate) access: Access,
}

/// How a file may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nobody changes it while it is read: it may be mapped.
    Settled,
    /// It may change underfoot.
    Live,
}

/// The records from some LSN on. Holds one frame, at least 1 MiB, in memory (or a map of a segment, by feature `mmap`).
///
/// Stops for good at the first error: what came before it is intact, what comes after it is not delivered.
pub struct Replay {
    io: Arc<dyn Io>,
    spans: std::vec::IntoIter<Span>,
    from: Lsn,
    current: Option<SpanReader>,
}

impl Replay {
    pub(crate) fn new(io: Arc<dyn Io>, spans: Vec<Span>, from: Lsn) -> Self {
        let first = spans.partition_point(|span| span.last_lsn < from);
        let mut spans = spans.into_iter();
        if first > 0 {
            spans.nth(first - 1);
        }
        Self { io, spans, from, current: None }
    }

    /// The next record; `None` behind the last.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where durable bytes do not read back, [`Error::Io`] where the disk refuses. Nothing is
    /// changed by either.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, Error> {
        loop {
            if self.current.is_none() {
                let Some(span) = self.spans.next() else { return Ok(None) };
                self.current = Some(SpanReader::open(&*self.io, span)?);
            }
            let Some(reader) = &mut self.current else { return Ok(None) };
            match reader.advance() {
                Ok(true) if reader.cursor.lsn >= self.from => break,
                Ok(true) => {}
                Ok(false) => self.current = None,
                Err(error) => {
                    self.current = None;
                    self.spans = Vec::new().into_iter();
                    return Err(error);
                }
            }
        }
        Ok(self.current.as_ref().map(SpanReader::record))
    }

    /// Hands every record to `apply`, until it refuses one.
    ///
    /// # Errors
    /// What `apply` returned, or as [`Replay::next_record`].
    pub fn for_each<E: From<Error>>(
        mut self,
        mut apply: impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(record) = self.next_record()? {
            apply(record)?;
        }
        Ok(())
    }
}

/// Walks the records of one segment's frames.
pub(crate) struct Cursor {
    pub(crate) scanner: Scanner,
    frame: Option<FrameHeader>,
    /// Records of `frame` not yet passed, the current one not counted.
    left: u32,
    /// The current record's place in the payload, and the place behind it.
    at: usize,
    behind: usize,
    /// The current record.
    pub(crate) lsn: Lsn,
}

/// Why a frame that is intact is not the one that must come.
pub(crate) enum Misfit {
    Read(io::Error),
    Proof(CorruptionProof),
}

impl Cursor {
    /// Before the first record of the segment with this header.
    pub(crate) fn new(window: Window, header: &SegmentHeader) -> Self {
        Self::over(Scanner::new(window, header), header.previous.last_lsn)
    }

    /// Behind record `lsn`.
    pub(crate) fn over(scanner: Scanner, lsn: Lsn) -> Self {
        Self { scanner, frame: None, left: 0, at: 0, behind: 0, lsn }
    }

    /// Whether the current frame has no more records.
    #[inline]
    pub(crate) fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// Goes to the next frame; `None` if there is no intact one.
    pub(crate) fn next_frame(&mut self) -> Result<Option<FrameHeader>, Misfit> {
        let Some(frame) = self.scanner.step().map_err(Misfit::Read)? else { return Ok(None) };
        let expected = self.lsn.next();
        if frame.first_lsn != expected {
            return Err(Misfit::Proof(CorruptionProof::Discontinuity { expected, found: frame.first_lsn }));
        }
        if !self.scanner.is_well_formed(&frame).map_err(Misfit::Read)? {
            return Err(Misfit::Proof(CorruptionProof::Malformed));
        }
        self.enter(frame);
        Ok(Some(frame))
    }

    /// Stands before the first record of the frame that the scanner found last.
    pub(crate) fn enter(&mut self, frame: FrameHeader) {
        self.lsn = frame.first_lsn.prev();
        self.left = if frame.kind == FrameKind::Records { frame.count } else { 0 };
        self.behind = 0;
        self.frame = Some(frame);
    }

    /// Leaves all records of the frame behind.
    fn skip(&mut self) {
        self.lsn = self.frame.as_ref().map_or(self.lsn, FrameHeader::last_lsn);
        self.left = 0;
    }

    /// Goes to the next record of the frame; `false` if its bytes are none, which [`Cursor::next_frame`] ruled out.
    #[inline]
    pub(crate) fn pass(&mut self) -> bool {
        self.at = self.behind;
        let Some(frame) = &self.frame else { return false };
        let rest = self.scanner.payload_from(frame, self.at);
        let Some((_, bytes)) = split_record(rest, self.lsn) else { return false };
        self.left -= 1;
        self.behind = self.at + bytes;
        self.lsn = self.lsn.next();
        true
    }

    /// The current record.
    #[inline]
    pub(crate) fn record(&self) -> Record<'_> {
        let rest = self.frame.as_ref().map_or(&[][..], |frame| self.scanner.payload_from(frame, self.at));
        split_record(rest, self.lsn)
            .map_or(Record { lsn: self.lsn, kind: 0, payload: &[] }, |(record, _)| record)
    }
}

/// Reads one span, record by record.
pub(crate) struct SpanReader {
    span: Span,
    cursor: Cursor,
    /// Checksum of the last frame.
    chain_crc: u32,
    frames: u64,
}

impl SpanReader {
    pub(crate) fn open(io: &dyn Io, span: Span) -> Result<Self, Error> {
        let window = io.open(&span.path, OpenMode::Read).and_then(|file| match span.access {
            Access::Settled => Window::mapped(file),
            Access::Live => Window::new(file),
        });
        let cursor = Cursor::new(window.map_err(Error::io("open", &span.path))?, &span.header);
        let chain_crc = span.header.crc();
        Ok(Self { span, cursor, chain_crc, frames: 0 })
    }

    /// Goes to the next record; `false` at the end of the span.
    #[inline]
    pub(crate) fn advance(&mut self) -> Result<bool, Error> {
        while self.cursor.is_spent() {
            if self.next_frame()?.is_none() {
                return Ok(false);
            }
        }
        if self.cursor.pass() { Ok(true) } else { Err(self.fault(CorruptionProof::Malformed)) }
    }

    /// Frames read so far.
    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    #[inline]
    fn record(&self) -> Record<'_> {
        self.cursor.record()
    }

    /// Goes to the next frame; `None` at the end of the span.
    fn next_frame(&mut self) -> Result<Option<FrameHeader>, Error> {
        let offset = self.cursor.scanner.offset();
        if offset >= self.span.end {
            return self.finish().map(|()| None);
        }
        match self.cursor.next_frame() {
            Ok(Some(frame)) => {
                self.chain_crc = frame.crc;
                self.frames += 1;
                Ok(Some(frame))
            }
            Ok(None) if planted(Mutant::SilentStopInSealedSegment) => Ok(None),
            Ok(None) => Err(self.broken_off(offset)),
            Err(Misfit::Read(error)) => Err(Error::io("read", &self.span.path)(error)),
            Err(Misfit::Proof(proof)) => Err(self.fault(proof)),
        }
    }

    /// At the end, everything must be as the next segment's header says.
    fn finish(&self) -> Result<(), Error> {
        let (span, scanner) = (&self.span, &self.cursor.scanner);
        let exact = scanner.offset() == span.end;
        if exact && self.cursor.lsn == span.last_lsn && self.chain_crc == span.chain_crc {
            return Ok(());
        }
        Err(self.broken_off(scanner.at()))
    }

    fn broken_off(&self, offset: u64) -> Error {
        let proof = CorruptionProof::Successor { end: self.span.end, last: self.span.last_lsn };
        corrupt(&self.span.path, offset, self.cursor.lsn, proof)
    }

    fn fault(&self, proof: CorruptionProof) -> Error {
        corrupt(&self.span.path, self.cursor.scanner.at(), self.cursor.lsn, proof)
    }
}
