//! What all shards of this node together see of the cluster: a peer is down if any shard believes so, for then some
//! partitions do without it; this node's clock is as far ahead as the shard says that finds it furthest.
//!
//! The shards announce what changes; nobody asks them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use quorate_node::{DownReason, PeerChange};
use quorate_types::NodeId;

/// See the module.
#[derive(Debug)]
pub(crate) struct Standing {
    /// Why each shard believes a peer down, by peer and shard.
    peers: Mutex<BTreeMap<NodeId, Vec<Option<DownReason>>>>,
    /// How far ahead each shard finds the clock, milliseconds; 0: not so far that it would refuse to stamp.
    clock_ahead_ms: Vec<AtomicU64>,
}

impl Standing {
    /// All of `peers` are down until every one of `shards` has seen them.
    pub(crate) fn new(peers: impl Iterator<Item = NodeId>, shards: usize) -> Standing {
        let unseen = |peer| (peer, vec![Some(DownReason::NotConnected); shards]);
        Standing {
            peers: Mutex::new(peers.map(unseen).collect()),
            clock_ahead_ms: (0..shards).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Shard `shard` saw `change`; what that changes for the node.
    pub(crate) fn changed(&self, shard: usize, change: PeerChange) -> Option<PeerChange> {
        let mut peers = self.lock();
        let views = peers.get_mut(&change.peer)?;
        let before = views.iter().flatten().next().is_some();
        views[shard] = change.down;
        let down = change.down.or_else(|| views.iter().flatten().next().copied());
        (before != down.is_some()).then_some(PeerChange { peer: change.peer, down })
    }

    /// The peers that are down.
    pub(crate) fn down(&self) -> Vec<NodeId> {
        let peers = self.lock();
        let down = peers.iter().filter(|(_, views)| views.iter().any(Option::is_some));
        down.map(|(peer, _)| *peer).collect()
    }

    /// Shard `shard` refuses to stamp because the clock is so far ahead of most nodes'; `None`: it stamps.
    pub(crate) fn clock_seen(&self, shard: usize, ahead_ms: Option<u64>) {
        let (told, ahead_ms) = (&self.clock_ahead_ms[shard], ahead_ms.unwrap_or(0));
        // Once per turn, and all but always the same: readers keep the line in their caches.
        if told.load(Ordering::Relaxed) != ahead_ms {
            told.store(ahead_ms, Ordering::Relaxed);
        }
    }

    /// How far ahead of most nodes' the clock is, milliseconds, if some shard refuses to stamp for that.
    pub(crate) fn clock_ahead_ms(&self) -> Option<u64> {
        let furthest = self.clock_ahead_ms.iter().map(|told| told.load(Ordering::Relaxed)).max();
        furthest.filter(|ahead_ms| *ahead_ms > 0)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Vec<Option<DownReason>>>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: NodeId = NodeId(2);

    fn seen(down: Option<DownReason>) -> PeerChange {
        PeerChange { peer: PEER, down }
    }

    #[test]
    fn a_peer_is_up_when_every_shard_sees_it_and_down_when_one_does_not() {
        let standing = Standing::new([PEER].into_iter(), 2);
        assert_eq!(standing.down(), [PEER]);
        assert_eq!(standing.changed(0, seen(None)), None);
        assert_eq!(standing.changed(1, seen(None)), Some(seen(None)));
        assert_eq!(standing.down(), []);
        let silent = seen(Some(DownReason::Silent));
        assert_eq!(standing.changed(1, silent), Some(silent));
        assert_eq!(standing.changed(0, silent), None, "known already");
        assert_eq!(standing.changed(1, seen(None)), None, "the other shard still misses it");
        assert_eq!(standing.down(), [PEER]);
        assert_eq!(standing.changed(0, PeerChange { peer: NodeId(9), down: None }), None, "no member");
    }

    #[test]
    fn the_clock_is_ahead_while_any_shard_says_so() {
        let standing = Standing::new([PEER].into_iter(), 2);
        assert_eq!(standing.clock_ahead_ms(), None);
        standing.clock_seen(1, Some(7_000));
        standing.clock_seen(0, Some(6_000));
        assert_eq!(standing.clock_ahead_ms(), Some(7_000));
        standing.clock_seen(1, None);
        assert_eq!(standing.clock_ahead_ms(), Some(6_000));
        standing.clock_seen(0, None);
        assert_eq!(standing.clock_ahead_ms(), None);
    }
}
