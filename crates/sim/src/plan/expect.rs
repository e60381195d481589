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
    /// Refused by name: it will never be applied.
    Rejected,
    /// It may be applied, or not.
    Indeterminate,
    /// Not done, or not known to be done, in one of the typed ways.
    Fails,
}

/// A state of the cluster that must come about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Wanted {
    /// So many hints are kept, by all nodes together.
    Hints(u64),
    /// So many hints are kept by one node, for another if it is named.
    HintsAt {
        /// Who keeps them.
        node: usize,
        /// Whom they are for.
        #[serde(default, rename = "for")]
        target: Option<usize>,
        /// How many.
        count: u64,
    },
    /// What a node has counted in this life is within bounds.
    Counter {
        /// The node; none: all that run, together.
        #[serde(default)]
        node: Option<usize>,
        /// The counter, as `kvctl status` names it.
        name: String,
        /// So often at least.
        #[serde(default)]
        least: u64,
        /// So often at most.
        #[serde(default = "no_bound")]
        most: u64,
    },
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

impl Wanted {
    /// The nodes that it names.
    pub(crate) fn nodes(&self) -> Vec<usize> {
        match self {
            Wanted::Up(node) => vec![*node],
            Wanted::HintsAt { node, target, .. } => [*node].into_iter().chain(*target).collect(),
            Wanted::Counter { node, .. } => node.iter().copied().collect(),
            Wanted::Hints(_) | Wanted::Copies { .. } | Wanted::Tombstones { .. } | Wanted::Equal => {
                Vec::new()
            }
        }
    }
}

fn no_bound() -> u64 {
    u64::MAX
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expect::Written => f.write_str("written"),
            Expect::Sees(id) => write!(f, "the value of #{id}"),
            Expect::NotFound => f.write_str("not found"),
            Expect::Deleted => f.write_str("deleted"),
            Expect::Unavailable => f.write_str("unavailable, with nothing sent"),
            Expect::Rejected => f.write_str("rejected"),
            Expect::Indeterminate => f.write_str("indeterminate"),
            Expect::Fails => f.write_str("a typed failure"),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wanted::Hints(count) => write!(f, "{count} hints are kept"),
            Wanted::HintsAt { node, target: None, count } => write!(f, "n{node} keeps {count} hints"),
            Wanted::HintsAt { node, target: Some(target), count } => {
                write!(f, "n{node} keeps {count} hints for n{target}")
            }
            Wanted::Counter { node, name, least, most } => {
                let whose = node.map_or_else(|| "the nodes".to_owned(), |node| format!("n{node}"));
                match (*least, *most) {
                    (least, u64::MAX) => write!(f, "{whose} counted {name} at least {least} times"),
                    (0, most) => write!(f, "{whose} counted {name} at most {most} times"),
                    (least, most) => write!(f, "{whose} counted {name} {least} to {most} times"),
                }
            }
            Wanted::Copies { key, of, count } => {
                write!(f, "{count} replicas of {key} hold the value of #{of}")
            }
            Wanted::Tombstones { key, count } => write!(f, "{count} replicas of {key} hold a tombstone"),
            Wanted::Equal => f.write_str("all copies are equal"),
            Wanted::Up(node) => write!(f, "n{node} is up"),
        }
    }
}
