//! Redis clients: the `door` takes them, a `reader` reads each on its shard, the `desk` feeds the machines of
//! `quorate-resp` and sends their replies, `clients` knows who is there.

pub(crate) mod clients;
pub(crate) mod desk;
pub(crate) mod door;
mod reader;
