//! What directories say, and changes to it that are not durable yet.
//!
//! Invariant: what is durable lies in directories that are. A name that was synced in a directory that was not goes with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Name → inode, or [`DIR`]. Roots need no name.
pub(super) type Names = BTreeMap<PathBuf, u64>;

/// The inode of every directory: what is in it, the names say.
pub(super) const DIR: u64 = 0;

pub(super) fn is_root(path: &Path) -> bool {
    path.parent().is_none() || path == Path::new(".")
}

/// Whether `path` is a directory.
pub(super) fn is_dir(names: &Names, path: &Path) -> bool {
    is_root(path) || names.get(path) == Some(&DIR)
}

/// Names the directories that `path` lies in.
pub(super) fn name_dirs_of(names: &mut Names, path: &Path) {
    let above = path.ancestors().skip(1).filter(|dir| !is_root(dir));
    names.extend(above.map(|dir| (dir.to_owned(), DIR)));
}

/// Forgets what lies in directories that are not there.
pub(super) fn forget_unreachable(names: &mut Names) {
    let dirs: BTreeSet<PathBuf> =
        names.iter().filter(|(_, inode)| **inode == DIR).map(|(path, _)| path.clone()).collect();
    names.retain(|path, _| path.ancestors().skip(1).all(|dir| is_root(dir) || dirs.contains(dir)));
}

#[derive(Clone, Debug)]
pub(super) struct NameChange {
    /// The operation that it was.
    pub(super) number: u64,
    pub(super) what: What,
}

/// What a directory entry said of which file: a change that is kept says it of no other, whatever else is lost.
#[derive(Clone, Debug)]
pub(super) enum What {
    Made(PathBuf, u64),
    Renamed(PathBuf, u64),
    Removed(PathBuf, u64),
}

impl NameChange {
    pub(super) fn is_in(&self, dir: &Path) -> bool {
        let (What::Made(path, _) | What::Renamed(path, _) | What::Removed(path, _)) = &self.what;
        path.parent().is_some_and(|parent| parent == dir || is_root(parent) && is_root(dir))
    }

    pub(super) fn apply(self, names: &mut Names) {
        match self.what {
            What::Made(path, inode) => {
                names.insert(path, inode);
            }
            What::Renamed(to, inode) => {
                names.retain(|_, other| *other != inode);
                names.insert(to, inode);
            }
            What::Removed(path, inode) => {
                if names.get(&path) == Some(&inode) {
                    names.remove(&path);
                }
            }
        }
    }
}
