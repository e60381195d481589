//! Values instead of bytes: `serde` and `postcard` over a log. Feature `typed`.
//!
//! The payload of a record is one byte of version, then the value as [postcard](https://postcard.jamesmunns.com/wire-format)
//! writes it. The record's kind says which type it is, so that several types share a log and tools can tell them apart.
//!
//! ```
//! use quorate_wal::testkit::SimIo;
//! use quorate_wal::typed::{Entry, TypedError, TypedWal};
//! use quorate_wal::{Chores, Lsn, Options, Wal};
//! use serde::{Deserialize, Serialize};
//! use std::sync::Arc;
//!
//! #[derive(Serialize, Deserialize, Debug, PartialEq)]
//! struct Paid { account: u32, cents: i64 }
//!
//! impl Entry for Paid {
//!     const KIND: u8 = 7;
//!     const VERSION: u8 = 2;
//!     // Version 1 had whole euros.
//!     fn upgrade(version: u8, bytes: &[u8]) -> Option<Result<Self, postcard::Error>> {
//!         (version == 1).then(|| {
//!             let (account, euros): (u32, i64) = postcard::from_bytes(bytes)?;
//!             Ok(Paid { account, cents: euros * 100 })
//!         })
//!     }
//! }
//!
//! let options = Options::new("/log").chores(Chores::Inline).segment_bytes(1 << 16);
//! let (wal, _) = Wal::open(&options, Arc::new(SimIo::new(1)))?;
//! let payments = TypedWal::<Paid>::new(wal.clone());
//! payments.append(&Paid { account: 1, cents: 250 })?.wait()?;
//! wal.append(Paid::KIND, &[&[1], &postcard::to_stdvec(&(2_u32, 3_i64))?])?.wait()?; // as version 1 wrote it
//!
//! let mut tail = wal.tail(Lsn::ZERO)?;
//! let mut found = Vec::new();
//! while let Some(record) = tail.try_next()? {
//!     found.push(payments.decode(&record)?);
//! }
//! assert_eq!(found, [Paid { account: 1, cents: 250 }, Paid { account: 2, cents: 300 }]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Append, Durability, Error, Lsn, Record, Recovery, Wal};

/// A type that has a place in a log.
///
/// Postcard does not describe itself: whoever changes the type's fields must raise the version.
pub trait Entry: Serialize + DeserializeOwned {
    /// The kind of its records; each type of a log has its own.
    const KIND: u8;
    /// The version of its shape that is written.
    const VERSION: u8;

    /// Reads an older version; `None` if that one is unknown.
    fn upgrade(version: u8, bytes: &[u8]) -> Option<Result<Self, postcard::Error>> {
        let _ = (version, bytes);
        None
    }
}

/// Why a value was not taken, or not given back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TypedError {
    /// The log refused or failed.
    #[error(transparent)]
    Wal(#[from] Error),
    /// The value cannot be written by postcard. Nothing was taken.
    #[error("the value cannot be encoded: nothing was taken: {0}")]
    Encode(#[source] postcard::Error),
    /// The record is intact and of another kind.
    #[error("record {lsn} is of kind {found}, not {expected}")]
    Kind {
        /// The record.
        lsn: Lsn,
        /// Its kind.
        found: u8,
        /// The type's.
        expected: u8,
    },
    /// The record is intact and of a version that this build does not read.
    #[error("record {lsn} has version {}, this build reads {newest}", found.map_or_else(|| "none".to_owned(), |v| v.to_string()))]
    Version {
        /// The record.
        lsn: Lsn,
        /// Its version; `None`: it is empty.
        found: Option<u8>,
        /// The version that is written.
        newest: u8,
    },
    /// The record is intact, but holds no value of that type, or more than one.
    #[error("record {lsn} does not hold what its kind and version say")]
    Decode {
        /// The record.
        lsn: Lsn,
        /// What postcard says; `None`: bytes are left over.
        source: Option<postcard::Error>,
    },
}

/// A log of values of one type; others may share it under other kinds.
pub struct TypedWal<T> {
    wal: Wal,
    entries: PhantomData<fn(T) -> T>,
}

impl<T> Clone for TypedWal<T> {
    fn clone(&self) -> Self {
        Self { wal: self.wal.clone(), entries: PhantomData }
    }
}

impl<T> fmt::Debug for TypedWal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypedWal").field(&self.wal).finish()
    }
}

impl<T: Entry> TypedWal<T> {
    /// Over `wal`.
    pub fn new(wal: Wal) -> Self {
        Self { wal, entries: PhantomData }
    }

    /// The log below.
    pub fn wal(&self) -> &Wal {
        &self.wal
    }

    /// Takes a value; as [`Wal::append`].
    ///
    /// # Errors
    /// [`TypedError::Encode`], [`TypedError::Wal`]: it was not taken.
    pub fn append(&self, value: &T) -> Result<Append, TypedError> {
        Ok(self.wal.append(T::KIND, &[&encode(value)?])?)
    }

    /// As [`TypedWal::append`], as safe as `durability` says.
    ///
    /// # Errors
    /// As there.
    pub fn append_with(&self, durability: Durability, value: &T) -> Result<Append, TypedError> {
        Ok(self.wal.append_with(durability, T::KIND, &[&encode(value)?])?)
    }

    /// Takes values that are all there after a crash, or none.
    ///
    /// # Errors
    /// As [`TypedWal::append`], and [`Error::EmptyBatch`]: none was taken.
    pub fn append_batch<'a>(&self, values: impl IntoIterator<Item = &'a T>) -> Result<Append, TypedError>
    where
        T: 'a,
    {
        self.append_batch_with(self.wal.policy_durability(), values)
    }

    /// As [`TypedWal::append_batch`], as safe as `durability` says.
    ///
    /// # Errors
    /// As there.
    pub fn append_batch_with<'a>(
        &self,
        durability: Durability,
        values: impl IntoIterator<Item = &'a T>,
    ) -> Result<Append, TypedError>
    where
        T: 'a,
    {
        let payloads = values.into_iter().map(encode).collect::<Result<Vec<_>, _>>()?;
        let parts: Vec<[&[u8]; 1]> = payloads.iter().map(|payload| [&payload[..]]).collect();
        let records = parts.iter().map(|parts| (T::KIND, &parts[..]));
        Ok(self.wal.append_batch_with(durability, records)?)
    }

    /// The value in `record`.
    ///
    /// # Errors
    /// [`TypedError::Kind`], [`TypedError::Version`], [`TypedError::Decode`].
    pub fn decode(&self, record: &Record<'_>) -> Result<T, TypedError> {
        decode(record)
    }

    /// Hands every value from `from` on to `apply`, in order, with its LSN; passes over records of other kinds.
    ///
    /// # Errors
    /// What `apply` returned; [`TypedError::Version`], [`TypedError::Decode`] at the first value that cannot be read;
    /// [`TypedError::Wal`] as [`Recovery::replay`].
    pub fn replay<E: From<TypedError>>(
        recovery: &Recovery,
        from: Lsn,
        mut apply: impl FnMut(Lsn, T) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut replay = recovery.replay(from).map_err(TypedError::Wal)?;
        while let Some(record) = replay.next_record().map_err(TypedError::Wal)? {
            if record.kind == T::KIND {
                apply(record.lsn, decode(&record)?)?;
            }
        }
        Ok(())
    }
}

/// The payload of the record that holds `value`.
fn encode<T: Entry>(value: &T) -> Result<Vec<u8>, TypedError> {
    postcard::to_extend(value, vec![T::VERSION]).map_err(TypedError::Encode)
}

/// The value in `record`; what [`TypedWal::decode`] does, without a log at hand.
///
/// # Errors
/// As there.
pub fn decode<T: Entry>(record: &Record<'_>) -> Result<T, TypedError> {
    let lsn = record.lsn;
    if record.kind != T::KIND {
        return Err(TypedError::Kind { lsn, found: record.kind, expected: T::KIND });
    }
    let unknown = |found| TypedError::Version { lsn, found, newest: T::VERSION };
    let fault = |error| TypedError::Decode { lsn, source: Some(error) };
    let (version, bytes) = record.payload.split_first().ok_or_else(|| unknown(None))?;
    if *version != T::VERSION {
        return T::upgrade(*version, bytes).ok_or_else(|| unknown(Some(*version)))?.map_err(fault);
    }
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(fault)?;
    if rest.is_empty() { Ok(value) } else { Err(TypedError::Decode { lsn, source: None }) }
}
