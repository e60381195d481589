//! Requests of clients: checked, recognised if they were seen before, stamped, handed to the coordinator.

use std::time::Duration;

use bytes::Bytes;
use quorate_coordinator::{
    Attempt, ClientExplain, ClientPage, ClientRead, Origin, Part, StampHandle, UnstampedWrite,
};
use quorate_types::limits::KEY_BYTES_MAX;
use quorate_types::mutants::{Mutant, planted};
use quorate_types::{
    ClockSkew, Expiry, KeyspaceId, Level, Mono, Now, Refusal, SessionId, Token, Version, crash_point, rarely,
};
use quorate_wire::{ExpiryRequest, Request, RequestBody, Response, ResponseBody};

use super::Shard;
use crate::effects::Effects;
use crate::sessions::Admission;
use crate::stamps::Ahead;

/// A write that has no stamp yet.
#[derive(Debug)]
pub(super) struct WriteRequest {
    pub(super) origin: Origin,
    pub(super) keyspace: KeyspaceId,
    pub(super) key: Bytes,
    pub(super) token: Token,
    pub(super) change: Change,
    pub(super) version: Option<Version>,
    pub(super) terms: Terms,
}

/// What a write does to its record.
#[derive(Debug)]
pub(super) enum Change {
    /// Sets the value, and the expiry unless that is kept.
    Put(Bytes, ExpiryRequest),
    /// Deletes it.
    Delete,
    /// Sets the expiry, after a read at this level.
    Expire(ExpiryRequest, Option<Level>),
    /// Sets the value beside the expiry that was read.
    PutBeside(Bytes, Expiry),
    /// Sets the expiry beside the value that was read.
    ExpireBeside(ExpiryRequest, Bytes, Version),
}

/// How a request is to be answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) level: Option<Level>,
    pub(super) deadline: Mono,
    pub(super) want_receipt: bool,
}

/// What waits for the clock's ceiling to rise, and since when.
///
/// It is stamped as of then by the wall clock: by the time that a ceiling is durable, a slow disk may have let the clock pass it.
#[derive(Debug)]
pub(super) struct Parked {
    what: ParkedWrite,
    since: Now,
}

#[derive(Debug)]
enum ParkedWrite {
    /// A write that was not begun.
    Write(WriteRequest),
    /// A LINEARIZABLE write between its phases.
    Stamp(StampHandle),
}

impl WriteRequest {
    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    /// The write without the version that it may have brought. A time to live counts from now.
    fn unstamped(self, now: Now) -> UnstampedWrite {
        let WriteRequest { origin, keyspace, key, token, change, version: _, terms } = self;
        let (value, expiry, part) = match change {
            Change::Put(value, expiry) => (Some(value), expiry, Part::Both),
            Change::Delete => (None, ExpiryRequest::Never, Part::Both),
            Change::Expire(..) => {
                unreachable!("a change of the expiry reads first, and goes on as `ExpireBeside`")
            }
            Change::PutBeside(value, expiry) => (Some(value), ExpiryRequest::Never, Part::Value { expiry }),
            Change::ExpireBeside(expiry, value, of) => (Some(value), expiry, Part::Expiry { of }),
        };
        let expires_at_ms = expires_at_ms(now, expiry);
        let Terms { level, deadline, want_receipt } = terms;
        UnstampedWrite {
            origin,
            keyspace,
            key,
            token,
            value,
            part,
            expires_at_ms,
            level,
            deadline,
            want_receipt,
        }
    }
}

impl Shard {
    pub(super) fn on_request(&mut self, now: Now, origin: Origin, request: Request, out: &mut Effects) {
        self.counters.requests += 1;
        let deadline = now.mono + Duration::from_millis(u64::from(request.time_left_ms));
        let terms = Terms { level: None, deadline, want_receipt: request.want_receipt };
        self.note_if_late(now, origin, &request.body);
        let begun = if self.clients.draining.is_some() {
            Err(Refusal::ShuttingDown)
        } else {
            self.begin(now, origin, (request.body, terms), out)
        };
        if let Err(refusal) = begun {
            self.refuse(origin, refusal, out);
        }
    }

    fn begin(
        &mut self,
        now: Now,
        origin: Origin,
        (body, terms): (RequestBody, Terms),
        out: &mut Effects,
    ) -> Result<(), Refusal> {
        match body {
            RequestBody::Get { keyspace, key, level } => {
                let Terms { deadline, want_receipt, .. } = terms;
                let token = self.checked_key(&key)?;
                let read = ClientRead { origin, keyspace, key, token, level, deadline, want_receipt };
                self.coordinator.start_read(now, &self.peers, read, &mut self.scratch.effects);
            }
            RequestBody::Put { keyspace, key, value, level, expiry, version } => {
                let token = self.checked_key(&key)?;
                self.check_value(value.len())?;
                let (change, terms) = (Change::Put(value, expiry), Terms { level, ..terms });
                let write = WriteRequest { origin, keyspace, key, token, change, version, terms };
                self.on_write_request(now, write, out);
            }
            RequestBody::Delete { keyspace, key, level, version } => {
                let token = self.checked_key(&key)?;
                let (change, terms) = (Change::Delete, Terms { level, ..terms });
                let write = WriteRequest { origin, keyspace, key, token, change, version, terms };
                self.on_write_request(now, write, out);
            }
            RequestBody::Expire { keyspace, key, expiry, read, write, version } => {
                if expiry == ExpiryRequest::Keep {
                    return Err(Refusal::Unsupported { what: "an expiry set to what it is".to_owned() });
                }
                let token = self.checked_key(&key)?;
                let (change, terms) = (Change::Expire(expiry, read), Terms { level: write, ..terms });
                let write = WriteRequest { origin, keyspace, key, token, change, version, terms };
                self.on_write_request(now, write, out);
            }
            RequestBody::Page { keyspace, partition, start, limit, level } => {
                if !self.owns(partition) {
                    return Err(another_shards());
                }
                let deadline = terms.deadline;
                let page = ClientPage { origin, keyspace, partition, start, limit, level, deadline };
                self.coordinator.start_page(now, &self.peers, page, &mut self.scratch.effects);
            }
            RequestBody::Explain { keyspace, key } => {
                let token = self.checked_key(&key)?;
                let explain = ClientExplain { origin, keyspace, key, token, deadline: terms.deadline };
                self.coordinator.start_explain(now, &self.peers, explain, &mut self.scratch.effects);
            }
            RequestBody::Status | RequestBody::Ring => {
                return Err(Refusal::Unsupported {
                    what: "a question to the node, put to a shard".to_owned(),
                });
            }
        }
        Ok(())
    }

    fn on_write_request(&mut self, now: Now, write: WriteRequest, out: &mut Effects) {
        let admission = match write.origin.session {
            SessionId::NONE => Admission::Execute,
            _ if planted(Mutant::DuplicateRestamped) => Admission::Execute,
            _ => self.clients.sessions.admit(now.mono, write.origin, write.version),
        };
        match admission {
            Admission::Execute => {}
            Admission::InFlight => {
                self.counters.duplicates_in_flight += 1;
                return self.unanswered(write.origin, out);
            }
            Admission::TooOld => {
                self.counters.duplicates_too_old += 1;
                return self.unanswered(write.origin, out);
            }
            Admission::Answered(response) => {
                self.counters.duplicates_answered += 1;
                return self.answered(write.origin, *response, out);
            }
        }
        if write.reads_first() {
            self.read_first(now, write);
        } else {
            self.write_or_refuse(now, write, out);
        }
    }

    pub(super) fn write_or_refuse(&mut self, now: Now, write: WriteRequest, out: &mut Effects) {
        let origin = write.origin;
        if let Err(refusal) = self.try_write(now, write) {
            self.refuse(origin, refusal, out);
        }
    }

    fn try_write(&mut self, now: Now, write: WriteRequest) -> Result<(), Refusal> {
        if self.replica.log.has_failed() {
            return Err(Refusal::LogFailed);
        }
        if self.hints.pending >= self.config.limits.hints_pending_max || rarely!("write.overloaded") {
            self.counters.limit_hints_pending += 1;
            return Err(overloaded("hints_pending_max"));
        }
        match write.version.filter(|_| !planted(Mutant::RetryRestamped)) {
            Some(version) => {
                self.follow(now, version)?;
                self.start_write(now, write, (version, Attempt::Retry));
            }
            None if self.coordinator.stamps_later(write.keyspace, write.terms.level) => {
                let (write, effects) = (write.unstamped(now), &mut self.scratch.effects);
                self.coordinator.start_unstamped_write(now, &self.peers, write, effects);
            }
            None => match self.issue(now)? {
                Some(version) => self.start_write(now, write, (version, Attempt::First)),
                None => self.park(now, ParkedWrite::Write(write))?,
            },
        }
        Ok(())
    }

    /// A new version, unless it has to wait for the clock's ceiling: behind others that do, so that a client's writes
    /// keep their order.
    fn issue(&mut self, now: Now) -> Result<Option<Version>, Refusal> {
        if !self.clients.parked.is_empty() {
            return Ok(None);
        }
        if let Some(refusal) = self.clock_is_ahead(now) {
            self.counters.clock_ahead_refused += 1;
            return Err(refusal);
        }
        Ok(self.stamps.issue(now).ok().map(|stamp| Version::new(stamp, self.config.node)))
    }

    /// Why nothing may be stamped: what is too far ahead of most nodes' clocks they would refuse, and what our own copy
    /// and our hints kept of it would win over acknowledged writes once it was repaired onto them.
    pub(super) fn clock_is_ahead(&self, now: Now) -> Option<Refusal> {
        let ahead_ms = self.clock_ahead_ms(now)?;
        Some(Refusal::ClockAhead { ahead_ms, skew_max_ms: self.skew_max_ms() })
    }

    /// How far the next stamp would be ahead of most nodes' clocks, milliseconds, if that is so far that nothing is
    /// stamped and new writes are refused.
    pub fn clock_ahead_ms(&self, now: Now) -> Option<u64> {
        let stamp_ms = now.wall_ms.max(self.stamps.latest().wall_ms());
        self.peers.ahead_of_most(now.mono, stamp_ms).filter(|ahead_ms| *ahead_ms > self.skew_max_ms())
    }

    fn skew_max_ms(&self) -> u64 {
        u64::try_from(self.config.clock.skew_max.as_millis()).unwrap_or(u64::MAX)
    }

    /// Stamps a LINEARIZABLE write above what its replicas told of, as far as the clock may follow.
    pub(super) fn stamp(&mut self, now: Now, handle: StampHandle, above: Option<Version>) {
        let issued = self.follow_newest(now, above).and_then(|()| self.issue(now));
        match issued.transpose() {
            Some(stamp) => self.stamped(now, handle, stamp),
            None => {
                if let Err(refusal) = self.park(now, ParkedWrite::Stamp(handle)) {
                    self.stamped(now, handle, Err(refusal));
                }
            }
        }
    }

    fn stamped(&mut self, now: Now, handle: StampHandle, stamp: Result<Version, Refusal>) {
        self.coordinator.on_stamp(now, &self.peers, (handle, stamp), &mut self.scratch.effects);
    }

    fn follow_newest(&mut self, now: Now, newest: Option<Version>) -> Result<(), Refusal> {
        if self.replica.log.has_failed() {
            return Err(Refusal::LogFailed);
        }
        // A clock that is past it already has nothing to follow, whatever the wall clock says by now.
        let Some(newest) = newest.filter(|newest| newest.timestamp > self.stamps.latest()) else {
            return Ok(());
        };
        self.observe(now, newest).map_err(|skew| Refusal::ClockBehind {
            newest_ms: skew.theirs_ms,
            ours_ms: skew.ours_ms,
            skew_max_ms: skew.skew_max_ms,
        })
    }

    /// Lets the clock follow a stamp that came in, within its bound.
    pub(super) fn follow(&mut self, now: Now, version: Version) -> Result<(), Refusal> {
        self.observe(now, version).map_err(|skew| Refusal::ClockSkew {
            ahead_ms: skew.theirs_ms - skew.ours_ms,
            skew_max_ms: skew.skew_max_ms,
        })
    }

    fn observe(&mut self, now: Now, version: Version) -> Result<(), ClockSkew> {
        let observed = self.stamps.observe(now, version.timestamp);
        crash_point!("clock.followed");
        self.counters.clock_skew_warned += u64::from(observed == Ok(Ahead::Far));
        self.counters.clock_skew_refused += u64::from(observed.is_err());
        observed.map(|_| ())
    }

    fn park(&mut self, now: Now, what: ParkedWrite) -> Result<(), Refusal> {
        if self.clients.parked.len() >= self.config.limits.clock_parked_max {
            self.counters.limit_clock_parked += 1;
            return Err(overloaded("clock_ceiling"));
        }
        self.counters.clock_parked += 1;
        self.clients.parked.push_back(Parked { what, since: now });
        Ok(())
    }

    /// The clock's ceiling has risen: what waited for it goes on; if too late, its coordinator says so.
    pub(super) fn unpark(&mut self, now: Now) {
        while let Some(parked) = self.clients.parked.pop_front() {
            // Not as of a clock that was ahead and is right by now: no ceiling would be asked for that lies above it.
            let then = Now { wall_ms: parked.since.wall_ms.min(now.wall_ms), ..now };
            let Ok(stamp) = self.stamps.issue(then) else { return self.clients.parked.push_front(parked) };
            let version = Version::new(stamp, self.config.node);
            match parked.what {
                ParkedWrite::Write(write) => {
                    self.note_if_parked_late(now, &write, parked.since);
                    self.start_write(now, write, (version, Attempt::First));
                }
                ParkedWrite::Stamp(handle) => self.stamped(now, handle, Ok(version)),
            }
        }
    }

    /// There will be no ceiling: what waited for it is refused; nothing of it was written.
    pub(super) fn refuse_parked(&mut self, now: Now, why: &Refusal, out: &mut Effects) {
        for parked in std::mem::take(&mut self.clients.parked) {
            match parked.what {
                ParkedWrite::Write(write) => {
                    self.note_if_parked_late(now, &write, parked.since);
                    self.refuse(write.origin, why.clone(), out);
                }
                ParkedWrite::Stamp(handle) => self.stamped(now, handle, Err(why.clone())),
            }
        }
    }

    fn start_write(&mut self, now: Now, write: WriteRequest, (version, attempt): (Version, Attempt)) {
        let write = write.unstamped(now).stamped(version, attempt);
        crash_point!("write.stamped");
        self.coordinator.start_write(now, &self.peers, write, &mut self.scratch.effects);
    }

    /// Answers a request of which nothing was sent.
    pub(super) fn refuse(&mut self, mut origin: Origin, refusal: Refusal, out: &mut Effects) {
        self.counters.requests_refused += 1;
        match refusal {
            Refusal::ValueTooLarge { .. } => self.counters.limit_value_bytes += 1,
            Refusal::KeyLength { .. } => self.counters.limit_key_bytes += 1,
            _ => {}
        }
        let response =
            Response { number: origin.number, body: ResponseBody::Refused(refusal), receipt: None };
        self.clients.sessions.settle(&mut origin, &response);
        self.answered(origin, response, out);
    }

    /// The one end of a request.
    pub(super) fn answered(&mut self, origin: Origin, response: Response, out: &mut Effects) {
        self.traces.forget(origin);
        self.late.answered(origin, out);
        out.answers.push((origin, response));
    }

    /// The other one.
    fn unanswered(&mut self, origin: Origin, out: &mut Effects) {
        self.traces.forget(origin);
        self.late.forget(&origin);
        out.unanswered.push(origin);
    }

    /// The token of a client's key, if the key may be one and belongs here.
    fn checked_key(&self, key: &[u8]) -> Result<Token, Refusal> {
        check_key(key.len())?;
        let token = self.ring.token(key);
        if self.owns(token.partition()) { Ok(token) } else { Err(another_shards()) }
    }

    pub(super) fn check_value(&self, bytes: usize) -> Result<(), Refusal> {
        let bytes_max = self.config.limits.value_bytes_max;
        if bytes > bytes_max as usize {
            return Err(Refusal::ValueTooLarge { bytes: bytes as u64, bytes_max: u64::from(bytes_max) });
        }
        Ok(())
    }
}

fn expires_at_ms(now: Now, expiry: ExpiryRequest) -> Option<u64> {
    match expiry {
        ExpiryRequest::Never | ExpiryRequest::Keep => None,
        ExpiryRequest::TtlMs(ttl) => Some(now.wall_ms.saturating_add(ttl)),
        ExpiryRequest::AtMs(at) => Some(at),
    }
}

pub(super) fn check_key(bytes: usize) -> Result<(), Refusal> {
    if bytes == 0 || bytes > KEY_BYTES_MAX {
        return Err(Refusal::KeyLength { bytes: bytes as u64, bytes_max: KEY_BYTES_MAX as u64 });
    }
    Ok(())
}

pub(super) fn overloaded(limit: &str) -> Refusal {
    Refusal::Overloaded { limit: limit.to_owned() }
}

/// A router's mistake. Not `NotReplica`: a hint refused by that name is given up for good.
pub(super) fn another_shards() -> Refusal {
    Refusal::Unsupported { what: "the partition belongs to another shard of this node".to_owned() }
}
