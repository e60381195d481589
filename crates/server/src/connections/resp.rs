//! Redis clients: the `door` takes them, a `reader` reads each on its shard, the `desk` feeds the machines of
//! `quorate-resp` and sends their replies, `clients` knows who is there, `half_commands` what they have not sent
//! to the end; a `sweep` looks for those that are overdue.

pub(crate) mod clients;
pub(crate) mod desk;
pub(crate) mod door;
pub(crate) mod half_commands;
mod reader;
mod refusals;
mod sweep;
