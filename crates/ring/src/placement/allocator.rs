//! Boundaries change hands when a node joins or leaves.
//!
//! A joining node takes boundaries over, one from each of as many equal arcs as it shall have vnodes, so that they
//! lie apart. The boundaries of a leaving node are dealt out one by one. Which boundary, and to whom, is the choice
//! of least cost ([`super::plan`]), looked for in a few sweeps: copies even out, and move once. Only
//! where a node would still carry too much do other boundaries follow.
//!
//! Why few moves are enough: where replicas differ within a walk, handing a boundary from one node to another that is
//! not among its near neighbours takes one replica of each partition affected out and brings one in.
//! Source: Dynamo (SOSP 2007) §6.2, strategy 3 (tokens stolen on join, dealt out on leave).

use std::ops::Range;

use quorate_types::PARTITIONS;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::member::Topology;
use crate::placement::plan::{Movement, Plan, Replicas};
use crate::placement::{COPIES_AIM, NOBODY, Vnodes};
use crate::preference;
use crate::share::{fair_shares, vnode_counts};

/// Times that all choices are looked at again, each in the light of the others.
const SWEEPS: usize = 3;

/// `vnodes` after `newcomer`, the one of `nodes` that holds none, has taken its share over.
pub(crate) fn joined(nodes: &Topology, mut vnodes: Vnodes, newcomer: u16) -> Vnodes {
    let before = replicas(nodes, &vnodes, nodes.len() - 1);
    let due = vnode_counts(nodes, &fair_shares(nodes, COPIES_AIM.min(nodes.len())))[usize::from(newcomer)];
    let taken = taken_evenly(&mut vnodes, newcomer, due);
    let plan = Plan::new(nodes, vnodes, Movement::Since { before, to_joiner: Some(newcomer) });
    let mut joining = Joining { plan, newcomer, taken };
    for _ in 0..SWEEPS {
        joining.sweep();
    }
    joining.plan.even_out();
    joining.plan.vnodes
}

/// `vnodes` of `nodes` after `gone` has left; the indexes of the result are those of `rest`, `nodes` without it.
pub(crate) fn left(nodes: &Topology, vnodes: &Vnodes, gone: u16, rest: &Topology) -> Vnodes {
    let renumbered = |&node: &u16| match node {
        NOBODY => NOBODY,
        node if node == gone => NOBODY,
        node => node - u16::from(node > gone),
    };
    let mut before = replicas(nodes, vnodes, nodes.len());
    before.iter_mut().flatten().for_each(|node| *node = renumbered(node));
    let freed: Vec<usize> = (0..PARTITIONS).filter(|&p| vnodes[p] == gone).collect();
    let mut plan =
        Plan::new(rest, vnodes.iter().map(renumbered).collect(), Movement::Since { before, to_joiner: None });
    for _ in 0..SWEEPS {
        deal_out(&mut plan, &freed, rest.len() as u16);
    }
    plan.even_out();
    plan.vnodes
}

/// `vnodes`, with the worst unevenness smoothed out by a few exchanges.
pub(crate) fn evened(nodes: &Topology, vnodes: Vnodes) -> Vnodes {
    let mut plan = Plan::new(nodes, vnodes, Movement::Free);
    for _ in 0..SWEEPS {
        plan.even_out();
    }
    plan.vnodes
}

fn deal_out(plan: &mut Plan, freed: &[usize], nodes: u16) {
    for &boundary in freed {
        if plan.is_exhausted() {
            return;
        }
        let best = (0..nodes).min_by_key(|&node| (plan.cost_with(boundary, node), lot(boundary, node)));
        plan.set(boundary, best.expect("the last member can't leave"));
    }
}

fn replicas(nodes: &Topology, vnodes: &Vnodes, holders: usize) -> Vec<Replicas> {
    let width = COPIES_AIM.min(holders);
    let padded = |row: &[u16]| std::array::from_fn(|i| row.get(i).copied().unwrap_or(NOBODY));
    preference::table(nodes, vnodes, width).chunks(width).map(padded).collect()
}

/// Decides between equals, so that they are not always the first.
fn lot(boundary: usize, node: u16) -> u64 {
    xxh3_64_with_seed(&boundary.to_le_bytes(), u64::from(node))
}

/// A boundary that the newcomer took, and who had it.
#[derive(Clone, Copy)]
struct Taken {
    boundary: usize,
    from: u16,
}

struct Joining<'a> {
    plan: Plan<'a>,
    newcomer: u16,
    /// What was taken in each arc, if anything.
    taken: Vec<Option<Taken>>,
}

/// Takes one boundary from each arc, the nearest to its middle: near enough to what is wanted for walks to be short.
fn taken_evenly(vnodes: &mut Vnodes, newcomer: u16, arcs: usize) -> Vec<Option<Taken>> {
    let mut held = vec![0; usize::from(NOBODY)];
    vnodes.iter().filter(|&&node| node != NOBODY).for_each(|&node| held[usize::from(node)] += 1);
    let mut take = |arc| {
        let Range { start, end } = span(arc, arcs);
        let spare = |&at: &usize| vnodes[at] == NOBODY || held[usize::from(vnodes[at])] > 1;
        let boundary = (start..end).filter(spare).min_by_key(|&at| at.abs_diff(start.midpoint(end)))?;
        let from = std::mem::replace(&mut vnodes[boundary], newcomer);
        if from != NOBODY {
            held[usize::from(from)] -= 1;
        }
        Some(Taken { boundary, from })
    };
    (0..arcs).map(&mut take).collect()
}

/// The boundaries of one of `arcs` equal parts of the ring.
fn span(arc: usize, arcs: usize) -> Range<usize> {
    arc * PARTITIONS / arcs..(arc + 1) * PARTITIONS / arcs
}

impl Joining<'_> {
    /// Every arc chooses again: any of its boundaries, or none.
    fn sweep(&mut self) {
        for arc in 0..self.taken.len() {
            if self.plan.is_exhausted() {
                return;
            }
            self.give_back(arc);
            if let Some(boundary) = self.best_of(span(arc, self.taken.len())) {
                self.take(arc, boundary);
            }
        }
    }

    fn best_of(&mut self, arc: Range<usize>) -> Option<usize> {
        let nothing = match self.plan.held(self.newcomer) {
            0 => i64::MAX,
            _ => self.plan.cost(),
        };
        let mut best = (nothing, u64::MAX, None);
        for boundary in arc {
            if self.may_take(boundary) {
                let cost = self.plan.cost_with(boundary, self.newcomer);
                best = best.min((cost, lot(boundary, self.newcomer), Some(boundary)));
            }
        }
        best.2
    }

    /// A boundary that nobody holds, or one of several that its node holds.
    fn may_take(&self, boundary: usize) -> bool {
        match self.plan.vnodes[boundary] {
            NOBODY => true,
            node => node != self.newcomer && self.plan.held(node) > 1,
        }
    }

    fn take(&mut self, arc: usize, boundary: usize) {
        self.taken[arc] = Some(Taken { boundary, from: self.plan.vnodes[boundary] });
        self.plan.set(boundary, self.newcomer);
    }

    fn give_back(&mut self, arc: usize) {
        if let Some(Taken { boundary, from }) = self.taken[arc].take() {
            self.plan.set(boundary, from);
        }
    }
}
