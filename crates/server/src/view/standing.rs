//! Which peers are up, as all shards of this node together see it: a peer is down if any shard believes so, for then
//! some partitions do without it.
//!
//! The shards announce what changes; nobody asks them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use quorate_node::{DownReason, PeerChange};
use quorate_types::NodeId;

/// See the module.
#[derive(Debug)]
pub(crate) struct Standing {
    /// Why each shard believes a peer down, by peer and shard.
    peers: Mutex<BTreeMap<NodeId, Vec<Option<DownReason>>>>,
}

impl Standing {
    /// All of `peers` are down until every one of `shards` has seen them.
    pub(crate) fn new(peers: impl Iterator<Item = NodeId>, shards: usize) -> Standing {
        let unseen = |peer| (peer, vec![Some(DownReason::NotConnected); shards]);
        Standing { peers: Mutex::new(peers.map(unseen).collect()) }
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
}
