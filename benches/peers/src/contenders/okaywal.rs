//! `okaywal`.

use std::fmt;
use std::io;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use okaywal::{Configuration, Entry, EntryId, LogManager, ReadChunkResult, SegmentReader, WriteAheadLog};

use crate::contender::{Contender, Ending, Log, Numbered, Scale, SharedSink, filling};

/// `okaywal`: one entry of one chunk per durable record, one entry of many chunks where it buffers.
pub struct OkayWal;

fn configuration(dir: &Path, scale: Scale) -> Configuration {
    let usual = Configuration::default_for(dir);
    match scale {
        Scale::Usual => usual,
        Scale::Small => usual.checkpoint_after_bytes(u64::MAX),
        Scale::Keep(bytes) => {
            let room = u32::try_from(bytes + bytes / 4).unwrap_or(u32::MAX);
            usual.preallocate_bytes(room).checkpoint_after_bytes(u64::MAX)
        }
    }
}

impl Contender for OkayWal {
    fn name(&self) -> &'static str {
        "okaywal"
    }

    fn settings(&self) -> &'static str {
        "defaults (1 MiB files, recycled after 768 KiB); where records must stay: one file zero-filled to size; \
         buffered: chunks of one entry"
    }

    fn open(&self, dir: &Path, scale: Scale) -> Result<Box<dyn Log>> {
        Ok(Box::new(OkayLog { wal: configuration(dir, scale).open(Discard)? }))
    }

    fn replay(&self, dir: &Path, scale: Scale, sink: &SharedSink) -> Result<Ending> {
        let deliver = Deliver { sink: Arc::clone(sink), bytes: Vec::new(), ends: Vec::new() };
        configuration(dir, scale).open(deliver)?;
        Ok(Ending::default())
    }
}

/// Takes nothing: for a log that is new.
#[derive(Debug)]
struct Discard;

impl LogManager for Discard {
    fn recover(&mut self, _entry: &mut Entry<'_>) -> io::Result<()> {
        Ok(())
    }

    fn checkpoint_to(&mut self, _: EntryId, _: &mut SegmentReader, _: &WriteAheadLog) -> io::Result<()> {
        Ok(())
    }
}

/// Hands over the chunks of whole entries, as the crate's documentation asks: an aborted entry, and one that the file
/// ends in, is ignored; a wrong checksum is an error.
struct Deliver {
    sink: SharedSink,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl fmt::Debug for Deliver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deliver")
    }
}

impl Deliver {
    /// Reads the entry's chunks; `false` if it was not written to its end.
    fn gather(&mut self, entry: &mut Entry<'_>) -> io::Result<bool> {
        self.bytes.clear();
        self.ends.clear();
        loop {
            match entry.read_chunk()? {
                ReadChunkResult::Chunk(mut chunk) => {
                    let wanted = self.bytes.len() + chunk.bytes_remaining() as usize;
                    chunk.read_to_end(&mut self.bytes)?;
                    if self.bytes.len() < wanted {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    if !chunk.check_crc()? {
                        return Err(io::Error::new(io::ErrorKind::InvalidData, "crc check failed"));
                    }
                    self.ends.push(self.bytes.len());
                }
                ReadChunkResult::EndOfEntry => return Ok(true),
                ReadChunkResult::AbortedEntry => return Ok(false),
            }
        }
    }
}

impl LogManager for Deliver {
    fn recover(&mut self, entry: &mut Entry<'_>) -> io::Result<()> {
        let whole = match self.gather(entry) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
            other => other?,
        };
        if whole {
            let mut sink = filling(&self.sink);
            let mut at = 0;
            for end in &self.ends {
                sink.record(entry.id().0, &self.bytes[at..*end]);
                at = *end;
            }
        }
        Ok(())
    }

    fn checkpoint_to(&mut self, _: EntryId, _: &mut SegmentReader, _: &WriteAheadLog) -> io::Result<()> {
        Ok(())
    }
}

struct OkayLog {
    wal: WriteAheadLog,
}

impl Log for OkayLog {
    fn append_durable(&self, payload: &[u8]) -> Result<()> {
        let mut entry = self.wal.begin_entry()?;
        entry.write_chunk(payload)?;
        entry.commit()?;
        Ok(())
    }

    fn append_range(&self, numbers: Range<u64>, payload: &mut Numbered) -> Result<()> {
        let mut entry = self.wal.begin_entry()?;
        for number in numbers {
            entry.write_chunk(payload.stamp(number))?;
        }
        entry.commit()?;
        Ok(())
    }
}
