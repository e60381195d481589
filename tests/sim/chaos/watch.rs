//! What is watched from inside while a run goes on: no copy ever goes back, not across a death of its replica either;
//! hints that count as durable are there after it.
//!
//! A copy is in memory only if its log record is on disk, so what was seen once must be there for ever.

use std::collections::BTreeMap;

use quorate_types::{NodeId, Version};

use super::history::History;
use crate::lab::Lab;

#[derive(Debug, Default)]
struct Seen {
    copies: BTreeMap<String, Version>,
    hints: BTreeMap<NodeId, u64>,
    shards: Option<usize>,
    life: u64,
}

pub struct Watch {
    nodes: Vec<Seen>,
    looks: u64,
}

type Wrong = Vec<(Option<String>, String)>;

impl Watch {
    pub fn new(nodes: usize) -> Watch {
        Watch { nodes: (0..=nodes).map(|_| Seen::default()).collect(), looks: 0 }
    }

    pub fn shards_before(&self, k: usize) -> Option<usize> {
        self.nodes[k].shards
    }

    /// Looks at all copies, every now and then.
    pub fn look(&mut self, lab: &Lab, history: &History, wrong: &mut Wrong) {
        self.looks += 1;
        if !self.looks.is_multiple_of(8) {
            return;
        }
        for k in (1..self.nodes.len()).filter(|k| lab.is_up(*k)) {
            self.compare(k, lab, history, wrong);
        }
    }

    pub fn dying(&mut self, k: usize, lab: &Lab, history: &History, wrong: &mut Wrong) {
        self.compare(k, lab, history, wrong);
        self.nodes[k].hints = lab.durable_hints(k);
        self.nodes[k].shards = Some(lab.shards(k));
        self.nodes[k].life = lab.life(k);
    }

    pub fn started(&mut self, k: usize, lab: &Lab, history: &History, wrong: &mut Wrong) {
        self.compare(k, lab, history, wrong);
        if self.nodes[k].life + 1 != lab.life(k) {
            return; // it died unseen in between
        }
        let found = lab.durable_hints(k);
        for (target, had) in &self.nodes[k].hints {
            let has = found.get(target).copied().unwrap_or(0);
            if has < *had {
                wrong.push((
                    None,
                    format!("n{k} had {had} durable hints for {target}, and has {has} after its return"),
                ));
            }
        }
    }

    fn compare(&mut self, k: usize, lab: &Lab, history: &History, wrong: &mut Wrong) {
        for key in history.keys() {
            let now = lab.copy(k, key.as_bytes()).map(|record| record.newest());
            let before = self.nodes[k].copies.get(&key).copied();
            if before > now {
                wrong.push((
                    Some(key.clone()),
                    format!("the copy of n{k} went back from {before:?} to {now:?}"),
                ));
            }
            if let Some(now) = now {
                self.nodes[k].copies.insert(key, now);
            }
        }
    }
}
