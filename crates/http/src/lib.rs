//! The HTTP front door: `curl` and anything else that speaks HTTP/1.1, over the requests that every other door sends.
//!
//! ```text
//! socket ─► hyper (head within limits and time) ─► router ─► parameters, key, body ─► Request ─► the owner's shard
//!                                                                                              │
//! socket ◄─ JSON, raw bytes or application/problem+json, with version and receipt ◄─ Response ◄┘
//! ```
//!
//! The crate knows HTTP and [`quorate_wire`]'s requests. Who answers them is a [`Node`]: the server in production, a
//! map in tests. Statuses are an interface: clients and proxies retry some of them by themselves, so the table in
//! `outcome` says what became of the data, and every problem document carries it as `outcome`:
//!
//! | `outcome` | what became of the data | what to do |
//! |---|---|---|
//! | `rejected` | nothing was done, and as it is it never will be | change the request |
//! | `failed` | nothing was changed | ask again, any time |
//! | `unknown` | the write may survive | send it again with the `version` of the answer, or read |
//!
//! # Guaranteed
//! - any bytes are a key: the path is decoded as bytes (no second decoding, no UTF-8), `?key64=` takes base64url;
//! - every error is a problem document, hyper's own included (`worded`); a key without a value is none;
//! - memory is bounded: connections, bytes of a head, bytes of a body, bytes of all bodies ([`Limits`]); whoever sends
//!   or takes too slowly is cut off;
//! - a request that was accepted is answered before the door has shut ([`Door::serve`]).
//!
//! # Not guaranteed
//! - conditional writes: `If-Match` and the like are refused (501), for a check that races is worse than none;
//! - that a 201 made a new key: writes are blind.
//!
//! Sources: RFC 9110 (HTTP), RFC 9457 (problem documents), Server Timing (W3C).

mod accept;
mod admin;
mod batch;
mod body;
mod connection;
mod context;
mod door;
mod events;
mod feed;
mod head;
mod health;
mod key;
mod limits;
mod node;
mod outcome;
mod params;
mod problem;
mod reached;
mod recovering;
mod reply;
mod retry;
mod routes;
mod scan;
mod slow;
mod store;
mod trace;
mod views;
mod worded;

pub use admin::{Admin, Checkpointed, Draining};
pub use door::{Door, Stop};
pub use feed::{Feed, NodeEvent};
pub use limits::Limits;
pub use node::{About, Count, MetricsText, NoMetrics, Node, Under};
pub use recovering::recovering;

#[cfg(test)]
mod tests;
