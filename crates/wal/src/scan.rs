//! Reading frames out of a segment.
//!
//! Invariants: what a length field says is believed only up to the end of the file, so that no bytes make this
//! allocate more than the file justifies; an error of the disk is an error, never the end of the log (RocksDB issue
//! 6288).

use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::frame::{Binding, FRAME_ALIGN, FRAME_HEADER_BYTES, FrameHeader, is_filled};
use crate::hold::Holds;
use crate::io::IoFile;
use crate::mutants::{Mutant, planted};
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, u32_at};
use crate::{LogId, Lsn};

/// Read at once.
const CHUNK_BYTES: u64 = 1 << 20;
/// Read at once by who follows the end.
const FOLLOWING_CHUNK_BYTES: u64 = 64 << 10;
/// How many times its own size the search for frames behind damage may checksum: crafted bytes must not hang it.
const SEARCH_FACTOR: u64 = 8;

/// A sliding view of a file.
pub(crate) struct Window {
    file: Arc<dyn IoFile>,
    #[cfg(feature = "mmap")]
    map: Option<Mapped>,
    bytes: u64,
    held: Vec<u8>,
    start: u64,
    chunk_bytes: u64,
}

/// A file in memory.
#[cfg(feature = "mmap")]
struct Mapped {
    /// Dropped before the hold.
    map: crate::io::Map,
    _hold: crate::hold::Hold,
}

#[cfg(feature = "mmap")]
impl Mapped {
    #[allow(unsafe_code)]
    fn new(file: &dyn IoFile, hold: crate::hold::Hold) -> io::Result<Option<Self>> {
        // SAFETY: the file is a segment that recovery found. The log writes to such a file only to use it again, which it
        // does not while there is a hold; and the hold keeps the directory locked, so that no other log writes to it. A
        // process that disregards the lock is beyond what this crate can answer for; the feature's description says so.
        let map = unsafe { file.map()? };
        Ok(map.map(|map| Self { map, _hold: hold }))
    }

    fn bytes(&self) -> &[u8] {
        (*self.map).as_ref()
    }
}

impl Window {
    pub(crate) fn new(file: Arc<dyn IoFile>) -> io::Result<Self> {
        let bytes = file.len()?;
        Ok(Self {
            file,
            #[cfg(feature = "mmap")]
            map: None,
            bytes,
            held: Vec::new(),
            start: 0,
            chunk_bytes: CHUNK_BYTES,
        })
    }

    /// Of a segment that recovery found: by memory map, where that and a hold on it are to be had.
    #[cfg(feature = "mmap")]
    pub(crate) fn mapped(file: Arc<dyn IoFile>, holds: &Holds) -> io::Result<Self> {
        let map = holds.take().map(|hold| Mapped::new(&*file, hold)).transpose()?.flatten();
        let mut window = Self::new(file)?;
        window.bytes = map.as_ref().map_or(window.bytes, |map| map.bytes().len() as u64);
        window.map = map;
        Ok(window)
    }

    /// Of a segment that recovery found: this build makes no memory maps.
    #[cfg(not(feature = "mmap"))]
    pub(crate) fn mapped(file: Arc<dyn IoFile>, _holds: &Holds) -> io::Result<Self> {
        Self::new(file)
    }

    /// The whole file, if it is in memory.
    #[cfg(feature = "mmap")]
    #[inline]
    fn map(&self) -> Option<&[u8]> {
        self.map.as_ref().map(Mapped::bytes)
    }

    #[cfg(not(feature = "mmap"))]
    #[inline]
    #[expect(clippy::unused_self, reason = "the same call with feature `mmap`")]
    fn map(&self) -> Option<&[u8]> {
        None
    }

    /// As [`Window::new`], for a reader at the end of a log in use, who reads little at once and often.
    pub(crate) fn following(file: Arc<dyn IoFile>) -> io::Result<Self> {
        Ok(Self { chunk_bytes: FOLLOWING_CHUNK_BYTES, ..Self::new(file)? })
    }

    pub(crate) fn file_bytes(&self) -> u64 {
        self.bytes
    }

    /// The bytes from `offset`; `None` if the file ends before.
    #[inline]
    pub(crate) fn view(&mut self, offset: u64, count: usize) -> io::Result<Option<&[u8]>> {
        if self.map().is_none() && !self.holds(offset, count) {
            if offset.checked_add(count as u64).is_none_or(|end| end > self.bytes) {
                return Ok(None);
            }
            match self.refill(offset, count) {
                Err(_) if planted(Mutant::ReadErrorIsEnd) => return Ok(None),
                filled => filled?,
            }
        }
        Ok(self.held(offset, count))
    }

    /// As [`Window::view`], for bytes that were viewed just before.
    #[inline]
    pub(crate) fn held(&self, offset: u64, count: usize) -> Option<&[u8]> {
        let (bytes, start) = match self.map() {
            Some(map) => (map, 0),
            None => (&self.held[..], self.start),
        };
        let from = usize::try_from(offset.checked_sub(start)?).ok()?;
        bytes.get(from..from.checked_add(count)?)
    }

    /// Whether nothing but zeros lies in `range`, as far as the file goes.
    pub(crate) fn is_zero(&mut self, range: Range<u64>) -> io::Result<bool> {
        const PIECE: u64 = 64 << 10;
        let (mut offset, end) = (range.start, range.end.min(self.bytes));
        while offset < end {
            let piece = PIECE.min(end - offset);
            if self.view(offset, piece as usize)?.is_none_or(|bytes| bytes.iter().any(|byte| *byte != 0)) {
                return Ok(false);
            }
            offset += piece;
        }
        Ok(true)
    }

    /// Gives away the bytes held, for others to go on with, and takes a buffer for the next.
    fn exchange(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        self.start = u64::MAX;
        std::mem::replace(&mut self.held, buffer)
    }

    fn holds(&self, offset: u64, count: usize) -> bool {
        self.held(offset, count).is_some()
    }

    fn refill(&mut self, offset: u64, count: usize) -> io::Result<()> {
        let wanted = (count as u64).max(self.chunk_bytes).min(self.bytes - offset) as usize;
        if self.held.len() < wanted {
            self.held.resize(wanted, 0);
        }
        let filled = self.file.read_at_most(&mut self.held[..wanted], offset)?;
        self.held.truncate(filled);
        self.start = offset;
        Ok(())
    }
}

/// Walks the frames of one segment.
pub(crate) struct Scanner {
    window: Window,
    binding: Binding,
    /// The next frame's place.
    offset: u64,
    limit: u64,
    /// The current frame's place.
    at: u64,
}

impl Scanner {
    pub(crate) fn new(window: Window, header: &SegmentHeader) -> Self {
        let limit = header.segment_bytes.min(window.file_bytes());
        Self::bound_to(window, header.binding(), limit)
    }

    /// Without a header, by what a frame of the segment says.
    pub(crate) fn bound_to(window: Window, binding: Binding, limit: u64) -> Self {
        let offset = SEGMENT_HEADER_BYTES as u64;
        Self { window, binding, offset, limit, at: offset }
    }

    /// What was read is read anew: the file has grown since.
    pub(crate) fn forget(&mut self) {
        self.window.held.clear();
    }

    /// Whether the next frame, if it is one, can be had without reading.
    pub(crate) fn holds_next(&self) -> bool {
        let head = self.window.held(self.offset, FRAME_HEADER_BYTES);
        let frame_bytes = head.and_then(FrameHeader::decode).map(|header| header.frame_bytes());
        frame_bytes.is_some_and(|bytes| self.window.holds(self.offset, bytes as usize))
    }

    /// Where in the bytes held the payload of the frame lies that `step` returned.
    pub(crate) fn held_payload(&self, header: &FrameHeader) -> Range<usize> {
        let from = (self.at + FRAME_HEADER_BYTES as u64 - self.window.start) as usize;
        from..from + header.payload_bytes as usize
    }

    /// Gives away the bytes held, and takes a buffer for those to come.
    pub(crate) fn take_held(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        self.window.exchange(buffer)
    }

    /// Behind the last good frame.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Where the frame that `step` returned lies.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// The next frame; `None` if there is no intact one at [`Scanner::offset`].
    pub(crate) fn step(&mut self) -> io::Result<Option<FrameHeader>> {
        let found = frame_at(&mut self.window, self.binding, self.offset, self.limit)?;
        if let Some(header) = found {
            self.at = self.offset;
            self.offset += header.frame_bytes();
        }
        Ok(found)
    }

    /// The payload of the frame that `step` returned.
    pub(crate) fn payload(&mut self, header: &FrameHeader) -> io::Result<&[u8]> {
        let offset = self.at + FRAME_HEADER_BYTES as u64;
        let view = self.window.view(offset, header.payload_bytes as usize)?;
        view.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Part of the payload of the frame that `step` returned, from `from` on.
    #[inline]
    pub(crate) fn payload_from(&self, header: &FrameHeader, from: usize) -> &[u8] {
        let offset = self.at + (FRAME_HEADER_BYTES + from) as u64;
        self.window.held(offset, header.payload_bytes as usize - from).unwrap_or_default()
    }

    /// Whether the records of the frame that `step` returned fill it.
    pub(crate) fn is_well_formed(&mut self, header: &FrameHeader) -> io::Result<bool> {
        let count = header.count;
        Ok(count == 0 || is_filled(self.payload(header)?, count))
    }

    /// Whether the bytes behind the last good frame are those of a frame that was begun, as far as can be told: anything
    /// but zeros up to `zeroed_to`, where the segment had nothing else; behind that, what looks like its header.
    pub(crate) fn leaves_a_stump(&mut self, zeroed_to: u64) -> io::Result<bool> {
        if !self.window.is_zero(self.offset..zeroed_to.min(self.limit))? {
            return Ok(true);
        }
        let cookie = self.binding.cookie();
        let head = self.window.view(self.offset, FRAME_HEADER_BYTES)?;
        Ok(head
            .is_some_and(|head| u32_at(head, 28) == cookie || u32_at(head, 0) != 0 && u32_at(head, 28) == 0))
    }

    /// Where the next intact frame of this segment lies behind the bad place, with records after `last`, or with proof
    /// that there were some: by its first LSN.
    pub(crate) fn intact_beyond(&mut self, last: Lsn) -> io::Result<Sought> {
        let binding = self.binding;
        let mut search = Search { window: &mut self.window, limit: self.limit, budget: 0 };
        search.find(self.offset + FRAME_ALIGN, &|head| {
            let has_records = head.count > 0 && head.last_lsn() > last;
            let witnesses = head.first_lsn > last.next();
            (head.cookie == binding.cookie() && (has_records || witnesses)).then_some(binding)
        })
    }

    /// The next frame is the one at `offset`.
    pub(crate) fn go_to(&mut self, offset: u64) {
        self.offset = offset;
    }

    /// No more frames.
    pub(crate) fn go_to_end(&mut self) {
        self.offset = self.limit;
    }

    /// Frames from `end` on do not count.
    pub(crate) fn limit_to(&mut self, end: u64) {
        self.limit = self.limit.min(end);
    }

    /// The first intact frame of this segment behind the bad place that says more than `last` was durable.
    pub(crate) fn witness_beyond(&mut self, last: Lsn) -> io::Result<Sought> {
        let binding = self.binding;
        let mut search = Search { window: &mut self.window, limit: self.limit, budget: 0 };
        search.find(self.offset + FRAME_ALIGN, &|head| {
            (head.cookie == binding.cookie() && head.durable_lsn > last).then_some(binding)
        })
    }
}

/// An intact frame at `offset`.
fn frame_at(
    window: &mut Window,
    binding: Binding,
    offset: u64,
    limit: u64,
) -> io::Result<Option<FrameHeader>> {
    let Some(header) = header_at(window, offset, limit)? else { return Ok(None) };
    if header.cookie != binding.cookie() {
        return Ok(None);
    }
    let Some(frame) = window.view(offset, header.frame_bytes() as usize)? else { return Ok(None) };
    let matches = binding.crc(offset, &frame[4..]) == header.crc || planted(Mutant::NoChecksum);
    Ok(matches.then_some(header))
}

/// 32 bytes that could be the header of a frame which ends before `limit`.
fn header_at(window: &mut Window, offset: u64, limit: u64) -> io::Result<Option<FrameHeader>> {
    if offset + FRAME_HEADER_BYTES as u64 > limit {
        return Ok(None);
    }
    let Some(head) = window.view(offset, FRAME_HEADER_BYTES)? else { return Ok(None) };
    Ok(FrameHeader::decode(head).filter(|header| offset + header.frame_bytes() <= limit))
}

/// An intact frame in a file whose header cannot be read: any frame that is bound to this log and index, by its own
/// cookie, and comes after `last`. Frames of the file's earlier lives are bound to other indices.
pub(crate) fn orphan_frame(window: &mut Window, log_id: LogId, index: u64, last: Lsn) -> io::Result<Sought> {
    let limit = window.file_bytes();
    let reach = last.get().saturating_add(limit);
    let mut search = Search { window, limit, budget: 0 };
    search.find(SEGMENT_HEADER_BYTES as u64, &|head| {
        let near = head.first_lsn > last && head.first_lsn.get() <= reach;
        near.then(|| Binding::new(log_id, index, head.cookie))
    })
}

/// What a search came to.
pub(crate) enum Sought {
    /// An intact frame, at this offset.
    Frame(u64, FrameHeader),
    Nothing,
    /// So much looked like frames and was none that the bound was reached: there is no saying.
    GaveUp {
        checked_bytes: u64,
    },
}

struct Search<'a> {
    window: &'a mut Window,
    limit: u64,
    budget: u64,
}

impl Search<'_> {
    /// The first intact frame from `offset` on to which `bound` gives a binding.
    fn find(
        &mut self,
        mut offset: u64,
        bound: &dyn Fn(&FrameHeader) -> Option<Binding>,
    ) -> io::Result<Sought> {
        self.budget = self.limit.saturating_mul(SEARCH_FACTOR);
        while offset + FRAME_HEADER_BYTES as u64 <= self.limit {
            if let Some(header) = header_at(self.window, offset, self.limit)?
                && let Some(binding) = bound(&header)
            {
                if self.budget < header.frame_bytes() {
                    let checked_bytes = self.limit.saturating_mul(SEARCH_FACTOR) - self.budget;
                    return Ok(Sought::GaveUp { checked_bytes });
                }
                self.budget -= header.frame_bytes();
                if let Some(header) = frame_at(self.window, binding, offset, self.limit)? {
                    return Ok(Sought::Frame(offset, header));
                }
            }
            offset += FRAME_ALIGN;
        }
        Ok(Sought::Nothing)
    }
}
