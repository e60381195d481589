//! One file: what is shown, what is durable, the writes between the two, and what each sector held before.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::SplitMix;

/// What a disk writes whole or not at all.
pub(super) const SECTOR_BYTES: u64 = 512;

/// A write that is not on the disk yet.
#[derive(Clone, Debug)]
pub(super) struct Write {
    /// The operation that it was.
    pub(super) number: u64,
    /// The file that it will land in: the one it was made to, unless it is misdirected.
    pub(super) inode: u64,
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    pub(super) shown: Arc<Vec<u8>>,
    pub(super) durable: Arc<Vec<u8>>,
    pub(super) pending: Vec<Write>,
    /// Sectors as they were before their last write; zeros, if not in here.
    before: BTreeMap<u64, Vec<u8>>,
}

impl Inode {
    pub(super) fn of(contents: Vec<u8>) -> Self {
        let contents = Arc::new(contents);
        Self { shown: Arc::clone(&contents), durable: contents, ..Self::default() }
    }

    pub(super) fn write(&mut self, write: Write) {
        self.remember(write.offset..write.offset + write.bytes.len() as u64);
        overwrite(&mut self.shown, write.offset, &write.bytes);
        self.pending.push(write);
    }

    fn remember(&mut self, range: Range<u64>) {
        for sector in sectors(&range) {
            let old = slice(&self.shown, sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES);
            if old.iter().all(|byte| *byte == 0) {
                self.before.remove(&sector);
            } else {
                self.before.insert(sector, old.to_vec());
            }
        }
    }

    /// Fills `buf` with what was at `offset` before the last write of each sector.
    pub(super) fn read_stale(&self, buf: &mut [u8], offset: u64) {
        for (byte, at) in buf.iter_mut().zip(offset..) {
            let old = self.before.get(&(at / SECTOR_BYTES));
            *byte = old.and_then(|old| old.get((at % SECTOR_BYTES) as usize)).copied().unwrap_or(0);
        }
    }

    /// What a power cut keeps of the un-synced writes, in order.
    pub(super) fn survivors(&mut self, inode: u64, chance: &mut SplitMix) -> Vec<Write> {
        let pending = std::mem::take(&mut self.pending);
        match chance.below(6) {
            0 => Vec::new(),
            1 => pending,
            2 | 3 => prefix(pending, chance),
            4 => pieces(&pending, chance),
            _ => vec![Write { number: 0, inode, offset: self.shown.len() as u64, bytes: Vec::new() }],
        }
    }
}

/// Whole writes up to some point, then one torn.
fn prefix(mut pending: Vec<Write>, chance: &mut SplitMix) -> Vec<Write> {
    let kept = chance.below(pending.len() as u64 + 1) as usize;
    let Some(mut last) = pending.get(kept).cloned() else { return pending };
    pending.truncate(kept);
    let torn = chance.below(last.bytes.len() as u64 + 1) as usize;
    if chance.one_in(2) {
        let garbage = (last.bytes.len() - torn).min(SECTOR_BYTES as usize);
        last.bytes[torn..torn + garbage].iter_mut().for_each(|byte| *byte = chance.bits() as u8);
        last.bytes.truncate(torn + garbage);
    } else {
        last.bytes.truncate(torn);
    }
    pending.push(last);
    pending
}

/// Each sector of each write by itself.
fn pieces(pending: &[Write], chance: &mut SplitMix) -> Vec<Write> {
    pending.iter().flat_map(Write::by_sector).filter(|_| chance.one_in(2)).collect()
}

impl Write {
    /// Cut where the sectors end.
    pub(super) fn by_sector(&self) -> Vec<Self> {
        let range = self.offset..self.offset + self.bytes.len() as u64;
        sectors(&range)
            .map(|sector| {
                let from = range.start.max(sector * SECTOR_BYTES);
                let to = range.end.min((sector + 1) * SECTOR_BYTES);
                let bytes = self.bytes[(from - self.offset) as usize..(to - self.offset) as usize].to_vec();
                Self { offset: from, bytes, ..*self }
            })
            .collect()
    }
}

fn sectors(range: &Range<u64>) -> Range<u64> {
    range.start / SECTOR_BYTES..range.end.div_ceil(SECTOR_BYTES)
}

/// The bytes of `range` that the file has.
pub(super) fn slice(file: &[u8], range: Range<u64>) -> &[u8] {
    let clip = |at: u64| (at as usize).min(file.len());
    &file[clip(range.start)..clip(range.end)]
}

pub(super) fn overwrite(file: &mut Arc<Vec<u8>>, offset: u64, bytes: &[u8]) {
    let file = Arc::make_mut(file);
    let (from, to) = (offset as usize, offset as usize + bytes.len());
    if file.len() < to {
        file.resize(to, 0);
    }
    file[from..to].copy_from_slice(bytes);
}
