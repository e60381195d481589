//! What to do with a damaged log, if there is no backup and no replica to rebuild it from. Never automatic.
//!
//! - [`salvage`] reads whatever is intact, before, between and behind damage, and names each gap. It changes nothing.
//! - [`truncate`] ends the log after a record you name. The evidence stays: the segment with that record keeps all of
//!   its bytes, later ones are renamed to `NNNNNNNNNN.aside-1` and so on, nothing is overwritten.
//!
//! ```
//! use quorate_wal::repair::{Salvaged, salvage, truncate};
//! use quorate_wal::testkit::SimIo;
//! use quorate_wal::{Chores, Error, Lsn, Options, Wal};
//! use std::{path::Path, sync::Arc};
//!
//! let disk = SimIo::new(1);
//! let options = Options::new("/log").segment_bytes(4096).chores(Chores::Inline);
//! let (wal, _) = Wal::open(&options, Arc::new(disk.clone()))?;
//! for n in 1..=3_u8 {
//!     wal.append(n, &[&[n; 8]])?.wait()?;
//! }
//! drop(wal);
//! disk.flip_bit("/log/0000000001.seg", 220, 0); // in the second record
//! let Err(Error::Corrupt(damage)) = Wal::open(&options, Arc::new(disk.clone())) else { panic!() };
//!
//! let mut kinds = Vec::new();
//! let mut intact = salvage(Arc::new(disk.clone()), Path::new("/log"))?;
//! while let Some(found) = intact.next_item() {
//!     match found {
//!         Salvaged::Record(record) => kinds.push(record.kind),
//!         Salvaged::Gap(error) => println!("{error}"),
//!         other => println!("not known yet: {other:?}"),
//!     }
//! }
//! assert_eq!(kinds, [1, 3]);
//!
//! truncate(&disk, Path::new("/log"), damage.after_lsn)?;
//! let (_, recovery) = Wal::open(&options, Arc::new(disk.clone()))?;
//! assert_eq!(recovery.last_lsn(), Lsn::new(1));
//! # Ok::<(), Error>(())
//! ```

mod salvage;
mod truncate;

pub use salvage::{Salvage, Salvaged, salvage};
pub(crate) use truncate::truncate_locked;
pub use truncate::{Cut, plan, truncate};
