//! What one quorum write costs each node in the machine itself: no socket, no disk, no encoding.
//!
//! `cargo run --release -p quorate-node --example write_cost`

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "it measures time")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quorate_coordinator::{CoordinatorConfig, KeyspacePolicy, Origin, Tag};
use quorate_node::{Direction, Effects, Event, LinkId, LinkPeer, Shard, ShardConfig};
use quorate_ring::{Member, Ring};
use quorate_store::{Store, StoreConfig};
use quorate_types::{Generation, KeyspaceId, Mono, NodeId, Now, SessionId, Timestamp};
use quorate_wire::{ExpiryRequest, LinkEpoch, PROTOCOL_MAX, Request, RequestBody};

const NODES: usize = 3;
const TURN: u64 = 256;
const ROUNDS: u64 = 2_000;

struct Replica {
    shard: Shard,
    effects: Effects,
    spent: Duration,
}

fn now(round: u64) -> Now {
    Now { mono: Mono(round * 200_000), wall_ms: 1_700_000_000_000 + round / 5 }
}

/// The name of the link that `from` dialled to `to`, at both ends.
fn link(from: usize, to: usize) -> LinkId {
    LinkId((from * NODES + to) as u64)
}

impl Replica {
    fn event(&mut self, now: Now, event: Event) {
        let began = Instant::now();
        self.shard.on_event(now, event, &mut self.effects);
        self.spent += began.elapsed();
    }

    fn events(&mut self, now: Now, events: impl Iterator<Item = Event>) {
        let events: Vec<Event> = events.collect();
        let began = Instant::now();
        for event in events {
            self.shard.on_event(now, event, &mut self.effects);
        }
        self.spent += began.elapsed();
    }

    fn end_turn(&mut self, now: Now) -> Effects {
        let began = Instant::now();
        self.shard.end_turn(now, &mut self.effects);
        self.spent += began.elapsed();
        std::mem::take(&mut self.effects)
    }
}

fn cluster() -> Vec<Replica> {
    let keyspace = KeyspaceId::of_name("default");
    let ids = ["n1", "n2", "n3"].map(NodeId::of_name);
    let members = ids.map(|id| Member::new(id, 1.0, None));
    let ring = Arc::new(Ring::build(7, &members, &[(keyspace, 3)]).expect("three nodes"));
    let replica = |node: usize| {
        let keyspaces = BTreeMap::from([(keyspace, KeyspacePolicy::default())]);
        let coordinator = CoordinatorConfig { keyspaces, ..CoordinatorConfig::new(ids[node]) };
        let store = Store::new(StoreConfig { hash_seed: 7, shard: 0, shards: 1 });
        let config = ShardConfig::new(coordinator, Generation(1), 0, 1);
        let mut shard = Shard::new(config, Arc::clone(&ring), store, Timestamp(0));
        let mut effects = Effects::new();
        for peer in (0..NODES).filter(|&peer| peer != node) {
            let far = LinkPeer { node: ids[peer], generation: Generation(1), shard: 0, shards: 1 };
            let connection = link(node, peer).0;
            let direction = Direction::Outbound {
                epoch: LinkEpoch { generation: Generation(1), connection },
                protocol: PROTOCOL_MAX,
            };
            shard.on_event(
                now(1),
                Event::LinkUp { link: link(node, peer), peer: far, direction },
                &mut effects,
            );
            let direction = Direction::Inbound;
            shard.on_event(
                now(1),
                Event::LinkUp { link: link(peer, node), peer: far, direction },
                &mut effects,
            );
        }
        Replica { shard, effects, spent: Duration::ZERO }
    };
    (0..NODES).map(replica).collect()
}

/// Runs turns until nobody has anything to say; answers that clients got.
fn settle(cluster: &mut [Replica], now: Now) -> u64 {
    let mut answers = 0;
    loop {
        let mut quiet = true;
        for node in 0..NODES {
            let effects = cluster[node].end_turn(now);
            answers += effects.answers.len() as u64;
            quiet &= effects.sends.is_empty() && effects.log.is_empty();
            for (sent_on, message) in effects.sends {
                let (from, to) = ((sent_on.0 as usize) / NODES, (sent_on.0 as usize) % NODES);
                let to = if from == node { to } else { from };
                cluster[to].event(now, Event::Peer { link: sent_on, message });
            }
            if let Some(through) = effects.log.last_sequence() {
                cluster[node].event(now, Event::Logged { through });
            }
        }
        if quiet {
            return answers;
        }
    }
}

/// CPU time of this thread, where the system tells: the clock lies on a busy machine.
fn cpu_time() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(told.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0))
}

fn main() {
    let keyspace = KeyspaceId::of_name("default");
    let mut cluster = cluster();
    settle(&mut cluster, now(1));
    for replica in &mut cluster {
        replica.spent = Duration::ZERO;
    }
    let (mut answers, cpu) = (0, cpu_time());
    for round in 1..=ROUNDS {
        let requests = (0..TURN).map(|i| {
            let number = round * TURN + i;
            let key = Bytes::from(format!("{:016}", number * 7_919 % 200_000));
            let value = Bytes::from(vec![b'v'; 100]);
            let (level, expiry, version) = (None, ExpiryRequest::Never, None);
            let body = RequestBody::Put { keyspace, key, value, level, expiry, version };
            let number = number / 64 + 1;
            let origin =
                Origin { connection: i % 64, session: SessionId(i % 64), number, tag: Tag::default() };
            Event::Request {
                origin,
                request: Request { number, time_left_ms: 2_000, want_receipt: false, body },
            }
        });
        cluster[0].events(now(round), requests);
        answers += settle(&mut cluster, now(round));
    }
    let cpu = cpu_time().saturating_sub(cpu);
    let writes = TURN * ROUNDS;
    let per_write = |time: Duration| time.as_nanos() / u128::from(writes);
    assert_eq!(answers, writes, "every write is answered");
    for (node, replica) in cluster.iter().enumerate() {
        let role = if node == 0 { "coordinator and replica" } else { "replica" };
        println!("n{} ({role}): {} ns per write, by the clock", node + 1, per_write(replica.spent));
    }
    println!("all three, CPU time, making the requests included: {} ns per write", per_write(cpu));
}
