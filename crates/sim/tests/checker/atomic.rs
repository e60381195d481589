//! Keys on which every operation takes effect at one moment between its beginning and its end: whatever can be promised
//! holds, sessions and linearizability, too. One history of any size, in the order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use quorate_sim::history::{Ask, Complete, Event, Held, Invoke, Outcome, Value};
use quorate_types::{Key, Level, NodeId, Timestamp, Version};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub clients: u64,
    pub ops: u64,
    pub keys: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Begin,
    Effect,
    End,
}

/// A client: what it is doing, with what outcome.
#[derive(Clone)]
struct Client {
    id: u64,
    key: u64,
    ask: Ask,
    outcome: Option<Outcome>,
}

/// Calls `take` with each event.
pub fn atomic(seed: u64, size: Size, level: Level, mut take: impl FnMut(Event)) {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = |bound: u64| chance.next_u64() % bound;
    let mut held: Vec<Option<Held>> = vec![None; size.keys as usize];
    let mut clients: Vec<Option<Client>> = vec![None; size.clients as usize];
    let mut queue: BinaryHeap<Reverse<(u64, u64, Phase)>> = BinaryHeap::new();
    for client in 0..size.clients {
        queue.push(Reverse((1 + draw(1_000), client, Phase::Begin)));
    }
    let mut begun = 0;
    while let Some(Reverse((at_ns, number, phase))) = queue.pop() {
        let slot = &mut clients[number as usize];
        let next = match phase {
            Phase::Begin if begun == size.ops => continue,
            Phase::Begin => {
                begun += 1;
                let client = Client { id: begun, key: draw(size.keys), ask: Ask::Scan {}, outcome: None };
                let client = client.asks(draw(10));
                take(Event::Invoke(Invoke {
                    at_ns,
                    id: client.id,
                    client: number,
                    session: Some(number),
                    keyspace: None,
                    level,
                    coordinator: None,
                    retry_of: None,
                    ask: client.ask.clone(),
                }));
                *slot = Some(client);
                Phase::Effect
            }
            Phase::Effect => {
                let client = slot.as_mut().unwrap();
                let version = Version::new(Timestamp(at_ns << 8 | number), NodeId(1 + (number % 3) as u32));
                client.outcome = Some(client.effect(version, &mut held[client.key as usize]));
                Phase::End
            }
            Phase::End => {
                let Client { id, outcome, .. } = slot.take().unwrap();
                let outcome = outcome.unwrap();
                take(Event::Complete(Complete { at_ns, id, coordinator: None, outcome }));
                Phase::Begin
            }
        };
        queue.push(Reverse((at_ns + 1 + draw(1_000), number, next)));
    }
}

impl Client {
    fn asks(mut self, kind: u64) -> Client {
        let key = Key::new(format!("key-{}", self.key)).unwrap();
        self.ask = match kind {
            0..5 => Ask::Get { key },
            5 => Ask::Delete { key },
            _ => Ask::Put { key, value: Value::of(format!("value-{}", self.id).as_bytes()), expires: false },
        };
        self
    }

    fn effect(&self, version: Version, held: &mut Option<Held>) -> Outcome {
        let value = match &self.ask {
            Ask::Put { value, .. } => Some(value.clone()),
            Ask::Delete { .. } => None,
            _ => {
                return match held.clone() {
                    None => Outcome::NotFound { expired: None },
                    Some(Held { version, value: None, .. }) => Outcome::Deleted { version },
                    Some(found) => Outcome::Found(found),
                };
            }
        };
        *held = Some(Held { version, value, expiry_version: None, expires_at_ms: None });
        Outcome::Written { version, expires_at_ms: None, acked: 2, required: 2 }
    }
}
