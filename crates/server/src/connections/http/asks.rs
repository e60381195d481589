//! What HTTP clients ask of one shard, and who waits for the answer.
//!
//! Invariant: whoever waits is told: by the answer, or by its sender's end.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use quorate_coordinator::{Origin, Tag};
use quorate_types::SessionId;
use quorate_wire::Response;
use tokio::sync::oneshot;
use tracing::Span;

use crate::connections::ConnectionId;
use crate::connections::desk::NumberHasher;

/// See the module. Bounded by `http.requests_max`.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    last: u64,
    waiting: HashMap<u64, Waiting, BuildHasherDefault<NumberHasher>>,
}

/// Who waits for an answer.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) answer: oneshot::Sender<Response>,
    /// What log lines about the request are written in: its trace, if it has one.
    pub(crate) span: Span,
}

impl Asks {
    /// Someone waits for an answer; where it will come from.
    pub(crate) fn begin(&mut self, shard: usize, waiting: Waiting) -> Origin {
        self.last += 1;
        self.waiting.insert(self.last, waiting);
        Origin {
            connection: ConnectionId::http(shard).0,
            session: SessionId::NONE,
            number: self.last,
            tag: Tag::default(),
        }
    }

    /// Gives back what more requests at one time than now have taken.
    pub(crate) fn shrink(&mut self) {
        self.waiting.shrink_to(self.waiting.len() * 2);
    }

    /// The answer is there.
    pub(crate) fn answer(&mut self, response: Response) {
        if let Some(waiting) = self.waiting.remove(&response.number) {
            // A client that is gone waits no more.
            let _ = waiting.answer.send(response);
        }
    }

    /// What log lines about request `number` are written in.
    pub(crate) fn span(&self, number: u64) -> Span {
        self.waiting.get(&number).map_or_else(Span::none, |waiting| waiting.span.clone())
    }

    /// No answer will come.
    pub(crate) fn forget(&mut self, number: u64) {
        self.waiting.remove(&number);
    }
}
