//! What became of an operation: the kinds of `quorate_types`, with values as a history keeps them.

use quorate_types::{Key, ReadOutcome, Record, Version, WriteOutcome};
use quorate_wire::PageOutcome;
use serde::{Deserialize, Serialize};

use super::{Value, blob, text};

/// A record, as a read found it or a replica holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The write that set the value or deleted it.
    #[serde(with = "text")]
    pub version: Version,
    /// The value; `None` is a tombstone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The write that set the expiry, if it is another.
    #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
    pub expiry_version: Option<Version>,
    /// When it expires, wall milliseconds since 1970; `None` = never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
}

impl Held {
    /// The newer of the versions in it.
    pub fn newest(&self) -> Version {
        self.version.max(self.expiry_version.unwrap_or(self.version))
    }
}

impl From<&Record> for Held {
    fn from(record: &Record) -> Held {
        let Record { version, value, expiry } = record;
        Held {
            version: *version,
            value: value.as_deref().map(Value::of),
            expiry_version: (expiry.version != *version).then_some(expiry.version),
            expires_at_ms: expiry.at_ms,
        }
    }
}

/// One record of a scan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The key.
    #[serde(with = "blob::key")]
    pub key: Key,
    /// Its record.
    pub record: Held,
}

/// What an operation was answered. The kinds mean what those of [`WriteOutcome`] and [`ReadOutcome`] mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// `required` replicas have the write on disk.
    Written {
        /// Its version.
        #[serde(with = "text")]
        version: Version,
        /// The expiry that was stored.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at_ms: Option<u64>,
        /// Replicas that had acknowledged.
        acked: u8,
        /// Replicas that the level needed.
        required: u8,
    },
    /// The write may survive.
    Indeterminate {
        /// Replicas that acknowledged.
        acked: u8,
        /// Replicas that the level needed.
        required: u8,
        /// Its version, if that is known.
        #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
        version: Option<Version>,
    },
    /// A value was found.
    Found(Held),
    /// A deletion was found.
    Deleted {
        /// Its version.
        #[serde(with = "text")]
        version: Version,
    },
    /// Nothing was found, or something that has expired.
    NotFound {
        /// The version of what has expired.
        #[serde(default, with = "text::option", skip_serializing_if = "Option::is_none")]
        expired: Option<Version>,
    },
    /// The live records of a part of a keyspace.
    Scanned {
        /// As many as were answered.
        entries: Vec<Entry>,
    },
    /// Too few replicas answered a read in time.
    TimedOut {
        /// Did.
        answered: u8,
        /// Were needed.
        required: u8,
    },
    /// Too few replicas are alive: nothing was sent.
    Unavailable {
        /// Were needed.
        required: u8,
        /// Are alive.
        alive: u8,
    },
    /// It was not applied and never will be.
    Rejected {
        /// Why.
        reason: String,
    },
}

impl Outcome {
    /// The name of its kind, as in the file.
    pub fn kind(&self) -> &'static str {
        match self {
            Outcome::Written { .. } => "written",
            Outcome::Indeterminate { .. } => "indeterminate",
            Outcome::Found(_) => "found",
            Outcome::Deleted { .. } => "deleted",
            Outcome::NotFound { .. } => "not_found",
            Outcome::Scanned { .. } => "scanned",
            Outcome::TimedOut { .. } => "timed_out",
            Outcome::Unavailable { .. } => "unavailable",
            Outcome::Rejected { .. } => "rejected",
        }
    }

    /// Whether a write that was answered so will never be seen.
    pub fn is_plain_no(&self) -> bool {
        matches!(self, Outcome::Unavailable { .. } | Outcome::Rejected { .. })
    }

    /// The version of the write that was answered so, if it is known.
    pub fn written_version(&self) -> Option<Version> {
        match self {
            Outcome::Written { version, .. } => Some(*version),
            Outcome::Indeterminate { version, .. } => *version,
            _ => None,
        }
    }
}

impl From<&WriteOutcome> for Outcome {
    fn from(outcome: &WriteOutcome) -> Outcome {
        match outcome {
            WriteOutcome::Written { version, expires_at_ms, acked, required } => Outcome::Written {
                version: *version,
                expires_at_ms: *expires_at_ms,
                acked: *acked,
                required: *required,
            },
            WriteOutcome::Unavailable { required, alive } => {
                Outcome::Unavailable { required: *required, alive: *alive }
            }
            WriteOutcome::Indeterminate { acked, required, version, .. } => {
                Outcome::Indeterminate { acked: *acked, required: *required, version: *version }
            }
            WriteOutcome::Rejected { reason } => Outcome::Rejected { reason: reason.to_string() },
        }
    }
}

impl From<&PageOutcome> for Outcome {
    fn from(outcome: &PageOutcome) -> Outcome {
        match outcome {
            PageOutcome::Page { entries, .. } => {
                let entry = |(key, record): &(bytes::Bytes, quorate_types::Record)| Entry {
                    key: Key::new(key.clone()).expect("a store holds only what may be a key"),
                    record: record.into(),
                };
                Outcome::Scanned { entries: entries.iter().map(entry).collect() }
            }
            PageOutcome::Unavailable { required, alive } => {
                Outcome::Unavailable { required: *required, alive: *alive }
            }
            PageOutcome::TimedOut { answered, required } => {
                Outcome::TimedOut { answered: *answered, required: *required }
            }
            PageOutcome::Rejected { reason } => Outcome::Rejected { reason: reason.to_string() },
        }
    }
}

impl From<&ReadOutcome> for Outcome {
    fn from(outcome: &ReadOutcome) -> Outcome {
        match outcome {
            ReadOutcome::Found { record } => Outcome::Found(record.into()),
            ReadOutcome::Deleted { version } => Outcome::Deleted { version: *version },
            ReadOutcome::NotFound { expired } => Outcome::NotFound { expired: *expired },
            ReadOutcome::Unavailable { required, alive } => {
                Outcome::Unavailable { required: *required, alive: *alive }
            }
            ReadOutcome::TimedOut { answered, required } => {
                Outcome::TimedOut { answered: *answered, required: *required }
            }
            ReadOutcome::Rejected { reason } => Outcome::Rejected { reason: reason.to_string() },
        }
    }
}
