//! What waits for a shard's next turn, from its own sockets and from other threads: one queue, taken whole.
//!
//! Invariants:
//! - *frames* are bounded in bytes: a reader that finds the inbox full stops reading its socket until a turn has
//!   taken enough, so a peer or a client that sends too fast is slowed by TCP;
//! - *requests* from other shards are bounded in batches and refused at once when full: the asking shard answers
//!   `Overloaded`;
//! - everything else was reserved by whoever sends it (an answer by its request, an event by its command) and is
//!   always taken, so two full queues never wait for each other;
//! - one lock per batch, never held across an `await`, never while anything is decoded or handled.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::shard::item::Item;

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InboxLimits {
    /// Bytes of frames read and not yet handled.
    pub(crate) frame_bytes_max: usize,
    /// `shard_queue_max`: batches of requests handed over by other shards and not yet handled.
    pub(crate) batches_max: usize,
}

#[derive(Debug)]
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    ready: Notify,
    room: Notify,
    limits: InboxLimits,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    frame_bytes: usize,
    batches: usize,
}

impl Inbox {
    pub(crate) fn new(limits: InboxLimits) -> Inbox {
        Inbox { waiting: Mutex::default(), ready: Notify::new(), room: Notify::new(), limits }
    }

    /// Adds something whose room was reserved.
    pub(crate) fn push(&self, item: Item) {
        let first = {
            let mut waiting = self.lock();
            waiting.items.push_back(item);
            waiting.items.len() == 1
        };
        if first {
            self.ready.notify_one();
        }
    }

    /// Adds frames of `bytes` and waits, after that, until the inbox has room again.
    pub(crate) async fn push_frames(&self, item: Item, bytes: usize) {
        self.lock().frame_bytes += bytes;
        self.push(item);
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if self.lock().frame_bytes <= self.limits.frame_bytes_max {
                return;
            }
            room.await;
        }
    }

    /// Adds a batch of another shard's requests, or gives it back if it would be one too many.
    pub(crate) fn try_push_batch(&self, batch: Item) -> Result<(), Item> {
        {
            let mut waiting = self.lock();
            if waiting.batches >= self.limits.batches_max {
                return Err(batch);
            }
            waiting.batches += 1;
        }
        self.push(batch);
        Ok(())
    }

    /// Lets the shard take a turn though nothing was added.
    pub(crate) fn wake(&self) {
        self.ready.notify_one();
    }

    /// Whether something waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().items.is_empty()
    }

    /// Moves everything that waits to the end of `out`.
    pub(crate) fn take(&self, out: &mut VecDeque<Item>) {
        out.append(&mut self.lock().items);
    }

    /// Keeps room for `kept` items at most, or for those that wait.
    pub(crate) fn shrink(&self, kept: usize) {
        self.lock().items.shrink_to(kept);
    }

    /// Frames of `bytes` were handled.
    pub(crate) fn frames_handled(&self, bytes: usize) {
        let limit = self.limits.frame_bytes_max;
        let (before, after) = {
            let mut waiting = self.lock();
            let before = waiting.frame_bytes;
            waiting.frame_bytes -= bytes;
            (before, waiting.frame_bytes)
        };
        if before > limit && after <= limit {
            self.room.notify_waiters();
        }
    }

    /// A batch of requests was handled.
    pub(crate) fn batch_handled(&self) {
        self.lock().batches -= 1;
    }

    /// Resolves when something was added or [`Inbox::wake`] was called since the last time.
    pub(crate) async fn ready(&self) {
        self.ready.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use quorate_node::Drain;

    use super::*;
    use crate::connections::ConnectionId;

    fn inbox() -> Inbox {
        Inbox::new(InboxLimits { frame_bytes_max: 100, batches_max: 2 })
    }

    fn frames(bytes: usize) -> Item {
        Item::Frames { connection: ConnectionId::new(1, 0), frames: Vec::new(), bytes }
    }

    #[test]
    fn a_reader_waits_while_more_is_unhandled_than_the_inbox_may_hold() {
        let inbox = inbox();
        let mut context = Context::from_waker(Waker::noop());
        assert!(pin!(inbox.push_frames(frames(100), 100)).poll(&mut context).is_ready());
        let mut second = pin!(inbox.push_frames(frames(50), 50));
        assert!(second.as_mut().poll(&mut context).is_pending());
        let mut taken = VecDeque::new();
        inbox.take(&mut taken);
        assert_eq!(taken.len(), 2, "what was read is there already");
        inbox.frames_handled(40);
        assert!(second.as_mut().poll(&mut context).is_pending());
        inbox.frames_handled(60);
        assert!(second.as_mut().poll(&mut context).is_ready());
    }

    #[test]
    fn a_batch_too_many_is_given_back_and_everything_reserved_is_taken() {
        let inbox = inbox();
        inbox.try_push_batch(Item::Requests(Vec::new())).unwrap();
        inbox.try_push_batch(Item::Requests(Vec::new())).unwrap();
        assert!(inbox.try_push_batch(Item::Requests(Vec::new())).is_err());
        inbox.push(Item::Drain(Drain::Everybody));
        inbox.batch_handled();
        inbox.try_push_batch(Item::Requests(Vec::new())).unwrap();
        let mut taken = VecDeque::new();
        inbox.take(&mut taken);
        assert_eq!(taken.len(), 4);
    }
}
