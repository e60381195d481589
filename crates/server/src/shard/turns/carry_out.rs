//! What a turn brings about, as batches.

use quorate_coordinator::Origin;
use quorate_node::SlowAnswer;
use quorate_types::Refusal;
use quorate_wire::{Response, ResponseBody};
use tracing::Span;

use crate::connections::ConnectionId;
use crate::shard::traced;
use crate::shard::turns::{SHARD_QUEUE_MAX, STATUS_REQUESTS_MAX, ShardLoop};

impl ShardLoop {
    /// Carries out the effects: frames, answers, what crosses to other shards, hints, dials, news. All but the log's.
    pub(super) fn carry_out(&mut self) {
        for (link, message) in self.effects.sends.drain(..) {
            self.desk.send(link, &message);
        }
        let mut answers = std::mem::take(&mut self.effects.answers);
        let mut slow = std::mem::take(&mut self.effects.slow);
        let mut late = slow.drain(..).peekable();
        for (origin, response) in answers.drain(..) {
            if let Some(slow) = late.next_if(|slow| slow.origin == origin) {
                self.note_slow(&slow, &response.body);
            }
            self.answer(origin, response);
        }
        drop(late);
        (self.effects.answers, self.effects.slow) = (answers, slow);
        for served in self.effects.served.drain(..) {
            traced::note(&served, &self.common);
        }
        while let Some(origin) = self.effects.unanswered.pop() {
            self.settle_unanswered(origin);
        }
        self.cross();
        self.desk.flush();
        self.resp.flush();
        if !self.effects.hints.is_empty() {
            self.hints.send(self.index, std::mem::take(&mut self.effects.hints));
        }
        for node in self.effects.urge.drain(..) {
            self.links.urge(node);
        }
        for link in self.effects.close.drain(..) {
            self.desk.close(ConnectionId(link.0));
        }
        for change in self.effects.peers.drain(..) {
            self.common.peer_changed(self.index, change);
        }
    }

    fn note_slow(&mut self, slow: &SlowAnswer, body: &ResponseBody) {
        self.common.counters.slow_requests.increment();
        let is_http = ConnectionId(slow.origin.connection).is_http();
        let span = if is_http { self.asks.span(slow.origin.number) } else { Span::none() };
        let _entered = span.enter();
        self.slow_log.note(self.now.mono, (slow, body), &self.common.overview);
    }

    /// Takes an answer to the connection that it belongs to, on whichever shard.
    pub(super) fn answer(&mut self, origin: Origin, response: Response) {
        let connection = ConnectionId(origin.connection);
        match connection.shard() {
            home if home == self.index => self.deliver(origin, response),
            home => self.across.answer(home, origin, response),
        }
    }

    /// Takes an answer to a connection of this shard.
    pub(super) fn deliver(&mut self, origin: Origin, response: Response) {
        self.meter.answered(self.now.mono, &origin, &response.body);
        let connection = ConnectionId(origin.connection);
        if connection.is_http() {
            self.asks.answer(response);
        } else if connection.is_resp() {
            self.resp.on_response(connection, response);
        } else {
            self.desk.answer(connection, &response);
        }
    }

    fn settle_unanswered(&mut self, origin: Origin) {
        let connection = ConnectionId(origin.connection);
        match connection.shard() {
            home if home == self.index => self.settle_here(origin),
            home => self.across.unanswered(home, origin),
        }
    }

    /// A request of this shard's own connections gets no answer.
    pub(super) fn settle_here(&mut self, origin: Origin) {
        self.meter.unanswered(&origin);
        let connection = ConnectionId(origin.connection);
        if connection.is_http() {
            self.asks.forget(origin.number);
        } else {
            self.desk.unanswered(connection);
        }
    }

    /// Answers a request of this shard's own connections that was not begun because `limit` is reached.
    pub(super) fn refuse(&mut self, origin: Origin, limit: &str) {
        let counters = &self.common.counters;
        match limit {
            STATUS_REQUESTS_MAX => counters.status_requests_max_hit.increment(),
            _ => counters.shard_queue_max_hit.increment(),
        }
        let refusal = Refusal::Overloaded { limit: limit.to_owned() };
        self.answer_here(origin, ResponseBody::Refused(refusal));
    }

    pub(super) fn answer_here(&mut self, origin: Origin, body: ResponseBody) {
        let response = Response { number: origin.number, body, receipt: None };
        self.deliver(origin, response);
    }

    fn cross(&mut self) {
        let mut refused = std::mem::take(&mut self.refused);
        self.across.flush(&mut refused);
        for origin in refused.drain(..) {
            self.refuse(origin, SHARD_QUEUE_MAX);
        }
        self.refused = refused;
    }
}
