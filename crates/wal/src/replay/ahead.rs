//! Reading ahead: a thread of its own reads and checks the frames while the caller applies their records.
//!
//! ```text
//!   reader thread ──▶ [block] [block] ──▶ the caller's records
//!        ▲                                      │
//!        └────────── spent blocks ──────────────┘
//! ```
//!
//! A block is a piece of a segment as it was read, with the places of the frames in it: nothing is copied. Blocks go
//! round: two that wait, one at the reader, one at the caller, and no more.
//!
//! Invariants: what is delivered, and where it stops, is exactly what [`Replay`](super::Replay) delivers; a reader that
//! dies without saying that the log has ended is not taken for the end.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Access, Span, SpanReader};
use crate::frame::{FrameHeader, FrameKind, Record, split_record};
use crate::io::Io;
use crate::mutants::carried_along;
use crate::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use crate::sync::thread::{Builder, JoinHandle};
use crate::{Error, Lsn};

/// Blocks that wait for the caller.
const BLOCKS_AHEAD: usize = 2;

/// The records from some LSN on, read ahead by a thread ([`Recovery::replay_ahead`](crate::Recovery::replay_ahead)).
///
/// Holds at most four blocks in memory, each 1 MiB or one frame, whichever is more. Reads through buffers, with feature
/// `mmap` too. Dropping it ends the thread.
///
/// Stops for good at the first error: what came before it is intact, what comes after it is not delivered.
pub struct ReplayAhead {
    from: Lsn,
    block: Block,
    frame: Option<PlacedFrame>,
    left: u32,
    at: usize,
    behind: usize,
    lsn: Lsn,
    ended: bool,
    blocks: Option<Receiver<Item>>,
    spent: Option<Sender<Block>>,
    reader: Option<JoinHandle<()>>,
}

/// What the reader says.
enum Item {
    Block(Block),
    Failed(Error),
    End,
}

/// A piece of a segment and the frames with records in it.
#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
    frames: VecDeque<PlacedFrame>,
}

/// Where in its block the records of a frame lie.
#[derive(Clone, Copy)]
struct PlacedFrame {
    from: usize,
    to: usize,
    first_lsn: Lsn,
    count: u32,
}

impl ReplayAhead {
    pub(crate) fn start(io: Arc<dyn Io>, spans: Vec<Span>, from: Lsn) -> Result<Self, Error> {
        let (blocks, filled) = sync_channel(BLOCKS_AHEAD);
        let (spent, empty) = channel();
        for _ in 0..BLOCKS_AHEAD {
            spent.send(Block::default()).expect("its receiver is at hand");
        }
        let reader = Reader { io, block: Block::default(), blocks, empty };
        let spans = spans.into_iter().skip_while(move |span| span.last_lsn < from);
        let reader = Builder::new()
            .name("wal-reader".to_owned())
            .spawn(carried_along(move || reader.run(spans)))
            .map_err(Error::io("start a thread to read", PathBuf::from("the log")))?;
        Ok(Self {
            from,
            block: Block::default(),
            frame: None,
            left: 0,
            at: 0,
            behind: 0,
            lsn: Lsn::ZERO,
            ended: false,
            blocks: Some(filled),
            spent: Some(spent),
            reader: Some(reader),
        })
    }

    /// The next record; `None` behind the last. Waits for the reader, if need be.
    ///
    /// # Errors
    /// As [`Replay::next_record`](super::Replay::next_record).
    #[inline]
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, Error> {
        loop {
            if self.left == 0 && !self.next_frame()? {
                return Ok(None);
            }
            self.pass();
            if self.lsn >= self.from {
                return Ok(self.current());
            }
        }
    }

    /// Hands every record to `apply`, until it refuses one.
    ///
    /// # Errors
    /// What `apply` returned, or as [`ReplayAhead::next_record`].
    pub fn for_each<E: From<Error>>(
        mut self,
        mut apply: impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(record) = self.next_record()? {
            apply(record)?;
        }
        Ok(())
    }

    /// Goes to the next frame; `false` behind the last.
    fn next_frame(&mut self) -> Result<bool, Error> {
        while !self.ended {
            if let Some(frame) = self.block.frames.pop_front() {
                (self.left, self.lsn) = (frame.count, frame.first_lsn.prev());
                (self.at, self.behind) = (frame.from, frame.from);
                self.frame = Some(frame);
                return Ok(true);
            }
            self.next_block()?;
        }
        Ok(false)
    }

    fn next_block(&mut self) -> Result<(), Error> {
        let item = self.blocks.as_ref().and_then(|blocks| blocks.recv().ok());
        match item {
            Some(Item::Block(block)) => {
                let spent = std::mem::replace(&mut self.block, block);
                // A reader that is done takes none back.
                drop(self.spent.as_ref().map(|empty| empty.send(spent)));
                return Ok(());
            }
            Some(Item::End) => self.ended = true,
            Some(Item::Failed(error)) => {
                self.ended = true;
                return Err(error);
            }
            None => {
                self.ended = true;
                if let Some(Err(panic)) = self.reader.take().map(JoinHandle::join) {
                    resume_unwind(panic);
                }
            }
        }
        Ok(())
    }

    /// Goes to the next record of the frame, whose records were counted by the reader.
    #[inline]
    fn pass(&mut self) {
        self.at = self.behind;
        self.left -= 1;
        self.lsn = self.lsn.next();
        self.behind += self.split().map_or(0, |(_, bytes)| bytes);
    }

    #[inline]
    fn current(&self) -> Option<Record<'_>> {
        self.split().map(|(record, _)| record)
    }

    #[inline]
    fn split(&self) -> Option<(Record<'_>, usize)> {
        let frame = self.frame.as_ref()?;
        split_record(&self.block.bytes[self.at..frame.to], self.lsn)
    }
}

impl Drop for ReplayAhead {
    fn drop(&mut self) {
        // Without anybody to hand blocks to or to get them from, the reader ends.
        (self.blocks, self.spent) = (None, None);
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
    }
}

/// The caller has gone.
struct Gone;

/// The thread that reads.
struct Reader {
    io: Arc<dyn Io>,
    /// The frames of the piece that the span's window holds.
    block: Block,
    blocks: SyncSender<Item>,
    empty: Receiver<Block>,
}

impl Reader {
    fn run(mut self, spans: impl Iterator<Item = Span>) {
        for span in spans {
            match self.read(span) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return drop(self.blocks.send(Item::Failed(error))),
                Err(Gone) => return,
            }
        }
        drop(self.blocks.send(Item::End));
    }

    /// Reads a span to its end, or to where it is damaged; what lies before the damage is handed over.
    fn read(&mut self, span: Span) -> Result<Result<(), Error>, Gone> {
        let mut span = match SpanReader::open(&*self.io, Span { access: Access::Live, ..span }) {
            Ok(span) => span,
            Err(error) => return Ok(Err(error)),
        };
        let result = loop {
            if !span.cursor.scanner.holds_next() {
                self.hand_over(&mut span)?;
            }
            match span.next_frame() {
                Ok(Some(frame)) => self.note(&mut span, &frame),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.hand_over(&mut span)?;
        Ok(result)
    }

    /// Keeps the place of a frame for the caller, who will go through its records.
    fn note(&mut self, span: &mut SpanReader, frame: &FrameHeader) {
        span.cursor.skip();
        if frame.kind == FrameKind::Records {
            let payload = span.cursor.scanner.held_payload(frame);
            let (from, to) = (payload.start, payload.end);
            self.block.frames.push_back(PlacedFrame {
                from,
                to,
                first_lsn: frame.first_lsn,
                count: frame.count,
            });
        }
    }

    /// Hands the piece that the window holds to the caller, if there are records in it.
    fn hand_over(&mut self, span: &mut SpanReader) -> Result<(), Gone> {
        if self.block.frames.is_empty() {
            return Ok(());
        }
        let mut empty = self.empty.recv().map_err(|_| Gone)?;
        empty.frames.clear();
        let mut full = std::mem::replace(&mut self.block, empty);
        full.bytes = span.cursor.scanner.take_held(std::mem::take(&mut self.block.bytes));
        self.blocks.send(Item::Block(full)).map_err(|_| Gone)
    }
}
