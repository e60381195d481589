//! The snapshot that requests look into.
//!
//! Invariants:
//! - immutable; whoever holds an `Arc<Ring>` sees one consistent placement for as long as it holds it;
//! - the preference lists of all partitions are in one table, [`REPLICAS_MAX`] wide or as wide as there are nodes;
//! - `hash` covers whatever two nodes must agree on to serve together: members with capacity, zone and tokens, the
//!   seed of the token hash, the keyspaces with their `n`. Not: addresses, liveness, the order of the input.

use quorate_types::{KeyspaceId, NodeId, PARTITIONS, PartitionId, Token, limits::REPLICAS_MAX};
use xxhash_rust::xxh3::Xxh3;

use crate::member::{Topology, checked};
use crate::placement::{NOBODY, Vnodes, allocator, arranged, empty};
use crate::{Member, RingError, preference};

/// An immutable placement of all partitions on the members.
#[derive(Clone, Debug)]
pub struct Ring {
    seed: u64,
    /// Sorted by number, with the tokens they hold.
    members: Vec<Member>,
    pub(crate) nodes: Topology,
    vnodes: Vnodes,
    /// Sorted.
    keyspaces: Vec<(KeyspaceId, usize)>,
    /// `width` nodes per partition, nearest first.
    table: Vec<NodeId>,
    width: usize,
    hash: u64,
}

impl Ring {
    /// The ring of `members`, whose keys are hashed with `seed`, for keyspaces with their `n`.
    ///
    /// If no member holds tokens, all boundaries are shared out at once. Else those that hold some start with exactly
    /// these, and the others join them in the order of their numbers, as by [`Ring::join`]. The order of both inputs
    /// does not matter. Milliseconds of work; no ring on error.
    pub fn build(
        seed: u64,
        members: &[Member],
        keyspaces: &[(KeyspaceId, usize)],
    ) -> Result<Ring, RingError> {
        let members = checked(members)?;
        let keyspaces = checked_keyspaces(keyspaces)?;
        let (settled, newcomers): (Vec<Member>, Vec<Member>) =
            members.iter().cloned().partition(|member| !member.tokens.is_empty());
        let nodes = Topology::of(&members);
        let vnodes = if settled.is_empty() {
            allocator::evened(&nodes, arranged(&nodes))
        } else {
            after_joins(held_tokens(&settled)?, settled, newcomers)
        };
        Ok(Ring::of(seed, members, vnodes, keyspaces))
    }

    /// This ring and one more node, which takes its share of tokens over from the others.
    ///
    /// Nothing moves between the others, or next to nothing: see [`crate::movement`].
    pub fn join(&self, member: Member) -> Result<Ring, RingError> {
        let members: Vec<Member> = self.members.iter().cloned().chain([member]).collect();
        Ring::build(self.seed, &members, &self.keyspaces)
    }

    /// This ring without `node`, whose tokens are dealt out to the others.
    pub fn leave(&self, node: NodeId) -> Result<Ring, RingError> {
        let gone = self.index(node).ok_or(RingError::NotAMember { id: node })?;
        let mut members = self.members.clone();
        members.remove(usize::from(gone));
        let members = checked(&members)?;
        let vnodes = allocator::left(&self.nodes, &self.vnodes, gone, &Topology::of(&members));
        Ok(Ring::of(self.seed, members, vnodes, self.keyspaces.clone()))
    }

    fn of(seed: u64, mut members: Vec<Member>, vnodes: Vnodes, keyspaces: Vec<(KeyspaceId, usize)>) -> Ring {
        let nodes = Topology::of(&members);
        for member in &mut members {
            member.tokens.clear();
        }
        for (partition, &node) in PartitionId::all().zip(&vnodes).filter(|&(_, &node)| node != NOBODY) {
            members[usize::from(node)].tokens.push(partition);
        }
        let width = REPLICAS_MAX.min(nodes.len());
        let rows = preference::table(&nodes, &vnodes, width);
        let table = rows.into_iter().map(|node| nodes.ids[usize::from(node)]).collect();
        let hash = hashed(seed, &members, &keyspaces);
        Ring { seed, members, nodes, vnodes, keyspaces, table, width, hash }
    }

    /// The token of `key`.
    pub fn token(&self, key: &[u8]) -> Token {
        Token::of(key, self.seed)
    }

    /// The replicas of `partition`, nearest first.
    ///
    /// `n` distinct nodes, fewer only when the ring has fewer or `n` is above [`REPLICAS_MAX`]; no zone twice before
    /// every zone was used once. One table lookup, no allocation. The list for a smaller `n` is a prefix.
    ///
    /// Panics if `partition` is none of the [`PARTITIONS`].
    /// Source: Dynamo (SOSP 2007) §4.2–4.3.
    pub fn replicas(&self, partition: PartitionId, n: usize) -> &[NodeId] {
        let first = usize::from(partition.0) * self.width;
        &self.table[first..first + n.min(self.width)]
    }

    /// Whether `node` holds one of the `n` copies of `partition`.
    pub fn is_replica(&self, partition: PartitionId, n: usize, node: NodeId) -> bool {
        self.replicas(partition, n).contains(&node)
    }

    /// The replication factor of `keyspace`, if there is such a keyspace.
    pub fn n(&self, keyspace: KeyspaceId) -> Option<usize> {
        let at = self.keyspaces.binary_search_by_key(&keyspace, |&(id, _)| id).ok()?;
        Some(self.keyspaces[at].1)
    }

    /// The keyspaces with their `n`, sorted by number.
    pub fn keyspaces(&self) -> &[(KeyspaceId, usize)] {
        &self.keyspaces
    }

    /// What two nodes must agree on to serve together, in 64 bits.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The seed of the token hash.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The members, sorted by number, each with the tokens it holds: given to [`Ring::build`], they make this ring.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Whether `node` is a member.
    pub fn contains(&self, node: NodeId) -> bool {
        self.index(node).is_some()
    }

    /// The vnodes in ring order: the boundary and the node that holds it.
    pub fn vnodes(&self) -> impl Iterator<Item = (PartitionId, NodeId)> {
        let held = PartitionId::all().zip(&self.vnodes).filter(|&(_, &node)| node != NOBODY);
        held.map(|(partition, &node)| (partition, self.nodes.ids[usize::from(node)]))
    }

    pub(crate) fn index(&self, node: NodeId) -> Option<u16> {
        self.nodes.ids.binary_search(&node).ok().map(|at| at as u16)
    }
}

/// Two rings are equal when nodes that hold them may serve together.
impl PartialEq for Ring {
    fn eq(&self, other: &Ring) -> bool {
        (self.seed, &self.members, &self.keyspaces) == (other.seed, &other.members, &other.keyspaces)
    }
}

fn checked_keyspaces(keyspaces: &[(KeyspaceId, usize)]) -> Result<Vec<(KeyspaceId, usize)>, RingError> {
    let mut sorted = keyspaces.to_vec();
    sorted.sort_unstable();
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(RingError::KeyspaceTwice { keyspace: twice[0].0 });
    }
    match sorted.iter().find(|&&(_, n)| n == 0 || n > REPLICAS_MAX) {
        Some(&(keyspace, n)) => Err(RingError::ReplicasInvalid { keyspace, n }),
        None => Ok(sorted),
    }
}

/// The vnodes when `newcomers`, sorted, have joined the `settled` one after the other.
fn after_joins(held: Vnodes, settled: Vec<Member>, newcomers: Vec<Member>) -> Vnodes {
    let (mut vnodes, mut present) = (held, settled);
    for newcomer in newcomers {
        let at = present.partition_point(|member| member.id < newcomer.id);
        vnodes
            .iter_mut()
            .filter(|node| **node != NOBODY && usize::from(**node) >= at)
            .for_each(|node| *node += 1);
        present.insert(at, newcomer);
        vnodes = allocator::joined(&Topology::of(&present), vnodes, at as u16);
    }
    vnodes
}

fn held_tokens(members: &[Member]) -> Result<Vnodes, RingError> {
    let mut vnodes = empty();
    for (at, member) in members.iter().enumerate() {
        for &partition in &member.tokens {
            let holder = &mut vnodes[usize::from(partition.0)];
            if *holder != NOBODY {
                let first = members[usize::from(*holder)].id;
                return Err(RingError::TokenTwice { partition, first, second: member.id });
            }
            *holder = at as u16;
        }
    }
    Ok(vnodes)
}

/// Every part is preceded by its length or tag, so that no two different rings feed the same bytes.
fn hashed(seed: u64, members: &[Member], keyspaces: &[(KeyspaceId, usize)]) -> u64 {
    let mut hash = Xxh3::new();
    let mut number = |value: u64| hash.update(&value.to_le_bytes());
    number(PARTITIONS as u64);
    number(seed);
    number(keyspaces.len() as u64);
    for &(keyspace, n) in keyspaces {
        number(u64::from(keyspace.0));
        number(n as u64);
    }
    number(members.len() as u64);
    for member in members {
        hash_member(&mut hash, member);
    }
    hash.digest()
}

fn hash_member(hash: &mut Xxh3, member: &Member) {
    let zone = member.zone.as_deref().map(str::as_bytes);
    hash.update(&member.id.0.to_le_bytes());
    hash.update(&member.capacity.to_bits().to_le_bytes());
    hash.update(&zone.map_or(u64::MAX, |name| name.len() as u64).to_le_bytes());
    hash.update(zone.unwrap_or_default());
    hash.update(&(member.tokens.len() as u64).to_le_bytes());
    for token in &member.tokens {
        hash.update(&token.0.to_le_bytes());
    }
}
