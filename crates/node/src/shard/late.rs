//! Requests that are slow before they are answered: what is known of them until then.
//!
//! Kept here, beside the path of the requests, and not in what moves along it: a request that is not slow costs a comparison
//! where it comes in and a look at an empty map where it is answered. Nothing is kept of it, copied or allocated.
//!
//! Invariants:
//! - one rule says what is slow, [`CoordinatorConfig::is_slow`](quorate_coordinator::CoordinatorConfig::is_slow), and it asks how
//!   long ago a request came to its node, whatever has happened since;
//! - every answer of a slow request has its [`SlowAnswer`], with what was asked for, and no other has one. For an answer is
//!   given either by a task of the coordinator, which reports it at that moment, or in the event in which the shard takes the
//!   request up (again): then it is noted here first, by the same time;
//! - a request is known here as long as it is in flight, so their number is bounded by what bounds those.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_coordinator::{Origin, SlowRequest, Sought, Tag};
use quorate_types::{KeyspaceId, Now, SessionId};
use quorate_wire::RequestBody;

use super::Shard;
use super::requests::WriteRequest;
use crate::effects::Effects;
use crate::slow::{SlowAnswer, WaitedFor};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Late {
    requests: BTreeMap<Key, SlowAnswer>,
}

/// Names a request. Within a session its connection may change until it is answered.
type Key = (SessionId, Option<u64>, u64, Tag);

fn key(origin: &Origin) -> Key {
    let connection = (origin.session == SessionId::NONE).then_some(origin.connection);
    (origin.session, connection, origin.number, origin.tag)
}

impl Late {
    fn of(&mut self, origin: Origin, keyspace: KeyspaceId, sought: Sought) -> &mut SlowAnswer {
        let new = || SlowAnswer { origin, keyspace, sought, waits: Vec::new() };
        self.requests.entry(key(&origin)).or_insert_with(new)
    }

    /// The request of `origin` is answered: the last word on it goes along.
    #[inline]
    pub(super) fn answered(&mut self, origin: Origin, out: &mut Effects) {
        if let Some(slow) = self.forget(&origin) {
            out.slow.push(SlowAnswer { origin, ..slow });
        }
    }

    /// The request of `origin` is not in flight any more.
    #[inline]
    pub(super) fn forget(&mut self, origin: &Origin) -> Option<SlowAnswer> {
        if self.requests.is_empty() { None } else { self.requests.remove(&key(origin)) }
    }
}

impl Shard {
    /// The request of `origin` is taken up. If it is slow by now, that is noted, with what it seeks: whatever becomes of it
    /// in this event.
    #[inline]
    pub(super) fn note_if_late(&mut self, now: Now, origin: Origin, body: &RequestBody) {
        if self.coordinator.config().is_slow(now.mono, origin.tag)
            && let Some((keyspace, sought)) = sought(body)
        {
            let waited = (Duration::ZERO, origin.tag.elapsed(now.mono));
            self.late.of(origin, keyspace, sought).waited(WaitedFor::Shard, waited);
        }
    }

    /// The same for a write that was parked at `since` and goes on.
    pub(super) fn note_if_parked_late(&mut self, now: Now, write: &WriteRequest, since: Now) {
        let origin = write.origin();
        if self.coordinator.config().is_slow(now.mono, origin.tag) {
            let waited = (origin.tag.elapsed(since.mono), origin.tag.elapsed(now.mono));
            let late = self.late.of(origin, write.keyspace, Sought::Key(write.key.clone()));
            late.waited(WaitedFor::ClockCeiling, waited);
        }
    }

    /// The coordinator is about to answer a slow request, or the read before it.
    #[cold]
    pub(super) fn note_late(&mut self, now: Now, slow: SlowRequest) {
        let SlowRequest { origin, keyspace, sought, asked_after, replies } = slow;
        let (origin, what) = if Shard::is_read_first(origin) {
            let Some(write) = self.clients.reading_first.get(&origin.number) else { return };
            (write.origin(), WaitedFor::ReadFirst(replies))
        } else {
            (origin, WaitedFor::Replicas(replies))
        };
        let waited = (asked_after, origin.tag.elapsed(now.mono));
        self.late.of(origin, keyspace, sought).waited(what, waited);
    }
}

/// What a client asks for; `None`: it is the driver's to answer.
fn sought(body: &RequestBody) -> Option<(KeyspaceId, Sought)> {
    match body {
        RequestBody::Get { keyspace, key, .. }
        | RequestBody::Put { keyspace, key, .. }
        | RequestBody::Delete { keyspace, key, .. }
        | RequestBody::Expire { keyspace, key, .. }
        | RequestBody::Explain { keyspace, key } => Some((*keyspace, Sought::Key(key.clone()))),
        RequestBody::Page { keyspace, partition, start, .. } => {
            Some((*keyspace, Sought::Page { partition: *partition, start: start.clone() }))
        }
        RequestBody::Status | RequestBody::Ring => None,
    }
}
