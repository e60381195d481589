//! The network as a machine: frames in, deliveries out, time told from outside.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use quorate_types::{Mono, NodeId};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::{LinkFaults, NetworkStatistics};

/// One end of a way through the network: a node, and a number that it gave to the end (a link, a connection, a shard).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The node.
    pub node: NodeId,
    /// Which of its ends.
    pub port: u64,
}

/// A frame that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Where it was sent.
    pub from: Place,
    /// Where it has arrived.
    pub to: Place,
    /// The frame.
    pub frame: Bytes,
}

/// A network of nodes, sound until it is told otherwise.
///
/// Cost of a frame: O(log of the frames on their way), and no copy of it.
pub struct Network {
    seed: u64,
    faults: LinkFaults,
    links: BTreeMap<(NodeId, NodeId), Link>,
    /// By time of arrival, then by chance.
    flights: BTreeMap<(Mono, u64, u64), Flight>,
    flown: u64,
}

struct Flight {
    delivery: Delivery,
    /// Its number on its way, from 1; `None` for a copy.
    number: Option<u64>,
}

struct Link {
    faults: LinkFaults,
    cut: bool,
    clogged: bool,
    held: VecDeque<Flight>,
    chance: ChaCha8Rng,
    ways: BTreeMap<(u64, u64), Way>,
    statistics: NetworkStatistics,
}

/// What is between two places, in one direction.
#[derive(Default)]
struct Way {
    sent: u64,
    newest_delivered: u64,
    /// When the last frame in order arrives.
    last_at: Mono,
}

/// What a frame draws, always all of it.
struct Drawn {
    delay: u64,
    loss: u64,
    duplication: u64,
    copy_delay: u64,
    reordering: u64,
    held_back: u64,
    tie: u64,
    copy_tie: u64,
}

impl Network {
    /// A network whose chances are drawn from `seed` and whose links all have `faults`.
    pub fn new(seed: u64, faults: LinkFaults) -> Network {
        Network { seed, faults, links: BTreeMap::new(), flights: BTreeMap::new(), flown: 0 }
    }

    /// Takes `frame` at `now`; what becomes of it shows later.
    pub fn send(&mut self, now: Mono, from: Place, to: Place, frame: Bytes) {
        let faults = self.link(from.node, to.node).faults;
        self.send_with(now, Delivery { from, to, frame }, faults);
    }

    /// As [`Self::send`], but neither doubled nor overtaken: what opens and closes a connection.
    pub(super) fn send_in_order(&mut self, now: Mono, from: Place, to: Place, frame: Bytes) {
        let faults = self.link(from.node, to.node).faults;
        let (duplication, reordering) = (super::Chance::NEVER, super::Chance::NEVER);
        self.send_with(now, Delivery { from, to, frame }, LinkFaults { duplication, reordering, ..faults });
    }

    /// When something arrives next.
    pub fn next_at(&self) -> Option<Mono> {
        self.flights.first_key_value().map(|((at, ..), _)| *at)
    }

    /// The next frame that has arrived by `now`, if any. Call until there is none.
    pub fn poll(&mut self, now: Mono) -> Option<Delivery> {
        while self.next_at().is_some_and(|at| at <= now) {
            let (_, flight) = self.flights.pop_first()?;
            let (from, to) = (flight.delivery.from.node, flight.delivery.to.node);
            if let Some(delivery) = self.link(from, to).arrive(flight) {
                return Some(delivery);
            }
        }
        None
    }

    /// Sets what the link from `from` to `to` does to frames sent from now on.
    pub fn set_faults(&mut self, from: NodeId, to: NodeId, faults: LinkFaults) {
        self.link(from, to).faults = faults;
    }

    /// Sets what all links do to frames sent from now on.
    pub fn set_all_faults(&mut self, faults: LinkFaults) {
        self.faults = faults;
        self.links.values_mut().for_each(|link| link.faults = faults);
    }

    /// Nothing gets from `from` to `to` any more, not even what is on its way; the other direction stays.
    pub fn cut(&mut self, from: NodeId, to: NodeId) {
        self.link(from, to).cut = true;
    }

    /// Nothing gets from one side to the other any more, in both directions.
    pub fn partition(&mut self, side: &[NodeId], other: &[NodeId]) {
        for (a, b) in side.iter().flat_map(|a| other.iter().map(move |b| (*a, *b))) {
            self.cut(a, b);
            self.cut(b, a);
        }
    }

    /// Undoes a cut.
    pub fn heal(&mut self, from: NodeId, to: NodeId) {
        self.link(from, to).cut = false;
    }

    /// Undoes all cuts.
    pub fn heal_all(&mut self) {
        self.links.values_mut().for_each(|link| link.cut = false);
    }

    /// Whether frames from `from` to `to` are cut off.
    pub fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.links.get(&(from, to)).is_some_and(|link| link.cut)
    }

    /// What arrives from `from` at `to` waits, until [`Self::unclog`].
    pub fn clog(&mut self, from: NodeId, to: NodeId) {
        self.link(from, to).clogged = true;
    }

    /// What has waited arrives at `now`, in the order in which it waited.
    pub fn unclog(&mut self, now: Mono, from: NodeId, to: NodeId) {
        let link = self.link(from, to);
        link.clogged = false;
        for (i, flight) in (0..).zip(std::mem::take(&mut link.held)) {
            self.fly(now + Duration::from_nanos(i), 0, flight);
        }
    }

    /// Drops what is on its way from and to `node`: its process is gone.
    pub fn forget(&mut self, node: NodeId) {
        let concerns = |flight: &Flight| flight.delivery.from.node == node || flight.delivery.to.node == node;
        let gone: Vec<_> = self.flights.iter().filter(|(_, f)| concerns(f)).map(|(key, _)| *key).collect();
        for flight in gone.iter().filter_map(|key| self.flights.remove(key)).collect::<Vec<_>>() {
            let (from, to) = (flight.delivery.from.node, flight.delivery.to.node);
            self.link(from, to).statistics.dropped += 1;
        }
        for (_, link) in self.links.iter_mut().filter(|((from, to), _)| *from == node || *to == node) {
            link.statistics.dropped += link.held.len() as u64;
            link.held.clear();
            link.ways.clear();
        }
    }

    /// Forgets the order of frames between two places that are used no more.
    pub(super) fn forget_way(&mut self, from: Place, to: Place) {
        self.link(from.node, to.node).ways.remove(&(from.port, to.port));
    }

    /// Frames on their way, clogged ones included.
    pub fn in_flight(&self) -> u64 {
        let held: usize = self.links.values().map(|link| link.held.len()).sum();
        (self.flights.len() + held) as u64
    }

    /// What became of all frames.
    pub fn statistics(&self) -> NetworkStatistics {
        let mut total = NetworkStatistics::default();
        self.links.values().for_each(|link| total += link.statistics);
        total
    }

    /// What became of the frames from `from` to `to`.
    pub fn link_statistics(&self, from: NodeId, to: NodeId) -> NetworkStatistics {
        self.links.get(&(from, to)).map_or_else(NetworkStatistics::default, |link| link.statistics)
    }

    fn link(&mut self, from: NodeId, to: NodeId) -> &mut Link {
        let (seed, faults) = (self.seed, self.faults);
        self.links.entry((from, to)).or_insert_with(|| Link::new(stream(seed, from, to), faults))
    }

    fn send_with(&mut self, now: Mono, delivery: Delivery, faults: LinkFaults) {
        let link = self.link(delivery.from.node, delivery.to.node);
        let drawn = link.draw();
        link.statistics.sent += 1;
        link.statistics.sent_bytes += delivery.frame.len() as u64;
        let (number, at) = link.way(&delivery).next(now, &faults, &drawn);
        if link.cut || faults.loss.happens(drawn.loss) {
            link.statistics.dropped += 1;
            return;
        }
        if faults.duplication.happens(drawn.duplication) {
            link.statistics.duplicated += 1;
            let copy = Flight { delivery: delivery.clone(), number: None };
            self.fly(now + faults.delay.of(drawn.copy_delay), drawn.copy_tie, copy);
        }
        self.fly(at, drawn.tie, Flight { delivery, number: Some(number) });
    }

    fn fly(&mut self, at: Mono, tie: u64, flight: Flight) {
        self.flown += 1;
        self.flights.insert((at, tie, self.flown), flight);
    }
}

impl Link {
    fn new(chance: ChaCha8Rng, faults: LinkFaults) -> Link {
        Link {
            faults,
            cut: false,
            clogged: false,
            held: VecDeque::new(),
            chance,
            ways: BTreeMap::new(),
            statistics: NetworkStatistics::default(),
        }
    }

    fn draw(&mut self) -> Drawn {
        let mut next = || self.chance.next_u64();
        Drawn {
            delay: next(),
            loss: next(),
            duplication: next(),
            copy_delay: next(),
            reordering: next(),
            held_back: next(),
            tie: next(),
            copy_tie: next(),
        }
    }

    fn way(&mut self, delivery: &Delivery) -> &mut Way {
        self.ways.entry((delivery.from.port, delivery.to.port)).or_default()
    }

    fn arrive(&mut self, flight: Flight) -> Option<Delivery> {
        if self.cut {
            self.statistics.dropped += 1;
            return None;
        }
        if self.clogged {
            self.held.push_back(flight);
            return None;
        }
        self.statistics.delivered += 1;
        if let Some(number) = flight.number {
            let way = self.way(&flight.delivery);
            let overtaken = number < way.newest_delivered;
            way.newest_delivered = way.newest_delivered.max(number);
            self.statistics.reordered += u64::from(overtaken);
        }
        Some(flight.delivery)
    }
}

impl Way {
    /// The next frame's number and its time of arrival.
    fn next(&mut self, now: Mono, faults: &LinkFaults, drawn: &Drawn) -> (u64, Mono) {
        self.sent += 1;
        let earliest = now + faults.delay.of(drawn.delay);
        if faults.reordering.happens(drawn.reordering) {
            return (self.sent, earliest + faults.held_back(drawn.held_back));
        }
        self.last_at = earliest.max(self.last_at + Duration::from_nanos(1));
        (self.sent, self.last_at)
    }
}

/// The stream of chances of one directed link.
fn stream(seed: u64, from: NodeId, to: NodeId) -> ChaCha8Rng {
    let mut key = *b"--------fromto--quorate network.";
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..12].copy_from_slice(&from.0.to_le_bytes());
    key[12..16].copy_from_slice(&to.0.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

#[cfg(test)]
mod tests;
