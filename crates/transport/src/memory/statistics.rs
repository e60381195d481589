//! What became of the frames.

use std::ops::AddAssign;

/// Counts of frames, of one directed link or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkStatistics {
    /// Given to the network.
    pub sent: u64,
    /// Bytes of them.
    pub sent_bytes: u64,
    /// Handed out at the other end, copies included.
    pub delivered: u64,
    /// Lost by chance, by a cut, or with their node, copies included.
    pub dropped: u64,
    /// Copies that the network made.
    pub duplicated: u64,
    /// Handed out after a frame that was sent later on the same way.
    pub reordered: u64,
}

impl AddAssign for NetworkStatistics {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.sent_bytes += other.sent_bytes;
        self.delivered += other.delivered;
        self.dropped += other.dropped;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
    }
}
