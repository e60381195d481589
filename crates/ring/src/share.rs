//! What each node should carry: fair shares of copies, and of vnodes.
//!
//! The fair share of a node is its part of the capacity, as far as the rules allow: a partition has at most one copy
//! on a node, and its copies spread over the zones in rounds. What a node or zone may not take, the others take in
//! proportion (water-filling). A small zone that every partition must visit takes more than its part.
//!
//! Invariants: shares add up to `min(n, nodes)` copies per partition (less rounding, 2⁻³² a node); no share is above
//! one copy; vnodes add up to the number of partitions.

use quorate_types::PARTITIONS;

use crate::member::Topology;

/// One copy of every partition, in the fixed-point unit of shares.
pub(crate) const ONE: u64 = 1 << 32;

/// Fewest and most copies of a partition that each zone takes when there are `n` copies.
pub(crate) fn zone_bounds(zone_sizes: &[usize], n: usize) -> Vec<(usize, usize)> {
    let within = |round: usize| zone_sizes.iter().map(|&size| size.min(round)).sum::<usize>();
    let rounds = (1..=n).take_while(|&round| within(round) <= n).last().unwrap_or(0);
    let begun = rounds + usize::from(within(rounds) < n);
    zone_sizes.iter().map(|&size| (size.min(rounds), size.min(begun))).collect()
}

/// The fair share of each node in copies per partition, unit [`ONE`].
pub(crate) fn fair_shares(nodes: &Topology, n: usize) -> Vec<u64> {
    let n = n.min(nodes.len());
    let zones = capacities_by_zone(nodes);
    let bounds = zone_bounds(&nodes.zone_sizes, n);
    let in_bounds = |level| -> Vec<u64> {
        let clamp = |(capacities, &(least, most)): (&Vec<u64>, &(usize, usize))| {
            total(capacities, level).clamp(least as u64 * ONE, most as u64 * ONE)
        };
        zones.iter().zip(&bounds).map(clamp).collect()
    };
    let level = highest_level(|level| in_bounds(level).iter().sum::<u64>() <= n as u64 * ONE);
    let targets = in_bounds(level);
    let zone_level =
        |(capacities, &target): (&Vec<u64>, &u64)| highest_level(|level| total(capacities, level) <= target);
    let levels: Vec<u128> = zones.iter().zip(&targets).map(zone_level).collect();
    (0..nodes.len()).map(|i| filled(nodes.capacities[i], levels[usize::from(nodes.zones[i])])).collect()
}

fn capacities_by_zone(nodes: &Topology) -> Vec<Vec<u64>> {
    let mut zones = vec![Vec::new(); nodes.zone_sizes.len()];
    for (&capacity, &zone) in nodes.capacities.iter().zip(&nodes.zones) {
        zones[usize::from(zone)].push(capacity);
    }
    zones
}

/// What a node of this capacity takes when the water stands at `level`: at most one copy.
fn filled(capacity: u64, level: u128) -> u64 {
    ((u128::from(capacity) * level) >> 32).min(u128::from(ONE)) as u64
}

fn total(capacities: &[u64], level: u128) -> u64 {
    capacities.iter().map(|&capacity| filled(capacity, level)).sum()
}

/// The highest level at which `fits`, which holds up to some level and not above; by bisection.
fn highest_level(fits: impl Fn(u128) -> bool) -> u128 {
    let (mut low, mut high) = (0, u128::from(ONE) << 32);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if fits(middle) { low = middle } else { high = middle - 1 }
    }
    low
}

/// How many vnodes each node should hold: all partitions, shared out in proportion to `shares`.
///
/// First among the zones, then within each, so that a zone that may stand at every third boundary gets a third.
pub(crate) fn vnode_counts(nodes: &Topology, shares: &[u64]) -> Vec<usize> {
    let of_zone = |zone: usize| (0..nodes.len()).filter(move |&i| usize::from(nodes.zones[i]) == zone);
    let totals: Vec<u64> =
        (0..nodes.zone_sizes.len()).map(|zone| of_zone(zone).map(|i| shares[i]).sum()).collect();
    let mut counts = vec![0; nodes.len()];
    for (zone, seats) in apportioned(&totals, &nodes.zone_sizes, PARTITIONS).into_iter().enumerate() {
        let within: Vec<u64> = of_zone(zone).map(|i| shares[i]).collect();
        let seats = apportioned(&within, &vec![1; within.len()], seats);
        of_zone(zone).zip(seats).for_each(|(i, count)| counts[i] = count);
    }
    counts
}

/// Shares out `seats` in proportion to `shares`, but to each at least its part of `least`, whose sum is not above.
///
/// The divisor method of Jefferson and D'Hondt: it makes the largest ratio of seats to share as small as it can be,
/// at most 1 + shares / seats, and when one more takes part nobody else's count rises.
fn apportioned(shares: &[u64], least: &[usize], seats: usize) -> Vec<usize> {
    let at = |level: u128| -> Vec<usize> {
        let one = |(&share, &least): (&u64, &usize)| {
            ((u128::from(share) * level) >> 64).max(least as u128) as usize
        };
        shares.iter().zip(least).map(one).collect()
    };
    let level = highest_level(|level| at(level).iter().sum::<usize>() <= seats);
    let mut counts = at(level);
    for _ in counts.iter().sum::<usize>()..seats {
        let average = |i: usize| (u128::from(shares[i]) << 64) / (counts[i] as u128 + 1);
        let next = (0..counts.len()).max_by_key(|&i| (average(i), std::cmp::Reverse(i)));
        counts[next.expect("a zone has a node")] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use quorate_types::NodeId;

    use super::*;
    use crate::Member;

    /// Shares in thousandths of a copy, rounded.
    fn shares(members: &[(f64, Option<&str>)], n: usize) -> Vec<u64> {
        let member = |(i, &(capacity, zone)): (usize, &(f64, Option<&str>))| {
            Member::new(NodeId(i as u32), capacity, zone.map(str::to_owned))
        };
        let members: Vec<Member> = members.iter().enumerate().map(member).collect();
        fair_shares(&Topology::of(&members), n).iter().map(|&share| (share * 1_000 + ONE / 2) / ONE).collect()
    }

    #[test]
    fn shares_are_parts_of_the_capacity() {
        assert_eq!(shares(&[(1.0, None), (2.0, None), (3.0, None), (4.0, None)], 1), [100, 200, 300, 400]);
        assert_eq!(shares(&[(1.0, None); 4], 3), [750; 4]);
    }

    #[test]
    fn a_node_takes_at_most_one_copy_and_the_others_take_the_rest() {
        let big = [(4.0, None), (1.0, None), (1.0, None), (1.0, None)];
        assert_eq!(shares(&big, 3), [1_000, 667, 667, 667]);
        assert_eq!(shares(&big, 7), [1_000; 4]);
    }

    #[test]
    fn a_small_zone_that_every_partition_visits_takes_more_than_its_part() {
        let zones = [(1.0, Some("a")), (1.0, Some("a")), (1.0, Some("a")), (1.0, Some("b"))];
        assert_eq!(shares(&zones, 2), [333, 333, 333, 1_000]);
        assert_eq!(shares(&zones, 3), [667, 667, 667, 1_000]);
    }

    #[test]
    fn zones_take_copies_in_rounds() {
        assert_eq!(zone_bounds(&[3, 3], 3), [(1, 2), (1, 2)]);
        assert_eq!(zone_bounds(&[3, 3], 4), [(2, 2), (2, 2)]);
        assert_eq!(zone_bounds(&[5, 1], 4), [(3, 3), (1, 1)]);
        assert_eq!(zone_bounds(&[2, 2, 2, 2], 3), [(0, 1); 4]);
        assert_eq!(zone_bounds(&[1, 1], 7), [(1, 1), (1, 1)]);
    }

    #[test]
    fn seats_go_by_highest_average_and_never_below_the_least() {
        assert_eq!(apportioned(&[ONE, ONE, ONE], &[1; 3], 10), [4, 3, 3]);
        assert_eq!(apportioned(&[53 * ONE, 24 * ONE, 23 * ONE], &[1; 3], 7), [4, 2, 1]);
        assert_eq!(apportioned(&[1_000, 1], &[1, 1], 10), [9, 1]);
    }
}
