//! What a coordinated write and a coordinated read cost the coordinator itself, in nanoseconds.
//!
//! ```text
//! cargo run --release -p quorate-coordinator --example request_cost
//! ```
//!
//! Three replicas, QUORUM beside LINEARIZABLE, keys of 16 and values of 100 bytes; in steady state with 1,024 requests
//! in flight. The write includes its three sends, three acknowledgements and the answer, and at LINEARIZABLE the three
//! questions before them, their answers and the stamp; the effects are dropped. Replicas agree, so reads repair nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_coordinator::{
    Attempt, ClientRead, Coordinator, CoordinatorConfig, Effect, KeyspacePolicy, Liveness, Origin, Part,
    ReadReply, Tag, UnstampedWrite,
};
use quorate_ring::{Member, Ring};
use quorate_types::{KeyspaceId, Level, Mono, NodeId, Now, Record, SessionId, Timestamp, Version};
use quorate_wire::ReadResult;

const KEYSPACE: KeyspaceId = KeyspaceId(1);
const IN_FLIGHT: usize = 1_024;
const ROUNDS: usize = 2_000;

struct AllUp;

impl Liveness for AllUp {
    fn is_alive(&self, _: NodeId) -> bool {
        true
    }

    fn read_p99(&self, _: NodeId) -> Option<Duration> {
        Some(Duration::from_micros(200))
    }
}

struct Bench {
    coordinator: Coordinator,
    ring: Arc<Ring>,
    now: Now,
    number: u64,
    out: Vec<Effect>,
    sent: Vec<Effect>,
    answers: usize,
}

impl Bench {
    fn new() -> Bench {
        let members = [1, 2, 3, 4].map(|i| Member::new(NodeId(i), 1.0, None));
        let ring = Arc::new(Ring::build(7, &members, &[(KEYSPACE, 3)]).expect("four nodes suit n = 3"));
        let mut config = CoordinatorConfig::new(NodeId(1));
        config.keyspaces.insert(KEYSPACE, KeyspacePolicy::default());
        Bench {
            coordinator: Coordinator::new(config, Arc::clone(&ring)),
            ring,
            now: Now { mono: Mono(0), wall_ms: 1 },
            number: 0,
            out: Vec::new(),
            sent: Vec::new(),
            answers: 0,
        }
    }

    fn origin(&mut self) -> Origin {
        self.number += 1;
        Origin { connection: 1, session: SessionId(1), number: self.number, tag: Tag::default() }
    }

    fn version(&self) -> Version {
        Version::new(Timestamp(self.number), NodeId(1))
    }

    fn unstamped(&mut self, (key, value): (&Bytes, &Bytes), level: Level) -> UnstampedWrite {
        UnstampedWrite {
            origin: self.origin(),
            keyspace: KEYSPACE,
            key: key.clone(),
            token: self.ring.token(key),
            value: Some(value.clone()),
            part: Part::Both,
            expires_at_ms: None,
            level: Some(level),
            deadline: self.now.mono + Duration::from_secs(2),
            want_receipt: false,
        }
    }

    fn write(&mut self, what: (&Bytes, &Bytes)) {
        let write = self.unstamped(what, Level::Quorum).stamped(self.version(), Attempt::First);
        self.coordinator.start_write(self.now, &AllUp, write, &mut self.out);
    }

    fn write_in_two_phases(&mut self, what: (&Bytes, &Bytes)) {
        let write = self.unstamped(what, Level::Linearizable);
        self.coordinator.start_unstamped_write(self.now, &AllUp, write, &mut self.out);
    }

    fn read(&mut self, key: &Bytes, level: Level) {
        let read = ClientRead {
            origin: self.origin(),
            keyspace: KEYSPACE,
            key: key.clone(),
            token: self.ring.token(key),
            level: Some(level),
            deadline: self.now.mono + Duration::from_secs(2),
            want_receipt: false,
        };
        self.coordinator.start_read(self.now, &AllUp, read, &mut self.out);
    }

    /// All replicas answer everything that was sent, in an order that mixes the requests; then time passes.
    fn settle(&mut self, record: &Record) {
        self.reply(record);
        self.now.mono = self.now.mono + Duration::from_millis(3);
        self.coordinator.on_tick(self.now, &AllUp, &mut self.out);
    }

    fn reply(&mut self, record: &Record) {
        std::mem::swap(&mut self.out, &mut self.sent);
        let mut sent = std::mem::take(&mut self.sent);
        for effect in sent.drain(..) {
            match effect {
                Effect::Write { to, handle, .. } => {
                    self.coordinator.on_write_acked(self.now, to, handle, &mut self.out);
                }
                Effect::Read { to, handle, .. } => {
                    let result = ReadResult::Record(Some(record.clone()));
                    let reply = ReadReply { from: to, handle, result };
                    self.coordinator.on_read_reply(self.now, &AllUp, reply, &mut self.out);
                }
                Effect::Stamp { handle, .. } => {
                    self.number += 1;
                    let stamp = (handle, Ok(self.version()));
                    self.coordinator.on_stamp(self.now, &AllUp, stamp, &mut self.out);
                }
                Effect::Answer { .. } => self.answers += 1,
                Effect::ReadPage { .. } | Effect::Hint { .. } | Effect::Slow(_) => {}
            }
        }
        self.sent = sent;
        if self.out.iter().any(|effect| !matches!(effect, Effect::Answer { .. })) {
            return self.reply(record);
        }
        self.answers += self.out.drain(..).count();
    }
}

/// Nanoseconds per request, in the median round: other programs' load stays out of it.
#[expect(clippy::disallowed_methods, reason = "an example measures real time; the crate may not")]
#[expect(clippy::disallowed_types, reason = "an example measures real time; the crate may not")]
fn measured(bench: &mut Bench, mut round: impl FnMut(&mut Bench)) -> f64 {
    (0..ROUNDS / 4).for_each(|_| round(bench));
    bench.answers = 0;
    let timed = |_| {
        let start = std::time::Instant::now();
        round(bench);
        start.elapsed().as_nanos() as f64
    };
    let mut rounds: Vec<_> = (0..ROUNDS).map(timed).collect();
    rounds.sort_by(f64::total_cmp);
    assert_eq!(bench.answers, ROUNDS * IN_FLIGHT, "every request is answered once");
    rounds[ROUNDS / 2] / IN_FLIGHT as f64
}

fn main() {
    let keys: Vec<_> = (0..IN_FLIGHT).map(|i| Bytes::from(format!("key-{i:012}"))).collect();
    let value = Bytes::from(vec![b'v'; 100]);
    let mut bench = Bench::new();
    let record = Record::put(bench.version(), value.clone(), None);
    let write = measured(&mut bench, |bench| {
        for key in &keys {
            bench.write((key, &value));
        }
        bench.settle(&record);
    });
    let write_in_two_phases = measured(&mut bench, |bench| {
        for key in &keys {
            bench.write_in_two_phases((key, &value));
        }
        bench.settle(&record);
    });
    let mut read = |level| {
        measured(&mut bench, |bench| {
            for key in &keys {
                bench.read(key, level);
            }
            bench.settle(&record);
        })
    };
    let (read, read_linearizable) = (read(Level::Quorum), read(Level::Linearizable));
    let tell = |what: &str, level: Level, ns: f64| {
        println!("coordinator/{what}/n=3/level={level}/in_flight={IN_FLIGHT}  {ns:.0} ns");
    };
    tell("write", Level::Quorum, write);
    tell("write", Level::Linearizable, write_in_two_phases);
    tell("read", Level::Quorum, read);
    tell("read", Level::Linearizable, read_linearizable);
}
