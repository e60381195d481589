//! Records on their way to the disk, already in the shape they will have there.
//!
//! Staging copies a record once, into the frame buffer that will be written. Buffers go round: staged, in flight,
//! pooled; a buffer that a huge record blew up is dropped instead.
//!
//! Invariants: frames hold consecutive LSNs, oldest first; an atomic batch lies in one frame; `bytes` counts what is
//! staged *and* what is in flight, so that a slow disk meets the bound too.

use std::collections::VecDeque;

use crate::Lsn;
use crate::frame::{COUNT_MAX, FRAME_ALIGN, FRAME_HEADER_BYTES, RECORD_HEADER_BYTES};

/// Idle buffers kept.
const POOL_MAX: usize = 8;
/// Larger idle buffers are given back.
const POOLED_BYTES_MAX: usize = 1 << 20;

/// One frame: room for the header, then records.
#[derive(Debug, Default)]
pub(crate) struct FrameBuf {
    pub(crate) bytes: Vec<u8>,
    pub(crate) first_lsn: Lsn,
    pub(crate) count: u32,
}

impl FrameBuf {
    fn begin(&mut self, first_lsn: Lsn) {
        self.bytes.clear();
        self.bytes.resize(FRAME_HEADER_BYTES, 0);
        self.first_lsn = first_lsn;
        self.count = 0;
    }

    pub(crate) fn payload_bytes(&self) -> usize {
        self.bytes.len() - FRAME_HEADER_BYTES
    }

    pub(crate) fn last_lsn(&self) -> Lsn {
        Lsn::new(self.first_lsn.get() + u64::from(self.count) - 1)
    }

    /// Zero bytes up to the next frame's place.
    pub(crate) fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(FRAME_ALIGN as usize), 0);
    }
}

/// Where staging stood, to go back to.
pub(crate) struct Mark {
    bytes: usize,
    count: u32,
}

/// The frames that wait.
#[derive(Debug)]
pub(crate) struct Staging {
    open: FrameBuf,
    full: VecDeque<FrameBuf>,
    pool: Vec<FrameBuf>,
    next_lsn: Lsn,
    bytes: u64,
    frame_bytes_target: usize,
}

impl Staging {
    pub(crate) fn new(next_lsn: Lsn, frame_bytes_target: u64) -> Self {
        let mut open = FrameBuf::default();
        open.begin(next_lsn);
        Self {
            open,
            full: VecDeque::new(),
            pool: Vec::new(),
            next_lsn,
            bytes: 0,
            frame_bytes_target: frame_bytes_target as usize,
        }
    }

    /// Bytes staged or in flight.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn last_lsn(&self) -> Lsn {
        self.next_lsn.prev()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.count == 0 && self.full.is_empty()
    }

    /// Makes room for records of `bytes` in all in one frame; returns where they begin.
    pub(crate) fn reserve(&mut self, bytes: usize) -> Mark {
        let crowded = self.open.bytes.len() + bytes > self.frame_bytes_target;
        if self.open.count > 0 && (crowded || self.open.count >= COUNT_MAX / 2) {
            self.turn_over();
        }
        self.open.bytes.reserve(bytes);
        Mark { bytes: self.open.bytes.len(), count: self.open.count }
    }

    #[inline]
    pub(crate) fn push(&mut self, kind: u8, parts: &[&[u8]], payload_bytes: usize) -> Lsn {
        let buffer = &mut self.open.bytes;
        let mut head = [0; RECORD_HEADER_BYTES];
        head[..4].copy_from_slice(&(payload_bytes as u32).to_le_bytes());
        head[4] = kind;
        buffer.extend_from_slice(&head);
        for part in parts {
            buffer.extend_from_slice(part);
        }
        self.open.count += 1;
        self.bytes += (payload_bytes + RECORD_HEADER_BYTES) as u64;
        let lsn = self.next_lsn;
        self.next_lsn = lsn.next();
        lsn
    }

    /// Bytes staged since `mark`.
    pub(crate) fn bytes_since(&self, mark: &Mark) -> usize {
        self.open.bytes.len() - mark.bytes
    }

    pub(crate) fn count_since(&self, mark: &Mark) -> u32 {
        self.open.count - mark.count
    }

    /// Takes back what was staged since `mark`.
    pub(crate) fn undo(&mut self, mark: &Mark) {
        self.bytes -= self.bytes_since(mark) as u64;
        self.next_lsn = Lsn::new(self.next_lsn.get() - u64::from(self.open.count - mark.count));
        self.open.bytes.truncate(mark.bytes);
        self.open.count = mark.count;
    }

    /// What comes next comes into another frame.
    pub(crate) fn split(&mut self) -> Mark {
        self.turn_over();
        self.reserve(0)
    }

    fn turn_over(&mut self) {
        let mut fresh = self.pool.pop().unwrap_or_default();
        fresh.begin(self.next_lsn);
        self.full.push_back(std::mem::replace(&mut self.open, fresh));
    }

    /// Bytes on disk of the oldest waiting frame.
    pub(crate) fn oldest_frame_bytes(&self) -> Option<u64> {
        let oldest = self.full.front().unwrap_or(&self.open);
        (oldest.count > 0).then(|| crate::frame::frame_bytes(oldest.payload_bytes() as u64))
    }

    pub(crate) fn pop(&mut self) -> Option<FrameBuf> {
        if self.full.is_empty() && self.open.count > 0 {
            self.turn_over();
        }
        self.full.pop_front()
    }

    /// A written frame's buffer comes back.
    pub(crate) fn recycle(&mut self, frame: FrameBuf, payload_bytes: u64) {
        self.bytes -= payload_bytes;
        if self.pool.len() < POOL_MAX && frame.bytes.capacity() <= POOLED_BYTES_MAX {
            self.pool.push(frame);
        }
    }
}
