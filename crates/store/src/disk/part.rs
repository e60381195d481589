//! One file of a checkpoint: the records of one shard, in checksummed blocks.
//!
//! ```text
//! header  magic 8 | version u32 | checkpoint u64 | shard u16 | zero u16 | crc32 of the 24 bytes before u32
//! block   payload length u32 | crc32 u32 | payload: records, each length u32 | keyspace u32 | packed record
//! end     a block without payload
//! ```
//!
//! Invariants:
//! - a block's checksum covers the checkpoint's number, its own offset and length, then the payload: a stale or
//!   shifted block fails; the manifest's checksum covers the file;
//! - nothing is safe before [`PartWriter::finish`] and a sync of the directory.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::BufMut;
use crc32fast::Hasher;
use quorate_types::mutants::{Mutant, planted};
use quorate_types::{
    KeyspaceId, RecordRef, crash_point,
    limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX},
};
use quorate_wal::io::{FileWriter, OpenMode};
use quorate_wal::{Io, IoFile, Lsn};

use super::manifest::{Manifest, Part};
use crate::error::{Damage, DiskError};
use crate::log::{self, KIND_MUTATION, LogEntry};
use crate::packed::read_u32;

const MAGIC: [u8; 8] = *b"QRPART\r\n";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 28;
const BLOCK_HEAD_BYTES: usize = 8;
/// Longest payload of a block, bytes: a slice of half of it and the longest record always fit.
pub const BLOCK_BYTES_MAX: usize = 2 * (KEY_BYTES_MAX + VALUE_BYTES_MAX + 64);

/// Largest slice that a walk gives, bytes; it may pass that by one record.
pub const SLICE_BYTES_MAX: usize = BLOCK_BYTES_MAX / 2;

/// A part's place in the checkpoint that it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartId {
    pub checkpoint: u64,
    pub shard: u16,
}

impl PartId {
    pub fn path(self, dir: &Path) -> PathBuf {
        dir.join(format!("{:010}-{:02}.part", self.checkpoint, self.shard))
    }

    /// The checkpoint that a file of this name is a part of.
    pub fn checkpoint_of(name: &str) -> Option<u64> {
        let (checkpoint, shard) = name.strip_suffix(".part")?.split_once('-')?;
        shard.parse::<u16>().ok()?;
        checkpoint.parse().ok()
    }

    fn header(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.put_slice(&MAGIC);
        bytes.put_u32_le(VERSION);
        bytes.put_u64_le(self.checkpoint);
        bytes.put_u16_le(self.shard);
        bytes.put_u16_le(0);
        bytes.put_u32_le(crc32fast::hash(&bytes));
        bytes
    }

    fn block_crc(self, offset: u64, payload: &[u8]) -> u32 {
        let mut hasher = Hasher::new();
        hasher.update(&self.checkpoint.to_le_bytes());
        hasher.update(&offset.to_le_bytes());
        hasher.update(&(payload.len() as u32).to_le_bytes());
        hasher.update(payload);
        hasher.finalize()
    }
}

/// Writes one part, block by block, beside whatever serves.
pub struct PartWriter {
    id: PartId,
    applied: Lsn,
    path: PathBuf,
    file: FileWriter,
    hasher: Hasher,
    records: u64,
}

/// A part that is durable but for its name.
#[derive(Clone, Copy, Debug)]
pub struct PartDone {
    pub(crate) id: PartId,
    pub(crate) applied: Lsn,
    pub(crate) part: Part,
}

impl PartWriter {
    pub(crate) fn create(io: &dyn Io, dir: &Path, id: PartId, applied: Lsn) -> Result<PartWriter, DiskError> {
        let path = id.path(dir);
        let file = FileWriter::create(io, &path).map_err(DiskError::io("create", &path))?;
        let mut writer = PartWriter { id, applied, path, file, hasher: Hasher::new(), records: 0 };
        writer.put(&id.header())?;
        crash_point!("checkpoint.part_begun");
        Ok(writer)
    }

    /// Writes one slice of a [`Walk`](crate::Walk) as a block; an empty one is nothing.
    pub fn write(&mut self, slice: &[u8]) -> Result<(), DiskError> {
        assert!(slice.len() <= BLOCK_BYTES_MAX, "a slice of {} bytes", slice.len());
        if slice.is_empty() {
            return Ok(());
        }
        self.records += count(slice);
        self.block(slice)?;
        crash_point!("checkpoint.slice");
        Ok(())
    }

    /// Ends the file and syncs it.
    pub fn finish(mut self) -> Result<PartDone, DiskError> {
        self.block(&[])?;
        let crc = self.hasher.finalize();
        let bytes = if planted(Mutant::PartNotSynced) {
            self.file.flush().map(|()| self.file.position())
        } else {
            self.file.finish()
        };
        let bytes = bytes.map_err(DiskError::io("sync", &self.path))?;
        crash_point!("checkpoint.part_synced");
        let part = Part { bytes, records: self.records, crc };
        Ok(PartDone { id: self.id, applied: self.applied, part })
    }

    fn block(&mut self, payload: &[u8]) -> Result<(), DiskError> {
        let crc = self.id.block_crc(self.file.position(), payload);
        let mut head = [0; BLOCK_HEAD_BYTES];
        head[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        head[4..].copy_from_slice(&crc.to_le_bytes());
        self.put(&head)?;
        self.put(payload)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(DiskError::io("write", &self.path))
    }
}

/// Records in a slice that a walk made.
fn count(mut slice: &[u8]) -> u64 {
    let mut records = 0;
    while !slice.is_empty() {
        slice = &slice[4 + read_u32(slice) as usize..];
        records += 1;
    }
    records
}

/// Reads the part `id` in `dir`, which must be the one that the manifest calls `expected`, record by record.
pub(crate) fn load(
    io: &dyn Io,
    dir: &Path,
    id: PartId,
    expected: Part,
    apply: &mut dyn FnMut(KeyspaceId, &[u8], RecordRef<'_>),
) -> Result<(), DiskError> {
    let path = id.path(dir);
    let file = open(io, &path)?;
    let mut reader = PartReader { id, path, file, offset: 0, hasher: Hasher::new() };
    reader.header()?;
    let (mut payload, mut records) = (Vec::new(), 0);
    while reader.block(&mut payload)? {
        records += reader.records(&payload, apply)?;
    }
    reader.end(expected, records)
}

fn open(io: &dyn Io, path: &Path) -> Result<Arc<dyn IoFile>, DiskError> {
    io.open(path, OpenMode::Read).map_err(|e| match e.kind() {
        ErrorKind::NotFound => {
            let proof = path.ancestors().nth(2).map(Manifest::path).unwrap_or_default();
            DiskError::Lost { path: path.into(), proof }
        }
        _ => DiskError::io("open", path)(e),
    })
}

struct PartReader {
    id: PartId,
    path: PathBuf,
    file: Arc<dyn IoFile>,
    offset: u64,
    hasher: Hasher,
}

impl PartReader {
    fn header(&mut self) -> Result<(), DiskError> {
        let mut header = [0; HEADER_BYTES];
        self.fill(&mut header)?;
        if header[..8] != MAGIC {
            return Err(self.corrupt(0, Damage::Magic));
        }
        if crc32fast::hash(&header[..24]) != read_u32(&header[24..]) {
            return Err(self.corrupt(0, Damage::Checksum));
        }
        match read_u32(&header[8..]) {
            VERSION if header[..] == self.id.header() => Ok(()),
            VERSION => Err(self.corrupt(12, Damage::NotTheOne)),
            version => Err(DiskError::UnknownVersion { path: self.path.clone(), version, known: VERSION }),
        }
    }

    /// Reads the next block into `payload`; false at the end block.
    fn block(&mut self, payload: &mut Vec<u8>) -> Result<bool, DiskError> {
        let start = self.offset;
        let mut head = [0; BLOCK_HEAD_BYTES];
        self.fill(&mut head)?;
        let bytes = read_u32(&head) as usize;
        if bytes > BLOCK_BYTES_MAX {
            return Err(self.corrupt(start, Damage::Length { bytes: bytes as u64 }));
        }
        payload.resize(bytes, 0);
        self.fill(payload)?;
        if self.id.block_crc(start, payload) != read_u32(&head[4..]) {
            return Err(self.corrupt(start, Damage::Checksum));
        }
        Ok(bytes > 0)
    }

    fn records(
        &self,
        mut payload: &[u8],
        apply: &mut dyn FnMut(KeyspaceId, &[u8], RecordRef<'_>),
    ) -> Result<u64, DiskError> {
        let mut records = 0;
        while !payload.is_empty() {
            let offset = self.offset - payload.len() as u64;
            let (record, rest) = split_record(payload).ok_or_else(|| self.corrupt(offset, Damage::Fields))?;
            match log::decode(KIND_MUTATION, record) {
                Ok(LogEntry::Mutation { keyspace, key, record }) => apply(keyspace, key, record),
                Ok(LogEntry::ClockCeiling(_)) => return Err(self.corrupt(offset, Damage::Fields)),
                Err(e) => return Err(self.corrupt(offset, Damage::Entry(e))),
            }
            records += 1;
            payload = rest;
        }
        Ok(records)
    }

    fn end(self, expected: Part, records: u64) -> Result<(), DiskError> {
        let bytes = self.file.len().map_err(DiskError::io("read", &self.path))?;
        if bytes > self.offset {
            return Err(self.corrupt(self.offset, Damage::Long { extra: bytes - self.offset }));
        }
        let found = Part { bytes, records, crc: self.hasher.clone().finalize() };
        if found == expected { Ok(()) } else { Err(self.corrupt(0, Damage::NotTheOne)) }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), DiskError> {
        let filled =
            self.file.read_at_most(buffer, self.offset).map_err(DiskError::io("read", &self.path))?;
        self.offset += filled as u64;
        if filled < buffer.len() {
            let missing = (buffer.len() - filled) as u64;
            return Err(self.corrupt(self.offset, Damage::Short { missing }));
        }
        self.hasher.update(buffer);
        Ok(())
    }

    fn corrupt(&self, offset: u64, damage: Damage) -> DiskError {
        DiskError::Corrupt { path: self.path.clone(), offset, damage }
    }
}

fn split_record(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let (bytes, rest) = payload.split_at_checked(4)?;
    rest.split_at_checked(read_u32(bytes) as usize)
}

#[cfg(test)]
mod tests {
    use quorate_types::{NodeId, Record, Timestamp, Version};
    use quorate_wal::testkit::SimIo;

    use super::*;

    const GOLDEN: &[u8] = include_bytes!("../../tests/golden/part.bin");
    const ID: PartId = PartId { checkpoint: 3, shard: 1 };
    const PART: Part = Part { bytes: 152, records: 3, crc: 0xdb50_8944 };

    fn slice(mutations: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for mutation in mutations {
            out.put_u32_le(mutation.len() as u32);
            out.put_slice(mutation);
        }
        out
    }

    fn loaded(bytes: &[u8]) -> Result<Vec<(KeyspaceId, Vec<u8>, Record)>, DiskError> {
        let (io, dir) = (SimIo::new(0), Path::new("/checkpoints"));
        io.set_contents(ID.path(dir), bytes.to_vec());
        let mut found = Vec::new();
        load(&io, dir, ID, PART, &mut |keyspace, key, record| {
            found.push((keyspace, key.to_vec(), record.to_record()));
        })
        .map(|()| found)
    }

    #[test]
    fn the_file_is_frozen_because_it_is_on_disk() {
        let mutations = include_bytes!("../../tests/golden/mutations.bin");
        let (put, rest) = mutations.split_at(4 + 13 + 1 + 3 + 5);
        let (_, rest) = rest.split_at(4 + 13 + 8 + 2 + 200);
        let (tombstone, all) = rest.split_at(4 + 13 + 1 + 4);

        let (io, dir) = (SimIo::new(0), Path::new("/checkpoints"));
        io.create_dir(dir).unwrap();
        let mut writer = PartWriter::create(&io, dir, ID, Lsn::ZERO).unwrap();
        writer.write(&slice(&[put, tombstone])).unwrap();
        writer.write(&[]).unwrap();
        writer.write(&slice(&[all])).unwrap();
        assert_eq!(writer.finish().unwrap().part, PART);
        assert_eq!(io.read(&ID.path(dir), 1000).unwrap(), GOLDEN);

        let keys: Vec<Vec<u8>> = loaded(GOLDEN).unwrap().into_iter().map(|(_, key, _)| key).collect();
        assert_eq!(keys, [b"key".to_vec(), b"gone".to_vec(), b"k".to_vec()]);
        let version = Version::new(Timestamp::from_parts(1000, 1), NodeId(9));
        assert_eq!(loaded(GOLDEN).unwrap()[0].2, Record::put(version, "value", None));
    }

    #[test]
    fn each_flipped_bit_is_found_and_its_block_named() {
        for byte in 0..GOLDEN.len() {
            for bit in 0..8 {
                let mut bytes = GOLDEN.to_vec();
                bytes[byte] ^= 1 << bit;
                match loaded(&bytes) {
                    Err(DiskError::Corrupt { offset, path, .. }) => {
                        assert!(offset as usize <= GOLDEN.len() && path.ends_with("0000000003-01.part"));
                        assert!(byte < HEADER_BYTES || offset as usize >= HEADER_BYTES, "{byte}: {offset}");
                    }
                    other => panic!("bit {bit} of byte {byte}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn a_part_cut_anywhere_or_with_more_behind_it_is_refused() {
        for end in 0..GOLDEN.len() {
            let error = loaded(&GOLDEN[..end]).unwrap_err();
            assert!(
                matches!(error, DiskError::Corrupt { damage: Damage::Short { .. }, .. }),
                "{end}: {error}"
            );
        }
        let error = loaded(&[GOLDEN, &[0]].concat()).unwrap_err();
        let expected = "is corrupt at byte 152: 1 bytes follow its end. Nothing was overwritten";
        assert!(error.to_string().contains(expected), "{error}");
    }
}
