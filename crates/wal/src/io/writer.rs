//! Writing a file from front to back.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::{Io, IoFile, OpenMode};

/// Bytes gathered before they are handed to the file.
const BUFFER_BYTES: usize = 256 << 10;

/// A buffered sequential writer of one new file: checkpoints, manifests. Nothing is safe before [`finish`].
///
/// [`finish`]: FileWriter::finish
pub struct FileWriter {
    file: Arc<dyn IoFile>,
    buffer: Vec<u8>,
    offset: u64,
}

impl FileWriter {
    /// Creates (or empties) `path`.
    pub fn create(io: &dyn Io, path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: io.open(path, OpenMode::Create)?,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            offset: 0,
        })
    }

    /// Bytes written so far, buffered ones too.
    pub fn position(&self) -> u64 {
        self.offset + self.buffer.len() as u64
    }

    /// Writes the rest and syncs; returns the file's length. Its *name* is safe after a directory sync only.
    pub fn finish(mut self) -> io::Result<u64> {
        self.flush()?;
        self.file.sync_data()?;
        Ok(self.offset)
    }
}

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if bytes.len() >= BUFFER_BYTES {
            self.file.write_all_at(bytes, self.offset)?;
            self.offset += bytes.len() as u64;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.offset)?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}
