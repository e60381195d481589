//! This replica's own copy: writes go through the log into the store, reads come out of it.
//!
//! Invariants: memory never before the log; what the store answers later is parked under its ticket and taken up
//! again by `StoreReady`, whoever asked.

use std::collections::BTreeSet;

use bytes::Bytes;
use quorate_coordinator::{PageAsk, PageHandle, PageReply, ReadHandle, ReadReply};
use quorate_store::{Access, Page, Ticket};
use quorate_types::mutants::{Mutant, planted};
use quorate_types::{KeyspaceId, Merge, Now, Record, Refusal, Token, crash_point};
use quorate_wire::{FullIf, PageResult, PeerMessage, ReadResult, ReplicaWrite};

use super::Shard;
use super::traces::PartOf;
use crate::effects::Effects;
use crate::event::{LinkId, LinkLoss};
use crate::log_queue::{Mutation, Waiter};
use crate::outbound::Verdict;

/// Records that are brought into the processor's cache together, before they are written or read.
const READ_AHEAD: usize = 32;

/// Who asked our copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ReplyTo<H> {
    /// Our own coordinator.
    Coordinator(H),
    /// A peer's, under this id on this link.
    Link(LinkId, u64),
}

/// A read of our copy.
#[derive(Clone, Debug)]
pub(super) struct ReadOrder {
    pub(super) keyspace: KeyspaceId,
    pub(super) token: Token,
    pub(super) key: Bytes,
    pub(super) full: FullIf,
    pub(super) reply: ReplyTo<ReadHandle>,
}

/// The reading of a page of our copy.
#[derive(Clone, Debug)]
pub(super) struct PageOrder {
    pub(super) ask: PageAsk,
    pub(super) reply: ReplyTo<PageHandle>,
}

/// What waits for the store.
#[derive(Debug)]
pub(super) enum Waiting {
    Apply(Mutation),
    Read(ReadOrder),
    Page(PageOrder),
}

impl Shard {
    /// Appends a write of our own coordinator or dispatcher to the log.
    pub(super) fn write_here(&mut self, now: Now, write: ReplicaWrite, waiter: Waiter, out: &mut Effects) {
        if self.replica.log.has_failed() {
            return self.settle(now, self.config.node, waiter, Verdict::Refused(Refusal::LogFailed));
        }
        let (keyspace, token) = (write.keyspace, self.ring.token(&write.key));
        let (key, record) = write.into_keyed();
        let mutation = Mutation { keyspace, token, key, record, waiter };
        self.replica.log.append(mutation, &mut out.log);
        crash_point!("write.queued");
    }

    pub(super) fn on_logged(&mut self, now: Now, through: u64) {
        self.replica.log.on_logged(through);
        crash_point!("log.durable");
        if self.stamps.on_logged(through).is_some() {
            self.counters.clock_ceilings += 1;
            crash_point!("clock.ceiling_durable");
            self.unpark(now);
        }
        loop {
            self.replica.store.read_ahead(self.replica.log.places_ahead(READ_AHEAD));
            for _ in 0..READ_AHEAD {
                let Some(mutation) = self.replica.log.next_durable() else { return };
                self.apply(now, mutation);
            }
        }
    }

    fn apply(&mut self, now: Now, mutation: Mutation) {
        let Mutation { keyspace, token, key, record, waiter } = &mutation;
        match self.replica.store.apply(*keyspace, *token, key, record) {
            Access::Ready(merge) => {
                self.counters.applied += 1;
                self.counters.applied_changed += u64::from(merge == Merge::Changed);
                crash_point!("write.applied");
                self.settle(now, self.config.node, *waiter, Verdict::Acked);
            }
            Access::Pending(ticket) => drop(self.replica.waiting.insert(ticket, Waiting::Apply(mutation))),
        }
    }

    /// The log failed: what waited may or may not come back at the next start, so nobody is told that it was refused.
    pub(super) fn on_log_failed(&mut self, now: Now, out: &mut Effects) {
        let mut senders = BTreeSet::new();
        for waiter in self.replica.log.fail() {
            if let Waiter::Peer(write) = waiter {
                senders.insert(write.link);
            }
            let verdict = if planted(Mutant::FailedLogAcks) { Verdict::Acked } else { Verdict::Lost };
            self.settle(now, self.config.node, waiter, verdict);
        }
        for link in senders {
            // An ended link tells its sender at once what silence would tell it at the deadline.
            out.close.push(link);
            self.on_link_down(now, link, LinkLoss::Ours);
        }
        self.refuse_parked(now, &Refusal::LogFailed, out);
    }

    /// Takes on a read of our copy; answered with the turn's others by [`Self::answer_reads`].
    pub(super) fn read_here(&mut self, order: ReadOrder) {
        self.replica.reads.push(order);
    }

    /// Answers the reads of this turn, and those that answering them brings about.
    pub(super) fn answer_reads(&mut self, now: Now, out: &mut Effects) {
        while !self.replica.reads.is_empty() {
            let mut reads = std::mem::take(&mut self.replica.reads).into_iter();
            while !reads.as_slice().is_empty() {
                let ahead = reads.as_slice().iter().take(READ_AHEAD);
                self.replica.store.read_ahead(ahead.map(|order| (order.keyspace, order.token)));
                for order in reads.by_ref().take(READ_AHEAD) {
                    self.read(now, order, out);
                }
            }
            self.carry_out(now, out);
        }
    }

    fn read(&mut self, now: Now, order: ReadOrder, out: &mut Effects) {
        match self.replica.store.read(order.keyspace, order.token, &order.key) {
            Access::Ready(record) => self.reply_read(now, &order, record, out),
            Access::Pending(ticket) => drop(self.replica.waiting.insert(ticket, Waiting::Read(order))),
        }
    }

    fn reply_read(&mut self, now: Now, order: &ReadOrder, record: Option<Record>, out: &mut Effects) {
        let judges = planted(Mutant::ReplicaJudgesExpiry);
        let record = record.filter(|record| !(judges && record.is_expired(now.wall_ms)));
        let result = ReadResult::of(record, order.full);
        self.end_part(now, PartOf::Read(order.reply));
        match order.reply {
            ReplyTo::Link(link, id) => {
                crash_point!("peer.read");
                out.sends.push((link, PeerMessage::ReadReply { id, result }));
            }
            ReplyTo::Coordinator(handle) => {
                let reply = ReadReply { from: self.config.node, handle, result };
                self.coordinator.on_read_reply(now, &self.peers, reply, &mut self.scratch.effects);
            }
        }
    }

    pub(super) fn page_here(&mut self, now: Now, order: PageOrder, out: &mut Effects) {
        let PageAsk { keyspace, partition, ref start, limit, bytes_max, .. } = order.ask;
        let (limit, bytes_max) = (limit as usize, bytes_max as usize);
        match self.replica.store.page(keyspace, partition, start.as_deref(), limit, bytes_max) {
            Access::Ready(page) => self.reply_page(now, &order, page, out),
            Access::Pending(ticket) => drop(self.replica.waiting.insert(ticket, Waiting::Page(order))),
        }
    }

    fn reply_page(&mut self, now: Now, order: &PageOrder, page: Page, out: &mut Effects) {
        let result = PageResult::Page { entries: page.entries, done: page.done };
        self.end_part(now, PartOf::Page(order.reply));
        match order.reply {
            ReplyTo::Link(link, id) => out.sends.push((link, PeerMessage::PageReply { id, result })),
            ReplyTo::Coordinator(handle) => {
                let reply = PageReply { from: self.config.node, handle, result };
                self.coordinator.on_page_reply(now, &self.peers, reply, &mut self.scratch.effects);
            }
        }
    }

    pub(super) fn on_store_ready(&mut self, now: Now, ticket: Ticket, out: &mut Effects) {
        match self.replica.waiting.remove(&ticket) {
            Some(Waiting::Apply(mutation)) => self.apply(now, mutation),
            Some(Waiting::Read(order)) => self.read(now, order, out),
            Some(Waiting::Page(order)) => self.page_here(now, order, out),
            None => {}
        }
    }
}
