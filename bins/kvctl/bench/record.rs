//! Writes down what a bench asks and is answered, for `kvctl check`.
//!
//! Invariants:
//! - an operation stands in the file before it is sent, an answer after it was heard, and lines are in the order of
//!   their times: whoever writes holds the lock from taking the time to handing the line over;
//! - memory: one buffer; if the disk is slow, the bench waits for it;
//! - after a failed write nothing more is written: the file has no gap, it ends.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use quorate_client::{Aftermath, ClientError, Read, Reply, Written};
use quorate_server::config::{self, Config};
use quorate_sim::history::{
    Ask, Complete, Event, FORMAT_VERSION, Header, Initial, Invoke, NodeEvent, NodeName, Outcome, Promise,
    ReadRepairPolicy, Sync, What, Writer,
};
use quorate_types::{Level, NodeId};
use quorate_wire::RingView;

use crate::bench::mixed::How;
use crate::cli::Bench;

const BUFFER_BYTES: usize = 1 << 20;

/// Bytes of a value that make it unlike any other.
pub const UNIQUE_BYTES: usize = 16;

/// See the module's head.
pub struct Recorder {
    started: Instant,
    levels: Levels,
    /// What the keys of this run begin with.
    prefix: String,
    nodes: Vec<NodeName>,
    file: PathBuf,
    state: Mutex<State>,
}

/// The levels of reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Levels {
    pub read: Level,
    pub write: Level,
}

struct State {
    writer: Writer<BufWriter<File>>,
    operations: u64,
    failed: Option<io::Error>,
}

impl Recorder {
    /// Makes the file, which must not be there yet.
    pub fn create(file: &Path, header: &Header, levels: Levels) -> io::Result<Recorder> {
        let to = BufWriter::with_capacity(BUFFER_BYTES, File::create_new(file)?);
        let writer = Writer::new(to, header)?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Recorder {
            started: Instant::now(),
            levels,
            prefix: format!("bench-{:x}-", since.as_nanos()),
            nodes: header.nodes.clone(),
            file: file.to_owned(),
            state: Mutex::new(State { writer, operations: 0, failed: None }),
        })
    }

    /// The key of this number: no other run has it.
    pub fn key(&self, number: u64) -> Bytes {
        format!("{}{number}", self.prefix).into()
    }

    /// A read begins; its number.
    pub fn get(&self, worker: u64, key: &Bytes, how: How) -> u64 {
        self.begin(worker, how.level.unwrap_or(self.levels.read), |_| ask(key, |key| Ask::Get { key }))
    }

    /// A write begins: its number, and its value, which is `filler` with the number at its front.
    pub fn put(&self, worker: u64, key: &Bytes, filler: &Bytes, how: How) -> (u64, Bytes) {
        let mut value = filler.to_vec();
        let expires = how.ttl.is_some();
        let id = self.begin(worker, how.level.unwrap_or(self.levels.write), |id| {
            value[..UNIQUE_BYTES].copy_from_slice(format!("{id:016x}").as_bytes());
            let value = quorate_sim::history::Value::of(&value);
            ask(key, |key| Ask::Put { key, value, expires })
        });
        (id, value.into())
    }

    /// A deletion begins; its number.
    pub fn delete(&self, worker: u64, key: &Bytes, how: How) -> u64 {
        self.begin(worker, how.level.unwrap_or(self.levels.write), |_| ask(key, |key| Ask::Delete { key }))
    }

    /// Something happened to the node called `name`; or why that can't be recorded.
    pub fn node(&self, name: &str, what: What) -> Result<(), String> {
        let known = self.nodes.iter().find(|known| known.name == name);
        let node = known.ok_or_else(|| format!("the cluster has no node {name:?}"))?.node;
        let mut state = self.state();
        let at_ns = self.now();
        state.write(&Event::Node(NodeEvent { at_ns, node, what }));
        Ok(())
    }

    /// A read is answered.
    pub fn got(&self, id: u64, reply: &Result<Reply<Read>, ClientError>) {
        let found = |reply: &Reply<Read>| match &reply.value {
            Read::Found(record) => Outcome::Found(record.into()),
            Read::Deleted { version } => Outcome::Deleted { version: *version },
            Read::NotFound { expired } => Outcome::NotFound { expired: *expired },
        };
        self.end(id, reply, found);
    }

    /// A write is answered.
    pub fn write_done(&self, id: u64, reply: &Result<Reply<Written>, ClientError>) {
        let written = |reply: &Reply<Written>| {
            let Written { version, expires_at_ms, acked, required } = reply.value;
            Outcome::Written { version, expires_at_ms, acked, required }
        };
        self.end(id, reply, written);
    }

    fn begin(&self, client: u64, level: Level, ask: impl FnOnce(u64) -> Ask) -> u64 {
        let mut state = self.state();
        state.operations += 1;
        let id = state.operations;
        let (session, keyspace, coordinator, retry_of) = (Some(client), None, None, None);
        let (at_ns, ask) = (self.now(), ask(id));
        state.write(&Event::Invoke(Invoke {
            at_ns,
            id,
            client,
            session,
            keyspace,
            level,
            coordinator,
            retry_of,
            ask,
        }));
        id
    }

    fn end<T>(
        &self,
        id: u64,
        reply: &Result<Reply<T>, ClientError>,
        told: impl FnOnce(&Reply<T>) -> Outcome,
    ) {
        let (coordinator, outcome): (Option<NodeId>, Outcome) = match reply {
            Ok(reply) => (Some(reply.coordinator), told(reply)),
            Err(error) => (None, failed(error)),
        };
        let mut state = self.state();
        let at_ns = self.now();
        state.write(&Event::Complete(Complete { at_ns, id, coordinator, outcome }));
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the disk has failed it: what is recorded ends there.
    pub fn has_failed(&self) -> bool {
        self.state().failed.is_some()
    }

    /// Hands everything to the system; the file, and how many operations are in it.
    pub fn finish(&self) -> io::Result<(PathBuf, u64)> {
        let mut state = self.state();
        match state.failed.take() {
            Some(error) => Err(error),
            None => state.writer.flush().map(|()| (self.file.clone(), state.operations)),
        }
    }
}

impl State {
    fn write(&mut self, event: &Event) {
        if self.failed.is_none() {
            self.failed = self.writer.write(event).err();
        }
    }
}

fn ask(key: &Bytes, make: impl FnOnce(quorate_types::Key) -> Ask) -> Ask {
    make(quorate_types::Key::new(key.clone()).expect("a bench's keys are neither empty nor long"))
}

/// What a history says of a request that failed: by what the cluster holds after it.
fn failed(error: &ClientError) -> Outcome {
    match error {
        ClientError::Unavailable { required, alive, .. } => {
            Outcome::Unavailable { required: *required, alive: *alive }
        }
        ClientError::Indeterminate { acked, required, version, .. } => {
            Outcome::Indeterminate { acked: *acked, required: *required, version: *version }
        }
        ClientError::ReadTimedOut { answered, required, .. } => {
            Outcome::TimedOut { answered: *answered, required: *required }
        }
        other => match other.aftermath() {
            Aftermath::NothingSent | Aftermath::NotApplied => Outcome::Rejected { reason: other.to_string() },
            Aftermath::NothingChanged => Outcome::TimedOut { answered: 0, required: 0 },
            Aftermath::Unknown => Outcome::Indeterminate { acked: 0, required: 0, version: None },
        },
    }
}

/// The header of a bench on the cluster of `view`; what clients are not told comes from `config`, if there is one.
pub fn header(args: &Bench, view: &RingView, config: Option<&Config>) -> Option<(Header, Levels)> {
    let name = args.manner.keyspace.as_deref().unwrap_or("default");
    let keyspace = view.keyspaces.iter().find(|keyspace| keyspace.name == name)?;
    let levels = Levels {
        read: args.manner.read_level().unwrap_or(keyspace.read),
        write: args.manner.write_level().unwrap_or(keyspace.write),
    };
    let known = config.and_then(|config| config.keyspace(name));
    let read_repair = known.map(|known| match known.read_repair {
        config::ReadRepairPolicy::Blocking => ReadRepairPolicy::Blocking,
        config::ReadRepairPolicy::Background => ReadRepairPolicy::Background,
        config::ReadRepairPolicy::Off => ReadRepairPolicy::Off,
    });
    let later = config.is_some_and(|config| config.wal.sync != config::SyncPolicy::Always);
    let sync = if later { Sync::Later } else { Sync::Always };
    let promise = Promise { read_repair, sync, ..Promise::of(name, keyspace.n) };
    let names = view.nodes.iter().map(|node| NodeName { node: node.node, name: node.name.clone() });
    let header = Header {
        version: FORMAT_VERSION,
        made_by: format!("kvctl bench {}", env!("CARGO_PKG_VERSION")),
        seed: Some(args.seed),
        plan: None,
        replay: None,
        initial: Initial::Empty,
        keyspaces: vec![promise],
        nodes: names.collect(),
    };
    Some((header, levels))
}
