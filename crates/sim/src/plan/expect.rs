//! What a scenario expects: of an answer, of the state of the cluster.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Fault;
use crate::cluster::counter_names;

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
    /// What the run has counted so far, of all nodes: a fault, or what came of one.
    Happened {
        /// What, as summaries name it.
        name: String,
        /// So often at least.
        least: u64,
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
            Wanted::Hints(_)
            | Wanted::Happened { .. }
            | Wanted::Copies { .. }
            | Wanted::Tombstones { .. }
            | Wanted::Equal => Vec::new(),
        }
    }
}

impl Wanted {
    /// The name that nothing has, with those that are like it.
    pub(super) fn unknown_name(&self) -> Option<String> {
        match self {
            Wanted::Counter { name, .. } => unknown("counter", name, &counter_names().collect::<Vec<_>>()),
            Wanted::Happened { name, .. } => {
                unknown("thing that happens", name, &[Fault::NAMES, CAME_OF_FAULTS].concat())
            }
            _ => None,
        }
    }
}

/// What comes of faults, as a run counts it.
const CAME_OF_FAULTS: &[&str] = &[
    "checkpoint recovered",
    "crashed at a point",
    "number of shards changed",
    "recovery interrupted",
    "request sent twice",
    "restarted",
    "rot refused, disk wiped",
    "sent again with its version",
    "tail lost with a bad disk",
    "torn hint log cut",
    "torn tail cut",
];

fn unknown(kind: &str, name: &str, known: &[&str]) -> Option<String> {
    /// Below this, names have nothing to do with each other.
    const ALIKE: f64 = 0.8;
    if known.contains(&name) {
        return None;
    }
    let mut near: Vec<_> = known.iter().map(|known| (strsim::jaro_winkler(name, known), *known)).collect();
    near.retain(|(likeness, _)| *likeness >= ALIKE);
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near: Vec<&str> = near.iter().map(|(_, known)| *known).take(4).collect();
    let near = match near.as_slice() {
        [] => "; `kvctl sim run` lists those that are not 0 as \"happened\"".to_owned(),
        near => format!("; near it: {}", near.join(", ")),
    };
    Some(format!("no {kind} is called {name:?}{near}"))
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
            Wanted::Happened { name, least } => write!(f, "{name}: {least} at least"),
            Wanted::Copies { key, of, count } => {
                write!(f, "{count} replicas of {key} hold the value of #{of}")
            }
            Wanted::Tombstones { key, count } => write!(f, "{count} replicas of {key} hold a tombstone"),
            Wanted::Equal => f.write_str("all copies are equal"),
            Wanted::Up(node) => write!(f, "n{node} is up"),
        }
    }
}
