//! The requests under way on one connection: a slab of them, and the frame that the next ones go into.
//!
//! Invariants:
//! - a request's number is its slot and the slot's use count, so that a late answer finds nobody instead of the next
//!   request in that slot;
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

/// A request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    slot: u32,
    use_count: u32,
}

impl Ticket {
    fn number(self) -> u64 {
        (u64::from(self.use_count) << 32) | u64::from(self.slot)
    }
}

#[derive(Debug)]
enum State {
    Free,
    Waiting(Option<Waker>),
    Abandoned,
    Done(Result<Response, Lost>),
}

#[derive(Debug)]
struct Slot {
    use_count: u32,
    until: Instant,
    state: State,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Pipeline {
    writer: FrameWriter,
    /// Frames that were full before they were taken.
    full: Vec<Bytes>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Slots of requests in frames that were not yet taken.
    unsent: Vec<u32>,
    ended: bool,
}

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
        let slot = self.free.last().copied().unwrap_or(self.slots.len() as u32);
        let use_count = self.slots.get(slot as usize).map_or(0, |slot| slot.use_count.wrapping_add(1));
        let ticket = Ticket { slot, use_count };
        request.number = ticket.number();
        let frame = if self.unsent.is_empty() { Frame::New } else { Frame::Joined };
        self.encode(request)?;
        let taken = Slot { use_count, until, state: State::Waiting(None) };
        if self.free.pop().is_some() {
            self.slots[slot as usize] = taken;
        } else {
            self.slots.push(taken);
        }
        self.unsent.push(slot);
        Ok((ticket, frame))
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
        let slot = &mut self.slots[ticket.slot as usize];
        debug_assert_eq!(slot.use_count, ticket.use_count, "a ticket is polled after its answer");
        match &mut slot.state {
            State::Waiting(Some(waker)) => waker.clone_from(context.waker()),
            State::Waiting(waker) => *waker = Some(context.waker().clone()),
            State::Done(_) => {
                let State::Done(answer) = std::mem::replace(&mut slot.state, State::Free) else {
                    unreachable!()
                };
                self.free.push(ticket.slot);
                return Poll::Ready(answer);
            }
            State::Free | State::Abandoned => unreachable!("a ticket has one holder"),
        }
        Poll::Pending
    }

    /// Nobody waits for `ticket` any more.
    pub(crate) fn abandon(&mut self, ticket: Ticket) {
        let Some(slot) = self.slots.get_mut(ticket.slot as usize) else { return };
        if slot.use_count != ticket.use_count {
            return;
        }
        match slot.state {
            State::Waiting(_) => slot.state = State::Abandoned,
            State::Done(_) => {
                slot.state = State::Free;
                self.free.push(ticket.slot);
            }
            State::Free | State::Abandoned => {}
        }
    }

    /// An answer came; whom to wake goes to `wakers`. An answer that nobody waits for is dropped.
    pub(crate) fn deliver(&mut self, response: Response, wakers: &mut Vec<Waker>) {
        let (slot, use_count) = (response.number as u32, (response.number >> 32) as u32);
        if self.slots.get(slot as usize).is_some_and(|slot| slot.use_count == use_count) {
            self.finish(slot, Ok(response), wakers);
        }
    }

    /// Ends the wait of all whose time is over.
    pub(crate) fn expire(&mut self, now: Instant, wakers: &mut Vec<Waker>) {
        for slot in 0..self.slots.len() as u32 {
            if self.slots[slot as usize].until <= now {
                self.finish(slot, Err(Lost::Unheard(Silence::Late)), wakers);
            }
        }
    }

    /// The connection ended: everybody's wait does, and nothing more is taken on.
    pub(crate) fn end(&mut self, wakers: &mut Vec<Waker>) {
        self.ended = true;
        for slot in std::mem::take(&mut self.unsent) {
            self.finish(slot, Err(Lost::Unsent), wakers);
        }
        for slot in 0..self.slots.len() as u32 {
            self.finish(slot, Err(Lost::Unheard(Silence::Ended)), wakers);
        }
    }

    /// Whether anybody's answer is outstanding.
    pub(crate) fn is_busy(&self) -> bool {
        self.free.len() < self.slots.len()
    }

    fn finish(&mut self, slot: u32, answer: Result<Response, Lost>, wakers: &mut Vec<Waker>) {
        let state = &mut self.slots[slot as usize].state;
        match state {
            State::Waiting(waker) => {
                wakers.extend(waker.take());
                *state = State::Done(answer);
            }
            State::Abandoned => {
                *state = State::Free;
                self.free.push(slot);
            }
            State::Free | State::Done(_) => {}
        }
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
        let (c, _) = pipeline.submit(&mut request(), until).unwrap();
        pipeline.deliver(answer(sent[1]), &mut wakers);
        assert_eq!(polled(&mut pipeline, c), None);
        pipeline.deliver(answer(u64::MAX), &mut wakers);
        assert_eq!(polled(&mut pipeline, a), None);
    }

    #[test]
    fn the_end_of_a_connection_tells_what_had_left_from_what_had_not() {
        let mut pipeline = Pipeline::default();
        let until = Instant::now();
        let (left, _) = pipeline.submit(&mut request(), until).unwrap();
        numbers(&mut pipeline);
        let (stayed, _) = pipeline.submit(&mut request(), until).unwrap();
        pipeline.end(&mut Vec::new());
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
        assert_ne!(first.slot, second.slot);
        pipeline.expire(now + Duration::from_secs(2), &mut Vec::new());
        assert_eq!(polled(&mut pipeline, second), None);
        pipeline.expire(now + Duration::from_secs(4), &mut Vec::new());
        assert_eq!(polled(&mut pipeline, second), Some(Err(Lost::Unheard(Silence::Late))));
        assert!(!pipeline.is_busy());
    }
}
