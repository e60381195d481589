//! Reads a history line by line.

use std::io::{BufRead, Read};

use quorate_types::limits::REPLICAS_MAX;
use serde::{Deserialize, Serialize};

use super::{Event, FORMAT_VERSION, Header, History, HistoryError};

/// What reading may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one line: 16 MiB by default, a large page of a scan.
    pub line_bytes_max: usize,
    /// Operations that are begun and not answered: 1 million by default. What is never answered counts to the end.
    pub open_max: usize,
    /// Events: 50 million by default. An operation is two, and takes about 350 bytes.
    pub events_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { line_bytes_max: 16 << 20, open_max: 1_000_000, events_max: 50_000_000 }
    }
}

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FirstLine<H> {
    pub history: H,
}

/// Gives the events of a history one by one; memory: one line.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    limits: Limits,
    header: Header,
    line: u64,
    buffer: Vec<u8>,
    torn: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    pub fn new(from: R, limits: Limits) -> Result<Reader<R>, HistoryError> {
        let mut lines = Lines { from, line: 0, buffer: Vec::new(), bytes_max: limits.line_bytes_max };
        lines.next()?;
        let first: FirstLine<serde_json::Value> =
            serde_json::from_slice(&lines.buffer).map_err(|error| HistoryError::NotAHistory(error.into()))?;
        // The version comes first: another one may have other fields.
        match first.history.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version != u64::from(FORMAT_VERSION) => {
                return Err(HistoryError::VersionUnknown {
                    found: u32::try_from(version).unwrap_or(u32::MAX),
                });
            }
            _ => {}
        }
        let header: Header =
            serde_json::from_value(first.history).map_err(|error| HistoryError::NotAHistory(error.into()))?;
        check_promises(&header)?;
        let Lines { from, line, buffer, .. } = lines;
        Ok(Reader { from, limits, header, line, buffer, torn: false })
    }

    /// What was recorded.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The line that was read last, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Whether the last line was cut short, and left out: whoever wrote it died over it.
    pub fn is_torn(&self) -> bool {
        self.torn
    }

    /// The next event; `None` at the end. Empty lines are passed over.
    pub fn next_event(&mut self) -> Result<Option<Event>, HistoryError> {
        loop {
            let bytes_max = self.limits.line_bytes_max;
            let buffer = std::mem::take(&mut self.buffer);
            let mut lines = Lines { from: &mut self.from, line: self.line, buffer, bytes_max };
            let ended = lines.next()?;
            (self.line, self.buffer) = (lines.line, lines.buffer);
            if self.buffer.is_empty() {
                return Ok(None);
            }
            if self.buffer.trim_ascii().is_empty() {
                continue;
            }
            return match (serde_json::from_slice(&self.buffer), ended) {
                (Ok(event), _) => Ok(Some(event)),
                (Err(error), false) if error.is_eof() => {
                    self.torn = true;
                    Ok(None)
                }
                (Err(error), _) => Err(HistoryError::Malformed { line: self.line, source: error.into() }),
            };
        }
    }
}

/// A whole history. What it is told by `from` is read once, in order.
pub fn read(from: impl BufRead, limits: Limits) -> Result<History, HistoryError> {
    let mut reader = Reader::new(from, limits)?;
    let mut history = History::new(reader.header().clone(), limits);
    while let Some(event) = reader.next_event()? {
        history.push(event).map_err(|source| HistoryError::Refused { line: reader.line(), source })?;
    }
    if reader.is_torn() {
        history.cut_short(reader.line());
    }
    Ok(history)
}

fn check_promises(header: &Header) -> Result<(), HistoryError> {
    let refused = |name: &str, n| HistoryError::PromiseInvalid { name: name.to_owned(), n };
    if header.keyspaces.is_empty() {
        return Err(refused("", 0));
    }
    let bad = header.keyspaces.iter().find(|promise| !(1..=REPLICAS_MAX).contains(&usize::from(promise.n)));
    bad.map_or(Ok(()), |promise| Err(refused(&promise.name, promise.n)))
}

struct Lines<R> {
    from: R,
    line: u64,
    buffer: Vec<u8>,
    bytes_max: usize,
}

impl<R: BufRead> Lines<R> {
    /// Takes the next line with its end, nothing at the end of the file; whether it has an end.
    fn next(&mut self) -> Result<bool, HistoryError> {
        self.buffer.clear();
        self.line += 1;
        let line = self.line;
        let mut limited = self.from.by_ref().take(self.bytes_max as u64 + 1);
        limited.read_until(b'\n', &mut self.buffer).map_err(|source| HistoryError::Io { line, source })?;
        let ended = self.buffer.last() == Some(&b'\n');
        if !ended && self.buffer.len() > self.bytes_max {
            return Err(HistoryError::LineTooLong { line, bytes_max: self.bytes_max });
        }
        Ok(ended)
    }
}
