//! A network in memory, with faults: as a pure machine ([`Network`]) and as a [`Transport`](crate::Transport) over it
//! ([`Fabric`]).
//!
//! Both carry encoded frames, the same bytes that a socket would.
//!
//! Invariants:
//! - same seed, same calls, same deliveries, in debug and release: no floating point, no order of a hash table;
//! - every directed link draws from a stream of its own, and every frame draws the same count from it whatever the
//!   faults are: taking one fault away does not reshuffle the rest;
//! - `sent + duplicated = delivered + dropped + in flight`, for each link and in total.

mod fabric;
mod faults;
mod network;
mod pipe;
mod statistics;

pub use fabric::{Fabric, FabricOptions, Memory};
pub use faults::{Chance, Delay, LinkFaults};
pub use network::{Delivery, Network, Place};
pub use statistics::NetworkStatistics;
