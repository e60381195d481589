//! What HTTP clients ask of one shard, and who waits for the answer.
//!
//! Invariant: whoever waits is told: by the answer, or by its sender's end.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use quorate_coordinator::Origin;
use quorate_types::SessionId;
use quorate_wire::Response;
use tokio::sync::oneshot;

use crate::connections::ConnectionId;
use crate::connections::desk::NumberHasher;

/// See the module. Bounded by `http.requests_max`.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    last: u64,
    waiting: HashMap<u64, oneshot::Sender<Response>, BuildHasherDefault<NumberHasher>>,
}

impl Asks {
    /// Someone waits for an answer; where it will come from.
    pub(crate) fn begin(&mut self, shard: usize, answer: oneshot::Sender<Response>) -> Origin {
        self.last += 1;
        self.waiting.insert(self.last, answer);
        Origin {
            connection: ConnectionId::http(shard).0,
            session: SessionId::NONE,
            number: self.last,
            tag: 0,
        }
    }

    /// The answer is there.
    pub(crate) fn answer(&mut self, response: Response) {
        if let Some(waiting) = self.waiting.remove(&response.number) {
            // A client that is gone waits no more.
            let _ = waiting.send(response);
        }
    }

    /// No answer will come.
    pub(crate) fn forget(&mut self, number: u64) {
        self.waiting.remove(&number);
    }
}
