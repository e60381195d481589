//! Reading on while the log is written.
//!
//! Invariants:
//! - a frame is read only once the disk has acknowledged it, and what was read before that is read anew: behind the
//!   durable end there may be a watermark that the next frame overwrites, or half a frame;
//! - the reader opens segments by index, which is never used twice; a file that became another segment underfoot fails
//!   the checksums, and the machine then says that its records were given back.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::Shared;
use super::watermark::{Watermark, block_on};
use crate::error::CorruptionProof;
use crate::frame::{FrameKind, Record};
use crate::io::OpenMode;
use crate::machine::Place;
use crate::mutants::{Mutant, planted};
use crate::options::Durability;
use crate::replay::{Cursor, Misfit};
use crate::scan::Window;
use crate::segment::FileRole;
use crate::survey::{corrupt, read_header};
use crate::{Error, Lsn};

/// A reader that follows a log in use ([`Wal::tail`](crate::Wal::tail)), in order, through rotations, never past what
/// is durable. Holds at least 64 KiB, one frame at most beyond, in memory; does not keep the log open.
///
/// After an error it stands where it stood.
pub struct Tail {
    shared: Arc<Shared>,
    watermark: Watermark,
    /// The next record to deliver.
    next: Lsn,
    /// Durable when the file was last read.
    known: Lsn,
    reader: Option<Reader>,
}

/// The segment being read.
struct Reader {
    index: u64,
    last_lsn: Option<Lsn>,
    cursor: Cursor,
}

impl Tail {
    pub(crate) fn new(shared: &Arc<Shared>, from: Lsn) -> Result<Self, Error> {
        let next = from.max(Lsn::new(1));
        shared.state().machine.place_of(next)?;
        let watermark = Watermark::new(shared);
        Ok(Self { shared: Arc::clone(shared), watermark, next, known: Lsn::ZERO, reader: None })
    }

    /// The record that comes next.
    pub fn next_lsn(&self) -> Lsn {
        self.next
    }

    /// The next record, if it is durable by now; `None` if not.
    ///
    /// # Errors
    /// [`Error::Recycled`]: it was given back before it was read; [`Error::Corrupt`], [`Error::Io`]: it cannot be read.
    pub fn try_next(&mut self) -> Result<Option<Record<'_>>, Error> {
        Ok(if self.advance()? { self.current() } else { None })
    }

    /// The next record, as soon as it is durable; `None` once the log is no longer open and everything durable was delivered. Blocks
    /// meanwhile, and drives nobody: somebody else must make it durable.
    ///
    /// # Errors
    /// As [`Tail::try_next`], and [`Error::Poisoned`] once everything durable was delivered.
    pub fn wait_next(&mut self) -> Result<Option<Record<'_>>, Error> {
        block_on(self.arrive()).map(|there| if there { self.current() } else { None })
    }

    /// As [`Tail::wait_next`], to await on any executor; the files themselves are read in the caller's thread. Cancel
    /// safe: a record not returned is not passed.
    ///
    /// # Errors
    /// As there.
    pub async fn await_next(&mut self) -> Result<Option<Record<'_>>, Error> {
        Ok(if self.arrive().await? { self.current() } else { None })
    }

    /// Goes to the next record, waiting for it; `false` if it will never come.
    async fn arrive(&mut self) -> Result<bool, Error> {
        while !self.advance()? {
            match self.watermark.reached(self.next).await {
                Ok(_) => {}
                Err(Error::Closed | Error::Dropped { .. }) => return self.advance(),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn current(&self) -> Option<Record<'_>> {
        self.reader.as_ref().map(|reader| reader.cursor.record())
    }

    /// Goes to the next record; `false` if it is not durable yet.
    fn advance(&mut self) -> Result<bool, Error> {
        let passes = planted(Mutant::TailPassesDurable);
        let durable = self.shared.mark(if passes { Durability::Written } else { Durability::Durable });
        if self.next > durable {
            return Ok(false);
        }
        match self.find(durable) {
            Ok(()) => {
                self.next = self.next.next();
                Ok(true)
            }
            Err(error) => {
                self.reader = None;
                Err(self.recycled().unwrap_or(error))
            }
        }
    }

    /// Why the next record cannot be there, if it was given back.
    fn recycled(&self) -> Option<Error> {
        self.shared.state().machine.place_of(self.next).err()
    }

    fn find(&mut self, durable: Lsn) -> Result<(), Error> {
        loop {
            let reader = if let Some(reader) = &mut self.reader {
                reader
            } else {
                self.known = durable;
                let place = self.shared.state().machine.place_of(self.next)?;
                self.reader.insert(Reader::open(&self.shared, place, self.next)?)
            };
            while !reader.cursor.is_spent() {
                if !reader.cursor.pass() {
                    return Err(reader.fault(&self.shared.dir, CorruptionProof::Malformed));
                }
                if reader.cursor.lsn == self.next {
                    return Ok(());
                }
            }
            if self.known < self.next {
                reader.cursor.scanner.forget();
                self.known = durable;
            }
            let step = reader.next_frame(&self.shared.dir, durable);
            if !matches!(step, Ok(true)) {
                // The record is elsewhere, or it is lost. The file may have been given back at its very end: then
                // whatever was read there says nothing.
                let (index, last) = (reader.index, reader.cursor.lsn);
                self.reader = None;
                let place = self.shared.state().machine.place_of(self.next)?;
                if place.index == index {
                    let path = FileRole::Segment(index).path(&self.shared.dir);
                    let proof = CorruptionProof::Acknowledged { durable };
                    return Err(step.err().unwrap_or_else(|| corrupt(&path, 0, last, proof)));
                }
            }
        }
    }
}

impl Reader {
    fn open(shared: &Shared, place: Place, next: Lsn) -> Result<Self, Error> {
        let path = FileRole::Segment(place.index).path(&shared.dir);
        // Opened before the header is read: the frames are those of the file whose header that is, or fail.
        let window = shared.io.open(&path, OpenMode::Read).and_then(Window::following);
        let window = window.map_err(Error::io("open", &path))?;
        let header = read_header(&*shared.io, &path)?
            .0
            .ok()
            .filter(|header| header.index == place.index && header.first_lsn == place.first_lsn)
            .ok_or_else(|| corrupt(&path, 0, next.prev(), CorruptionProof::Header))?;
        Ok(Self { index: place.index, last_lsn: place.last_lsn, cursor: Cursor::new(window, &header) })
    }

    /// Goes to the next frame, which the disk acknowledged; `false` if the next segment has it.
    fn next_frame(&mut self, dir: &Path, durable: Lsn) -> Result<bool, Error> {
        if self.last_lsn.is_some_and(|last| self.cursor.lsn >= last) {
            return Ok(false);
        }
        match self.cursor.next_frame() {
            Ok(Some(frame)) => Ok(frame.kind != FrameKind::Seal),
            Ok(None) => {
                let (path, offset) = (FileRole::Segment(self.index).path(dir), self.cursor.scanner.offset());
                Err(corrupt(&path, offset, self.cursor.lsn, CorruptionProof::Acknowledged { durable }))
            }
            Err(Misfit::Read(error)) => Err(self.read_error(dir, error)),
            Err(Misfit::Proof(proof)) => Err(self.fault(dir, proof)),
        }
    }

    fn read_error(&self, dir: &Path, error: io::Error) -> Error {
        Error::io("read", FileRole::Segment(self.index).path(dir))(error)
    }

    fn fault(&self, dir: &Path, proof: CorruptionProof) -> Error {
        let path = FileRole::Segment(self.index).path(dir);
        corrupt(&path, self.cursor.scanner.at(), self.cursor.lsn, proof)
    }
}
