//! What a decoded field must be: one limit, one place.

use bytes::Bytes;
use quorate_types::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use quorate_types::{PARTITIONS, PageStart, PartitionId, Record};
use serde_bytes::Bytes as Slice;

use super::body::Body;
use crate::{BatchRange, WireError};

impl<'a> Body<'a> {
    /// A slice of the frame, if it can be a key.
    #[inline]
    pub(super) fn key(&self, key: &'a Slice) -> Result<Bytes, WireError> {
        self.check_key(key)?;
        Ok(self.frame.slice_ref(key))
    }

    /// A slice of the frame, if it can be a value.
    #[inline]
    pub(super) fn value(&self, value: &'a Slice) -> Result<Bytes, WireError> {
        self.check_value(value)?;
        Ok(self.frame.slice_ref(value))
    }

    /// A place in a partition whose key, if it has one, is a slice of the frame.
    pub(super) fn start(&self, start: PageStart<&'a Slice>) -> Result<PageStart, WireError> {
        Ok(match start {
            PageStart::First => PageStart::First,
            PageStart::After(key) => PageStart::After(self.key(key)?),
            PageStart::At(token) => PageStart::At(token),
        })
    }

    /// `partition`, if there is one of that number.
    pub(super) fn partition(&self, partition: PartitionId) -> Result<PartitionId, WireError> {
        if usize::from(partition.0) < PARTITIONS {
            return Ok(partition);
        }
        let partitions = PARTITIONS as u16;
        Err(WireError::NoSuchPartition { kind: self.kind, partition: partition.0, partitions })
    }

    pub(super) fn check_range(&self, range: BatchRange) -> Result<(), WireError> {
        let BatchRange { first, last } = range;
        if first >= 1 && first <= last {
            return Ok(());
        }
        Err(WireError::BatchNumber { kind: self.kind, first, last })
    }

    pub(super) fn check_entries(&self, entries: &[(Bytes, Record)]) -> Result<(), WireError> {
        entries.iter().try_for_each(|(key, record)| {
            self.check_key(key)?;
            record.value.as_deref().map_or(Ok(()), |value| self.check_value(value))
        })
    }

    fn check_key(&self, key: &[u8]) -> Result<(), WireError> {
        match key.len() {
            1..=KEY_BYTES_MAX => Ok(()),
            bytes => Err(WireError::KeyLength {
                kind: self.kind,
                bytes: bytes as u64,
                bytes_max: KEY_BYTES_MAX as u64,
            }),
        }
    }

    fn check_value(&self, value: &[u8]) -> Result<(), WireError> {
        match value.len() {
            0..=VALUE_BYTES_MAX => Ok(()),
            bytes => Err(WireError::ValueLength {
                kind: self.kind,
                bytes: bytes as u64,
                bytes_max: VALUE_BYTES_MAX as u64,
            }),
        }
    }
}
