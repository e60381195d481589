//! A placement in the making: change one boundary and know what it costs.
//!
//! The cost is what balance and movement disagree about: the squared deviation of each node's copies from its fair
//! share, over that share, plus [`WASTE`] for each copy that moves to a node other than the one that joins; and, an
//! eighth as heavy, the deviation of vnodes, which evens out the first replicas where copies leave no choice.
//!
//! Invariants: `copies`, `held`, `wasted` and `cost` always follow from `vnodes`; only integers take part.

use quorate_types::PARTITIONS;

use crate::member::Topology;
use crate::placement::{COPIES_AIM, NOBODY, Vnodes};
use crate::share::{apportioned, fair_shares};

/// One unit of cost; also the unit of shares, one copy of one partition.
const UNIT: i64 = 1 << 16;
/// Cost of a moved copy that need not move: worth it where giver and taker are more than 2 % apart.
const WASTE: i64 = UNIT / 25;
/// Partitions walked over before a plan takes what it has. Reached only on rings whose zones are out of all
/// proportion to their vnodes, where a walk is long: bad input must not hang a node.
const STEPS_MAX: u64 = 50_000_000;

/// The replicas of one partition, at most [`COPIES_AIM`]; the rest is [`NOBODY`].
pub(crate) type Replicas = [u16; COPIES_AIM];

pub(crate) struct Plan<'a> {
    nodes: &'a Topology,
    pub(crate) vnodes: Vnodes,
    n: usize,
    /// How many zones have a first, second, third node.
    zones_by_round: [usize; COPIES_AIM],
    /// Vnodes that each node should hold, in whole ones.
    due: Vec<usize>,
    copies: Tally,
    held: Tally,
    /// Replicas before anything changed.
    before: Vec<Replicas>,
    /// The node to which copies may move for nothing.
    joiner: u16,
    wasted: i64,
    steps: u64,
}

impl<'a> Plan<'a> {
    /// A plan that starts from `vnodes`, held by `nodes`; movement is counted against `before`. Every zone of
    /// `nodes` has vnodes for as many nodes as `zone_sizes` says, or the plan is slow.
    pub(crate) fn new(nodes: &'a Topology, vnodes: Vnodes, before: Vec<Replicas>, joiner: u16) -> Plan<'a> {
        let n = COPIES_AIM.min(nodes.len());
        let shares = fair_shares(nodes, n);
        let due = apportioned(&shares, PARTITIONS);
        let (copies, held) = (Tally::towards(&shares, 1), Tally::towards(&shares, n as u64));
        let zones_by_round =
            std::array::from_fn(|round| nodes.zone_sizes.iter().filter(|&&size| size > round).count());
        let mut plan =
            Plan { nodes, vnodes, n, zones_by_round, due, copies, held, before, joiner, wasted: 0, steps: 0 };
        for partition in 0..PARTITIONS {
            plan.held.add(plan.vnodes[partition], 1);
            let replicas = plan.walk(partition).0;
            plan.add(partition, replicas, 1);
        }
        plan
    }

    /// How many vnodes `node` should hold.
    pub(crate) fn vnodes_due(&self, node: u16) -> usize {
        self.due[usize::from(node)]
    }

    /// How many vnodes `node` holds.
    pub(crate) fn held(&self, node: u16) -> i64 {
        self.held.counts[usize::from(node)]
    }

    pub(crate) fn cost(&self) -> i64 {
        self.copies.off + self.held.off / 8 + self.wasted * WASTE
    }

    /// Whether the work allowed is used up.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.steps > STEPS_MAX
    }

    /// Gives `boundary` to `node`, or to [`NOBODY`]. O(partitions affected), few unless vnodes are sparse.
    pub(crate) fn set(&mut self, boundary: usize, node: u16) {
        let old = self.vnodes[boundary];
        if old == node {
            return;
        }
        self.held.add(old, -1);
        self.held.add(node, 1);
        for back in 0..PARTITIONS {
            let partition = (boundary + PARTITIONS - back) % PARTITIONS;
            self.vnodes[boundary] = old;
            let (was, reach_was) = self.walk(partition);
            self.vnodes[boundary] = node;
            let (is, reach_is) = self.walk(partition);
            if reach_was.max(reach_is) < back {
                return;
            }
            if was != is {
                self.add(partition, was, -1);
                self.add(partition, is, 1);
            }
        }
    }

    /// What `set` would make of the cost.
    pub(crate) fn cost_with(&mut self, boundary: usize, node: u16) -> i64 {
        let old = self.vnodes[boundary];
        self.set(boundary, node);
        let cost = self.cost();
        self.set(boundary, old);
        cost
    }

    fn add(&mut self, partition: usize, replicas: Replicas, sign: i64) {
        for node in replicas.into_iter().filter(|&node| node != NOBODY) {
            self.copies.add(node, sign);
            if node != self.joiner && !self.before[partition].contains(&node) {
                self.wasted += sign;
            }
        }
    }

    /// The replicas of `partition`, and the distance from it to the furthest vnode looked at. The list is the first
    /// [`COPIES_AIM`] of [`crate::preference::table`], found by walking.
    fn walk(&mut self, partition: usize) -> (Replicas, usize) {
        let mut found = [NOBODY; COPIES_AIM];
        let (mut count, mut reach) = (0, 0);
        for round in 0..self.n {
            let wanted = self.n.min(count + self.zones_by_round[round]);
            let before_round = count;
            for distance in 0..PARTITIONS {
                if count == wanted {
                    break;
                }
                self.steps += 1;
                reach = reach.max(distance);
                let node = self.vnodes[(partition + distance) % PARTITIONS];
                if node != NOBODY && self.gives(node, &found[..count], before_round) {
                    found[count] = node;
                    count += 1;
                }
            }
        }
        (found, reach)
    }

    /// Whether `node` comes next: not yet found, nor another of its zone in this round.
    fn gives(&self, node: u16, found: &[u16], before_round: usize) -> bool {
        let zone = self.nodes.zone(node);
        !found.contains(&node) && found[before_round..].iter().all(|&other| self.nodes.zone(other) != zone)
    }
}

/// How many of something each node has, and how far that is off from what it should have.
struct Tally {
    counts: Vec<i64>,
    /// Unit [`UNIT`].
    aims: Vec<i64>,
    /// The sum of squared deviations, each over its aim, unit [`UNIT`].
    off: i64,
}

impl Tally {
    /// `shares` of all partitions, over `parts`.
    fn towards(shares: &[u64], parts: u64) -> Tally {
        let aim = |&share: &u64| ((share * PARTITIONS as u64 / parts) >> 16).cast_signed().max(UNIT);
        let mut tally =
            Tally { counts: vec![0; shares.len()], aims: shares.iter().map(aim).collect(), off: 0 };
        tally.off = (0..shares.len()).map(|i| tally.deviation(i)).sum();
        tally
    }

    fn add(&mut self, node: u16, count: i64) {
        if node != NOBODY {
            let i = usize::from(node);
            self.off -= self.deviation(i);
            self.counts[i] += count;
            self.off += self.deviation(i);
        }
    }

    fn deviation(&self, i: usize) -> i64 {
        let off = self.counts[i] * UNIT - self.aims[i];
        off * off / self.aims[i]
    }
}
