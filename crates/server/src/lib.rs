//! The driver of a replica: threads, sockets, the clock and the disk around the machine of `quorate-node`.
//!
//! A [`Replica`] is started from a [`config::Config`] and runs until it is shut down, killed or has failed. The same
//! type is the whole of the `replica` process and one of several nodes inside `kvctl demo` or a test.
//!
//! ```text
//!  clients, peers ──► door ──► reader tasks ─┐ frames            one thread and one current-thread
//!  other shards ── requests, answers ────────┤                   runtime per shard
//!  hint thread, checkpoint thread ───────────┼─► inbox ──► turn:  take all that is ready
//!  log became durable, timers ───────────────┘                    feed it to node::Shard
//!                                                                 send frames ─► peers, clients
//!                                                                 append to the log, sync
//!                                                                 Logged ─► acknowledge, answer
//! ```
//!
//! ```
//! use quorate_server::{Replica, StartOptions, config::Config};
//!
//! let dir = tempfile::tempdir()?;
//! let text = "[cluster]\nname = \"doc\"\n[[node]]\nid = \"n1\"\naddr = \"127.0.0.1:7381\"\n[[keyspace]]\nn = 1\n";
//! let config = Config::parse(text, dir.path())?;
//! let options = StartOptions { listen: Some("127.0.0.1:0".to_owned()), ..StartOptions::default() };
//! let replica = Replica::start(&config, "n1", &options)?;
//! assert_ne!(replica.local_addr().port(), 0);
//! assert!(replica.shut_down().checkpointed);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It is not the protocol: what a request means, who must answer it and what is kept for whom is decided by
//! `quorate-node` and `quorate-coordinator`. It makes no membership: the nodes are those of the configuration.
//!
//! # Guaranteed
//! - A write is acknowledged only when the log says that it is as durable as `wal.sync` promises; frames for peers
//!   leave before the own sync.
//! - Every queue is bounded, and a full one answers at once, by the name of its limit; the place of an answer is
//!   reserved with its request, so two full queues never wait for each other.
//! - [`Replica::kill`] leaves on disk what SIGKILL would; [`Replica::shut_down`] leaves nothing to replay.
//! - A start that is refused leaves no thread and no lock behind.
//! - A failed log takes no write any more, says so by name and in [`Replica::failed`], and goes on serving reads.
//!
//! # Not guaranteed
//! - That an answer arrives in the order of its request on one connection: it carries the request's number.
//! - That a request under way when a replica ends is answered: `drain_timeout` bounds the wait.
//!
//! Sources: DeCandia et al., Dynamo (SOSP 2007) §4; Dean and Barroso, The Tail at Scale (CACM 2013) for answering
//! overload at once; the thread-per-core loop is that of Seastar and Redis, the group commit that of DeWitt et al.
//! (SIGMOD 1984).

#![forbid(unsafe_code)]

mod alarm;
mod clock;
mod common;
pub mod config;
mod connections;
mod counters;
mod disk;
mod error;
mod give_back;
pub mod logs;
mod metrics;
mod replica;
mod settings;
mod shard;
mod spans;
mod start;
mod switch;
#[cfg(test)]
mod tests;
mod until;
mod view;

pub use error::StartError;
pub use give_back::{GiveBack, Pace};
pub use quorate_store::DiskError;
pub use replica::{Replica, ShutDown, StartOptions};
pub use until::Ended;
