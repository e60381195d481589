//! What the ring promises, checked on clusters drawn at random: up to 100 nodes of capacities 1 to 4, with and
//! without zones.

use std::collections::BTreeSet;

use proptest::prelude::*;
use quorate_ring::{Member, Ring, movement};
use quorate_types::{KeyspaceId, NodeId, PARTITIONS, PartitionId, limits::REPLICAS_MAX};

const SEED: u64 = 7;
const N: usize = 3;

fn ring(members: &[Member]) -> Ring {
    Ring::build(SEED, members, &[(KeyspaceId(1), N)]).expect("valid members")
}

fn node(number: usize) -> NodeId {
    NodeId::of_name(&format!("n{number}"))
}

fn zone(number: usize) -> String {
    format!("z{number}")
}

/// Nodes with capacities in quarters, from 1 to 4.
fn members(sizes: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<Member>> {
    proptest::collection::vec(4u32..=16, sizes).prop_map(|quarters| {
        let member = |(i, q): (usize, &u32)| Member::new(node(i), f64::from(*q) / 4.0, None);
        quarters.iter().enumerate().map(member).collect()
    })
}

/// The same, spread over 2 to 6 zones as evenly as their number allows.
fn zoned(sizes: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<Member>> {
    (members(sizes), 2usize..=6).prop_map(|(mut members, zones)| {
        members.iter_mut().enumerate().for_each(|(i, member)| member.zone = Some(zone(i % zones)));
        members
    })
}

/// Zones of any size, single nodes among them.
fn oddly_zoned(sizes: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<Member>> {
    (members(sizes), proptest::collection::vec(0usize..5, 100)).prop_map(|(mut members, zones)| {
        members.iter_mut().zip(zones).for_each(|(member, z)| member.zone = Some(zone(z * z / 4)));
        members
    })
}

fn any_members(sizes: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<Member>> {
    prop_oneof![members(sizes.clone()), zoned(sizes.clone()), oddly_zoned(sizes)]
}

fn largest_load(ring: &Ring) -> f64 {
    ring.ownership(N).iter().map(quorate_ring::Ownership::load).fold(0.0, f64::max)
}

fn fair_share(ring: &Ring, node: NodeId) -> f64 {
    ring.ownership(N).iter().find(|o| o.node == node).map_or(0.0, |o| o.fair_share)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 16 } else { 1_000 }))]

    #[test]
    fn no_node_carries_more_than_1_05_of_its_fair_share(members in prop_oneof![members(1..=100), zoned(1..=100)]) {
        let load = largest_load(&ring(&members));
        prop_assert!(load <= 1.05, "{load}");
    }

    #[test]
    fn a_join_moves_copies_to_the_new_node_alone_and_leaves_all_nodes_within_their_shares(
        members in members(2..=100),
    ) {
        let (newcomer, rest) = members.split_last().unwrap();
        let old = ring(rest);
        let new = old.join(newcomer.clone()).unwrap();
        let moves = movement(&old, &new, N);
        let elsewhere = moves.iter().filter(|step| step.to != newcomer.id).count();
        let least = fair_share(&new, newcomer.id);
        prop_assert!(elsewhere as f64 <= 0.05 * least, "{elsewhere} of {}", moves.len());
        prop_assert!(moves.len() as f64 <= 1.1 * least, "{} copies moved, {least} must", moves.len());
        prop_assert!(largest_load(&new) <= 1.05, "{}", largest_load(&new));
    }

    #[test]
    fn a_leave_moves_what_the_node_held_and_leaves_all_others_within_their_shares(
        members in members(2..=100), which in any::<prop::sample::Index>(),
    ) {
        let old = ring(&members);
        let gone = which.get(&members).id;
        let new = old.leave(gone).unwrap();
        let held = old.ownership(N).iter().find(|o| o.node == gone).unwrap().replica;
        let copies = |ring: &Ring| PARTITIONS * N.min(ring.members().len());
        let least = held + copies(&new) - copies(&old);
        let moved = movement(&old, &new, N).len();
        prop_assert!(moved as f64 <= 1.1 * least as f64, "{moved} copies moved, {least} must");
        prop_assert!(largest_load(&new) <= 1.05, "{}", largest_load(&new));
    }

    #[test]
    fn replicas_are_distinct_and_no_zone_comes_twice_before_every_zone_came_once(
        members in any_members(1..=40), n in 1usize..=9,
    ) {
        let ring = ring(&members);
        let zone_of = |id: &NodeId| ring.members().iter().find(|m| m.id == *id).unwrap().zone.clone();
        let zones: BTreeSet<_> = members.iter().filter_map(|m| m.zone.clone()).collect();
        for partition in PartitionId::all() {
            let replicas = ring.replicas(partition, n);
            prop_assert_eq!(replicas.len(), n.min(members.len()).min(REPLICAS_MAX));
            prop_assert_eq!(replicas.iter().collect::<BTreeSet<_>>().len(), replicas.len());
            let first: BTreeSet<_> = replicas.iter().take(zones.len()).filter_map(zone_of).collect();
            prop_assert_eq!(first.len(), replicas.len().min(zones.len()));
        }
    }

    #[test]
    fn replicas_are_the_next_distinct_nodes_clockwise(members in members(1..=30), from in 0..PARTITIONS) {
        let ring = ring(&members);
        let holders: Vec<NodeId> = ring.vnodes().map(|(_, node)| node).collect();
        let mut walk: Vec<NodeId> = Vec::new();
        for node in holders.iter().cycle().skip(from).take(PARTITIONS) {
            if !walk.contains(node) {
                walk.push(*node);
            }
        }
        walk.truncate(REPLICAS_MAX);
        prop_assert_eq!(ring.replicas(PartitionId(from as u16), REPLICAS_MAX), walk);
    }

    #[test]
    fn the_same_members_in_any_order_make_the_same_ring(
        (members, shuffled) in any_members(1..=20).prop_flat_map(|m| (Just(m.clone()), Just(m).prop_shuffle())),
    ) {
        let (one, other) = (ring(&members), ring(&shuffled));
        prop_assert_eq!(one.hash(), other.hash());
        prop_assert_eq!(&one, &other);
        prop_assert!(one.vnodes().eq(other.vnodes()));
    }

    #[test]
    fn members_with_their_tokens_make_the_ring_they_were_taken_from(members in any_members(2..=20)) {
        let (newcomer, rest) = members.split_last().unwrap();
        let grown = ring(rest).join(newcomer.clone()).unwrap();
        let again = ring(grown.members());
        prop_assert_eq!(again.hash(), grown.hash());
        prop_assert!(PartitionId::all().all(|p| again.replicas(p, 7) == grown.replicas(p, 7)));
    }

    #[test]
    fn what_is_carried_adds_up_and_shares_respect_distinct_nodes(members in any_members(1..=30), n in 1usize..=7) {
        let owned = ring(&members).ownership(n);
        let copies = PARTITIONS * n.min(members.len());
        prop_assert_eq!(owned.iter().map(|o| o.primary).sum::<usize>(), PARTITIONS);
        prop_assert_eq!(owned.iter().map(|o| o.vnodes).sum::<usize>(), PARTITIONS);
        prop_assert_eq!(owned.iter().map(|o| o.replica).sum::<usize>(), copies);
        let shares: f64 = owned.iter().map(|o| o.fair_share).sum();
        prop_assert!((shares - copies as f64).abs() < 0.01, "{shares} of {copies}");
        prop_assert!(owned.iter().all(|o| o.fair_share <= PARTITIONS as f64 && o.vnodes > 0));
    }
}

#[test]
fn a_cluster_grown_node_by_node_and_shrunk_again_stays_even() {
    let capacity = |i: usize| [1.0, 2.5, 4.0, 1.5][i % 4];
    let (start, end) = if cfg!(debug_assertions) { (3, 12) } else { (3, 100) };
    let mut current = ring(&(0..start).map(|i| Member::new(node(i), capacity(i), None)).collect::<Vec<_>>());
    for i in start..end {
        current = current.join(Member::new(node(i), capacity(i), None)).unwrap();
        assert!(largest_load(&current) <= 1.05, "{} with {} nodes", largest_load(&current), i + 1);
    }
    for i in (start..end).map(|i| i * 7 % (end - start)) {
        current = current.leave(node(i)).unwrap();
        assert!(largest_load(&current) <= 1.05, "{} after n{i} left", largest_load(&current));
    }
}
