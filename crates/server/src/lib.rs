//! The driver of a replica.

#![forbid(unsafe_code)]

mod across;
mod admission;
mod arrival;
mod checkpoint_thread;
mod clock;
mod common;
pub mod config;
mod counters;
mod desk;
mod door;
mod error;
mod gate;
mod hint_thread;
mod inbox;
mod item;
mod links;
mod overview;
mod replica;
mod settings;
mod shard_log;
mod shard_loop;
mod shard_thread;
mod start;
mod status;
mod switch;
#[cfg(test)]
mod tests;
mod until;
mod walking;

pub use error::StartError;
pub use quorate_store::DiskError;
pub use replica::{Replica, ShutDown, StartOptions};
pub use until::Ended;
