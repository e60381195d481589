//! What the replicas hold.

use super::*;

impl Cluster {
    pub fn copy(&self, node: usize, key: &str) -> Option<Record> {
        let token = self.ring.token(key.as_bytes());
        let shard = &self.nodes[node].shards[token.partition().shard(self.plan.shards)].shard;
        shard.store().read(keyspace(), token, key.as_bytes()).ready().expect("memory answers at once")
    }

    pub fn copies(&self, key: &str) -> Vec<Option<String>> {
        self.replicas(key).iter().map(|&node| self.copy(node, key).map(|record| text(&record))).collect()
    }

    /// Partitions of which the replicas' buckets differ.
    pub fn differing(&self) -> Vec<PartitionId> {
        let digest = |id: NodeId, partition: PartitionId| {
            let shard = &self.nodes[self.index(id)].shards[partition.shard(self.plan.shards)].shard;
            let digest = shard.store().digest(keyspace(), partition);
            assert_eq!(digest, shard.store().recomputed_digest(keyspace(), partition));
            digest
        };
        let differs = |&partition: &PartitionId| {
            let replicas = self.ring.replicas(partition, self.plan.policy.n);
            replicas.iter().any(|&id| digest(id, partition) != digest(replicas[0], partition))
        };
        PartitionId::all().filter(differs).collect()
    }
}
