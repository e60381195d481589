//! The one file that says what a data directory holds: which checkpoint, and from where the log is replayed.
//!
//! Invariants:
//! - it is replaced as a whole, after everything it names is durable and before anything it no longer names goes;
//! - the log is durable up to the replay point, and the checkpoint holds all up to it;
//! - generation and clock ceiling never fall.

use std::path::{Path, PathBuf};

use bytes::BufMut;
use quorate_types::{Generation, Timestamp};
use quorate_wal::{Io, LogId, Lsn};

use super::sealed::{self, Fields, Kind};
use crate::error::{Damage, DiskError};

const KIND: Kind = Kind { magic: *b"QRMANIF\n", version: 1 };

/// What a data directory holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The log that belongs to it.
    pub log_id: LogId,
    /// The checkpoint holds everything up to this record; replay begins behind it.
    pub replay_point: Lsn,
    /// Stamps below this may have been issued when the checkpoint was taken.
    pub clock_ceiling: Timestamp,
    /// The latest start of the node.
    pub generation: Generation,
    /// The checkpoint's number; 0 before the first.
    pub checkpoint: u64,
    /// Its parts, by shard; as many as the node had shards then.
    pub parts: Vec<Part>,
}

/// One file of a checkpoint, as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The file's length.
    pub bytes: u64,
    /// Records in it.
    pub records: u64,
    /// CRC-32 of the whole file.
    pub crc: u32,
}

impl Manifest {
    /// The file's place in the data directory `dir`.
    pub fn path(dir: &Path) -> PathBuf {
        dir.join("MANIFEST")
    }

    /// The manifest of `dir`; `None` if it has none.
    pub fn read(io: &dyn Io, dir: &Path) -> Result<Option<Manifest>, DiskError> {
        let path = Manifest::path(dir);
        let Some(payload) = sealed::read(io, &path, KIND)? else { return Ok(None) };
        let manifest = Manifest::decode(&payload);
        manifest.map(Some).ok_or(DiskError::Corrupt { path, offset: 16, damage: Damage::Fields })
    }

    pub(crate) fn publish(&self, io: &dyn Io, dir: &Path) -> Result<(), DiskError> {
        sealed::publish(io, &Manifest::path(dir), KIND, &self.encode())
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u64_le(self.log_id.get() as u64);
        out.put_u64_le((self.log_id.get() >> 64) as u64);
        out.put_u64_le(self.replay_point.get());
        out.put_u64_le(self.clock_ceiling.0);
        out.put_u64_le(self.generation.0);
        out.put_u64_le(self.checkpoint);
        out.put_u16_le(self.parts.len() as u16);
        for part in &self.parts {
            out.put_u64_le(part.bytes);
            out.put_u64_le(part.records);
            out.put_u32_le(part.crc);
        }
        out
    }

    fn decode(payload: &[u8]) -> Option<Manifest> {
        let mut fields = Fields(payload);
        let log_id = LogId::new(fields.u128()?);
        let (replay_point, clock_ceiling) = (Lsn::new(fields.u64()?), Timestamp(fields.u64()?));
        let (generation, checkpoint) = (Generation(fields.u64()?), fields.u64()?);
        let count = fields.u16()?;
        let parts = (0..count).map(|_| decode_part(&mut fields)).collect::<Option<Vec<_>>>()?;
        fields.end(Manifest { log_id, replay_point, clock_ceiling, generation, checkpoint, parts })
    }
}

fn decode_part(fields: &mut Fields<'_>) -> Option<Part> {
    Some(Part { bytes: fields.u64()?, records: fields.u64()?, crc: fields.u32()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_frozen_because_it_is_on_disk() {
        let manifest = Manifest {
            log_id: LogId::new(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
            replay_point: Lsn::new(77),
            clock_ceiling: Timestamp::from_parts(1_000, 5),
            generation: Generation(9),
            checkpoint: 3,
            parts: vec![
                Part { bytes: 100, records: 2, crc: 0xdead_beef },
                Part { bytes: 28, records: 0, crc: 1 },
            ],
        };
        let golden = include_bytes!("../../tests/golden/manifest.bin");
        assert_eq!(sealed::seal(KIND, &manifest.encode()), golden);
        assert_eq!(Manifest::decode(&manifest.encode()), Some(manifest));
    }
}
