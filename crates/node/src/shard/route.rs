//! The coordinator's effects: each goes to our own copy, to a link, to a client or to the hint logs.

use std::time::Duration;

use bytes::Bytes;
use quorate_coordinator::{Effect, Origin, PageAsk, PageReply, ReadReply};
use quorate_types::{KeyspaceId, Mono, NodeId, Now, PartitionId, Refusal, Trace};
use quorate_wire::{
    FullIf, PageResult, PeerMessage, ReadResult, ReplicaWrite, Response, ResponseBody, Traced,
};

use super::Shard;
use super::local::{PageOrder, ReadOrder, ReplyTo};
use super::requests::overloaded;
use super::traces::PartOf;
use crate::effects::Effects;
use crate::log_queue::Waiter;
use crate::outbound::{Asked, ReadSent, Verdict, write_bytes};
use crate::served::PartKind;

impl Shard {
    /// Carries out what the coordinator wants, and what that leads to, until it wants nothing.
    pub(super) fn carry_out(&mut self, now: Now, out: &mut Effects) {
        while !self.scratch.effects.is_empty() {
            let spare = std::mem::take(&mut self.scratch.spare);
            let mut effects = std::mem::replace(&mut self.scratch.effects, spare);
            for effect in effects.drain(..) {
                self.carry(now, effect, out);
            }
            self.scratch.spare = effects;
        }
    }

    fn carry(&mut self, now: Now, effect: Effect, out: &mut Effects) {
        match effect {
            Effect::Write { to, handle, write } => {
                let waiter = Waiter::Coordinator(handle);
                let trace = self.trace_of(handle.raw());
                if to != self.config.node {
                    let partition = self.ring.token(&write.key).partition();
                    return self.write_there(now, (to, partition), write, (waiter, trace.as_ref()));
                }
                if let Some(trace) = trace {
                    let asked = (write.purpose.into(), write.keyspace, self.ring.token(&write.key));
                    self.begin_own_part(now, PartOf::Write(waiter), trace, asked);
                }
                self.write_here(now, write, waiter, out);
            }
            Effect::Read { to, handle, keyspace, key, token, full, deadline } => {
                let trace = self.trace_of(handle.raw());
                if to != self.config.node {
                    let sent = ReadSent { deadline, of: Asked::Key(handle) };
                    let ask = |this: &Shard, id| this.read_message(now, id, deadline, (keyspace, key, full));
                    return self.ask_there(now, (to, token.partition()), (sent, trace), ask, out);
                }
                let reply = ReplyTo::Coordinator(handle);
                if let Some(trace) = trace {
                    self.begin_own_part(now, PartOf::Read(reply), trace, (PartKind::Read, keyspace, token));
                }
                self.read_here(ReadOrder { keyspace, token, key, full, reply });
            }
            Effect::ReadPage { to, handle, ask } => {
                let trace = self.trace_of(handle.raw());
                if to != self.config.node {
                    let sent = ReadSent { deadline: ask.deadline, of: Asked::Page(handle) };
                    let place = (to, ask.partition);
                    let message = |this: &Shard, id| this.page_message(now, id, ask);
                    return self.ask_there(now, place, (sent, trace), message, out);
                }
                let reply = ReplyTo::Coordinator(handle);
                if let Some(trace) = trace {
                    let asked = (PartKind::Page, ask.keyspace, ask.partition.first_token());
                    self.begin_own_part(now, PartOf::Page(reply), trace, asked);
                }
                self.page_here(now, PageOrder { ask, reply }, out);
            }
            Effect::Answer { origin, response } if Shard::is_read_first(origin) => {
                self.on_read_first(now, origin.number, response.body, out);
            }
            Effect::Stamp { handle, above } => self.stamp(now, handle, above),
            Effect::Answer { origin, response } => self.answer(origin, response, out),
            Effect::Slow(slow) => self.note_late(now, *slow),
            Effect::Hint { target, hint } => self.keep_hint(now, target, hint, out),
        }
    }

    /// Sends a write over the link to the replica's shard, with this turn's others.
    pub(super) fn write_there(
        &mut self,
        now: Now,
        (to, partition): (NodeId, PartitionId),
        write: ReplicaWrite,
        (waiter, trace): (Waiter, Option<&Trace>),
    ) {
        let refusal = match self.links.to(to, partition) {
            Some((_, link)) if link.has_room(write_bytes(&write), &self.config.limits) => {
                return link.push(now.mono, write, waiter, trace);
            }
            Some(_) => {
                self.counters.limit_link_outstanding += 1;
                overloaded("link_outstanding_bytes_max")
            }
            None => {
                self.counters.writes_unsent += 1;
                Refusal::Unreachable
            }
        };
        self.settle(now, to, waiter, Verdict::Refused(refusal));
    }

    /// What became of a write that was sent to `from`.
    pub(super) fn settle(&mut self, now: Now, from: NodeId, waiter: Waiter, verdict: Verdict) {
        if verdict == Verdict::Lost {
            self.counters.writes_lost += 1;
        }
        if from == self.config.node {
            self.end_write_part(now, waiter, &verdict);
        }
        let effects = &mut self.scratch.effects;
        match (waiter, verdict) {
            (Waiter::Coordinator(handle), Verdict::Acked) => {
                self.coordinator.on_write_acked(now, from, handle, effects);
            }
            (Waiter::Coordinator(handle), Verdict::Refused(why)) => {
                self.coordinator.on_write_refused(now, from, handle, why, effects);
            }
            (Waiter::Coordinator(handle), Verdict::Lost) => {
                self.coordinator.on_write_lost(now, from, handle, effects);
            }
            (Waiter::Handoff(slot), verdict) => self.on_hint_verdict(slot, &verdict),
            (Waiter::Peer(write), verdict) => self.on_peer_write_settled(write, verdict),
        }
    }

    fn ask_there(
        &mut self,
        now: Now,
        (to, partition): (NodeId, PartitionId),
        (sent, trace): (ReadSent, Option<Trace>),
        message: impl FnOnce(&Shard, u64) -> PeerMessage,
        out: &mut Effects,
    ) {
        match self.links.to(to, partition) {
            Some((link, outbound)) => {
                let trace = trace.filter(|_| outbound.takes_traces());
                let id = outbound.on_read_sent(sent);
                let question = message(self, id);
                let traces = trace.map_or_else(Vec::new, |trace| vec![(0, trace)]);
                out.sends.push((link, Traced::message(traces, question)));
            }
            None => self.fail_read(now, to, sent),
        }
    }

    /// A read that will not be answered.
    pub(super) fn fail_read(&mut self, now: Now, from: NodeId, read: ReadSent) {
        let effects = &mut self.scratch.effects;
        match read.of {
            Asked::Key(handle) => {
                let result = ReadResult::Refused(Refusal::Unreachable);
                self.coordinator.on_read_reply(now, &self.peers, ReadReply { from, handle, result }, effects);
            }
            Asked::Page(handle) => {
                let result = PageResult::Refused(Refusal::Unreachable);
                self.coordinator.on_page_reply(now, &self.peers, PageReply { from, handle, result }, effects);
            }
        }
    }

    fn read_message(
        &self,
        now: Now,
        id: u64,
        deadline: Mono,
        (keyspace, key, full): (KeyspaceId, Bytes, FullIf),
    ) -> PeerMessage {
        let (ring_hash, time_left_ms) = (self.ring.hash(), time_left_ms(now.mono, deadline));
        PeerMessage::Read { id, ring_hash, keyspace, key, full, time_left_ms }
    }

    fn page_message(&self, now: Now, id: u64, ask: PageAsk) -> PeerMessage {
        let PageAsk { keyspace, partition, start, limit, bytes_max, deadline } = ask;
        let (ring_hash, time_left_ms) = (self.ring.hash(), time_left_ms(now.mono, deadline));
        PeerMessage::ReadPage { id, ring_hash, keyspace, partition, start, limit, bytes_max, time_left_ms }
    }

    fn answer(&mut self, mut origin: Origin, mut response: Response, out: &mut Effects) {
        match &mut response.body {
            ResponseBody::Write(_) | ResponseBody::Refused(_) => {
                self.clients.sessions.settle(&mut origin, &response);
            }
            ResponseBody::Explain(explanation) => {
                for view in &mut explanation.replicas {
                    view.hints_here = self.hints.handoff.backlog(view.node).durable;
                }
            }
            _ => {}
        }
        self.answered(origin, response, out);
    }
}

/// Milliseconds until `deadline`, rounded up: what the other side may still spend.
fn time_left_ms(now: Mono, deadline: Mono) -> u32 {
    let left: Duration = deadline.since(now);
    u32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}
