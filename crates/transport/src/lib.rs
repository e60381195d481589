//! How frames get from one process to another: one trait, over TCP and over a network in memory with faults.
//!
//! It moves frames as [`quorate_wire`] makes them and knows nothing of what is in them but the greeting. It does not
//! encrypt, does not resend, and promises no order beyond what its network keeps.
//!
//! ```
//! use std::time::Duration;
//! use quorate_transport::memory::{Fabric, FabricOptions, LinkFaults, Network};
//! use quorate_transport::{Transport, handshake};
//! use quorate_types::{ClusterId, Generation, NodeId, SessionId};
//! use quorate_wire::{Hello, Host, Role};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The same with `Tcp::default()` and real addresses.
//! let fabric = Fabric::new(Network::new(1, LinkFaults::default()), FabricOptions::default());
//! let (n1, n2) = (fabric.node(NodeId(1)), fabric.node(NodeId(2)));
//! let listener = n2.listen("n2:7381").await?;
//!
//! let hello = Hello {
//!     protocol_min: 1,
//!     protocol_max: 1,
//!     cluster: Some(ClusterId(7)),
//!     cluster_name: "demo".to_owned(),
//!     dialled: Some(NodeId(2)),
//!     role: Role::Client {},
//! };
//! let host = Host {
//!     node: NodeId(2),
//!     generation: Generation(1),
//!     shards: 1,
//!     cluster: ClusterId(7),
//!     cluster_name: "demo".to_owned(),
//!     ring_hash: 0,
//!     nodes: vec![NodeId(1), NodeId(2)],
//! };
//! let within = Duration::from_secs(1);
//! let mut near = n1.dial("n2:7381").await?;
//! let answering = async {
//!     let mut far = listener.accept().await?;
//!     let hello = handshake::receive_hello(&mut far, within).await?;
//!     match host.judge(&hello, SessionId(1)) {
//!         Ok(welcome) => handshake::welcome(&far, welcome)?,
//!         Err(refusal) => handshake::refuse(&far, refusal)?,
//!     }
//!     Ok::<_, quorate_transport::TransportError>(far)
//! };
//! let (welcome, far) = tokio::join!(handshake::greet(&mut near, &hello, within), answering);
//! assert_eq!(welcome?.node, NodeId(2));
//! // Now frames: near.sink.try_send(frame), far?.source.recv(&mut frames).
//! # far?;
//! # Ok(())
//! # }
//! ```
//!
//! # Guaranteed
//! - Sending never waits: a frame is written, queued within a bound in bytes, or refused.
//! - A receiver gets whole frames within the size limit, all that one read gave at once; cancelling it loses nothing.
//! - An end says what it was: refused, silent, closed in order, broken, stalled, no frame.
//! - [`memory::Network`] gives the same deliveries for the same seed and calls, and accounts for every frame.
//!
//! # Not guaranteed
//! - That what was taken has arrived: only an answer says so.
//! - Order, exactly once, or arrival over [`memory`]: that is what it is for. The protocols above must not assume them.
//!
//! Sources: mini-redis and chitchat (an in-memory transport that still encodes every message); Brooker, Exponential
//! Backoff and Jitter (2015).

#![forbid(unsafe_code)]

mod connection;
mod dialer;
mod error;
pub mod handshake;
pub mod memory;
mod redial;
mod tcp;

pub use connection::{Connection, Detached, FrameSink, FrameSource, Listener, Transport};
pub use dialer::{Dialer, Nudge};
pub use error::{SendError, TransportError};
pub use redial::{Redial, RedialOptions};
pub use tcp::{Tcp, TcpOptions};
