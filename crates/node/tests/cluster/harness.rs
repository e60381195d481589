//! The driver of the cluster: carries out effects, on virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_coordinator::{CoordinatorConfig, KeyspacePolicy, Origin, Sought, Tag};
use quorate_node::{
    DialFailure, Direction, Effects, Event, HintCommand, LinkId, LinkLoss, LinkPeer, Served, Shard,
    ShardConfig, SlowAnswer,
};
use quorate_ring::{Member, Ring};
use quorate_types::{
    Generation, KeyspaceId, Level, Mono, NodeId, Now, PartitionId, ReadOutcome, Record, SessionId, Version,
    WriteOutcome,
};
use quorate_wire::{
    ExpiryRequest, LinkEpoch, Message, PROTOCOL_MAX, Purpose, Request, RequestBody, Response, ResponseBody,
    decode, frame_of,
};

mod clients;
mod connections;
mod copies;
mod slow;

use crate::disk::Disk;
use crate::network::{Network, Place};

pub const HASH_SEED: u64 = 7;
pub const WALL_START_MS: u64 = 1_700_000_000_000;
const REDIAL: Duration = Duration::from_millis(300);

pub fn keyspace() -> KeyspaceId {
    KeyspaceId::of_name("default")
}

/// What the tests vary.
#[derive(Clone)]
pub struct Plan {
    pub seed: u64,
    pub shards: usize,
    pub policy: KeyspacePolicy,
    pub sync: Duration,
    pub tune: fn(&mut ShardConfig),
    /// What all nodes speak.
    pub protocol: u16,
    /// When an answer is slow: about half of all writes take longer than this.
    pub slow_after: Duration,
}

impl Plan {
    pub fn new(shards: usize) -> Plan {
        let sync = Duration::from_micros(200);
        Plan {
            seed: 1,
            shards,
            policy: KeyspacePolicy::default(),
            sync,
            tune: |_| (),
            protocol: PROTOCOL_MAX,
            slow_after: Duration::from_micros(450),
        }
    }
}

/// A request of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    session: u64,
    number: u64,
}

#[allow(clippy::struct_excessive_bools, reason = "four independent switches of the tests")]
pub struct Node {
    pub id: NodeId,
    shards: Vec<Machine>,
    pub up: bool,
    pub paused: bool,
    /// Whether it dials its peers by itself.
    pub dials: bool,
    pub wall_ahead_ms: u64,
    pub log_stalled: bool,
    pub disk: Disk,
    held: Vec<Happening>,
}

struct Machine {
    shard: Shard,
    effects: Effects,
}

#[derive(Clone)]
struct Happening {
    to: Place,
    /// The incarnation that it is for.
    generation: u64,
    what: What,
}

#[derive(Clone)]
enum What {
    Event(Event),
    Frame { connection: u64, frame: Bytes },
    Synced(u64),
    Hint(HintCommand),
    Dial { to: Place },
}

pub struct Cluster {
    pub plan: Plan,
    pub nodes: Vec<Node>,
    pub ring: Arc<Ring>,
    pub network: Network,
    now: Mono,
    queue: BTreeMap<(Mono, u64), Happening>,
    queued: u64,
    dialling: BTreeSet<(Place, Place)>,
    pub answers: BTreeMap<Asked, Vec<Response>>,
    next_number: u64,
    /// How long clients wait.
    pub patience_ms: u32,
    trace: u64,
    /// Writes that travelled between nodes, by purpose.
    pub writes_sent: BTreeMap<&'static str, u64>,
    /// What nodes did for traced requests.
    pub served: Vec<(usize, Served)>,
    /// What was asked for, by the request's number.
    sought: BTreeMap<u64, Sought>,
    /// What was said of slow requests.
    pub slow: Vec<SlowAnswer>,
}

impl Cluster {
    pub fn new(plan: Plan) -> Cluster {
        let ids = ["n1", "n2", "n3", "n4"].map(NodeId::of_name);
        let members = ids.map(|id| Member::new(id, 1.0, None));
        let ring = Ring::build(HASH_SEED, &members, &[(keyspace(), plan.policy.n)]).expect("four nodes");
        let nodes = ids.map(|id| Node {
            id,
            shards: Vec::new(),
            up: false,
            paused: false,
            dials: true,
            wall_ahead_ms: 0,
            log_stalled: false,
            disk: Disk::default(),
            held: Vec::new(),
        });
        let mut cluster = Cluster {
            network: Network::new(plan.seed),
            plan,
            nodes: nodes.into(),
            ring: Arc::new(ring),
            now: Mono(1_000_000),
            queue: BTreeMap::new(),
            queued: 0,
            dialling: BTreeSet::new(),
            answers: BTreeMap::new(),
            next_number: 0,
            patience_ms: 2_000,
            trace: 0xcbf2_9ce4_8422_2325,
            writes_sent: BTreeMap::new(),
            served: Vec::new(),
            sought: BTreeMap::new(),
            slow: Vec::new(),
        };
        (0..4).for_each(|node| cluster.start(node));
        cluster.run(Duration::from_secs(1));
        cluster
    }

    // ---- nodes ----

    /// Starts a node from its disk.
    pub fn start(&mut self, node: usize) {
        let shards = self.plan.shards;
        let (stores, clock_start) = self.nodes[node].disk.recover(HASH_SEED, shards);
        self.nodes[node].disk.generation += 1;
        let generation = Generation(self.nodes[node].disk.generation);
        let keyspaces = BTreeMap::from([(keyspace(), self.plan.policy)]);
        let slow_after = Some(self.plan.slow_after);
        let own = CoordinatorConfig::new(self.nodes[node].id);
        let coordinator = CoordinatorConfig { keyspaces, slow_after, ..own };
        let machines = stores.into_iter().enumerate().map(|(index, store)| {
            let mut config = ShardConfig::new(coordinator.clone(), generation, index, shards);
            (self.plan.tune)(&mut config);
            let shard = Shard::new(config, Arc::clone(&self.ring), store, clock_start);
            Machine { shard, effects: Effects::new() }
        });
        self.nodes[node].shards = machines.collect();
        self.nodes[node].up = true;
        let found: Vec<Event> = self.nodes[node]
            .disk
            .hints
            .iter()
            .map(|(&target, log)| Event::HintsFound { target, backlog: log.backlog() })
            .collect();
        for shard in 0..shards {
            let place = Place { node, shard };
            let events = found.iter().cloned().chain([Event::Tick]).map(What::Event).collect();
            self.turn(place, events);
        }
        if self.nodes[node].dials {
            self.dial_all(node);
        }
    }

    pub fn start_if_down(&mut self, node: usize) {
        if !self.nodes[node].up {
            self.start(node);
        }
    }

    pub fn dial_all(&mut self, node: usize) {
        for shard in 0..self.plan.shards {
            for peer in (0..4).filter(|&peer| peer != node) {
                self.dial_node(Place { node, shard }, peer, Duration::ZERO);
            }
        }
    }

    /// SIGKILL: its memory is gone, and its sockets are reset.
    pub fn kill(&mut self, node: usize) {
        let machine = &mut self.nodes[node];
        machine.up = false;
        machine.paused = false;
        machine.held.clear();
        machine.shards.clear();
        machine.disk.crash();
        self.dialling.retain(|(from, _)| from.node != node);
        let of_node = |c: &crate::network::Connection| c.from.node == node || c.to.node == node;
        let gone: Vec<u64> =
            self.network.connections.iter().filter(|(_, c)| of_node(c)).map(|(&id, _)| id).collect();
        for id in gone {
            self.drop_connection(id, LinkLoss::Reset);
        }
    }

    /// SIGSTOP.
    pub fn pause(&mut self, node: usize) {
        self.nodes[node].paused = true;
    }

    /// SIGCONT: what came meanwhile is taken now.
    pub fn resume(&mut self, node: usize) {
        self.nodes[node].paused = false;
        for happening in std::mem::take(&mut self.nodes[node].held) {
            self.push(Duration::ZERO, happening);
        }
    }

    /// The log stands still: what is appended is not synced until it goes on.
    pub fn unstall_log(&mut self, node: usize) {
        self.nodes[node].log_stalled = false;
        for shard in 0..self.plan.shards {
            self.turn(Place { node, shard }, vec![What::Event(Event::Tick)]);
        }
        for happening in std::mem::take(&mut self.nodes[node].held) {
            self.push(Duration::ZERO, happening);
        }
    }

    /// Hands an event to all shards of a node at once.
    pub fn tell(&mut self, node: usize, event: &Event) {
        for shard in 0..self.plan.shards {
            self.turn(Place { node, shard }, vec![What::Event(event.clone())]);
        }
    }

    pub fn shards(&self, node: usize) -> impl Iterator<Item = &Shard> {
        self.nodes[node].shards.iter().map(|machine| &machine.shard)
    }

    /// A counter of all shards of a node.
    pub fn counter(&self, node: usize, name: &str) -> u64 {
        let of = |shard: &Shard| *shard.status().counters.get(name).expect("a counter by this name");
        self.shards(node).map(of).sum()
    }

    pub fn all_counters(&self, name: &str) -> u64 {
        (0..4).filter(|&node| self.nodes[node].up).map(|node| self.counter(node, name)).sum()
    }

    /// Whether all shards of `observer` believe `peer` alive.
    pub fn sees_alive(&self, observer: usize, peer: usize) -> bool {
        let id = self.nodes[peer].id;
        self.shards(observer).all(|s| s.status().peers.iter().any(|view| view.node == id && view.alive))
    }

    pub fn hints_for(&self, holder: usize, target: usize) -> u64 {
        let log = self.nodes[holder].disk.hints.get(&self.nodes[target].id);
        log.map_or(0, |log| log.backlog().durable)
    }

    // ---- time ----

    pub fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.next_time().is_some_and(|at| at <= until) {
            self.step();
        }
        self.now = until;
    }

    /// Runs until `done`, at most `bound` of virtual time.
    pub fn run_until(&mut self, bound: Duration, mut done: impl FnMut(&Cluster) -> bool) {
        let until = self.now + bound;
        while !done(self) {
            assert!(self.now < until, "it has not come about within {bound:?}");
            self.run(Duration::from_millis(20));
        }
    }

    /// A hash of everything that was sent and answered so far, and when.
    pub fn trace(&self) -> u64 {
        self.trace
    }

    fn next_time(&self) -> Option<Mono> {
        let queued = self.queue.keys().next().map(|&(at, _)| at);
        queued.into_iter().chain(self.timers().map(|(at, _)| at)).min()
    }

    fn timers(&self) -> impl Iterator<Item = (Mono, Place)> {
        let running = self.nodes.iter().enumerate().filter(|(_, node)| node.up && !node.paused);
        running.flat_map(|(node, of)| {
            of.shards.iter().enumerate().filter_map(move |(shard, machine)| {
                Some((machine.shard.next_timer()?, Place { node, shard }))
            })
        })
    }

    /// One step of time: everything that is due at the next moment, one turn per shard.
    fn step(&mut self) {
        let at = self.next_time().expect("pings go on for ever").max(self.now);
        self.now = at;
        let mut turns: BTreeMap<Place, Vec<What>> = BTreeMap::new();
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= at) {
            let happening = entry.remove();
            let node = &mut self.nodes[happening.to.node];
            if node.up && happening.generation == node.disk.generation {
                match happening.what {
                    _ if node.paused => node.held.push(happening),
                    What::Synced(_) if node.log_stalled => node.held.push(happening),
                    what => turns.entry(happening.to).or_default().push(what),
                }
            }
        }
        let due: Vec<Place> =
            self.timers().filter(|&(timer, _)| timer <= at).map(|(_, place)| place).collect();
        for place in due {
            turns.entry(place).or_default().push(What::Event(Event::Tick));
        }
        for (place, whats) in turns {
            self.turn(place, whats);
        }
    }

    fn turn(&mut self, place: Place, whats: Vec<What>) {
        let now = self.now(place.node);
        for what in whats {
            if !self.nodes[place.node].up {
                return;
            }
            let events = self.events(place, what);
            let Machine { shard, effects } = &mut self.nodes[place.node].shards[place.shard];
            for event in events {
                shard.on_event(now, event, effects);
            }
        }
        let Machine { shard, effects } = &mut self.nodes[place.node].shards[place.shard];
        shard.end_turn(now, effects);
        let timer = shard.next_timer();
        assert!(
            timer.is_none_or(|at| at > now.mono),
            "a timer that is due after the turn makes its driver spin"
        );
        let mut effects = std::mem::take(effects);
        self.carry_out(place, &mut effects);
        effects.clear();
        if let Some(machine) = self.nodes[place.node].shards.get_mut(place.shard) {
            machine.effects = effects;
        }
    }

    /// What the driver makes of something that happened.
    fn events(&mut self, place: Place, what: What) -> Vec<Event> {
        match what {
            What::Event(event) => vec![event],
            What::Frame { connection, frame } => {
                if !self.network.connections.contains_key(&connection) {
                    return Vec::new();
                }
                let messages = decode(frame).map(|message| message.expect("we encoded it"));
                let peer = |message| match message {
                    Message::Peer(message) => Event::Peer { link: LinkId(connection), message },
                    other => panic!("{other:?}"),
                };
                messages.map(peer).collect()
            }
            What::Synced(through) => {
                self.nodes[place.node].disk.sync(place.shard, through);
                vec![Event::Logged { through }]
            }
            What::Hint(command) => self.carry_out_hint(place, command),
            What::Dial { to } => self.dialled(place, to),
        }
    }

    fn carry_out(&mut self, place: Place, effects: &mut Effects) {
        for (link, message) in effects.sends.drain(..) {
            if let quorate_wire::PeerMessage::Writes(batch) = &message {
                for write in &batch.writes {
                    let purpose = match write.purpose {
                        Purpose::Write => "write",
                        Purpose::Hint => "hint",
                        Purpose::Repair => "repair",
                    };
                    *self.writes_sent.entry(purpose).or_default() += 1;
                }
            }
            let frame = frame_of(&message).expect("it fits");
            self.send(place, link.0, &frame);
        }
        if let Some(through) = self.nodes[place.node].disk.append(place.shard, &effects.log) {
            self.push_to(place, self.plan.sync, What::Synced(through));
        }
        self.take_slow(effects);
        for (origin, response) in effects.answers.drain(..) {
            self.note(format!("{origin:?} {response:?}").as_bytes());
            let asked = Asked { session: origin.session.0, number: response.number };
            self.answers.entry(asked).or_default().push(response);
        }
        self.served.extend(effects.served.drain(..).map(|served| (place.node, served)));
        for command in effects.hints.drain(..) {
            self.push_to(place, self.plan.sync * 2, What::Hint(command));
        }
        for peer in effects.urge.drain(..) {
            let peer = self.index(peer);
            self.dial_node(place, peer, Duration::from_micros(10));
        }
        for link in effects.close.drain(..) {
            self.close(place, link.0);
        }
    }

    fn send(&mut self, from: Place, connection: u64, frame: &Bytes) {
        let Some(ends) = self.network.connections.get(&connection) else { return };
        let to = if ends.from == from { ends.to } else { ends.from };
        self.note(frame);
        for delay in self.network.arrivals(from.node, to.node) {
            self.push_to(to, delay, What::Frame { connection, frame: frame.clone() });
        }
    }

    fn carry_out_hint(&mut self, place: Place, command: HintCommand) -> Vec<Event> {
        let (target, settled) = match command {
            HintCommand::Append { target, hint } => {
                self.nodes[place.node].disk.hints.entry(target).or_default().append(hint);
                (target, 1)
            }
            HintCommand::Delivered { target, through } => {
                self.nodes[place.node].disk.hints.entry(target).or_default().deliver(through);
                (target, 0)
            }
            HintCommand::ReadPage { target, after, bytes_max } => {
                let log = self.nodes[place.node].disk.hints.entry(target).or_default();
                return vec![Event::HintPage { target, hints: log.page(after, bytes_max) }];
            }
        };
        let backlog = self.nodes[place.node].disk.hints[&target].backlog();
        let stored = |settled| Event::HintsStored { target, settled, refused: 0, backlog };
        for shard in (0..self.plan.shards).filter(|&shard| shard != place.shard) {
            let other = Place { shard, ..place };
            self.push_to(other, Duration::ZERO, What::Event(stored(0)));
        }
        vec![stored(settled)]
    }

    // ---- plumbing ----

    pub fn generation(&self, node: usize) -> u64 {
        self.nodes[node].disk.generation
    }

    fn push_to(&mut self, to: Place, after: Duration, what: What) {
        self.push(after, Happening { to, generation: self.generation(to.node), what });
    }

    fn push(&mut self, after: Duration, happening: Happening) {
        self.queued += 1;
        self.queue.insert((self.now + after, self.queued), happening);
    }

    fn note(&mut self, bytes: &[u8]) {
        let now = self.now.0.to_le_bytes();
        for &byte in now.iter().chain(bytes) {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

pub fn text(record: &Record) -> String {
    record.value.as_ref().map_or("(deleted)".to_owned(), |value| String::from_utf8_lossy(value).into_owned())
}

pub fn version_of(outcome: &WriteOutcome) -> Version {
    match outcome {
        WriteOutcome::Written { version, .. }
        | WriteOutcome::Indeterminate { version: Some(version), .. } => *version,
        other => panic!("{other:?}"),
    }
}

pub fn is_written(outcome: &WriteOutcome) -> bool {
    matches!(outcome, WriteOutcome::Written { .. })
}
