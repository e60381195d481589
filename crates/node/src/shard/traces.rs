//! Traced requests: what is passed on to the replicas that they are sent to, and what our own copy did for them.
//!
//! Traces are kept here, beside the path of the requests, and not in what moves along it: one that is not traced costs a
//! look at an empty map where it is sent and where it is settled, and nothing on its way is larger (docs/adr/0008).
//!
//! Invariants:
//! - a request's trace is known from its begin to its answer: what is done for its key after that (repair in the background,
//!   handoff) is nobody's;
//! - a part of our copy that is begun is ended once: when it is done, refused, or given up with the log.

use std::collections::BTreeMap;

use quorate_coordinator::{Origin, PageHandle, ReadHandle};
use quorate_types::{KeyspaceId, Mono, Now, Refusal, Token, Trace};
use quorate_wire::{ReplicaWrite, Traced};

use super::Shard;
use super::local::ReplyTo;
use crate::effects::Effects;
use crate::event::{LinkId, TracedRequest};
use crate::log_queue::Waiter;
use crate::outbound::Verdict;
use crate::served::{Part, PartKind, PartOutcome, Served};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Traces {
    /// Of requests that this shard coordinates and has not answered, by connection and number.
    requests: BTreeMap<(u64, u64), Trace>,
    /// Of the question at hand, by the index of its write.
    question: Vec<(u32, Trace)>,
    /// What our copy is doing, and since when.
    parts: BTreeMap<PartOf, (Part, Mono)>,
    /// What it did in this turn.
    served: Vec<Served>,
}

/// Who waits for a part of our copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PartOf {
    Write(Waiter),
    Read(ReplyTo<ReadHandle>),
    Page(ReplyTo<PageHandle>),
}

impl Traces {
    /// The request of `origin` is answered.
    pub(super) fn forget(&mut self, origin: Origin) {
        if !self.requests.is_empty() {
            self.requests.remove(&key(origin));
        }
    }

    /// Hands over what our copy did.
    pub(super) fn take_served(&mut self, out: &mut Effects) {
        out.served.append(&mut self.served);
    }

    /// The trace of the write `index` of the question at hand.
    fn of_question(&self, index: u32) -> Option<Trace> {
        let at = self.question.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        Some(self.question[at].1)
    }
}

fn key(origin: Origin) -> (u64, u64) {
    (origin.connection, origin.number)
}

impl Shard {
    pub(super) fn on_traced_request(&mut self, now: Now, traced: TracedRequest, out: &mut Effects) {
        let TracedRequest { origin, request, trace } = traced;
        self.traces.requests.insert(key(origin), trace);
        self.on_request(now, origin, request, out);
    }

    /// The trace of the request that `handle` (its raw number) is of, until that is answered.
    #[inline]
    pub(super) fn trace_of(&self, handle: u64) -> Option<Trace> {
        if self.traces.requests.is_empty() {
            return None;
        }
        let mut origin = self.coordinator.origin_of(handle)?;
        if Shard::is_read_first(origin) {
            origin = self.clients.reading_first.get(&origin.number)?.origin;
        }
        self.traces.requests.get(&key(origin)).copied()
    }

    /// A peer's question about traced requests.
    pub(super) fn on_traced_question(&mut self, now: Now, link: LinkId, traced: Traced, out: &mut Effects) {
        self.traces.question = traced.traces;
        self.on_question(now, link, traced.question, out);
        self.traces.question.clear();
    }

    /// Our part of the write `index` of the question at hand, if that is traced.
    #[inline]
    pub(super) fn part_of_write(&self, link: LinkId, index: u32, write: &ReplicaWrite) -> Option<Part> {
        if self.traces.question.is_empty() {
            return None;
        }
        let (trace, token) = (self.traces.of_question(index)?, self.ring.token(&write.key));
        self.part(link, trace, (write.purpose.into(), write.keyspace, token))
    }

    /// Our part of the question at hand, if that is traced.
    #[inline]
    pub(super) fn part_of_read(&self, link: LinkId, asked: (PartKind, KeyspaceId, Token)) -> Option<Part> {
        if self.traces.question.is_empty() {
            return None;
        }
        self.part(link, self.traces.of_question(0)?, asked)
    }

    fn part(
        &self,
        link: LinkId,
        trace: Trace,
        (what, keyspace, token): (PartKind, KeyspaceId, Token),
    ) -> Option<Part> {
        let coordinator = self.links.inbound_peer(link)?;
        Some(Part { trace, coordinator, what, keyspace, token })
    }

    /// Our copy begins what our own coordinator asked for a traced request.
    pub(super) fn begin_own_part(
        &mut self,
        now: Now,
        of: PartOf,
        trace: Trace,
        (what, keyspace, token): (PartKind, KeyspaceId, Token),
    ) {
        let coordinator = self.config.node;
        self.begin_part(now, of, Part { trace, coordinator, what, keyspace, token });
    }

    /// Our copy begins its part.
    pub(super) fn begin_part(&mut self, now: Now, of: PartOf, part: Part) {
        self.traces.parts.insert(of, (part, now.mono));
    }

    /// Our copy is done with what `of` waits for.
    #[inline]
    pub(super) fn end_part(&mut self, now: Now, of: PartOf) {
        if !self.traces.parts.is_empty() {
            self.end_part_as(now, of, PartOutcome::Done);
        }
    }

    /// What became of a write to our own copy.
    #[inline]
    pub(super) fn end_write_part(&mut self, now: Now, waiter: Waiter, verdict: &Verdict) {
        if !self.traces.parts.is_empty() {
            let outcome = match verdict {
                Verdict::Acked => PartOutcome::Done,
                Verdict::Refused(why) => PartOutcome::Refused(why.clone()),
                Verdict::Lost => PartOutcome::Lost,
            };
            self.end_part_as(now, PartOf::Write(waiter), outcome);
        }
    }

    fn end_part_as(&mut self, now: Now, of: PartOf, outcome: PartOutcome) {
        if let Some((part, since)) = self.traces.parts.remove(&of) {
            self.traces.served.push(Served { part, outcome, elapsed: now.mono.since(since) });
        }
    }

    /// Our copy refused its part before it began.
    pub(super) fn refuse_part(&mut self, part: Option<Part>, why: &Refusal) {
        if let Some(part) = part {
            let (outcome, elapsed) = (PartOutcome::Refused(why.clone()), std::time::Duration::ZERO);
            self.traces.served.push(Served { part, outcome, elapsed });
        }
    }
}
