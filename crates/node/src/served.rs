//! What a replica did for traced requests: what its driver may log of them.

use std::fmt;
use std::time::Duration;

use quorate_types::{KeyspaceId, NodeId, Refusal, Token, Trace};
use quorate_wire::Purpose;

/// A replica's part in a traced request, done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Which part.
    pub part: Part,
    /// How it ended.
    pub outcome: PartOutcome,
    /// How long the replica had it: for a write, the log's time is in it.
    pub elapsed: Duration,
}

/// A replica's part in a traced request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The trace; its parent is the coordinator's span.
    pub trace: Trace,
    /// Who asked; the node itself, if it coordinates the request.
    pub coordinator: NodeId,
    /// For what.
    pub what: PartKind,
    /// The keyspace.
    pub keyspace: KeyspaceId,
    /// The key's token; of a page, its partition's first.
    pub token: Token,
}

/// What a replica is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// Log and apply a write.
    Write,
    /// The same for the winner of a read that found it behind.
    Repair,
    /// Say what it holds of a key.
    Read,
    /// Say what it holds of a partition.
    Page,
}

/// How a part ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartOutcome {
    /// A write is durable and applied, a read is answered.
    Done,
    /// Nothing was done, and won't be.
    Refused(Refusal),
    /// The log failed under a write: it may or may not be there after the next start.
    Lost,
}

impl From<Purpose> for PartKind {
    fn from(purpose: Purpose) -> PartKind {
        match purpose {
            Purpose::Repair => PartKind::Repair,
            Purpose::Write | Purpose::Hint => PartKind::Write,
        }
    }
}

impl fmt::Display for PartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PartKind::Write => "write",
            PartKind::Repair => "repair",
            PartKind::Read => "read",
            PartKind::Page => "page",
        })
    }
}

impl fmt::Display for PartOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PartOutcome::Done => f.write_str("done"),
            PartOutcome::Refused(why) => write!(f, "refused: {why}"),
            PartOutcome::Lost => f.write_str("unknown: the log failed"),
        }
    }
}
