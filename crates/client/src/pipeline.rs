//! The requests under way on one connection: a table of them, and the frame that the next ones go into.
//!
//! Invariants:
//! - numbers grow by one from request to request (a few may be skipped): a node keeps a window of them per session,
//!   to tell duplicates;
//! - number k sits in slot k mod the table's size, and a number whose slot is taken is skipped; so that answers are
//!   found without a map, and a late one finds nobody instead of the next request in its slot;
//! - what is submitted between two [`Pipeline::take_frames`] leaves in one frame;
//! - a request that is lost knows whether it had left: only what never left may be sent again blindly;
//! - every slot is freed exactly once: by its answer, its deadline, or the end of the connection.

use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use quorate_wire::{FrameWriter, Request, Response, WireError};
use tokio::time::Instant;

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The connection ended before the request was handed to it: nothing was sent.
    Unsent,
    /// The connection ended, or the deadline passed, after it may have left.
    Unheard(Silence),
}

/// How an answer failed to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// The connection ended.
    Ended,
    /// The deadline passed.
    Late,
}

/// A request under way: its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

#[derive(Debug, Default)]
enum State {
    Waiting(Option<Waker>),
    #[default]
    Abandoned,
    Done(Result<Response, Lost>),
}

#[derive(Debug)]
struct Slot {
    number: u64,
    until: Instant,
    state: State,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Pipeline {
    writer: FrameWriter,
    /// Frames that were full before they were taken.
    full: Vec<Bytes>,
    /// A power of two of them, or none.
    slots: Vec<Option<Slot>>,
    busy: usize,
    last_number: u64,
    /// Requests in frames that were not yet taken.
    unsent: Vec<u64>,
    ended: bool,
}

/// The least size of the table.
const SLOTS_MIN: usize = 64;

impl Pipeline {
    /// Takes `request` on, to be answered by `until`; its number is set here. Also says whether it is the first one
    /// of a new frame, so that somebody must be told to take it.
    pub(crate) fn submit(
        &mut self,
        request: &mut Request,
        until: Instant,
    ) -> Result<(Ticket, Frame), SubmitError> {
        if self.ended {
            return Err(SubmitError::Ended);
        }
        let number = self.free_number();
        request.number = number;
        let frame = if self.unsent.is_empty() { Frame::New } else { Frame::Joined };
        self.encode(request)?;
        *self.slot(number) = Some(Slot { number, until, state: State::Waiting(None) });
        self.busy += 1;
        self.last_number = number;
        self.unsent.push(number);
        Ok((Ticket(number), frame))
    }

    /// The next number whose slot is free. At least half of the slots are.
    fn free_number(&mut self) -> u64 {
        if (self.busy + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let mut number = self.last_number + 1;
        while self.slot(number).is_some() {
            number += 1;
        }
        number
    }

    /// Doubles the table. Numbers that had slots of their own have so in the larger one.
    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(SLOTS_MIN);
        let mut slots: Vec<Option<Slot>> = Vec::new();
        slots.resize_with(size, || None);
        for slot in std::mem::replace(&mut self.slots, slots).into_iter().flatten() {
            let number = slot.number;
            *self.slot(number) = Some(slot);
        }
    }

    fn slot(&mut self, number: u64) -> &mut Option<Slot> {
        let mask = self.slots.len() - 1;
        &mut self.slots[number as usize & mask]
    }

    /// The request of this number, if it is still under way.
    fn of_number(&mut self, number: u64) -> Option<&mut Slot> {
        if self.slots.is_empty() {
            return None;
        }
        self.slot(number).as_mut().filter(|slot| slot.number == number)
    }

    fn encode(&mut self, request: &Request) -> Result<(), SubmitError> {
        match self.writer.push(request) {
            Err(WireError::FrameFull { .. }) => {
                let frame = self.writer.finish();
                self.full.push(frame);
                self.writer.push(request).map_err(SubmitError::Unencodable)
            }
            other => other.map_err(SubmitError::Unencodable),
        }
    }

    /// The frames of all that was submitted since the last time, into `out`.
    pub(crate) fn take_frames(&mut self, out: &mut Vec<Bytes>) {
        out.append(&mut self.full);
        let last = self.writer.finish();
        if !last.is_empty() {
            out.push(last);
        }
        self.unsent.clear();
    }

    /// The answer to `ticket`, once; until then `context` is woken when it is there.
    pub(crate) fn poll(&mut self, ticket: Ticket, context: &Context<'_>) -> Poll<Result<Response, Lost>> {
        let slot = self.of_number(ticket.0).expect("a ticket's slot is its own until its answer was taken");
        match std::mem::take(&mut slot.state) {
            State::Done(answer) => {
                self.free(ticket.0);
                return Poll::Ready(answer);
            }
            State::Waiting(Some(mut waker)) => {
                waker.clone_from(context.waker());
                slot.state = State::Waiting(Some(waker));
            }
            _ => slot.state = State::Waiting(Some(context.waker().clone())),
        }
        Poll::Pending
    }

    /// Nobody waits for `ticket` any more.
    pub(crate) fn abandon(&mut self, ticket: Ticket) {
        let Some(slot) = self.of_number(ticket.0) else { return };
        match slot.state {
            State::Done(_) => self.free(ticket.0),
            _ => slot.state = State::Abandoned,
        }
    }

    /// An answer came; whom to wake goes to `wakers`. An answer that nobody waits for is dropped.
    pub(crate) fn deliver(&mut self, response: Response, wakers: &mut Vec<Waker>) {
        self.finish(response.number, Ok(response), wakers);
    }

    /// Ends the wait of all whose time is over.
    pub(crate) fn expire(&mut self, now: Instant, wakers: &mut Vec<Waker>) {
        let late = self.slots.iter().flatten().filter(|slot| slot.until <= now);
        for number in late.map(|slot| slot.number).collect::<Vec<_>>() {
            self.finish(number, Err(Lost::Unheard(Silence::Late)), wakers);
        }
    }

    /// The connection ended: everybody's wait does, and nothing more is taken on.
    pub(crate) fn end(&mut self, wakers: &mut Vec<Waker>) {
        self.ended = true;
        for number in std::mem::take(&mut self.unsent) {
            self.finish(number, Err(Lost::Unsent), wakers);
        }
        for number in self.slots.iter().flatten().map(|slot| slot.number).collect::<Vec<_>>() {
            self.finish(number, Err(Lost::Unheard(Silence::Ended)), wakers);
        }
    }

    /// Whether anybody's answer is outstanding.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy > 0
    }

    fn finish(&mut self, number: u64, answer: Result<Response, Lost>, wakers: &mut Vec<Waker>) {
        let Some(slot) = self.of_number(number) else { return };
        match &mut slot.state {
            State::Waiting(waker) => {
                wakers.extend(waker.take());
                slot.state = State::Done(answer);
            }
            State::Abandoned => self.free(number),
            State::Done(_) => {}
        }
    }

    fn free(&mut self, number: u64) {
        *self.slot(number) = None;
        self.busy -= 1;
    }
}

/// Whether a submitted request is the first of its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// It is: somebody must be told to take the frame.
    New,
    /// Somebody was told already.
    Joined,
}

/// Why a request was not taken on. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SubmitError {
    /// The connection has ended.
    Ended,
    /// It fits in no frame.
    Unencodable(WireError),
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use quorate_types::Refusal;
    use quorate_wire::{Message, RequestBody, ResponseBody, decode};

    use super::*;

    fn request() -> Request {
        Request { number: 0, time_left_ms: 1, want_receipt: false, body: RequestBody::Status }
    }

    fn answer(number: u64) -> Response {
        Response { number, body: ResponseBody::Refused(Refusal::ShuttingDown), receipt: None }
    }

    fn numbers(pipeline: &mut Pipeline) -> Vec<u64> {
        let mut frames = Vec::new();
        pipeline.take_frames(&mut frames);
        let messages = frames.into_iter().flat_map(decode);
        messages
            .map(|message| match message.unwrap() {
                Message::Request(request) => request.number,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn polled(pipeline: &mut Pipeline, ticket: Ticket) -> Option<Result<Response, Lost>> {
        match pipeline.poll(ticket, &Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }

    #[test]
    fn what_is_submitted_together_leaves_in_one_frame_and_only_the_first_needs_a_wakeup() {
        let mut pipeline = Pipeline::default();
        let until = Instant::now();
        let (_, first) = pipeline.submit(&mut request(), until).unwrap();
        let (_, second) = pipeline.submit(&mut request(), until).unwrap();
        assert_eq!((first, second), (Frame::New, Frame::Joined));
        let mut frames = Vec::new();
        pipeline.take_frames(&mut frames);
        assert_eq!(frames.len(), 1);
        assert_eq!(decode(frames.remove(0)).count(), 2);
        assert_eq!(pipeline.submit(&mut request(), until).unwrap().1, Frame::New);
    }

    #[test]
    fn answers_find_their_requests_in_any_order_and_late_ones_find_nobody() {
        let mut pipeline = Pipeline::default();
        let until = Instant::now();
        let (a, _) = pipeline.submit(&mut request(), until).unwrap();
        let (b, _) = pipeline.submit(&mut request(), until).unwrap();
        let sent = numbers(&mut pipeline);
        let mut wakers = Vec::new();
        assert_eq!(polled(&mut pipeline, b), None);
        pipeline.deliver(answer(sent[1]), &mut wakers);
        assert_eq!(wakers.len(), 1);
        assert_eq!(polled(&mut pipeline, b), Some(Ok(answer(sent[1]))));
        assert_eq!(polled(&mut pipeline, a), None);
        // b's slot is used again: the same answer once more must not reach its new holder.
        let c = loop {
            let (c, _) = pipeline.submit(&mut request(), until).unwrap();
            if c.0 % 64 == b.0 % 64 {
                break c;
            }
            pipeline.deliver(answer(c.0), &mut wakers);
            assert!(polled(&mut pipeline, c).is_some());
        };
        pipeline.deliver(answer(sent[1]), &mut wakers);
        assert_eq!(polled(&mut pipeline, c), None);
        pipeline.deliver(answer(u64::MAX), &mut wakers);
        assert_eq!(polled(&mut pipeline, a), None);
    }

    #[test]
    fn numbers_grow_by_one_but_for_slots_that_are_taken_and_the_table_grows_with_what_is_under_way() {
        let mut pipeline = Pipeline::default();
        let until = Instant::now();
        let (stuck, _) = pipeline.submit(&mut request(), until).unwrap();
        for expected in (2..=64).chain(66..=128) {
            let (next, _) = pipeline.submit(&mut request(), until).unwrap();
            assert_eq!(next, Ticket(expected), "65 would need the slot of 1");
            pipeline.deliver(answer(expected), &mut Vec::new());
            assert!(polled(&mut pipeline, next).is_some());
        }
        let under_way: Vec<_> = (0..500).map(|_| pipeline.submit(&mut request(), until).unwrap().0).collect();
        assert_eq!(pipeline.slots.len(), 1024);
        for ticket in under_way.into_iter().chain([stuck]) {
            pipeline.deliver(answer(ticket.0), &mut Vec::new());
            assert_eq!(polled(&mut pipeline, ticket), Some(Ok(answer(ticket.0))));
        }
        assert!(!pipeline.is_busy());
    }

    #[test]
    fn the_end_of_a_connection_tells_what_had_left_from_what_had_not() {
        let mut pipeline = Pipeline::default();
        let until = Instant::now();
        let (left, _) = pipeline.submit(&mut request(), until).unwrap();
        numbers(&mut pipeline);
        let (stayed, _) = pipeline.submit(&mut request(), until).unwrap();
        pipeline.end(&mut Vec::new());
        assert!(pipeline.is_busy());
        assert_eq!(polled(&mut pipeline, left), Some(Err(Lost::Unheard(Silence::Ended))));
        assert_eq!(polled(&mut pipeline, stayed), Some(Err(Lost::Unsent)));
        assert_eq!(pipeline.submit(&mut request(), until).map(|_| ()), Err(SubmitError::Ended));
        assert!(!pipeline.is_busy());
    }

    #[test]
    fn an_abandoned_request_keeps_its_slot_until_its_answer_or_deadline() {
        let mut pipeline = Pipeline::default();
        let now = Instant::now();
        let (first, _) = pipeline.submit(&mut request(), now + Duration::from_secs(1)).unwrap();
        pipeline.abandon(first);
        assert!(pipeline.is_busy());
        let (second, _) = pipeline.submit(&mut request(), now + Duration::from_secs(3)).unwrap();
        assert_ne!(first, second);
        pipeline.expire(now + Duration::from_secs(2), &mut Vec::new());
        assert_eq!(polled(&mut pipeline, second), None);
        pipeline.expire(now + Duration::from_secs(4), &mut Vec::new());
        assert_eq!(polled(&mut pipeline, second), Some(Err(Lost::Unheard(Silence::Late))));
        assert!(!pipeline.is_busy());
    }
}
