//! What can go wrong on disk, and what became of the data.
//!
//! Absent, corrupt, foreign and refused are four different things here; none of them changes a byte on disk.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use quorate_types::NodeId;
use quorate_wal::{LogId, Lsn};
use thiserror::Error;

use crate::disk::Identity;
use crate::log::EntryInvalid;

/// Everything this crate refuses or fails at on disk.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum DiskError {
    /// The file system refused. What was durable before still is.
    #[error("could not {action} {path}: {source}; what was durable before still is", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: Arc<io::Error>,
    },
    /// Another process has the directory. Nothing was changed.
    #[error(
        "the data directory {dir} is in use by another process: stop it first, or give this node a directory of its \
         own; nothing was changed",
        dir = dir.display()
    )]
    Locked {
        /// The data directory.
        dir: PathBuf,
    },
    /// The directory is another cluster's or another node's. Nothing was changed.
    #[error(
        "the data directory {dir} belongs to node {found_node} of cluster {found_cluster}, this is node {node} of \
         cluster {cluster}: start that node, or give this one a directory of its own; nothing was changed",
        dir = dir.display(), found_node = found.node_name, found_cluster = found.cluster_name,
        node = expected.node_name, cluster = expected.cluster_name
    )]
    OtherIdentity {
        /// The data directory.
        dir: PathBuf,
        /// Whose it is.
        found: Box<Identity>,
        /// Who asked.
        expected: Box<Identity>,
    },
    /// There is data but a file that says whose or from where is gone. Nothing was changed.
    #[error(
        "{path} is gone, though {proof} is there: this is no new directory. Nothing was changed. Put the file back \
         from a backup, or move the directory aside and fill this node again from the others by getting its keys at ALL",
        path = path.display(), proof = proof.display()
    )]
    Lost {
        /// The file that must exist.
        path: PathBuf,
        /// What shows that it once did.
        proof: PathBuf,
    },
    /// Bytes that were durable do not read back as they were written. Nothing was overwritten.
    #[error(
        "{path} is corrupt at byte {offset}: {damage}. Nothing was overwritten. Put the file back from a backup, or \
         move the directory aside and fill this node again from the others by getting its keys at ALL",
        path = path.display()
    )]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// Where what cannot be trusted begins.
        offset: u64,
        /// What is wrong there.
        damage: Damage,
    },
    /// A file in a version of its format that this release does not know. Nothing was changed.
    #[error(
        "{path} has format version {version}, this release reads {known}: use the release that wrote it, or a newer \
         one; nothing was changed",
        path = path.display()
    )]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// What this release reads.
        known: u32,
    },
    /// The log is not the one that the manifest was written for. Nothing was overwritten.
    #[error(
        "the log in {dir} has id {found}, the manifest belongs to log {expected}: put back the log that belongs to \
         it, or move the data directory aside and fill this node again from the others by getting its keys at ALL; nothing was overwritten",
        dir = dir.display()
    )]
    OtherLog {
        /// The log's directory.
        dir: PathBuf,
        /// The id in the manifest.
        expected: LogId,
        /// The log's id.
        found: LogId,
    },
    /// The log ends before the point that the checkpoint was taken at. Nothing was overwritten.
    #[error(
        "the log in {dir} ends at LSN {last}, below the checkpoint's replay point {replay_point}: it lost its end or \
         is an older copy. Nothing was changed. If the disk had misread it, the next start goes on; else put back the log that belongs to the checkpoint, or move the data \
         directory aside and fill this node again from the others by getting its keys at ALL",
        dir = dir.display()
    )]
    LogBehind {
        /// The log's directory.
        dir: PathBuf,
        /// Its last record.
        last: Lsn,
        /// Where replay was to begin.
        replay_point: Lsn,
    },
    /// A record of a log is intact but means nothing to this release. Nothing was overwritten.
    #[error(
        "record {lsn} of the log in {dir} is intact but not understood: {source}; nothing was overwritten; use the \
         release that wrote it, or a newer one",
        dir = dir.display()
    )]
    Entry {
        /// The log's directory.
        dir: PathBuf,
        /// The record.
        lsn: Lsn,
        /// What is wrong with it.
        source: EntryInvalid,
    },
    /// A log refused or failed; its message says what became of the data.
    #[error(transparent)]
    Wal(#[from] quorate_wal::Error),
    /// The hints kept for this target reached their limit: this hint was not taken.
    #[error(
        "the hints for node {target} hold {bytes} bytes, hints_bytes_max = {bytes_max}: this hint of {hint_bytes} \
         bytes was not taken; the target gets the write by repair"
    )]
    HintsFull {
        /// Whose hints.
        target: NodeId,
        /// Bytes of hints that wait for it.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
        /// What the hint would have taken.
        hint_bytes: u64,
    },
}

impl DiskError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> DiskError {
        let path = path.into();
        move |source| DiskError::Io { action, path, source: Arc::new(source) }
    }
}

/// What is wrong with bytes that were durable.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// The first bytes are another file's.
    #[error("it does not begin as such a file does")]
    Magic,
    /// The contents do not match their checksum.
    #[error("its bytes do not match their checksum")]
    Checksum,
    /// The file ends too early.
    #[error("it ends there, {missing} bytes too early")]
    Short {
        /// Bytes missing at least.
        missing: u64,
    },
    /// There are bytes behind the end.
    #[error("{extra} bytes follow its end")]
    Long {
        /// How many.
        extra: u64,
    },
    /// The file is intact, but not the one that the manifest names.
    #[error("it is intact but not the file that the manifest names")]
    NotTheOne,
    /// A length beyond what this format allows.
    #[error("a length of {bytes} bytes, more than the format allows")]
    Length {
        /// The length.
        bytes: u64,
    },
    /// A record in it is none.
    #[error("a record in it is not understood: {0}")]
    Entry(EntryInvalid),
    /// Its fields do not fill it.
    #[error("its fields do not fit its length")]
    Fields,
}
