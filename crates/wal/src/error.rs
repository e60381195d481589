//! What can go wrong, and what became of the data.
//!
//! Torn, corrupt, missing and refused are four different things here. A torn tail (bytes of a write that was never
//! acknowledged as durable to anyone who could prove it) is no error at all: recovery reports it and goes on.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::Lsn;

/// Everything this crate refuses or fails at. Cheap to clone: a poisoned log tells every caller the same cause.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Bytes that were durable no longer read back. Nothing was overwritten, nothing was cut.
    #[error(transparent)]
    Corrupt(Box<Corruption>),
    /// A segment that must exist does not. Nothing was changed.
    #[error(
        "the log in {dir} lacks segment {segment:010}: {reason}. Nothing was changed. Put the file back, or restore \
         the directory from a backup or from the other replicas",
        dir = dir.display()
    )]
    Missing {
        /// The log's directory.
        dir: PathBuf,
        /// The index of the segment that is gone.
        segment: u64,
        /// How it is known that it once was there.
        reason: MissingProof,
    },
    /// Replay was asked for records that were recycled long ago (or never were). Nothing was changed.
    #[error(
        "the log begins at LSN {oldest}, replay from LSN {from} is impossible: the records between are gone"
    )]
    Recycled {
        /// The LSN asked for.
        from: Lsn,
        /// The oldest LSN still there.
        oldest: Lsn,
    },
    /// The log ends before the record that [`at_least`](crate::Options::at_least) asks for. Nothing was changed.
    #[error(
        "the log in {dir} ends at LSN {last}, below LSN {at_least} that it must have: it lost its end, is an older copy, or \
         the disk did not read it as it is. Nothing was changed: open it again, or put back the log that belongs here",
        dir = dir.display()
    )]
    Behind {
        /// The log's directory.
        dir: PathBuf,
        /// Its last record.
        last: Lsn,
        /// The record that it must have.
        at_least: Lsn,
    },
    /// A cut was asked for in the middle of records that were written as one, perhaps as an atomic batch. Nothing was
    /// changed.
    #[error(
        "LSN {lsn} lies among records that were written as one: the log can end after LSN {before} or after LSN \
         {after}. Nothing was changed"
    )]
    CutInside {
        /// Where the log was to end.
        lsn: Lsn,
        /// Where it can end before that.
        before: Lsn,
        /// Where it can end behind that.
        after: Lsn,
    },
    /// A file of another log, or of a version of the format this build does not know. Nothing was changed.
    #[error("{path} is not usable by this build: {reason}. Nothing was changed", path = path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is foreign about it.
        reason: Foreign,
    },
    /// Another process (or another handle in this one) has the log open. Nothing was changed.
    #[error("the log in {dir} is in use by another process: stop it first, or name another directory", dir = dir.display())]
    Locked {
        /// The log's directory.
        dir: PathBuf,
    },
    /// Too many bytes wait to be written. The record was not taken; [`commit_to`](crate::Wal::commit_to) what was, or
    /// await it ([`when_durable`](crate::Wal::when_durable)), then try again.
    #[error(
        "the log has {staged_bytes} bytes waiting to be written, its bound is {staged_bytes_max}: the record \
         was not taken. Wait for what is there, then try again"
    )]
    Full {
        /// Bytes staged or being written.
        staged_bytes: u64,
        /// The bound, an option.
        staged_bytes_max: u64,
    },
    /// The record, or the atomic batch, is larger than the log was opened for. It was not taken.
    #[error(
        "a record or batch of {bytes} bytes is larger than this log takes ({bytes_max}): it was not taken. Split it, or \
         open the log with larger records (at most half a segment)"
    )]
    TooLarge {
        /// Its size on disk.
        bytes: u64,
        /// The bound: an option, at most half a segment.
        bytes_max: u64,
    },
    /// An atomic batch without records. Nothing was taken.
    #[error("an empty batch: nothing was taken")]
    EmptyBatch,
    /// A write or sync failed earlier: what was not durable then may or may not be on disk, and this handle never
    /// writes again, because a later successful sync would prove nothing (fsyncgate, 2018). Open the log anew:
    /// recovery finds out what is there. (Or a hook, a subscriber or a waker panicked, or a thread could not be started:
    /// `action` says so.)
    #[error(
        "the log in {dir} stopped for good when it could not {action}: {source}. Records up to LSN {durable} are \
         durable; later ones may or may not be. Restart to recover",
        dir = dir.display()
    )]
    Poisoned {
        /// The log's directory.
        dir: PathBuf,
        /// What failed.
        action: &'static str,
        /// Everything up to here is safe.
        durable: Lsn,
        /// Why.
        source: Arc<io::Error>,
    },
    /// The log was closed by its owner. The record was not taken.
    #[error("the log is closed: the record was not taken")]
    Closed,
    /// The last handle was dropped, without [`close`](crate::Wal::close), while somebody waited. What was not durable
    /// then is as a crash leaves it, and nothing is written any more: the directory may be another's by now.
    #[error(
        "the log in {dir} was dropped while its records waited: those up to LSN {durable} are durable, later ones may \
         or may not be on disk. Open it again to find out, and close it before its last handle goes",
        dir = dir.display()
    )]
    Dropped {
        /// The log's directory.
        dir: PathBuf,
        /// Everything up to here is safe.
        durable: Lsn,
    },
    /// The file system refused. Never taken for the end of the log; nothing was cut.
    #[error("could not {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: Arc<io::Error>,
    },
    /// An option is out of its range. Nothing was opened.
    #[error("option {option} = {value} is out of range: {reason}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// What was given.
        value: u64,
        /// What is allowed.
        reason: &'static str,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source: Arc::new(source) }
    }
}

/// Where durable bytes stopped making sense, and how we know that they were durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the log is corrupt: {path}, byte {offset}, after LSN {after_lsn}: {proof}. Nothing was overwritten or cut. \
     Restore this file from a backup, or move the directory aside and rebuild this replica from the others; a \
     `verify` of the log shows what is readable",
    path = path.display()
)]
#[non_exhaustive]
pub struct Corruption {
    /// The damaged file.
    pub path: PathBuf,
    /// The first byte that cannot be trusted.
    pub offset: u64,
    /// The last record before the damage that is intact.
    pub after_lsn: Lsn,
    /// Why this is rot and not a torn tail.
    pub proof: CorruptionProof,
}

/// Why unreadable bytes are rot and not the torn tail of a write nobody was told about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CorruptionProof {
    /// An intact frame further on says that more was durable.
    Witness {
        /// Where that frame lies.
        offset: u64,
        /// Up to where it says the log was durable.
        durable: Lsn,
    },
    /// The following segment says that this one went further.
    Successor {
        /// The offset at which it says this one ended.
        end: u64,
        /// The last LSN it says this one had.
        last: Lsn,
    },
    /// So much behind it looks like frames and is none that the search for a witness was given up: no log writes such bytes,
    /// and whether one of them vouches cannot be said.
    Undecided {
        /// Bytes that were checksummed.
        checked_bytes: u64,
    },
    /// The header does not match its checksum, or is blank, though a later or earlier segment relies on it.
    Header,
    /// The header is damaged and intact frames lie behind it.
    FramesBehindHeader {
        /// The first of them.
        offset: u64,
    },
    /// The header is intact but does not continue its predecessor.
    Chain,
    /// The file ends before its segment does; segments have their full size before they get their name.
    Short {
        /// Bytes it must have at least.
        bytes: u64,
    },
    /// An intact frame does not continue the LSNs before it.
    Discontinuity {
        /// The LSN that must follow.
        expected: Lsn,
        /// The LSN that does.
        found: Lsn,
    },
    /// A frame matches its checksum, but its records do not fill it.
    Malformed,
    /// It lies before the LSN after which the log was to be cut.
    BeforeCut {
        /// The last record to keep.
        keep: Lsn,
    },
    /// This very process was told by the disk that more was durable.
    Acknowledged {
        /// Up to where.
        durable: Lsn,
    },
}

impl fmt::Display for CorruptionProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Witness { offset, durable } => {
                write!(
                    f,
                    "unreadable, but the intact frame at byte {offset} witnesses that LSN {durable} was durable"
                )
            }
            Self::Successor { end, last } => {
                write!(f, "unreadable, but the next segment witnesses LSN {last} and an end at byte {end}")
            }
            Self::Undecided { checked_bytes } => {
                write!(
                    f,
                    "unreadable, and so much behind it looks like frames that the search for one that witnesses more \
                     was given up after checksumming {checked_bytes} bytes"
                )
            }
            Self::Header => write!(f, "the segment header is damaged"),
            Self::FramesBehindHeader { offset } => {
                write!(f, "the segment header is damaged, with intact frames behind it from byte {offset}")
            }
            Self::Chain => write!(f, "the segment header does not continue the segment before it"),
            Self::Discontinuity { expected, found } => {
                write!(f, "LSN {expected} must follow, the frame there begins at LSN {found}")
            }
            Self::Short { bytes } => write!(f, "the file ends here, it must have {bytes} bytes"),
            Self::BeforeCut { keep } => {
                write!(f, "no intact record follows, but the records up to LSN {keep} were to be kept")
            }
            Self::Acknowledged { durable } => {
                write!(f, "unreadable, but the disk acknowledged up to LSN {durable} to this process")
            }
            Self::Malformed => write!(f, "a frame passes its checksum but its records do not fill it"),
        }
    }
}

/// How it is known that a missing segment once was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingProof {
    /// Segments before and after it exist.
    Gap,
    /// The segment before it is sealed and names it.
    Sealed,
}

impl fmt::Display for MissingProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gap => "there are segments before and after it",
            Self::Sealed => "the segment before it is full and names it as its successor",
        })
    }
}

/// What is foreign about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    /// Written in a version of the format this build does not read.
    Version(u32),
    /// Uses features of the format this build does not know.
    Features(u32),
    /// Belongs to another log.
    Log,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "format version {version} is unknown, this build reads 1"),
            Self::Features(bits) => write!(f, "it needs unknown format features {bits:#x}"),
            Self::Log => write!(f, "it belongs to another log"),
        }
    }
}
