//! How a log is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::frame::{FRAME_HEADER_BYTES, SEAL_BYTES};
use crate::hooks::{Hooks, Listener};
use crate::segment::{BLANK_BYTES, SEGMENT_HEADER_BYTES};
use crate::{Error, Lsn};

/// What an append waits for, when its caller names nothing stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncPolicy {
    /// Until the record is on the disk. Survives power loss.
    Always,
    /// Until the record is on the disk, as `Always`; but blocking waiters and futures wait up to `max_wait` for company, so
    /// that slow disks or costly syncs are shared by more. Ends early when half of `staged_bytes_max` waits. A wait of
    /// zero is `Always`; most disks want that. [`Wal::try_lead`](crate::Wal::try_lead) and
    /// [`Wal::sync_to`](crate::Wal::sync_to) don't wait.
    Group {
        /// How long at most the first record of a batch waits for others.
        max_wait: Duration,
    },
    /// Until the operating system has it; a timer syncs what is there, the last record too. Survives the death of
    /// the process.
    ///
    /// Power loss takes what was acknowledged within a span of at most `every`, plus what one write and one sync take: from
    /// the moment that the oldest record which no sync covers was written, until the last acknowledgement. `every` is thus
    /// both the period and the bound of the lag; there is no second knob. The timer, a thread, may be late; so whoever
    /// leads once that moment is `every` ago syncs before it acknowledges anything, and whoever comes during that sync
    /// waits for it. While nothing is appended, only the timer syncs: then the *age* of what may be lost has no bound but
    /// the scheduler's, its amount does not grow.
    Interval {
        /// Time between syncs.
        every: Duration,
    },
    /// Until the operating system has it; nothing syncs but rotation, [`Wal::sync_to`](crate::Wal::sync_to) and
    /// appends that ask for it.
    Os,
}

/// How safe a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Durability {
    /// Handed to the operating system: survives the death of the process.
    Written,
    /// On the disk: survives power loss.
    Durable,
}

/// What opening does about damage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecoveryMode {
    /// Refuses to open, and changes nothing.
    #[default]
    Strict,
    /// Ends the log after this LSN, for good, whatever follows: as [`repair::truncate`](crate::repair::truncate), then
    /// opens it. *Each* open with this option cuts anew what was appended since: never leave it in a configuration.
    TruncateAt(Lsn),
}

/// Who prepares and recycles segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Chores {
    /// A thread, started when there is something to do: nobody stalls at a rotation.
    Thread,
    /// Whoever leads or calls `checkpoint`; the crate then starts no thread for it. For small logs and tests.
    Inline,
}

/// The log's settings; the defaults suit a server's main log.
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) dir: PathBuf,
    pub(crate) segment_bytes: u64,
    pub(crate) record_bytes_max: u64,
    pub(crate) staged_bytes_max: u64,
    pub(crate) spare_segments_max: usize,
    pub(crate) sync: SyncPolicy,
    pub(crate) chores: Chores,
    pub(crate) recovery: RecoveryMode,
    pub(crate) at_least: Lsn,
    pub(crate) listener: Listener,
}

/// Default size of a segment: 64 MiB.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// Default bound of a record: 8 MiB.
pub const RECORD_BYTES_MAX: u64 = 8 << 20;
/// Default bound of what waits to be written: 32 MiB.
pub const STAGED_BYTES_MAX: u64 = 32 << 20;
/// Default number of recycled segments kept for use.
pub const SPARE_SEGMENTS_MAX: usize = 4;
/// The least size of a segment.
pub const SEGMENT_BYTES_MIN: u64 = BLANK_BYTES as u64;
/// Records are gathered into frames of about this size.
const FRAME_BYTES_TARGET: u64 = 256 << 10;

impl Options {
    /// The defaults, for the log in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: SEGMENT_BYTES,
            record_bytes_max: RECORD_BYTES_MAX,
            staged_bytes_max: STAGED_BYTES_MAX,
            spare_segments_max: SPARE_SEGMENTS_MAX,
            sync: SyncPolicy::Always,
            chores: Chores::Thread,
            recovery: RecoveryMode::Strict,
            at_least: Lsn::ZERO,
            listener: Listener::default(),
        }
    }

    /// Bytes of each new segment: a multiple of 8, at least [`SEGMENT_BYTES_MIN`]. Existing ones keep theirs.
    #[must_use]
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// The largest record or atomic batch, headers included; never more than about half a segment.
    #[must_use]
    pub fn record_bytes_max(mut self, bytes: u64) -> Self {
        self.record_bytes_max = bytes;
        self
    }

    /// Bytes that may wait to be written before appends answer [`Error::Full`]; at least `record_bytes_max`.
    #[must_use]
    pub fn staged_bytes_max(mut self, bytes: u64) -> Self {
        self.staged_bytes_max = bytes;
        self
    }

    /// Recycled segments kept for use; more are removed.
    #[must_use]
    pub fn spare_segments_max(mut self, count: usize) -> Self {
        self.spare_segments_max = count;
        self
    }

    /// What appends wait for.
    #[must_use]
    pub fn sync(mut self, policy: SyncPolicy) -> Self {
        self.sync = policy;
        self
    }

    /// Who prepares and recycles segments.
    #[must_use]
    pub fn chores(mut self, chores: Chores) -> Self {
        self.chores = chores;
        self
    }

    /// What opening does about damage; [`RecoveryMode::Strict`] unless said otherwise.
    #[must_use]
    pub fn recovery(mut self, mode: RecoveryMode) -> Self {
        self.recovery = mode;
        self
    }

    /// The last record that the log must have, because its user has it elsewhere: a log that ends below has lost its end, is
    /// an older copy, or was not read as it is, and is refused ([`Error::Behind`]) before a byte is written. Nothing is
    /// asked of it unless said otherwise.
    #[must_use]
    pub fn at_least(mut self, lsn: Lsn) -> Self {
        self.at_least = lsn;
        self
    }

    /// Told what the log does; nobody, unless said otherwise. A bare [`Machine`](crate::Machine) tells nothing: its
    /// driver sees it all.
    #[must_use]
    pub fn hooks(mut self, hooks: Arc<dyn Hooks>) -> Self {
        self.listener = Listener::new(hooks);
        self
    }

    /// The log's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Refuses a log whose last record is `last` if it must have more.
    pub(crate) fn check_reach(&self, last: Lsn) -> Result<(), Error> {
        let at_least = self.at_least;
        if last < at_least { Err(Error::Behind { dir: self.dir.clone(), last, at_least }) } else { Ok(()) }
    }

    pub(crate) fn check(&self) -> Result<Limits, Error> {
        if self.segment_bytes < SEGMENT_BYTES_MIN || !self.segment_bytes.is_multiple_of(8) {
            return Err(Error::Option {
                option: "segment_bytes",
                value: self.segment_bytes,
                reason: "a multiple of 8, at least 4096",
            });
        }
        if self.segment_bytes > u64::from(u32::MAX) {
            return Err(Error::Option {
                option: "segment_bytes",
                value: self.segment_bytes,
                reason: "less than 4 GiB",
            });
        }
        let overhead = SEGMENT_HEADER_BYTES as u64 + SEAL_BYTES + FRAME_HEADER_BYTES as u64;
        let record_bytes_max = self.record_bytes_max.min((self.segment_bytes - overhead) / 2);
        if self.staged_bytes_max < record_bytes_max {
            return Err(Error::Option {
                option: "staged_bytes_max",
                value: self.staged_bytes_max,
                reason: "at least as much as the largest record",
            });
        }
        Ok(Limits {
            segment_bytes: self.segment_bytes,
            record_bytes_max,
            staged_bytes_max: self.staged_bytes_max,
            frame_bytes_target: FRAME_BYTES_TARGET.min(self.segment_bytes / 8),
            spare_segments_max: self.spare_segments_max,
        })
    }

    /// What an append waits for under this policy.
    pub(crate) fn durability(&self) -> Durability {
        match self.sync {
            SyncPolicy::Always | SyncPolicy::Group { .. } => Durability::Durable,
            SyncPolicy::Interval { .. } | SyncPolicy::Os => Durability::Written,
        }
    }
}

/// Checked sizes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) segment_bytes: u64,
    pub(crate) record_bytes_max: u64,
    pub(crate) staged_bytes_max: u64,
    pub(crate) frame_bytes_target: u64,
    pub(crate) spare_segments_max: usize,
}
