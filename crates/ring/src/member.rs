//! Who is on the ring: members as they are handed in, and as the placement sees them.
//!
//! Invariants of [`Topology`]:
//! - members are sorted by number and known by their index from there on, so the order of the input can't matter;
//! - every node has a zone: where none is named, each node is a zone of its own, so that "distinct zones first" is
//!   "distinct nodes" without a second rule;
//! - capacities are integers relative to the largest: what follows is exact on every machine.

use quorate_types::{NodeId, PARTITIONS, PartitionId};

use crate::RingError;
use crate::share::ONE;

/// Most nodes of one ring: with four partitions to a node, nothing could be balanced any more.
pub const MEMBERS_MAX: usize = 1024;

/// One node, as the ring needs to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its number, unique.
    pub id: NodeId,
    /// How much it should carry relative to the others; finite and above zero, in any unit.
    pub capacity: f64,
    /// What it fails together with; all members name one, or none does.
    pub zone: Option<String>,
    /// The boundaries it holds already and keeps; empty for a node that joins.
    pub tokens: Vec<PartitionId>,
}

impl Member {
    /// A node that holds no tokens yet.
    pub fn new(id: NodeId, capacity: f64, zone: Option<String>) -> Member {
        Member { id, capacity, zone, tokens: Vec::new() }
    }
}

/// The members by index: capacities and zones as numbers.
#[derive(Clone, Debug)]
pub(crate) struct Topology {
    pub(crate) ids: Vec<NodeId>,
    /// 1 to [`ONE`], relative to the largest.
    pub(crate) capacities: Vec<u64>,
    pub(crate) zones: Vec<u16>,
    /// Nodes per zone.
    pub(crate) zone_sizes: Vec<usize>,
}

impl Topology {
    /// Of members that [`checked`] has seen.
    pub(crate) fn of(members: &[Member]) -> Topology {
        let zones = zone_numbers(members);
        let mut zone_sizes = vec![0; zones.iter().max().map_or(0, |&last| usize::from(last) + 1)];
        for &zone in &zones {
            zone_sizes[usize::from(zone)] += 1;
        }
        let ids = members.iter().map(|m| m.id).collect();
        Topology { ids, capacities: relative(members), zones, zone_sizes }
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn zone(&self, node: u16) -> u16 {
        self.zones[usize::from(node)]
    }
}

fn relative(members: &[Member]) -> Vec<u64> {
    let largest = members.iter().map(|m| m.capacity).fold(f64::MIN_POSITIVE, f64::max);
    // One division and one multiplication, both exactly rounded by IEEE 754: the same integer everywhere.
    members.iter().map(|m| ((m.capacity / largest * ONE as f64) as u64).clamp(1, ONE)).collect()
}

fn zone_numbers(members: &[Member]) -> Vec<u16> {
    let mut names: Vec<&str> = members.iter().filter_map(|m| m.zone.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    let number = |(at, m): (usize, &Member)| match m.zone.as_deref() {
        Some(zone) => names.partition_point(|&name| name < zone) as u16,
        None => at as u16,
    };
    members.iter().enumerate().map(number).collect()
}

/// The members sorted by number, if they make a ring.
pub(crate) fn checked(members: &[Member]) -> Result<Vec<Member>, RingError> {
    if members.is_empty() {
        return Err(RingError::NoMembers);
    }
    if members.len() > MEMBERS_MAX {
        return Err(RingError::TooManyMembers { count: members.len() });
    }
    let mut sorted = members.to_vec();
    sorted.sort_by_key(|m| m.id);
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0].id == pair[1].id) {
        return Err(RingError::MemberTwice { id: twice[0].id });
    }
    sorted.iter().try_for_each(check_one)?;
    check_zones(&sorted)?;
    Ok(sorted)
}

fn check_one(member: &Member) -> Result<(), RingError> {
    let Member { id, capacity, ref tokens, .. } = *member;
    if !(capacity.is_finite() && capacity > 0.0) {
        return Err(RingError::CapacityInvalid { id, capacity });
    }
    match tokens.iter().find(|p| usize::from(p.0) >= PARTITIONS) {
        Some(&partition) => Err(RingError::TokenOutOfRange { id, partition }),
        None => Ok(()),
    }
}

fn check_zones(members: &[Member]) -> Result<(), RingError> {
    let with = members.iter().find(|m| m.zone.is_some());
    let without = members.iter().find(|m| m.zone.is_none());
    match (with, without) {
        (Some(with), Some(without)) => Err(RingError::ZonesMixed { with: with.id, without: without.id }),
        _ => Ok(()),
    }
}
