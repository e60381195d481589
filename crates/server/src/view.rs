//! What a node says of itself: its status, gathered from all shards, the ring as it sees it, and whether it is ready.

pub(crate) mod gathering;
pub(crate) mod news;
pub(crate) mod overview;
pub(crate) mod readiness;
pub(crate) mod standing;
pub(crate) mod status;
