//! What is watched from inside while a run goes on: no copy ever goes back, not across a death of its replica either;
//! hints that count as durable are there after it.
//!
//! A copy is in memory only if its log record is on disk, so what was seen once must be there for ever.

use std::collections::BTreeMap;

use quorate_types::{NodeId, Version};

use super::record::{History, Key};
use super::report::Violation;
use crate::cluster::Cluster;

#[derive(Debug, Default)]
struct Seen {
    copies: BTreeMap<Key, Version>,
    hints: BTreeMap<NodeId, u64>,
    shards: Option<usize>,
    life: u64,
}

pub(super) struct Watch {
    nodes: Vec<Seen>,
    looks: u64,
    /// Operations before this have been looked at.
    looked: usize,
}

impl Watch {
    pub fn new(nodes: usize) -> Watch {
        Watch { nodes: (0..=nodes).map(|_| Seen::default()).collect(), looks: 0, looked: 0 }
    }

    pub fn shards_before(&self, k: usize) -> Option<usize> {
        self.nodes[k].shards
    }

    /// Looks every now and then at the copies of what clients asked for lately.
    pub fn look(&mut self, cluster: &Cluster, history: &History, wrong: &mut Vec<Violation>) {
        self.looks += 1;
        if !self.looks.is_multiple_of(16) {
            return;
        }
        let lately = self.looked.saturating_sub(64);
        self.looked = history.ops.len();
        for k in (1..self.nodes.len()).filter(|k| cluster.is_up(*k)) {
            history.ops[lately..].iter().for_each(|op| self.nodes[k].compare(k, cluster, &op.key, wrong));
        }
    }

    pub fn dying(&mut self, k: usize, cluster: &Cluster, history: &History, wrong: &mut Vec<Violation>) {
        history.keys().for_each(|key| self.nodes[k].compare(k, cluster, key, wrong));
        self.nodes[k].hints = cluster.durable_hints(k);
        self.nodes[k].shards = Some(cluster.shards(k));
        self.nodes[k].life = cluster.life(k);
    }

    pub fn started(&mut self, k: usize, cluster: &Cluster, history: &History, wrong: &mut Vec<Violation>) {
        history.keys().for_each(|key| self.nodes[k].compare(k, cluster, key, wrong));
        if self.nodes[k].life + 1 != cluster.life(k) {
            return; // it died unseen in between
        }
        let found = cluster.durable_hints(k);
        for (target, had) in &self.nodes[k].hints {
            let has = found.get(target).copied().unwrap_or(0);
            if has < *had {
                let what =
                    format!("n{k} had {had} durable hints for {target}, and has {has} after its return");
                wrong.push(Violation { key: None, what });
            }
        }
    }
}

impl Seen {
    fn compare(&mut self, k: usize, cluster: &Cluster, key: &Key, wrong: &mut Vec<Violation>) {
        let now = cluster.copy_in(key.space, k, key.name.as_bytes()).map(|record| record.newest());
        let before = self.copies.get(key).copied();
        if before > now {
            let what = format!("the copy of n{k} went back from {before:?} to {now:?}");
            wrong.push(Violation { key: Some(key.clone()), what });
        }
        if let Some(now) = now.filter(|now| before < Some(*now)) {
            self.copies.insert(key.clone(), now);
        }
    }
}
