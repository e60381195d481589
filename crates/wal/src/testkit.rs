//! A simulated disk, to crash-test this log and *your own* replay code.
//!
//! [`SimIo`] is an [`Io`](crate::Io) in memory that keeps apart what a program sees and what is on the disk. Everything
//! about it is decided by its seed and the calls made to it.
//!
//! ```
//! use std::sync::Arc;
//! use quorate_wal::testkit::SimIo;
//! use quorate_wal::{Chores, Lsn, Options, Wal};
//!
//! let disk = SimIo::new(7);
//! let options = Options::new("/log").segment_bytes(16 << 10).chores(Chores::Inline);
//! let (wal, _) = Wal::open(&options, Arc::new(disk.clone()))?;
//! wal.append(1, &[b"safe"])?.wait()?;
//! drop(wal.append(1, &[b"nobody was told"])?);
//!
//! disk.cut_power();
//! let (_, recovery) = Wal::open(&options, Arc::new(disk.clone()))?;
//! assert_eq!(recovery.last_lsn(), Lsn::new(1));
//! # Ok::<(), quorate_wal::Error>(())
//! ```
//!
//! # What a power cut leaves
//! [`SimIo::cut_power`] draws it from the seed. Per file: un-synced writes are all lost; all kept; kept up to some point
//! with the last one torn, at any byte, with garbage where the head was just writing; kept sector by sector at random; or
//! lost, but the file has grown and shows zeros. Names of files and directories made, renamed or removed and not synced
//! persist or vanish each by itself; with a directory goes what is in it, synced or not. [`SimIo::crash_states`] does not draw: it visits *every* disk that is left when each of the last un-synced
//! operations is kept or not.
//!
//! # Faults on demand
//! | fault | by |
//! |---|---|
//! | the power goes at the n-th change; the process dies | [`SimIo::cut_power_after`], [`SimIo::kill`] |
//! | a sync fails, and throws away the pages that reads go on showing | [`SimIo::fail_sync_after`] |
//! | a directory's sync fails | [`SimIo::fail_dir_sync_after`] |
//! | a write fails; is short; is interrupted; finds no room | [`SimIo::fail_write_after`], [`SimIo::short_writes`], [`SimIo::set_capacity`] |
//! | a write lands on other sectors, here or in another file, and reports success | [`SimIo::misdirect_write_after`] |
//! | a file, or one of its sectors, cannot be read | [`SimIo::fail_reads`], [`SimIo::fail_reads_at`] |
//! | reads show what was there before the last write, once or for a while | [`SimIo::stale_reads`] |
//! | bits rot, where you say or at random | [`SimIo::flip_bit`], [`SimIo::rot`] |
//! | files vanish, or come from elsewhere | [`SimIo::vanish`], [`SimIo::set_contents`] |
//! | a sync stalls | [`SimIo::stall_sync_after`] |
//!
//! [`SimIo::end_faults`] calls off what is still to come; [`SimIo::fired`] says what has come about.
//!
//! Time is simulated too: a write takes 2 µs, a name 5 µs, a sync 80 µs, on a clock that only [`SimIo::advance`] and the
//! disk's own work move ([`SimIo::busy_time`] is the latter's part).
//!
//! # Crash-testing your own code
//! A map that is rebuilt from the log, and money that must not vanish. The bug that this finds is the commonest of
//! replay code: a change that is true only as a whole is logged as two records, and a crash falls between them. (Its
//! relatives: acknowledging when a record is staged instead of durable; applying before it is; a replay that is not
//! idempotent.)
//!
//! ```
//! use std::{collections::BTreeMap, sync::Arc};
//! use quorate_wal::testkit::SimIo;
//! use quorate_wal::{Chores, Error, Lsn, Options, Wal};
//!
//! /// Account → balance: each record is one new balance, the newest counts.
//! struct Bank { wal: Wal, balances: BTreeMap<u8, u8> }
//!
//! impl Bank {
//!     fn open(disk: &SimIo) -> Result<Self, Error> {
//!         let options = Options::new("/bank").segment_bytes(4096).chores(Chores::Inline);
//!         let (wal, recovery) = Wal::open(&options, Arc::new(disk.clone()))?;
//!         let mut balances = BTreeMap::new();
//!         recovery.replay(Lsn::ZERO)?.for_each::<Error>(|record| {
//!             balances.insert(record.payload[0], record.payload[1]);
//!             Ok(())
//!         })?;
//!         Ok(Self { wal, balances })
//!     }
//!     fn set(&mut self, all: [(u8, u8); 2], as_one: bool) -> Result<(), Error> {
//!         let bytes = all.map(|(account, balance)| [account, balance]);
//!         if as_one {
//!             let parts = [[&bytes[0][..]], [&bytes[1][..]]];
//!             self.wal.append_batch(parts.iter().map(|parts| (1, &parts[..])))?.wait()?;
//!         } else {
//!             self.wal.append(1, &[&bytes[0]])?.wait()?; // the planted bug: true for a moment only
//!             self.wal.append(1, &[&bytes[1]])?.wait()?;
//!         }
//!         self.balances.extend(all);
//!         Ok(())
//!     }
//! }
//!
//! /// Ten coins go from account 1 to account 2, the power goes at the n-th change of the disk, for every n; on every
//! /// disk that may then be left, there must be ten coins. Returns how many disks have others.
//! fn robbed(as_one: bool) -> Result<usize, Error> {
//!     let mut robbed = 0;
//!     for n in 1.. {
//!         let disk = SimIo::new(n);
//!         let mut bank = Bank::open(&disk)?;
//!         bank.set([(1, 10), (2, 0)], true)?;
//!         disk.cut_power_after(n);
//!         let acknowledged = bank.set([(1, 0), (2, 10)], as_one).is_ok();
//!         for left in disk.crash_states(6) {
//!             let found = Bank::open(&left)?.balances;
//!             assert!(!acknowledged || found[&2] == 10, "what was acknowledged is there");
//!             robbed += usize::from(found[&1] + found[&2] != 10);
//!         }
//!         if acknowledged { return Ok(robbed); }
//!     }
//!     unreachable!("some n is behind the last change")
//! }
//!
//! assert_eq!(robbed(true)?, 0);
//! assert!(robbed(false)? > 0, "the test finds the planted bug");
//! # Ok::<(), Error>(())
//! ```

mod crash_states;
mod disk;
mod faults;
mod file;
mod names;
mod random;
mod sim;

pub use crash_states::{CRASH_OPERATIONS_MAX, CrashStates};
pub use faults::{Fired, RottenBit};
pub use random::SplitMix;
pub use sim::SimIo;
