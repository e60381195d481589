//! A client for scenarios: one request at a time, through a chosen coordinator, with a session of its own.

use std::time::Duration;

use bytes::Bytes;
use quorate_coordinator::{Origin, Tag};
use quorate_node::Event;
use quorate_types::{Level, ReadOutcome, SessionId, Version, WriteOutcome};
use quorate_wire::{ExpiryRequest, Explanation, Request, RequestBody, Response, ResponseBody};

use super::Cluster;

/// The session of these requests.
const SESSION: u64 = 0;
/// Longest wait for an answer; the request says two seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a client hears of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// What became of it.
    Outcome(WriteOutcome),
    /// Nothing was done.
    Refused(quorate_types::Refusal),
}

impl Put {
    /// Its version, if it was written.
    pub fn version(&self) -> Option<Version> {
        match self {
            Put::Outcome(WriteOutcome::Written { version, .. }) => Some(*version),
            _ => None,
        }
    }

    /// Whether as many replicas have it as were asked for.
    pub fn is_written(&self) -> bool {
        self.version().is_some()
    }
}

/// Something that a client was told, or was told that it would not be.
#[derive(Clone, Debug)]
pub struct Heard {
    /// When.
    pub at: quorate_types::Mono,
    /// The session of the request.
    pub session: u64,
    /// Its number in that.
    pub number: u64,
    /// `None`: a duplicate that gets no answer of its own.
    pub response: Option<Response>,
}

impl Cluster {
    /// What clients were told since this was last asked.
    pub fn take_heard(&mut self) -> Vec<Heard> {
        self.answers.clear();
        std::mem::take(&mut self.heard)
    }

    /// Puts through replica `k`, and waits for the answer.
    pub fn put(&mut self, k: usize, key: &str, value: &str, level: Level) -> Put {
        let request = self.put_request(key, value, level);
        self.write(k, request)
    }

    /// Deletes through replica `k`, and waits for the answer.
    pub fn delete(&mut self, k: usize, key: &str, level: Level) -> Put {
        let key = Bytes::copy_from_slice(key.as_bytes());
        let body = RequestBody::Delete { keyspace: self.keyspace(), key, level: Some(level), version: None };
        let request = self.request(body);
        self.write(k, request)
    }

    fn write(&mut self, k: usize, request: Request) -> Put {
        match self.ask(k, request).body {
            ResponseBody::Write(outcome) => Put::Outcome(outcome),
            ResponseBody::Refused(refusal) => Put::Refused(refusal),
            other => panic!("{other:?} to a write"),
        }
    }

    /// Gets through replica `k`, and waits for the answer.
    pub fn get(&mut self, k: usize, key: &str, level: Level) -> ReadOutcome {
        let key = Bytes::copy_from_slice(key.as_bytes());
        let request = self.request(RequestBody::Get { keyspace: self.keyspace(), key, level: Some(level) });
        match self.ask(k, request).body {
            ResponseBody::Read(outcome) => outcome,
            other => panic!("{other:?} to a get"),
        }
    }

    /// The value that a get through replica `k` finds; `None` if it finds none.
    pub fn value(&mut self, k: usize, key: &str, level: Level) -> Option<String> {
        match self.get(k, key, level) {
            ReadOutcome::Found { record } => {
                Some(String::from_utf8(record.value.expect("found has a value").to_vec()).expect("text"))
            }
            _ => None,
        }
    }

    /// What replica `k` says of every copy of `key`.
    pub fn explain(&mut self, k: usize, key: &str) -> Explanation {
        let key = Bytes::copy_from_slice(key.as_bytes());
        let request = self.request(RequestBody::Explain { keyspace: self.keyspace(), key });
        match self.ask(k, request).body {
            ResponseBody::Explain(explanation) => *explanation,
            other => panic!("{other:?} to an explain"),
        }
    }

    /// A put that can be sent, more than once if need be.
    pub fn put_request(&mut self, key: &str, value: &str, level: Level) -> Request {
        let (key, value) = (Bytes::copy_from_slice(key.as_bytes()), Bytes::copy_from_slice(value.as_bytes()));
        let expiry = ExpiryRequest::Never;
        self.request(RequestBody::Put {
            keyspace: self.keyspace(),
            key,
            value,
            level: Some(level),
            expiry,
            version: None,
        })
    }

    fn request(&mut self, body: RequestBody) -> Request {
        self.numbers += 1;
        Request { number: self.numbers, time_left_ms: 2_000, want_receipt: true, body }
    }

    /// Sends a request to replica `k` in the cluster's session and waits for its answer.
    pub fn ask(&mut self, k: usize, request: Request) -> Response {
        let number = request.number;
        self.send(k, request);
        self.answer(number)
    }

    /// Sends a request to replica `k`; the answer is asked for later.
    pub fn send(&mut self, k: usize, request: Request) {
        self.send_in(SESSION, k, request);
    }

    /// Sends a request to replica `k` in a session of the caller's choice; what is said of it is among
    /// [`Cluster::take_heard`].
    pub fn send_in(&mut self, session: u64, k: usize, request: Request) {
        let shard = self.shard_of(k, &request.body);
        let origin = Origin {
            connection: k as u64,
            session: SessionId(session),
            number: request.number,
            tag: Tag::new(self.kernel.now(), 0),
        };
        self.feed(k, shard, Event::Request { origin, request });
    }

    /// Waits for the answer to the request of this number.
    pub fn answer(&mut self, number: u64) -> Response {
        let key = (SESSION, number);
        self.run_until("a request is answered", PATIENCE, |cluster| cluster.answers.contains_key(&key))
            .unwrap_or_else(|late| panic!("request {number}: {late}"));
        self.heard.clear();
        self.answers.remove(&key).expect("it was just there")
    }

    fn shard_of(&self, k: usize, body: &RequestBody) -> usize {
        let partition = match body {
            RequestBody::Page { partition, .. } => *partition,
            RequestBody::Get { key, .. }
            | RequestBody::Put { key, .. }
            | RequestBody::Delete { key, .. }
            | RequestBody::Expire { key, .. }
            | RequestBody::Explain { key, .. } => self.ring.token(key).partition(),
            RequestBody::Status | RequestBody::Ring => panic!("not a shard's to answer"),
        };
        partition.shard(self.replicas[k - 1].shards)
    }
}
