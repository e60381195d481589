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
use crate::share::fair_shares;

/// One unit of cost; also the unit of shares, one copy of one partition.
const UNIT: i64 = 1 << 16;
/// Copies per thousand of the aim above which a node gives some away ([`Plan::even_out`]); the promise is 1,050.
const FILLED_MAX: i64 = 1_040;
/// Cost of a moved copy that need not move: worth it where giver and taker are more than 4 % apart.
const WASTE: i64 = UNIT / 12;
/// Boundaries looked at before a plan stays as it is; a join at 200 nodes looks at 2 million.
const STEPS_MAX: u64 = 10_000_000;
/// The same for the replicas of one partition, on average, at the start. Only a ring whose vnodes are out of all
/// proportion to its zones has walks this long, and bad input must not hang a node.
const WALK_STEPS_MAX: u64 = 64;

/// The replicas of one partition, at most [`COPIES_AIM`]; the rest is [`NOBODY`].
pub(crate) type Replicas = [u16; COPIES_AIM];

/// Which moves of copies have a cost.
pub(crate) enum Movement {
    /// None: there are no copies yet.
    Free,
    /// Those since `before`, except to the node that joins.
    Since {
        /// Replicas before anything changed.
        before: Vec<Replicas>,
        /// The node to which copies may move for nothing.
        to_joiner: Option<u16>,
    },
}

impl Movement {
    fn has_cost(&self, partition: usize, node: u16) -> bool {
        match self {
            Movement::Free => false,
            Movement::Since { before, to_joiner } => {
                *to_joiner != Some(node) && !before[partition].contains(&node)
            }
        }
    }
}

pub(crate) struct Plan<'a> {
    nodes: &'a Topology,
    pub(crate) vnodes: Vnodes,
    n: usize,
    /// How many zones have a first, second, third node.
    zones_by_round: [usize; COPIES_AIM],
    copies: Tally,
    held: Tally,
    movement: Movement,
    wasted: i64,
    steps: u64,
    steps_max: u64,
}

impl<'a> Plan<'a> {
    /// A plan that starts from `vnodes`, held by `nodes`.
    pub(crate) fn new(nodes: &'a Topology, vnodes: Vnodes, movement: Movement) -> Plan<'a> {
        let n = COPIES_AIM.min(nodes.len());
        let shares = fair_shares(nodes, n);
        let zones_by_round =
            std::array::from_fn(|round| nodes.zone_sizes.iter().filter(|&&size| size > round).count());
        let mut plan = Plan {
            nodes,
            vnodes,
            n,
            zones_by_round,
            copies: Tally::towards(&shares, 1),
            held: Tally::towards(&shares, n as u64),
            movement,
            wasted: 0,
            steps: 0,
            steps_max: 0,
        };
        for partition in 0..PARTITIONS {
            plan.held.add(plan.vnodes[partition], 1);
            let replicas = plan.walk(partition).0;
            plan.add(partition, replicas, 1);
        }
        plan.steps_max = if plan.steps < WALK_STEPS_MAX * PARTITIONS as u64 { STEPS_MAX } else { 0 };
        plan
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
        self.steps > self.steps_max
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

    /// Hands boundaries of nodes that carry too much to nodes that carry too little, where that is worth its movement.
    pub(crate) fn even_out(&mut self) {
        for boundary in 0..PARTITIONS {
            let holder = self.vnodes[boundary];
            if holder == NOBODY
                || self.is_exhausted()
                || !self.copies.is_above(holder)
                || self.held(holder) == 1
            {
                continue;
            }
            let mut best = (self.cost(), holder);
            for node in self.takers(holder).into_iter().flatten() {
                best = best.min((self.cost_with(boundary, node), node));
            }
            self.set(boundary, best.1);
        }
    }

    /// The nodes that carry least: of all, and of the holder's zone.
    fn takers(&self, holder: u16) -> [Option<u16>; 2] {
        let zone = self.nodes.zone(holder);
        let all = 0..self.nodes.len() as u16;
        let least = |nodes: &mut dyn Iterator<Item = u16>| nodes.min_by_key(|&node| self.copies.filled(node));
        [least(&mut all.clone()), least(&mut all.filter(|&node| self.nodes.zone(node) == zone))]
    }

    fn add(&mut self, partition: usize, replicas: Replicas, sign: i64) {
        for node in replicas.into_iter().filter(|&node| node != NOBODY) {
            self.copies.add(node, sign);
            if self.movement.has_cost(partition, node) {
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

    /// Thousandths of the aim.
    fn filled(&self, node: u16) -> i64 {
        let i = usize::from(node);
        self.counts[i] * UNIT * 1_000 / self.aims[i]
    }

    fn is_above(&self, node: u16) -> bool {
        self.filled(node) > FILLED_MAX
    }

    fn deviation(&self, i: usize) -> i64 {
        let off = self.counts[i] * UNIT - self.aims[i];
        off * off / self.aims[i]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quorate_types::NodeId;

    use super::*;
    use crate::{Member, preference};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// The plan looks forward from one partition, the table is swept backward: two ways to one answer.
        #[test]
        fn walking_finds_what_the_table_says(
            zones in proptest::collection::vec(0u16..4, 1..9),
            holders in proptest::collection::vec(0usize..20, PARTITIONS),
        ) {
            let member = |(i, zone): (usize, &u16)| {
                Member::new(NodeId(i as u32), 1.0, (zones[0] > 0).then(|| zone.to_string()))
            };
            let members: Vec<Member> = zones.iter().enumerate().map(member).collect();
            let nodes = Topology::of(&members);
            let holder = |&i: &usize| if i < zones.len() { i as u16 } else { NOBODY };
            let mut vnodes: Vnodes = holders.iter().map(holder).collect();
            (0..zones.len()).for_each(|i| vnodes[i * 100] = i as u16);

            let width = COPIES_AIM.min(zones.len());
            let table = preference::table(&nodes, &vnodes, width);
            let mut plan = Plan::new(&nodes, vnodes, Movement::Free);
            for (partition, row) in table.chunks(width).enumerate() {
                prop_assert_eq!(&plan.walk(partition).0[..width], row);
            }
        }

        /// What is kept up to date along the way is what one would count at the end.
        #[test]
        fn a_plan_after_changes_is_the_plan_of_the_changed_vnodes(
            changes in proptest::collection::vec((0..PARTITIONS, 0u16..5), 1..40),
        ) {
            let members: Vec<Member> = (0..5).map(|i| Member::new(NodeId(i), 1.0, None)).collect();
            let nodes = Topology::of(&members);
            let vnodes: Vnodes = (0..PARTITIONS).map(|p| (p * p % 5) as u16).collect();
            let mut plan = Plan::new(&nodes, vnodes, Movement::Free);
            for (boundary, node) in changes {
                let told = plan.cost_with(boundary, node);
                plan.set(boundary, node);
                prop_assert_eq!(plan.cost(), told);
            }
            let anew = Plan::new(&nodes, plan.vnodes.clone(), Movement::Free);
            prop_assert_eq!(&anew.copies.counts, &plan.copies.counts);
            prop_assert_eq!(&anew.held.counts, &plan.held.counts);
            prop_assert_eq!(anew.cost(), plan.cost());
        }
    }
}
