//! The read and write machines: levels, outcomes, read repair, hinted handoff.
//!
//! A [`Coordinator`] carries requests of clients to the replicas of their keys. Requests, answers of replicas and
//! the passing of time come in as calls; sends, answers and hints go out as [`Effect`]s. It does no I/O, knows no
//! clock but the [`Now`](quorate_types::Now) it is handed, and draws no random numbers: the same calls give the
//! same effects.
//!
//! It is not a replica: it holds no data, and reaches the replica on its own node by effects like any other. It
//! stamps nothing (versions come with the request, or are asked for by an effect), keeps no hints (it says which ones to keep), does not remember
//! sessions, and finds out about nobody's health but by [`Liveness`].
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use quorate_coordinator::{
//!     Attempt, ClientWrite, Coordinator, CoordinatorConfig, Effect, KeyspacePolicy, Liveness, Origin, Part,
//!     Tag,
//! };
//! use quorate_ring::{Member, Ring};
//! use quorate_types::{KeyspaceId, Mono, NodeId, Now, SessionId, Timestamp, Version};
//!
//! struct AllUp;
//! impl Liveness for AllUp {
//!     fn is_alive(&self, _: NodeId) -> bool {
//!         true
//!     }
//!     fn read_p99(&self, _: NodeId) -> Option<Duration> {
//!         None
//!     }
//! }
//!
//! let nodes = [1, 2, 3].map(NodeId);
//! let keyspace = KeyspaceId::of_name("default");
//! let ring = Arc::new(Ring::build(7, &nodes.map(|n| Member::new(n, 1.0, None)), &[(keyspace, 3)])?);
//! let mut config = CoordinatorConfig::new(nodes[0]);
//! config.keyspaces.insert(keyspace, KeyspacePolicy::default());
//! let mut coordinator = Coordinator::new(config, Arc::clone(&ring));
//!
//! let now = Now { mono: Mono(0), wall_ms: 1_000 };
//! let write = ClientWrite {
//!     origin: Origin { connection: 1, session: SessionId(1), number: 1, tag: Tag::new(now.mono, 0) },
//!     keyspace,
//!     key: "k".into(),
//!     token: ring.token(b"k"),
//!     value: Some("v".into()),
//!     version: Version::new(Timestamp::from_parts(1_000, 0), nodes[0]),
//!     part: Part::Both,
//!     attempt: Attempt::First,
//!     expires_at_ms: None,
//!     level: None,
//!     deadline: now.mono + Duration::from_secs(2),
//!     want_receipt: false,
//! };
//! let mut out = Vec::new();
//! coordinator.start_write(now, &AllUp, write, &mut out);
//!
//! // One send per replica; two acknowledgements make a quorum of three.
//! let sends: Vec<_> = std::mem::take(&mut out);
//! assert_eq!(sends.len(), 3);
//! for effect in &sends[..2] {
//!     let Effect::Write { to, handle, .. } = effect else { panic!() };
//!     coordinator.on_write_acked(now, *to, *handle, &mut out);
//! }
//! assert!(matches!(out[..], [Effect::Answer { .. }]));
//! # Ok::<(), quorate_ring::RingError>(())
//! ```
//!
//! The state diagrams are at the heads of `write.rs`, `query.rs` (the first phase of LINEARIZABLE writes) and `read.rs`.
//!
//! # Guaranteed
//! - Exactly one [`Effect::Answer`] per request, at the latest two ticks (2.1 ms) after its deadline if
//!   [`Coordinator::on_tick`] is called when [`Coordinator::next_timer`] says.
//! - `Written` and every read answer stand for `required` distinct replicas; duplicated, late and foreign answers
//!   count for nothing.
//! - `Unavailable` and `Refused`: nothing was sent. `Rejected`: no replica has the write and none will get it.
//! - With R + W > n, a read returns a version no older than any write acknowledged before it began.
//! - With `read_repair = "blocking"`, quorum reads of one key never go back, across clients.
//! - Requests at LINEARIZABLE make each key a linearizable register among themselves, whatever the clocks say, given
//!   that replicas keep what they acknowledged and that stamps are as [`Effect::Stamp`] demands.
//! - With handoff on, each replica of a write that may exist has acknowledged it or gets one hint.
//!
//! # Not guaranteed
//! - Linearizability at other levels: versions order writes only as well as the nodes' clocks agree. A write at another
//!   level may be stamped below a LINEARIZABLE one that was acknowledged before it, and is then lost unseen.
//! - A compare-and-set: between its two phases a LINEARIZABLE write holds nothing back.
//! - That an `Indeterminate` write appears, or that it does not; it may do so at any later time.
//! - Monotonic pages: a page merges what its replicas hold and repairs nothing.
//!
//! Sources: Dynamo (SOSP 2007) §4–5; Attiya, Bar-Noy, Dolev (1995); riak_kv's get and put FSMs; Cassandra's read repair (CASSANDRA-10726).

#![forbid(unsafe_code)]

mod config;
mod coordinator;
mod counters;
mod deadlines;
mod effect;
mod explain;
mod latency;
mod limits;
mod page;
mod plan;
mod query;
mod read;
mod replicas;
mod request;
mod slab;
mod slow;
mod tag;
mod turn;
mod write;

pub use config::{CoordinatorConfig, HedgePolicy, KeyspacePolicy, ReadRepairPolicy};
pub use coordinator::{Coordinator, InFlight};
pub use counters::Counters;
pub use effect::{Effect, HintedWrite, PageAsk};
pub use limits::Load;
pub use request::{
    Attempt, ClientExplain, ClientPage, ClientRead, ClientWrite, Liveness, Origin, PageHandle, PageReply,
    Part, ReadHandle, ReadReply, StampHandle, UnstampedWrite, WriteHandle,
};
pub use slow::{Replies, SlowRequest, Sought};
pub use tag::Tag;
