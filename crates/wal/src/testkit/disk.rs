//! The disk behind [`SimIo`](super::SimIo): what is shown, what is durable, and the order of what is neither yet.
//!
//! Invariants: without faults, `shown` is `durable` with all of `pending` applied; bytes that were synced change only
//! by flipped bits and misdirected writes: a sector is written whole or not, so garbage never reaches beyond what an
//! un-synced write covered.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::SplitMix;
use super::faults::{Fired, Plan, RottenBit, count_down};
use super::file::{Inode, SECTOR_BYTES, Write, overwrite, slice};
use super::names::{DIR, NameChange, Names, What, forget_unreachable, is_dir, name_dirs_of};
use crate::io::OpenMode;

#[derive(Clone, Debug)]
pub(super) struct Disk {
    pub(super) inodes: BTreeMap<u64, Inode>,
    inodes_made: u64,
    names: Names,
    pub(super) durable_names: Names,
    pub(super) pending_names: Vec<NameChange>,
    pub(super) locks: BTreeSet<PathBuf>,
    pub(super) plan: Plan,
    pub(super) fired: Fired,
    pub(super) clock: Duration,
    /// What of the clock's way was the disk's work.
    pub(super) busy: Duration,
    /// Counts machine lives: handles of an earlier one are void.
    pub(super) life: u64,
    pub(super) dark: bool,
    pub(super) operations: u64,
    /// For the program.
    entropy: SplitMix,
    /// For the faults: apart, so that a fault more does not change what the program draws.
    chance: SplitMix,
}

impl Disk {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            inodes: BTreeMap::new(),
            inodes_made: 0,
            names: Names::new(),
            durable_names: Names::new(),
            pending_names: Vec::new(),
            locks: BTreeSet::new(),
            plan: Plan::default(),
            fired: Fired::default(),
            clock: Duration::from_secs(1),
            busy: Duration::ZERO,
            life: 0,
            dark: false,
            operations: 0,
            entropy: SplitMix::new(seed),
            chance: SplitMix::new(!seed),
        }
    }

    pub(super) fn reseed(&mut self, seed: u64) {
        self.entropy = SplitMix::new(seed);
        self.chance = SplitMix::new(!seed);
    }

    pub(super) fn fill_random(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.entropy.bits().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }

    /// Before every change: does the power hold?
    fn change(&mut self, takes: Duration) -> io::Result<()> {
        if count_down(&mut self.plan.power_cut_in) {
            self.dark = true;
        }
        self.lit()?;
        self.operations += 1;
        self.work(takes);
        Ok(())
    }

    fn work(&mut self, takes: Duration) {
        self.clock += takes;
        self.busy += takes;
    }

    fn lit(&self) -> io::Result<()> {
        if self.dark { Err(io::Error::other("the power is gone")) } else { Ok(()) }
    }

    fn inode(&mut self, inode: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn open(&mut self, path: &Path, mode: OpenMode) -> io::Result<u64> {
        self.lit()?;
        if is_dir(&self.names, path) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if mode != OpenMode::Create {
            return self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into());
        }
        self.find_parent(path)?;
        self.change(Duration::from_micros(5))?;
        if let Some(&inode) = self.names.get(path) {
            // Emptied, not made: the name stays with the file that has it.
            *self.inode(inode)? = Inode::default();
            return Ok(inode);
        }
        self.inodes_made += 1;
        let inode = self.inodes_made;
        self.inodes.insert(inode, Inode::default());
        self.names.insert(path.to_owned(), inode);
        self.note_name(What::Made(path.to_owned(), inode));
        Ok(inode)
    }

    fn find_parent(&self, path: &Path) -> io::Result<()> {
        let found = path.parent().is_none_or(|dir| is_dir(&self.names, dir));
        if found { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn note_name(&mut self, what: What) {
        self.pending_names.push(NameChange { number: self.operations, what });
    }

    pub(super) fn pread(&mut self, inode: u64, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.lit()?;
        let shown = &self.inode(inode)?.shown;
        let from = (offset as usize).min(shown.len());
        let mut count = buf.len().min(shown.len() - from);
        buf[..count].copy_from_slice(&shown[from..from + count]);
        let range = offset..offset + count as u64;
        if let Some(bad) = self.first_unreadable(inode, &range) {
            count = bad.saturating_sub(offset) as usize;
            self.fired.reads_failed += 1;
            if count == 0 {
                return Err(io::Error::other("unreadable sector"));
            }
        }
        if let Some(stale) = self.stale(inode, &range) {
            let part = (stale.start - offset) as usize..(stale.end - offset) as usize;
            let is = buf[part.clone()].to_vec();
            self.inode(inode)?.read_stale(&mut buf[part.clone()], stale.start);
            self.fired.reads_stale += u64::from(buf[part] != is);
        }
        Ok(count)
    }

    /// The first byte of `range` that cannot be read.
    fn first_unreadable(&self, inode: u64, range: &Range<u64>) -> Option<u64> {
        let is_it = |path: &Path| self.names.get(path) == Some(&inode);
        if self.plan.unreadable.iter().any(|path| is_it(path)) {
            return Some(range.start);
        }
        let here = self.plan.unreadable_sectors.iter().filter(|(path, _)| is_it(path));
        let bad = here.map(|(_, sector)| sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES);
        bad.filter(|bad| bad.start < range.end && range.start < bad.end).map(|bad| bad.start).min()
    }

    /// The part of `range` that this read shall show as it was.
    fn stale(&mut self, inode: u64, range: &Range<u64>) -> Option<Range<u64>> {
        let names = &self.names;
        let stale = self.plan.stale.iter_mut().find(|(path, _)| names.get(*path) == Some(&inode))?.1;
        let part = range.start.max(stale.range.start)..range.end.min(stale.range.end);
        if part.is_empty() || stale.reads_left == 0 {
            return None;
        }
        stale.reads_left -= 1;
        Some(part)
    }

    pub(super) fn pwrite(&mut self, inode: u64, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.change(Duration::from_micros(2))?;
        if count_down(&mut self.plan.write_failure_in) {
            self.fired.writes_failed += 1;
            return Err(io::Error::other("write failed"));
        }
        if self.chance.one_in(self.plan.short_one_in) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let short = buf.len() > 1 && self.chance.one_in(self.plan.short_one_in);
        let count = if short { 1 + self.chance.below(buf.len() as u64 - 1) as usize } else { buf.len() };
        let end = offset + count as u64;
        let grows = end.saturating_sub(self.inode(inode)?.shown.len() as u64);
        if grows > 0 && self.plan.capacity.is_some_and(|capacity| self.used() + grows > capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let number = self.operations;
        self.inode(inode)?.write(Write { number, inode, offset, bytes: buf[..count].to_vec() });
        if count_down(&mut self.plan.misdirection_in) {
            self.misdirect(inode);
        }
        Ok(count)
    }

    /// The sectors of the last write to `inode` will land elsewhere.
    fn misdirect(&mut self, inode: u64) {
        let Some(last) = self.inodes.get(&inode).and_then(|file| file.pending.last()) else { return };
        let from = last.offset / SECTOR_BYTES;
        let count = (last.offset + last.bytes.len() as u64).div_ceil(SECTOR_BYTES) - from;
        let elsewhere = self.names.values().filter_map(|other| {
            let sectors = self.inodes.get(other)?.shown.len() as u64 / SECTOR_BYTES;
            (sectors >= count).then(|| (*other, sectors + 1 - count))
        });
        let places: Vec<(u64, u64)> = elsewhere
            .flat_map(|(other, starts)| (0..starts).map(move |start| (other, start)))
            .filter(|(other, start)| *other != inode || *start + count <= from || from + count <= *start)
            .collect();
        let Some(&(other, start)) = places.get(self.chance.below(places.len() as u64) as usize) else {
            return;
        };
        let Some(file) = self.inodes.get_mut(&inode) else { return };
        let mut bytes = slice(&file.shown, from * SECTOR_BYTES..(from + count) * SECTOR_BYTES).to_vec();
        bytes.resize((count * SECTOR_BYTES) as usize, 0);
        if let Some(last) = file.pending.last_mut() {
            *last = Write { number: last.number, inode: other, offset: start * SECTOR_BYTES, bytes };
            self.fired.writes_misdirected += 1;
        }
    }

    pub(super) fn used(&self) -> u64 {
        self.names
            .values()
            .filter_map(|inode| self.inodes.get(inode))
            .map(|file| file.shown.len() as u64)
            .sum()
    }

    pub(super) fn sync_data(&mut self, inode: u64) -> io::Result<()> {
        self.change(Duration::from_micros(80))?;
        if count_down(&mut self.plan.stall_in) {
            self.work(self.plan.stall);
        }
        let fails = count_down(&mut self.plan.sync_failure_in);
        let pending = std::mem::take(&mut self.inode(inode)?.pending);
        if fails {
            self.fired.syncs_failed += 1;
            // The pages are marked clean and go on being shown.
            return Err(io::Error::other("sync failed"));
        }
        self.make_durable(&pending);
        Ok(())
    }

    pub(super) fn make_durable(&mut self, writes: &[Write]) {
        for write in writes {
            if let Some(file) = self.inodes.get_mut(&write.inode) {
                overwrite(&mut file.durable, write.offset, &write.bytes);
            }
        }
    }

    pub(super) fn len(&mut self, inode: u64) -> io::Result<u64> {
        self.lit()?;
        Ok(self.inode(inode)?.shown.len() as u64)
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(Duration::from_micros(5))?;
        self.refuse_dir(from)?;
        let inode = self.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        self.names.insert(to.to_owned(), inode);
        self.note_name(What::Renamed(to.to_owned(), inode));
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.change(Duration::from_micros(5))?;
        self.refuse_dir(path)?;
        let inode = self.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        self.note_name(What::Removed(path.to_owned(), inode));
        Ok(())
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.lit()?;
        if !is_dir(&self.names, dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let here = self.names.keys().filter(|path| path.parent() == Some(dir));
        let mut names: Vec<_> = here
            .filter_map(|path| path.file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    pub(super) fn create_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.lit()?;
        if is_dir(&self.names, dir) {
            return Ok(());
        }
        if self.names.contains_key(dir) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.find_parent(dir)?;
        self.change(Duration::from_micros(5))?;
        self.names.insert(dir.to_owned(), DIR);
        self.note_name(What::Made(dir.to_owned(), DIR));
        Ok(())
    }

    /// Only files are renamed and removed.
    fn refuse_dir(&self, path: &Path) -> io::Result<()> {
        if is_dir(&self.names, path) { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(()) }
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.change(Duration::from_micros(80))?;
        if count_down(&mut self.plan.dir_sync_failure_in) {
            self.fired.dir_syncs_failed += 1;
            return Err(io::Error::other("sync failed"));
        }
        for change in std::mem::take(&mut self.pending_names) {
            if change.is_in(dir) {
                change.apply(&mut self.durable_names);
            } else {
                self.pending_names.push(change);
            }
        }
        Ok(())
    }

    pub(super) fn kill(&mut self) {
        self.life += 1;
        self.locks.clear();
        self.dark = false;
        self.plan.power_cut_in = None;
    }

    pub(super) fn cut_power(&mut self) {
        for change in std::mem::take(&mut self.pending_names) {
            if self.chance.one_in(2) {
                change.apply(&mut self.durable_names);
            }
        }
        self.forget_unnamed();
        let chance = &mut self.chance;
        let left = self
            .inodes
            .iter_mut()
            .flat_map(|(inode, file)| file.survivors(*inode, chance))
            .collect::<Vec<_>>();
        self.make_durable(&left);
        self.come_back();
    }

    /// Files without a durable name are gone, and what lies in a directory without one.
    pub(super) fn forget_unnamed(&mut self) {
        forget_unreachable(&mut self.durable_names);
        self.names.clone_from(&self.durable_names);
        let named: BTreeSet<u64> = self.names.values().copied().collect();
        self.inodes.retain(|inode, _| named.contains(inode));
    }

    /// What is durable is all there is.
    pub(super) fn come_back(&mut self) {
        for file in self.inodes.values_mut() {
            file.shown = Arc::clone(&file.durable);
        }
        self.kill();
    }

    pub(super) fn flip_bit(&mut self, path: &Path, offset: u64, bit: u8) {
        let inode = self.names[path];
        let file = self.inodes.get_mut(&inode).expect("a name has an inode");
        Arc::make_mut(&mut file.shown)[offset as usize] ^= 1 << bit;
        // What was never synced, only the page cache has.
        if let Some(byte) = Arc::make_mut(&mut file.durable).get_mut(offset as usize) {
            *byte ^= 1 << bit;
        }
    }

    pub(super) fn rot(&mut self) -> RottenBit {
        let sizes: Vec<_> = self
            .names
            .iter()
            .filter_map(|(path, inode)| Some((path, self.inodes.get(inode)?.shown.len() as u64)))
            .collect();
        let total = sizes.iter().map(|(_, bytes)| bytes).sum();
        let mut offset = self.chance.below(total);
        let mut path = PathBuf::new();
        for (name, bytes) in sizes {
            if offset < bytes {
                name.clone_into(&mut path);
                break;
            }
            offset -= bytes;
        }
        let bit = self.chance.below(8) as u8;
        self.flip_bit(&path, offset, bit);
        RottenBit { path, offset, bit }
    }

    pub(super) fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        self.inodes.get(self.names.get(path)?).map(|file| file.shown.to_vec())
    }

    pub(super) fn set_contents(&mut self, path: PathBuf, contents: Vec<u8>) {
        self.inodes_made += 1;
        name_dirs_of(&mut self.names, &path);
        name_dirs_of(&mut self.durable_names, &path);
        self.inodes.insert(self.inodes_made, Inode::of(contents));
        self.names.insert(path.clone(), self.inodes_made);
        self.durable_names.insert(path, self.inodes_made);
    }

    pub(super) fn vanish(&mut self, path: &Path) {
        self.names.remove(path);
        self.durable_names.remove(path);
    }

    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.names.iter().filter(|(_, inode)| **inode != DIR).map(|(path, _)| path.clone()).collect()
    }
}
