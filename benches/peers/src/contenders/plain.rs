//! `pwrite` and `fdatasync`, with nothing around them but a mutex: what every log is measured against.
//!
//! A record is its length, its CRC-32 and its bytes, in a file filled with zeros beforehand; durable appends begin
//! again at the front when the zeros are used up, as a log that recycles its space does.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, ensure};

use crate::contender::{Contender, Ending, Log, Numbered, Scale, SharedSink, filling};

/// The name of the bare calls.
pub const BARE: &str = "bare calls";
/// The name of the bare calls under contention.
pub const NAIVE: &str = "naive (mutex)";

/// Zeros that are written ahead.
const REGION_BYTES: u64 = 64 << 20;
/// Written at once by who buffers; read at once by who replays.
const CHUNK_BYTES: usize = 1 << 20;
const HEAD_BYTES: usize = 8;

/// The bare calls. One adapter under two names: *bare* is for one writer, *naive* for how many there are.
pub struct Plain {
    name: &'static str,
}

impl Plain {
    /// The yardstick of one writer.
    pub fn bare() -> Self {
        Self { name: BARE }
    }

    /// The yardstick of many.
    pub fn naive() -> Self {
        Self { name: NAIVE }
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("plain")
}

impl Contender for Plain {
    fn name(&self) -> &'static str {
        self.name
    }

    fn settings(&self) -> &'static str {
        "`pwrite` + `fdatasync` per record under a mutex, 64 MiB of zeros written ahead; buffered: 1 MiB per `pwrite`"
    }

    fn open(&self, dir: &Path, scale: Scale) -> Result<Box<dyn Log>> {
        let region = if scale == Scale::Small { CHUNK_BYTES as u64 } else { REGION_BYTES };
        let file = File::create(path(dir))?;
        let zeros = vec![0; CHUNK_BYTES];
        for piece in 0..region / CHUNK_BYTES as u64 {
            file.write_all_at(&zeros, piece * CHUNK_BYTES as u64)?;
        }
        file.sync_all()?;
        File::open(dir)?.sync_all()?;
        Ok(Box::new(PlainLog { region, state: Mutex::new(State { file, end: 0, frame: Vec::new() }) }))
    }

    fn replay(&self, dir: &Path, _scale: Scale, sink: &SharedSink) -> Result<Ending> {
        let mut file = File::open(path(dir))?;
        let mut sink = filling(sink);
        let (mut held, mut at, mut count) = (Vec::with_capacity(2 * CHUNK_BYTES), 0, 0);
        loop {
            held.drain(..at);
            let read = (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut held)?;
            at = 0;
            while let Some(payload) = frame(&held[at..])? {
                sink.record(count, payload);
                count += 1;
                at += HEAD_BYTES + payload.len();
            }
            if read == 0 || held[at..].iter().take(HEAD_BYTES).eq([0; HEAD_BYTES].iter()) {
                return Ok(Ending { torn: false, mark: count });
            }
        }
    }
}

/// The payload of the whole frame at the front; `None` if there is none, or not all of it.
fn frame(bytes: &[u8]) -> Result<Option<&[u8]>> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD_BYTES>() else { return Ok(None) };
    let [l0, l1, l2, l3, c0, c1, c2, c3] = *head;
    let (len, crc) = (u32::from_le_bytes([l0, l1, l2, l3]), u32::from_le_bytes([c0, c1, c2, c3]));
    let Some(payload) = rest.get(..len as usize).filter(|payload| !payload.is_empty()) else {
        return Ok(None);
    };
    ensure!(crc32fast::hash(payload) == crc, "a record does not match its checksum");
    Ok(Some(payload))
}

fn encode(payload: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    into.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    into.extend_from_slice(payload);
}

struct PlainLog {
    region: u64,
    state: Mutex<State>,
}

struct State {
    file: File,
    end: u64,
    frame: Vec<u8>,
}

impl State {
    fn write(&mut self) -> Result<()> {
        self.file.write_all_at(&self.frame, self.end)?;
        self.end += self.frame.len() as u64;
        self.frame.clear();
        Ok(())
    }
}

impl Log for PlainLog {
    fn append_durable(&self, payload: &[u8]) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        encode(payload, &mut state.frame);
        if state.end + state.frame.len() as u64 > self.region {
            state.end = 0;
        }
        state.write()?;
        Ok(state.file.sync_data()?)
    }

    fn append_range(&self, numbers: Range<u64>, payload: &mut Numbered) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for number in numbers {
            encode(payload.stamp(number), &mut state.frame);
            if state.frame.len() >= CHUNK_BYTES {
                state.write()?;
            }
        }
        state.write()?;
        Ok(state.file.sync_data()?)
    }
}
