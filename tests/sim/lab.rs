//! A whole cluster in one thread on a virtual clock: the production `node`, `store`, `wal` and `wire` code over the
//! memory transport's network and simulated disks, from one seed.
//!
//! Invariants:
//! - nothing happens but through [`Lab::step`], in the order of virtual time and then of scheduling;
//! - everything random comes from the seed, so that the same seed gives the same [`Lab::trace`];
//! - every message is encoded, sent as bytes and decoded, and every disk write goes through the log's own code.

mod actions;
mod checkpoint;
pub mod client;
mod disks;
mod links;
mod replica;
mod tuning;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_coordinator::{KeyspacePolicy, ReadRepairPolicy};
use quorate_node::{Effects, Event, LinkId};
use quorate_ring::{Member, Ring};
use quorate_transport::memory::{Delay, LinkFaults, Network, Place};
use quorate_types::{KeyspaceId, Level, Mono, NodeId, Now, PARTITIONS, PartitionId};
use quorate_wire::Response;

pub use actions::Action;
use actions::Agenda;
pub use client::Heard;
use links::Links;
use replica::LabReplica;
pub use tuning::Tuning;

/// The keyspace that all scenarios use.
pub fn keyspace() -> KeyspaceId {
    KeyspaceId::of_name("default")
}

/// What a lab's cluster looks like.
#[derive(Clone, Debug)]
pub struct LabSpec {
    pub seed: u64,
    pub nodes: usize,
    pub shards: usize,
    pub policy: KeyspacePolicy,
    pub tuning: Tuning,
}

impl LabSpec {
    /// Four nodes, n = 3, QUORUM, blocking repair and handoff.
    pub fn new(seed: u64) -> LabSpec {
        let policy = KeyspacePolicy {
            n: 3,
            read_level: Level::Quorum,
            write_level: Level::Quorum,
            read_repair: ReadRepairPolicy::Blocking,
            hinted_handoff: true,
        };
        LabSpec { seed, nodes: 4, shards: 1, policy, tuning: Tuning::default() }
    }

    pub fn with_n(mut self, n: usize) -> LabSpec {
        self.policy.n = n;
        self
    }

    pub fn with_nodes(mut self, nodes: usize) -> LabSpec {
        self.nodes = nodes;
        self
    }

    pub fn with_shards(mut self, shards: usize) -> LabSpec {
        self.shards = shards;
        self
    }

    pub fn with_repair(mut self, repair: ReadRepairPolicy) -> LabSpec {
        self.policy.read_repair = repair;
        self
    }

    pub fn without_handoff(mut self) -> LabSpec {
        self.policy.hinted_handoff = false;
        self
    }
}

/// The cluster, its network, its clock.
pub struct Lab {
    spec: LabSpec,
    ring: Arc<Ring>,
    now: Mono,
    replicas: Vec<LabReplica>,
    links: Links,
    network: Network,
    agenda: Agenda,
    answers: BTreeMap<(u64, u64), Response>,
    /// Everything that clients were told, for whoever keeps a history.
    heard: Vec<Heard>,
    /// Nodes whose power went in the middle of something.
    dark: Vec<usize>,
    cut: BTreeSet<(usize, usize)>,
    /// Nodes that nobody dials until they have shown life.
    unseen: BTreeSet<usize>,
    sessions: u64,
    numbers: u64,
    trace: u64,
}

/// Wall time at the start, milliseconds.
const EPOCH_MS: u64 = 1_700_000_000_000;

impl Lab {
    /// Starts all replicas and runs until each sees all others.
    pub fn start(spec: LabSpec) -> Lab {
        let ids = (1..=spec.nodes).map(node_id);
        let members: Vec<_> = ids.map(|id| Member::new(id, 1.0, None)).collect();
        let keyspaces = [(keyspace(), spec.policy.n)];
        let ring = Arc::new(Ring::build(spec.seed, &members, &keyspaces).expect("a legal ring"));
        let replicas = (1..=spec.nodes).map(|k| LabReplica::new(k, &spec)).collect();
        let mut lab = Lab {
            network: Network::new(spec.seed, LinkFaults::default()),
            spec,
            ring,
            now: Mono(1_000_000_000),
            replicas,
            links: Links::default(),
            agenda: Agenda::default(),
            answers: BTreeMap::new(),
            heard: Vec::new(),
            dark: Vec::new(),
            cut: BTreeSet::new(),
            unseen: BTreeSet::new(),
            sessions: 0,
            numbers: 0,
            trace: 0,
        };
        for k in 1..=lab.spec.nodes {
            lab.restart(k);
        }
        lab.run_for(Duration::from_secs(3));
        lab
    }

    pub fn now(&self) -> Now {
        Now { mono: self.now, wall_ms: EPOCH_MS + self.now.0 / 1_000_000 }
    }

    /// The time as node `k` sees it: its wall clock may be wrong.
    pub fn now_at(&self, k: usize) -> Now {
        let wall_ms = self.now().wall_ms.saturating_add_signed(self.replicas[k - 1].wall_ahead_ms);
        Now { wall_ms, ..self.now() }
    }

    /// Sets how far the wall clock of node `k` is ahead (behind, if negative).
    pub fn set_clock(&mut self, k: usize, ahead_ms: i64) {
        self.replica(k).wall_ahead_ms = ahead_ms;
    }

    /// A hash over every event so far.
    pub fn trace(&self) -> u64 {
        self.trace
    }

    /// The network, to set faults and to read its statistics.
    pub fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    /// The replicas of `key`, nearest on the ring first, as node numbers from 1.
    pub fn replicas_of(&self, key: &[u8]) -> Vec<usize> {
        let partition = self.ring.token(key).partition();
        self.ring.replicas(partition, self.spec.policy.n).iter().map(|id| self.number_of(*id)).collect()
    }

    /// Whether every bucket has the same digest on all its replicas, and that digest equals one computed afresh.
    pub fn converged(&self) -> bool {
        (0..PARTITIONS as u16).map(PartitionId).all(|partition| {
            let owners = self.ring.replicas(partition, self.spec.policy.n);
            let mut digests = owners.iter().map(|id| {
                let replica = self.replicas.iter().find(|r| r.id == *id).expect("a node of the lab");
                replica.digest(partition)
            });
            let first = digests.next().expect("n >= 1");
            digests.all(|digest| digest == first)
        })
    }

    /// Runs until `done`; fails, naming `what` and the seed, if that takes more than `at_most` of virtual time.
    pub fn run_until(&mut self, what: &str, at_most: Duration, mut done: impl FnMut(&Lab) -> bool) {
        let end = self.now + at_most;
        while !done(self) {
            assert!(
                self.now < end,
                "not within {at_most:?} of virtual time: {what} (seed {})",
                self.spec.seed
            );
            self.step();
        }
    }

    /// Runs until all copies are equal: [`Lab::converged`].
    pub fn run_until_converged(&mut self, at_most: Duration) {
        let end = self.now + at_most;
        while !self.converged() {
            assert!(
                self.now < end,
                "copies differ after {at_most:?} of virtual time (seed {})",
                self.spec.seed
            );
            self.run_for(Duration::from_millis(50));
        }
    }

    /// Runs for some virtual time.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.agenda.at(end, Action::Nothing);
        while self.now < end {
            self.step();
        }
    }

    /// Cuts what `from` sends to `to`.
    pub fn cut(&mut self, from: usize, to: usize) {
        self.cut.insert((from, to));
        self.network.cut(node_id(from), node_id(to));
    }

    /// Heals what `from` sends to `to`.
    pub fn heal(&mut self, from: usize, to: usize) {
        self.cut.remove(&(from, to));
        self.network.heal(node_id(from), node_id(to));
    }

    /// Frames take 1 to 50 ms.
    pub fn slow_network(&mut self) {
        let (least, most) = (Duration::from_millis(1), Duration::from_millis(50));
        self.network
            .set_all_faults(LinkFaults { delay: Delay::Uniform { least, most }, ..LinkFaults::default() });
    }

    /// Cuts both directions between every node of `left` and every node of `right`.
    pub fn partition(&mut self, left: &[usize], right: &[usize]) {
        for (&a, &b) in left.iter().flat_map(|a| right.iter().map(move |b| (a, b))) {
            self.cut(a, b);
            self.cut(b, a);
        }
    }

    /// Undoes [`Lab::partition`].
    pub fn unite(&mut self, left: &[usize], right: &[usize]) {
        for (&a, &b) in left.iter().flat_map(|a| right.iter().map(move |b| (a, b))) {
            self.heal(a, b);
            self.heal(b, a);
        }
    }

    /// The next thing that happens, at its time.
    pub fn step(&mut self) {
        let next = [self.agenda.next_at(), self.network.next_at(), self.next_timer()];
        let at = next.into_iter().flatten().min().expect("replicas ping for ever");
        self.now = self.now.max(at);
        if let Some(action) = self.agenda.take_due(self.now) {
            self.act(action);
        } else if let Some(delivery) = self.network.poll(self.now) {
            self.deliver(delivery.to, &delivery.frame);
        } else {
            self.tick_due();
        }
    }

    fn next_timer(&self) -> Option<Mono> {
        self.replicas.iter().filter_map(LabReplica::next_timer).min()
    }

    fn tick_due(&mut self) {
        for k in 1..=self.spec.nodes {
            for shard in 0..self.replicas[k - 1].shards {
                if self.replicas[k - 1].timer_due(shard, self.now) {
                    self.feed(k, shard, Event::Tick);
                }
            }
        }
    }

    /// Gives one event to one shard and carries out what it wants done. A shard of a dead replica hears nothing, one
    /// of a paused replica hears it when it goes on.
    fn feed(&mut self, k: usize, shard: usize, event: Event) {
        let now = self.now_at(k);
        self.note(k, shard, &event);
        let Some(event) = self.replica(k).hold(shard, event) else { return };
        let mut out = Effects::new();
        if !self.replica(k).turn(shard, now, event, &mut out) {
            return;
        }
        self.carry_out(k, shard, &mut out);
    }

    fn note(&mut self, k: usize, shard: usize, event: &Event) {
        let what = format!("{} {k} {shard} {event:?}", self.now.0);
        self.trace = xxhash_rust::xxh3::xxh3_64_with_seed(what.as_bytes(), self.trace);
    }

    /// The number of a node, from 1.
    fn number_of(&self, id: NodeId) -> usize {
        (1..=self.spec.nodes).find(|k| node_id(*k) == id).expect("a node of the lab")
    }

    fn replica(&mut self, k: usize) -> &mut LabReplica {
        &mut self.replicas[k - 1]
    }
}

/// The id of node `k`.
pub fn node_id(k: usize) -> NodeId {
    NodeId::of_name(&format!("n{k}"))
}

/// The network's address of a shard.
fn place(k: usize, shard: usize) -> Place {
    Place { node: node_id(k), port: shard as u64 }
}

/// A frame with the link that it belongs to in front: the lab's stand-in for a connection.
fn enveloped(link: LinkId, frame: &[u8]) -> Bytes {
    let mut bytes = link.0.to_be_bytes().to_vec();
    bytes.extend_from_slice(frame);
    bytes.into()
}
