//! What a scenario expects: of an answer, of the state of the cluster.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How an operation must be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Expect {
    /// Written, at its level.
    Written,
    /// Found, with the value that the put of this id wrote.
    Sees(u64),
    /// Nothing is there.
    NotFound,
    /// It was deleted.
    Deleted,
    /// Refused before anything was sent: too few replicas are alive.
    Unavailable,
    /// Not done, or not known to be done, in one of the typed ways.
    Fails,
}

/// A state of the cluster that must come about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Wanted {
    /// So many hints are kept, by all nodes together.
    Hints(u64),
    /// So many replicas of a key hold the value that the put of an id wrote.
    Copies {
        /// The key.
        key: String,
        /// The put.
        of: u64,
        /// How many.
        count: usize,
    },
    /// So many replicas of a key hold a tombstone.
    Tombstones {
        /// The key.
        key: String,
        /// How many.
        count: usize,
    },
    /// All nodes run and all copies are equal.
    Equal,
    /// A node is up again.
    Up(usize),
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expect::Written => f.write_str("written"),
            Expect::Sees(id) => write!(f, "the value of #{id}"),
            Expect::NotFound => f.write_str("not found"),
            Expect::Deleted => f.write_str("deleted"),
            Expect::Unavailable => f.write_str("unavailable, with nothing sent"),
            Expect::Fails => f.write_str("a typed failure"),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wanted::Hints(count) => write!(f, "{count} hints are kept"),
            Wanted::Copies { key, of, count } => {
                write!(f, "{count} replicas of {key} hold the value of #{of}")
            }
            Wanted::Tombstones { key, count } => write!(f, "{count} replicas of {key} hold a tombstone"),
            Wanted::Equal => f.write_str("all copies are equal"),
            Wanted::Up(node) => write!(f, "n{node} is up"),
        }
    }
}
