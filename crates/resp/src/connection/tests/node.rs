//! A node of one map, asked by one machine.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_types::{
    ClusterId, Expiry, Generation, KeyspaceId, Level, NodeId, Now, PageStart, ReadOutcome, Record, Timestamp,
    Token, Version, WriteOutcome,
};
use quorate_wire::{
    ExpiryRequest, KeyspaceStatus, NodeStatus, PageOutcome, RequestBody, Response, ResponseBody, WalStatus,
};

use crate::{
    About, Ask, ClusterDoor, ClusterMap, Connection, Counts, Effects, Limits, Peer, Question, Settings, Told,
};

const SEED: u64 = 7;
const WALL_MS: u64 = 1_700_000_000_000;

/// How writes fail.
#[derive(Clone, Copy, Debug)]
pub enum Failure {
    Unavailable,
    UnavailableFor(&'static str),
    Indeterminate,
}

/// A machine and its node. Asks wait until [`Lab::answer`] or are answered at once by [`Lab::says`].
pub struct Lab {
    pub connection: Connection,
    settings: Arc<Settings>,
    pub waiting: VecDeque<Ask>,
    pub asked: u64,
    pub counts: Counts,
    records: BTreeMap<Bytes, Record>,
    stamps: u64,
    failure: Option<Failure>,
    write_level: Option<Level>,
    write_version: Option<Version>,
    /// Nodes that are down.
    pub down: Vec<NodeId>,
    /// Time since [`now`] when the next bytes come.
    pub passed: Duration,
}

pub fn now() -> Now {
    Now { wall_ms: WALL_MS, ..Now::default() }
}

impl Lab {
    pub fn new() -> Lab {
        Lab::with(Limits::default(), None)
    }

    pub fn with(limits: Limits, password: Option<&str>) -> Lab {
        Lab::of(Settings {
            limits,
            keyspace: KeyspaceId::of_name("default"),
            hash_seed: SEED,
            read: None,
            write: None,
            password: password.map(|password| password.as_bytes().to_vec()),
            cluster: None,
            about: About { node: "n1".into(), partitions_held: 4096, ..About::default() },
        })
    }

    /// Node 1 of three whose door has cluster clients.
    pub fn of_cluster() -> Lab {
        let door = |node| ClusterDoor { node: NodeId(node), host: format!("10.0.0.{node}"), port: 7379 };
        let map = ClusterMap::new(ClusterId(0xc), door(1), vec![door(3), door(2)]);
        let settings = Lab::new().settings;
        Lab::of(Settings { cluster: Some(map), ..(*settings).clone() })
    }

    fn of(settings: Settings) -> Lab {
        let settings = Arc::new(settings);
        Lab {
            connection: Connection::new(Arc::clone(&settings), peer(), now()),
            settings,
            waiting: VecDeque::new(),
            asked: 0,
            counts: Counts::default(),
            records: BTreeMap::new(),
            stamps: 0,
            failure: None,
            write_level: None,
            write_version: None,
            down: Vec::new(),
            passed: Duration::ZERO,
        }
    }

    pub fn reconnect(&mut self) {
        self.connection = Connection::new(Arc::clone(&self.settings), peer(), now());
    }

    pub fn fail_writes(&mut self, failure: Failure) {
        self.failure = Some(failure);
    }

    /// The version that the last write of a value was to have.
    pub fn last_write_version(&self) -> Option<Version> {
        self.write_version
    }

    pub fn last_write_level(&self) -> Option<Level> {
        self.write_level
    }

    /// Sends a line and answers everything that it brings about; the reply.
    pub fn says(&mut self, line: &str) -> String {
        self.sends(Bytes::from(format!("{line}\r\n")));
        self.answer_all();
        self.output()
    }

    pub fn sends(&mut self, bytes: Bytes) {
        let mut effects = Effects::default();
        let then = Now { mono: now().mono + self.passed, ..now() };
        self.connection.on_bytes(then, bytes, &mut effects);
        self.take(effects);
    }

    /// The client sends no more.
    pub fn finishes(&mut self) {
        let mut effects = Effects::default();
        self.connection.on_finished(now(), &mut effects);
        self.take(effects);
    }

    /// The replies so far, taken out as if they were sent.
    pub fn output(&mut self) -> String {
        let output = self.connection.output().split();
        let mut effects = Effects::default();
        self.connection.on_sent(now(), &mut effects);
        self.take(effects);
        String::from_utf8_lossy(&output).into_owned()
    }

    pub fn answer_all(&mut self) {
        while !self.waiting.is_empty() {
            self.answer(0);
        }
    }

    /// Answers the `at`-th of those that wait.
    pub fn answer(&mut self, at: usize) {
        let ask = self.waiting.remove(at).unwrap();
        let body = self.executed(ask.body);
        let response = Response { number: ask.number, body, receipt: None };
        let mut effects = Effects::default();
        self.connection.on_response(now(), response, &mut effects);
        self.take(effects);
    }

    pub fn take(&mut self, effects: Effects) {
        self.asked += effects.asks.len() as u64;
        self.waiting.extend(effects.asks);
        self.counts.refused += effects.counts.refused;
        self.counts.overdue += effects.counts.overdue;
        self.counts.replies_too_large += effects.counts.replies_too_large;
        self.counts.cross_protocol += effects.counts.cross_protocol;
        for (number, question) in effects.questions {
            let mut more = Effects::default();
            let facts = self.connection.facts();
            let told = match question {
                Question::Clients => Told::Clients(vec![facts]),
                Question::Down => Told::Down(self.down.clone()),
                Question::Kill(whom) => Told::Killed(u64::from(whom.fits(&facts))),
            };
            self.connection.on_told(now(), number, &told, &mut more);
            self.take(more);
        }
    }

    fn executed(&mut self, body: RequestBody) -> ResponseBody {
        match body {
            RequestBody::Get { key, .. } => ResponseBody::Read(self.read(&key)),
            RequestBody::Put { key, value, level, expiry, version, .. } => {
                (self.write_level, self.write_version) = (level, version);
                let kept = self.records.get(&key).map(|record| record.expiry);
                let version = self.stamp();
                let expiry = match (expiry, kept) {
                    (ExpiryRequest::Keep, Some(expiry)) => expiry,
                    (expiry, _) => Expiry { version, at_ms: at_ms(expiry) },
                };
                self.written(key, Record { version, value: Some(value), expiry })
            }
            RequestBody::Delete { key, level, .. } => {
                self.write_level = level;
                let version = self.stamp();
                self.written(key, Record::tombstone(version))
            }
            RequestBody::Expire { key, expiry, .. } => match self.read(&key) {
                ReadOutcome::Found { mut record } => {
                    record.expiry = Expiry { version: self.stamp(), at_ms: at_ms(expiry) };
                    self.written(key, record)
                }
                other => ResponseBody::Read(other),
            },
            RequestBody::Page { partition, start, limit, .. } => {
                ResponseBody::Page(self.page(partition, &start, limit))
            }
            RequestBody::Status => ResponseBody::Status(Box::new(self.status())),
            other => panic!("not asked by this door: {other:?}"),
        }
    }

    fn read(&self, key: &Bytes) -> ReadOutcome {
        match self.records.get(key) {
            None => ReadOutcome::NotFound { expired: None },
            Some(record) if record.value.is_none() => ReadOutcome::Deleted { version: record.version },
            Some(record) if record.is_expired(WALL_MS) => {
                ReadOutcome::NotFound { expired: Some(record.version) }
            }
            Some(record) => ReadOutcome::Found { record: record.clone() },
        }
    }

    fn stamp(&mut self) -> Version {
        self.stamps += 1;
        Version::new(Timestamp::from_parts(WALL_MS, self.stamps as u16), NodeId(1))
    }

    fn written(&mut self, key: Bytes, record: Record) -> ResponseBody {
        let version = record.newest();
        let outcome = match self.failure {
            Some(Failure::Indeterminate) => WriteOutcome::Indeterminate {
                acked: 1,
                required: 2,
                version: Some(version),
                expires_at_ms: None,
            },
            Some(Failure::Unavailable) => WriteOutcome::Unavailable { required: 2, alive: 1 },
            Some(Failure::UnavailableFor(one)) if key == one => {
                WriteOutcome::Unavailable { required: 2, alive: 1 }
            }
            _ => {
                let expires_at_ms = record.expiry.at_ms;
                self.records.insert(key, record);
                WriteOutcome::Written { version, expires_at_ms, acked: 2, required: 2 }
            }
        };
        ResponseBody::Write(outcome)
    }

    fn page(&self, partition: quorate_types::PartitionId, start: &PageStart, limit: u32) -> PageOutcome {
        let token = |key: &Bytes| Token::of(key, SEED);
        let behind = |key: &Bytes| match start {
            PageStart::First => true,
            PageStart::After(after) => (token(key), key) > (token(after), after),
            PageStart::At(from) => token(key) >= *from,
        };
        let mut keys: Vec<&Bytes> =
            self.records.keys().filter(|key| token(key).partition() == partition && behind(key)).collect();
        keys.sort_unstable_by_key(|key| (token(key), (*key).clone()));
        let next = (keys.len() > limit as usize).then(|| keys[limit as usize - 1].clone());
        let live = |key: &&Bytes| matches!(self.read(key), ReadOutcome::Found { .. });
        let shown = keys.into_iter().take(limit as usize).filter(live);
        PageOutcome::Page {
            entries: shown.map(|key| (key.clone(), self.records[key].clone())).collect(),
            next,
        }
    }

    fn status(&self) -> NodeStatus {
        let keys = self.records.values().filter(|record| record.value.is_some()).count() as u64;
        let keyspace = KeyspaceStatus {
            id: self.settings.keyspace,
            name: "default".into(),
            n: 1,
            keys,
            tombstones: 0,
            bytes: 10,
        };
        NodeStatus {
            node: NodeId(1),
            name: "n1".into(),
            cluster: ClusterId(1),
            generation: Generation(1),
            uptime_ms: 5_000,
            shards: 1,
            ring_hash: 1,
            peers: Vec::new(),
            keyspaces: vec![keyspace],
            hints: Vec::new(),
            wal: WalStatus::default(),
            counters: vec![("resp_commands".into(), 9), ("process_resident_bytes".into(), 4_096)],
        }
    }
}

fn peer() -> Peer {
    Peer { id: 5, addr: "10.0.0.1:9".into(), local_addr: "10.0.0.2:7379".into() }
}

fn at_ms(expiry: ExpiryRequest) -> Option<u64> {
    match expiry {
        ExpiryRequest::TtlMs(ttl) => Some(WALL_MS + ttl),
        ExpiryRequest::AtMs(at) => Some(at),
        ExpiryRequest::Never | ExpiryRequest::Keep => None,
    }
}
