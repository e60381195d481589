//! A whole cluster in one thread on a virtual clock: the production `node`, `store`, `wal` and `wire` code over the
//! memory transport's network and simulated disks, from one seed.
//!
//! Invariants:
//! - nothing happens but through [`Cluster::step`], in the order of virtual time and then of the seed;
//! - everything random comes from the seed, so that the same seed gives the same [`Cluster::trace`];
//! - every message is encoded, sent as bytes and decoded, and every disk write goes through the log's own code;
//! - a shard takes turns as in production: everything that has come, then one end of the turn, then its effects.

mod accounts;
mod actions;
mod checkpoint;
pub mod client;
mod disks;
mod links;
mod network;
mod points;
mod replica;
mod spec;
mod turns;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_node::LinkId;
use quorate_ring::{Member, Ring};
use quorate_transport::memory::{LinkFaults, Network, Place};
use quorate_types::{KeyspaceId, Mono, NodeId, Now, PARTITIONS, PartitionId};
use quorate_wire::Response;

use crate::clocks::ClockError;
use crate::kernel::{Happening, Kernel, Trace};
use crate::observe::Passing;
use crate::random::Streams;
use actions::Action;
pub use client::{Heard, Put};
pub use disks::DiskImage;
use links::Links;
pub use points::Moment;
use replica::SimReplica;
pub use spec::{ClusterSpec, KeyspaceSpec, Repair, Tuning};
pub(crate) use views::counter_names;

/// The cluster, its network, its clock.
pub struct Cluster {
    spec: ClusterSpec,
    ring: Arc<Ring>,
    kernel: Kernel<Action>,
    replicas: Vec<SimReplica>,
    links: Links,
    network: Network,
    answers: BTreeMap<(u64, u64), Response>,
    /// Everything that clients were told, for whoever keeps a history.
    heard: Vec<Heard>,
    /// Nodes whose power went in the middle of something.
    dark: Vec<usize>,
    /// Nodes whose log has failed.
    failed: Vec<usize>,
    /// How often each way is cut.
    cut: BTreeMap<(usize, usize), usize>,
    /// Ways on which everything waits.
    clogged: BTreeSet<(usize, usize)>,
    /// Nodes that nobody dials until they have shown life.
    unseen: BTreeSet<usize>,
    /// Requests of the cluster's own client.
    numbers: u64,
    /// Messages, if somebody looks on.
    messages: Option<Vec<Passing>>,
}

/// Something did not come about within its bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not within {at_most:?} of virtual time: {what}")]
pub struct Late {
    /// What was waited for.
    pub what: String,
    /// How long.
    pub at_most: Duration,
}

impl Cluster {
    /// Starts all replicas and runs until each sees all others.
    ///
    /// # Panics
    /// If `spec` makes no cluster: [`ClusterSpec::check`].
    pub fn start(seed: u64, spec: ClusterSpec) -> Cluster {
        spec.check().expect("a specification that was checked");
        let streams = Streams::new(seed);
        let members: Vec<_> = (1..=spec.nodes).map(|k| Member::new(node_id(k), 1.0, None)).collect();
        let keyspaces: Vec<_> = spec.keyspaces.iter().map(|space| (space.id(), space.n)).collect();
        let hash_seed = streams.number("ring", &[]);
        let ring =
            Ring::build(hash_seed, &members, &keyspaces).expect("a checked specification makes a ring");
        let mut cluster = Cluster {
            ring: Arc::new(ring),
            kernel: Kernel::new(streams, spec.order, Mono(1_000_000_000)),
            replicas: (1..=spec.nodes).map(|k| SimReplica::new(k, streams, &spec)).collect(),
            links: Links::default(),
            network: Network::new(streams.number("network", &[]), LinkFaults::default()),
            answers: BTreeMap::new(),
            heard: Vec::new(),
            dark: Vec::new(),
            failed: Vec::new(),
            cut: BTreeMap::new(),
            clogged: BTreeSet::new(),
            unseen: BTreeSet::new(),
            numbers: 0,
            messages: None,
            spec,
        };
        for k in 1..=cluster.spec.nodes {
            cluster.restart(k);
        }
        cluster.run_for(Duration::from_secs(3));
        cluster
    }

    /// What it was made from.
    pub fn spec(&self) -> &ClusterSpec {
        &self.spec
    }

    /// The time, with the wall clock right.
    pub fn now(&self) -> Now {
        let mono = self.kernel.now();
        Now { mono, wall_ms: crate::clocks::WallClock::default().shows(mono) }
    }

    /// The time as node `k` sees it: its wall clock may be wrong.
    pub fn now_at(&self, k: usize) -> Now {
        let mono = self.kernel.now();
        Now { mono, wall_ms: self.replicas[k - 1].wall.shows(mono) }
    }

    /// From now on the wall clock of node `k` is wrong in this way.
    pub fn set_clock(&mut self, k: usize, error: ClockError) {
        let now = self.kernel.now();
        self.replica(k).wall.set(now, error);
    }

    /// What happened so far.
    pub fn trace(&self) -> &Trace {
        &self.kernel.trace
    }

    /// From now on what happens is kept for [`Cluster::take_sights`].
    pub fn keep_sights(&mut self) {
        self.kernel.trace.keep();
        self.messages = Some(Vec::new());
    }

    /// What happened, and the messages, since this was last asked.
    pub fn take_sights(&mut self) -> (Vec<Happening>, Vec<Passing>) {
        (self.kernel.trace.take(), self.messages.as_mut().map(std::mem::take).unwrap_or_default())
    }

    /// The first keyspace.
    pub fn keyspace(&self) -> KeyspaceId {
        self.spec.keyspaces[0].id()
    }

    /// The replicas of `key` in keyspace number `space`, nearest on the ring first, as node numbers from 1.
    pub fn replicas_in(&self, space: usize, key: &[u8]) -> Vec<usize> {
        let partition = self.ring.token(key).partition();
        let n = self.spec.keyspaces[space].n;
        self.ring.replicas(partition, n).iter().map(|id| self.number_of(*id)).collect()
    }

    /// The partition of `key`.
    pub fn partition_of(&self, key: &[u8]) -> PartitionId {
        self.ring.token(key).partition()
    }

    /// The same in the first keyspace.
    pub fn replicas_of(&self, key: &[u8]) -> Vec<usize> {
        self.replicas_in(0, key)
    }

    /// Whether all run and every bucket has the same digest on all its replicas, equal to one computed afresh.
    pub fn converged(&self) -> bool {
        self.replicas.iter().all(SimReplica::is_up)
            && self.spec.keyspaces.iter().all(|space| {
                (0..PARTITIONS as u16).map(PartitionId).all(|at| self.agrees((space.id(), space.n), at))
            })
    }

    fn agrees(&self, (keyspace, n): (KeyspaceId, usize), partition: PartitionId) -> bool {
        let owners = self.ring.replicas(partition, n);
        let mut digests =
            owners.iter().flat_map(|id| self.replicas[self.number_of(*id) - 1].digests(keyspace, partition));
        let first = digests.next();
        digests.all(|digest| Some(digest) == first)
    }

    /// Runs until `done`.
    ///
    /// # Errors
    /// If that takes more than `at_most` of virtual time.
    pub fn run_until(
        &mut self,
        what: &str,
        at_most: Duration,
        mut done: impl FnMut(&Cluster) -> bool,
    ) -> Result<(), Late> {
        let end = self.kernel.now() + at_most;
        self.kernel.at(end, Action::Nothing);
        while !done(self) {
            if self.kernel.now() >= end {
                return Err(Late { what: what.to_owned(), at_most });
            }
            self.step();
        }
        Ok(())
    }

    /// Runs until all copies are equal: [`Cluster::converged`].
    ///
    /// # Errors
    /// If that takes more than `at_most` of virtual time.
    pub fn run_until_converged(&mut self, at_most: Duration) -> Result<(), Late> {
        let end = self.kernel.now() + at_most;
        while !self.converged() {
            if self.kernel.now() >= end {
                return Err(Late { what: "all copies are equal".to_owned(), at_most });
            }
            self.run_for(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Runs for some virtual time.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.kernel.now() + time;
        self.kernel.at(end, Action::Nothing);
        while self.kernel.now() < end {
            self.step();
        }
    }

    /// Runs until `until`, or until a client was told something, a node lost its power or a log failed.
    pub fn run_until_news(&mut self, until: Mono) {
        self.kernel.at(until, Action::Nothing);
        let quiet = |cluster: &Cluster| {
            cluster.heard.is_empty() && cluster.dark.is_empty() && cluster.failed.is_empty()
        };
        while self.kernel.now() < until && quiet(self) {
            self.step();
        }
    }

    /// The next thing that happens, at its time; nothing, if there is nothing to come.
    pub fn step(&mut self) {
        let next = [self.kernel.next_at(), self.network.next_at(), self.next_timer()];
        let Some(at) = next.iter().flatten().min() else { return };
        self.kernel.advance_to(*at);
        let now = self.kernel.now();
        let due: Vec<usize> = (0..3).filter(|i| next[*i].is_some_and(|at| at <= now)).collect();
        match due[self.kernel.choose(due.len())] {
            0 => {
                if let Some(action) = self.kernel.take_due() {
                    self.act(action);
                }
            }
            1 => {
                if let Some(delivery) = self.network.poll(now) {
                    self.deliver(delivery.to, &delivery.frame);
                }
            }
            _ => self.tick_one(),
        }
    }

    fn next_timer(&self) -> Option<Mono> {
        self.replicas.iter().filter_map(SimReplica::next_timer).min()
    }

    /// One of the shards whose timers are due takes a turn.
    fn tick_one(&mut self) {
        let now = self.kernel.now();
        let due: Vec<(usize, usize)> = (1..=self.spec.nodes)
            .flat_map(|k| self.replicas[k - 1].shards_due(now).map(move |shard| (k, shard)))
            .collect();
        let (k, shard) = due[self.kernel.choose(due.len())];
        self.take_turn(k, self.replicas[k - 1].life, shard);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Nothing => {}
            Action::Turn { k, life, shard } => self.take_turn(k, life, shard),
            Action::Dial { from, to } => self.dial(from, to),
            Action::Synced { k, life } => self.log_synced(k, life),
            Action::Checkpoint { k, life } => self.checkpoint_on(k, life),
            Action::HintsSynced { k, life, target } => self.sync_hints(k, life, target),
            Action::Farewell { link } => self.bid_farewell(link),
        }
    }

    /// Takes something into the trace.
    fn note(&mut self, (node, shard): (usize, usize), what: &'static str, detail: [u64; 2]) {
        let at = self.kernel.now();
        self.kernel.trace.note(Happening { at, node, shard, what, detail });
    }

    /// The number of a node, from 1.
    fn number_of(&self, id: NodeId) -> usize {
        (1..=self.spec.nodes).find(|k| node_id(*k) == id).expect("a node of the cluster")
    }

    fn replica(&mut self, k: usize) -> &mut SimReplica {
        &mut self.replicas[k - 1]
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (now, trace) = (self.kernel.now(), self.trace().hash());
        f.debug_struct("Cluster").field("now", &now).field("trace", &trace).finish_non_exhaustive()
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

/// A frame with the link that it belongs to in front: the simulator's stand-in for a connection.
fn enveloped(link: LinkId, frame: &[u8]) -> Bytes {
    let mut bytes = link.0.to_be_bytes().to_vec();
    bytes.extend_from_slice(frame);
    bytes.into()
}
