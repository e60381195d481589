//! One shard of a replica as one machine: events in, effects out.
//!
//! A [`Shard`] composes what a replica is made of: it coordinates the requests of clients on its partitions
//! (`quorate-coordinator`), holds the copies that the ring gives it (`quorate-store`), stamps writes, and keeps its
//! links to the shards of its peers: batches, acknowledgements, liveness, hints. It is told what happened as an
//! [`Event`] and says what is to be done as [`Effects`]; sockets, files, threads and clocks are its driver's.
//!
//! ```text
//!  Request ─► dedupe ─► stamp ─► coordinator ─┬─► own copy ──► log ═ Logged ═► store ─► acked
//!                                             ├─► link: WriteBatch … Acks ─────────────► acked
//!                                             └─► Answer, Hint
//!  Peer{Writes} ─► checks ─► log ═ Logged ═► store ─► Acks at the end of the turn
//! ```
//!
//! A turn: any number of [`Shard::on_event`], one [`Shard::end_turn`], then the driver carries out the effects
//! (sends, log, answers, hints) as batches. [`Shard::next_timer`] says when a `Tick` is due if nothing else happens.
//!
//! ```
//! use std::{collections::BTreeMap, sync::Arc};
//! use quorate_coordinator::{CoordinatorConfig, KeyspacePolicy, Origin, Tag};
//! use quorate_node::{Effects, Event, Shard, ShardConfig};
//! use quorate_ring::{Member, Ring};
//! use quorate_store::{Store, StoreConfig};
//! use quorate_types::{Generation, KeyspaceId, Mono, NodeId, Now, SessionId, Timestamp, WriteOutcome};
//! use quorate_wire::{ExpiryRequest, Request, RequestBody, ResponseBody};
//!
//! let (node, keyspace) = (NodeId::of_name("n1"), KeyspaceId::of_name("default"));
//! let ring = Arc::new(Ring::build(7, &[Member::new(node, 1.0, None)], &[(keyspace, 1)])?);
//! let policy = KeyspacePolicy { n: 1, ..KeyspacePolicy::default() };
//! let keyspaces = BTreeMap::from([(keyspace, policy)]);
//! let coordinator = CoordinatorConfig { keyspaces, ..CoordinatorConfig::new(node) };
//! let config = ShardConfig::new(coordinator, Generation(1), 0, 1);
//! let store = Store::new(StoreConfig { hash_seed: 7, shard: 0, shards: 1 });
//! let mut shard = Shard::new(config, ring, store, Timestamp(0));
//!
//! let now = Now { mono: Mono(0), wall_ms: 1_700_000_000_000 };
//! let (key, value) = ("k".into(), "v".into());
//! let put = RequestBody::Put { keyspace, key, value, level: None, expiry: ExpiryRequest::Never, version: None };
//! let request = Request { number: 1, time_left_ms: 2_000, want_receipt: false, body: put };
//! let origin = Origin { connection: 1, session: SessionId(1), number: 1, tag: Tag::default() };
//!
//! let mut effects = Effects::new();
//! shard.on_event(now, Event::Request { origin, request }, &mut effects);
//! shard.end_turn(now, &mut effects);
//! // A real driver appends `effects.log` and syncs; here everything is durable at once, first the clock's ceiling.
//! while let Some(through) = effects.log.last_sequence() {
//!     effects.log.clear();
//!     shard.on_event(now, Event::Logged { through }, &mut effects);
//!     shard.end_turn(now, &mut effects);
//! }
//! let (_, response) = &effects.answers[0];
//! assert!(matches!(response.body, ResponseBody::Write(WriteOutcome::Written { acked: 1, .. })));
//! # Ok::<(), quorate_ring::RingError>(())
//! ```
//!
//! It is not the driver (`quorate-server`): it opens no socket, syncs no file and reads no clock. It is not the
//! membership: who is a member comes with the ring, who is alive is judged by the links alone.
//!
//! # Guaranteed
//! - Same events at the same times, same effects: nothing depends on a clock, a random source or a hash's order.
//! - A record reaches the store only when the log says that it is durable, in the order of the log; a write is
//!   acknowledged only after that, and one that was refused, expired or dropped never is.
//! - A batch of writes is executed at most once, and each write that was sent is settled exactly once, whatever is
//!   lost, doubled or reordered on the way.
//! - Everything that waits is bounded by a limit with a name; beyond it the answer is `Overloaded`, at once.
//! - No stamp is issued at or above a ceiling that is not durable.
//!
//! # Not guaranteed
//! - That a duplicate of a request is recognised after its session was forgotten, or on another shard.
//! - That liveness is agreed on: each shard judges by its own links.
//!
//! Sources: DeCandia et al., Dynamo (SOSP 2007) §4.6 (hinted handoff); Kulkarni et al., Logical Physical Clocks
//! (2014); Castro and Liskov (OSDI 1999) for the numbered requests of a session.

#![forbid(unsafe_code)]

mod config;
mod counters;
mod effects;
mod event;
mod handoff;
mod inbound;
mod links;
mod liveness;
mod log_queue;
mod outbound;
mod served;
mod sessions;
mod shard;
mod slow;
mod stamps;
mod status;

pub use config::{ClockConfig, HandoffConfig, LivenessConfig, ShardConfig, ShardLimits};
pub use counters::NodeCounters;
pub use effects::{Effects, HintCommand, LogBuffer, LogRecord};
pub use event::{
    DialFailure, Direction, Drain, Event, HintBacklog, LinkId, LinkLoss, LinkPeer, TracedRequest,
};
pub use liveness::{DownReason, PeerChange, PeerView};
pub use served::{Part, PartKind, PartOutcome, Served};
pub use shard::{Queue, Shard};
pub use slow::{SlowAnswer, Wait, WaitedFor};
pub use status::{LimitsReached, ShardStatus};
