//! HTTP clients: a `thread` of their own serves them, the `node` hands what they ask to the shard that owns it, and
//! `asks` knows there who waits for which answer. Operators have a thread too; `orders` carries out what they say.
//!
//! Why a thread: JSON, headers and a task per connection would be in the way of a shard's turns.

pub(crate) mod asks;
mod node;
mod orders;
pub(crate) mod thread;
