//! What a shard wants done: everything that its driver carries out after a turn.
//!
//! Invariants:
//! - effects of one turn are carried out as batches, sends before the own sync, so that the syncs of all replicas
//!   overlap;
//! - sequence numbers of log records are dense and increase over turns; the driver appends them in that order.

use quorate_coordinator::Origin;
use quorate_store::{Hint, HintNumber};
use quorate_types::NodeId;
use quorate_wire::{PeerMessage, Response};

use crate::LinkId;
use crate::liveness::PeerChange;
use crate::served::Served;
use crate::slow::SlowAnswer;

/// The effects of one turn; cleared and used again.
#[derive(Debug, Default)]
pub struct Effects {
    /// Records to append to the log.
    pub log: LogBuffer,
    /// Messages for peers, in order per link; those of one link go as one frame.
    pub sends: Vec<(LinkId, PeerMessage)>,
    /// Answers to clients.
    pub answers: Vec<(Origin, Response)>,
    /// Of those answers the ones that are slow, in the same order: to be logged, nothing else.
    pub slow: Vec<SlowAnswer>,
    /// What our copy did for traced requests: to be logged, nothing else.
    pub served: Vec<Served>,
    /// Requests that get no answer of their own: duplicates of one in flight, or too old to be told apart.
    pub unanswered: Vec<Origin>,
    /// What the hint logs are to do, in order.
    pub hints: Vec<HintCommand>,
    /// Peers to dial now: they showed life, or are missed.
    pub urge: Vec<NodeId>,
    /// Links to close; no `LinkDown` is expected for them, one is ignored.
    pub close: Vec<LinkId>,
    /// Peers that this shard sees come or go since the last turn, in the order in which they did: news, nothing to do.
    pub peers: Vec<PeerChange>,
}

impl Effects {
    /// Nothing to do.
    pub fn new() -> Effects {
        Effects::default()
    }

    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        self.log.clear();
        self.sends.clear();
        self.answers.clear();
        self.slow.clear();
        self.served.clear();
        self.unanswered.clear();
        self.hints.clear();
        self.urge.clear();
        self.close.clear();
        self.peers.clear();
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
            && self.sends.is_empty()
            && self.answers.is_empty()
            && self.slow.is_empty()
            && self.served.is_empty()
            && self.unanswered.is_empty()
            && self.hints.is_empty()
            && self.urge.is_empty()
            && self.close.is_empty()
            && self.peers.is_empty()
    }
}

/// What the hint logs are to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HintCommand {
    /// Keep a hint; answered, with others, by `HintsStored`.
    Append {
        /// Whom it is for.
        target: NodeId,
        /// The hint.
        hint: Hint,
    },
    /// Read hints; answered by `HintPage` or `HintPageFailed`.
    ReadPage {
        /// Whom they are for.
        target: NodeId,
        /// Only what comes behind this one; 0: from the first that was not delivered.
        after: HintNumber,
        /// Most bytes, but at least one hint.
        bytes_max: u32,
    },
    /// Everything up to here was delivered or dropped; answered, in time, by `HintsStored`.
    Delivered {
        /// Whom they were for.
        target: NodeId,
        /// The last of them.
        through: HintNumber,
    },
}

/// Encoded log records, one behind the other in one buffer.
#[derive(Debug, Default)]
pub struct LogBuffer {
    bytes: Vec<u8>,
    marks: Vec<Mark>,
    first: u64,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    end: usize,
    kind: u8,
    must_be_durable: bool,
}

/// One record of a [`LogBuffer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRecord<'a> {
    /// Its place in the shard's sequence, from 1.
    pub sequence: u64,
    /// Its kind, as [`quorate_store::log`] names them.
    pub kind: u8,
    /// Its payload.
    pub bytes: &'a [u8],
    /// Whether it counts as logged only when it is synced, whatever the log's policy.
    pub must_be_durable: bool,
}

impl LogBuffer {
    /// The records, in order.
    pub fn records(&self) -> impl ExactSizeIterator<Item = LogRecord<'_>> {
        (0..self.marks.len()).map(|at| {
            let start = at.checked_sub(1).map_or(0, |before| self.marks[before].end);
            let Mark { end, kind, must_be_durable } = self.marks[at];
            let bytes = &self.bytes[start..end];
            LogRecord { sequence: self.first + at as u64, kind, bytes, must_be_durable }
        })
    }

    /// The sequence number of the last record, if there is one.
    pub fn last_sequence(&self) -> Option<u64> {
        (!self.is_empty()).then(|| self.first + self.marks.len() as u64 - 1)
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Records.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Bytes of all payloads.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets the records, keeping the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.marks.clear();
    }

    pub(crate) fn push(&mut self, sequence: u64, kind: u8, encode: impl FnOnce(&mut Vec<u8>)) {
        self.append(sequence, kind, encode);
    }

    pub(crate) fn push_durable(&mut self, sequence: u64, kind: u8, encode: impl FnOnce(&mut Vec<u8>)) {
        self.append(sequence, kind, encode).must_be_durable = true;
    }

    fn append(&mut self, sequence: u64, kind: u8, encode: impl FnOnce(&mut Vec<u8>)) -> &mut Mark {
        if self.marks.is_empty() {
            self.first = sequence;
        }
        let expected = self.first + self.marks.len() as u64;
        assert_eq!(sequence, expected, "log records are numbered without gaps");
        encode(&mut self.bytes);
        self.marks.push(Mark { end: self.bytes.len(), kind, must_be_durable: false });
        self.marks.last_mut().expect("one was pushed just now")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_their_numbers_and_bytes_and_clearing_keeps_the_sequence_going() {
        let mut log = LogBuffer::default();
        log.push(7, 1, |out| out.extend(b"ab"));
        log.push_durable(8, 2, |out| out.extend(b"c"));
        let seen: Vec<_> =
            log.records().map(|r| (r.sequence, r.kind, r.bytes.to_vec(), r.must_be_durable)).collect();
        assert_eq!(seen, [(7, 1, b"ab".to_vec(), false), (8, 2, b"c".to_vec(), true)]);
        assert_eq!((log.last_sequence(), log.bytes_len(), log.len()), (Some(8), 3, 2));
        log.clear();
        assert_eq!(log.last_sequence(), None);
        log.push(9, 1, |_| ());
        assert_eq!(log.records().next().map(|r| r.sequence), Some(9));
    }

    #[test]
    #[should_panic(expected = "without gaps")]
    fn a_gap_in_the_sequence_stops_the_process_rather_than_acknowledge_the_wrong_write() {
        let mut log = LogBuffer::default();
        log.push(1, 1, |_| ());
        log.push(3, 1, |_| ());
    }
}
