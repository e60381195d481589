//! One write as the coordinator sees it: planned, sent to three replicas, acknowledged thrice, answered.

use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use quorate_coordinator::{
    Attempt, ClientWrite, Coordinator, CoordinatorConfig, Effect, KeyspacePolicy, Liveness, Origin, Part, Tag,
};
use quorate_types::{Mono, NodeId, Now, SessionId, Token};

use super::samples::{HASH_SEED, MEASURED_FOR, keys, keyspace, ring, value, version};

struct AllUp;

impl Liveness for AllUp {
    fn is_alive(&self, _: NodeId) -> bool {
        true
    }

    fn read_p99(&self, _: NodeId) -> Option<Duration> {
        Some(Duration::from_micros(200))
    }
}

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("coordinator");
    group.measurement_time(MEASURED_FOR).warm_up_time(MEASURED_FOR / 4).sample_size(20);
    for in_flight in [1, 512] {
        group.throughput(Throughput::Elements(in_flight as u64));
        let mut writes = Writing::new(in_flight);
        group.bench_function(format!("write/n=3/level=QUORUM/in_flight={in_flight}"), |b| {
            b.iter(|| assert_eq!(writes.round(), in_flight, "every write is answered once"));
        });
        assert_eq!(writes.coordinator.in_flight().writes, 0, "every replica was heard");
    }
    group.finish();
}

struct Writing {
    coordinator: Coordinator,
    keys: Vec<(Token, Bytes)>,
    value: Bytes,
    now: Now,
    number: u64,
    sent: Vec<Effect>,
    out: Vec<Effect>,
}

impl Writing {
    fn new(in_flight: usize) -> Writing {
        let mut config = CoordinatorConfig::new(NodeId(1));
        config.keyspaces.insert(keyspace(), KeyspacePolicy::default());
        let with_token = |key: Bytes| (Token::of(&key, HASH_SEED), key);
        Writing {
            coordinator: Coordinator::new(config, ring(4)),
            keys: keys().into_iter().take(in_flight).map(with_token).collect(),
            value: value(),
            now: Now { mono: Mono(0), wall_ms: 1 },
            number: 0,
            sent: Vec::new(),
            out: Vec::new(),
        }
    }

    /// A write of every key, settled by all replicas in an order that mixes the writes; the answers.
    fn round(&mut self) -> usize {
        for at in 0..self.keys.len() {
            let write = self.write(at);
            self.coordinator.start_write(self.now, &AllUp, write, &mut self.sent);
        }
        for effect in self.sent.drain(..) {
            if let Effect::Write { to, handle, .. } = effect {
                self.coordinator.on_write_acked(self.now, to, handle, &mut self.out);
            }
        }
        self.now.mono = self.now.mono + Duration::from_millis(3);
        self.coordinator.on_tick(self.now, &AllUp, &mut self.out);
        self.out.drain(..).filter(|effect| matches!(effect, Effect::Answer { .. })).count()
    }

    fn write(&mut self, at: usize) -> ClientWrite {
        self.number += 1;
        let (token, key) = &self.keys[at];
        ClientWrite {
            origin: Origin { connection: 1, session: SessionId(1), number: self.number, tag: Tag::default() },
            keyspace: keyspace(),
            key: key.clone(),
            token: *token,
            value: Some(self.value.clone()),
            version: version(self.number),
            part: Part::Both,
            attempt: Attempt::First,
            expires_at_ms: None,
            level: None,
            deadline: self.now.mono + Duration::from_secs(2),
            want_receipt: false,
        }
    }
}
