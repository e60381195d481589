//! Carries a plan out: faults, clients, and then peace, until everything has converged or a large bound is hit.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use quorate_coordinator::ReadRepairPolicy;
use quorate_transport::memory::LinkFaults;
use quorate_types::{Level, Mono, Version, WriteOutcome};
use quorate_wal::TailState;
use quorate_wire::{ExpiryRequest, Request, RequestBody, ResponseBody};

use super::history::{Attempt, History, Intent, Op};
use super::plan::{self, Ask, Fault, Plan, Return, Step, What};
use super::watch::Watch;
use crate::lab::{Lab, LabSpec, keyspace};

/// Longest virtual time that hints may take after the last fault. So long, because a page that is taken in part only
/// makes the next one wait twice as long (up to 10 s), and a swarm's smallest limits take three hints of a page.
const DRAIN: Duration = Duration::from_mins(20);

/// How often everything happened, by name.
pub type Tally = BTreeMap<&'static str, u64>;

pub struct Run {
    pub seed: u64,
    pub spec: LabSpec,
    pub plan: Plan,
    pub lab: Lab,
    pub history: History,
    pub watch: Watch,
    pub tally: Tally,
    /// What was found wrong, with the key that it concerns.
    pub wrong: Vec<(Option<String>, String)>,
    begin: Mono,
    /// Nothing fails any more.
    peace: bool,
    /// When each replica comes back.
    back: Vec<Option<(Mono, Return)>>,
    pending: BTreeMap<usize, Return>,
    ends: Vec<(Mono, End)>,
    op_of_step: BTreeMap<usize, usize>,
    numbers: u64,
    /// Requests as sent, for duplicates: the step's replica, its life, session and the request.
    requests: BTreeMap<usize, (usize, u64, u64, Request)>,
    retries: BTreeMap<usize, usize>,
}

/// The end of a fault.
#[derive(Clone, Debug)]
enum End {
    Pause(usize, u64),
    Cuts(Vec<(usize, usize)>),
}

impl Run {
    pub fn new(seed: u64) -> Run {
        let spec = plan::spec(seed);
        let plan = Plan::of(seed, &spec);
        let lab = Lab::start(spec.clone());
        let nodes = spec.nodes;
        Run {
            seed,
            plan,
            begin: lab.now().mono,
            peace: false,
            watch: Watch::new(nodes),
            lab,
            spec,
            history: History::default(),
            tally: Tally::new(),
            wrong: Vec::new(),
            back: vec![None; nodes + 1],
            pending: BTreeMap::new(),
            ends: Vec::new(),
            op_of_step: BTreeMap::new(),
            numbers: 0,
            requests: BTreeMap::new(),
            retries: BTreeMap::new(),
        }
    }

    /// The whole run, to the end of the peace after it.
    pub fn go(&mut self) {
        let steps = self.plan.steps.clone();
        for (place, (at_ms, step)) in steps.into_iter().enumerate() {
            self.run_to(self.begin + Duration::from_millis(at_ms));
            match step {
                Step::Fault(fault) => self.fault(fault),
                Step::Ask(ask) => self.ask(place, &ask),
                Step::Again(of) => self.again(of),
            }
        }
        self.make_peace();
        self.drain();
    }

    fn run_to(&mut self, until: Mono) {
        while self.lab.now().mono < until {
            let next = self.ends.iter().map(|(at, _)| *at);
            let next = next.chain(self.back.iter().flatten().map(|(at, _)| *at)).min();
            let stop = next.map_or(until, |at| at.min(until));
            let step =
                stop.since(self.lab.now().mono).min(Duration::from_millis(if self.peace { 25 } else { 5 }));
            self.lab.run_for(step.max(Duration::from_micros(1)));
            self.look();
        }
    }

    /// After a while of time: answers, deaths, copies, and what is due.
    fn look(&mut self) {
        self.hear();
        for k in self.lab.take_dark() {
            self.count("power went in the middle of something");
            let back =
                self.pending.remove(&k).unwrap_or(Return { after_ms: 400, shards: 1, dark_after: None });
            self.died(k, back);
        }
        for k in 1..=self.spec.nodes {
            if self.lab.is_up(k) && self.lab.refuses_writes(k) && self.back[k].is_none() {
                self.count("log failed");
                let back =
                    self.pending.remove(&k).unwrap_or(Return { after_ms: 400, shards: 1, dark_after: None });
                self.back[k] = Some((self.lab.now().mono + Duration::from_millis(back.after_ms), back));
            }
        }
        self.watch.look(&self.lab, &self.history, &mut self.wrong);
        self.end_what_is_over();
        self.bring_back();
    }

    fn end_what_is_over(&mut self) {
        let now = self.lab.now().mono;
        let (over, rest) = std::mem::take(&mut self.ends).into_iter().partition(|(at, _)| *at <= now);
        self.ends = rest;
        let over: Vec<(Mono, End)> = over;
        for (_, end) in over {
            match end {
                End::Pause(k, life) if self.lab.life(k) == life && self.lab.is_paused(k) => {
                    self.lab.resume(k);
                }
                End::Pause(..) => {}
                End::Cuts(cuts) => {
                    for (a, b) in cuts {
                        self.lab.heal(a, b);
                    }
                }
            }
        }
    }

    fn bring_back(&mut self) {
        let now = self.lab.now().mono;
        for k in 1..=self.spec.nodes {
            let Some((at, back)) = self.back[k].filter(|(at, _)| *at <= now) else { continue };
            if self.lab.is_up(k) {
                // Its log failed. It is restarted, as its operator is told to.
                self.before_death(k);
                if at.0 % 2 == 0 { self.lab.kill(k) } else { self.lab.cut_power(k) }
            }
            self.lab.set_shards(k, back.shards);
            if let Some(operations) = back.dark_after.filter(|_| !self.peace) {
                self.lab.cut_power_after(k, operations);
            }
            self.start(k, now, back);
        }
    }

    fn start(&mut self, k: usize, now: Mono, back: Return) {
        let shards_before = self.watch.shards_before(k);
        match self.lab.try_restart(k) {
            Ok(()) => {
                self.back[k] = None;
                self.count("restarted");
                if shards_before.is_some_and(|before| before != back.shards) {
                    self.count("number of shards changed");
                }
                let report = self.lab.report(k).expect("it started");
                if matches!(report.tail, TailState::Torn { .. }) {
                    self.count("torn tail cut");
                }
                if report.checkpoint > 0 {
                    self.count("checkpoint recovered");
                }
                self.watch.started(k, &self.lab, &self.history, &mut self.wrong);
            }
            Err(error) => {
                self.count("recovery interrupted");
                let dark = self.lab.lose_power_if_dark(k);
                if !dark && !self.may_fail_to_sync(k) {
                    self.wrong.push((None, format!("n{k} does not start again: {error}")));
                }
                let again = Return { dark_after: None, ..back };
                self.back[k] = Some((now + Duration::from_millis(100), again));
            }
        }
    }

    /// Whether a failing sync was planned for it at some time.
    fn may_fail_to_sync(&self, k: usize) -> bool {
        let planned = |step: &Step| matches!(step, Step::Fault(Fault::FailSync(at, ..)) if *at == k);
        self.plan.steps.iter().any(|(_, step)| planned(step))
    }

    pub fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    fn before_death(&mut self, k: usize) {
        for (name, count) in self.lab.counters(k) {
            *self.tally.entry(name).or_default() += count;
        }
        self.watch.dying(k, &self.lab, &self.history, &mut self.wrong);
    }

    fn died(&mut self, k: usize, back: Return) {
        let at = self.lab.now().mono + Duration::from_millis(back.after_ms);
        self.back[k] = Some((at, back));
    }

    fn kill(&mut self, k: usize, back: Return) {
        if self.lab.is_up(k) {
            self.count("killed");
            self.before_death(k);
            self.lab.kill(k);
            self.died(k, back);
        }
    }

    fn cut_power(&mut self, k: usize, back: Return) {
        if self.lab.is_up(k) {
            self.count("power cut");
            self.before_death(k);
            self.lab.cut_power(k);
            self.died(k, back);
        }
    }

    fn fault(&mut self, fault: Fault) {
        let until = |run: &Run, ms: u64| run.lab.now().mono + Duration::from_millis(ms);
        match fault {
            Fault::Kill(k, back) => self.kill(k, back),
            Fault::CutPower(k, back) => self.cut_power(k, back),
            Fault::CutPowerOfAll(back) => {
                self.count("power cut of all");
                for k in 1..=self.spec.nodes {
                    self.cut_power(k, back);
                }
            }
            Fault::CutPowerAfter(k, operations, back) if self.lab.is_up(k) => {
                self.pending.insert(k, back);
                self.lab.cut_power_after(k, operations);
            }
            Fault::FailSync(k, syncs, back) if self.lab.is_up(k) => {
                self.pending.insert(k, back);
                self.lab.fail_sync_after(k, syncs);
            }
            Fault::Pause(k, ms) if self.lab.is_up(k) && !self.lab.is_paused(k) => {
                self.count("paused");
                self.lab.pause(k);
                self.ends.push((until(self, ms), End::Pause(k, self.lab.life(k))));
            }
            Fault::CutOneWay(a, b, ms) if a != b => self.cut(vec![(a, b)], until(self, ms)),
            Fault::Partition(mask, ms) => {
                let side = |k: &usize| mask >> (k - 1) & 1 == 1;
                let (left, right): (Vec<usize>, Vec<usize>) = (1..=self.spec.nodes).partition(side);
                let pairs = left.iter().flat_map(|a| right.iter().flat_map(move |b| [(*a, *b), (*b, *a)]));
                self.cut(pairs.collect(), until(self, ms));
            }
            Fault::Network(faults) => {
                self.count("network changed");
                self.lab.network().set_all_faults(faults);
            }
            Fault::Checkpoint(k) => {
                self.count("checkpoint begun");
                self.lab.begin_checkpoint(k);
            }
            Fault::Clock(k, ms) => {
                self.count("clock jumped");
                self.lab.set_clock(k, ms);
            }
            _ => {}
        }
    }

    fn cut(&mut self, cuts: Vec<(usize, usize)>, until: Mono) {
        self.count(if cuts.len() == 1 { "cut one way" } else { "partitioned" });
        for (a, b) in &cuts {
            self.lab.cut(*a, *b);
        }
        self.ends.push((until, End::Cuts(cuts)));
    }

    fn ask(&mut self, place: usize, ask: &Ask) {
        if !self.lab.is_up(ask.by) {
            return;
        }
        let op = self.history.ops.len();
        let intent = match &ask.what {
            What::Put { bytes, .. } => Intent::Put(value(op, *bytes)),
            What::Delete => Intent::Delete,
            What::Get => Intent::Get,
        };
        let expiry = match ask.what {
            What::Put { ttl_ms: Some(ttl), .. } => ExpiryRequest::TtlMs(ttl),
            _ => ExpiryRequest::Never,
        };
        let body = body(&ask.key, &intent, ask.level, expiry, None);
        self.history.ops.push(Op { key: ask.key.clone(), level: ask.level, intent, attempts: Vec::new() });
        if let Some(by) = ask.retry_by {
            self.retries.insert(op, by);
        }
        self.op_of_step.insert(place, op);
        let sent = self.send(op, ask.client, ask.by, body);
        self.requests.insert(place, sent);
    }

    fn send(&mut self, op: usize, client: u64, by: usize, body: RequestBody) -> (usize, u64, u64, Request) {
        self.numbers += 1;
        let request = Request { number: self.numbers, time_left_ms: 2_000, want_receipt: false, body };
        let life = self.lab.life(by);
        let session = client << 32 | (by as u64) << 24 | life;
        let attempt = Attempt {
            by,
            life,
            sent: self.lab.now().mono,
            copies: 1,
            answers: Vec::new(),
            unanswered: 0,
            retry: brings_version(&request.body),
            log_failed: self.lab.refuses_writes(by) && !self.lab.is_paused(by),
        };
        self.history.note_sent(op, attempt, (session, request.number));
        self.lab.send_in(session, by, request.clone());
        (by, life, session, request)
    }

    fn again(&mut self, of: usize) {
        let Some((by, life, session, request)) = self.requests.get(&of).cloned() else { return };
        let op = self.op_of_step[&of];
        if self.lab.is_up(by) && self.lab.life(by) == life {
            self.count("request sent twice");
            self.history.ops[op].attempts[0].copies += 1;
            self.lab.send_in(session, by, request);
        }
    }

    /// Takes in what was answered; sends again, with its version, what may or may not have been written.
    fn hear(&mut self) {
        for heard in self.lab.take_heard() {
            let outcome = heard.response.as_ref().and_then(|response| match &response.body {
                ResponseBody::Write(outcome) => Some(outcome.clone()),
                _ => None,
            });
            let Some(op) = self.history.note_heard(heard) else { continue };
            if let Some(WriteOutcome::Indeterminate { version: Some(version), expires_at_ms, .. }) = outcome
                && let Some(by) = self.retries.remove(&op)
                && self.lab.is_up(by)
            {
                self.retry(op, by, version, expires_at_ms);
            } else if op % 2 == 0 && matches!(outcome, Some(WriteOutcome::Written { .. })) {
                self.probe(op);
            }
        }
    }

    /// Reads at QUORUM what was acknowledged just now, through another replica: an acknowledgement that comes too early
    /// shows at once or not at all.
    fn probe(&mut self, op: usize) {
        let by = 1 + op / 2 % self.spec.nodes;
        if self.peace || !self.lab.is_up(by) {
            return;
        }
        let (key, level, read) = (self.history.ops[op].key.clone(), Level::Quorum, self.history.ops.len());
        let body = body(&key, &Intent::Get, level, ExpiryRequest::Never, None);
        self.history.ops.push(Op { key, level, intent: Intent::Get, attempts: Vec::new() });
        self.send(read, 12, by, body);
    }

    fn retry(&mut self, op: usize, by: usize, version: Version, expires_at_ms: Option<u64>) {
        self.count("sent again with its version");
        let Op { key, level, intent, .. } = &self.history.ops[op];
        let expiry = expires_at_ms.map_or(ExpiryRequest::Never, ExpiryRequest::AtMs);
        let body = body(key, intent, *level, expiry, Some(version));
        self.send(op, 9, by, body);
    }

    /// No fault any more: everything is healed and comes back.
    fn make_peace(&mut self) {
        self.peace = true;
        self.lab.network().set_all_faults(LinkFaults::default());
        for (_, end) in std::mem::take(&mut self.ends) {
            if let End::Pause(k, life) = end
                && self.lab.life(k) == life
                && self.lab.is_paused(k)
            {
                self.lab.resume(k);
            }
        }
        for k in 1..=self.spec.nodes {
            self.lab.set_clock(k, 0);
            self.lab.forget_disk_faults(k);
            for other in (1..=self.spec.nodes).filter(|other| *other != k) {
                self.lab.heal(k, other);
            }
        }
        let end = self.lab.now().mono + Duration::from_secs(8);
        self.run_to(end);
    }

    fn drain(&mut self) {
        let end = self.lab.now().mono + DRAIN;
        while !self.is_drained() {
            if self.lab.now().mono >= end {
                let left: Vec<_> = (1..=self.spec.nodes)
                    .map(|k| (k, self.lab.durable_hints(k), self.lab.hints_pending(k)))
                    .collect();
                return self.wrong.push((None, format!("hints are not delivered after {DRAIN:?}: {left:?}")));
            }
            let next = self.lab.now().mono + Duration::from_millis(200);
            self.run_to(next);
        }
        let settle = self.lab.now().mono + Duration::from_secs(3);
        self.run_to(settle);
    }

    fn is_drained(&self) -> bool {
        (1..=self.spec.nodes)
            .all(|k| self.lab.is_up(k) && self.lab.hints_at(k) == 0 && self.lab.hints_pending(k) == 0)
    }

    /// Reads every key at ALL, so that read repair brings the copies together; those that fail again, and slower,
    /// for a limit may have been reached. The keys whose reads failed each time.
    pub fn read_all(&mut self) -> Vec<String> {
        let mut keys = self.history.keys();
        // Nobody is told of a background repair that a limit prevented.
        let first = if self.spec.policy.read_repair == ReadRepairPolicy::Background { 1 } else { 16 };
        for at_a_time in [first, 1, 1] {
            let begin = self.history.ops.len();
            for (i, key) in keys.iter().enumerate() {
                self.read_at_all(1 + i % self.spec.nodes, key);
                if i % at_a_time == 0 {
                    let end = self.lab.now().mono + Duration::from_millis(100);
                    self.run_to(end);
                }
            }
            let end = self.lab.now().mono + Duration::from_secs(4);
            self.run_to(end);
            keys = self.history.ops[begin..]
                .iter()
                .filter(|op| !op.intent.writes() && !op.found_out())
                .map(|op| op.key.clone())
                .collect();
        }
        keys
    }

    fn read_at_all(&mut self, by: usize, key: &str) {
        let (op, level) = (self.history.ops.len(), Level::All);
        self.history.ops.push(Op { key: key.to_owned(), level, intent: Intent::Get, attempts: Vec::new() });
        self.send(op, 10, by, body(key, &Intent::Get, level, ExpiryRequest::Never, None));
    }

    /// Writes at ALL through every replica, which must all succeed.
    pub fn write_once_more(&mut self) {
        for by in 1..=self.spec.nodes {
            let op = self.history.ops.len();
            let (key, intent) = (format!("last-{by}"), Intent::Put(value(op, 0)));
            let body = body(&key, &intent, Level::All, ExpiryRequest::Never, None);
            self.history.ops.push(Op { key: key.clone(), level: Level::All, intent, attempts: Vec::new() });
            self.send(op, 11, by, body);
            let end = self.lab.now().mono + Duration::from_secs(1);
            self.run_to(end);
            let written = self.history.ops[op].acked().is_some();
            if !written {
                self.wrong.push((
                    Some(key),
                    format!(
                        "a write at ALL through n{by} fails in peace: {:?}",
                        self.history.ops[op].attempts
                    ),
                ));
            }
        }
    }

    /// The counters of those who live at the end.
    pub fn count_the_living(&mut self) {
        for k in 1..=self.spec.nodes {
            for (name, count) in self.lab.counters(k) {
                *self.tally.entry(name).or_default() += count;
            }
        }
        let network = self.lab.network().statistics();
        for (name, count) in [
            ("frames", network.sent),
            ("frames dropped", network.dropped),
            ("frames duplicated", network.duplicated),
            ("frames reordered", network.reordered),
        ] {
            *self.tally.entry(name).or_default() += count;
        }
    }

    /// Replicas of a key, as node numbers.
    pub fn copies(&self, key: &str) -> Vec<(usize, Option<quorate_types::Record>)> {
        let owners = self.lab.replicas_of(key.as_bytes());
        owners.into_iter().map(|k| (k, self.lab.copy(k, key.as_bytes()))).collect()
    }
}

/// A value that says which write it is of.
fn value(op: usize, bytes: usize) -> String {
    format!("w{op}-{}", "x".repeat(bytes))
}

fn body(
    key: &str,
    intent: &Intent,
    level: Level,
    expiry: ExpiryRequest,
    version: Option<Version>,
) -> RequestBody {
    let (keyspace, key, level) = (keyspace(), Bytes::copy_from_slice(key.as_bytes()), Some(level));
    match intent {
        Intent::Get => RequestBody::Get { keyspace, key, level },
        Intent::Delete => RequestBody::Delete { keyspace, key, level, version },
        Intent::Put(value) => {
            let value = Bytes::copy_from_slice(value.as_bytes());
            RequestBody::Put { keyspace, key, value, level, expiry, version }
        }
    }
}

fn brings_version(body: &RequestBody) -> bool {
    matches!(body, RequestBody::Put { version: Some(_), .. } | RequestBody::Delete { version: Some(_), .. })
}
