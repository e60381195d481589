//! Every disk that a power cut may leave.
//!
//! The operations are the writes, and the changes of names, that no sync has covered yet, oldest first; the last few of
//! them are *open*, those before are kept. The states are:
//! - each open operation is kept or not, whatever becomes of the others (`2^k` for `k` open ones);
//! - besides, one open write of several sectors is torn, while each of the others is kept or not: of up to four sectors any
//!   proper part is left; of more, the first so many or the last so many, at up to seven places;
//! - besides, one open write that makes its file longer leaves the length and zeros, while each of the others is kept or
//!   not.
//!
//! At most `2^k + k · 15 · 2^(k - 1)`: 2,944 for six. States that are the same disk are visited once. A real disk leaves
//! fewer: of two writes into one sector it never has the later without the earlier.

use std::collections::{BTreeMap, BTreeSet};

use super::SimIo;
use super::disk::Disk;
use super::file::{Inode, Write};
use super::names::NameChange;

/// So many operations can be open at most.
pub const CRASH_OPERATIONS_MAX: usize = 6;
/// Of a write of up to so many sectors, any part may be left.
const SECTORS_AT_WILL: usize = 4;
/// A longer write is torn at so many places at most.
const TEARS_MAX: usize = 7;

/// Visits the disks that a power cut may leave ([`SimIo::crash_states`]).
pub struct CrashStates {
    /// Older operations are carried out, open ones are not.
    base: Disk,
    open: Vec<Open>,
    /// To be visited: which operations are kept, and what one of them leaves instead, if it is torn.
    left: std::vec::IntoIter<(u32, Option<(usize, usize)>)>,
    seen: BTreeSet<u64>,
}

enum Open {
    Write { whole: Write, torn: Vec<Vec<Write>> },
    Name(NameChange),
}

impl SimIo {
    /// Every distinct disk that a power cut now could leave, as far as the last `last` un-synced operations decide it; on
    /// each, the power is back. This disk stays as it is; it may be dark.
    ///
    /// An operation is a write or a change of a name. Each is kept or not; besides, one write at a time is torn at its
    /// sectors' ends (any part of up to four sectors, else a beginning or an end), or leaves its file longer with zeros in
    /// its place. Operations before the last `last` are kept. For `last` = 6 that is at most 2,944 disks, most often
    /// a few; at least one.
    ///
    /// Panics if `last` is above [`CRASH_OPERATIONS_MAX`].
    pub fn crash_states(&self, last: usize) -> CrashStates {
        assert!(last <= CRASH_OPERATIONS_MAX, "{last} open operations: at most {CRASH_OPERATIONS_MAX}");
        CrashStates::new(self.disk().clone(), last)
    }

    /// Writes and changes of names that no sync has covered yet.
    pub fn unsynced_operations(&self) -> usize {
        let disk = self.disk();
        disk.pending_names.len() + disk.inodes.values().map(|file| file.pending.len()).sum::<usize>()
    }
}

impl CrashStates {
    fn new(mut base: Disk, last: usize) -> Self {
        let mut writes: Vec<Write> = Vec::new();
        base.inodes.values_mut().for_each(|file: &mut Inode| writes.append(&mut file.pending));
        writes.sort_by_key(|write| write.number);
        let mut names = std::mem::take(&mut base.pending_names);
        let mut numbers: Vec<u64> = writes.iter().map(|write| write.number).collect();
        numbers.extend(names.iter().map(|change| change.number));
        numbers.sort_unstable();
        let first_open = numbers.len().saturating_sub(last);
        let first_open = numbers.get(first_open).copied().unwrap_or(u64::MAX);

        let open_writes = writes.split_off(writes.partition_point(|write| write.number < first_open));
        let open_names = names.split_off(names.partition_point(|change| change.number < first_open));
        base.make_durable(&writes);
        for change in names {
            change.apply(&mut base.durable_names);
        }
        let mut open: BTreeMap<u64, Open> = BTreeMap::new();
        open.extend(open_names.into_iter().map(|change| (change.number, Open::Name(change))));
        for write in open_writes {
            let torn = tears(&base, &write);
            open.insert(write.number, Open::Write { whole: write, torn });
        }
        let open: Vec<Open> = open.into_values().collect();
        let left = choices(&open).into_iter();
        Self { base, open, left, seen: BTreeSet::new() }
    }

    fn state(&self, kept: u32, torn: Option<(usize, usize)>) -> Disk {
        let mut disk = self.base.clone();
        for (place, open) in self.open.iter().enumerate().filter(|(place, _)| kept & 1 << place != 0) {
            match open {
                Open::Name(change) => change.clone().apply(&mut disk.durable_names),
                Open::Write { torn: parts, .. } if torn.is_some_and(|(which, _)| which == place) => {
                    disk.make_durable(&parts[torn.map_or(0, |(_, how)| how)]);
                }
                Open::Write { whole, .. } => disk.make_durable(std::slice::from_ref(whole)),
            }
        }
        disk.forget_unnamed();
        disk.come_back();
        disk
    }
}

impl Iterator for CrashStates {
    type Item = SimIo;

    fn next(&mut self) -> Option<SimIo> {
        while let Some((kept, torn)) = self.left.next() {
            let disk = self.state(kept, torn);
            if self.seen.insert(digest(&disk)) {
                return Some(SimIo::of(disk));
            }
        }
        None
    }
}

/// Every way to keep and to tear.
fn choices(open: &[Open]) -> Vec<(u32, Option<(usize, usize)>)> {
    let masks = 0..1_u32 << open.len();
    let mut all: Vec<_> = masks.clone().map(|kept| (kept, None)).collect();
    for (place, open) in open.iter().enumerate() {
        let Open::Write { torn, .. } = open else { continue };
        for how in 0..torn.len() {
            let with_it = masks.clone().filter(|kept| kept & 1 << place != 0);
            all.extend(with_it.map(|kept| (kept, Some((place, how)))));
        }
    }
    all
}

/// What may be left of `write` besides all and nothing.
fn tears(base: &Disk, write: &Write) -> Vec<Vec<Write>> {
    let pieces = write.by_sector();
    let count = pieces.len();
    let mut torn: Vec<Vec<Write>> = Vec::new();
    if count <= SECTORS_AT_WILL {
        let parts = 1..(1_u32 << count).saturating_sub(1);
        torn.extend(parts.map(|part| {
            pieces
                .iter()
                .enumerate()
                .filter(|(n, _)| part & 1 << n != 0)
                .map(|(_, piece)| piece.clone())
                .collect()
        }));
    } else {
        let tears = TEARS_MAX.min(count - 1);
        for cut in (1..=tears).map(|nth| (nth * count / (tears + 1)).max(1)) {
            torn.push(pieces[..cut].to_vec());
            torn.push(pieces[cut..].to_vec());
        }
    }
    let end = write.offset + write.bytes.len() as u64;
    if base.inodes.get(&write.inode).is_some_and(|file| (file.durable.len() as u64) < end) {
        torn.push(vec![Write { offset: end, bytes: Vec::new(), ..*write }]);
    }
    torn
}

/// A disk's names and contents in 64 bits.
fn digest(disk: &Disk) -> u64 {
    let mut digest = Digest(0);
    for (path, inode) in &disk.durable_names {
        digest.add(path.as_os_str().as_encoded_bytes());
        digest.add(disk.inodes.get(inode).map_or(&[], |file| &file.durable[..]));
    }
    digest.0
}

struct Digest(u64);

impl Digest {
    fn add(&mut self, bytes: &[u8]) {
        self.mix(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn mix(&mut self, word: u64) {
        self.0 = super::SplitMix::new(self.0 ^ word).bits();
    }
}
