//! What clients ask, hear, and ask again.

use bytes::Bytes;
use quorate_types::{Level, PageStart, Version};
use quorate_wire::{ExpiryRequest, Request, RequestBody, ResponseBody};

use super::record::{Intent, Key, Op, to_send_again};
use super::{Run, Sent};
use crate::cluster::{Heard, node_id};
use crate::history::Outcome;
use crate::plan::{Ask, What};

/// Clients beside those of the plan.
const RETRIER: u64 = 9;
pub(super) const READER: u64 = 10;
pub(super) const WRITER: u64 = 11;
const PROBER: u64 = 12;

/// How long those clients wait.
const PATIENCE_MS: u32 = 2_000;

impl Run<'_> {
    pub(super) fn ask(&mut self, ask: &Ask) {
        if !self.cluster.is_up(ask.by) {
            return self.count("asked a node that was down");
        }
        if ask.what == What::Explain {
            return self.explain(ask);
        }
        let (intent, expiry) = match &ask.what {
            What::Put { ttl_ms, bytes } => {
                let (value, expires) = (value("w", ask.id, *bytes), ttl_ms.is_some());
                (Intent::Put { value, expires }, ttl_ms.map_or(ExpiryRequest::Never, ExpiryRequest::TtlMs))
            }
            What::Delete => (Intent::Delete, ExpiryRequest::Never),
            What::Page { limit } => (Intent::Page { limit: *limit }, ExpiryRequest::Never),
            What::Get | What::Explain => (Intent::Get, ExpiryRequest::Never),
        };
        let op = Op::new(self.key(ask.space, &ask.key), ask.level, intent);
        let (op, sent) =
            self.send(Op { client: ask.client, by: ask.by, ..op }, (expiry, None), ask.time_left_ms);
        if let Some(by) = ask.retry_by {
            self.retries.insert(op, by);
        }
        self.op_of_ask.insert(ask.id, op);
        self.expected.extend(ask.expect.map(|expect| (op, expect)));
        self.requests.insert(ask.id, sent);
    }

    /// Sends an operation, with its expiry and (if it is tried again) its version.
    fn send(
        &mut self,
        op: Op,
        (expiry, version): (ExpiryRequest, Option<Version>),
        time_left_ms: u32,
    ) -> (usize, Sent) {
        self.numbers += 1;
        let (by, body) = (op.by, self.body(&op, expiry, version));
        let request = Request { number: self.numbers, time_left_ms, want_receipt: false, body };
        let life = self.cluster.life(by);
        let session = op.client << 32 | (by as u64) << 24 | life;
        // A coordinator whose log has failed must write nothing more.
        let is_mute = op.writes() && self.cluster.refuses_writes(by) && !self.cluster.is_paused(by);
        let op = self.recorder.begin(self.cluster.now().mono, op, (session, request.number));
        if is_mute {
            self.mute.insert(op);
        }
        self.cluster.send_in(session, by, request.clone());
        (op, Sent { by, life, session, request })
    }

    fn body(&self, op: &Op, expiry: ExpiryRequest, version: Option<Version>) -> RequestBody {
        let keyspace = self.plan.cluster.keyspaces[op.key.space].id();
        let (key, level) = (Bytes::copy_from_slice(op.key.name.as_bytes()), Some(op.level));
        match &op.intent {
            Intent::Get => RequestBody::Get { keyspace, key, level },
            Intent::Page { limit } => {
                let partition = self.cluster.partition_of(&key);
                RequestBody::Page { keyspace, partition, start: PageStart::First, limit: *limit, level }
            }
            Intent::Delete => RequestBody::Delete { keyspace, key, level, version },
            Intent::Put { value, .. } => {
                let value = Bytes::copy_from_slice(value.as_bytes());
                RequestBody::Put { keyspace, key, value, level, expiry, version }
            }
        }
    }

    /// Asks what each replica holds of a key: no operation of a history, for it promises nothing.
    fn explain(&mut self, ask: &Ask) {
        self.numbers += 1;
        let key = self.key(ask.space, &ask.key);
        let keyspace = self.plan.cluster.keyspaces[ask.space].id();
        let name = Bytes::copy_from_slice(key.name.as_bytes());
        let body = RequestBody::Explain { keyspace, key: name };
        let request =
            Request { number: self.numbers, time_left_ms: ask.time_left_ms, want_receipt: false, body };
        let session = ask.client << 32 | (ask.by as u64) << 24 | self.cluster.life(ask.by);
        self.explains.insert((session, self.numbers), key);
        self.cluster.send_in(session, ask.by, request);
    }

    /// Whether an explanation names the replicas of its key, in their order.
    fn explained(&mut self, asked: &Key, heard: &Heard) {
        let Some(response) = &heard.response else { return };
        match &response.body {
            ResponseBody::Explain(explanation) => {
                self.count("explained");
                let owners = self.cluster.replicas_in(asked.space, asked.name.as_bytes());
                let owners: Vec<_> = owners.into_iter().map(node_id).collect();
                let named: Vec<_> = explanation.replicas.iter().map(|view| view.node).collect();
                if named != owners {
                    self.complain(Some(asked), format!("explained by {named:?}, not by {owners:?}"));
                }
            }
            ResponseBody::Refused(_) => {}
            other => self.complain(Some(asked), format!("{other:?} to an explain")),
        }
    }

    pub(super) fn again(&mut self, id: u64) {
        let Some(Sent { by, life, session, request }) = self.requests.get(&id).cloned() else { return };
        let op = self.op_of_ask[&id];
        if self.cluster.is_up(by) && self.cluster.life(by) == life {
            self.count("request sent twice");
            self.recorder.duplicate(self.cluster.now().mono, op);
            self.mute.remove(&op);
            self.cluster.send_in(session, by, request);
        }
    }

    /// Takes in what was answered; sends again, with its version, what may or may not have been written.
    pub(super) fn hear(&mut self) {
        for heard in self.cluster.take_heard() {
            if let Some(asked) = self.explains.remove(&(heard.session, heard.number)) {
                self.explained(&asked, &heard);
                continue;
            }
            let Some(op) = self.recorder.hear(&heard) else { continue };
            if self.expected.get(&op).is_some_and(|expect| !self.is_as(*expect, self.recorder.outcome(op))) {
                self.keep_last(); // the plan's expectations are judged at the end, when this is long past
            }
            let Op { key, retry_of, .. } = &self.recorder.ops()[op];
            let is_written = matches!(self.recorder.outcome(op), Some(Outcome::Written { .. }));
            let key = key.clone();
            let is_first = retry_of.is_none();
            if is_written && self.mute.contains(&op) {
                self.complain(Some(&key), format!("#{op}: a coordinator whose log had failed wrote"));
            }
            if let Some((version, expires_at_ms)) = to_send_again(&heard)
                && let Some(by) = self.retries.remove(&op)
                && self.cluster.is_up(by)
            {
                self.count("sent again with its version");
                let expiry = expires_at_ms.map_or(ExpiryRequest::Never, ExpiryRequest::AtMs);
                let first = self.recorder.ops()[op].clone();
                let retry = Op { client: RETRIER, by, retry_of: Some(op), ..first };
                self.send(retry, (expiry, Some(version)), PATIENCE_MS);
            } else if is_first && op % 2 == 0 && is_written {
                self.probe(op);
            }
        }
    }

    /// Reads at QUORUM what was acknowledged just now, through another replica: an acknowledgement that comes too early
    /// shows at once or not at all.
    fn probe(&mut self, op: usize) {
        let by = 1 + op / 2 % self.plan.cluster.nodes;
        if !self.peace && !self.plan.is_scenario() && self.cluster.is_up(by) {
            let key = self.recorder.ops()[op].key.clone();
            self.send_once(Op::new(key, Level::Quorum, Intent::Get), PROBER, by);
        }
    }

    /// Sends an operation that is not the plan's.
    pub(super) fn send_once(&mut self, op: Op, client: u64, by: usize) -> usize {
        self.send(Op { client, by, ..op }, (ExpiryRequest::Never, None), PATIENCE_MS).0
    }
}

/// A value that says which write it is of.
pub(super) fn value(kind: &str, id: u64, bytes: usize) -> String {
    format!("{kind}{id}-{}", "x".repeat(bytes))
}
