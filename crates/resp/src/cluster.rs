//! What a cluster client is told, so that it spreads its requests over the coordinators.
//!
//! Any node takes any key, so a slot is not a place: it only says which door a client should knock at. Nobody is ever
//! sent elsewhere (`MOVED`, `ASK`), and a client that knocks at another door is served as well.
//!
//! Invariants:
//! - every slot has one door, however many nodes are down;
//! - while the same nodes are down, every node of one configuration gives the same answer;
//! - the slots of a door that is down go to the next one that is not, in the order of the nodes' numbers; all others
//!   stay where they were.
//!
//! Source: the Redis cluster specification (redis.io/docs/reference/cluster-spec): slots, hash tags, CRC16.

use std::fmt::Write;

use quorate_types::{ClusterId, NodeId};

use crate::encode::Writer;

/// Slots of a cluster; clients have the number built in.
pub(crate) const SLOTS: usize = 16_384;

/// Where a node takes Redis clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterDoor {
    /// The node.
    pub node: NodeId,
    /// Its host, as clients reach it.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// The doors among which the slots are divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterMap {
    cluster: ClusterId,
    own: NodeId,
    /// By number of the node; never empty.
    doors: Vec<ClusterDoor>,
}

/// What `CLUSTER` is asked for that depends on who is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClusterView {
    Slots,
    Shards,
    Nodes,
    Summary,
}

/// Slots that follow each other and have the same door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    from: usize,
    to: usize,
    door: usize,
}

impl ClusterMap {
    /// The door `own` of the asked node, and those of the others.
    pub fn new(cluster: ClusterId, own: ClusterDoor, others: Vec<ClusterDoor>) -> ClusterMap {
        let node = own.node;
        let mut doors = others;
        doors.push(own);
        doors.sort_by_key(|door| door.node);
        ClusterMap { cluster, own: node, doors }
    }

    /// The name of the asked node among cluster clients.
    pub(crate) fn own_id(&self) -> String {
        self.id(self.own)
    }

    /// 40 hexadecimal digits, as clients expect: the cluster's number, then the node's.
    fn id(&self, node: NodeId) -> String {
        format!("{:016x}{:024x}", self.cluster.0, node.0)
    }

    /// The slots in runs, in order; a door in `down` has none while another is up.
    fn runs(&self, down: &[NodeId]) -> Vec<Run> {
        let doors = self.doors.len();
        let mut runs: Vec<Run> = Vec::with_capacity(doors);
        for home in 0..doors {
            let (from, end) = (home * SLOTS / doors, (home + 1) * SLOTS / doors);
            let next = (home..home + doors).map(|at| at % doors);
            let door = next.into_iter().find(|&at| !down.contains(&self.doors[at].node)).unwrap_or(home);
            match runs.last_mut() {
                Some(last) if last.door == door => last.to = end - 1,
                _ => runs.push(Run { from, to: end - 1, door }),
            }
        }
        runs
    }

    /// Replies what `view` wants to know while the nodes of `down` are down.
    pub(crate) fn reply(&self, view: ClusterView, down: &[NodeId], w: &mut Writer<'_>) {
        match view {
            ClusterView::Slots => self.reply_slots(down, w),
            ClusterView::Shards => self.reply_shards(down, w),
            ClusterView::Nodes => w.verbatim(&self.nodes(down)),
            ClusterView::Summary => w.verbatim(&self.summary(down)),
        }
    }

    fn reply_slots(&self, down: &[NodeId], w: &mut Writer<'_>) {
        let runs = self.runs(down);
        w.array(runs.len());
        for Run { from, to, door } in runs {
            let ClusterDoor { node, host, port } = &self.doors[door];
            w.array(3);
            w.count(from as u64);
            w.count(to as u64);
            w.array(4);
            w.bulk(host.as_bytes());
            w.count(u64::from(*port));
            w.bulk(self.id(*node).as_bytes());
            w.array(0);
        }
    }

    fn reply_shards(&self, down: &[NodeId], w: &mut Writer<'_>) {
        let runs = self.runs(down);
        w.array(self.doors.len());
        for (at, door) in self.doors.iter().enumerate() {
            let own: Vec<&Run> = runs.iter().filter(|run| run.door == at).collect();
            w.map(2);
            w.bulk(b"slots");
            w.array(2 * own.len());
            for run in own {
                w.count(run.from as u64);
                w.count(run.to as u64);
            }
            w.bulk(b"nodes");
            w.array(1);
            self.reply_shard_node(door, down, w);
        }
    }

    fn reply_shard_node(&self, door: &ClusterDoor, down: &[NodeId], w: &mut Writer<'_>) {
        let health = if down.contains(&door.node) { "fail" } else { "online" };
        w.map(6);
        w.bulk(b"port");
        w.count(u64::from(door.port));
        for (name, text) in [
            ("id", self.id(door.node).as_str()),
            ("ip", &door.host),
            ("endpoint", &door.host),
            ("role", "master"),
            ("health", health),
        ] {
            w.bulk(name.as_bytes());
            w.bulk(text.as_bytes());
        }
    }

    fn nodes(&self, down: &[NodeId]) -> String {
        let (runs, mut text) = (self.runs(down), String::new());
        for (at, door) in self.doors.iter().enumerate() {
            let is_down = down.contains(&door.node);
            let myself = if door.node == self.own { "myself," } else { "" };
            let (fail, link) = if is_down { (",fail", "disconnected") } else { ("", "connected") };
            // There is no bus between the nodes' doors, no pings on it and no epochs: zeros.
            let ClusterDoor { node, host, port } = door;
            let _ = write!(text, "{} {host}:{port}@0 {myself}master{fail} - 0 0 0 {link}", self.id(*node));
            for run in runs.iter().filter(|run| run.door == at) {
                let _ = write!(text, " {}-{}", run.from, run.to);
            }
            text.push('\n');
        }
        text
    }

    fn summary(&self, down: &[NodeId]) -> String {
        let mut serving: Vec<usize> = self.runs(down).iter().map(|run| run.door).collect();
        serving.sort_unstable();
        serving.dedup();
        let fields = [
            ("cluster_slots_assigned", SLOTS),
            ("cluster_slots_ok", SLOTS),
            ("cluster_slots_pfail", 0),
            ("cluster_slots_fail", 0),
            ("cluster_known_nodes", self.doors.len()),
            ("cluster_size", serving.len()),
        ];
        let mut text = "cluster_state:ok\r\n".to_owned();
        for (name, value) in fields {
            let _ = write!(text, "{name}:{value}\r\n");
        }
        text
    }
}

/// The slot of a key: of its hash tag, what stands in the first braces, if that is something.
pub(crate) fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let len = rest.iter().position(|byte| *byte == b'}')?;
        (len > 0).then_some(&rest[..len])
    });
    crc16(tag.unwrap_or(key)) % SLOTS as u16
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| (crc << 8) ^ CRC16[usize::from((crc >> 8) as u8 ^ byte)])
}

const CRC16: [u16; 256] = {
    const POLYNOMIAL: u16 = 0x1021;
    let mut table = [0; 256];
    let mut at = 0;
    while at < table.len() {
        let (mut crc, mut bit) = ((at as u16) << 8, 0);
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ POLYNOMIAL };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn door(node: u32) -> ClusterDoor {
        ClusterDoor { node: NodeId(node), host: format!("10.0.0.{node}"), port: 7379 }
    }

    fn map(own: u32) -> ClusterMap {
        let others = (1..=4).rev().filter(|node| *node != own).map(door).collect();
        ClusterMap::new(ClusterId(7), door(own), others)
    }

    fn doors_of_slots(map: &ClusterMap, down: &[NodeId]) -> Vec<u32> {
        let runs = map.runs(down);
        let slots = runs.iter().flat_map(|run| vec![map.doors[run.door].node.0; run.to + 1 - run.from]);
        slots.collect()
    }

    #[test]
    fn all_slots_are_divided_evenly_and_every_node_says_the_same() {
        let slots = doors_of_slots(&map(1), &[]);
        assert_eq!(slots.len(), SLOTS);
        for node in 1..=4 {
            assert_eq!(slots.iter().filter(|door| **door == node).count(), SLOTS / 4);
            assert_eq!(doors_of_slots(&map(node), &[NodeId(3)]), doors_of_slots(&map(1), &[NodeId(3)]));
        }
    }

    #[test]
    fn the_slots_of_a_dead_node_go_to_the_next_and_all_others_stay() {
        let (before, after) = (doors_of_slots(&map(1), &[]), doors_of_slots(&map(1), &[NodeId(4)]));
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(*after, if *before == 4 { 1 } else { *before });
        }
        let two = doors_of_slots(&map(1), &[NodeId(2), NodeId(3)]);
        assert_eq!(two.iter().filter(|door| **door == 4).count(), 3 * SLOTS / 4);
        let all: Vec<NodeId> = (1..=4).map(NodeId).collect();
        assert_eq!(doors_of_slots(&map(1), &all), before, "nobody is better: they stay");
    }

    #[test]
    fn a_key_s_slot_is_that_of_its_tag() {
        assert_eq!(crc16(b"123456789"), 0x31c3, "the check value of CRC-16/XMODEM");
        assert_eq!(slot(b"foo"), 12_182, "from the cluster specification");
        assert_eq!(slot(b"{user1000}.following"), slot(b"user1000"));
        assert_eq!(slot(b"foo{bar}{zap}"), slot(b"bar"));
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{bar"));
        assert_ne!(slot(b"foo{}{bar}"), slot(b"bar"), "nothing in the first braces: the whole key");
    }

    proptest! {
        #[test]
        fn slots_are_those_that_another_implementation_computes(
            key in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'{'), Just(b'}')], 0..40)
        ) {
            prop_assert_eq!(slot(&key), redis_protocol::redis_keyslot(&key));
        }
    }
}
