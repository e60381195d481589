//! From vnodes to preference lists: the table that every request looks into.
//!
//! Walking clockwise from a partition, a zone gives its first node, then, when every zone that has nodes left gave
//! one, its second, and so on: list position is (round, distance). Any prefix of the list is the list for that `n`.
//!
//! The table is made in one sweep *against* the clock that keeps, per zone, its nodes by nearness: O(partitions ×
//! zones), however sparse the vnodes. Source: Dynamo (SOSP 2007) §4.3; zones as in Cassandra's
//! NetworkTopologyStrategy, but by rounds, so that four copies in two zones are two and two.

use quorate_types::PARTITIONS;

use crate::member::Topology;
use crate::placement::{NOBODY, Vnodes};

/// Per partition, `width` node indexes, nearest first; `width` is at most the number of nodes with a vnode.
pub(crate) fn table(nodes: &Topology, vnodes: &Vnodes, width: usize) -> Vec<u16> {
    let mut sweep = Sweep::new(nodes);
    let mut rows = vec![0; PARTITIONS * width];
    for at in (0..2 * PARTITIONS).rev() {
        let partition = at % PARTITIONS;
        if vnodes[partition] != NOBODY {
            sweep.pass(nodes.zone(vnodes[partition]), vnodes[partition], at);
        }
        if at < PARTITIONS {
            sweep.nearest(&mut rows[partition * width..][..width]);
        }
    }
    rows
}

/// Nodes by nearness, seen from a place that moves against the clock.
struct Sweep {
    /// Zones by their nearest node.
    zones: Vec<u16>,
    /// Each zone's nodes, nearest first.
    nodes: Vec<Vec<u16>>,
    /// Where each node was last seen.
    seen_at: Vec<usize>,
}

impl Sweep {
    fn new(nodes: &Topology) -> Sweep {
        let zones = nodes.zone_sizes.len();
        Sweep {
            zones: Vec::with_capacity(zones),
            nodes: vec![Vec::new(); zones],
            seen_at: vec![0; nodes.len()],
        }
    }

    fn pass(&mut self, zone: u16, node: u16, at: usize) {
        to_front(&mut self.zones, zone);
        to_front(&mut self.nodes[usize::from(zone)], node);
        self.seen_at[usize::from(node)] = at;
    }

    fn nearest(&self, row: &mut [u16]) {
        let first = self.zones.iter().map(|&zone| self.nodes[usize::from(zone)][0]);
        let mut filled = row.iter_mut().zip(first).map(|(place, node)| *place = node).count();
        for round in 1.. {
            if filled == row.len() {
                return;
            }
            let mut next: Vec<u16> = self.nodes.iter().filter_map(|zone| zone.get(round).copied()).collect();
            assert!(!next.is_empty(), "{} of {} replicas found among all vnodes", filled, row.len());
            next.sort_by_key(|&node| self.seen_at[usize::from(node)]);
            filled += row[filled..].iter_mut().zip(next).map(|(place, node)| *place = node).count();
        }
    }
}

fn to_front(list: &mut Vec<u16>, item: u16) {
    match list.iter().position(|&other| other == item) {
        Some(at) => list[..=at].rotate_right(1),
        None => list.insert(0, item),
    }
}
