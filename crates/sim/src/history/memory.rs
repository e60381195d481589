//! A history in memory: operations with their answers, and what was seen beside them, each in the order of time.

use std::collections::BTreeMap;

use quorate_types::{Key, Level, Mono, NodeId};

use super::{
    Ask, BucketSeen, Complete, CopySeen, Event, Fired, Header, Held, HintLedger, Initial, Invoke, Limits,
    NetworkCounts, NodeEvent, Outcome, Promise, PushRefused, QueueDepth, RequestCounts, StateSeen, Value,
    When,
};

/// A key's place in [`History::keys`].
pub type KeyNumber = u32;

/// A key and the keyspace that it is in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyName {
    /// The keyspace's place in the header.
    pub keyspace: usize,
    /// The key.
    pub key: Key,
}

/// What an operation does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpKind {
    /// Reads a key.
    Get(KeyNumber),
    /// Sets a value.
    Put {
        /// The key.
        key: KeyNumber,
        /// The value.
        value: Value,
        /// Whether it expires.
        expires: bool,
    },
    /// Deletes a key.
    Delete(KeyNumber),
    /// Reads many keys.
    Scan,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// When it was heard.
    pub at: Mono,
    /// Who coordinated, if it was not the node that was asked.
    pub coordinator: Option<NodeId>,
    /// What it says.
    pub outcome: Outcome,
    /// The keys of a scan's entries, in their order.
    pub scanned: Box<[KeyNumber]>,
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// Its number in the file.
    pub id: u64,
    /// Who asked.
    pub client: u64,
    /// In which session.
    pub session: Option<u64>,
    /// The keyspace's place in the header.
    pub keyspace: usize,
    /// What it does.
    pub kind: OpKind,
    /// At which level.
    pub level: Level,
    /// The node that was asked.
    pub coordinator: Option<NodeId>,
    /// The place of the operation of which this is another attempt.
    pub retry_of: Option<usize>,
    /// When it began.
    pub begun: Mono,
    /// How often the network doubled it or its answer.
    pub duplicates: u32,
    /// Its answers: one, none, or more than there should be.
    pub answers: Vec<Answer>,
}

impl Op {
    /// The key, unless it is a scan.
    pub fn key(&self) -> Option<KeyNumber> {
        match self.kind {
            OpKind::Get(key) | OpKind::Put { key, .. } | OpKind::Delete(key) => Some(key),
            OpKind::Scan => None,
        }
    }

    /// Whether it writes.
    pub fn writes(&self) -> bool {
        matches!(self.kind, OpKind::Put { .. } | OpKind::Delete(_))
    }
}

/// A copy of a key, as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// When.
    pub at: Mono,
    /// The replica.
    pub node: NodeId,
    /// The key.
    pub key: KeyNumber,
    /// What it holds.
    pub held: Option<Held>,
    /// In the course of the run, or at its end.
    pub moment: When,
}

/// See the module's head.
#[derive(Clone, Debug)]
pub struct History {
    header: Header,
    limits: Limits,
    keys: Vec<KeyName>,
    numbers: BTreeMap<KeyName, KeyNumber>,
    ops: Vec<Op>,
    copies: Vec<Copy>,
    strays: Vec<Complete>,
    seen: Seen,
    events: usize,
    open: usize,
    now: u64,
    torn: Option<u64>,
}

/// What was seen beside operations and copies.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What happened to nodes.
    pub nodes: Vec<NodeEvent>,
    /// Digests at the end.
    pub buckets: Vec<BucketSeen>,
    /// States around restarts.
    pub states: Vec<StateSeen>,
    /// Hints of each life.
    pub hints: Vec<HintLedger>,
    /// Depths of queues.
    pub queues: Vec<QueueDepth>,
    /// Counts of networks.
    pub networks: Vec<NetworkCounts>,
    /// Counts of requests.
    pub requests: Vec<RequestCounts>,
    /// *Sometimes* counters.
    pub sometimes: Vec<Fired>,
    /// From when on all copies are equal.
    pub settled: Option<Mono>,
    /// From when on all requests are answered.
    pub drained: Option<Mono>,
}

impl History {
    /// A history without events.
    pub fn new(header: Header, limits: Limits) -> History {
        History {
            header,
            limits,
            keys: Vec::new(),
            numbers: BTreeMap::new(),
            ops: Vec::new(),
            copies: Vec::new(),
            strays: Vec::new(),
            seen: Seen::default(),
            events: 0,
            open: 0,
            now: 0,
            torn: None,
        }
    }

    /// Takes the next event; refused, the history is as it was. O(log n).
    pub fn push(&mut self, event: Event) -> Result<(), PushRefused> {
        let at_ns = event.at_ns();
        if at_ns < self.now {
            return Err(PushRefused::OutOfOrder { at_ns, before_ns: self.now });
        }
        if self.events >= self.limits.events_max {
            return Err(PushRefused::TooManyEvents { max: self.limits.events_max });
        }
        self.take(event)?;
        self.now = at_ns;
        self.events += 1;
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<(), PushRefused> {
        let seen = &mut self.seen;
        match event {
            Event::Invoke(invoke) => self.invoke(invoke)?,
            Event::Complete(complete) => self.complete(complete),
            Event::Duplicate(duplicate) => {
                if let Some(at) = self.place_of(duplicate.id) {
                    self.ops[at].duplicates += 1;
                }
            }
            Event::Copy(copy) => self.copy(copy)?,
            Event::Node(event) => seen.nodes.push(event),
            Event::Bucket(bucket) => seen.buckets.push(bucket),
            Event::State(state) => seen.states.push(state),
            Event::Hints(ledger) => seen.hints.push(ledger),
            Event::Queue(depth) => seen.queues.push(depth),
            Event::Network(counts) => seen.networks.push(counts),
            Event::Requests(counts) => seen.requests.push(counts),
            Event::Sometimes(fired) => seen.sometimes.push(fired),
            Event::Settled { at_ns } => seen.settled = Some(Mono(at_ns)),
            Event::Drained { at_ns } => seen.drained = Some(Mono(at_ns)),
        }
        Ok(())
    }

    fn invoke(&mut self, invoke: Invoke) -> Result<(), PushRefused> {
        if let Some(before) = self.ops.last().map(|op| op.id).filter(|before| invoke.id <= *before) {
            return Err(PushRefused::IdNotRising { id: invoke.id, before });
        }
        if self.open >= self.limits.open_max {
            return Err(PushRefused::TooManyOpen { max: self.limits.open_max });
        }
        let keyspace = self.keyspace(invoke.keyspace.as_deref())?;
        let kind = match invoke.ask {
            Ask::Get { key } => OpKind::Get(self.number(keyspace, key)),
            Ask::Put { key, value, expires } => {
                OpKind::Put { key: self.number(keyspace, key), value, expires }
            }
            Ask::Delete { key } => OpKind::Delete(self.number(keyspace, key)),
            Ask::Scan {} => OpKind::Scan,
        };
        let of = |of| self.attempted(of, &kind).ok_or(PushRefused::NoSuchAttempt { id: invoke.id, of });
        let retry_of = invoke.retry_of.map(of).transpose()?;
        self.open += 1;
        self.ops.push(Op {
            id: invoke.id,
            client: invoke.client,
            session: invoke.session,
            keyspace,
            kind,
            level: invoke.level,
            coordinator: invoke.coordinator,
            retry_of,
            begun: Mono(invoke.at_ns),
            duplicates: 0,
            answers: Vec::new(),
        });
        Ok(())
    }

    /// The place of the first attempt at the write `kind`, one attempt at which is `id`.
    fn attempted(&self, id: u64, kind: &OpKind) -> Option<usize> {
        let at = self.place_of(id)?;
        let first = self.ops[at].retry_of.unwrap_or(at);
        (self.ops[first].writes() && self.ops[first].kind == *kind).then_some(first)
    }

    fn complete(&mut self, complete: Complete) {
        let Some(at) = self.place_of(complete.id) else {
            self.strays.push(complete);
            return;
        };
        let keyspace = self.ops[at].keyspace;
        let scanned = match &complete.outcome {
            Outcome::Scanned { entries } => {
                entries.iter().map(|entry| self.number(keyspace, entry.key.clone())).collect()
            }
            _ => Box::default(),
        };
        let op = &mut self.ops[at];
        self.open -= usize::from(op.answers.is_empty());
        let Complete { at_ns, coordinator, outcome, .. } = complete;
        op.answers.push(Answer { at: Mono(at_ns), coordinator, outcome, scanned });
    }

    fn copy(&mut self, copy: CopySeen) -> Result<(), PushRefused> {
        let keyspace = self.keyspace(copy.keyspace.as_deref())?;
        let key = self.number(keyspace, copy.key);
        let CopySeen { at_ns, node, record, moment, .. } = copy;
        self.copies.push(Copy { at: Mono(at_ns), node, key, held: record, moment });
        Ok(())
    }

    fn keyspace(&self, name: Option<&str>) -> Result<usize, PushRefused> {
        let Some(name) = name else { return Ok(0) };
        let found = self.header.keyspaces.iter().position(|promise| promise.name == name);
        found.ok_or_else(|| PushRefused::UnknownKeyspace(name.to_owned()))
    }

    fn number(&mut self, keyspace: usize, key: Key) -> KeyNumber {
        let name = KeyName { keyspace, key };
        if let Some(number) = self.numbers.get(&name) {
            return *number;
        }
        let number = self.keys.len() as KeyNumber;
        self.keys.push(name.clone());
        self.numbers.insert(name, number);
        number
    }

    fn place_of(&self, id: u64) -> Option<usize> {
        self.ops.binary_search_by_key(&id, |op| op.id).ok()
    }

    pub(super) fn cut_short(&mut self, line: u64) {
        self.torn = Some(line);
    }

    /// The last line, if it was cut short and left out: whoever wrote it died.
    pub fn torn_line(&self) -> Option<u64> {
        self.torn
    }

    /// What was recorded, and against what it is judged.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The promises, to judge by others than were recorded. Their number and names stay.
    pub fn promises_mut(&mut self) -> &mut [Promise] {
        &mut self.header.keyspaces
    }

    /// Keys may have held anything before the first operation.
    pub fn forget_initial(&mut self) {
        self.header.initial = Initial::Unknown;
    }

    /// All keys that are named in it, in the order in which they came up.
    pub fn keys(&self) -> &[KeyName] {
        &self.keys
    }

    /// The promise of the keyspace that `key` is in.
    pub fn promise_of(&self, key: KeyNumber) -> &Promise {
        &self.header.keyspaces[self.keys[key as usize].keyspace]
    }

    /// All operations, by number and by beginning.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// All copies that were seen.
    pub fn copies(&self) -> &[Copy] {
        &self.copies
    }

    /// Answers to what was never asked.
    pub fn strays(&self) -> &[Complete] {
        &self.strays
    }

    /// What was seen beside operations and copies.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// A node's name.
    pub fn node_name(&self, node: NodeId) -> String {
        let known = self.header.nodes.iter().find(|name| name.node == node);
        known.map_or_else(|| node.to_string(), |known| known.name.clone())
    }
}
