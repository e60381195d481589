//! What peers say: their writes and reads on the links that they dialled, their answers on those that we did.
//!
//! Invariants:
//! - a write is logged only after every check; one that fails a check is refused by name and never acknowledged;
//! - hints and repairs are never refused for their stamp and never move the clock;
//! - work for other coordinators has its own share, so that neither side starves the other.

use quorate_coordinator::{PageAsk, PageReply, ReadReply};
use quorate_types::limits::VALUE_BYTES_MAX;
use quorate_types::mutants::{Mutant, planted};
use quorate_types::{KeyspaceId, Mono, Now, PartitionId, Refusal, Token, crash_point, rarely};
use quorate_wire::{Acks, PageResult, PeerMessage, Purpose, ReadResult, ReplicaWrite, WriteBatch};

use super::Shard;
use super::local::{PageOrder, ReadOrder, ReplyTo};
use super::requests::{another_shards, check_key, overloaded};
use super::traces::PartOf;
use crate::effects::Effects;
use crate::event::{LinkId, LinkLoss};
use crate::inbound::Arrival;
use crate::log_queue::{Mutation, PeerWrite, Waiter};
use crate::outbound::{Asked, Verdict, write_bytes};
use crate::served::PartKind;

impl Shard {
    pub(super) fn on_peer(&mut self, now: Now, link: LinkId, message: PeerMessage, out: &mut Effects) {
        if self.links.outbound(link).is_some() {
            self.peers.on_heard(now.mono, link);
            self.on_answer(now, link, message);
        } else if let Some(peer) = self.links.inbound(link).map(|inbound| inbound.peer) {
            if self.peers.on_life(now.mono, peer) {
                out.urge.push(peer);
            }
            self.on_question(now, link, message, out);
        } else {
            self.counters.messages_unexpected += 1;
        }
    }

    fn on_answer(&mut self, now: Now, link: LinkId, message: PeerMessage) {
        match message {
            PeerMessage::Pong { number, wall_ms } => {
                self.peers.on_pong(now, link, number, wall_ms);
                if self.peers.are_clocks_compared() {
                    self.stamps.begin(now.mono);
                }
            }
            PeerMessage::Acks(acks) => self.on_acks(now, link, acks),
            PeerMessage::ReadReply { id, result } => self.on_read_reply(now, link, id, result),
            PeerMessage::PageReply { id, result } => self.on_page_reply(now, link, id, result),
            _ => self.counters.messages_unexpected += 1,
        }
    }

    pub(super) fn on_question(&mut self, now: Now, link: LinkId, message: PeerMessage, out: &mut Effects) {
        match message {
            PeerMessage::Ping { number, .. } => {
                out.sends.push((link, PeerMessage::Pong { number, wall_ms: now.wall_ms }));
            }
            PeerMessage::Writes(batch) => self.on_writes(now, link, batch, out),
            PeerMessage::Read { id, ring_hash, keyspace, key, full, time_left_ms } => {
                self.counters.peer_reads += 1;
                let token = self.ring.token(&key);
                let part = self.part_of_read(link, (PartKind::Read, keyspace, token));
                let place = (keyspace, token.partition());
                let checked = check_key(key.len()).and(self.check_question(ring_hash, place, time_left_ms));
                match checked {
                    Ok(()) => {
                        let reply = ReplyTo::Link(link, id);
                        if let Some(part) = part {
                            self.begin_part(now, PartOf::Read(reply), part);
                        }
                        self.read_here(ReadOrder { keyspace, token, key, full, reply });
                    }
                    Err(why) => {
                        self.refuse_part(part, &why);
                        let result = ReadResult::Refused(why);
                        out.sends.push((link, PeerMessage::ReadReply { id, result }));
                    }
                }
            }
            PeerMessage::ReadPage {
                id,
                ring_hash,
                keyspace,
                partition,
                start,
                limit,
                bytes_max,
                time_left_ms,
            } => {
                let deadline = Mono(0);
                let ask = PageAsk { keyspace, partition, start, limit, bytes_max, deadline };
                self.on_page_question(now, (link, id), ask, (ring_hash, time_left_ms), out);
            }
            PeerMessage::Traced(traced) => self.on_traced_question(now, link, *traced, out),
            _ => self.counters.messages_unexpected += 1,
        }
    }

    fn on_page_question(
        &mut self,
        now: Now,
        (link, id): (LinkId, u64),
        ask: PageAsk,
        (ring_hash, time_left_ms): (u64, u32),
        out: &mut Effects,
    ) {
        self.counters.peer_reads += 1;
        let PageAsk { keyspace, partition, .. } = ask;
        let part = self.part_of_read(link, (PartKind::Page, keyspace, partition.first_token()));
        match self.check_question(ring_hash, (keyspace, partition), time_left_ms) {
            Ok(()) => {
                let reply = ReplyTo::Link(link, id);
                if let Some(part) = part {
                    self.begin_part(now, PartOf::Page(reply), part);
                }
                let config = &self.config.coordinator;
                let limit = ask.limit.min(config.page_entries_max);
                let bytes_max = ask.bytes_max.min(config.page_bytes_max);
                self.page_here(now, PageOrder { ask: PageAsk { limit, bytes_max, ..ask }, reply }, out);
            }
            Err(why) => {
                self.refuse_part(part, &why);
                let result = PageResult::Refused(why);
                out.sends.push((link, PeerMessage::PageReply { id, result }));
            }
        }
    }

    fn on_acks(&mut self, now: Now, link: LinkId, acks: Acks) {
        let mut settled = std::mem::take(&mut self.scratch.settled);
        if let Some(outbound) = self.links.outbound(link) {
            let from = outbound.node();
            self.hints.handoff.on_credit(from, acks.credit_bytes);
            outbound.on_acks(acks, &mut settled);
            for (waiter, verdict) in settled.drain(..) {
                self.settle(now, from, waiter, verdict);
            }
        }
        self.scratch.settled = settled;
    }

    fn on_read_reply(&mut self, now: Now, link: LinkId, id: u64, result: ReadResult) {
        let Some(outbound) = self.links.outbound(link) else { return };
        let from = outbound.node();
        if let Some(Asked::Key(handle)) = outbound.on_read_answered(id) {
            let reply = ReadReply { from, handle, result };
            self.coordinator.on_read_reply(now, &self.peers, reply, &mut self.scratch.effects);
        }
    }

    fn on_page_reply(&mut self, now: Now, link: LinkId, id: u64, result: PageResult) {
        let Some(outbound) = self.links.outbound(link) else { return };
        let from = outbound.node();
        if let Some(Asked::Page(handle)) = outbound.on_read_answered(id) {
            let reply = PageReply { from, handle, result };
            self.coordinator.on_page_reply(now, &self.peers, reply, &mut self.scratch.effects);
        }
    }

    fn on_writes(&mut self, now: Now, link: LinkId, batch: WriteBatch, out: &mut Effects) {
        let WriteBatch { epoch, batch, ring_hash, writes } = batch;
        let Some(inbound) = self.links.inbound(link) else { return };
        match inbound.on_batch(epoch, batch, writes.len()) {
            Arrival::Execute => {}
            Arrival::Duplicate => return self.counters.peer_batches_duplicate += 1,
            Arrival::TooOld => return self.counters.peer_batches_too_old += 1,
        }
        self.counters.peer_writes += writes.len() as u64;
        for (index, write) in (0..).zip(writes) {
            let bytes = write_bytes(&write);
            let part = self.part_of_write(link, index, &write);
            match self.check_write(now, ring_hash, &write, bytes) {
                Ok(token) => {
                    self.replica.peer_writes += 1;
                    self.replica.peer_bytes += bytes;
                    let waiter = Waiter::Peer(PeerWrite { link, epoch, batch, index, bytes: bytes as u32 });
                    if let Some(part) = part {
                        self.begin_part(now, PartOf::Write(waiter), part);
                    }
                    let keyspace = write.keyspace;
                    let (key, record) = write.into_keyed();
                    let mutation = Mutation { keyspace, token, key, record, waiter };
                    if planted(Mutant::MemoryBeforeLog) {
                        let Mutation { key, record, .. } = &mutation;
                        let _ = self.replica.store.apply(keyspace, token, key, record);
                    }
                    self.replica.log.append(mutation, &mut out.log);
                    crash_point!("peer.queued");
                    if planted(Mutant::AckBeforeDurable)
                        && let Some(inbound) = self.links.inbound(link)
                    {
                        inbound.on_applied(epoch, batch);
                    }
                }
                Err(why) => {
                    self.counters.peer_writes_refused += 1;
                    self.refuse_part(part, &why);
                    if let Some(inbound) = self.links.inbound(link) {
                        if planted(Mutant::RefusedIsAcked) {
                            inbound.on_applied(epoch, batch);
                            continue;
                        }
                        inbound.on_refused(epoch, batch, index, why);
                    }
                }
            }
        }
        if rarely!("link.closed") {
            out.close.push(link);
            self.on_link_down(now, link, LinkLoss::Ours);
        }
    }

    /// A peer's write left the queue before the log.
    pub(super) fn on_peer_write_settled(&mut self, write: PeerWrite, verdict: Verdict) {
        self.replica.peer_writes -= 1;
        self.replica.peer_bytes -= write.bytes as usize;
        if let (Verdict::Acked, Some(inbound)) = (verdict, self.links.inbound(write.link)) {
            inbound.on_applied(write.epoch, write.batch);
        }
    }

    fn check_write(
        &mut self,
        now: Now,
        ring_hash: u64,
        write: &ReplicaWrite,
        bytes: usize,
    ) -> Result<Token, Refusal> {
        if self.replica.log.has_failed() {
            return Err(Refusal::LogFailed);
        }
        let token = self.ring.token(&write.key);
        let expired = write.time_left_ms == 0;
        self.counters.peer_writes_expired += u64::from(expired);
        self.check_question(ring_hash, (write.keyspace, token.partition()), write.time_left_ms)?;
        check_key(write.key.len())?;
        self.check_size(write)?;
        self.check_share(bytes)?;
        if write.purpose == Purpose::Write {
            self.follow(now, write.version)?;
        }
        Ok(token)
    }

    /// `value_bytes_max` holds at the door: a value that some coordinator took is kept when it comes as hint or repair.
    fn check_size(&self, write: &ReplicaWrite) -> Result<(), Refusal> {
        let bytes = write.value.as_ref().map_or(0, bytes::Bytes::len);
        match write.purpose {
            Purpose::Write => self.check_value(bytes),
            _ if bytes > VALUE_BYTES_MAX => {
                Err(Refusal::ValueTooLarge { bytes: bytes as u64, bytes_max: VALUE_BYTES_MAX as u64 })
            }
            _ => Ok(()),
        }
    }

    fn check_share(&mut self, bytes: usize) -> Result<(), Refusal> {
        let limits = &self.config.limits;
        if self.replica.peer_writes >= limits.peer_requests_max || rarely!("peer.overloaded") {
            self.counters.limit_peer_requests += 1;
            return Err(overloaded("peer_requests_max"));
        }
        if self.replica.peer_writes > 0 && self.replica.peer_bytes + bytes > limits.peer_bytes_max {
            self.counters.limit_peer_bytes += 1;
            return Err(overloaded("peer_bytes_max"));
        }
        Ok(())
    }

    /// Whether we may answer for this partition at all, and in time.
    fn check_question(
        &self,
        ring_hash: u64,
        (keyspace, partition): (KeyspaceId, PartitionId),
        time_left_ms: u32,
    ) -> Result<(), Refusal> {
        if self.is_ending() {
            return Err(Refusal::ShuttingDown);
        }
        if time_left_ms == 0 {
            return Err(Refusal::DeadlinePassed);
        }
        let ours = self.ring.hash();
        if ring_hash != ours {
            return Err(Refusal::RingMismatch { theirs: ring_hash, ours });
        }
        let n = self.ring.n(keyspace).ok_or(Refusal::UnknownKeyspace)?;
        if !self.owns(partition) {
            return Err(another_shards());
        }
        if !self.ring.is_replica(partition, n, self.config.node) {
            return Err(Refusal::NotReplica);
        }
        Ok(())
    }

    /// How many bytes of hints each sender may have on their way to us: an eighth of what is free.
    pub(super) fn credit_bytes(&self) -> u32 {
        let free = self.config.limits.peer_bytes_max.saturating_sub(self.replica.peer_bytes);
        u32::try_from(free / 8).unwrap_or(u32::MAX)
    }
}
