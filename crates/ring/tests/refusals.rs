//! What is no ring, and what two nodes must agree on.

use quorate_ring::{MEMBERS_MAX, Member, Ring, RingError};
use quorate_types::{KeyspaceId, NodeId, PARTITIONS, PartitionId};

const KEYSPACE: KeyspaceId = KeyspaceId(1);

fn member(id: u32) -> Member {
    Member::new(NodeId(id), 1.0, None)
}

fn three() -> Vec<Member> {
    [1, 2, 3].map(member).to_vec()
}

fn refused(members: &[Member], keyspaces: &[(KeyspaceId, usize)]) -> RingError {
    Ring::build(7, members, keyspaces).expect_err("this makes no ring")
}

#[test]
fn members_that_make_no_ring_are_refused_by_name() {
    assert_eq!(refused(&[], &[]), RingError::NoMembers);
    let many: Vec<Member> = (0..=MEMBERS_MAX as u32).map(member).collect();
    assert_eq!(refused(&many, &[]), RingError::TooManyMembers { count: 1025 });
    assert_eq!(refused(&[member(5), member(5)], &[]), RingError::MemberTwice { id: NodeId(5) });
    let mixed = [Member::new(NodeId(1), 1.0, Some("a".to_owned())), member(2)];
    assert_eq!(refused(&mixed, &[]), RingError::ZonesMixed { with: NodeId(1), without: NodeId(2) });
}

#[test]
fn a_capacity_must_be_finite_and_above_zero() {
    for capacity in [0.0, -1.0, f64::INFINITY] {
        let broken = Member::new(NodeId(9), capacity, None);
        assert_eq!(refused(&[broken], &[]), RingError::CapacityInvalid { id: NodeId(9), capacity });
    }
    let broken = Member::new(NodeId(9), f64::NAN, None);
    assert!(
        matches!(refused(&[broken], &[]), RingError::CapacityInvalid { capacity, .. } if capacity.is_nan())
    );
}

#[test]
fn capacities_far_apart_are_taken_and_every_node_gets_a_vnode() {
    let members = [(1, f64::MAX), (2, f64::MIN_POSITIVE), (3, 1.0), (4, 5e-324)];
    let members = members.map(|(id, capacity)| Member::new(NodeId(id), capacity, None));
    let ring = Ring::build(7, &members, &[]).unwrap();
    assert!(ring.ownership(3).iter().all(|o| o.vnodes > 0), "{:?}", ring.ownership(3));
}

#[test]
fn a_token_held_twice_or_beyond_the_ring_is_refused() {
    let mut members = three();
    members[0].tokens = vec![PartitionId(8)];
    members[2].tokens = vec![PartitionId(8)];
    let (partition, first, second) = (PartitionId(8), NodeId(1), NodeId(3));
    assert_eq!(refused(&members, &[]), RingError::TokenTwice { partition, first, second });
    let partition = PartitionId(PARTITIONS as u16);
    members[2].tokens = vec![partition];
    assert_eq!(refused(&members, &[]), RingError::TokenOutOfRange { id: NodeId(3), partition });
}

#[test]
fn a_keyspace_given_twice_or_with_an_impossible_n_is_refused() {
    let keyspace = KEYSPACE;
    assert_eq!(refused(&three(), &[(keyspace, 3), (keyspace, 2)]), RingError::KeyspaceTwice { keyspace });
    for n in [0, 8] {
        assert_eq!(refused(&three(), &[(keyspace, n)]), RingError::ReplicasInvalid { keyspace, n });
    }
}

#[test]
fn only_a_member_leaves_and_never_the_last() {
    let ring = Ring::build(7, &[member(1)], &[]).unwrap();
    assert_eq!(ring.leave(NodeId(2)).unwrap_err(), RingError::NotAMember { id: NodeId(2) });
    assert_eq!(ring.leave(NodeId(1)).unwrap_err(), RingError::NoMembers);
}

#[test]
fn a_sparse_ring_goes_clockwise_to_the_first_vnode() {
    let mut members = three();
    for (member, token) in members.iter_mut().zip([100, 200, 4000]) {
        member.tokens = vec![PartitionId(token)];
    }
    let ring = Ring::build(7, &members, &[(KEYSPACE, 2)]).unwrap();
    let (n1, n2, n3) = (NodeId(1), NodeId(2), NodeId(3));
    assert_eq!(ring.replicas(PartitionId(100), 2), [n1, n2]);
    assert_eq!(ring.replicas(PartitionId(101), 3), [n2, n3, n1]);
    assert_eq!(ring.replicas(PartitionId(4001), 9), [n1, n2, n3]);
    assert_eq!(ring.replicas(PartitionId(0), 0), []);
    assert!(ring.is_replica(PartitionId(101), 2, n3) && !ring.is_replica(PartitionId(101), 2, n1));
}

#[test]
fn a_join_on_a_ring_that_is_out_of_all_proportion_ends() {
    let zone = |id: u32| Some(format!("z{}", id.min(2)));
    let mut members: Vec<Member> = (1..=40).map(|id| Member::new(NodeId(id), 1.0, zone(id))).collect();
    let (first, rest) = members.split_at_mut(1);
    first[0].tokens = vec![PartitionId(0)];
    for (member, token) in rest.iter_mut().zip(1..) {
        member.tokens = vec![PartitionId(token)];
    }
    let ring = Ring::build(7, &members, &[(KEYSPACE, 3)]).unwrap();
    assert_eq!(ring.join(Member::new(NodeId(99), 1.0, zone(3))).unwrap().members().len(), 41);
}

/// Everything that the handshake must notice, one change each.
#[test]
fn the_hash_tells_rings_apart_that_must_not_serve_together() {
    let hash = |seed, members: &[Member], keyspaces: &[(KeyspaceId, usize)]| {
        Ring::build(seed, members, keyspaces).unwrap().hash()
    };
    let with = |change: fn(&mut Member)| {
        let mut members = three();
        change(&mut members[1]);
        hash(7, &members, &[(KEYSPACE, 3)])
    };
    let zones = |names: [&str; 3]| {
        let zoned = |(i, zone): (u32, &str)| Member::new(NodeId(i), 1.0, Some(zone.to_owned()));
        hash(7, &(1..).zip(names).map(zoned).collect::<Vec<_>>(), &[(KEYSPACE, 3)])
    };
    let mut hashes = vec![
        with(|_| {}),
        with(|member| member.id = NodeId(9)),
        with(|member| member.capacity = 1.000_001),
        hash(8, &three(), &[(KEYSPACE, 3)]),
        hash(7, &three(), &[(KEYSPACE, 2)]),
        hash(7, &three(), &[(KeyspaceId(2), 3)]),
        hash(7, &three(), &[(KEYSPACE, 3), (KeyspaceId(2), 3)]),
        hash(7, &three()[..2], &[(KEYSPACE, 3)]),
        zones(["a", "b", "c"]),
        zones(["a", "b", "d"]),
        zones(["a", "b", "a"]),
    ];
    let count = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), count);
}

#[test]
fn the_hash_covers_who_holds_which_token() {
    let ring = Ring::build(7, &three(), &[]).unwrap();
    let mut members = ring.members().to_vec();
    let swapped = (members[0].tokens[0], members[1].tokens[0]);
    (members[1].tokens[0], members[0].tokens[0]) = swapped;
    assert_ne!(Ring::build(7, &members, &[]).unwrap().hash(), ring.hash());
}

/// Two versions of this program in one cluster must place alike: a change here needs a protocol version.
#[test]
fn placement_is_frozen_because_data_lies_by_it() {
    let capacities = [1.0, 2.0, 3.0, 4.0, 1.5, 2.5];
    let plain: Vec<Member> =
        (1..).zip(capacities).map(|(id, capacity)| Member::new(NodeId(id), capacity, None)).collect();
    let zoned: Vec<Member> =
        plain.iter().cloned().map(|m| Member { zone: Some(format!("z{}", m.id.0 % 3)), ..m }).collect();
    let build = |members: &[Member]| Ring::build(7, members, &[(KEYSPACE, 3)]).unwrap();
    let grown = build(&zoned).join(Member::new(NodeId(7), 2.0, Some("z1".to_owned()))).unwrap();
    let shrunk = build(&plain).leave(NodeId(4)).unwrap();
    let hashes = [build(&plain), build(&zoned), grown, shrunk].map(|ring| ring.hash());
    assert_eq!(
        hashes,
        [0x813a_870a_e685_8cda, 0x1250_3c8c_cb2c_999d, 0x0b26_0e66_9f27_03bd, 0x8efa_5ba9_cc57_54ae],
        "{hashes:#x?}"
    );
}
