//! Looking at a log without opening it: for tools. Reads only, takes no lock, works while the log is in use.
//!
//! On a log in use the end moves and old segments go: what changes underfoot is looked at again, a few times, before
//! it is called damaged.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::frame::{FrameHeader, Record, split_record};
use crate::io::{Io, OpenMode};
use crate::recovery::TailState;
use crate::replay::{Access, Replay, Span, SpanReader};
use crate::scan::{Scanner, Window};
use crate::segment::{FileRole, HeaderFault, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::survey::{Survey, Tail, names, read_header};
use crate::{Error, LogId, Lsn};

/// How often a log that changes underfoot is looked at.
const LOOKS: usize = 4;

/// A file of the log's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentFile {
    /// The file.
    pub path: PathBuf,
    /// Its place in the log.
    pub index: u64,
    /// Its length.
    pub bytes: u64,
    /// What it is.
    pub state: SegmentState,
}

/// What a file of the log's directory is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SegmentState {
    /// Part of the log.
    Begun(SegmentHeader),
    /// Made ready, not yet used.
    Prepared,
    /// Its header cannot be read: damaged, or torn while the log changed to it.
    Headless,
    /// Its header is of a format this build does not know.
    Foreign,
    /// Waits to be used again; no part of the log.
    Spare,
    /// Left by a recovery that was interrupted; no part of the log.
    Unfinished,
}

/// The files of the log in `dir`, by index; headers are read, frames are not.
///
/// # Errors
/// [`Error::Io`].
pub fn segments(io: &dyn Io, dir: &Path) -> Result<Vec<SegmentFile>, Error> {
    let mut files = Vec::new();
    for role in names(io, dir)? {
        match segment_file(io, dir, role) {
            Ok(file) => files.push(file),
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    files.sort_unstable_by_key(|file| file.index);
    Ok(files)
}

fn segment_file(io: &dyn Io, dir: &Path, role: FileRole) -> Result<SegmentFile, Error> {
    let path = role.path(dir);
    let file = io.open(&path, OpenMode::Read).map_err(Error::io("open", &path))?;
    let bytes = file.len().map_err(Error::io("read", &path))?;
    let (index, state) = match role {
        FileRole::Free(index) => (index, SegmentState::Spare),
        FileRole::New(index) => (index, SegmentState::Unfinished),
        FileRole::Segment(index) => {
            let state = match read_header(io, &path)?.0 {
                Ok(header) => SegmentState::Begun(header),
                Err(HeaderFault::Blank) => SegmentState::Prepared,
                Err(HeaderFault::Damaged) => SegmentState::Headless,
                Err(HeaderFault::Version(_) | HeaderFault::Features(_)) => SegmentState::Foreign,
            };
            (index, state)
        }
    };
    Ok(SegmentFile { path, index, bytes, state })
}

pub(crate) fn is_gone(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

/// What [`verify`] found in a log without fault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// Which log it is.
    pub log_id: LogId,
    /// The oldest record; one more than `last_lsn` if there is none.
    pub oldest_lsn: Lsn,
    /// The last intact record.
    pub last_lsn: Lsn,
    /// Up to here some frame or header proves that it was durable. Records behind it are intact, but rot behind it
    /// could not be told from a torn tail.
    pub witnessed_lsn: Lsn,
    /// How the log ends.
    pub tail: TailState,
    /// Segment by segment.
    pub segments: Vec<SegmentVerdict>,
}

/// A segment without fault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentVerdict {
    /// The file.
    pub path: PathBuf,
    /// Its header.
    pub header: SegmentHeader,
    /// Its last record that counts.
    pub last_lsn: Lsn,
    /// Frames that count.
    pub frames: u64,
    /// Records in them.
    pub records: u64,
    /// Where the last one ends.
    pub end: u64,
}

/// Reads the whole log and checks everything there is to check; `None` if there is no log.
///
/// # Errors
/// The first fault, as opening or replaying the log would meet it: [`Error::Corrupt`], [`Error::Missing`],
/// [`Error::Foreign`], [`Error::Io`].
pub fn verify(io: &dyn Io, dir: &Path) -> Result<Option<Verdict>, Error> {
    let mut verdict = verify_once(io, dir)?;
    if let Some(verdict) = &mut verdict
        && matches!(verdict.tail, TailState::Torn { .. })
        && goes_on(io, dir, verdict)?
    {
        verdict.tail = TailState::Open;
    }
    Ok(verdict)
}

/// Whether the log has another end than `seen`: its torn frame was one that was just being written.
fn goes_on(io: &dyn Io, dir: &Path, seen: &Verdict) -> Result<bool, Error> {
    let seen_end = seen.segments.last().map(|segment| (segment.header.index, segment.end));
    let chain = steady(|| Chain::of(io, dir))?;
    let end = chain.and_then(|chain| chain.spans.last().map(|span| (span.header.index, span.end)));
    Ok(end != seen_end)
}

fn verify_once(io: &dyn Io, dir: &Path) -> Result<Option<Verdict>, Error> {
    steady(|| {
        let Some(chain) = Chain::of(io, dir)? else { return Ok(None) };
        let mut segments = Vec::with_capacity(chain.spans.len());
        for span in &chain.spans {
            segments.push(verify_span(io, span)?);
        }
        Ok(Some(Verdict {
            log_id: chain.spans[0].header.log_id,
            oldest_lsn: chain.spans[0].header.first_lsn,
            last_lsn: chain.tail.last_lsn,
            witnessed_lsn: chain.tail.witnessed,
            tail: chain.tail.state(),
            segments,
        }))
    })
}

fn verify_span(io: &dyn Io, span: &Span) -> Result<SegmentVerdict, Error> {
    let mut reader = SpanReader::open(io, span.clone())?;
    let mut records = 0;
    while reader.advance()? {
        records += 1;
    }
    Ok(SegmentVerdict {
        path: span.path.clone(),
        header: span.header,
        last_lsn: span.last_lsn,
        frames: reader.frames(),
        records,
        end: span.end,
    })
}

/// The records from `from` on ([`Lsn::ZERO`]: from the oldest), up to the last intact one at the time of the call;
/// `None` if there is no log.
///
/// # Errors
/// As [`verify`]; [`Error::Recycled`].
pub fn records(io: &Arc<dyn Io>, dir: &Path, from: Lsn) -> Result<Option<Replay>, Error> {
    let Some(chain) = steady(|| Chain::of(&**io, dir))? else { return Ok(None) };
    let oldest = chain.spans[0].header.first_lsn;
    if from > Lsn::ZERO && from < oldest {
        return Err(Error::Recycled { from, oldest });
    }
    Ok(Some(Replay::new(Arc::clone(io), chain.spans, from)))
}

/// Looks again while what is seen may be the log changing underfoot.
fn steady<T>(look: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    let mut seen = look();
    for _ in 1..LOOKS {
        match &seen {
            Err(Error::Corrupt(_) | Error::Missing { .. }) => seen = look(),
            Err(error) if is_gone(error) => seen = look(),
            _ => break,
        }
    }
    seen
}

/// All segments and how far each counts.
struct Chain {
    spans: Vec<Span>,
    tail: Tail,
}

impl Chain {
    fn of(io: &dyn Io, dir: &Path) -> Result<Option<Self>, Error> {
        let survey = Survey::of(io, dir)?;
        let Some(tail) = survey.tail(io, dir)? else { return Ok(None) };
        let mut spans = Vec::with_capacity(survey.segments.len());
        for (place, segment) in survey.segments.iter().enumerate() {
            let by_next = survey.successor(place).map(|next| next.previous);
            let (end, last_lsn, chain_crc) = by_next
                .map_or((tail.end, tail.last_lsn, tail.chain_crc), |next| {
                    (next.end, next.last_lsn, next.chain_crc)
                });
            let (path, header) = (segment.path.clone(), segment.header);
            spans.push(Span { path, header, end, last_lsn, chain_crc, access: Access::Live });
        }
        Ok(Some(Self { spans, tail }))
    }
}

/// The intact frames of one segment, whether they count or not, up to the first that is none.
pub struct Frames {
    scanner: Scanner,
    path: PathBuf,
    header: SegmentHeader,
}

/// The frames of segment `index`.
///
/// # Errors
/// [`Error::Io`], [`Error::Corrupt`] if its header cannot be read.
pub fn frames(io: &dyn Io, dir: &Path, index: u64) -> Result<Frames, Error> {
    let path = FileRole::Segment(index).path(dir);
    let window = io.open(&path, OpenMode::Read).and_then(Window::new).map_err(Error::io("open", &path))?;
    let header = read_header(io, &path)?
        .0
        .map_err(|_| crate::survey::corrupt(&path, 0, Lsn::ZERO, crate::CorruptionProof::Header))?;
    Ok(Frames { scanner: Scanner::new(window, &header), path, header })
}

/// A frame and where it lies.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Frame<'a> {
    /// Its first byte in the file.
    pub offset: u64,
    /// Its header.
    pub header: FrameHeader,
    /// Its payload, without padding.
    pub payload: &'a [u8],
}

impl Frames {
    /// The segment's header.
    pub fn header(&self) -> &SegmentHeader {
        &self.header
    }

    /// Behind the last intact frame.
    pub fn offset(&self) -> u64 {
        self.scanner.offset().max(SEGMENT_HEADER_BYTES as u64)
    }

    /// The next frame.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, Error> {
        let Some(header) = self.scanner.step().map_err(Error::io("read", &self.path))? else {
            return Ok(None);
        };
        let offset = self.scanner.at();
        let payload = self.scanner.payload(&header).map_err(Error::io("read", &self.path))?;
        Ok(Some(Frame { offset, header, payload }))
    }
}

impl<'a> Frame<'a> {
    /// Its records.
    pub fn records(&self) -> impl Iterator<Item = Record<'a>> + use<'a> {
        let mut rest = self.payload;
        let mut lsn = self.header.first_lsn;
        (0..self.header.count).map_while(move |_| {
            let (record, bytes) = split_record(rest, lsn)?;
            rest = &rest[bytes..];
            lsn = lsn.next();
            Some(record)
        })
    }
}
