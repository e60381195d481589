//! What was appended to the log and waits for it: applied in the order of the log, when the log says *durable*.
//!
//! Invariants:
//! - memory never before the log: a record reaches the store only when everything up to it is durable;
//! - sequence numbers are dense, so an entry's place is its number;
//! - after [`LogQueue::fail`] nothing is appended any more and nothing that waited will ever be applied.

use std::collections::VecDeque;

use bytes::Bytes;
use quorate_coordinator::WriteHandle;
use quorate_store::log::{self, KIND_CLOCK_CEILING, KIND_MUTATION};
use quorate_types::{KeyspaceId, Record, Timestamp, Token};
use quorate_wire::LinkEpoch;

use crate::effects::LogBuffer;
use crate::event::LinkId;
use crate::handoff::HintSlot;

/// Who waits for a local write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Waiter {
    /// The coordinator of this shard.
    Coordinator(WriteHandle),
    /// The hint dispatcher of this shard.
    Handoff(HintSlot),
    /// The coordinator at the other end of a link.
    Peer(PeerWrite),
}

/// A write that a peer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PeerWrite {
    pub(crate) link: LinkId,
    pub(crate) epoch: LinkEpoch,
    pub(crate) batch: u64,
    pub(crate) index: u32,
    pub(crate) bytes: u32,
}

/// One record of one key, on its way into the store.
#[derive(Clone, Debug)]
pub(crate) struct Mutation {
    pub(crate) keyspace: KeyspaceId,
    pub(crate) token: Token,
    pub(crate) key: Bytes,
    pub(crate) record: Record,
    pub(crate) waiter: Waiter,
}

/// The records between the log and the store; `None`: a clock ceiling, which the clock waits for.
#[derive(Debug)]
pub(crate) struct LogQueue {
    entries: VecDeque<Option<Mutation>>,
    /// The sequence number of the first entry.
    first: u64,
    durable: u64,
    failed: bool,
}

impl LogQueue {
    pub(crate) fn new() -> LogQueue {
        LogQueue { entries: VecDeque::new(), first: 1, durable: 0, failed: false }
    }

    /// The number of the next record.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Appends a mutation. Not after a failure.
    pub(crate) fn append(&mut self, mutation: Mutation, log: &mut LogBuffer) {
        debug_assert!(!self.failed, "checked by the caller");
        let Mutation { keyspace, key, record, .. } = &mutation;
        log.push(self.next_sequence(), KIND_MUTATION, |out| {
            log::encode_mutation(out, *keyspace, key, record);
        });
        self.entries.push_back(Some(mutation));
    }

    /// Appends a ceiling of the clock, durable under every policy. Not after a failure.
    pub(crate) fn append_ceiling(&mut self, ceiling: Timestamp, log: &mut LogBuffer) {
        debug_assert!(!self.failed, "checked by the caller");
        log.push_durable(self.next_sequence(), KIND_CLOCK_CEILING, |out| log::encode_ceiling(out, ceiling));
        self.entries.push_back(None);
    }

    /// The log is durable up to `through`.
    pub(crate) fn on_logged(&mut self, through: u64) {
        assert!(through < self.next_sequence(), "record {through} was never appended");
        self.durable = self.durable.max(through);
    }

    /// Where the next durable mutations, at most `count`, will be applied.
    pub(crate) fn places_ahead(&self, count: usize) -> impl Iterator<Item = (KeyspaceId, Token)> + Clone {
        let durable = ((self.durable + 1).saturating_sub(self.first) as usize).min(count);
        self.entries.iter().take(durable).flatten().map(|mutation| (mutation.keyspace, mutation.token))
    }

    /// The next durable mutation, in the order of the log.
    pub(crate) fn next_durable(&mut self) -> Option<Mutation> {
        while self.first <= self.durable {
            let entry = self.entries.pop_front().expect("durable records were appended");
            self.first += 1;
            if entry.is_some() {
                return entry;
            }
        }
        None
    }

    /// The log failed: who waited, in vain.
    pub(crate) fn fail(&mut self) -> Vec<Waiter> {
        self.failed = true;
        self.first = self.next_sequence();
        std::mem::take(&mut self.entries).into_iter().flatten().map(|mutation| mutation.waiter).collect()
    }

    /// Whether the log failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Everything up to this record was handed out for applying.
    pub(crate) fn applied_through(&self) -> u64 {
        self.first - 1
    }

    /// Records that wait for the log.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}
