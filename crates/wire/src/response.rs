//! What a node answers a client.

use bytes::Bytes;
use quorate_types::{ReadOutcome, Receipt, Record, Refusal, WriteOutcome};
use serde::{Deserialize, Serialize};

use crate::{Explanation, Message, NodeStatus, RingView, WireError};

/// The answer to one request. Exactly one is sent per request, in no particular order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The number of the request.
    pub number: u64,
    /// The answer.
    pub body: ResponseBody,
    /// Who did what, if it was asked for.
    pub receipt: Option<Box<Receipt>>,
}

/// The answer itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponseBody {
    /// To a put or a delete.
    Write(WriteOutcome),
    /// To a get.
    Read(ReadOutcome),
    /// To a page.
    Page(PageOutcome),
    /// To an explain.
    Explain(Box<Explanation>),
    /// To a status.
    Status(Box<NodeStatus>),
    /// To a ring.
    Ring(Box<RingView>),
    /// Not even begun: nothing was sent to any replica, nothing has changed.
    Refused(Refusal),
}

/// What became of the reading of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PageOutcome {
    /// What the replicas hold, merged.
    Page {
        /// Live records in the order of (token, key); tombstones and expired ones are left out. May be empty
        /// although there is a next page.
        entries: Vec<(Bytes, Record)>,
        /// Ask for what comes after this key; `None`: the partition ends here.
        next: Option<Bytes>,
    },
    /// Fewer replicas than the level needs are alive: nothing was sent.
    Unavailable {
        /// Replicas that the level needs.
        required: u8,
        /// Replicas believed alive.
        alive: u8,
    },
    /// Fewer replicas than the level needs answered before the deadline.
    TimedOut {
        /// Replicas that answered.
        answered: u8,
        /// Replicas that the level needs.
        required: u8,
    },
    /// The request can't be served as it is.
    Rejected {
        /// Why.
        reason: Refusal,
    },
}

impl TryFrom<Message> for Response {
    type Error = WireError;

    fn try_from(message: Message) -> Result<Response, WireError> {
        match message {
            Message::Response(response) => Ok(response),
            other => Err(WireError::Unexpected { kind: other.kind(), expected: "a response" }),
        }
    }
}
