//! Changes to directories that are not durable yet.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Name → inode.
pub(super) type Names = BTreeMap<PathBuf, u64>;

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
        path.parent() == Some(dir)
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
