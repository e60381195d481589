//! What a node says of itself: its status, gathered from all shards, and the ring as it sees it.

pub(crate) mod gathering;
pub(crate) mod overview;
pub(crate) mod status;
