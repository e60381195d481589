//! A tiny cluster that does everything right: three replicas, quorums, blocking read repair, two-phase puts, messages
//! that are late or lost, crashes, retries, duplicates, wrong wall clocks. Its histories must raise no alarm.
//!
//! Level TWO stands for the two-phase level here: keys `l…` are used at TWO alone, and the promise says so.

use std::collections::{BTreeMap, BTreeSet};

use quorate_coordinator::ReadRepairPolicy;
use quorate_sim::history::{
    Ask, Complete, CopySeen, Duplicate, Entry, Event, Header, Held, Initial, Invoke, NodeEvent, NodeName,
    Outcome, Promise, Value, What, When,
};
use quorate_types::{Key, Level, NodeId, Timestamp, Version};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub const N: usize = 3;
const MS: u64 = 1_000_000;
const DEADLINE: u64 = 60 * MS;

/// What may happen in a run.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub clients: u64,
    pub ops: u64,
    pub keys: u64,
    pub wipes: bool,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape { clients: 5, ops: 60, keys: 3, wipes: false }
    }
}

/// A run: its events in the order of time.
pub struct Run {
    pub header: Header,
    pub events: Vec<Event>,
}

#[derive(Clone, Debug)]
enum Step {
    /// A client begins its next operation.
    Next(u64),
    /// A message arrives at a replica.
    Arrive {
        op: u64,
        replica: usize,
        write: Option<Held>,
    },
    /// An answer arrives at the coordinator: what is held, or an acknowledgement.
    Reply {
        op: u64,
        replica: usize,
        held: Option<BTreeMap<Key, Held>>,
    },
    Deadline(u64),
    Fault,
    Start(usize),
}

#[derive(Clone, Debug)]
struct Task {
    client: u64,
    ask: Ask,
    level: Level,
    required: usize,
    coordinator: usize,
    two_phase: bool,
    version: Option<Version>,
    expires_at_ms: Option<u64>,
    replies: BTreeMap<usize, BTreeMap<Key, Held>>,
    acks: BTreeSet<usize>,
    /// What is being written: by a write, or by a read that repairs.
    writing: Option<Held>,
    dead: bool,
    done: bool,
}

pub struct Model {
    chance: ChaCha8Rng,
    shape: Shape,
    now: u64,
    queue: BTreeMap<(u64, u64), Step>,
    queued: u64,
    replicas: Vec<BTreeMap<Key, Held>>,
    up: Vec<bool>,
    skew_ms: Vec<u64>,
    last: Vec<u64>,
    tasks: BTreeMap<u64, Task>,
    next_op: u64,
    loss_percent: u64,
    delay_max: u64,
    events: Vec<Event>,
}

pub fn node(k: usize) -> NodeId {
    NodeId(k as u32 + 1)
}

pub fn header() -> Header {
    let promise = Promise {
        read_repair: Some(ReadRepairPolicy::Blocking),
        linearizable: vec![Level::Two],
        ..Promise::of("default", N as u8)
    };
    let name = |k: usize| NodeName { node: node(k), name: format!("n{}", k + 1) };
    Header {
        version: 1,
        made_by: "the model".to_owned(),
        seed: Some(1),
        plan: None,
        replay: None,
        initial: Initial::Empty,
        keyspaces: vec![promise],
        nodes: (0..N).map(name).collect(),
    }
}

/// The run of `seed`.
pub fn run(seed: u64, shape: Shape) -> Run {
    let mut model = Model::new(seed, shape);
    while let Some(((at, _), step)) = model.queue.pop_first() {
        model.now = at;
        model.step(step);
    }
    model.settle();
    Run { header: Header { seed: Some(seed), ..header() }, events: model.events }
}

impl Model {
    fn new(seed: u64, shape: Shape) -> Model {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = |bound: u64| chance.next_u64() % bound;
        let skew_ms = (0..N).map(|_| draw(100)).collect();
        let (loss_percent, delay_max) = (draw(20), MS / 2 + draw(20 * MS));
        let mut model = Model {
            chance,
            shape,
            now: 1,
            queue: BTreeMap::new(),
            queued: 0,
            replicas: vec![BTreeMap::new(); N],
            up: vec![true; N],
            skew_ms,
            last: vec![0; N],
            tasks: BTreeMap::new(),
            next_op: 0,
            loss_percent,
            delay_max,
            events: Vec::new(),
        };
        for client in 0..shape.clients {
            model.later(model.delay_max, Step::Next(client));
        }
        model.later(100 * MS, Step::Fault);
        model
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.chance.next_u64() % bound
    }

    /// At some time within `within`.
    fn later(&mut self, within: u64, step: Step) {
        let at = self.now + 1 + self.below(within);
        self.at(at, step);
    }

    fn at(&mut self, at: u64, step: Step) {
        self.queued += 1;
        self.queue.insert((at, self.queued), step);
    }

    fn send(&mut self, step: Step) {
        if self.below(100) >= self.loss_percent {
            self.later(self.delay_max, step);
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Next(client) => self.begin(client),
            Step::Arrive { op, replica, write } => self.arrive(op, replica, write),
            Step::Reply { op, replica, held } => self.reply(op, replica, held),
            Step::Deadline(op) => self.deadline(op),
            Step::Fault => self.fault(),
            Step::Start(k) => {
                self.up[k] = true;
                self.node_event(k, What::Start);
            }
        }
    }

    fn begin(&mut self, client: u64) {
        if self.next_op >= self.shape.ops {
            return;
        }
        self.next_op += 1;
        let (id, number) = (self.next_op, self.below(self.shape.keys));
        let two_phase = number % 2 == 1;
        let name = if two_phase { format!("l{number}") } else { format!("k{number}") };
        let key = Key::new(name).unwrap();
        let ask = match self.below(20) {
            0..9 => Ask::Get { key },
            9..11 => Ask::Delete { key },
            11 if !two_phase => Ask::Scan {},
            _ => Ask::Put { key, value: Value::of(format!("v{id}").as_bytes()), expires: self.below(8) == 0 },
        };
        let level = match self.below(4) {
            _ if two_phase => Level::Two,
            0 => Level::One,
            1 | 2 => Level::Quorum,
            _ => Level::All,
        };
        self.launch((id, client), ask, level, None);
    }

    fn launch(&mut self, (id, client): (u64, u64), ask: Ask, level: Level, retry: Option<(u64, &Task)>) {
        let coordinator = self.below(N as u64) as usize;
        let expires = matches!(ask, Ask::Put { expires: true, .. });
        let fresh = expires.then(|| self.now / MS + self.below(80));
        let (two_phase, required) = (level == Level::Two, level.required(N).unwrap());
        let task = Task {
            client,
            ask: ask.clone(),
            level,
            required,
            coordinator,
            two_phase,
            version: retry.and_then(|(_, first)| first.version),
            expires_at_ms: retry.map_or(fresh, |(_, first)| first.expires_at_ms),
            replies: BTreeMap::new(),
            acks: BTreeSet::new(),
            writing: None,
            dead: !self.up[coordinator],
            done: false,
        };
        self.events.push(Event::Invoke(Invoke {
            at_ns: self.now,
            id,
            client,
            session: None,
            keyspace: None,
            level,
            coordinator: Some(node(coordinator)),
            retry_of: retry.map(|(first, _)| first),
            ask,
        }));
        let alive = self.up.iter().filter(|up| **up).count();
        let is_dead = task.dead;
        self.tasks.insert(id, task);
        self.at(self.now + DEADLINE, Step::Deadline(id));
        if is_dead {
            return;
        }
        if alive < required {
            self.answer(id, &Outcome::Unavailable { required: required as u8, alive: alive as u8 });
            return;
        }
        self.first_phase(id);
    }

    fn first_phase(&mut self, id: u64) {
        let task = self.tasks[&id].clone();
        let writes = matches!(task.ask, Ask::Put { .. } | Ask::Delete { .. });
        if writes && (!task.two_phase || task.version.is_some()) {
            let version = task.version.unwrap_or_else(|| self.stamp(task.coordinator, 0));
            self.write(id, version);
        } else {
            self.broadcast(id, None);
        }
    }

    fn broadcast(&mut self, op: u64, write: Option<&Held>) {
        for replica in 0..N {
            self.send(Step::Arrive { op, replica, write: write.cloned() });
        }
    }

    /// A stamp above all that this coordinator gave and above `floor`.
    fn stamp(&mut self, k: usize, floor: u64) -> Version {
        let wall = (self.now / MS + self.skew_ms[k]) << 16;
        self.last[k] = wall.max(self.last[k] + 1).max(floor + 1);
        Version::new(Timestamp(self.last[k]), node(k))
    }

    fn write(&mut self, id: u64, version: Version) {
        let task = self.tasks.get_mut(&id).unwrap();
        let value = if let Ask::Put { value, .. } = &task.ask { Some(value.clone()) } else { None };
        let held = Held { version, value, expiry_version: None, expires_at_ms: task.expires_at_ms };
        (task.version, task.writing) = (Some(version), Some(held.clone()));
        self.broadcast(id, Some(&held));
    }

    fn key_of(&self, op: u64) -> Option<Key> {
        match &self.tasks[&op].ask {
            Ask::Get { key } | Ask::Put { key, .. } | Ask::Delete { key } => Some(key.clone()),
            Ask::Scan {} => None,
        }
    }

    fn arrive(&mut self, op: u64, replica: usize, write: Option<Held>) {
        if !self.up[replica] {
            return;
        }
        let (key, ack) = (self.key_of(op), write.is_some());
        let copies = &mut self.replicas[replica];
        if let (Some(key), Some(write)) = (&key, write) {
            let newer = copies.get(key).is_none_or(|held| held.version < write.version);
            if newer {
                copies.insert(key.clone(), write);
            }
        }
        let asked = |held: &(&Key, &Held)| key.as_ref().is_none_or(|key| key == held.0);
        let held = copies.iter().filter(asked).map(|(key, held)| (key.clone(), held.clone())).collect();
        self.send(Step::Reply { op, replica, held: (!ack).then_some(held) });
        if self.below(12) == 0 {
            self.look_at(replica);
        }
    }

    /// Somebody looks at the copies of a replica.
    fn look_at(&mut self, replica: usize) {
        for (key, held) in self.replicas[replica].clone() {
            self.copy_seen(replica, key, Some(held), When::Underway);
        }
    }

    fn copy_seen(&mut self, replica: usize, key: Key, record: Option<Held>, moment: When) {
        let (at_ns, node) = (self.now, node(replica));
        self.events.push(Event::Copy(CopySeen { at_ns, node, keyspace: None, key, record, moment }));
    }

    fn reply(&mut self, op: u64, replica: usize, held: Option<BTreeMap<Key, Held>>) {
        let task = self.tasks.get_mut(&op).unwrap();
        if task.dead || task.done {
            return;
        }
        let Some(held) = held else {
            task.acks.insert(replica);
            self.acked(op);
            return;
        };
        if task.replies.len() < task.required && task.writing.is_none() {
            task.replies.insert(replica, held);
            if task.replies.len() == task.required {
                self.all_read(op);
            }
        }
    }

    fn acked(&mut self, op: u64) {
        let task = &self.tasks[&op];
        let (acked, required) = (task.acks.len() as u8, task.required as u8);
        if matches!(task.ask, Ask::Get { .. }) {
            // A repair: those that had answered must hold it, and nobody else counts.
            if task.replies.keys().all(|replica| task.acks.contains(replica)) {
                let winner = task.writing.clone();
                self.answer_read(op, winner);
            }
        } else if acked >= required {
            let (version, expires_at_ms) = (task.version.unwrap(), task.expires_at_ms);
            self.answer(op, &Outcome::Written { version, expires_at_ms, acked, required });
        }
    }

    fn all_read(&mut self, op: u64) {
        let task = self.tasks[&op].clone();
        let mut newest: BTreeMap<Key, Held> = BTreeMap::new();
        for (key, held) in task.replies.values().flatten() {
            if newest.get(key).is_none_or(|known| known.version < held.version) {
                newest.insert(key.clone(), held.clone());
            }
        }
        match task.ask {
            Ask::Scan {} => {
                let live = newest.into_iter().filter(|(_, held)| held.value.is_some() && !self.expired(held));
                let entries = live.map(|(key, record)| Entry { key, record }).collect();
                self.answer(op, &Outcome::Scanned { entries });
            }
            Ask::Get { key } => match newest.remove(&key) {
                Some(winner) if task.replies.values().any(|held| held.get(&key) != Some(&winner)) => {
                    self.tasks.get_mut(&op).unwrap().writing = Some(winner.clone());
                    for replica in task.replies.keys() {
                        self.send(Step::Arrive { op, replica: *replica, write: Some(winner.clone()) });
                    }
                }
                winner => self.answer_read(op, winner),
            },
            Ask::Put { key, .. } | Ask::Delete { key } => {
                let floor = newest.get(&key).map_or(0, |held| held.version.timestamp.0);
                let version = self.stamp(task.coordinator, floor);
                self.write(op, version);
            }
        }
    }

    fn expired(&self, held: &Held) -> bool {
        held.expires_at_ms.is_some_and(|at| at <= self.now / MS)
    }

    fn answer_read(&mut self, op: u64, winner: Option<Held>) {
        let outcome = match winner {
            None => Outcome::NotFound { expired: None },
            Some(held) if held.value.is_none() => Outcome::Deleted { version: held.version },
            Some(held) if self.expired(&held) => Outcome::NotFound { expired: Some(held.version) },
            Some(held) => Outcome::Found(held),
        };
        self.answer(op, &outcome);
    }

    /// The client hears of it, perhaps twice, and begins something else or the same again.
    fn answer(&mut self, op: u64, outcome: &Outcome) {
        let task = self.tasks.get_mut(&op).unwrap();
        task.done = true;
        let (client, ask, level) = (task.client, task.ask.clone(), task.level);
        let complete = Event::Complete(Complete {
            at_ns: self.now,
            id: op,
            coordinator: None,
            outcome: outcome.clone(),
        });
        if self.below(25) == 0 {
            self.events.push(Event::Duplicate(Duplicate { at_ns: self.now, id: op }));
            self.events.push(complete.clone());
        }
        self.events.push(complete);
        let known = matches!(outcome, Outcome::Indeterminate { version: Some(_), .. });
        if known && self.below(2) == 0 {
            self.now += 1;
            self.next_op += 1;
            let first = self.tasks[&op].clone();
            self.launch((self.next_op, client), ask, level, Some((op, &first)));
            return;
        }
        self.later(self.delay_max, Step::Next(client));
    }

    fn deadline(&mut self, op: u64) {
        let task = &self.tasks[&op];
        if task.done {
            return;
        }
        let (acked, answered, required) =
            (task.acks.len() as u8, task.replies.len() as u8, task.required as u8);
        if matches!(task.ask, Ask::Get { .. } | Ask::Scan {}) {
            self.answer(op, &Outcome::TimedOut { answered, required });
        } else {
            // A coordinator that died took the version with it.
            let version = task.version.filter(|_| !task.dead);
            let acked = if task.dead { 0 } else { acked };
            self.answer(op, &Outcome::Indeterminate { acked, required, version });
        }
    }

    fn fault(&mut self) {
        let k = self.below(N as u64) as usize;
        if self.up[k] {
            self.up[k] = false;
            self.node_event(k, What::Crash);
            for task in self.tasks.values_mut().filter(|task| task.coordinator == k) {
                task.dead = true;
            }
            if self.shape.wipes && self.below(2) == 0 {
                self.replicas[k].clear();
                self.node_event(k, What::Wipe);
            }
            self.later(60 * MS, Step::Start(k));
        }
        if self.next_op < self.shape.ops {
            self.later(200 * MS, Step::Fault);
        }
    }

    fn node_event(&mut self, k: usize, what: What) {
        self.events.push(Event::Node(NodeEvent { at_ns: self.now, node: node(k), what }));
    }

    /// In the end all replicas have the newest of everything.
    fn settle(&mut self) {
        self.events.push(Event::Drained { at_ns: self.now });
        for replica in 0..N {
            self.look_at(replica);
        }
        let mut newest: BTreeMap<Key, Held> = BTreeMap::new();
        for (key, held) in self.replicas.iter().flatten() {
            if newest.get(key).is_none_or(|known| known.version < held.version) {
                newest.insert(key.clone(), held.clone());
            }
        }
        for replica in 0..N {
            for (key, held) in newest.clone() {
                self.copy_seen(replica, key, Some(held), When::Final);
            }
        }
        self.events.push(Event::Settled { at_ns: self.now });
    }
}
