//! Why a history can't be read or written. Whoever reads keeps nothing of a history that can't be read to its end.

use std::io;

use thiserror::Error;

use super::FORMAT_VERSION;

/// Why a history can't be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The disk said no: what was read before is lost, what was written before is there.
    #[error("line {line}: {source}")]
    Io {
        /// The line that was being read or written, from 1.
        line: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The file begins with something else. Nothing was read.
    #[error("line 1 is no header of a history, which begins with {{\"history\": …}}: {0}")]
    NotAHistory(LineFault),
    /// A history of another version of the format. Nothing was read.
    #[error("the history has format version {found}; this program reads version {FORMAT_VERSION}")]
    VersionUnknown {
        /// The version.
        found: u32,
    },
    /// A promise that nothing can keep. Nothing was read.
    #[error("line 1: keyspace {name:?} has n = {n}; n is 1 to 7, and there is at least one keyspace")]
    PromiseInvalid {
        /// The keyspace.
        name: String,
        /// Its replicas.
        n: u8,
    },
    /// A line that is longer than the limit.
    #[error("line {line} has more than {bytes_max} bytes (line_bytes_max)")]
    LineTooLong {
        /// The line, from 1.
        line: u64,
        /// The limit.
        bytes_max: usize,
    },
    /// A line that is no event.
    #[error("line {line} is no event of a history: {source}")]
    Malformed {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        source: LineFault,
    },
    /// An event that can't follow those before it.
    #[error("line {line}: {source}")]
    Refused {
        /// The line, from 1.
        line: u64,
        /// Why.
        source: PushRefused,
    },
}

/// What is wrong with the JSON of a line.
#[derive(Debug, Error)]
#[error("{what} at byte {column}")]
pub struct LineFault {
    /// In words.
    pub what: String,
    /// The byte within the line, from 1.
    pub column: usize,
    /// Whether the line only ends too early.
    pub is_cut_short: bool,
}

impl From<serde_json::Error> for LineFault {
    fn from(error: serde_json::Error) -> LineFault {
        // serde_json counts lines from what it was given, which is one line: our number says which.
        let text = error.to_string();
        let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what).to_owned();
        LineFault { what, column: error.column(), is_cut_short: error.is_eof() }
    }
}

/// Why an event can't follow those before it. The history is as it was.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PushRefused {
    /// Time ran back.
    #[error(
        "it is of {at_ns} ns, earlier than the line before, of {before_ns} ns; lines are in the order of time"
    )]
    OutOfOrder {
        /// The time of the event.
        at_ns: u64,
        /// The time of the one before.
        before_ns: u64,
    },
    /// A number of an operation that was used, or is smaller than one before.
    #[error("operation {id} begins after operation {before}; numbers of operations only rise")]
    IdNotRising {
        /// The number.
        id: u64,
        /// The largest before.
        before: u64,
    },
    /// An attempt at an operation that is not there, or writes something else.
    #[error("operation {id} is no other attempt at {of}, which is not there, or asks for something else")]
    NoSuchAttempt {
        /// The operation.
        id: u64,
        /// What it says that it repeats.
        of: u64,
    },
    /// A keyspace that the header does not name.
    #[error("the header names no keyspace {0:?}")]
    UnknownKeyspace(String),
    /// More operations under way than the limit.
    #[error("more than {max} operations are under way (open_max)")]
    TooManyOpen {
        /// The limit.
        max: usize,
    },
    /// More events than the limit.
    #[error("more than {max} events (events_max)")]
    TooManyEvents {
        /// The limit.
        max: usize,
    },
}
