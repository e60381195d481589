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

#[derive(Clone, Debug)]
pub(super) enum What {
    Made(PathBuf, u64),
    Renamed(PathBuf, PathBuf),
    Removed(PathBuf),
}

impl NameChange {
    pub(super) fn is_in(&self, dir: &Path) -> bool {
        match &self.what {
            What::Made(path, _) | What::Removed(path) | What::Renamed(_, path) => path.parent() == Some(dir),
        }
    }

    pub(super) fn apply(self, names: &mut Names) {
        match self.what {
            What::Made(path, inode) => {
                names.insert(path, inode);
            }
            What::Removed(path) => {
                names.remove(&path);
            }
            What::Renamed(from, to) => {
                if let Some(inode) = names.remove(&from) {
                    names.insert(to, inode);
                }
            }
        }
    }
}
