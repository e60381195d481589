//! Who carries how much, beside what would be fair.

use quorate_types::{NodeId, PARTITIONS, PartitionId};

use crate::Ring;
use crate::share::{ONE, fair_shares};

/// What one node carries, in partitions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ownership {
    /// The node.
    pub node: NodeId,
    /// Boundaries that it holds.
    pub vnodes: usize,
    /// Partitions of which it is the nearest replica.
    pub primary: usize,
    /// Partitions of which it holds a copy, those as primary included.
    pub replica: usize,
    /// Copies that it should hold: its part of the capacity, as far as distinct nodes and zones allow.
    pub fair_share: f64,
}

impl Ownership {
    /// Copies held over the fair share: 1.0 is ideal, 1.05 the aim for n = 3.
    pub fn load(&self) -> f64 {
        self.replica as f64 / self.fair_share
    }
}

impl Ring {
    /// What each member carries when partitions have `n` copies, in the order of [`Ring::members`].
    pub fn ownership(&self, n: usize) -> Vec<Ownership> {
        let shares = fair_shares(&self.nodes, n);
        let member = |(member, share): (&crate::Member, u64)| Ownership {
            node: member.id,
            vnodes: member.tokens.len(),
            primary: 0,
            replica: 0,
            fair_share: share as f64 / ONE as f64 * PARTITIONS as f64,
        };
        let mut all: Vec<Ownership> = self.members().iter().zip(shares).map(member).collect();
        for partition in PartitionId::all() {
            let replicas = self.replicas(partition, n);
            replicas
                .iter()
                .filter_map(|&node| self.index(node))
                .for_each(|i| all[usize::from(i)].replica += 1);
            if let Some(i) = replicas.first().and_then(|&node| self.index(node)) {
                all[usize::from(i)].primary += 1;
            }
        }
        all
    }
}
