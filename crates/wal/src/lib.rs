//! A write-ahead log that tells a torn tail from rotten acknowledged data.
//!
//! Records go into fixed, zero-filled segments, in frames with a checksum. Every frame also says up to where the log
//! was known durable when it was written. So, after a crash, bytes that nobody was told about are cut off, and bytes
//! that somebody was told about and that no longer read back are an error, with file and offset: never a silent loss.
//!
//! ```
//! use quorate_wal::{Lsn, Options, StdIo, Wal};
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let options = Options::new(dir).segment_bytes(1 << 20);
//! let (wal, recovery) = Wal::open(&options, StdIo::shared())?;
//! recovery.replay(Lsn::ZERO)?.for_each::<quorate_wal::Error>(|record| {
//!     println!("{} {} {:?}", record.lsn, record.kind, record.payload);
//!     Ok(())
//! })?;
//! let append = wal.append(1, &[b"key", b"value"])?; // staged, one copy
//! let lsn = append.wait()?;                          // or `append.await?`, on any executor
//! assert!(wal.durable_lsn() >= lsn);
//! wal.checkpoint(lsn);                               // whole segments below are recycled
//! wal.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Ways to wait
//! - [`Append::wait`], [`Wal::sync_to`]: blocking. The first to come writes and syncs what everybody staged; who comes
//!   during that sync is in the next. No delay, no timer.
//! - [`Append`] is a future: the flusher thread, started on the first poll, does the work.
//! - [`Wal::stage`], [`Wal::try_lead`], [`Wal::on_durable`]: for event loops. Stage everything that is ready, sync in
//!   your own thread if nobody else does, be told otherwise. Above some [`Wal::recent_sync`] a thread hop is cheaper
//!   than a stalled loop: then [`Wal::request_sync`].
//! - A log that cannot keep up answers [`Error::Full`] instead of taking more than
//!   [`Options::staged_bytes_max`]: wait for what it has, by any of these ways, then go on.
//! - [`Wal::tail`] reads on through what becomes durable, [`Wal::subscribe`] only says how far that is; both wait, block or
//!   await, and drive nobody. [`Wal::retain`] keeps what a reader has yet to read.
//! - [`Machine`]: no threads and no waiting at all; you carry out batches and chores. For simulators.
//!
//! # Features
//! None is on unless you ask for it.
//! - `metrics`: `MetricsHooks`, and `tracing`: `TracingHooks`, tell what the log does; both, and your own [`Hooks`], go
//!   together as pairs. [`Wal::stats`] counts without any.
//! - `mmap`: sealed segments are replayed through memory maps. The only unsafe code of the crate.
//! - `typed`: values of Rust types instead of bytes, with `serde` and `postcard`.
//! - `mutants`, `shuttle`: for this crate's own tests, never for use.
//!
//! # Damage
//! Opening is strict: it refuses, and says where and why. What then is left, without a backup or replicas, is in
//! [`repair`]: read what is intact, or end the log where *you* say. Nothing of it ever happens by itself.
//!
//! # What is synced, when
//! | what | by | when |
//! |---|---|---|
//! | records | [`IoFile::sync_data`]: `fdatasync` | before they are acknowledged as durable; once per batch |
//! | a full segment, its seal | the same | before the next one's header is written |
//! | a segment's first 4 KiB, and its size | the same | before it gets its name: later syncs change no metadata |
//! | names of segments | [`Io::sync_dir`]: `fsync` of the directory | when one is made, before it is written to; after each that retires |
//! | the log's own name | `fsync` of the directory above | at every open, whoever made it; of all above that the open had to make ([`Io::ensure_dir`]) |
//! | what recovery reads | both | before it is read |
//!
//! An open that cannot sync one of these fails. The rest is up to what lies below:
//! - *Write caches*: a sync is as good as the drive's flush. With a volatile cache that ignores flushes (some consumer
//!   drives, controllers and hypervisors set to "unsafe"), power loss takes acknowledged records.
//! - *macOS*: `fsync` leaves them in the drive's cache; `std`, and so [`StdIo`], issues `F_FULLFSYNC` for files and
//!   directories alike, and is as slow as that.
//! - *Windows*: `FlushFileBuffers` for files. Directories cannot be synced there: names are as safe as NTFS's journal makes
//!   them. Not tested.
//! - *Network file systems*: NFS promises a sync to be on the server's disk if its export is `sync`; SMB and FUSE promise
//!   what their server does. Locks may be local to a machine: two machines must not open one log.
//!
//! # Guaranteed
//! - What was acknowledged as durable is replayed, in order, unaltered, or opening or replaying fails by name.
//! - What is replayed was appended; LSNs are dense; a batch is there whole or not at all.
//! - After a failed write or sync nothing is acknowledged, written or retried any more, for good.
//! - Opening changes no segment in which a record was begun, whole, torn or damaged; only a newest segment that shows no trace
//!   of one (nothing but zeros behind its header and marks, up to byte 4,096) is replaced. What is replayed is on the disk
//!   before it is delivered.
//! - A [`Tail`] delivers each record once, in order, and none that a power cut could take back.
//! - No record at or above a pin, or above the checkpoint, is given back.
//! - Whether and how a log is watched ([`Hooks`]) changes nothing in it, unless a hook panics: that stops it, by name.
//! - No bytes on disk make it panic, hang, or ask for more memory than the file's size justifies.
//!
//! # Not guaranteed
//! - That rot of the very last frames is noticed (the *last-batch hole*): a frame that no later intact frame, idle watermark
//!   ([`Wal::note_idle`]), close or following segment vouches for looks torn when it rots, is read stale or was written
//!   elsewhere. Later frames close that hole as they come. (If of a segment's only frame the first 4 KiB are gone as a whole,
//!   zeros instead, the log looks as if that frame had never been begun, and the rest of it may be written over.)
//! - Anything, if the disk lies about syncs; that a log which ends too early is noticed if whole newest segments that
//!   no older one names were removed: compare [`Recovery::last_lsn`] and [`Recovery::log_id`] with your checkpoint.
//! - That pins outlive the process: take them again before the first checkpoint. After a cut by hand, LSNs that were cut
//!   are used again.
//! - With feature `mmap`: that a sector which cannot be read, or a file that a process without regard for the lock cuts
//!   short, is an error during a plain replay: it raises SIGBUS.
//!
//! The format is described byte by byte in [`format`](mod@format) and frozen by `tests/golden`.
//!
//! Sources: Pebble, issue 453 and PRs 4331/4336 (the durable mark in frames); redb issue 299 (sync before trusting,
//! errors are final); Rebello et al., Can Applications Recover from fsync Failures? (ATC 2020); etcd's and RocksDB's
//! logs (what silent truncation costs).

#![cfg_attr(not(feature = "mmap"), forbid(unsafe_code))]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_debug_implementations)]

mod batch;
mod chore;
mod debug;
mod error;
/// What this crate's README shows, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[doc = include_str!("../FORMAT.md")]
pub mod format {}
mod frame;
mod hold;
mod hooks;
pub mod inspect;
pub mod io;
mod lsn;
mod machine;
#[cfg(not(feature = "mutants"))]
mod mutants;
#[cfg(feature = "mutants")]
pub mod mutants;
mod options;
mod recovery;
pub mod repair;
mod replay;
mod scan;
mod segment;
mod shell;
mod staging;
mod stats;
mod survey;
mod sync;
pub mod testkit;
#[cfg(feature = "typed")]
pub mod typed;

pub use batch::Batch;
pub use chore::{Chore, ChoreDone};
pub use error::{Corruption, CorruptionProof, Error, Foreign, MissingProof};
pub use frame::{FrameHeader, FrameKind, Record};
#[cfg(feature = "metrics")]
pub use hooks::MetricsHooks;
#[cfg(feature = "tracing")]
pub use hooks::TracingHooks;
pub use hooks::{BatchReport, Hooks, RecoveryReport};
pub use io::{Io, IoFile, StdIo};
pub use lsn::{LogId, Lsn};
pub use machine::{Machine, Marks, Opened, PinStats, Take};
pub use options::{
    Chores, Durability, Options, RECORD_BYTES_MAX, RecoveryMode, SEGMENT_BYTES, SEGMENT_BYTES_MIN,
    SPARE_SEGMENTS_MAX, STAGED_BYTES_MAX, SyncPolicy,
};
pub use recovery::{Recovery, TailState};
pub use replay::{Replay, ReplayAhead};
pub use segment::{Begun, FORMAT_VERSION, MAGIC, Predecessor, SEGMENT_HEADER_BYTES, SegmentHeader};
pub use shell::{Append, Lead, OnDurable, Retention, Stager, Tail, Underway, Wal, Watermark};
pub use stats::Stats;
