//! What clients ask, hear, and ask again.

use bytes::Bytes;
use quorate_types::{Level, Version, WriteOutcome};
use quorate_wire::{ExpiryRequest, Request, RequestBody, ResponseBody};

use super::record::{Attempt, Intent, Key, Op};
use super::{Run, Sent};
use crate::plan::{Ask, What};

/// Clients beside those of the plan.
const RETRIER: u64 = 9;
pub(super) const READER: u64 = 10;
pub(super) const WRITER: u64 = 11;
const PROBER: u64 = 12;

/// How long those clients wait.
const PATIENCE_MS: u32 = 2_000;

impl Run {
    pub(super) fn ask(&mut self, ask: &Ask) {
        if !self.cluster.is_up(ask.by) {
            return;
        }
        let intent = match &ask.what {
            What::Put { bytes, .. } => Intent::Put(value("w", ask.id, *bytes)),
            What::Delete => Intent::Delete,
            What::Get => Intent::Get,
        };
        let expiry = match ask.what {
            What::Put { ttl_ms: Some(ttl), .. } => ExpiryRequest::TtlMs(ttl),
            _ => ExpiryRequest::Never,
        };
        let op = self.note(Key { space: ask.space, name: ask.key.clone() }, ask.level, intent);
        if let Some(by) = ask.retry_by {
            self.retries.insert(op, by);
        }
        self.op_of_ask.insert(ask.id, op);
        let sent = self.send((op, expiry, None), ask.client, ask.by, ask.time_left_ms);
        self.requests.insert(ask.id, sent);
    }

    /// An operation that is about to be tried.
    pub(super) fn note(&mut self, key: Key, level: Level, intent: Intent) -> usize {
        self.history.begin(Op { key, level, intent, attempts: Vec::new() })
    }

    /// Sends operation `op`, with its expiry and (if it is tried again) its version.
    pub(super) fn send(
        &mut self,
        (op, expiry, version): (usize, ExpiryRequest, Option<Version>),
        client: u64,
        by: usize,
        time_left_ms: u32,
    ) -> Sent {
        self.numbers += 1;
        let body = self.body(op, expiry, version);
        let request = Request { number: self.numbers, time_left_ms, want_receipt: false, body };
        let life = self.cluster.life(by);
        let session = client << 32 | (by as u64) << 24 | life;
        let attempt = Attempt {
            by,
            life,
            sent: self.cluster.now().mono,
            copies: 1,
            answers: Vec::new(),
            unanswered: 0,
            retry: version.is_some(),
            log_failed: self.cluster.refuses_writes(by) && !self.cluster.is_paused(by),
        };
        self.history.note_sent(op, attempt, (session, request.number));
        self.cluster.send_in(session, by, request.clone());
        Sent { by, life, session, request }
    }

    fn body(&self, op: usize, expiry: ExpiryRequest, version: Option<Version>) -> RequestBody {
        let Op { key, level, intent, .. } = &self.history.ops[op];
        let keyspace = self.plan.cluster.keyspaces[key.space].id();
        let (key, level) = (Bytes::copy_from_slice(key.name.as_bytes()), Some(*level));
        match intent {
            Intent::Get => RequestBody::Get { keyspace, key, level },
            Intent::Delete => RequestBody::Delete { keyspace, key, level, version },
            Intent::Put(value) => {
                let value = Bytes::copy_from_slice(value.as_bytes());
                RequestBody::Put { keyspace, key, value, level, expiry, version }
            }
        }
    }

    pub(super) fn again(&mut self, id: u64) {
        let Some(Sent { by, life, session, request }) = self.requests.get(&id).cloned() else { return };
        let op = self.op_of_ask[&id];
        if self.cluster.is_up(by) && self.cluster.life(by) == life {
            self.count("request sent twice");
            self.history.ops[op].attempts[0].copies += 1;
            self.cluster.send_in(session, by, request);
        }
    }

    /// Takes in what was answered; sends again, with its version, what may or may not have been written.
    pub(super) fn hear(&mut self) {
        for heard in self.cluster.take_heard() {
            let outcome = heard.response.as_ref().and_then(|response| match &response.body {
                ResponseBody::Write(outcome) => Some(outcome.clone()),
                _ => None,
            });
            let Some(op) = self.history.note_heard(heard) else { continue };
            if let Some(WriteOutcome::Indeterminate { version: Some(version), expires_at_ms, .. }) = outcome
                && let Some(by) = self.retries.remove(&op)
                && self.cluster.is_up(by)
            {
                self.count("sent again with its version");
                let expiry = expires_at_ms.map_or(ExpiryRequest::Never, ExpiryRequest::AtMs);
                self.send((op, expiry, Some(version)), RETRIER, by, PATIENCE_MS);
            } else if op % 2 == 0 && matches!(outcome, Some(WriteOutcome::Written { .. })) {
                self.probe(op);
            }
        }
    }

    /// Reads at QUORUM what was acknowledged just now, through another replica: an acknowledgement that comes too early
    /// shows at once or not at all.
    fn probe(&mut self, op: usize) {
        let by = 1 + op / 2 % self.plan.cluster.nodes;
        if !self.peace && self.cluster.is_up(by) {
            let key = self.history.ops[op].key.clone();
            let read = self.note(key, Level::Quorum, Intent::Get);
            self.send_once(read, PROBER, by);
        }
    }

    /// Sends an operation that is not the plan's.
    pub(super) fn send_once(&mut self, op: usize, client: u64, by: usize) {
        self.send((op, ExpiryRequest::Never, None), client, by, PATIENCE_MS);
    }
}

/// A value that says which write it is of.
pub(super) fn value(kind: &str, id: u64, bytes: usize) -> String {
    format!("{kind}{id}-{}", "x".repeat(bytes))
}
