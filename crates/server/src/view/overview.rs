//! What the driver knows that a status or a ring shows: names and addresses, the log, checkpoints, refused dials.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use quorate_ring::Ring;
use quorate_store::disk::Manifest;
use quorate_types::{NodeId, PartitionId};
use quorate_wal::{Marks, Stats, Wal};
use quorate_wire::{PeerStatus, RingKeyspace, RingNode, RingView, WalStatus};

use crate::config::{Config, KeyspaceConfig, NodeConfig};
use crate::shard::log::Inline;

/// See the module.
pub(crate) struct Overview {
    ring: RingView,
    wal: Wal,
    sync_policy: String,
    inline: Inline,
    pub(crate) resp_connections_max: u64,
    pub(crate) events_kept_max: usize,
    checkpoint: AtomicU64,
    replay_lsn: AtomicU64,
    /// Why the last dial to a peer came to nothing, in words; gone once one succeeds.
    dials: Mutex<BTreeMap<NodeId, String>>,
}

impl Overview {
    pub(crate) fn new(config: &Config, ring: &Ring, wal: Wal) -> Overview {
        Overview {
            ring: ring_view(config, ring),
            wal,
            sync_policy: config.wal.sync.to_string(),
            inline: Inline::of(&config.wal),
            resp_connections_max: config.resp.connections_max as u64,
            events_kept_max: config.http.events_kept_max,
            checkpoint: AtomicU64::new(0),
            replay_lsn: AtomicU64::new(0),
            dials: Mutex::default(),
        }
    }

    /// This checkpoint serves now.
    pub(crate) fn checkpointed(&self, manifest: &Manifest) {
        self.checkpoint.store(manifest.checkpoint, Ordering::Relaxed);
        self.replay_lsn.store(manifest.replay_point.get(), Ordering::Relaxed);
    }

    /// A dial to `peer` came to nothing; whether that is news.
    pub(crate) fn dial_failed(&self, peer: NodeId, why: &str) -> bool {
        let mut dials = self.dials.lock().unwrap_or_else(PoisonError::into_inner);
        let known = dials.get(&peer).is_some_and(|known| known == why);
        if !known {
            dials.insert(peer, why.to_owned());
        }
        !known
    }

    /// A dial to `peer` succeeded.
    pub(crate) fn dialled(&self, peer: NodeId) {
        self.dials.lock().unwrap_or_else(PoisonError::into_inner).remove(&peer);
    }

    /// The name of `node` in the configuration.
    pub(crate) fn name(&self, node: NodeId) -> Option<&str> {
        self.ring.nodes.iter().find(|member| member.node == node).map(|member| member.name.as_str())
    }

    /// The name of `node`, or its number.
    pub(crate) fn name_of(&self, node: NodeId) -> String {
        self.name(node).map_or_else(|| node.to_string(), ToOwned::to_owned)
    }

    /// The keyspaces.
    pub(crate) fn keyspaces(&self) -> &[RingKeyspace] {
        &self.ring.keyspaces
    }

    /// The ring, with the members of `down` marked.
    pub(crate) fn ring(&self, down: &[NodeId]) -> RingView {
        let mut ring = self.ring.clone();
        for member in &mut ring.nodes {
            member.alive = !down.contains(&member.node);
        }
        ring
    }

    /// Adds to a peer that is down what its refusal said.
    pub(crate) fn explain(&self, peer: &mut PeerStatus) {
        let dials = self.dials.lock().unwrap_or_else(PoisonError::into_inner);
        if let (false, Some(why)) = (peer.alive, dials.get(&peer.node)) {
            peer.why_down = Some(why.clone());
        }
    }

    /// What the log counts, and how far it is.
    pub(crate) fn wal_counts(&self) -> (Stats, Marks) {
        (self.wal.stats(), self.wal.marks())
    }

    /// Why the log takes nothing any more, if that is so.
    pub(crate) fn log_stopped(&self) -> Option<String> {
        self.wal.stopped().map(|error| error.to_string())
    }

    /// The log, as it is now.
    pub(crate) fn wal(&self) -> WalStatus {
        let (stats, marks) = (self.wal.stats(), self.wal.marks());
        let recent = self.wal.recent_sync();
        WalStatus {
            sync: self.sync_policy.clone(),
            inline_sync: self.inline.allows(recent),
            appended_lsn: marks.staged.get(),
            durable_lsn: marks.durable.get(),
            segments: stats.segments as u32,
            bytes: stats.retained_bytes,
            syncs: stats.syncs,
            synced_records: stats.batch_records,
            sync_us: recent.as_micros() as u32,
            checkpoint: self.checkpoint.load(Ordering::Relaxed),
            replay_lsn: self.replay_lsn.load(Ordering::Relaxed),
            failed: self.log_stopped(),
        }
    }
}

fn ring_view(config: &Config, ring: &Ring) -> RingView {
    let mut owned: BTreeMap<NodeId, u32> = BTreeMap::new();
    for partition in PartitionId::all() {
        *owned.entry(ring.replicas(partition, 1)[0]).or_default() += 1;
    }
    let mut nodes: Vec<RingNode> = config.nodes.iter().map(|node| member(node, ring, &owned)).collect();
    nodes.sort_by_key(|member| member.node);
    RingView {
        cluster: config.cluster_id(),
        cluster_name: config.cluster.name.clone(),
        ring_hash: ring.hash(),
        hash_seed: ring.seed(),
        nodes,
        keyspaces: config.keyspaces.iter().map(keyspace).collect(),
    }
}

fn member(node: &NodeConfig, ring: &Ring, owned: &BTreeMap<NodeId, u32>) -> RingNode {
    let number = node.number();
    RingNode {
        node: number,
        name: node.id.clone(),
        addr: node.addr.clone(),
        capacity: node.capacity.into(),
        zone: (!node.zone.is_empty()).then(|| node.zone.clone()),
        alive: true,
        vnodes: ring.vnodes().filter(|(_, holder)| *holder == number).map(|(at, _)| at).collect(),
        owned_partitions: owned.get(&number).copied().unwrap_or(0),
    }
}

fn keyspace(keyspace: &KeyspaceConfig) -> RingKeyspace {
    RingKeyspace {
        id: keyspace.number(),
        name: keyspace.name.clone(),
        n: keyspace.n as u8,
        read: keyspace.read,
        write: keyspace.write,
    }
}
