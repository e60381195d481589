//! Sockets: addresses are `bound` at the start, who comes while the node is `recovering` is told so; the `door` takes and greets them, `arrival` brings one to its shard, a `reader` reads it there, the `desk`
//! keeps a shard's open ones, the `gate` holds back what a shard can't take yet, `links` dials the peers. Redis clients have theirs in `resp`, HTTP clients in `http`.

pub(crate) mod arrival;
pub(crate) mod bound;
pub(crate) mod desk;
pub(crate) mod door;
pub(crate) mod gate;
pub(crate) mod http;
mod id;
pub(crate) mod links;
pub(crate) mod reader;
pub(crate) mod recovering;
pub(crate) mod resp;

pub(crate) use id::ConnectionId;
