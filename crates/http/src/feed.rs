//! What happens to the node, in the order in which it happened, for whoever watches it (`GET /api/v1/events`).
//!
//! Whoever knows of a change announces it; nobody is asked whether something has changed. Watchers have no queue of
//! their own: each has a place in the one that is kept here, so that a thousand of them cost no more memory than one,
//! and none of them can hold up who announces.
//!
//! Invariants:
//! - the last `kept_max` events are kept, numbered without gaps from 1; an event's id is `GENERATION-NUMBER`, so that
//!   ids of two lives of a node are never taken for each other;
//! - an event is written out once, whoever reads it;
//! - [`NodeEvent::DrainBegun`] is the last one: behind it nothing is announced.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::watch;

/// Something that whoever operates the node wants to know when it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeEvent {
    /// The node serves.
    Started,
    /// Every shard of this node reaches the peer.
    PeerUp {
        /// The peer's id.
        peer: String,
    },
    /// Some shard of this node does not reach the peer.
    PeerDown {
        /// The peer's id.
        peer: String,
        /// Why it is believed down.
        why: String,
    },
    /// The hints kept for a node have begun, doubled, halved or gone.
    HintBacklog {
        /// Whom they are for.
        target: String,
        /// How many there are.
        durable: u64,
        /// Their bytes on disk.
        bytes: u64,
    },
    /// A limit was reached.
    LimitHit {
        /// Its name in the configuration.
        limit: &'static str,
        /// How often since this was last said.
        hits: u64,
        /// How often since the start.
        total: u64,
    },
    /// A checkpoint serves; the log is cut behind it.
    CheckpointPublished {
        /// Its number.
        checkpoint: u64,
        /// What it took.
        took_ms: u64,
    },
    /// No checkpoint: the last one and the whole log are kept.
    CheckpointFailed {
        /// Why.
        why: String,
    },
    /// The node takes no writes any more: its log failed, or one of its threads did.
    Failed {
        /// Why.
        why: String,
    },
    /// The node takes nothing new and will end. The last event.
    DrainBegun,
}

impl NodeEvent {
    /// The names of all kinds.
    #[cfg(test)]
    pub(crate) const KINDS: [&'static str; 9] = [
        "started",
        "peer-up",
        "peer-down",
        "hint-backlog",
        "limit-hit",
        "checkpoint-published",
        "checkpoint-failed",
        "node-failed",
        "drain-begun",
    ];

    /// Its kind, and what there is to say.
    fn told(&self) -> (&'static str, Value) {
        match self {
            NodeEvent::Started => ("started", json!({})),
            NodeEvent::PeerUp { peer } => ("peer-up", json!({ "peer": peer })),
            NodeEvent::PeerDown { peer, why } => ("peer-down", json!({ "peer": peer, "why": why })),
            NodeEvent::HintBacklog { target, durable, bytes } => {
                ("hint-backlog", json!({ "target": target, "durable": durable, "bytes": bytes }))
            }
            NodeEvent::LimitHit { limit, hits, total } => {
                ("limit-hit", json!({ "limit": limit, "hits": hits, "total": total }))
            }
            NodeEvent::CheckpointPublished { checkpoint, took_ms } => {
                ("checkpoint-published", json!({ "checkpoint": checkpoint, "took_ms": took_ms }))
            }
            NodeEvent::CheckpointFailed { why } => ("checkpoint-failed", json!({ "why": why })),
            NodeEvent::Failed { why } => ("node-failed", json!({ "why": why })),
            NodeEvent::DrainBegun => ("drain-begun", json!({})),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Feed {
    generation: u64,
    kept_max: usize,
    kept: Mutex<Kept>,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    /// As they are sent, oldest first.
    events: VecDeque<Bytes>,
    /// The number of the newest; 0: none yet.
    newest: u64,
    closed: bool,
}

impl Kept {
    /// The number of the oldest that is kept.
    fn oldest(&self) -> u64 {
        self.newest - self.events.len() as u64 + 1
    }
}

/// What there is behind a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Behind {
    /// These, as they are sent; where they end; whether anything can follow.
    Events { text: Bytes, through: u64, more: bool },
    /// Nothing yet.
    Nothing,
    /// What came next is not kept any more.
    Gone,
}

/// Where a watcher comes in again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resumed {
    /// Nothing was missed.
    Seamless { after: u64 },
    /// Something was, because of this; what is kept follows.
    Gap { after: u64, why: &'static str },
}

/// Events that a watcher is sent at one time.
const BATCH_MAX: usize = 64;

impl Feed {
    /// The events of life `generation` of a node; the last `kept_max` are kept.
    pub fn new(generation: u64, kept_max: usize) -> Feed {
        Feed { generation, kept_max: kept_max.max(1), kept: Mutex::default(), newest: watch::Sender::new(0) }
    }

    /// `event` happened at `at_ms`, wall milliseconds.
    pub fn announce(&self, at_ms: u64, event: &NodeEvent) {
        let (kind, mut body) = event.told();
        body["at_ms"] = at_ms.into();
        let mut kept = self.lock();
        if kept.closed {
            return;
        }
        kept.closed = *event == NodeEvent::DrainBegun;
        kept.newest += 1;
        let number = kept.newest;
        kept.events.push_back(message(kind, &self.id(number), &body));
        if kept.events.len() > self.kept_max {
            kept.events.pop_front();
        }
        drop(kept);
        // Two that announce at once may come here the other way round.
        self.newest.send_if_modified(|newest| std::mem::replace(newest, number.max(*newest)) < number);
    }

    /// The newest event's number, and how to wait for the next.
    pub(crate) fn watch(&self) -> (u64, watch::Receiver<u64>) {
        let changes = self.newest.subscribe();
        (self.lock().newest, changes)
    }

    /// Whether nothing follows any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// The id of event `number`.
    pub(crate) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.generation)
    }

    /// Where to go on behind `last_id`; `None`: that is no id.
    pub(crate) fn resumed(&self, last_id: &str) -> Option<Resumed> {
        let (generation, number) = last_id.split_once('-')?;
        let (generation, number): (u64, u64) = (generation.parse().ok()?, number.parse().ok()?);
        let kept = self.lock();
        let after = kept.oldest() - 1;
        Some(match generation == self.generation {
            false => Resumed::Gap { after, why: "the node was restarted since" },
            true if number > kept.newest => Resumed::Gap { after, why: "there was no such event" },
            true if number < after => Resumed::Gap { after, why: "so many events are not kept" },
            true => Resumed::Seamless { after: number },
        })
    }

    /// What there is behind event `after`, at most [`BATCH_MAX`] events.
    pub(crate) fn behind(&self, after: u64) -> Behind {
        let kept = self.lock();
        if after == kept.newest {
            return Behind::Nothing;
        }
        let Some(skip) = after.checked_add(1).and_then(|next| next.checked_sub(kept.oldest())) else {
            return Behind::Gone;
        };
        let batch: Vec<&[u8]> =
            kept.events.iter().skip(skip as usize).take(BATCH_MAX).map(AsRef::as_ref).collect();
        let through = after + batch.len() as u64;
        let more = !(kept.closed && through == kept.newest);
        Behind::Events { text: batch.concat().into(), through, more }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One event of the stream; `id` is left out where a watcher could not go on from it.
pub(crate) fn message(kind: &str, id: &str, body: &Value) -> Bytes {
    let mut body = body.clone();
    body["type"] = kind.into();
    let mut text = String::new();
    if !id.is_empty() {
        writeln!(text, "id: {id}").expect("a string takes everything");
    }
    // JSON has no line feed outside of strings, and writes those in them as `\n`.
    write!(text, "event: {kind}\ndata: {body}\n\n").expect("a string takes everything");
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(n: u64) -> NodeEvent {
        NodeEvent::CheckpointPublished { checkpoint: n, took_ms: 1 }
    }

    fn full() -> Feed {
        let feed = Feed::new(3, 4);
        (1..=6).for_each(|n| feed.announce(1_000 + n, &numbered(n)));
        feed
    }

    #[test]
    fn an_event_is_one_message_whatever_is_in_it() {
        let feed = Feed::new(3, 4);
        feed.announce(7, &NodeEvent::PeerDown { peer: "n2".into(), why: "a\nb\r\n\n".into() });
        let Behind::Events { text, through: 1, more: true } = feed.behind(0) else { panic!("none") };
        let text = std::str::from_utf8(&text).unwrap();
        let expected = "id: 3-1\nevent: peer-down\n\
                        data: {\"at_ms\":7,\"peer\":\"n2\",\"type\":\"peer-down\",\"why\":\"a\\nb\\r\\n\\n\"}\n\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_last_events_are_kept_and_who_is_behind_them_is_told() {
        let feed = full();
        assert_eq!(feed.behind(6), Behind::Nothing);
        assert_eq!(feed.behind(1), Behind::Gone);
        let Behind::Events { text, through, .. } = feed.behind(2) else { panic!("none") };
        assert_eq!((through, text.windows(4).filter(|w| w == b"id: ").count()), (6, 4));
    }

    #[test]
    fn a_watcher_goes_on_where_it_was_or_is_told_of_the_gap() {
        let feed = full();
        let gap = |why| Some(Resumed::Gap { after: 2, why });
        assert_eq!(feed.resumed("3-2"), Some(Resumed::Seamless { after: 2 }));
        assert_eq!(feed.resumed("3-6"), Some(Resumed::Seamless { after: 6 }));
        assert_eq!(feed.resumed("3-1"), gap("so many events are not kept"));
        assert_eq!(feed.resumed("3-7"), gap("there was no such event"));
        assert_eq!(feed.resumed("2-4"), gap("the node was restarted since"));
        for bad in ["", "7", "3-", "-7", "3-x", "3-99999999999999999999"] {
            assert_eq!(feed.resumed(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn nothing_follows_the_beginning_of_the_end() {
        let feed = full();
        feed.announce(9, &NodeEvent::DrainBegun);
        feed.announce(10, &numbered(7));
        let Behind::Events { through: 7, more: false, .. } = feed.behind(5) else { panic!("not the end") };
        assert!(feed.is_closed());
    }
}
