//! Writes down what clients asked and were told, and what replicas hold, as the checker reads it; and keeps what the run
//! itself must know of each request.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use quorate_types::{Level, Mono, Version, WriteOutcome};
use quorate_wire::{Response, ResponseBody};

use crate::cluster::{Cluster, Heard, KeyspaceSpec, Repair, node_id};
use crate::history::{
    self, Complete, CopySeen, Event, FORMAT_VERSION, Fired, Header, Held, History, Invoke, Limits, Moment,
    NodeEvent, NodeName, Outcome, Promise, ReadRepairPolicy, Value, When,
};
use crate::plan::Plan;

/// A key of a keyspace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The keyspace's place in the cluster's specification.
    pub space: usize,
    /// The key.
    pub name: String,
}

impl Key {
    fn bytes(&self) -> quorate_types::Key {
        quorate_types::Key::new(self.name.clone().into_bytes()).expect("plans are checked for it")
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.space {
            0 => f.write_str(&self.name),
            space => write!(f, "{} of keyspace {space}", self.name),
        }
    }
}

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    Get,
    Delete,
    Put {
        value: String,
        expires: bool,
    },
    /// A page of the key's partition.
    Page {
        limit: u32,
    },
}

/// One request to one coordinator, with its duplicates.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub key: Key,
    pub level: Level,
    pub intent: Intent,
    pub client: u64,
    pub by: usize,
    /// The operation of which this is another attempt.
    pub retry_of: Option<usize>,
}

impl Op {
    pub fn new(key: Key, level: Level, intent: Intent) -> Op {
        Op { key, level, intent, client: 0, by: 0, retry_of: None }
    }

    pub fn writes(&self) -> bool {
        !matches!(self.intent, Intent::Get | Intent::Page { .. })
    }

    fn ask(&self) -> history::Ask {
        let key = self.key.bytes();
        match &self.intent {
            Intent::Get => history::Ask::Get { key },
            Intent::Page { .. } => history::Ask::Scan {},
            Intent::Delete => history::Ask::Delete { key },
            Intent::Put { value, expires } => {
                history::Ask::Put { key, value: Value::of(value.as_bytes()), expires: *expires }
            }
        }
    }
}

/// See the module.
pub(crate) struct Recorder {
    history: History,
    /// The events, if somebody wants them.
    events: Option<Vec<Event>>,
    begin: Mono,
    last_ns: u64,
    spaces: Vec<String>,
    ops: Vec<Op>,
    keys: BTreeSet<Key>,
    sent: BTreeMap<(u64, u64), usize>,
    /// The copies as they were last seen: by node, by key.
    copies: Vec<BTreeMap<Key, Version>>,
    /// Operations before this have had their copies looked at.
    looked: usize,
    looks: u64,
}

/// The limits of a history that is made here: what a plan can ask for is bounded by the plan.
const LIMITS: Limits = Limits { line_bytes_max: usize::MAX, events_max: usize::MAX, open_max: usize::MAX };

impl Recorder {
    pub fn new(plan: &Plan, begin: Mono) -> Recorder {
        let header = history_header(plan);
        Recorder {
            history: History::new(header, LIMITS),
            events: None,
            begin,
            last_ns: 0,
            spaces: plan.cluster.keyspaces.iter().map(|space| space.name.clone()).collect(),
            ops: Vec::new(),
            keys: BTreeSet::new(),
            sent: BTreeMap::new(),
            copies: vec![BTreeMap::new(); plan.cluster.nodes + 1],
            looked: 0,
            looks: 0,
        }
    }

    /// From now on the events are kept for [`Recorder::take_events`].
    pub fn keep_events(&mut self) {
        self.events = Some(Vec::new());
    }

    pub fn take_events(&mut self) -> Vec<Event> {
        self.events.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub fn history(&self) -> &History {
        &self.history
    }

    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// What was answered first.
    pub fn outcome(&self, op: usize) -> Option<&Outcome> {
        self.history.ops()[op].answers.first().map(|answer| &answer.outcome)
    }

    /// Whether it was answered with what there is, or done as asked.
    pub fn succeeded(&self, op: usize) -> bool {
        use Outcome::{Deleted, Found, NotFound, Scanned, Written};
        let outcome = self.outcome(op);
        matches!(outcome, Some(Written { .. } | Found(_) | Deleted { .. } | NotFound { .. } | Scanned { .. }))
    }

    /// The keys that were asked for.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }

    /// Nanoseconds since the cluster came up; never less than what was written down before.
    fn ns(&mut self, at: Mono) -> u64 {
        self.last_ns = self.last_ns.max(at.0.saturating_sub(self.begin.0));
        self.last_ns
    }

    fn push(&mut self, event: Event) {
        if let Some(events) = &mut self.events {
            events.push(event.clone());
        }
        self.history.push(event).expect("the recorder keeps to the order of time and of numbers");
    }

    /// Something that is to be written down at a time.
    pub fn note(&mut self, at: Mono, event: impl FnOnce(u64) -> Event) {
        let at_ns = self.ns(at);
        self.push(event(at_ns));
    }

    /// Takes in an operation that is sent now, as `number` of `session`.
    pub fn begin(&mut self, at: Mono, op: Op, (session, number): (u64, u64)) -> usize {
        let id = self.ops.len();
        let invoke = Invoke {
            at_ns: self.ns(at),
            id: id as u64,
            client: op.client,
            session: None,
            keyspace: (op.key.space > 0).then(|| self.spaces[op.key.space].clone()),
            level: op.level,
            coordinator: Some(node_id(op.by)),
            retry_of: op.retry_of.map(|of| of as u64),
            ask: op.ask(),
        };
        self.push(Event::Invoke(invoke));
        if !matches!(op.intent, Intent::Page { .. }) {
            self.keys.insert(op.key.clone());
        }
        self.sent.insert((session, number), id);
        self.ops.push(op);
        id
    }

    /// An operation was sent once more.
    pub fn duplicate(&mut self, at: Mono, op: usize) {
        self.note(at, |at_ns| Event::Duplicate(history::Duplicate { at_ns, id: op as u64 }));
    }

    /// Notes an answer; the operation that it belongs to. An answer to nothing is the checker's to judge.
    pub fn hear(&mut self, heard: &Heard) -> Option<usize> {
        let op = self.sent.get(&(heard.session, heard.number)).copied();
        let Some(outcome) = heard.response.as_ref().map(outcome) else { return op };
        let id = op.map_or(u64::MAX, |op| op as u64);
        let complete = Complete { at_ns: self.ns(heard.at), id, coordinator: None, outcome };
        self.push(Event::Complete(complete));
        op
    }

    /// Something happened to node `k`.
    pub fn node(&mut self, at: Mono, k: usize, what: history::What) {
        self.note(at, |at_ns| Event::Node(NodeEvent { at_ns, node: node_id(k), what }));
    }

    /// Looks every now and then at the copies of what clients asked for lately.
    ///
    /// A copy is in memory only if its log record is on disk, so what was seen once must be there for ever.
    pub fn look(&mut self, cluster: &Cluster) {
        self.looks += 1;
        if !self.looks.is_multiple_of(16) {
            return;
        }
        let lately: BTreeSet<Key> =
            self.ops[self.looked.saturating_sub(64)..].iter().map(|op| op.key.clone()).collect();
        self.looked = self.ops.len();
        for k in (1..self.copies.len()).filter(|k| cluster.is_up(*k)) {
            for key in &lately {
                self.see_copy(cluster, k, key);
            }
        }
    }

    /// Looks at every copy of node `k`, which runs.
    pub fn look_at_node(&mut self, cluster: &Cluster, k: usize) {
        let keys = std::mem::take(&mut self.keys);
        for key in &keys {
            self.see_copy(cluster, k, key);
        }
        self.keys = keys;
    }

    /// Writes down a copy that is not as it was.
    fn see_copy(&mut self, cluster: &Cluster, k: usize, key: &Key) {
        let record = cluster.copy_in(key.space, k, key.name.as_bytes());
        let (now, before) =
            (record.as_ref().map(quorate_types::Record::newest), self.copies[k].get(key).copied());
        if now == before {
            return;
        }
        match now {
            Some(version) => self.copies[k].insert(key.clone(), version),
            None => self.copies[k].remove(key),
        };
        self.copy_seen(cluster, (k, key), record.as_ref().map(Held::from), When::Underway);
    }

    /// Writes down what every replica of every key holds: its last word.
    pub fn see_final_copies(&mut self, cluster: &Cluster) {
        let keys = std::mem::take(&mut self.keys);
        for key in &keys {
            for k in cluster.replicas_in(key.space, key.name.as_bytes()) {
                let record = cluster.copy_in(key.space, k, key.name.as_bytes());
                self.copy_seen(cluster, (k, key), record.as_ref().map(Held::from), When::Final);
            }
        }
        self.keys = keys;
    }

    fn copy_seen(&mut self, cluster: &Cluster, (k, key): (usize, &Key), record: Option<Held>, moment: When) {
        let keyspace = (key.space > 0).then(|| self.spaces[key.space].clone());
        let name = key.bytes();
        self.note(cluster.now().mono, |at_ns| {
            Event::Copy(CopySeen { at_ns, node: node_id(k), keyspace, key: name, record, moment })
        });
    }

    /// Writes down what became of the hints of node `k`, which runs.
    pub fn balance_hints(&mut self, cluster: &Cluster, k: usize) {
        let at_ns = self.ns(cluster.now().mono);
        if let Some(ledger) = cluster.hint_ledger(k, at_ns) {
            self.push(Event::Hints(ledger));
        }
    }

    /// Writes down the books of all nodes that run, which have nothing in flight, and of the network.
    pub fn balance(&mut self, cluster: &Cluster) {
        let at_ns = self.ns(cluster.now().mono);
        for k in (1..self.copies.len()).filter(|k| cluster.is_up(*k)) {
            self.balance_hints(cluster, k);
            self.push(Event::Requests(cluster.request_counts(k, at_ns)));
            for depth in cluster.queue_depths(k, at_ns) {
                self.push(Event::Queue(depth));
            }
        }
        self.push(Event::Network(cluster.network_counts(at_ns)));
    }

    /// Writes down the digests of all buckets that hold something, on all their replicas, which run.
    pub fn see_buckets(&mut self, cluster: &Cluster) {
        let at_ns = self.ns(cluster.now().mono);
        for bucket in cluster.buckets(at_ns) {
            self.push(Event::Bucket(bucket));
        }
    }

    /// Writes down how often everything happened.
    pub fn see_fired(&mut self, at: Mono, tally: &super::Tally) {
        let at_ns = self.ns(at);
        for (name, &times) in tally.iter().filter(|(_, times)| **times > 0) {
            self.push(Event::Sometimes(Fired { at_ns, name: (*name).to_owned(), times }));
        }
    }

    /// Writes down all that node `k` holds in memory.
    pub fn see_state(&mut self, cluster: &Cluster, k: usize, moment: Moment) {
        let at_ns = self.ns(cluster.now().mono);
        self.push(Event::State(cluster.state(k, at_ns, moment)));
    }

    /// Node `k` lost its disk, or got an older one: what it held says nothing of what it holds.
    pub fn forget_copies(&mut self, k: usize) {
        self.copies[k].clear();
    }
}

/// What was answered, as a history keeps it.
fn outcome(response: &Response) -> Outcome {
    match &response.body {
        ResponseBody::Write(outcome) => outcome.into(),
        ResponseBody::Read(outcome) => outcome.into(),
        ResponseBody::Page(outcome) => outcome.into(),
        ResponseBody::Refused(refusal) => Outcome::Rejected { reason: refusal.to_string() },
        other => panic!("{other:?} to a read or write"),
    }
}

/// The version and expiry with which an indeterminate write can be sent again.
pub(super) fn to_send_again(heard: &Heard) -> Option<(Version, Option<u64>)> {
    match &heard.response.as_ref()?.body {
        ResponseBody::Write(WriteOutcome::Indeterminate {
            version: Some(version), expires_at_ms, ..
        }) => Some((*version, *expires_at_ms)),
        _ => None,
    }
}

/// The header of the history that a run of `plan` writes down.
pub fn history_header(plan: &Plan) -> Header {
    let faults: Vec<String> =
        plan.faults().map(|(at_ms, fault)| format!("{at_ms} ms {}", fault.to_toml())).collect();
    Header {
        version: FORMAT_VERSION,
        made_by: "the simulator".to_owned(),
        seed: Some(plan.seed),
        plan: Some(if faults.is_empty() { "no faults".to_owned() } else { faults.join("; ") }),
        replay: None,
        initial: history::Initial::Empty,
        keyspaces: plan.cluster.keyspaces.iter().map(promise).collect(),
        nodes: (1..=plan.cluster.nodes)
            .map(|k| NodeName { node: node_id(k), name: format!("n{k}") })
            .collect(),
    }
}

fn promise(space: &KeyspaceSpec) -> Promise {
    let read_repair = match space.read_repair {
        Repair::Blocking => ReadRepairPolicy::Blocking,
        Repair::Background => ReadRepairPolicy::Background,
        Repair::Off => ReadRepairPolicy::Off,
    };
    Promise { read_repair: Some(read_repair), ..Promise::of(&space.name, space.n as u8) }
}
