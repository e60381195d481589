//! The client of a Quorate cluster: requests in, typed outcomes out.
//!
//! It keeps a connection or two to each node, sends what is submitted together as one frame, asks the first replica of
//! a key (it learns the ring from the cluster), and tries again where that is safe. It is not a cache, not a
//! transaction, and it has no opinion on consistency: each request says how many replicas must answer.
//!
//! ```no_run
//! use quorate_client::{Client, ClientConfig, ClientError, Options, Read};
//! use quorate_types::Level;
//!
//! # async fn example() -> Result<(), ClientError> {
//! let client = Client::connect(ClientConfig::new(["127.0.0.1:7381"])).await?;
//! let written = client.put("hello", "world", &Options::default()).await?;
//! println!("version {}, {} acks", written.value.version, written.value.acked);
//!
//! match client.get("hello", &Options::default().level(Level::One)).await?.value {
//!     Read::Found(record) => println!("{:?}", record.value),
//!     Read::Deleted { version } => println!("deleted by {version}"),
//!     Read::NotFound { .. } => println!("not found"),
//! }
//! # Ok(()) }
//! ```
//!
//! # What is sent again, and how
//!
//! | outcome | a read | a write |
//! |---|---|---|
//! | no connection, or it ended before the request left | elsewhere | elsewhere |
//! | too few replicas alive (nothing was sent) | one second opinion | one second opinion |
//! | overloaded (nothing was sent) | elsewhere, after a pause | elsewhere, after a pause |
//! | too few acks or answers in time | elsewhere, after a pause | with the same version and expiry |
//! | the coordinator fell silent or died | elsewhere | never, unless it carries its version |
//! | rejected | never | never |
//!
//! # Guaranteed
//! - A write is applied at most once, under one version, whatever is sent again.
//! - [`ClientError::aftermath`] is true: *nothing sent* means that no replica has heard of the request.
//! - No request outlives its deadline by more than a moment (175 ms, in which the coordinator may still say what
//!   became of it); dropping its future gives it up and leaves the connection in order.
//! - Memory is bounded: requests under way per connection, and bytes in large ones.
//!
//! # Not guaranteed
//! - The order of two requests that are under way at one time, even for one key.
//! - That a write whose outcome is unknown was, or was not, applied: read it back, or send it again with its version.
//!
//! Sources: Dynamo (SOSP 2007) §6.4, client-driven coordination; Cassandra's token-aware drivers.

#![forbid(unsafe_code)]

mod call;
mod client;
mod config;
mod connection;
mod error;
mod node;
mod options;
mod pipeline;
mod routing;
mod scan;
mod verdict;

pub use client::{Client, Page, PageRequest, Read, Reply, Written};
pub use config::ClientConfig;
pub use error::{Aftermath, Attempt, ClientError, Fate, Trail};
pub use options::{Options, Receipts, Retries};
pub use routing::ring_of;
pub use scan::{Cursor, Scan, ScanOptions, ScanPage};
