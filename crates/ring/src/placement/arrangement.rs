//! All boundaries shared out at once, among nodes that hold none.
//!
//! Each node gets its number of vnodes and each vnode a due time, evenly spaced and jittered by a hash, so that every
//! node has many different neighbours and its load, when it fails, goes to many. Then boundary by boundary the node
//! that is due first and may stand there takes it: earliest deadline first, with a distance to keep.
//!
//! Source: Pfair scheduling (Baruah et al., 1996) for due times by rate; riak_core's claim for the distance.

use quorate_types::{NodeId, PARTITIONS};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::member::Topology;
use crate::placement::{COPIES_AIM, Vnodes};
use crate::share::{fair_shares, vnode_counts, zone_bounds};

/// Distance between two vnodes of a node that is kept if there are enough nodes, for `n` above [`COPIES_AIM`].
const DISTANCE_WISHED: usize = 7;
/// Fixed-point unit of due times: one boundary.
const STEP: u64 = 1 << 20;

/// A full ring: every boundary held, vnodes in proportion to the fair shares.
pub(crate) fn arranged(nodes: &Topology) -> Vnodes {
    let copies = COPIES_AIM.min(nodes.len());
    let counts = vnode_counts(nodes, &fair_shares(nodes, copies));
    let zone_most = zone_bounds(&nodes.zone_sizes, copies).into_iter().map(|(_, most)| most).collect();
    let queue = nodes.ids.iter().zip(counts).map(|(&id, count)| Waiting::new(id, count)).collect();
    let mut desk = Desk { nodes, copies, zone_most, queue, placed: Vec::with_capacity(PARTITIONS) };
    (0..PARTITIONS).for_each(|_| desk.place_next());
    desk.placed
}

/// The vnodes of one node that wait for a place.
struct Waiting {
    id: NodeId,
    left: usize,
    placed: usize,
    /// Between two due times.
    gap: u64,
    due: u64,
    last_at: Option<usize>,
}

impl Waiting {
    fn new(id: NodeId, count: usize) -> Waiting {
        let gap = PARTITIONS as u64 * STEP / count.max(1) as u64;
        let mut waiting = Waiting { id, left: count, placed: 0, gap, due: 0, last_at: None };
        waiting.due = waiting.next_due();
        waiting
    }

    /// Evenly spaced, and jittered by as much as the distance to keep leaves room for.
    fn next_due(&self) -> u64 {
        let room = self.gap.saturating_sub(COPIES_AIM as u64 * STEP);
        let chance = xxh3_64_with_seed(&self.placed.to_le_bytes(), u64::from(self.id.0));
        let jitter = (u128::from(chance) * u128::from(room)) >> 64;
        self.placed as u64 * self.gap + jitter as u64
    }

    fn take(&mut self, at: usize) {
        self.left -= 1;
        self.placed += 1;
        self.last_at = Some(at);
        self.due = self.next_due();
    }
}

/// Hands boundaries out in ring order.
struct Desk<'a> {
    nodes: &'a Topology,
    copies: usize,
    zone_most: Vec<usize>,
    queue: Vec<Waiting>,
    placed: Vnodes,
}

/// How badly a node stands at a boundary; less is better.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Well,
    NearItself,
    BreaksReplicas,
}

impl Desk<'_> {
    fn place_next(&mut self) {
        let at = self.placed.len();
        let waiting = (0..self.queue.len()).filter(|&i| self.queue[i].left > 0);
        let next = waiting.min_by_key(|&i| (self.fit(i, at), self.queue[i].due, i));
        let next = next.expect("the counts add up to the number of partitions");
        self.queue[next].take(at);
        self.placed.push(next as u16);
    }

    fn fit(&self, node: usize, at: usize) -> Fit {
        let waiting = &self.queue[node];
        let distance = waiting.last_at.map_or(usize::MAX, |last| at - last);
        let wished = DISTANCE_WISHED.min((waiting.gap / STEP) as usize / 2);
        if distance < self.copies || self.zone_is_full(node) {
            Fit::BreaksReplicas
        } else if distance < wished {
            Fit::NearItself
        } else {
            Fit::Well
        }
    }

    fn zone_is_full(&self, node: usize) -> bool {
        let zone = self.nodes.zones[node];
        let recent = self.placed.iter().rev().take(self.copies - 1);
        recent.filter(|&&other| self.nodes.zone(other) == zone).count() >= self.zone_most[usize::from(zone)]
    }
}
