//! What a turn brings about, as batches.

use quorate_coordinator::Origin;
use quorate_types::Refusal;
use quorate_wire::{Response, ResponseBody};

use crate::connections::ConnectionId;
use crate::shard::turns::ShardLoop;

impl ShardLoop {
    /// Carries out the effects: frames, answers, what crosses to other shards, hints, dials, news. All but the log's.
    pub(super) fn carry_out(&mut self) {
        for (link, message) in self.effects.sends.drain(..) {
            self.desk.send(link, &message);
        }
        let mut answers = std::mem::take(&mut self.effects.answers);
        for (origin, response) in answers.drain(..) {
            self.answer(origin, response);
        }
        self.effects.answers = answers;
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

    /// Takes an answer to the connection that it belongs to, on whichever shard.
    pub(super) fn answer(&mut self, origin: Origin, response: Response) {
        let connection = ConnectionId(origin.connection);
        match connection.shard() {
            home if home == self.index => self.deliver(connection, response),
            home => self.across.answer(home, origin, response),
        }
    }

    /// Takes an answer to a connection of this shard.
    pub(super) fn deliver(&mut self, connection: ConnectionId, response: Response) {
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
        let connection = ConnectionId(origin.connection);
        if connection.is_http() {
            self.asks.forget(origin.number);
        } else {
            self.desk.unanswered(connection);
        }
    }

    /// Answers a request of this shard's own connections that was not begun because `limit` is reached.
    pub(super) fn refuse(&mut self, origin: Origin, limit: &'static str) {
        self.common.counters.driver_overloaded.increment();
        self.common.news.limit_reached(limit, 1);
        let refusal = Refusal::Overloaded { limit: limit.to_owned() };
        self.answer_here(origin, ResponseBody::Refused(refusal));
    }

    pub(super) fn answer_here(&mut self, origin: Origin, body: ResponseBody) {
        let response = Response { number: origin.number, body, receipt: None };
        self.deliver(ConnectionId(origin.connection), response);
    }

    fn cross(&mut self) {
        let mut refused = std::mem::take(&mut self.refused);
        self.across.flush(&mut refused);
        for origin in refused.drain(..) {
            self.refuse(origin, "shard_queue_max");
        }
        self.refused = refused;
    }
}
