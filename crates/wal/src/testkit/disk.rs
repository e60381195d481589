//! The disk behind [`SimIo`](super::SimIo): what is shown, what is durable, and the order of what is neither yet.
//!
//! Invariants: without faults, `shown` is `durable` with all of `pending` applied; bytes that were synced change only
//! by flipped bits: a sector is written whole or not, so garbage never reaches beyond what an un-synced write covered.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::SplitMix;
use crate::io::OpenMode;

const SECTOR: u64 = 512;

/// Faults to come.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) power_cut_in: Option<u64>,
    pub(super) sync_failure_in: Option<u64>,
    pub(super) write_failure_in: Option<u64>,
    pub(super) short_one_in: u64,
    pub(super) capacity: Option<u64>,
    pub(super) unreadable: BTreeSet<PathBuf>,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    shown: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<(u64, Vec<u8>)>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Made(PathBuf, u64),
    Renamed(PathBuf, PathBuf),
    Removed(PathBuf),
}

#[derive(Clone, Debug)]
pub(super) struct Disk {
    inodes: BTreeMap<u64, Inode>,
    inodes_made: u64,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    pending_names: Vec<NameChange>,
    dirs: BTreeSet<PathBuf>,
    pub(super) locks: BTreeSet<PathBuf>,
    pub(super) plan: Plan,
    pub(super) clock: Duration,
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
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            dirs: BTreeSet::new(),
            locks: BTreeSet::new(),
            plan: Plan::default(),
            clock: Duration::from_secs(1),
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
        self.clock += takes;
        Ok(())
    }

    fn lit(&self) -> io::Result<()> {
        if self.dark { Err(io::Error::other("the power is gone")) } else { Ok(()) }
    }

    fn inode(&mut self, inode: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn open(&mut self, path: &Path, mode: OpenMode) -> io::Result<u64> {
        self.lit()?;
        if mode != OpenMode::Create {
            return self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into());
        }
        if path.parent().is_some_and(|dir| !self.dirs.contains(dir)) {
            return Err(io::ErrorKind::NotFound.into());
        }
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
        self.pending_names.push(NameChange::Made(path.to_owned(), inode));
        Ok(inode)
    }

    pub(super) fn pread(&mut self, inode: u64, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.lit()?;
        if self.plan.unreadable.iter().any(|path| self.names.get(path) == Some(&inode)) {
            return Err(io::Error::other("unreadable sector"));
        }
        let shown = &self.inode(inode)?.shown;
        let from = (offset as usize).min(shown.len());
        let count = buf.len().min(shown.len() - from);
        buf[..count].copy_from_slice(&shown[from..from + count]);
        Ok(count)
    }

    pub(super) fn pwrite(&mut self, inode: u64, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.change(Duration::from_micros(2))?;
        if count_down(&mut self.plan.write_failure_in) {
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
        let file = self.inode(inode)?;
        overwrite(&mut file.shown, offset, &buf[..count]);
        file.pending.push((offset, buf[..count].to_vec()));
        Ok(count)
    }

    fn used(&self) -> u64 {
        self.names
            .values()
            .filter_map(|inode| self.inodes.get(inode))
            .map(|file| file.shown.len() as u64)
            .sum()
    }

    pub(super) fn sync_data(&mut self, inode: u64) -> io::Result<()> {
        self.change(Duration::from_micros(80))?;
        let fails = count_down(&mut self.plan.sync_failure_in);
        let file = self.inode(inode)?;
        let pending = std::mem::take(&mut file.pending);
        if fails {
            // The pages are marked clean and go on being shown.
            return Err(io::Error::other("sync failed"));
        }
        for (offset, bytes) in pending {
            overwrite(&mut file.durable, offset, &bytes);
        }
        Ok(())
    }

    pub(super) fn len(&mut self, inode: u64) -> io::Result<u64> {
        self.lit()?;
        Ok(self.inode(inode)?.shown.len() as u64)
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(Duration::from_micros(5))?;
        let inode = self.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        self.names.insert(to.to_owned(), inode);
        self.pending_names.push(NameChange::Renamed(from.to_owned(), to.to_owned()));
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.change(Duration::from_micros(5))?;
        self.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        self.pending_names.push(NameChange::Removed(path.to_owned()));
        Ok(())
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.lit()?;
        if !self.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let here = self.names.keys().chain(&self.dirs).filter(|path| path.parent() == Some(dir));
        let mut names: Vec<_> = here
            .filter_map(|path| path.file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Directories are durable at once: `StdIo` syncs the parent too.
    pub(super) fn create_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.lit()?;
        self.dirs.extend(dir.ancestors().map(Path::to_owned));
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.change(Duration::from_micros(80))?;
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
        self.names = self.durable_names.clone();
        let named: BTreeSet<u64> = self.names.values().copied().collect();
        self.inodes.retain(|inode, _| named.contains(inode));
        let chance = &mut self.chance;
        self.inodes.values_mut().for_each(|file| file.crash(chance));
        self.kill();
    }

    pub(super) fn flip_bit(&mut self, path: &Path, offset: u64, bit: u8) {
        let inode = self.names[path];
        let file = self.inodes.get_mut(&inode).expect("a name has an inode");
        file.shown[offset as usize] ^= 1 << bit;
        file.durable[offset as usize] ^= 1 << bit;
    }

    pub(super) fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        self.inodes.get(self.names.get(path)?).map(|file| file.shown.clone())
    }

    pub(super) fn set_contents(&mut self, path: PathBuf, contents: Vec<u8>) {
        self.inodes_made += 1;
        if let Some(dir) = path.parent() {
            self.dirs.extend(dir.ancestors().map(Path::to_owned));
        }
        let file = Inode { shown: contents.clone(), durable: contents, pending: Vec::new() };
        self.inodes.insert(self.inodes_made, file);
        self.names.insert(path.clone(), self.inodes_made);
        self.durable_names.insert(path, self.inodes_made);
    }

    pub(super) fn vanish(&mut self, path: &Path) {
        self.names.remove(path);
        self.durable_names.remove(path);
    }

    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.names.keys().cloned().collect()
    }
}

impl NameChange {
    fn is_in(&self, dir: &Path) -> bool {
        match self {
            Self::Made(path, _) | Self::Removed(path) | Self::Renamed(_, path) => path.parent() == Some(dir),
        }
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Made(path, inode) => {
                names.insert(path, inode);
            }
            Self::Removed(path) => {
                names.remove(&path);
            }
            Self::Renamed(from, to) => {
                if let Some(inode) = names.remove(&from) {
                    names.insert(to, inode);
                }
            }
        }
    }
}

impl Inode {
    fn crash(&mut self, chance: &mut SplitMix) {
        let pending = std::mem::take(&mut self.pending);
        match chance.below(5) {
            0 => {}
            1 => pending.iter().for_each(|(offset, bytes)| overwrite(&mut self.durable, *offset, bytes)),
            2 | 3 => self.keep_prefix(&pending, chance),
            _ => self.keep_sectors(&pending, chance),
        }
        self.shown = self.durable.clone();
    }

    /// Whole writes up to some point, then one torn.
    fn keep_prefix(&mut self, pending: &[(u64, Vec<u8>)], chance: &mut SplitMix) {
        let kept = chance.below(pending.len() as u64 + 1) as usize;
        for (offset, bytes) in &pending[..kept] {
            overwrite(&mut self.durable, *offset, bytes);
        }
        let Some((offset, bytes)) = pending.get(kept) else { return };
        let torn = chance.below(bytes.len() as u64 + 1) as usize;
        overwrite(&mut self.durable, *offset, &bytes[..torn]);
        if chance.one_in(2) {
            let garbage = (bytes.len() - torn).min(SECTOR as usize);
            let noise: Vec<u8> = (0..garbage).map(|_| chance.bits() as u8).collect();
            overwrite(&mut self.durable, *offset + torn as u64, &noise);
        }
    }

    /// Each sector of each write by itself.
    fn keep_sectors(&mut self, pending: &[(u64, Vec<u8>)], chance: &mut SplitMix) {
        for (offset, bytes) in pending {
            let mut from = 0;
            while from < bytes.len() {
                let to_sector_end = SECTOR - (offset + from as u64) % SECTOR;
                let piece = (to_sector_end as usize).min(bytes.len() - from);
                if chance.one_in(2) {
                    overwrite(&mut self.durable, offset + from as u64, &bytes[from..from + piece]);
                }
                from += piece;
            }
        }
    }
}

fn count_down(counter: &mut Option<u64>) -> bool {
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

fn overwrite(file: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let (from, to) = (offset as usize, offset as usize + bytes.len());
    if file.len() < to {
        file.resize(to, 0);
    }
    file[from..to].copy_from_slice(bytes);
}
