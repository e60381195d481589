//! The cluster as its nodes see it, gathered by asking each of them at one time.

use std::time::Duration;

use quorate_client::{ClientError, Options, ring_of};
use quorate_types::{NodeId, PARTITIONS, PartitionId};
use quorate_wire::{NodeStatus, RingKeyspace, RingNode, RingView};

use crate::answer::Answer;
use crate::failure::{self, Asked};
use crate::session::Session;

/// How long a node has to say how it is.
const NODE_TIMEOUT: Duration = Duration::from_secs(1);

/// What every node says.
pub struct Overview {
    pub view: RingView,
    /// By the order of the ring's nodes; `None`: it did not answer.
    pub statuses: Vec<Option<NodeStatus>>,
}

/// One node, as the cluster sees it.
pub struct NodeLine<'a> {
    pub node: &'a RingNode,
    pub status: Option<&'a NodeStatus>,
    pub standing: Standing,
    /// Hints that the others hold for it.
    pub hints: u64,
    /// Since when it has been down, milliseconds, and why; as those say that see it so.
    pub down: Option<(u64, String)>,
}

/// Whether a node is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It answers, and all who answer send it requests.
    Up,
    /// It answers, but some believe it down; or it does not, and some believe it up.
    Suspect,
    /// It does not answer, and nobody sends it requests.
    Down,
}

/// How the cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All nodes are up and agree.
    Healthy,
    /// Some node is not, but every partition has the replicas that its levels need.
    Degraded,
    /// Some partition has not.
    Impaired,
}

/// Partitions of a keyspace by how many of their replicas are up.
pub struct Coverage<'a> {
    pub keyspace: &'a RingKeyspace,
    /// `up[k]`: partitions with k replicas up.
    pub up: Vec<usize>,
}

impl Overview {
    /// Asks all nodes.
    pub async fn gather(session: &Session, verb: &'static str) -> Result<Overview, Answer> {
        let options = Options::default().deadline(session.timeout);
        let asked = Asked { verb, key: None, level: None };
        let told = |error: &ClientError| failure::answer(asked, error, &session.names, &Vec::new());
        let view = session.client.ring(&options).await.map_err(|error| told(&error))?.value;
        let mut asking = Vec::new();
        for node in &view.nodes {
            let (client, number) = (session.client.clone(), node.node);
            let options = Options::default()
                .coordinator(number)
                .deadline(NODE_TIMEOUT.min(session.timeout))
                .without_retries();
            asking.push(tokio::spawn(
                async move { client.status(&options).await.ok().map(|reply| reply.value) },
            ));
        }
        let mut statuses = Vec::new();
        for answer in asking {
            statuses.push(answer.await.ok().flatten());
        }
        Ok(Overview { view, statuses })
    }

    /// The nodes in the order of their names.
    pub fn lines(&self) -> Vec<NodeLine<'_>> {
        let mut lines: Vec<_> = self
            .view
            .nodes
            .iter()
            .zip(&self.statuses)
            .map(|(node, status)| {
                let seen = self.seen(node.node);
                let believers = seen.iter().filter(|(alive, ..)| *alive).count();
                let standing = match (status.is_some(), believers == seen.len(), believers) {
                    (true, true, _) => Standing::Up,
                    (false, _, 0) => Standing::Down,
                    _ => Standing::Suspect,
                };
                let down = seen
                    .iter()
                    .filter(|(alive, ..)| !alive)
                    .map(|(_, since_ms, why)| (*since_ms, why.clone()))
                    .max();
                NodeLine { node, status: status.as_ref(), standing, hints: self.hints_for(node.node), down }
            })
            .collect();
        lines.sort_by(|a, b| a.node.name.cmp(&b.node.name));
        lines
    }

    /// How those that answered see `node`: alive, since when, why not.
    fn seen(&self, node: NodeId) -> Vec<(bool, u64, String)> {
        let peers = self.statuses.iter().flatten().flat_map(|status| &status.peers);
        let about = peers.filter(|peer| peer.node == node);
        about.map(|peer| (peer.alive, peer.since_ms, peer.why_down.clone().unwrap_or_default())).collect()
    }

    /// Durable hints that the nodes hold for `node`.
    pub fn hints_for(&self, node: NodeId) -> u64 {
        let hints = self.statuses.iter().flatten().flat_map(|status| &status.hints);
        hints.filter(|hint| hint.target == node).map(|hint| hint.durable).sum()
    }

    /// The hashes of the rings that the nodes compute, each with how many do.
    pub fn rings(&self) -> std::collections::BTreeMap<u64, usize> {
        let mut rings = std::collections::BTreeMap::new();
        for status in self.statuses.iter().flatten() {
            *rings.entry(status.ring_hash).or_default() += 1;
        }
        rings
    }

    /// For each keyspace: partitions by replicas that are up.
    pub fn coverage(&self) -> Vec<Coverage<'_>> {
        let Some(ring) = ring_of(&self.view) else { return Vec::new() };
        let lines = self.lines();
        let up: Vec<NodeId> =
            lines.iter().filter(|line| line.standing == Standing::Up).map(|line| line.node.node).collect();
        let count = |keyspace: &RingKeyspace| {
            let n = usize::from(keyspace.n);
            let mut counts = vec![0; n + 1];
            for partition in PartitionId::all() {
                let alive = ring.replicas(partition, n).iter().filter(|node| up.contains(node)).count();
                counts[alive.min(n)] += 1;
            }
            counts
        };
        self.view.keyspaces.iter().map(|keyspace| Coverage { keyspace, up: count(keyspace) }).collect()
    }

    /// How it all is.
    pub fn verdict(&self) -> Verdict {
        let coverage = self.coverage();
        if coverage.iter().any(|covered| covered.lacking() > 0) {
            return Verdict::Impaired;
        }
        let all_up = self.lines().iter().all(|line| line.standing == Standing::Up);
        let logs_work = self.statuses.iter().flatten().all(|status| status.wal.failed.is_none());
        if all_up && logs_work && self.rings().len() == 1 { Verdict::Healthy } else { Verdict::Degraded }
    }
}

impl Coverage<'_> {
    /// Partitions with fewer replicas up than the keyspace's levels need.
    pub fn lacking(&self) -> usize {
        let n = usize::from(self.keyspace.n);
        let needs = |level: quorate_types::Level| level.required(n).unwrap_or(n);
        let required = needs(self.keyspace.read).max(needs(self.keyspace.write));
        self.up.iter().take(required).sum()
    }

    /// Partitions with some, not all replicas up.
    pub fn reduced(&self) -> usize {
        PARTITIONS - self.up.last().copied().unwrap_or(0)
    }
}

impl Verdict {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Healthy => "healthy",
            Verdict::Degraded => "degraded",
            Verdict::Impaired => "impaired",
        }
    }
}

impl Standing {
    /// The letter of `kvctl nodes`, then N for a normal member.
    pub fn code(self) -> &'static str {
        match self {
            Standing::Up => "UN",
            Standing::Suspect => "SN",
            Standing::Down => "DN",
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Standing::Up => "up",
            Standing::Suspect => "suspect",
            Standing::Down => "down",
        }
    }
}

#[cfg(test)]
pub mod tests {
    use quorate_ring::{Member, Ring};
    use quorate_types::{ClusterId, Generation, KeyspaceId, Level};
    use quorate_wire::{HintStatus, KeyspaceStatus, PeerStatus, WalStatus};

    use super::*;

    fn number(k: usize) -> NodeId {
        NodeId::of_name(&format!("n{k}"))
    }

    fn view() -> RingView {
        let members: Vec<_> = (1..=4).map(|k| Member::new(number(k), 1.0, None)).collect();
        let ring = Ring::build(1, &members, &[(KeyspaceId::of_name("default"), 3)]).unwrap();
        let node = |k: usize| RingNode {
            node: number(k),
            name: format!("n{k}"),
            addr: format!("127.0.0.1:{}", 7371 + 10 * k),
            capacity: 1.0.into(),
            zone: None,
            alive: true,
            vnodes: ring.vnodes().filter(|(_, holder)| *holder == number(k)).map(|(at, _)| at).collect(),
            owned_partitions: 1024,
        };
        RingView {
            cluster: ClusterId::of_name("demo"),
            cluster_name: "demo".into(),
            ring_hash: 0xabc,
            hash_seed: 1,
            nodes: (1..=4).map(node).collect(),
            keyspaces: vec![RingKeyspace {
                id: KeyspaceId::of_name("default"),
                name: "default".into(),
                n: 3,
                read: Level::Quorum,
                write: Level::Quorum,
            }],
        }
    }

    fn status(k: usize, down: &[usize]) -> NodeStatus {
        let peer = |other: usize| PeerStatus {
            node: number(other),
            alive: !down.contains(&other),
            since_ms: 38_000,
            rtt_us: 210,
            in_flight: 0,
            why_down: down.contains(&other).then(|| "refused".to_owned()),
        };
        NodeStatus {
            node: number(k),
            name: format!("n{k}"),
            cluster: ClusterId::of_name("demo"),
            generation: Generation(7),
            uptime_ms: 250_000,
            shards: 2,
            ring_hash: 0xabc,
            peers: (1..=4).filter(|other| *other != k).map(peer).collect(),
            keyspaces: vec![KeyspaceStatus {
                id: KeyspaceId::of_name("default"),
                name: "default".into(),
                n: 3,
                keys: 1_200,
                tombstones: 3,
                bytes: 150_000,
            }],
            hints: down
                .iter()
                .map(|target| HintStatus {
                    target: number(*target),
                    durable: 400,
                    bytes: 60_000,
                    oldest_wall_ms: None,
                })
                .collect(),
            wal: WalStatus {
                sync: "always".into(),
                inline_sync: true,
                appended_lsn: 9,
                durable_lsn: 9,
                segments: 2,
                bytes: 1_000,
                syncs: 3,
                synced_records: 9,
                sync_us: 90,
                checkpoint: 1,
                replay_lsn: 1,
                failed: None,
            },
            counters: vec![("hints_taken".into(), 400)],
        }
    }

    /// Four nodes of which these do not answer.
    pub fn overview(down: &[usize]) -> Overview {
        let statuses = (1..=4).map(|k| (!down.contains(&k)).then(|| status(k, down))).collect();
        Overview { view: view(), statuses }
    }

    #[test]
    fn the_verdict_follows_from_the_replicas_that_the_levels_need() {
        assert_eq!(overview(&[]).verdict(), Verdict::Healthy);
        assert_eq!(overview(&[3]).verdict(), Verdict::Degraded);
        assert_eq!(overview(&[2, 3]).verdict(), Verdict::Impaired);
        let covered = overview(&[3]);
        let coverage = covered.coverage();
        assert_eq!((coverage[0].lacking(), coverage[0].up[0] + coverage[0].up[1]), (0, 0));
        assert_eq!(coverage[0].up.iter().sum::<usize>(), PARTITIONS);
        assert!((2_800..=3_300).contains(&coverage[0].reduced()), "{}", coverage[0].reduced());
    }

    #[test]
    fn a_node_that_answers_but_is_believed_down_is_suspect() {
        let mut overview = overview(&[]);
        overview.statuses[0].as_mut().unwrap().peers[2].alive = false;
        let standings: Vec<_> = overview.lines().iter().map(|line| line.standing).collect();
        assert_eq!(standings, [Standing::Up, Standing::Up, Standing::Up, Standing::Suspect]);
        assert_eq!(overview.verdict(), Verdict::Degraded);
    }
}
