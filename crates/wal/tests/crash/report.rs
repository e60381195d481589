//! What a process says about its log, one line each, on its standard output.
//!
//! Invariant: a line is one write to the pipe, so it arrives whole or not at all; and it is written *before* what it
//! announces (trying, cutting, letting go of a pin) and *after* what it claims (acknowledged, pinned, delivered).

use std::fmt;
use std::str::{FromStr, SplitN};

use quorate_wal::Durability;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Is about to open the log.
    Opening,
    /// A life begins; recovery delivered the records from `oldest` to `last`.
    Opened { life: u64, oldest: u64, last: u64 },
    /// The disk did not let the log be opened, or be followed.
    Refused { os_error: i32, why: String },
    /// Is about to append records up to this one.
    Trying { writer: u32, last: u64 },
    /// The log said that the record is as safe as this.
    Acked { writer: u32, counter: u64, lsn: u64, safety: Durability },
    /// Is about to checkpoint.
    Cutting { lsn: u64 },
    /// The records from here on are held.
    Pinned { lsn: u64 },
    /// Is about to let go of them.
    Unpinned,
    /// A tail delivered everything up to here.
    Delivered { lsn: u64 },
    /// The log told this thread that it stopped for good, and refuses everything since.
    Stopped { writer: u32, durable: u64, os_error: i32, why: String },
    /// The process saw the log break a promise.
    Broken { why: String },
    /// All work is done.
    Finished,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opening => write!(f, "opening"),
            Self::Opened { life, oldest, last } => write!(f, "opened {life} {oldest} {last}"),
            Self::Refused { os_error, why } => write!(f, "refused {os_error} {why}"),
            Self::Trying { writer, last } => write!(f, "trying {writer} {last}"),
            Self::Acked { writer, counter, lsn, safety: Durability::Written } => {
                write!(f, "written {writer} {counter} {lsn}")
            }
            Self::Acked { writer, counter, lsn, safety: _ } => {
                write!(f, "durable {writer} {counter} {lsn}")
            }
            Self::Cutting { lsn } => write!(f, "cutting {lsn}"),
            Self::Pinned { lsn } => write!(f, "pinned {lsn}"),
            Self::Unpinned => write!(f, "unpinned"),
            Self::Delivered { lsn } => write!(f, "delivered {lsn}"),
            Self::Stopped { writer, durable, os_error, why } => {
                write!(f, "stopped {writer} {durable} {os_error} {why}")
            }
            Self::Broken { why } => write!(f, "broken {why}"),
            Self::Finished => write!(f, "finished"),
        }
    }
}

impl FromStr for Report {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
        parse(what, rest).ok_or_else(|| format!("a process said {line:?}, which means nothing"))
    }
}

fn parse(what: &str, rest: &str) -> Option<Report> {
    let words = &mut rest.splitn(4, ' ');
    Some(match what {
        "opening" => Report::Opening,
        "opened" => Report::Opened { life: number(words)?, oldest: number(words)?, last: number(words)? },
        "refused" => {
            let (os_error, why) = rest.split_once(' ')?;
            Report::Refused { os_error: os_error.parse().ok()?, why: why.to_owned() }
        }
        "trying" => Report::Trying { writer: number(words)?, last: number(words)? },
        "written" => acked(words, Durability::Written)?,
        "durable" => acked(words, Durability::Durable)?,
        "cutting" => Report::Cutting { lsn: number(words)? },
        "pinned" => Report::Pinned { lsn: number(words)? },
        "unpinned" => Report::Unpinned,
        "delivered" => Report::Delivered { lsn: number(words)? },
        "stopped" => Report::Stopped {
            writer: number(words)?,
            durable: number(words)?,
            os_error: number(words)?,
            why: words.next()?.to_owned(),
        },
        "broken" => Report::Broken { why: rest.to_owned() },
        "finished" => Report::Finished,
        _ => return None,
    })
}

fn number<T: FromStr>(words: &mut SplitN<'_, char>) -> Option<T> {
    words.next()?.parse().ok()
}

fn acked(words: &mut SplitN<'_, char>, safety: Durability) -> Option<Report> {
    Some(Report::Acked { writer: number(words)?, counter: number(words)?, lsn: number(words)?, safety })
}
