//! One run: four nodes with wrong clocks, faults, and clients that read and write a few hot keys.
//!
//! Invariants: what happens is drawn from the seed, each source of chance from a stream of its own; an operation ends
//! at the first answer that settles it, and stays open if none does.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use quorate_types::{Level, Mono, ReadOutcome, Version, WriteOutcome};
use quorate_wal::testkit::SplitMix;
use quorate_wire::{ExpiryRequest, Request, RequestBody, ResponseBody};

use super::faults::{self, FaultPlan};
use quorate_sim::check::{Action, Decision, RegisterOp, search};
use quorate_sim::cluster::{Cluster, ClusterSpec, Heard, Repair};

/// How long clients work while things fail, virtual milliseconds.
pub const RUN_MS: u64 = 12_000;
/// Most steps of a search, for one key.
const STEPS_MAX: u64 = 1_000_000;
/// How long they go on in peace.
const PEACE_MS: u64 = 4_000;
const CLIENTS: u64 = 6;
/// After this long a client goes on without an answer.
const PATIENCE: Duration = Duration::from_secs(3);

pub const NODES: usize = 4;
pub const KEYS: [&str; 3] = ["hot-a", "hot-b", "hot-c"];

/// At which levels clients read and write.
#[derive(Clone, Copy, Debug)]
pub struct Levels {
    pub read: Level,
    pub write: Level,
}

#[derive(Clone, Debug)]
enum What {
    Get,
    Put,
    Delete,
}

/// One operation with all its sendings.
#[derive(Debug)]
struct Op {
    key: &'static str,
    what: What,
    by: usize,
    begin: Mono,
    /// When it was settled, and the value that a read found: that of the write with this number.
    end: Option<(Mono, u32)>,
    sent: usize,
    /// Sendings that were answered by a plain no.
    refused: usize,
    /// Duplicates of which nothing more will be said.
    unanswered: usize,
    /// An answer said that it may survive.
    in_doubt: bool,
}

impl Op {
    fn writes(&self) -> bool {
        !matches!(self.what, What::Get)
    }

    /// Nobody will ever see it: every sending was answered by a no.
    fn never_happened(&self) -> bool {
        !self.in_doubt && self.refused > 0 && self.refused + self.unanswered == self.sent
    }

    fn is_settled(&self) -> bool {
        self.end.is_some() || self.never_happened()
    }
}

#[derive(Debug)]
struct Client {
    number: u64,
    chance: SplitMix,
    waits_for: Option<(usize, Mono)>,
    idle_until: Mono,
}

/// How often everything happened, by name.
pub type Tally = BTreeMap<&'static str, u64>;

pub struct Story {
    pub cluster: Cluster,
    pub tally: Tally,
    plan: FaultPlan,
    clients: Vec<Client>,
    levels: Levels,
    ops: Vec<Op>,
    sent: BTreeMap<(u64, u64), usize>,
    numbers: u64,
    retries: SplitMix,
}

impl Story {
    pub fn new(seed: u64, levels: Levels) -> Story {
        let mut spec = ClusterSpec::default().with_nodes(NODES).with_repair(Repair::Off);
        let mut draw = SplitMix::new(seed ^ 0x5bec);
        spec.shards = 1 + draw.below(2) as usize;
        spec.keyspaces[0].hinted_handoff = !draw.one_in(4);
        spec.tuning.sync_us_most = [200, 2_000, 20_000][draw.below(3) as usize];
        spec.tuning.turn_us = [0, 20, 300][draw.below(3) as usize];
        spec.tuning.clock_skew_max_ms = 60_000;
        let cluster = Cluster::start(seed, spec);
        let begin = cluster.now().mono;
        let client = |number| Client {
            number,
            chance: SplitMix::new(seed ^ 0xc11e_0000 ^ number << 48),
            waits_for: None,
            idle_until: begin,
        };
        Story {
            plan: FaultPlan::of(seed, begin),
            clients: (1..=CLIENTS).map(client).collect(),
            cluster,
            levels,
            tally: Tally::new(),
            ops: Vec::new(),
            sent: BTreeMap::new(),
            numbers: 0,
            retries: SplitMix::new(seed ^ 0x2e72),
        }
    }

    /// The whole run; what became of each key.
    pub fn go(&mut self) -> Vec<(&'static str, Decision)> {
        self.run_for_ms(RUN_MS);
        for fault in self.plan.peace(&mut self.cluster) {
            faults::apply(&mut self.cluster, fault);
        }
        self.run_for_ms(PEACE_MS);
        self.clients.clear();
        for (place, key) in (0..).zip(KEYS) {
            self.send(100, (key, What::Get), 1 + place % NODES);
        }
        self.run_for_ms(3_000);
        self.count_all();
        KEYS.iter().map(|key| (*key, search(&self.register(key), &mut { STEPS_MAX }))).collect()
    }

    fn run_for_ms(&mut self, ms: u64) {
        let end = self.cluster.now().mono + Duration::from_millis(ms);
        while self.cluster.now().mono < end {
            self.cluster.run_for(Duration::from_millis(1));
            self.hear();
            for fault in self.plan.due(&mut self.cluster) {
                *self.tally.entry(fault.name()).or_default() += 1;
                faults::apply(&mut self.cluster, fault);
            }
            for at in 0..self.clients.len() {
                self.drive(at);
            }
        }
    }

    /// Lets a client ask its next question, if it waits for nothing.
    fn drive(&mut self, at: usize) {
        let now = self.cluster.now().mono;
        let client = &mut self.clients[at];
        if let Some((op, since)) = client.waits_for {
            if !self.ops[op].is_settled() && now < since + PATIENCE {
                return;
            }
            client.waits_for = None;
            client.idle_until = now + Duration::from_millis(client.chance.below(60));
        }
        if now < client.idle_until {
            return;
        }
        let key = KEYS[client.chance.below(KEYS.len() as u64) as usize];
        let what = match client.chance.below(10) {
            0..5 => What::Get,
            5..9 => What::Put,
            _ => What::Delete,
        };
        let by = 1 + client.chance.below(NODES as u64) as usize;
        let twice = client.chance.one_in(10);
        if !self.cluster.is_up(by) {
            return;
        }
        let number = client.number;
        let (op, request, session) = self.send(number, (key, what), by);
        self.clients[at].waits_for = Some((op, now));
        if twice {
            self.count("request sent twice");
            self.ops[op].sent += 1;
            self.cluster.send_in(session, by, request);
        }
    }

    fn send(&mut self, client: u64, (key, what): (&'static str, What), by: usize) -> (usize, Request, u64) {
        let (op, begin) = (self.ops.len(), self.cluster.now().mono);
        self.ops.push(Op {
            key,
            what,
            by,
            begin,
            end: None,
            sent: 0,
            refused: 0,
            unanswered: 0,
            in_doubt: false,
        });
        let (request, session) = self.attempt(op, (client, by), None);
        (op, request, session)
    }

    /// Sends an operation to a node, for the first time or again with its version.
    fn attempt(&mut self, op: usize, (client, by): (u64, usize), version: Option<Version>) -> (Request, u64) {
        self.numbers += 1;
        let session = client << 32 | (by as u64) << 24 | self.cluster.life(by);
        let body = self.body(op, version);
        let request = Request { number: self.numbers, time_left_ms: 2_000, want_receipt: false, body };
        self.ops[op].sent += 1;
        self.sent.insert((session, request.number), op);
        self.cluster.send_in(session, by, request.clone());
        (request, session)
    }

    fn body(&self, op: usize, version: Option<Version>) -> RequestBody {
        let Op { key, what, .. } = &self.ops[op];
        let (keyspace, key) = (self.cluster.keyspace(), Bytes::from_static(key.as_bytes()));
        let (read, level) = (Some(self.levels.read), Some(self.levels.write));
        match what {
            What::Get => RequestBody::Get { keyspace, key, level: read },
            What::Delete => RequestBody::Delete { keyspace, key, level, version },
            What::Put => {
                let value = Bytes::from(value_of(op).to_string());
                RequestBody::Put { keyspace, key, value, level, expiry: ExpiryRequest::Never, version }
            }
        }
    }

    fn hear(&mut self) {
        for heard in self.cluster.take_heard() {
            let op = self.sent[&(heard.session, heard.number)];
            self.answered(op, &heard);
        }
    }

    fn answered(&mut self, id: usize, heard: &Heard) {
        let op = &mut self.ops[id];
        let Some(response) = &heard.response else {
            op.unanswered += 1;
            return;
        };
        match &response.body {
            ResponseBody::Write(WriteOutcome::Written { .. }) => settle(op, heard.at, 0),
            ResponseBody::Write(WriteOutcome::Indeterminate { version, .. }) => {
                op.in_doubt = true;
                if let Some(version) = version.filter(|_| op.sent < 4) {
                    self.retry(id, version);
                }
            }
            ResponseBody::Read(ReadOutcome::Found { record }) => {
                let text = record.value.as_deref().map(String::from_utf8_lossy).expect("found has a value");
                settle(op, heard.at, text.parse().expect("values are numbers"));
            }
            ResponseBody::Read(ReadOutcome::Deleted { .. } | ReadOutcome::NotFound { .. }) => {
                settle(op, heard.at, 0);
            }
            ResponseBody::Write(_) | ResponseBody::Read(_) | ResponseBody::Refused(_) => op.refused += 1,
            other => panic!("{other:?} to a get or a write"),
        }
    }

    /// Sends a write again, with its version, through whichever node; sometimes.
    fn retry(&mut self, op: usize, version: Version) {
        let by = 1 + self.retries.below(NODES as u64) as usize;
        if self.retries.one_in(3) || !self.cluster.is_up(by) {
            return;
        }
        self.count("sent again with its version");
        self.attempt(op, (99, by), Some(version));
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    fn count_all(&mut self) {
        for op in &self.ops {
            let name = match (op.writes(), op.end, op.never_happened()) {
                (true, Some(_), _) => "writes written",
                (true, None, true) => "writes refused",
                (true, None, false) => "writes left open",
                (false, Some(_), _) => "reads answered",
                (false, None, _) => "reads failed",
            };
            *self.tally.entry(name).or_default() += 1;
        }
        for k in 1..=NODES {
            let fired = self.cluster.fired(k);
            *self.tally.entry("sync failed").or_default() += fired.syncs_failed;
            *self.tally.entry("write failed").or_default() += fired.writes_failed;
            let counters = self.cluster.counters(k);
            for name in ["queries", "queries_failed", "repairs_blocking", "clock_parked", "hints_replayed"] {
                *self.tally.entry(name).or_default() += counters.get(name).copied().unwrap_or(0);
            }
        }
    }

    /// What happened to `key`, as to a register.
    fn register(&self, key: &str) -> Vec<RegisterOp> {
        let of_key = self.ops.iter().enumerate().filter(|(_, op)| op.key == key && !op.never_happened());
        let told = of_key.filter_map(|(id, op)| {
            let action = match op.what {
                // A read that was not answered says nothing.
                What::Get => Action::Read(op.end?.1),
                What::Put => Action::Write(value_of(id)),
                What::Delete => Action::Write(0),
            };
            Some(RegisterOp { begun: op.begin.0, ended: op.end.map(|(at, _)| at.0), action })
        });
        told.collect()
    }

    /// The history of `key` for people.
    pub fn table(&self, key: &str) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        for (id, op) in self.ops.iter().enumerate().filter(|(_, op)| op.key == key) {
            let ms = |at: Mono| at.0 as f64 / 1e6;
            let end = op.end.map_or("        open".to_owned(), |(at, _)| format!("{:>12.3}", ms(at)));
            let end = if op.never_happened() { "     refused".to_owned() } else { end };
            let what = match (&op.what, op.end) {
                (What::Get, Some((_, found))) => format!("read {found}"),
                (What::Get, None) => "read".to_owned(),
                (What::Put, _) => format!("write {}", value_of(id)),
                (What::Delete, _) => "delete".to_owned(),
            };
            let _ = writeln!(text, "{:>12.3} {end} ms  n{} {what}", ms(op.begin), op.by);
        }
        text
    }
}

/// The value that a put writes: its number, from 1.
fn value_of(op: usize) -> u32 {
    op as u32 + 1
}

fn settle(op: &mut Op, at: Mono, found: u32) {
    op.end.get_or_insert((at, found));
}
