//! Prints how even rings are and what joins and leaves move: `cargo run -p quorate-ring --release --example balance`.
//!
//! `load` is the largest number of copies of any node over its fair share; `join` and `leave` are copies moved over
//! the least that could, and the largest load after it.
// An example may read the clock: it measures.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::time::Instant;

use quorate_ring::{Member, Ring, RingError, movement};
use quorate_types::{KeyspaceId, NodeId, PARTITIONS, PartitionId};

const N: usize = 3;

/// One cluster to measure.
struct Case {
    nodes: usize,
    capacities: &'static [f64],
    zones: usize,
}

const EVEN: &[f64] = &[1.0];
const MIXED: &[f64] = &[1.0, 2.0, 3.0, 4.0];
const ONE_BIG: &[f64] = &[4.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];

fn main() -> Result<(), RingError> {
    println!(
        "{:>5} {:>9} {:>5} | {:>8} {:>6} {:>6} {:>6} {:>6} | {:>6} {:>6} | {:>6} {:>6}",
        "nodes",
        "capacity",
        "zones",
        "build ms",
        "load",
        "n=1",
        "n=5",
        "peers",
        "join",
        "load",
        "leave",
        "load"
    );
    for capacities in [EVEN, MIXED, ONE_BIG] {
        for zones in [0, 2, 3, 5] {
            for nodes in [3, 4, 5, 6, 8, 10, 16, 32, 64, 100, 200] {
                measure(&Case { nodes, capacities, zones })?;
            }
        }
    }
    Ok(())
}

fn measure(case: &Case) -> Result<(), RingError> {
    let members: Vec<Member> = (0..case.nodes).map(|i| member(case, i)).collect();
    let started = Instant::now();
    let ring = Ring::build(7, &members, &[(KeyspaceId::of_name("default"), N)])?;
    let build_ms = started.elapsed().as_secs_f64() * 1e3;
    let grown = ring.join(member(case, case.nodes))?;
    let shrunk = ring.leave(members[case.nodes / 2].id)?;
    println!(
        "{:>5} {:>9} {:>5} | {:>8.1} {:>6.3} {:>6.3} {:>6.3} {:>6} | {:>6.3} {:>6.3} | {:>6.3} {:>6.3}",
        case.nodes,
        name(case.capacities),
        case.zones,
        build_ms,
        load(&ring, N),
        load(&ring, 1),
        load(&ring, 5),
        peers(&ring),
        moved_over_least(&ring, &grown),
        load(&grown, N),
        moved_over_least(&ring, &shrunk),
        load(&shrunk, N),
    );
    Ok(())
}

fn member(case: &Case, i: usize) -> Member {
    let zone = (case.zones > 0).then(|| format!("z{}", i % case.zones));
    Member::new(NodeId::of_name(&format!("n{i}")), case.capacities[i % case.capacities.len()], zone)
}

fn name(capacities: &[f64]) -> String {
    match capacities {
        [one] => one.to_string(),
        [first, second, ..] if first < second => "1..4".to_owned(),
        _ => "4,1,1..".to_owned(),
    }
}

fn load(ring: &Ring, n: usize) -> f64 {
    ring.ownership(n).iter().map(quorate_ring::Ownership::load).fold(0.0, f64::max)
}

/// With how many others the node with the fewest shares a partition.
fn peers(ring: &Ring) -> usize {
    let of = |node| {
        let mut peers: Vec<NodeId> = PartitionId::all()
            .map(|p| ring.replicas(p, N))
            .filter(|r| r.contains(&node))
            .flatten()
            .copied()
            .collect();
        peers.sort_unstable();
        peers.dedup();
        peers.len() - 1
    };
    ring.members().iter().map(|m| of(m.id)).min().unwrap_or(0)
}

/// The copies that must move at least: what the joining node shall hold; of the leaving one's, what has room
/// elsewhere.
fn moved_over_least(old: &Ring, new: &Ring) -> f64 {
    let joined = new.ownership(N).into_iter().find(|o| !old.contains(o.node)).map(|o| o.fair_share);
    let left = old.ownership(N).into_iter().find(|o| !new.contains(o.node));
    let copies = |ring: &Ring| PARTITIONS * N.min(ring.members().len());
    let room = |held: usize| (copies(new) + held - copies(old)) as f64;
    let least = joined.or(left.map(|o| room(o.replica))).unwrap_or(0.0);
    let moved = movement(old, new, N).len() as f64;
    if least == 0.0 && moved == 0.0 { 1.0 } else { moved / least }
}
