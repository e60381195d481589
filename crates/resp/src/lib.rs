//! The RESP front door, as a machine: what a Redis client sends becomes requests to the node, and the answers become
//! replies, in order.
//!
//! It is not a Redis: there are strings and their expiry, and what an eventually consistent store can't honestly do is
//! refused with a sentence that says why (docs/redis.md, rendered from the table that dispatches). It holds no socket:
//! `quorate-server` reads, writes and carries requests.
//!
//! ```
//! use std::sync::Arc;
//!
//! use quorate_resp::{About, Connection, Effects, Limits, Peer, Settings};
//! use quorate_types::{KeyspaceId, Now};
//! use quorate_wire::RequestBody;
//!
//! let settings = Settings {
//!     limits: Limits::default(),
//!     keyspace: KeyspaceId::of_name("default"),
//!     hash_seed: 1,
//!     read: None,
//!     write: None,
//!     password: None,
//!     cluster: None,
//!     about: About::default(),
//! };
//! let mut connection = Connection::new(Arc::new(settings), Peer::default(), Now::default());
//! let mut effects = Effects::default();
//! connection.on_bytes(Now::default(), "PING\r\nGET k\r\n".into(), &mut effects);
//! assert_eq!(&connection.output()[..], b"+PONG\r\n");
//! assert!(matches!(&effects.asks[..], [ask] if matches!(&ask.body, RequestBody::Get { key, .. } if key == "k")));
//! ```
//!
//! # Guaranteed
//! - Any bytes, cut in any way, are commands or a protocol error that ends the connection: no panic, no recursion, and
//!   no more memory than [`Limits`] say. A client that has not said the password may send less.
//! - One reply per command, in the order of the commands (`CLIENT REPLY` aside).
//! - Commands of one connection on the same key take effect in order; others overlap.
//! - An error whose code clients retry by themselves means that nothing was sent.
//!
//! # Not guaranteed
//! - That commands on several keys are one unit: each key is a request of its own.
//! - That `DBSIZE` is exact, or that `SCAN` under changing keys returns each once.
//!
//! Sources: the RESP specification and command reference (redis.io); what clients send was measured, client by client.

#![forbid(unsafe_code)]

mod cluster;
mod connection;
mod docs;
mod effects;
mod encode;
mod glob;
mod info;
mod input;
mod limits;
mod order;
mod outcome;
mod own;
mod parse;
mod part;
mod pending;
mod room;
mod scan;
mod session;
mod settings;
mod table;

pub use cluster::{ClusterDoor, ClusterMap};
pub use connection::Connection;
pub use docs::page;
pub use effects::{Ask, Counts, Effects, Question, Told, Whom};
pub use encode::{Proto, Writer};
pub use limits::Limits;
pub use parse::ProtocolError;
pub use settings::{About, ClientFacts, Peer, REDIS_VERSION, Settings};
