//! Which writes of a client were seen before: a duplicate is answered, not stamped again.
//!
//! Invariants:
//! - of one session's number, at most one write is in flight here;
//! - a number that lies [`session_numbers`](crate::ShardLimits) behind the newest is dropped unanswered: whether it
//!   was executed is no longer known;
//! - what was refused before anything was sent, or found too few replicas alive, is forgotten: it may be tried again
//!   under its number;
//! - a retry that carries a version is executed again unless it was `Written`, for that is what it is sent for; the
//!   version makes it harmless.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use quorate_coordinator::Origin;
use quorate_types::{Mono, Receipt, SessionId, Version, WriteOutcome};
use quorate_wire::{Response, ResponseBody};

/// What to do with a write that came in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is new: execute it, and report with [`Sessions::settle`].
    Execute,
    /// It is in flight: the one answer will come.
    InFlight,
    /// It was answered: answer it so again.
    Answered(Box<Response>),
    /// It lies too far back: drop it.
    TooOld,
}

#[derive(Debug, Default)]
enum Slot {
    #[default]
    Vacant,
    InFlight {
        /// Where the newest duplicate came from: the answer goes there.
        connection: u64,
    },
    Done(WriteOutcome, Option<Box<Receipt>>),
}

#[derive(Debug)]
struct Session {
    first: u64,
    slots: VecDeque<Slot>,
    in_flight: usize,
    used: Mono,
    forget_at: Option<Mono>,
}

/// The sessions of one shard.
#[derive(Debug)]
pub(crate) struct Sessions {
    known: BTreeMap<SessionId, Session>,
    slots: usize,
    numbers: usize,
    slots_max: usize,
    grace: Duration,
    /// No session is to be forgotten before this; may be earlier than the first that is.
    next_forget: Option<Mono>,
}

impl Sessions {
    pub(crate) fn new(numbers: usize, slots_max: usize, grace: Duration) -> Sessions {
        let numbers = numbers.max(1);
        Sessions { known: BTreeMap::new(), slots: 0, numbers, slots_max, grace, next_forget: None }
    }

    /// Numbers remembered over all sessions.
    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    /// A write of `origin` came in, as a retry with `version` or anew.
    pub(crate) fn admit(&mut self, now: Mono, origin: Origin, version: Option<Version>) -> Admission {
        let number = origin.number;
        let session = self.known.entry(origin.session).or_insert_with(|| Session::new(number, now));
        session.used = now;
        session.forget_at = None;
        let before = session.slots.len();
        let admission = session.admit(origin, version, self.numbers);
        self.slots = self.slots + session.slots.len() - before;
        if self.slots > self.slots_max {
            self.forget_quietest(origin.session);
        }
        admission
    }

    /// The answer to a write that was executed or refused; corrects the connection that it goes to.
    pub(crate) fn settle(&mut self, origin: &mut Origin, response: &Response) {
        let Some(session) = self.known.get_mut(&origin.session) else { return };
        let Some(slot) = session.at(origin.number) else { return };
        let Slot::InFlight { connection } = *slot else { return };
        origin.connection = connection;
        *slot = match &response.body {
            ResponseBody::Write(outcome) if is_kept(outcome) => {
                Slot::Done(outcome.clone(), response.receipt.clone())
            }
            _ => Slot::Vacant,
        };
        session.in_flight -= 1;
    }

    /// The session's connection is gone.
    pub(crate) fn on_closed(&mut self, now: Mono, session: SessionId) {
        let at = now + self.grace;
        if let Some(session) = self.known.get_mut(&session) {
            session.forget_at = Some(at);
            self.next_forget = Some(self.next_forget.map_or(at, |next| next.min(at)));
        }
    }

    /// Forgets what was closed long enough ago.
    pub(crate) fn on_tick(&mut self, now: Mono) {
        if self.next_forget.is_none_or(|at| at > now) {
            return;
        }
        let slots = &mut self.slots;
        self.known.retain(|_, session| {
            let keep = session.in_flight > 0 || session.forget_at.is_none_or(|at| at > now);
            if !keep {
                *slots -= session.slots.len();
            }
            keep
        });
        // One whose write is still in flight is looked at again after another grace.
        let again = now + self.grace;
        let due = self.known.values().filter_map(|session| session.forget_at);
        self.next_forget = due.map(|at| if at > now { at } else { again }).min();
    }

    /// When to come back.
    pub(crate) fn next_timer(&self) -> Option<Mono> {
        self.next_forget
    }

    /// Sessions remembered.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    fn forget_quietest(&mut self, but: SessionId) {
        let idle = |(id, s): &(&SessionId, &Session)| **id != but && s.in_flight == 0;
        let quietest = self.known.iter().filter(idle).min_by_key(|&(&id, s)| (s.used, id));
        if let Some(id) = quietest.map(|(&id, _)| id) {
            let gone = self.known.remove(&id).expect("it was found just now");
            self.slots -= gone.slots.len();
        }
    }
}

impl Session {
    fn new(number: u64, now: Mono) -> Session {
        // What came before was never here: a client's numbers may arrive slightly out of order.
        Session {
            first: number.saturating_sub(64),
            slots: VecDeque::new(),
            in_flight: 0,
            used: now,
            forget_at: None,
        }
    }

    fn at(&mut self, number: u64) -> Option<&mut Slot> {
        self.slots.get_mut(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn admit(&mut self, origin: Origin, version: Option<Version>, numbers: usize) -> Admission {
        if origin.number == u64::MAX {
            return Admission::TooOld; // no number may come behind it
        }
        self.reach(origin.number, numbers);
        let Some(slot) = self.at(origin.number) else { return Admission::TooOld };
        match slot {
            Slot::InFlight { connection } => {
                *connection = origin.connection;
                return Admission::InFlight;
            }
            Slot::Done(outcome, receipt) if !is_asked_again(outcome, version) => {
                let body = ResponseBody::Write(outcome.clone());
                let response = Response { number: origin.number, body, receipt: receipt.clone() };
                return Admission::Answered(Box::new(response));
            }
            Slot::Vacant | Slot::Done(..) => {}
        }
        *slot = Slot::InFlight { connection: origin.connection };
        self.in_flight += 1;
        Admission::Execute
    }

    /// Makes a slot for `number`, forgetting what lies `numbers` behind it.
    fn reach(&mut self, number: u64, numbers: usize) {
        let end = self.first + self.slots.len() as u64;
        if number < end {
            return;
        }
        let first = (number + 1).saturating_sub(numbers as u64).max(self.first);
        let gone = (first - self.first).min(self.slots.len() as u64) as usize;
        let lost = self.slots.drain(..gone).filter(|slot| matches!(slot, Slot::InFlight { .. })).count();
        self.in_flight -= lost;
        self.first = first;
        self.slots.resize_with((number + 1 - first) as usize, Slot::default);
    }
}

fn is_kept(outcome: &WriteOutcome) -> bool {
    !matches!(outcome, WriteOutcome::Unavailable { .. })
}

fn is_asked_again(outcome: &WriteOutcome, version: Option<Version>) -> bool {
    version.is_some() && !matches!(outcome, WriteOutcome::Written { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_coordinator::Tag;
    use quorate_types::{NodeId, Refusal, Timestamp};

    fn sessions() -> Sessions {
        Sessions::new(8, 1_000, Duration::from_mins(1))
    }

    fn origin(session: u64, number: u64) -> Origin {
        Origin { connection: 1, session: SessionId(session), number, tag: Tag::default() }
    }

    fn version() -> Version {
        Version::new(Timestamp(9), NodeId(1))
    }

    fn answer(number: u64, outcome: WriteOutcome) -> Response {
        Response { number, body: ResponseBody::Write(outcome), receipt: None }
    }

    fn written() -> WriteOutcome {
        WriteOutcome::Written { version: version(), expires_at_ms: None, acked: 2, required: 2 }
    }

    fn indeterminate() -> WriteOutcome {
        WriteOutcome::Indeterminate { acked: 1, required: 2, version: Some(version()), expires_at_ms: None }
    }

    fn admit(sessions: &mut Sessions, number: u64) -> Admission {
        sessions.admit(Mono(number), origin(1, number), None)
    }

    #[test]
    fn a_duplicate_in_flight_is_dropped_and_one_that_was_answered_is_answered_alike() {
        let mut sessions = sessions();
        assert_eq!(admit(&mut sessions, 5), Admission::Execute);
        assert_eq!(admit(&mut sessions, 5), Admission::InFlight);
        sessions.settle(&mut origin(1, 5), &answer(5, written()));
        assert_eq!(admit(&mut sessions, 5), Admission::Answered(Box::new(answer(5, written()))));
        assert_eq!(sessions.admit(Mono(9), origin(2, 5), None), Admission::Execute, "another session");
    }

    #[test]
    fn a_retry_with_its_version_is_executed_again_unless_it_was_written() {
        let mut sessions = sessions();
        admit(&mut sessions, 1);
        sessions.settle(&mut origin(1, 1), &answer(1, indeterminate()));
        assert_eq!(admit(&mut sessions, 1), Admission::Answered(Box::new(answer(1, indeterminate()))));
        assert_eq!(sessions.admit(Mono(1), origin(1, 1), Some(version())), Admission::Execute);
        sessions.settle(&mut origin(1, 1), &answer(1, written()));
        let again = sessions.admit(Mono(1), origin(1, 1), Some(version()));
        assert_eq!(again, Admission::Answered(Box::new(answer(1, written()))));
    }

    #[test]
    fn what_was_refused_before_anything_was_sent_may_be_tried_again() {
        let mut sessions = sessions();
        let refused =
            Response { number: 1, body: ResponseBody::Refused(Refusal::ShuttingDown), receipt: None };
        for answer in [refused, answer(1, WriteOutcome::Unavailable { required: 2, alive: 1 })] {
            assert_eq!(admit(&mut sessions, 1), Admission::Execute);
            sessions.settle(&mut origin(1, 1), &answer);
        }
        assert_eq!(admit(&mut sessions, 1), Admission::Execute);
    }

    #[test]
    fn the_window_slides_and_what_lies_behind_it_is_too_old() {
        let mut sessions = sessions();
        admit(&mut sessions, 100);
        assert_eq!(admit(&mut sessions, 99), Admission::Execute, "slightly out of order");
        assert_eq!(admit(&mut sessions, 107), Admission::Execute);
        assert_eq!(admit(&mut sessions, 99), Admission::TooOld);
        assert_eq!(admit(&mut sessions, 100), Admission::InFlight);
        assert_eq!(admit(&mut sessions, u64::MAX - 1), Admission::Execute, "a huge gap costs nothing");
        assert_eq!(sessions.slots, 8);
        sessions.on_closed(Mono(0), SessionId(1));
        sessions.on_tick(Mono(u64::MAX));
        assert_eq!(sessions.len(), 1, "one write is in flight");
    }

    #[test]
    fn the_answer_goes_to_the_connection_that_asked_last() {
        let mut sessions = sessions();
        admit(&mut sessions, 1);
        sessions.admit(Mono(2), Origin { connection: 9, ..origin(1, 1) }, None);
        let mut to = origin(1, 1);
        sessions.settle(&mut to, &answer(1, written()));
        assert_eq!(to.connection, 9);
    }

    #[test]
    fn a_closed_session_is_forgotten_after_its_grace_and_the_quietest_when_there_are_too_many() {
        let mut sessions = Sessions::new(8, 16, Duration::from_nanos(60));
        admit(&mut sessions, 1);
        sessions.settle(&mut origin(1, 1), &answer(1, written()));
        sessions.on_closed(Mono(100), SessionId(1));
        assert_eq!(sessions.next_timer(), Some(Mono(160)));
        sessions.on_tick(Mono(159));
        assert_eq!(sessions.len(), 1);
        sessions.on_tick(Mono(160));
        assert_eq!((sessions.len(), sessions.slots), (0, 0));
        for session in 1..=4 {
            sessions.admit(Mono(session), origin(session, 7), None);
            sessions.settle(&mut origin(session, 7), &answer(7, written()));
        }
        assert_eq!(sessions.len(), 2, "two sessions of eight slots");
        let oldest = sessions.admit(Mono(9), origin(1, 7), None);
        assert_eq!(oldest, Admission::Execute, "it was forgotten");
    }
}
