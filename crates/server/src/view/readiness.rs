//! Whether this node should be sent requests.
//!
//! It is ready if it does not drain, its log works, its clock is not so far ahead of most nodes' that it refuses to write
//! (most others' is not, so there is a better one to send to), and every keyspace's default levels can be met for *every*
//! partition with the nodes that it sees alive. For every partition and not for some, because whoever balances load
//! knows nothing of keys: a node that refuses a third of them is worse than one beside it that refuses none, and that is
//! the case this is for (a node that is cut off, or not connected yet). When too many nodes are down for everybody,
//! nobody is ready; what each can still do it does, for not being ready refuses nothing by itself.

use quorate_ring::Ring;
use quorate_types::{Level, NodeId, PARTITIONS, PartitionId};
use quorate_wire::RingKeyspace;

use crate::common::Common;

/// Why `common`'s node should get no requests, in words; nothing: it should.
pub(crate) fn reasons(common: &Common) -> Vec<String> {
    let draining = common.is_draining().then(|| "the node is shutting down".to_owned());
    let failed = common.failure().borrow().clone();
    let failed = failed.or_else(|| common.overview.log_stopped());
    draining.into_iter().chain(failed).chain(clock_ahead(common)).chain(too_few(common)).collect()
}

fn clock_ahead(common: &Common) -> Option<String> {
    common.standing.clock_ahead_ms().map(|ahead_ms| {
        format!(
            "the clock of this node, or its newest stamp, is {ahead_ms} ms ahead of most nodes' clocks, more than \
             clock_skew_max: new writes are refused before anything is sent, reads are answered; set the clock right; \
             a stamp that is ahead is left behind with time"
        )
    })
}

fn too_few(common: &Common) -> Vec<String> {
    let down = common.standing.down();
    if down.is_empty() {
        return Vec::new();
    }
    let names: Vec<String> = down.iter().map(|node| common.overview.name_of(*node)).collect();
    let keyspaces = common.overview.keyspaces().iter();
    keyspaces.flat_map(|keyspace| shortages(&common.ring, keyspace, &down, &names.join(", "))).collect()
}

fn shortages(ring: &Ring, keyspace: &RingKeyspace, down: &[NodeId], names: &str) -> Vec<String> {
    let n = usize::from(keyspace.n);
    let alive: Vec<usize> = PartitionId::all()
        .map(|at| ring.replicas(at, n).iter().filter(|node| !down.contains(node)).count())
        .collect();
    let shortage = |(what, level): (&str, Level)| {
        // A configuration with a level that can't be met at all is refused.
        let required = level.required(n).unwrap_or(n);
        let short = alive.iter().filter(|alive| **alive < required).count();
        let name = &keyspace.name;
        (short > 0).then(|| {
            format!(
                "keyspace {name}: a {what} at {level} needs {required} of {n} replicas, and {short} of {PARTITIONS} \
                 partitions have fewer alive; down: {names}"
            )
        })
    };
    [("read", keyspace.read), ("write", keyspace.write)].into_iter().filter_map(shortage).collect()
}

#[cfg(test)]
mod tests {
    use quorate_ring::Member;
    use quorate_types::KeyspaceId;

    use super::*;

    const NODES: [NodeId; 4] = [NodeId(1), NodeId(2), NodeId(3), NodeId(4)];

    fn keyspace(n: u8, read: Level, write: Level) -> RingKeyspace {
        RingKeyspace { id: KeyspaceId(7), name: "k".to_owned(), n, read, write }
    }

    fn said(keyspace: &RingKeyspace, down: &[NodeId]) -> Vec<String> {
        let members = NODES.map(|node| Member::new(node, 1.0, None));
        let ring = Ring::build(5, &members, &[(keyspace.id, usize::from(keyspace.n))]).unwrap();
        shortages(&ring, keyspace, down, "them")
    }

    #[test]
    fn one_node_of_four_is_not_missed_at_quorum_and_two_are() {
        let quorum = keyspace(3, Level::Quorum, Level::Quorum);
        assert_eq!(said(&quorum, &[NodeId(2)]), Vec::<String>::new());
        let two = said(&quorum, &[NodeId(2), NodeId(3)]);
        assert_eq!(two.len(), 2, "{two:?}");
        assert!(two[0].starts_with("keyspace k: a read at QUORUM needs 2 of 3 replicas, and "), "{two:?}");
        assert!(two[1].ends_with("partitions have fewer alive; down: them"), "{two:?}");
    }

    #[test]
    fn each_level_is_judged_by_itself() {
        let said = said(&keyspace(3, Level::One, Level::All), &[NodeId(2)]);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("a write at ALL needs 3 of 3 replicas"), "{said:?}");
    }
}
