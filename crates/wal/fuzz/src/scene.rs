//! Input bytes as the files of a log.
//!
//! ```text
//! noise:  { role, length (2), bytes, seal }*       a file each
//! edited: which original, { edit, its operands }*  see `edit`
//! ```

use std::path::{Path, PathBuf};

use quorate_wal::Io;
use quorate_wal::testkit::SimIo;

use super::edit::{EDITS_MAX, edit, seal_file};
use super::input::Input;
use super::log::DIR;
use super::original::{Files, originals};

/// Files of noise.
const FILES_MAX: usize = 5;

pub struct Scene {
    original: Files,
    files: Files,
}

impl Scene {
    /// Noise or an edited original, as the first byte says.
    pub fn of(input: &mut Input<'_>) -> Self {
        if input.byte().is_multiple_of(2) { Self::noise(input) } else { Self::edited(input) }
    }

    fn noise(input: &mut Input<'_>) -> Self {
        let mut files = Files::new();
        while !input.is_empty() && files.len() < FILES_MAX {
            let path = path(input);
            let count = input.short();
            let mut bytes = input.bytes(count).to_vec();
            // The shortest file that may be a segment, and no seed need carry so many zeros.
            bytes.resize(bytes.len().max(4096), 0);
            seal_file(&mut bytes, input.byte());
            files.insert(path, bytes);
        }
        Self { original: Files::new(), files }
    }

    pub fn edited(input: &mut Input<'_>) -> Self {
        let original = originals()[usize::from(input.byte()) % originals().len()].clone();
        let mut files = original.clone();
        for _ in 0..EDITS_MAX {
            if input.is_empty() || files.is_empty() {
                break;
            }
            edit(&mut files, input);
        }
        Self { original, files }
    }

    pub fn bytes(&self) -> usize {
        self.original.values().chain(self.files.values()).map(Vec::len).sum()
    }

    /// A disk with the files.
    pub fn disk(&self) -> SimIo {
        disk(&self.files)
    }

    /// A disk with the original.
    pub fn original(&self) -> SimIo {
        disk(&self.original)
    }

    /// Makes of the original's files on `disk` what the edits made of them.
    pub fn put_on(&self, disk: &SimIo) {
        for path in self.original.keys().filter(|path| !self.files.contains_key(*path)) {
            if disk.contents(path).is_some() {
                disk.vanish(path);
            }
        }
        for (path, bytes) in self.files.iter().filter(|(path, bytes)| self.original.get(*path) != Some(bytes))
        {
            disk.set_contents(path, bytes.clone());
        }
    }
}

fn disk(files: &Files) -> SimIo {
    let disk = SimIo::new(3);
    disk.ensure_dir(Path::new(DIR)).expect("a disk that works");
    for (path, bytes) in files {
        disk.set_contents(path, bytes.clone());
    }
    disk
}

/// Mostly one of the first segments.
pub fn path(input: &mut Input<'_>) -> PathBuf {
    let role = input.byte();
    let index = if role < 224 { u64::from(role >> 2) % 5 + 1 } else { input.number() };
    let suffix = if role % 4 < 2 { "seg" } else { ["new", "free"][usize::from(role % 2)] };
    Path::new(DIR).join(format!("{index:010}.{suffix}"))
}
