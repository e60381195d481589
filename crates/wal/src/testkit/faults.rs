//! What can go wrong on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::SimIo;

/// Faults to come.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) power_cut_in: Option<u64>,
    pub(super) sync_failure_in: Option<u64>,
    pub(super) dir_sync_failure_in: Option<u64>,
    pub(super) write_failure_in: Option<u64>,
    pub(super) misdirection_in: Option<u64>,
    pub(super) stall_in: Option<u64>,
    pub(super) stall: Duration,
    pub(super) short_one_in: u64,
    pub(super) capacity: Option<u64>,
    pub(super) unreadable: BTreeSet<PathBuf>,
    pub(super) unreadable_sectors: BTreeSet<(PathBuf, u64)>,
    pub(super) stale: BTreeMap<PathBuf, Stale>,
}

/// Reads that show the past.
#[derive(Clone, Debug)]
pub(super) struct Stale {
    pub(super) range: Range<u64>,
    pub(super) reads_left: u64,
}

/// How often faults came about: a countdown that never rang is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fired {
    /// Writes that failed.
    pub writes_failed: u64,
    /// Syncs of files that failed.
    pub syncs_failed: u64,
    /// Syncs of directories that failed.
    pub dir_syncs_failed: u64,
    /// Writes that will land elsewhere.
    pub writes_misdirected: u64,
    /// Reads that failed, or ended before an unreadable sector.
    pub reads_failed: u64,
    /// Reads that showed something else than what there is.
    pub reads_stale: u64,
}

/// A bit that was flipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RottenBit {
    /// In this file.
    pub path: PathBuf,
    /// In this byte of it.
    pub offset: u64,
    /// This one, 0 to 7.
    pub bit: u8,
}

/// True when a countdown rings.
pub(super) fn count_down(counter: &mut Option<u64>) -> bool {
    match counter {
        Some(0 | 1) => {
            *counter = None;
            true
        }
        Some(n) => {
            *n -= 1;
            false
        }
        None => false,
    }
}

/// Faults.
impl SimIo {
    /// Calls off all faults that are still to come, lifts the bound of the contents, and lets everything be read. What rotted,
    /// vanished or was misdirected stays so.
    pub fn end_faults(&self) {
        self.disk().plan = Plan::default();
    }

    /// From now on everything can be read, and as it is.
    pub fn end_read_faults(&self) {
        let plan = &mut self.disk().plan;
        plan.unreadable.clear();
        plan.unreadable_sectors.clear();
        plan.stale.clear();
    }

    /// Which faults came about so far.
    pub fn fired(&self) -> Fired {
        self.disk().fired
    }

    /// The power goes at the `operations`-th change from now (1: the next), which is not carried out; until
    /// [`SimIo::cut_power`] everything then fails.
    pub fn cut_power_after(&self, operations: u64) {
        self.disk().plan.power_cut_in = Some(operations);
    }

    /// The power goes now: until [`SimIo::cut_power`] everything fails, and changes nothing.
    pub fn darken(&self) {
        self.disk().dark = true;
    }

    /// The `syncs`-th sync of a file from now (1: the next) fails, once, and throws the pages away.
    pub fn fail_sync_after(&self, syncs: u64) {
        self.disk().plan.sync_failure_in = Some(syncs);
    }

    /// The `syncs`-th sync of a directory from now (1: the next) fails, once: the changes of names stay un-synced. Names are
    /// journalled: unlike a file's pages, a later sync that succeeds does cover them.
    pub fn fail_dir_sync_after(&self, syncs: u64) {
        self.disk().plan.dir_sync_failure_in = Some(syncs);
    }

    /// The `writes`-th write from now (1: the next) fails, once, and writes nothing.
    pub fn fail_write_after(&self, writes: u64) {
        self.disk().plan.write_failure_in = Some(writes);
    }

    /// The sectors of the `writes`-th write from now (1: the next) go elsewhere, once: over other sectors of this file or
    /// over those of another. It reports success, and until the power goes the page cache shows it where it belongs.
    /// Nothing happens if there is nowhere else to write to.
    pub fn misdirect_write_after(&self, writes: u64) {
        self.disk().plan.misdirection_in = Some(writes);
    }

    /// One write in `one_in` is short, one in `one_in` interrupted; 0 turns it off.
    pub fn short_writes(&self, one_in: u64) {
        self.disk().plan.short_one_in = one_in;
    }

    /// Room for this many bytes of file contents; `None`: no bound.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.disk().plan.capacity = bytes;
    }

    /// Bytes of file contents there are.
    pub fn used_bytes(&self) -> u64 {
        self.disk().used()
    }

    /// Reads of this file fail from now on.
    pub fn fail_reads(&self, path: impl Into<PathBuf>) {
        self.disk().plan.unreadable.insert(path.into());
    }

    /// Reads of the sector at `offset` of this file fail from now on; what lies before it can be read.
    pub fn fail_reads_at(&self, path: impl Into<PathBuf>, offset: u64) {
        self.disk().plan.unreadable_sectors.insert((path.into(), offset / super::file::SECTOR_BYTES));
    }

    /// The next `reads` reads of this file that touch `range` see there what each sector held before its last write:
    /// zeros, if it was written once. Lengths are not stale. 0 reads: none any more.
    pub fn stale_reads(&self, path: impl Into<PathBuf>, range: Range<u64>, reads: u64) {
        self.disk().plan.stale.insert(path.into(), Stale { range, reads_left: reads });
    }

    /// The `syncs`-th sync of a file from now (1: the next) takes this much longer, once.
    pub fn stall_sync_after(&self, syncs: u64, by: Duration) {
        let plan = &mut self.disk().plan;
        (plan.stall_in, plan.stall) = (Some(syncs), by);
    }

    /// Flips a bit on the disk. Panics if there is no such byte.
    pub fn flip_bit(&self, path: impl AsRef<Path>, offset: u64, bit: u8) {
        self.disk().flip_bit(path.as_ref(), offset, bit);
    }

    /// Flips `bits` bits of the files' contents, each anywhere, and says which. Panics if there is not a byte.
    pub fn rot(&self, bits: u64) -> Vec<RottenBit> {
        let mut disk = self.disk();
        (0..bits).map(|_| disk.rot()).collect()
    }

    /// Makes a file with these contents, durable at once.
    pub fn set_contents(&self, path: impl Into<PathBuf>, contents: Vec<u8>) {
        self.disk().set_contents(path.into(), contents);
    }

    /// Removes a file, durably, behind everybody's back.
    pub fn vanish(&self, path: impl AsRef<Path>) {
        self.disk().vanish(path.as_ref());
    }
}
