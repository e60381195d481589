//! Slow answers: what was asked for, and what the request waited for from when it came.

use std::time::Duration;

use quorate_coordinator::{Origin, Replies, Sought};
use quorate_types::KeyspaceId;

/// A slow request, as it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowAnswer {
    /// Where the answer goes.
    pub origin: Origin,
    /// The keyspace.
    pub keyspace: KeyspaceId,
    /// What was asked for in it.
    pub sought: Sought,
    /// What it waited for, one after the other; together they last from when it came until its answer.
    pub waits: Vec<Wait>,
}

/// One of the things that a request waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// What.
    pub what: WaitedFor,
    /// How long.
    pub took: Duration,
}

/// What a request may wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitedFor {
    /// The shard that owns what it asks for, in its queue.
    Shard,
    /// The clock's ceiling, to be durable.
    ClockCeiling,
    /// The replicas, for what is read before it is written.
    ReadFirst(Replies),
    /// The first phase of a LINEARIZABLE write, or any of the above that was over before the request was slow.
    Earlier,
    /// The replicas.
    Replicas(Replies),
}

impl SlowAnswer {
    /// It waited for `what` from `began` until `ended`, both counted from when it came.
    pub(crate) fn waited(&mut self, what: WaitedFor, (began, ended): (Duration, Duration)) {
        let known: Duration = self.waits.iter().map(|wait| wait.took).sum();
        let earlier = began.saturating_sub(known);
        if !earlier.is_zero() {
            self.waits.push(Wait { what: WaitedFor::Earlier, took: earlier });
        }
        self.waits.push(Wait { what, took: ended.saturating_sub(known + earlier) });
    }
}
