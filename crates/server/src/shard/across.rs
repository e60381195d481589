//! What crosses between the shards of a replica: requests to the shard that owns their key, answers back to the
//! shard that owns the client's connection.
//!
//! Invariants:
//! - one batch per turn and direction, never request by request;
//! - the place of an answer is reserved when its request is accepted (`outstanding`), so an answer is never refused
//!   and two full queues never wait for each other;
//! - a request that finds no place is given back at once and answered `Overloaded`.

use std::sync::Arc;

use quorate_coordinator::Origin;
use quorate_wire::{Request, Response};

use crate::shard::inbox::Inbox;
use crate::shard::item::{Item, Settled};

/// One shard's way to the others.
#[derive(Debug)]
pub(crate) struct Across {
    me: usize,
    outstanding_max: usize,
    lanes: Vec<Lane>,
}

#[derive(Debug)]
struct Lane {
    inbox: Arc<Inbox>,
    requests: Vec<(Origin, Request)>,
    answers: Vec<(Origin, Response)>,
    unanswered: Vec<Origin>,
    /// Requests that the other shard has or is about to get, and has not answered.
    outstanding: usize,
}

impl Across {
    /// From shard `me` to those of `inboxes`, with at most `outstanding_max` unanswered requests at each.
    pub(crate) fn new(me: usize, inboxes: &[Arc<Inbox>], outstanding_max: usize) -> Across {
        let lane = |inbox: &Arc<Inbox>| Lane {
            inbox: Arc::clone(inbox),
            requests: Vec::new(),
            answers: Vec::new(),
            unanswered: Vec::new(),
            outstanding: 0,
        };
        Across { me, outstanding_max, lanes: inboxes.iter().map(lane).collect() }
    }

    /// Puts a request into the next batch for `shard`, or gives it back.
    pub(crate) fn ask(&mut self, shard: usize, origin: Origin, request: Request) -> Result<(), Origin> {
        let lane = &mut self.lanes[shard];
        if lane.outstanding >= self.outstanding_max {
            return Err(origin);
        }
        lane.outstanding += 1;
        lane.requests.push((origin, request));
        Ok(())
    }

    /// Puts an answer into the next batch for `shard`.
    pub(crate) fn answer(&mut self, shard: usize, origin: Origin, response: Response) {
        self.lanes[shard].answers.push((origin, response));
    }

    /// Tells `shard`, with the next batch, that its request gets no answer of its own.
    pub(crate) fn unanswered(&mut self, shard: usize, origin: Origin) {
        self.lanes[shard].unanswered.push(origin);
    }

    /// `shard` is done with `count` of our requests.
    pub(crate) fn settled(&mut self, shard: usize, count: usize) {
        self.lanes[shard].outstanding -= count;
    }

    /// Sends the batches; appends to `refused` the requests that found the other shard's queue full.
    pub(crate) fn flush(&mut self, refused: &mut Vec<Origin>) {
        for lane in &mut self.lanes {
            if !lane.answers.is_empty() || !lane.unanswered.is_empty() {
                let answers = std::mem::take(&mut lane.answers);
                let unanswered = std::mem::take(&mut lane.unanswered);
                lane.inbox.push(Item::Answers(Settled { from: self.me, answers, unanswered }));
            }
            if !lane.requests.is_empty() {
                let requests = std::mem::take(&mut lane.requests);
                if let Err(Item::Requests(back)) = lane.inbox.try_push_batch(Item::Requests(requests)) {
                    lane.outstanding -= back.len();
                    refused.extend(back.into_iter().map(|(origin, _)| origin));
                }
            }
        }
    }

    /// Whether no other shard owes an answer.
    pub(crate) fn is_idle(&self) -> bool {
        self.lanes.iter().all(|lane| lane.outstanding == 0)
    }
}

#[cfg(test)]
mod tests {
    use quorate_coordinator::Tag;
    use quorate_types::SessionId;
    use quorate_wire::RequestBody;

    use super::*;
    use crate::shard::inbox::InboxLimits;

    fn two_shards(batches_max: usize, outstanding_max: usize) -> (Across, Arc<Inbox>) {
        let limits = InboxLimits { frame_bytes_max: 1 << 20, batches_max };
        let inboxes: Vec<_> = (0..2).map(|_| Arc::new(Inbox::new(limits))).collect();
        (Across::new(0, &inboxes, outstanding_max), Arc::clone(&inboxes[1]))
    }

    fn origin(number: u64) -> Origin {
        Origin { connection: 0, session: SessionId(1), number, tag: Tag::default() }
    }

    fn request(number: u64) -> Request {
        Request { number, time_left_ms: 1000, want_receipt: false, body: RequestBody::Status }
    }

    #[test]
    fn the_requests_of_a_turn_cross_as_one_batch() {
        let (mut across, inbox) = two_shards(1, 10);
        across.ask(1, origin(1), request(1)).unwrap();
        across.ask(1, origin(2), request(2)).unwrap();
        let mut refused = Vec::new();
        across.flush(&mut refused);
        let mut items = std::collections::VecDeque::new();
        inbox.take(&mut items);
        assert_eq!(refused, []);
        assert!(matches!(&items.make_contiguous(), [Item::Requests(batch)] if batch.len() == 2), "{items:?}");
    }

    #[test]
    fn a_full_queue_gives_the_batch_back_and_its_reserved_places_with_it() {
        let (mut across, inbox) = two_shards(1, 10);
        let mut refused = Vec::new();
        for number in 1..=2 {
            across.ask(1, origin(number), request(number)).unwrap();
            across.flush(&mut refused);
        }
        assert_eq!(refused, [origin(2)]);
        across.settled(1, 1);
        assert!(across.is_idle());
        inbox.batch_handled();
        across.ask(1, origin(3), request(3)).unwrap();
        across.flush(&mut refused);
        assert_eq!(refused.len(), 1);
    }

    #[test]
    fn no_more_is_asked_than_answers_have_places_for() {
        let (mut across, _inbox) = two_shards(8, 1);
        across.ask(1, origin(1), request(1)).unwrap();
        assert_eq!(across.ask(1, origin(2), request(2)), Err(origin(2)));
        across.settled(1, 1);
        assert_eq!(across.ask(1, origin(3), request(3)), Ok(()));
    }
}
