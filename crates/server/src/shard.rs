//! One shard: its thread, its turns, and what crosses to it from other threads.
//!
//! `turns` is the loop (take what is ready, feed the machine, carry out its effects); `inbox` is where everything
//! waits for it, as an `item`; `across` carries requests between the shards of a node and `admission` keeps room for
//! their answers; `log` is its way to the log that all shards share; `walking` its part of a checkpoint; `slow`
//! the log lines about requests that took long, `traced` those about traced ones.

pub(crate) mod across;
pub(crate) mod admission;
pub(crate) mod inbox;
pub(crate) mod item;
pub(crate) mod log;
pub(crate) mod slow;
pub(crate) mod thread;
pub(crate) mod traced;
pub(crate) mod turns;
pub(crate) mod walk_step;
pub(crate) mod walking;
