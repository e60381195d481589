//! A batch: what to write where, and whether to sync.
//!
//! The machine hands it out, somebody carries it out, the machine is told how it went. Whoever carries it out may
//! take its time between [`Batch::write`] and [`Batch::sync`]: a simulator does.
//!
//! Order at a rotation: seal into the old segment, sync it; header into the new one, sync it; then frames. So a header
//! is durable before any frame behind it, and nothing new reaches the disk before the old is safe there.

use std::io;
use std::sync::Arc;

use crate::Lsn;
use crate::frame::{Bare, BareKind, Binding, FrameFields, FrameKind};
use crate::io::IoFile;
use crate::mutants::{Mutant, planted};
use crate::segment::SegmentHeader;
use crate::staging::FrameBuf;

/// One frame and its place.
pub(crate) struct Placed {
    pub(crate) frame: FrameBuf,
    pub(crate) payload_bytes: u64,
    pub(crate) offset: u64,
}

/// The change to the next segment.
pub(crate) struct Rotation {
    pub(crate) old_file: Arc<dyn IoFile>,
    pub(crate) old_binding: Binding,
    pub(crate) seal_offset: u64,
    /// Complete but for the chain checksum, which is the seal's.
    pub(crate) header: SegmentHeader,
}

/// A frame without records at the end.
pub(crate) struct PlacedBare {
    pub(crate) offset: u64,
    pub(crate) what: BareKind,
}

/// Work for the disk: frames, perhaps a rotation before them, perhaps a sync behind them.
#[must_use = "the machine waits for `completed`"]
pub struct Batch {
    pub(crate) rotation: Option<Rotation>,
    pub(crate) frames: Vec<Placed>,
    pub(crate) bare: Option<PlacedBare>,
    pub(crate) file: Arc<dyn IoFile>,
    pub(crate) binding: Binding,
    /// Known durable when the batch was taken.
    pub(crate) durable_lsn: Lsn,
    pub(crate) last_lsn: Lsn,
    pub(crate) syncs: bool,
    /// Behind the last frame.
    pub(crate) end: u64,
    /// Checksum of the last frame, once written.
    pub(crate) last_crc: u32,
}

impl Batch {
    /// The last record written when this is done.
    pub fn last_lsn(&self) -> Lsn {
        self.last_lsn
    }

    /// Whether everything up to [`Batch::last_lsn`] is durable when this is done.
    pub fn syncs(&self) -> bool {
        self.syncs
    }

    /// Whether it changes to the next segment.
    pub fn rotates(&self) -> bool {
        self.rotation.is_some()
    }

    /// Bytes of its frames.
    pub fn bytes(&self) -> u64 {
        self.frames.iter().map(|placed| placed.frame.bytes.len() as u64).sum()
    }

    /// Records in it.
    pub fn records(&self) -> u64 {
        self.frames.iter().map(|placed| u64::from(placed.frame.count)).sum()
    }

    /// Rotates, if due (two syncs), then writes the frames.
    pub fn write(&mut self) -> io::Result<()> {
        if let Some(rotation) = &mut self.rotation {
            self.last_crc = rotation.carry_out(&*self.file, self.durable_lsn)?;
        }
        for placed in &mut self.frames {
            let frame = &mut placed.frame;
            let fields = FrameFields {
                kind: FrameKind::Records,
                payload_bytes: placed.payload_bytes as u32,
                first_lsn: frame.first_lsn,
                durable_lsn: mark(self.durable_lsn, frame.first_lsn),
                count: frame.count,
            };
            self.last_crc = self.binding.seal(&mut frame.bytes, placed.offset, &fields);
            self.file.write_all_at(&frame.bytes, placed.offset)?;
        }
        if let Some(bare) = &self.bare {
            let next_lsn = self.last_lsn.next();
            let frame = Bare { what: bare.what, next_lsn, durable_lsn: mark(self.durable_lsn, next_lsn) };
            self.file.write_all_at(&self.binding.bare(bare.offset, frame), bare.offset)?;
        }
        Ok(())
    }

    /// Syncs, if due.
    pub fn sync(&self) -> io::Result<()> {
        if self.syncs && !planted(Mutant::AckBeforeSync) { sync(&*self.file) } else { Ok(()) }
    }
}

/// The durable mark of a frame before which `next` is the LSN that comes next.
fn mark(durable: Lsn, next: Lsn) -> Lsn {
    if planted(Mutant::MarkTooHigh) {
        next.prev()
    } else if planted(Mutant::MarkNeverWritten) {
        Lsn::ZERO
    } else {
        durable
    }
}

fn sync(file: &dyn IoFile) -> io::Result<()> {
    let result = file.sync_data();
    if result.is_err() && planted(Mutant::RetryAfterSyncError) {
        return file.sync_data();
    }
    result
}

impl Rotation {
    /// Returns the checksum of the new header.
    fn carry_out(&mut self, new_file: &dyn IoFile, durable_lsn: Lsn) -> io::Result<u32> {
        let seal = Bare {
            what: BareKind::Seal { next_index: self.header.index, next_epoch: self.header.epoch },
            next_lsn: self.header.first_lsn,
            durable_lsn: mark(durable_lsn, self.header.first_lsn),
        };
        let seal = self.old_binding.bare(self.seal_offset, seal);
        self.header.previous.chain_crc = crate::segment::u32_at(&seal, 0);
        self.old_file.write_all_at(&seal, self.seal_offset)?;
        if !planted(Mutant::SealNotSynced) {
            sync(&*self.old_file)?;
        }
        new_file.write_all_at(&self.header.encode(), 0)?;
        if !planted(Mutant::HeaderNotSynced) {
            sync(new_file)?;
        }
        Ok(self.header.crc())
    }
}
