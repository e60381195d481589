//! Why a request failed, what was tried, and what became of the data.

use std::fmt;
use std::sync::Arc;

use quorate_transport::TransportError;
use quorate_types::{KeyInvalid, NodeId, Receipt, Refusal, Version};
use quorate_wire::WireError;
use thiserror::Error;

/// One try of one request at one node.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Where.
    pub addr: String,
    /// Which node that is, if it said so.
    pub node: Option<NodeId>,
    /// What came of it.
    pub fate: Fate,
}

/// What came of one try.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fate {
    /// No connection: nothing was sent.
    NotReached(Arc<TransportError>),
    /// No connection in time: nothing was sent.
    DialTimedOut,
    /// The connection ended before the request left: nothing was sent.
    Unsent,
    /// The connection ended after the request left.
    Lost,
    /// No answer in time.
    Silent,
    /// It was refused.
    Refused(Refusal),
    /// Too few replicas alive: nothing was sent to any.
    Unavailable {
        /// Needed.
        required: u8,
        /// Believed alive.
        alive: u8,
    },
    /// Too few replicas acknowledged a write or answered a read in time.
    Partial {
        /// Did.
        answered: u8,
        /// Needed.
        required: u8,
    },
}

impl Fate {
    /// Whether a node answered and turned this client away by name: of another cluster, or full.
    pub fn was_turned_away(&self) -> bool {
        matches!(self, Fate::NotReached(error) if matches!(**error, TransportError::HandshakeRefused { .. }))
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fate::NotReached(error) => write!(f, "{error}"),
            Fate::DialTimedOut => f.write_str("no connection in time"),
            Fate::Unsent => f.write_str("the connection ended before the request was sent"),
            Fate::Lost => f.write_str("the connection ended before an answer came"),
            Fate::Silent => f.write_str("no answer in time"),
            Fate::Refused(refusal) => write!(f, "{refusal}"),
            Fate::Unavailable { required, alive } => {
                write!(f, "{required} replicas needed, {alive} alive; nothing was sent")
            }
            Fate::Partial { answered, required } => write!(f, "{answered} of {required} replicas answered"),
        }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.addr, self.fate)
    }
}

/// What was tried for a request, and the receipt of the last answer.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// The attempts that came to nothing, in order.
    pub attempts: Vec<Attempt>,
    /// Who did what in the last one, if it was asked for and answered.
    pub receipt: Option<Box<Receipt>>,
}

/// What the cluster holds after a failed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aftermath {
    /// Nothing was sent, nothing has changed.
    NothingSent,
    /// The request read only: nothing has changed.
    NothingChanged,
    /// It was not applied anywhere and never will be.
    NotApplied,
    /// It may survive: on some replicas, later on all, or not at all.
    Unknown,
}

/// A request failed; [`ClientError::aftermath`] says what the cluster holds now.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No node could be reached. Nothing was sent.
    #[error("no node could be reached: {}", attempts_text(trail))]
    NotConnected {
        /// What was tried.
        trail: Box<Trail>,
    },
    /// Fewer replicas than the level needs are alive. Nothing was sent.
    #[error("{required} replicas are needed, {alive} are alive")]
    Unavailable {
        /// Needed.
        required: u8,
        /// Believed alive.
        alive: u8,
        /// What was tried.
        trail: Box<Trail>,
    },
    /// Every node that was asked is out of room, or going down. Nothing was sent.
    #[error("{reason}")]
    Overloaded {
        /// The last one's words.
        reason: Refusal,
        /// What was tried.
        trail: Box<Trail>,
    },
    /// A write whose fate is unknown: it may survive.
    #[error("{acked} of {required} replicas acknowledged the write")]
    Indeterminate {
        /// Acknowledged.
        acked: u8,
        /// Needed.
        required: u8,
        /// Its version: sent again with it, the write is the same write. `None`: its coordinator died unheard.
        version: Option<Version>,
        /// The absolute expiry to send again with it.
        expires_at_ms: Option<u64>,
        /// What was tried.
        trail: Box<Trail>,
    },
    /// A write whose coordinator fell silent: it may survive, its version is not known.
    #[error("the coordinator fell silent: {}", attempts_text(trail))]
    Unheard {
        /// What was tried.
        trail: Box<Trail>,
    },
    /// Too few replicas answered a read in time.
    #[error("{answered} of {required} replicas answered in time")]
    ReadTimedOut {
        /// Answered.
        answered: u8,
        /// Needed.
        required: u8,
        /// What was tried.
        trail: Box<Trail>,
    },
    /// No answer to a request that only reads.
    #[error("no answer: {}", attempts_text(trail))]
    NoAnswer {
        /// What was tried.
        trail: Box<Trail>,
    },
    /// The request can't be served as it is. It was not applied and never will be.
    #[error("{reason}")]
    Rejected {
        /// Why.
        reason: Refusal,
        /// What was tried.
        trail: Box<Trail>,
    },
    /// The key is none. Nothing was sent.
    #[error(transparent)]
    Key(#[from] KeyInvalid),
    /// The request fits in no frame. Nothing was sent.
    #[error("the request can't be sent: {0}")]
    Unencodable(WireError),
    /// The cluster has no such node. Nothing was sent.
    #[error("the cluster has no node {node}")]
    UnknownCoordinator {
        /// The one asked for.
        node: NodeId,
    },
    /// The node answers something else than it was asked: it or this library is broken. What became of the request is
    /// not known.
    #[error("{addr} answered with what is no answer to the request")]
    Nonsense {
        /// The node.
        addr: String,
    },
}

fn attempts_text(trail: &Trail) -> String {
    let lines: Vec<String> = trail.attempts.iter().map(ToString::to_string).collect();
    if lines.is_empty() { "the deadline passed first".to_owned() } else { lines.join("; ") }
}

impl ClientError {
    /// What the cluster holds now.
    pub fn aftermath(&self) -> Aftermath {
        match self {
            ClientError::NotConnected { .. }
            | ClientError::Unavailable { .. }
            | ClientError::Overloaded { .. }
            | ClientError::Key(_)
            | ClientError::Unencodable(_)
            | ClientError::UnknownCoordinator { .. } => Aftermath::NothingSent,
            ClientError::Rejected { .. } => Aftermath::NotApplied,
            ClientError::ReadTimedOut { .. } | ClientError::NoAnswer { .. } => Aftermath::NothingChanged,
            ClientError::Indeterminate { .. }
            | ClientError::Unheard { .. }
            | ClientError::Nonsense { .. } => Aftermath::Unknown,
        }
    }

    /// What was tried, and the receipt of the last answer.
    pub fn trail(&self) -> Option<&Trail> {
        match self {
            ClientError::NotConnected { trail }
            | ClientError::Unavailable { trail, .. }
            | ClientError::Overloaded { trail, .. }
            | ClientError::Indeterminate { trail, .. }
            | ClientError::Unheard { trail }
            | ClientError::ReadTimedOut { trail, .. }
            | ClientError::NoAnswer { trail }
            | ClientError::Rejected { trail, .. } => Some(trail),
            _ => None,
        }
    }
}
