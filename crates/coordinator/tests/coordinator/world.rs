//! Four nodes, each with a coordinator, three replicas of every key, and a network that does what a script says:
//! deliver in any order, double, drop, refuse, lose the link, believe the living dead.
//!
//! A replica executes a write at most once, as the links see to; everything else may come twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_coordinator::{
    Attempt, ClientRead, ClientWrite, Coordinator, CoordinatorConfig, Effect, HintedWrite, InFlight,
    KeyspacePolicy, Liveness, Origin, Part, ReadHandle, ReadReply, Tag, WriteHandle,
};
use quorate_ring::{Member, Ring};
use quorate_types::{
    KeyspaceId, Level, Mono, NodeId, Now, ReadOutcome, Record, Refusal, SessionId, Timestamp, Version,
    WriteOutcome,
};
use quorate_wire::{FullIf, Purpose, ReadResult, ResponseBody};

use crate::laws::Step;

pub const N: usize = 3;
const NODES: u32 = 4;
const KEYSPACE: KeyspaceId = KeyspaceId(1);
const LEVELS: [Level; 4] = [Level::Quorum, Level::Quorum, Level::One, Level::All];

#[derive(Clone, Debug)]
enum Message {
    Write { coordinator: NodeId, to: NodeId, handle: WriteHandle, key: Bytes, record: Record },
    Read { coordinator: NodeId, to: NodeId, handle: ReadHandle, key: Bytes, full: FullIf },
    Acked { coordinator: NodeId, from: NodeId, handle: WriteHandle },
    Refused { coordinator: NodeId, from: NodeId, handle: WriteHandle },
    Reply { coordinator: NodeId, reply: ReadReply },
}

/// One version, from its first attempt on.
#[derive(Debug)]
pub struct Written {
    pub key: Bytes,
    pub record: Record,
    pub required: usize,
    pub outcomes: Vec<WriteOutcome>,
    pub hinted: Vec<NodeId>,
    /// Replicas whose ack was the first that the coordinator heard of them, in time.
    pub acked_first: BTreeSet<NodeId>,
    heard: BTreeSet<NodeId>,
    deadline: Mono,
    attempts: usize,
}

/// A read and what it must not fall behind.
#[derive(Debug)]
struct Reading {
    key: Bytes,
    required: usize,
    floor: Option<Version>,
}

#[derive(Debug)]
enum Request {
    Write(Version),
    Read(Reading),
}

#[derive(Default)]
struct Up(BTreeSet<NodeId>);

impl Liveness for Up {
    fn is_alive(&self, node: NodeId) -> bool {
        !self.0.contains(&node)
    }

    fn read_p99(&self, _: NodeId) -> Option<Duration> {
        None
    }
}

pub struct World {
    policy: KeyspacePolicy,
    ring: Arc<Ring>,
    pub replicas: BTreeMap<Bytes, Vec<NodeId>>,
    coordinators: BTreeMap<NodeId, Coordinator>,
    pub stores: BTreeMap<(NodeId, Bytes), Record>,
    pub applied: BTreeSet<(NodeId, Version)>,
    executed: BTreeSet<(NodeId, WriteHandle, NodeId)>,
    /// Which client's write a handle names.
    handles: BTreeMap<(NodeId, WriteHandle), Version>,
    live: Up,
    network: Vec<Message>,
    hints: Vec<(NodeId, HintedWrite)>,
    pub writes: BTreeMap<Version, Written>,
    requests: BTreeMap<u64, Request>,
    answered: BTreeSet<u64>,
    /// By level of the write, the newest version acknowledged, per key.
    acknowledged: BTreeMap<(usize, Bytes), Version>,
    /// By level of the read, the newest version returned, per key.
    returned: BTreeMap<(usize, Bytes), Version>,
    now: Now,
    /// Every effect in words, if somebody wants to see them.
    pub trace: Option<Vec<String>>,
}

fn node_of(pick: u8) -> NodeId {
    NodeId(u32::from(pick) % NODES + 1)
}

/// One of two keys, the first one mostly.
fn key_of(pick: u8) -> Bytes {
    Bytes::from_static(if pick.is_multiple_of(4) { b"b" } else { b"a" })
}

impl World {
    pub fn new(policy: KeyspacePolicy) -> World {
        let nodes: Vec<_> = (1..=NODES).map(NodeId).collect();
        let members: Vec<_> = nodes.iter().map(|&node| Member::new(node, 1.0, None)).collect();
        let ring = Arc::new(Ring::build(7, &members, &[(KEYSPACE, N)]).expect("these members suit"));
        let keys = [Bytes::from_static(b"a"), Bytes::from_static(b"b")];
        let of = |key: &Bytes| ring.replicas(ring.token(key).partition(), N).to_vec();
        let replicas = keys.iter().map(|key| (key.clone(), of(key))).collect();
        let coordinator = |&node: &NodeId| {
            let mut config = CoordinatorConfig::new(node);
            config.keyspaces.insert(KEYSPACE, policy);
            config.digest_above_bytes = 4;
            (node, Coordinator::new(config, Arc::clone(&ring)))
        };
        World {
            policy,
            replicas,
            coordinators: nodes.iter().map(coordinator).collect(),
            ring,
            stores: BTreeMap::new(),
            applied: BTreeSet::new(),
            executed: BTreeSet::new(),
            handles: BTreeMap::new(),
            live: Up::default(),
            network: Vec::new(),
            hints: Vec::new(),
            writes: BTreeMap::new(),
            requests: BTreeMap::new(),
            answered: BTreeSet::new(),
            acknowledged: BTreeMap::new(),
            returned: BTreeMap::new(),
            now: Now { mono: Mono(0), wall_ms: 1_000 },
            trace: None,
        }
    }

    pub fn step(&mut self, step: &Step) {
        self.now.mono = self.now.mono + Duration::from_micros(100);
        match *step {
            Step::Put { node, key, level } => self.put(node, key, level),
            Step::Get { node, key, level } => self.get(node, key, level),
            Step::Retry { pick } => self.retry(pick),
            Step::Deliver { pick } => {
                if let Some(message) = self.take(pick) {
                    self.deliver(message);
                }
            }
            Step::Double { pick } => {
                let copy = self.peek(pick).cloned();
                self.network.extend(copy);
            }
            Step::Drop { pick } => drop(self.take(pick)),
            Step::Refuse { pick } => self.refuse(pick),
            Step::Lose { pick } => self.lose(pick),
            Step::Believe { node } => self.believe(node),
            Step::Hint { pick } => self.deliver_hint(pick),
            Step::Reads => self.deliver_reads(),
            Step::Wait { ms } => self.now.mono = self.now.mono + Duration::from_millis(u64::from(ms)),
        }
        self.tick();
    }

    /// The network falls silent for good, and time passes until nothing waits any more.
    pub fn end(&mut self) {
        self.network.clear();
        for _ in 0..20 {
            self.now.mono = self.now.mono + Duration::from_secs(1);
            self.tick();
            self.network.clear();
        }
        for (node, coordinator) in &self.coordinators {
            assert_eq!(coordinator.in_flight(), InFlight::default(), "{node} still waits");
            assert_eq!(coordinator.next_timer(), None);
        }
        let unanswered: Vec<_> = self.requests.keys().filter(|n| !self.answered.contains(n)).collect();
        assert_eq!(unanswered, Vec::<&u64>::new(), "requests without an answer");
    }

    pub fn deliver_all_hints(&mut self) {
        while !self.hints.is_empty() {
            self.deliver_hint(0);
        }
    }

    fn put(&mut self, node: u8, key: u8, level: u8) {
        let (number, node) = (self.requests.len() as u64 + 1, node_of(node));
        // Clocks disagree: a later write may carry a smaller stamp.
        let skew = u64::from(node.0) * 3;
        let version = Version::new(Timestamp::from_parts(1_000 + number + skew, 0), node);
        let value = (number % 5 > 0).then(|| "v".repeat(number as usize % 9));
        let record = match &value {
            Some(value) => Record::put(version, value.clone(), None),
            None => Record::tombstone(version),
        };
        let level = LEVELS[usize::from(level) % LEVELS.len()];
        let written = Written {
            key: key_of(key),
            record,
            required: level.required(N).expect("a level within n"),
            outcomes: Vec::new(),
            hinted: Vec::new(),
            acked_first: BTreeSet::new(),
            heard: BTreeSet::new(),
            deadline: self.now.mono + Duration::from_millis(700),
            attempts: 0,
        };
        self.writes.insert(version, written);
        self.attempt(version, Attempt::First);
    }

    fn attempt(&mut self, version: Version, attempt: Attempt) {
        let number = self.requests.len() as u64 + 1;
        let written = self.writes.get_mut(&version).expect("it was put");
        written.attempts += 1;
        let write = ClientWrite {
            origin: Origin { connection: 1, session: SessionId(1), number, tag: Tag::default() },
            keyspace: KEYSPACE,
            key: written.key.clone(),
            token: self.ring.token(&written.key),
            value: written.record.value.clone(),
            version,
            part: Part::Both,
            attempt,
            expires_at_ms: None,
            level: Some(Level::Exactly(written.required as u8)),
            deadline: self.now.mono + Duration::from_millis(700),
            want_receipt: false,
        };
        self.requests.insert(number, Request::Write(version));
        self.on(version.node, |coordinator, now, live, out| coordinator.start_write(now, live, write, out));
    }

    fn retry(&mut self, pick: u8) {
        let open = |w: &Written| matches!(w.outcomes.last(), Some(WriteOutcome::Indeterminate { .. }));
        let versions: Vec<_> = self.writes.iter().filter(|(_, w)| open(w)).map(|(&v, _)| v).collect();
        if !versions.is_empty() {
            self.attempt(versions[usize::from(pick) % versions.len()], Attempt::Retry);
        }
    }

    fn get(&mut self, node: u8, key: u8, level: u8) {
        let (number, node, key) = (self.requests.len() as u64 + 1, node_of(node), key_of(key));
        let level = LEVELS[usize::from(level) % LEVELS.len()];
        let required = level.required(N).expect("a level within n");
        let read = ClientRead {
            origin: Origin { connection: 1, session: SessionId(1), number, tag: Tag::default() },
            keyspace: KEYSPACE,
            key: key.clone(),
            token: self.ring.token(&key),
            level: Some(level),
            deadline: self.now.mono + Duration::from_millis(700),
            want_receipt: false,
        };
        let floor = self.floor(&key, required);
        self.requests.insert(number, Request::Read(Reading { key, required, floor }));
        self.on(node, |coordinator, now, live, out| coordinator.start_read(now, live, read, out));
    }

    /// What a read at this level that begins now must not fall behind.
    fn floor(&self, key: &Bytes, required: usize) -> Option<Version> {
        let monotonic = self.policy.read_repair == quorate_coordinator::ReadRepairPolicy::Blocking;
        let returned = self.returned.iter().filter(|_| monotonic);
        let seen = self.acknowledged.iter().chain(returned);
        seen.filter(|((level, k), _)| level + required > N && k == key).map(|(_, &version)| version).max()
    }

    fn place(&self, pick: u8) -> Option<usize> {
        (!self.network.is_empty()).then(|| usize::from(pick) % self.network.len())
    }

    fn peek(&self, pick: u8) -> Option<&Message> {
        self.place(pick).map(|place| &self.network[place])
    }

    fn take(&mut self, pick: u8) -> Option<Message> {
        self.place(pick).map(|place| self.network.remove(place))
    }

    fn believe(&mut self, node: u8) {
        let node = node_of(node);
        if self.live.0.remove(&node) {
            return;
        }
        self.live.0.insert(node);
        for coordinator in self.coordinators.keys().copied().collect::<Vec<_>>() {
            self.on(coordinator, |c, now, live, out| c.on_peer_down(now, live, node, out));
        }
    }

    fn deliver(&mut self, message: Message) {
        match message {
            Message::Write { coordinator, to, handle, key, record } => {
                if self.executed.insert((coordinator, handle, to)) {
                    self.apply(to, key, &record);
                    self.network.push(Message::Acked { coordinator, from: to, handle });
                }
            }
            Message::Read { coordinator, to, handle, key, full } => {
                let result = ReadResult::of(self.stores.get(&(to, key)).cloned(), full);
                let reply = ReadReply { from: to, handle, result };
                self.network.push(Message::Reply { coordinator, reply });
            }
            Message::Acked { coordinator, from, handle } => {
                self.hears(coordinator, from, handle, |written, from| {
                    written.acked_first.insert(from);
                });
                self.on(coordinator, |c, now, _, out| c.on_write_acked(now, from, handle, out));
            }
            Message::Refused { coordinator, from, handle } => {
                self.hears(coordinator, from, handle, |_, _| {});
                let reason = Refusal::LogFailed;
                self.on(coordinator, |c, now, _, out| c.on_write_refused(now, from, handle, reason, out));
            }
            Message::Reply { coordinator, reply } => {
                self.on(coordinator, |c, now, live, out| c.on_read_reply(now, live, reply, out));
            }
        }
    }

    fn deliver_reads(&mut self) {
        let read = |message: &Message| matches!(message, Message::Read { .. } | Message::Reply { .. });
        while let Some(place) = self.network.iter().position(read) {
            let message = self.network.remove(place);
            self.deliver(message);
        }
    }

    fn apply(&mut self, node: NodeId, key: Bytes, record: &Record) {
        self.applied.insert((node, record.version));
        let held = self.stores.entry((node, key)).or_insert_with(|| record.clone());
        held.merge(record);
    }

    /// The coordinator hears of a write's fate; if it is the first of that replica and in time, so notes the story.
    fn hears(
        &mut self,
        coordinator: NodeId,
        from: NodeId,
        handle: WriteHandle,
        note: impl Fn(&mut Written, NodeId),
    ) {
        let Some(&version) = self.handles.get(&(coordinator, handle)) else { return };
        let written = self.writes.get_mut(&version).expect("it was put");
        let in_time = self.now.mono < written.deadline && !written.hinted.contains(&from);
        if written.heard.insert(from) && in_time {
            note(written, from);
        }
    }

    /// A replica refuses a request instead of executing it.
    fn refuse(&mut self, pick: u8) {
        match self.take(pick) {
            Some(Message::Write { coordinator, to, handle, .. }) => {
                if self.executed.insert((coordinator, handle, to)) {
                    self.network.push(Message::Refused { coordinator, from: to, handle });
                }
            }
            Some(Message::Read { coordinator, to, handle, .. }) => {
                let reply = ReadReply { from: to, handle, result: ReadResult::Refused(Refusal::LogFailed) };
                self.network.push(Message::Reply { coordinator, reply });
            }
            other => self.network.extend(other),
        }
    }

    /// The link dies with a write on it, or with the ack of one.
    fn lose(&mut self, pick: u8) {
        let lost = match self.take(pick) {
            Some(Message::Write { coordinator, to, handle, .. }) => Some((coordinator, to, handle)),
            Some(Message::Acked { coordinator, from, handle }) => Some((coordinator, from, handle)),
            other => {
                self.network.extend(other);
                None
            }
        };
        if let Some((coordinator, node, handle)) = lost {
            self.hears(coordinator, node, handle, |_, _| {});
            self.on(coordinator, |c, now, _, out| c.on_write_lost(now, node, handle, out));
        }
    }

    fn deliver_hint(&mut self, pick: u8) {
        if !self.hints.is_empty() {
            let place = usize::from(pick) % self.hints.len();
            let (target, hint) = self.hints.remove(place);
            self.apply(target, hint.key, &hint.record);
        }
    }

    fn tick(&mut self) {
        for node in self.coordinators.keys().copied().collect::<Vec<_>>() {
            self.on(node, Coordinator::on_tick);
        }
    }

    fn on(&mut self, node: NodeId, call: impl FnOnce(&mut Coordinator, Now, &Up, &mut Vec<Effect>)) {
        let mut out = Vec::new();
        let coordinator = self.coordinators.get_mut(&node).expect("every node has one");
        call(coordinator, self.now, &self.live, &mut out);
        for effect in out {
            if let Some(trace) = &mut self.trace {
                trace.push(format!("{node} {effect:?}"));
            }
            self.carry_out(node, effect);
        }
    }

    fn carry_out(&mut self, coordinator: NodeId, effect: Effect) {
        match effect {
            Effect::Write { to, handle, write } => {
                let record = write.record();
                if write.purpose == Purpose::Write {
                    self.handles.insert((coordinator, handle), record.version);
                }
                self.network.push(Message::Write { coordinator, to, handle, key: write.key, record });
            }
            Effect::Read { to, handle, key, full, .. } => {
                self.network.push(Message::Read { coordinator, to, handle, key, full });
            }
            Effect::ReadPage { .. } | Effect::Stamp { .. } | Effect::Slow(_) => {
                panic!("nobody asked for that")
            }
            Effect::Hint { target, hint } => self.hinted(target, hint),
            Effect::Answer { origin, response } => {
                assert!(self.answered.insert(origin.number), "{} was answered twice", origin.number);
                self.judge(origin.number, response.body);
            }
        }
    }

    fn hinted(&mut self, target: NodeId, hint: HintedWrite) {
        let written =
            self.writes.get_mut(&hint.record.version).expect("hints are of writes, never of repairs");
        assert_eq!((&hint.key, &hint.record), (&written.key, &written.record));
        written.hinted.push(target);
        let times = written.hinted.iter().filter(|&&node| node == target).count();
        assert!(times <= written.attempts, "{target} was hinted {times} times");
        let acked = written.attempts == 1 && written.acked_first.contains(&target);
        assert!(!acked, "{target} acknowledged and was hinted");
        self.hints.push((target, hint));
    }

    fn judge(&mut self, number: u64, body: ResponseBody) {
        match (self.requests.remove(&number).expect("it was asked"), body) {
            (Request::Write(version), ResponseBody::Write(outcome)) => {
                self.judge_write(version, &outcome);
                self.requests.insert(number, Request::Write(version));
            }
            (Request::Read(reading), ResponseBody::Read(outcome)) => {
                self.judge_read(&reading, outcome);
                self.requests.insert(number, Request::Read(reading));
            }
            (request, body) => panic!("{request:?} was answered by {body:?}"),
        }
    }

    fn judge_write(&mut self, version: Version, outcome: &WriteOutcome) {
        let holders = self.applied.iter().filter(|(_, v)| *v == version).count();
        let written = self.writes.get_mut(&version).expect("it was put");
        written.outcomes.push(outcome.clone());
        if let WriteOutcome::Written { acked, required, .. } = outcome {
            assert_eq!(usize::from(*required), written.required);
            assert!(holders >= usize::from(*acked) && acked >= required, "{acked} acks, {holders} hold it");
            let place = (written.required, written.key.clone());
            let newest = self.acknowledged.entry(place).or_insert(version);
            *newest = version.max(*newest);
        }
    }

    fn judge_read(&mut self, reading: &Reading, outcome: ReadOutcome) {
        let version = match outcome {
            ReadOutcome::Found { record } => Some(record.version),
            ReadOutcome::Deleted { version } => Some(version),
            ReadOutcome::NotFound { expired } => expired,
            ReadOutcome::Unavailable { .. } | ReadOutcome::TimedOut { .. } | ReadOutcome::Rejected { .. } => {
                return;
            }
        };
        assert!(version >= reading.floor, "{reading:?} returned {version:?}");
        if let Some(version) = version {
            assert!(self.writes.contains_key(&version), "{version} was never written");
            let newest = self.returned.entry((reading.required, reading.key.clone())).or_insert(version);
            *newest = version.max(*newest);
        }
    }
}
