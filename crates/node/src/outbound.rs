//! The asking side of a link: what was sent to one shard of one peer and is not answered yet.
//!
//! Invariants:
//! - batches are numbered from 1 within the link's epoch, without gaps; each is sent once;
//! - every write that was accepted by [`Outbound::push`] is settled exactly once: acknowledged, refused, or lost
//!   (its link ended, or nobody answered in time);
//! - an acknowledgement of another epoch, of a batch never sent or already settled, changes nothing;
//! - what is outstanding is bounded in bytes and in batches: beyond that the peer is overloaded.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use quorate_coordinator::{PageHandle, ReadHandle};
use quorate_types::mutants::{Mutant, planted};
use quorate_types::{Mono, NodeId, Refusal, Trace, rarely};
use quorate_wire::{
    Acks, BatchRange, LinkEpoch, PROTOCOL_TRACED, PartialBatch, PeerMessage, ReplicaWrite, Traced, WriteBatch,
};

use crate::config::ShardLimits;
use crate::event::{LinkId, LinkPeer};
use crate::inbound;

/// A batch is closed when its keys and values reach this many bytes: far below the limit of a frame.
const BATCH_BYTES: usize = 2 << 20;
/// A batch is closed when it has this many writes.
const BATCH_WRITES: usize = 8_192;
/// An acknowledgement may come this much later than its writes' deadlines.
const SLACK: Duration = Duration::from_millis(500);
/// What a write takes on the wire and in memory besides its key and value, roughly.
const WRITE_OVERHEAD_BYTES: usize = 64;

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is durable and applied there.
    Acked,
    /// It was not and will not be applied there.
    Refused(Refusal),
    /// Nobody knows.
    Lost,
}

/// A settled write: who waits for it, and what became of it.
pub(crate) type Settled<W> = (W, Verdict);

/// A read that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadSent {
    pub(crate) deadline: Mono,
    pub(crate) of: Asked,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Key(ReadHandle),
    Page(PageHandle),
}

#[derive(Debug)]
struct Batch<W> {
    waiters: Vec<W>,
    bytes: usize,
    expires: Mono,
}

type Traces = Vec<(u32, Trace)>;

/// One link that we dialled; `W` names who waits for a write.
#[derive(Debug)]
pub(crate) struct Outbound<W> {
    pub(crate) peer: LinkPeer,
    epoch: LinkEpoch,
    protocol: u16,
    open: WriteBatch,
    /// Of the writes in `open` that are traced, by index.
    open_traces: Traces,
    open_waiters: Vec<W>,
    open_bytes: usize,
    open_wait: Duration,
    closed: Vec<(WriteBatch, Traces)>,
    /// Batches `first ..`; `None`: settled.
    sent: VecDeque<Option<Batch<W>>>,
    first: u64,
    /// Of `sent` that are not settled.
    batches: usize,
    bytes: usize,
    writes: u64,
    reads: BTreeMap<u64, ReadSent>,
    /// The id of the next read: each is used once, so that a doubled answer finds nothing.
    next_read: u64,
}

impl<W: Copy> Outbound<W> {
    pub(crate) fn new(peer: LinkPeer, epoch: LinkEpoch, protocol: u16) -> Outbound<W> {
        Outbound {
            peer,
            epoch,
            protocol,
            open: empty_batch(epoch),
            open_traces: Vec::new(),
            open_waiters: Vec::new(),
            open_bytes: 0,
            open_wait: Duration::ZERO,
            closed: Vec::new(),
            sent: VecDeque::new(),
            first: 1,
            batches: 0,
            bytes: 0,
            writes: 0,
            reads: BTreeMap::new(),
            next_read: 1,
        }
    }

    /// Whether a write of `bytes` of key and value may be pushed. One always may when nothing is outstanding.
    pub(crate) fn has_room(&self, bytes: usize, limits: &ShardLimits) -> bool {
        let outstanding = self.bytes + self.open_bytes;
        let batches_max = limits.link_outstanding_batches_max.min(inbound::WINDOW / 2);
        outstanding == 0
            || (outstanding + bytes <= limits.link_outstanding_bytes_max && self.batches < batches_max)
    }

    /// Whether the peer may be told of traces.
    pub(crate) fn takes_traces(&self) -> bool {
        self.protocol >= PROTOCOL_TRACED
    }

    /// Adds a write to this turn's batch, and the trace that it belongs to if the peer may be told.
    pub(crate) fn push(&mut self, now: Mono, write: ReplicaWrite, waiter: W, trace: Option<&Trace>) {
        let bytes = write_bytes(&write);
        if self.open_bytes + bytes > BATCH_BYTES || self.open.writes.len() >= BATCH_WRITES {
            self.close(now);
        }
        self.open_bytes += bytes;
        self.open_wait = self.open_wait.max(Duration::from_millis(u64::from(write.time_left_ms)));
        if let Some(trace) = trace.filter(|_| self.takes_traces()) {
            self.open_traces.push((self.open.writes.len() as u32, *trace));
        }
        self.open.writes.push(write);
        self.open_waiters.push(waiter);
        if rarely!("link.batch_of_one") {
            self.close(now);
        }
    }

    /// Hands over what this turn has for the link.
    pub(crate) fn flush(
        &mut self,
        now: Mono,
        link: LinkId,
        ring_hash: u64,
        sends: &mut Vec<(LinkId, PeerMessage)>,
    ) {
        self.close(now);
        for (mut batch, traces) in self.closed.drain(..) {
            batch.ring_hash = ring_hash;
            sends.push((link, Traced::message(traces, PeerMessage::Writes(batch))));
        }
    }

    fn close(&mut self, now: Mono) {
        if self.open.writes.is_empty() {
            return;
        }
        let mut batch = std::mem::replace(&mut self.open, empty_batch(self.epoch));
        batch.batch = self.first + self.sent.len() as u64;
        let bytes = std::mem::take(&mut self.open_bytes);
        let expires = now + std::mem::take(&mut self.open_wait) + SLACK;
        let waiters = std::mem::replace(&mut self.open_waiters, Vec::with_capacity(batch.writes.len()));
        self.bytes += bytes;
        self.writes += waiters.len() as u64;
        self.batches += 1;
        self.sent.push_back(Some(Batch { waiters, bytes, expires }));
        self.closed.push((batch, std::mem::take(&mut self.open_traces)));
    }

    /// The peer acknowledged or refused.
    pub(crate) fn on_acks(&mut self, acks: Acks, settled: &mut Vec<Settled<W>>) {
        if acks.epoch != self.epoch {
            return;
        }
        for range in acks.ranges {
            self.on_range(range, settled);
        }
        for partial in acks.partial {
            self.on_partial(partial, settled);
        }
        self.forget_settled();
    }

    fn on_range(&mut self, range: BatchRange, settled: &mut Vec<Settled<W>>) {
        let end = self.first + self.sent.len() as u64;
        // Clipped to what was sent: the range itself may be as wide as u64.
        for batch in range.first.max(self.first)..range.last.saturating_add(1).min(end) {
            if planted(Mutant::DuplicateAckCounts) {
                let kept = self.sent[(batch - self.first) as usize].iter();
                settled.extend(kept.flat_map(|batch| &batch.waiters).map(|waiter| (*waiter, Verdict::Acked)));
            } else if let Some(batch) = self.take(batch) {
                settled.extend(batch.waiters.into_iter().map(|waiter| (waiter, Verdict::Acked)));
            }
        }
    }

    fn on_partial(&mut self, partial: PartialBatch, settled: &mut Vec<Settled<W>>) {
        let Some(batch) = self.take(partial.batch) else { return };
        let mut refused: BTreeMap<u32, Refusal> = partial.refused.into_iter().collect();
        settled.extend(batch.waiters.into_iter().zip(0..).map(|(waiter, at)| {
            let verdict = refused.remove(&at).map_or(Verdict::Acked, Verdict::Refused);
            (waiter, verdict)
        }));
    }

    fn take(&mut self, batch: u64) -> Option<Batch<W>> {
        let at = usize::try_from(batch.checked_sub(self.first)?).ok()?;
        let taken = self.sent.get_mut(at)?.take()?;
        self.batches -= 1;
        self.bytes -= taken.bytes;
        self.writes -= taken.waiters.len() as u64;
        Some(taken)
    }

    fn forget_settled(&mut self) {
        while let Some(None) = self.sent.front() {
            self.sent.pop_front();
            self.first += 1;
        }
    }

    /// Gives up what nobody answered in time: writes, and reads, which are forgotten silently for their
    /// coordinator has its own deadline.
    pub(crate) fn expire(&mut self, now: Mono, settled: &mut Vec<Settled<W>>) {
        for at in 0..self.sent.len() {
            let expired = self.sent[at].as_ref().is_some_and(|batch| batch.expires <= now);
            if expired && let Some(batch) = self.take(self.first + at as u64) {
                settled.extend(batch.waiters.into_iter().map(|waiter| (waiter, Verdict::Lost)));
            }
        }
        self.forget_settled();
        self.reads.retain(|_, read| read.deadline > now);
    }

    /// The link ended: everything that was not settled is lost, and these reads will not be answered.
    pub(crate) fn lose(mut self, now: Mono, settled: &mut Vec<Settled<W>>) -> BTreeMap<u64, ReadSent> {
        self.close(now);
        let waiters = self.sent.into_iter().flatten().flat_map(|batch| batch.waiters);
        settled.extend(waiters.map(|waiter| (waiter, Verdict::Lost)));
        self.reads
    }

    /// A read is sent: the id to send it under.
    pub(crate) fn on_read_sent(&mut self, read: ReadSent) -> u64 {
        let id = self.next_read;
        self.next_read += 1;
        self.reads.insert(id, read);
        id
    }

    /// The read that `id` answers, if it was asked on this link and is not answered yet.
    pub(crate) fn on_read_answered(&mut self, id: u64) -> Option<Asked> {
        self.reads.remove(&id).map(|read| read.of)
    }

    /// Writes and reads that are not answered.
    pub(crate) fn in_flight(&self) -> u64 {
        self.writes + self.open_waiters.len() as u64 + self.reads.len() as u64
    }

    /// The peer at the other end.
    pub(crate) fn node(&self) -> NodeId {
        self.peer.node
    }
}

/// What a write counts as towards the limits.
pub(crate) fn write_bytes(write: &ReplicaWrite) -> usize {
    WRITE_OVERHEAD_BYTES + write.key.len() + write.value.as_ref().map_or(0, bytes::Bytes::len)
}

fn empty_batch(epoch: LinkEpoch) -> WriteBatch {
    WriteBatch { epoch, batch: 0, ring_hash: 0, writes: Vec::new() }
}

#[cfg(test)]
mod tests;
