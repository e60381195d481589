//! What each node should carry: fair shares of copies, and of vnodes.
//!
//! The fair share of a node is its part of the capacity, as far as the rules allow: a partition has at most one copy
//! on a node, and its copies spread over the zones in rounds. What a node or zone may not take, the others take in
//! proportion (water-filling). A small zone that every partition must visit takes more than its part.
//!
//! Invariants: shares add up to `min(n, nodes)` copies per partition (less rounding, 2⁻³² a node); no share is above
//! one copy; vnodes add up to the number of partitions.

use crate::member::Topology;

/// One copy of every partition, in the fixed-point unit of shares.
pub(crate) const ONE: u64 = 1 << 32;

/// Fewest and most copies of a partition that each zone takes when there are `n` copies.
pub(crate) fn zone_bounds(zone_sizes: &[usize], n: usize) -> Vec<(usize, usize)> {
    let within = |round: usize| zone_sizes.iter().map(|&size| size.min(round)).sum::<usize>();
    let rounds = (1..=n).take_while(|&round| within(round) <= n).last().unwrap_or(0);
    zone_sizes.iter().map(|&size| (size.min(rounds), size.min(rounds + 1))).collect()
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

/// Shares out `seats` vnodes in proportion to `shares`, at least one to each.
///
/// The divisor method of Jefferson and D'Hondt: it makes the largest ratio of vnodes to share as small as it can be,
/// at most 1 + nodes / seats, and when a node joins no other's count rises. `seats` is at least the number of shares.
pub(crate) fn apportioned(shares: &[u64], seats: usize) -> Vec<usize> {
    let at = |level: u128| -> Vec<usize> {
        shares.iter().map(|&share| ((u128::from(share) * level) >> 64).max(1) as usize).collect()
    };
    let level = highest_level(|level| at(level).iter().sum::<usize>() <= seats);
    let mut counts = at(level);
    for _ in counts.iter().sum::<usize>()..seats {
        let average = |i: usize| (u128::from(shares[i]) << 64) / (counts[i] as u128 + 1);
        let next = (0..counts.len()).max_by_key(|&i| (average(i), std::cmp::Reverse(i)));
        counts[next.expect("a ring has a node")] += 1;
    }
    counts
}
