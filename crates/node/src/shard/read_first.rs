//! Writes that read first: a change of the expiry keeps the value that is there, a put that keeps the expiry the
//! expiry. What is kept goes along under the stamp that it has, so that a racing write of it is not lost.
//!
//! ```text
//! admitted ─► read at the read level ─┬─ found ─► the clock follows what was seen ─► stamped ─► written
//!                                     ├─ nothing there ─► a put is written plainly; an expire is answered `Read`
//!                                     └─ not readable ─► answered; nothing was sent
//! ```
//!
//! Invariants:
//! - the stamp is taken after the read and is larger than everything read: an expiry is never lost to the write that
//!   it follows, however far that coordinator's clock was ahead (within `clock_skew_max`, else it is refused);
//! - nothing is written unless the read succeeded, and each request ends in one answer.

use quorate_coordinator::{ClientRead, Origin};
use quorate_types::{Level, Now, ReadOutcome, Record, Refusal, SessionId, WriteOutcome};
use quorate_wire::{ExpiryRequest, Response, ResponseBody};

use super::Shard;
use super::requests::{Change, WriteRequest};
use crate::effects::Effects;

/// The connection that reads of our own are for: no driver has one of this number.
const OURS: u64 = u64::MAX;

impl WriteRequest {
    /// Whether a read comes before the write.
    pub(super) fn reads_first(&self) -> bool {
        matches!(self.change, Change::Put(_, ExpiryRequest::Keep) | Change::Expire(..))
    }

    /// The level of that read.
    fn read_level(&self) -> Option<Level> {
        if let Change::Expire(_, level) = self.change { level } else { None }
    }

    /// The write as it is after `record` was read; `None`: nothing live is there.
    fn beside(mut self, record: Option<Record>) -> Option<WriteRequest> {
        let found =
            record.and_then(|record| record.value.map(|value| (value, record.version, record.expiry)));
        self.change = match (self.change, found) {
            (Change::Put(value, ExpiryRequest::Keep), Some((_, _, expiry))) => {
                Change::PutBeside(value, expiry)
            }
            (Change::Put(value, ExpiryRequest::Keep), None) => Change::Put(value, ExpiryRequest::Never),
            (Change::Expire(expiry, _), Some((value, version, _))) => {
                Change::ExpireBeside(expiry, value, version)
            }
            (Change::Expire(..), None) => return None,
            (other, _) => other,
        };
        Some(self)
    }

    /// How a failed read is told to whoever wanted to write.
    fn unread(&self, outcome: ReadOutcome) -> ResponseBody {
        if matches!(self.change, Change::Expire(..)) {
            return ResponseBody::Read(outcome);
        }
        match outcome {
            ReadOutcome::Unavailable { required, alive } => {
                ResponseBody::Write(WriteOutcome::Unavailable { required, alive })
            }
            ReadOutcome::Rejected { reason } => ResponseBody::Write(WriteOutcome::Rejected { reason }),
            _ => ResponseBody::Refused(Refusal::DeadlinePassed),
        }
    }
}

impl Shard {
    /// Reads the key of `write`; it goes on when the answer is there.
    pub(super) fn read_first(&mut self, now: Now, write: WriteRequest) {
        self.counters.reads_first += 1;
        self.clients.read_first_number += 1;
        let number = self.clients.read_first_number;
        let read = ClientRead {
            origin: Origin { connection: OURS, session: SessionId::NONE, number, tag: write.origin.tag },
            keyspace: write.keyspace,
            key: write.key.clone(),
            token: write.token,
            level: write.read_level(),
            deadline: write.terms.deadline,
            want_receipt: false,
        };
        self.clients.reading_first.insert(number, write);
        self.coordinator.start_read(now, &self.peers, read, &mut self.scratch.effects);
    }

    /// Whether an answer for `origin` is for a write that waits here.
    pub(super) fn is_read_first(origin: Origin) -> bool {
        origin.connection == OURS
    }

    /// What was read before a write.
    pub(super) fn on_read_first(&mut self, now: Now, number: u64, body: ResponseBody, out: &mut Effects) {
        let Some(write) = self.clients.reading_first.remove(&number) else { return };
        let record = match body {
            ResponseBody::Read(ReadOutcome::Found { record }) => Some(record),
            ResponseBody::Read(ReadOutcome::Deleted { .. } | ReadOutcome::NotFound { .. })
                if matches!(write.change, Change::Put(..)) =>
            {
                None
            }
            ResponseBody::Read(outcome) => {
                let body = write.unread(outcome);
                return self.end_unwritten(write.origin, body, out);
            }
            other => return self.end_unwritten(write.origin, other, out),
        };
        if let Some(record) = &record
            && let Err(refusal) = self.follow(now, record.newest())
        {
            return self.refuse(write.origin, refusal, out);
        }
        if let Some(write) = write.beside(record) {
            self.write_or_refuse(now, write, out);
        }
    }

    /// Answers a write of which nothing was sent.
    fn end_unwritten(&mut self, mut origin: Origin, body: ResponseBody, out: &mut Effects) {
        let response = Response { number: origin.number, body, receipt: None };
        self.clients.sessions.settle(&mut origin, &response);
        self.answered(origin, response, out);
    }
}
