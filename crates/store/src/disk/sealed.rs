//! A small file that is whole or refused: the envelope of identity and manifest.
//!
//! ```text
//! magic 8 | format version u32 | payload length u32 | payload | crc32 of all before u32
//! ```
//!
//! Replaced as a whole ([`Io::replace`]), so a reader sees the old contents or the new ones.

use std::io::ErrorKind;
use std::path::Path;

use bytes::BufMut;
use quorate_wal::Io;

use crate::error::{Damage, DiskError};
use crate::packed::{read_u32, read_u64};

/// Longest such file, bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;
const HEAD_BYTES: usize = 16;
const CRC_BYTES: usize = 4;

/// Which file it is.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub magic: [u8; 8],
    pub version: u32,
}

/// The bytes of a file of `kind` that holds `payload`.
pub(crate) fn seal(kind: Kind, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + payload.len() + CRC_BYTES);
    bytes.put_slice(&kind.magic);
    bytes.put_u32_le(kind.version);
    bytes.put_u32_le(payload.len() as u32);
    bytes.put_slice(payload);
    bytes.put_u32_le(crc32fast::hash(&bytes));
    bytes
}

/// Makes `payload` the contents of `path`, atomically and durably.
pub(crate) fn publish(io: &dyn Io, path: &Path, kind: Kind, payload: &[u8]) -> Result<(), DiskError> {
    io.replace(path, &seal(kind, payload)).map_err(DiskError::io("publish", path))
}

/// The payload of the file `path`; `None` if there is no such file.
pub(crate) fn read(io: &dyn Io, path: &Path, kind: Kind) -> Result<Option<Vec<u8>>, DiskError> {
    let bytes = match io.read(path, FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(DiskError::io("read", path)(e)),
    };
    match unseal(kind, &bytes) {
        Ok(payload) => Ok(Some(payload.to_vec())),
        Err(Fault::Version(version)) => {
            Err(DiskError::UnknownVersion { path: path.into(), version, known: kind.version })
        }
        Err(Fault::Damage(offset, damage)) => Err(DiskError::Corrupt { path: path.into(), offset, damage }),
    }
}

enum Fault {
    Version(u32),
    Damage(u64, Damage),
}

fn unseal(kind: Kind, bytes: &[u8]) -> Result<&[u8], Fault> {
    let end = bytes.len() as u64;
    if bytes.len() < HEAD_BYTES + CRC_BYTES {
        let missing = (HEAD_BYTES + CRC_BYTES) as u64 - end;
        return Err(Fault::Damage(end, Damage::Short { missing }));
    }
    if bytes[..8] != kind.magic {
        return Err(Fault::Damage(0, Damage::Magic));
    }
    let expected = HEAD_BYTES as u64 + u64::from(read_u32(&bytes[12..])) + CRC_BYTES as u64;
    if end < expected {
        return Err(Fault::Damage(end, Damage::Short { missing: expected - end }));
    }
    if end > expected {
        return Err(Fault::Damage(expected, Damage::Long { extra: end - expected }));
    }
    let (sealed, crc) = bytes.split_at(bytes.len() - CRC_BYTES);
    if crc32fast::hash(sealed) != read_u32(crc) {
        return Err(Fault::Damage(0, Damage::Checksum));
    }
    match read_u32(&bytes[8..]) {
        version if version == kind.version => Ok(&sealed[HEAD_BYTES..]),
        version => Err(Fault::Version(version)),
    }
}

/// Takes fields off the front of a payload.
pub(crate) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.bytes(2).map(|b| u16::from_le_bytes([b[0], b[1]]))
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.bytes(4).map(read_u32)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.bytes(8).map(read_u64)
    }

    pub fn u128(&mut self) -> Option<u128> {
        let (low, high) = (self.u64()?, self.u64()?);
        Some(u128::from(high) << 64 | u128::from(low))
    }

    pub fn text(&mut self) -> Option<String> {
        let bytes = self.u16()?;
        let text = self.bytes(usize::from(bytes))?;
        String::from_utf8(text.to_vec()).ok()
    }

    /// `value`, if nothing is left over.
    pub fn end<T>(self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}
