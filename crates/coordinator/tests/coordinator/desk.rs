//! One coordinator, played by hand: every call returns all effects, in words.
//!
//! The replicas of the one key are called r0, r1, … in the order of the ring; the coordinator is no replica unless
//! it is said to be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_coordinator::{
    Attempt, ClientExplain, ClientPage, ClientRead, ClientWrite, Coordinator, CoordinatorConfig, Effect,
    KeyspacePolicy, Liveness, Origin, PageHandle, PageReply, Part, ReadHandle, ReadReply, SlowRequest,
    Sought, StampHandle, Tag, UnstampedWrite, WriteHandle,
};
use quorate_ring::{Member, Ring};
use quorate_types::{
    Expiry, KeyspaceId, Level, Mono, NodeId, Now, PageStart, ReadOutcome, Receipt, Record, Refusal,
    SessionId, Timestamp, Token, Version, WriteOutcome,
};
use quorate_wire::{
    FullIf, PageOutcome, PageResult, Purpose, ReadDigest, ReadResult, ReplicaWrite, Response, ResponseBody,
};

pub const KEYSPACE: KeyspaceId = KeyspaceId(7);
pub const KEY: &[u8] = b"key";

#[derive(Default)]
pub struct Beliefs {
    pub down: BTreeSet<NodeId>,
    pub p99: BTreeMap<NodeId, Duration>,
}

impl Liveness for Beliefs {
    fn is_alive(&self, node: NodeId) -> bool {
        !self.down.contains(&node)
    }

    fn read_p99(&self, node: NodeId) -> Option<Duration> {
        self.p99.get(&node).copied()
    }
}

pub fn at(t: u64) -> Version {
    Version::new(Timestamp::from_parts(t, 0), NodeId(1))
}

pub fn put(t: u64, value: &str) -> Record {
    Record::put(at(t), value.to_owned(), None)
}

pub struct Desk {
    pub coordinator: Coordinator,
    pub ring: Arc<Ring>,
    pub live: Beliefs,
    pub now: Now,
    pub replicas: Vec<NodeId>,
    pub receipt: Option<Box<Receipt>>,
    pub last_answer: Option<ResponseBody>,
    pub last_write: Option<ReplicaWrite>,
    write: Option<WriteHandle>,
    read: Option<ReadHandle>,
    page: Option<PageHandle>,
    stamp: Option<StampHandle>,
    numbers: u64,
}

/// Who coordinates.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    Outside,
    Replica(usize),
}

impl Desk {
    /// Three replicas and a coordinator beside them.
    pub fn new(policy: KeyspacePolicy) -> Desk {
        Desk::with(policy, Seat::Outside, |_| {})
    }

    pub fn with(policy: KeyspacePolicy, seat: Seat, adjust: impl Fn(&mut CoordinatorConfig)) -> Desk {
        let nodes: Vec<_> = (1..=policy.n as u32 + 1).map(NodeId).collect();
        let members: Vec<_> = nodes.iter().map(|&node| Member::new(node, 1.0, None)).collect();
        let ring = Arc::new(Ring::build(7, &members, &[(KEYSPACE, policy.n)]).expect("these members suit"));
        let replicas = ring.replicas(ring.token(KEY).partition(), policy.n).to_vec();
        let outside = nodes.iter().find(|node| !replicas.contains(node)).expect("one more than replicas");
        let own = match seat {
            Seat::Outside => *outside,
            Seat::Replica(i) => replicas[i],
        };
        let mut config = CoordinatorConfig::new(own);
        config.keyspaces.insert(KEYSPACE, policy);
        adjust(&mut config);
        Desk {
            coordinator: Coordinator::new(config, Arc::clone(&ring)),
            ring,
            live: Beliefs::default(),
            now: Now { mono: Mono(0), wall_ms: 1_000_000 },
            replicas,
            receipt: None,
            last_answer: None,
            last_write: None,
            write: None,
            read: None,
            page: None,
            stamp: None,
            numbers: 0,
        }
    }

    pub fn down(mut self, replica: usize) -> Desk {
        self.live.down.insert(self.replicas[replica]);
        self
    }

    /// All replicas are known to be as fast as each other, so that they are asked in the order of the ring.
    pub fn measured(mut self) -> Desk {
        let p99 = Duration::from_micros(200);
        self.live.p99.extend(self.replicas.iter().map(|&node| (node, p99)));
        self
    }

    pub fn token(&self) -> Token {
        self.ring.token(KEY)
    }

    fn origin(&mut self) -> Origin {
        self.numbers += 1;
        Origin { connection: 3, session: SessionId(4), number: self.numbers, tag: Tag::new(self.now.mono, 0) }
    }

    fn deadline(&self) -> Mono {
        self.now.mono + Duration::from_secs(2)
    }

    pub fn client_write(&mut self, version: u64, level: Level) -> ClientWrite {
        ClientWrite {
            origin: self.origin(),
            keyspace: KEYSPACE,
            key: Bytes::from_static(KEY),
            token: self.token(),
            value: Some(format!("v{version}").into()),
            version: at(version),
            part: Part::Both,
            attempt: Attempt::First,
            expires_at_ms: None,
            level: Some(level),
            deadline: self.deadline(),
            want_receipt: true,
        }
    }

    /// A put of version 5.
    pub fn put(&mut self, level: Level) -> Vec<String> {
        let write = self.client_write(5, level);
        self.start_write(write)
    }

    pub fn start_write(&mut self, write: ClientWrite) -> Vec<String> {
        let mut out = Vec::new();
        self.coordinator.start_write(self.now, &self.live, write, &mut out);
        self.told(out)
    }

    /// A put of `value` at LINEARIZABLE, which has no version yet.
    pub fn put_unstamped(&mut self, value: &str) -> Vec<String> {
        let write = self.unstamped_write(value);
        self.start_unstamped(write)
    }

    pub fn unstamped_write(&mut self, value: &str) -> UnstampedWrite {
        UnstampedWrite {
            origin: self.origin(),
            keyspace: KEYSPACE,
            key: Bytes::from_static(KEY),
            token: self.token(),
            value: Some(value.to_owned().into()),
            part: Part::Both,
            expires_at_ms: None,
            level: Some(Level::Linearizable),
            deadline: self.deadline(),
            want_receipt: true,
        }
    }

    pub fn start_unstamped(&mut self, write: UnstampedWrite) -> Vec<String> {
        let mut out = Vec::new();
        self.coordinator.start_unstamped_write(self.now, &self.live, write, &mut out);
        self.told(out)
    }

    /// The clock issues this version, or says why not.
    pub fn stamp(&mut self, stamp: Result<u64, Refusal>) -> Vec<String> {
        let handle = self.stamp.expect("a stamp was asked for");
        let mut out = Vec::new();
        self.coordinator.on_stamp(self.now, &self.live, (handle, stamp.map(at)), &mut out);
        self.told(out)
    }

    pub fn client_read(&mut self, level: Level) -> ClientRead {
        ClientRead {
            origin: self.origin(),
            keyspace: KEYSPACE,
            key: Bytes::from_static(KEY),
            token: self.token(),
            level: Some(level),
            deadline: self.deadline(),
            want_receipt: true,
        }
    }

    pub fn get(&mut self, level: Level) -> Vec<String> {
        let read = self.client_read(level);
        self.start_read(read)
    }

    pub fn start_read(&mut self, read: ClientRead) -> Vec<String> {
        let mut out = Vec::new();
        self.coordinator.start_read(self.now, &self.live, read, &mut out);
        self.told(out)
    }

    pub fn page(&mut self, level: Level, limit: u32) -> Vec<String> {
        let page = ClientPage {
            origin: self.origin(),
            keyspace: KEYSPACE,
            partition: self.token().partition(),
            start: PageStart::First,
            limit,
            level: Some(level),
            deadline: self.deadline(),
        };
        let mut out = Vec::new();
        self.coordinator.start_page(self.now, &self.live, page, &mut out);
        self.told(out)
    }

    pub fn explain(&mut self) -> Vec<String> {
        let explain = ClientExplain {
            origin: self.origin(),
            keyspace: KEYSPACE,
            key: Bytes::from_static(KEY),
            token: self.token(),
            deadline: self.deadline(),
        };
        let mut out = Vec::new();
        self.coordinator.start_explain(self.now, &self.live, explain, &mut out);
        self.told(out)
    }

    /// The last write or repair was acknowledged by a replica.
    pub fn ack(&mut self, replica: usize) -> Vec<String> {
        self.ack_from(self.replicas[replica])
    }

    pub fn ack_from(&mut self, node: NodeId) -> Vec<String> {
        let handle = self.write.expect("a write was sent");
        let mut out = Vec::new();
        self.coordinator.on_write_acked(self.now, node, handle, &mut out);
        self.told(out)
    }

    pub fn refuse(&mut self, replica: usize) -> Vec<String> {
        let (node, handle) = (self.replicas[replica], self.write.expect("a write was sent"));
        let mut out = Vec::new();
        self.coordinator.on_write_refused(self.now, node, handle, Refusal::LogFailed, &mut out);
        self.told(out)
    }

    pub fn lose(&mut self, replica: usize) -> Vec<String> {
        let (node, handle) = (self.replicas[replica], self.write.expect("a write was sent"));
        let mut out = Vec::new();
        self.coordinator.on_write_lost(self.now, node, handle, &mut out);
        self.told(out)
    }

    /// A replica answers the last read or explain.
    pub fn reply(&mut self, replica: usize, result: ReadResult) -> Vec<String> {
        let handle = self.read.expect("a read was sent");
        let mut out = Vec::new();
        let reply = ReadReply { from: self.replicas[replica], handle, result };
        self.coordinator.on_read_reply(self.now, &self.live, reply, &mut out);
        self.told(out)
    }

    pub fn holds(&mut self, replica: usize, record: &Record) -> Vec<String> {
        self.reply(replica, ReadResult::Record(Some(record.clone())))
    }

    pub fn holds_digest(&mut self, replica: usize, record: &Record) -> Vec<String> {
        self.reply(replica, ReadResult::Digest(ReadDigest::of(record)))
    }

    pub fn holds_nothing(&mut self, replica: usize) -> Vec<String> {
        self.reply(replica, ReadResult::Record(None))
    }

    pub fn will_not_read(&mut self, replica: usize) -> Vec<String> {
        self.reply(replica, ReadResult::Refused(Refusal::NotReplica))
    }

    pub fn shows(&mut self, replica: usize, result: PageResult) -> Vec<String> {
        let handle = self.page.expect("a page was asked for");
        let mut out = Vec::new();
        let reply = PageReply { from: self.replicas[replica], handle, result };
        self.coordinator.on_page_reply(self.now, &self.live, reply, &mut out);
        self.told(out)
    }

    /// A replica is found dead.
    pub fn dies(&mut self, replica: usize) -> Vec<String> {
        let node = self.replicas[replica];
        self.live.down.insert(node);
        let mut out = Vec::new();
        self.coordinator.on_peer_down(self.now, &self.live, node, &mut out);
        self.told(out)
    }

    /// Time passes; the driver wakes whenever it was told to.
    pub fn wait(&mut self, time: Duration) -> Vec<String> {
        let end = self.now.mono + time;
        let mut out = Vec::new();
        while let Some(at) = self.coordinator.next_timer().filter(|&at| at <= end) {
            self.now.mono = self.now.mono.max(at);
            self.coordinator.on_tick(self.now, &self.live, &mut out);
        }
        self.now.mono = end;
        self.now.wall_ms += time.as_millis() as u64;
        self.told(out)
    }

    pub fn wait_ms(&mut self, ms: u64) -> Vec<String> {
        self.wait(Duration::from_millis(ms))
    }

    /// Nothing is left of any request.
    pub fn is_idle(&self) -> bool {
        self.coordinator.in_flight().is_idle()
    }

    fn told(&mut self, effects: Vec<Effect>) -> Vec<String> {
        effects.into_iter().map(|effect| self.word(effect)).collect()
    }

    fn name(&self, node: NodeId) -> String {
        match self.replicas.iter().position(|&r| r == node) {
            Some(i) => format!("r{i}"),
            None => format!("{node}"),
        }
    }

    fn word(&mut self, effect: Effect) -> String {
        match effect {
            Effect::Write { to, handle, write } => {
                self.last_write = Some(write.clone());
                self.write = Some(handle);
                let verb = match write.purpose {
                    Purpose::Write => "write",
                    Purpose::Repair => "repair",
                    Purpose::Hint => "hint to",
                };
                format!("{verb} {} {}", self.name(to), text(&write.record()))
            }
            Effect::Read { to, handle, full, .. } => {
                self.read = Some(handle);
                let full = match full {
                    FullIf::Always => "whole".to_owned(),
                    FullIf::UpTo(bytes) => format!("up to {bytes}"),
                };
                format!("read {} {full}", self.name(to))
            }
            Effect::ReadPage { to, handle, ask } => {
                self.page = Some(handle);
                format!("page {} limit {}", self.name(to), ask.limit)
            }
            Effect::Stamp { handle, above } => {
                self.stamp = Some(handle);
                format!("stamp above {:?}", above.map(|v| v.timestamp.wall_ms()))
            }
            Effect::Slow(slow) => self.slow(&slow),
            Effect::Hint { target, hint } => format!("hint for {} {}", self.name(target), text(&hint.record)),
            Effect::Answer { origin, response } => {
                assert_eq!((origin.number, origin.connection), (response.number, 3));
                self.answered(response)
            }
        }
    }

    fn slow(&self, slow: &SlowRequest) -> String {
        assert_eq!(slow.keyspace, KEYSPACE);
        let sought = match &slow.sought {
            Sought::Key(key) => key.escape_ascii().to_string(),
            Sought::Page { partition, start } => {
                assert_eq!(*partition, self.token().partition());
                format!("page {start:?}")
            }
        };
        let Receipt { queried, answered, hinted, .. } = &slow.replies.receipt;
        let mut told = vec![format!("slow {sought}, asked after {} ms", slow.asked_after.as_millis())];
        for (what, timings) in [("queried", queried), ("answered", answered)] {
            let timings = timings.iter();
            told.extend(timings.map(|one| format!("{what} {} {}us", self.name(one.node), one.elapsed_us)));
        }
        for (what, nodes) in [("hinted", hinted), ("silent", &slow.replies.silent)] {
            told.extend(nodes.iter().map(|&node| format!("{what} {}", self.name(node))));
        }
        told.join("; ")
    }

    fn answered(&mut self, response: Response) -> String {
        self.receipt = response.receipt;
        self.last_answer = Some(response.body.clone());
        match response.body {
            ResponseBody::Write(outcome) => write_words(outcome),
            ResponseBody::Read(outcome) => read_words(outcome),
            ResponseBody::Page(outcome) => page_words(outcome),
            ResponseBody::Refused(reason) => format!("refused: {reason}"),
            ResponseBody::Explain(_) => "explained".to_owned(),
            other => panic!("the coordinator does not answer {other:?}"),
        }
    }
}

fn write_words(outcome: WriteOutcome) -> String {
    match outcome {
        WriteOutcome::Written { version, acked, required, .. } => {
            format!("written {acked} of {required} as {}", version.timestamp.wall_ms())
        }
        WriteOutcome::Unavailable { required, alive } => format!("unavailable: {alive} of {required} alive"),
        WriteOutcome::Indeterminate { acked, required, version, .. } => {
            let version = version.map(|v| v.timestamp.wall_ms());
            format!("indeterminate {acked} of {required} as {version:?}")
        }
        WriteOutcome::Rejected { reason } => format!("rejected: {reason}"),
    }
}

fn read_words(outcome: ReadOutcome) -> String {
    match outcome {
        ReadOutcome::Found { record } => format!("found {}", text(&record)),
        ReadOutcome::Deleted { version } => format!("deleted {}", version.timestamp.wall_ms()),
        ReadOutcome::NotFound { expired } => {
            format!("not found, expired {:?}", expired.map(|v| v.timestamp.wall_ms()))
        }
        ReadOutcome::Unavailable { required, alive } => format!("unavailable: {alive} of {required} alive"),
        ReadOutcome::TimedOut { answered, required } => format!("timed out: {answered} of {required}"),
        ReadOutcome::Rejected { reason } => format!("rejected: {reason}"),
    }
}

fn page_words(outcome: PageOutcome) -> String {
    match outcome {
        PageOutcome::Page { entries, next } => {
            let values: Vec<_> = entries.iter().map(|(_, record)| text(record)).collect();
            format!("page [{}] next {}", values.join(", "), next.is_some())
        }
        PageOutcome::Unavailable { required, alive } => format!("unavailable: {alive} of {required} alive"),
        PageOutcome::TimedOut { answered, required } => format!("timed out: {answered} of {required}"),
        PageOutcome::Rejected { reason } => format!("rejected: {reason}"),
    }
}

/// `value@version`, `-@version` for a tombstone, with `until` if it expires.
fn text(record: &Record) -> String {
    let value = record.value.as_ref().map_or("-".into(), |v| String::from_utf8_lossy(&v[..v.len().min(8)]));
    let Expiry { at_ms, .. } = record.expiry;
    let until = at_ms.map_or(String::new(), |at| format!(" until {at}"));
    format!("{value}@{}{until}", record.version.timestamp.wall_ms())
}
