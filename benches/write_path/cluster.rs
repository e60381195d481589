//! Three replicas of one shard each, in one thread: frames passed from hand to hand, encoded, with or without a disk.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_coordinator::{CoordinatorConfig, KeyspacePolicy, Origin, Tag};
use quorate_node::{Direction, Effects, Event, LinkId, LinkPeer, Shard, ShardConfig};
use quorate_ring::Ring;
use quorate_store::{Store, StoreConfig};
use quorate_types::{Generation, Mono, NodeId, Now, PartitionId, SessionId, Timestamp, WriteOutcome};
use quorate_wal::{Lead, Wal};
use quorate_wire::{
    FrameWriter, LinkEpoch, PROTOCOL_MAX, PeerMessage, Request, Response, ResponseBody, decode,
};

use super::samples::{HASH_SEED, KEYS, keys, keyspace, put, ring, value};

const NODES: u64 = 3;
const GENERATION: Generation = Generation(1);
/// How far time goes on with every turn.
const TURN: Duration = Duration::from_micros(50);

/// Where a replica's records go before its memory.
pub(crate) enum Log {
    /// Durable at once, for it is none.
    Instant,
    /// A log on disk, synced once a turn.
    Disk(Wal),
}

impl Log {
    /// Makes the records of a turn durable; the last one's number, if there is one.
    fn commit(&self, effects: &mut Effects) -> Option<u64> {
        let through = effects.log.last_sequence();
        if let (Log::Disk(wal), Some(_)) = (self, through) {
            let mut stager = wal.stager();
            for record in effects.log.records() {
                stager.stage(record.kind, &[record.bytes]).expect("the disk works");
            }
            drop(stager);
            match wal.try_lead().expect("the disk works") {
                Lead::Led(lsn) => assert_eq!(lsn, wal.last_lsn(), "all of it is durable"),
                _ => wal.sync_to(wal.last_lsn()).expect("the disk works"),
            }
            wal.checkpoint(wal.durable_lsn());
        }
        effects.log.clear();
        through
    }
}

struct Replica {
    shard: Shard,
    effects: Effects,
    log: Log,
    /// Frames that wait for its next turn.
    inbox: Vec<(LinkId, Bytes)>,
    writers: BTreeMap<LinkId, FrameWriter>,
}

/// See the module.
pub(crate) struct Cluster {
    replicas: Vec<Replica>,
    now: Now,
    puts: Vec<Request>,
    next: usize,
    number: u64,
    requests: FrameWriter,
    answers: FrameWriter,
}

impl Cluster {
    /// A cluster whose links are up and whose replicas are empty.
    pub(crate) fn new(logs: [Log; 3]) -> Cluster {
        let ring = ring(NODES as u32);
        let replicas =
            logs.into_iter().zip(1..).map(|(log, id)| Replica::new(log, NodeId(id), &ring)).collect();
        let puts = keys().into_iter().map(|key| put(0, key, value())).collect();
        let now = Now { mono: Mono(1_000_000), wall_ms: 1_700_000_000_000 };
        let (requests, answers) = (FrameWriter::default(), FrameWriter::default());
        let mut cluster = Cluster { replicas, now, puts, next: 0, number: 0, requests, answers };
        cluster.connect();
        assert_eq!(cluster.write(1), 1, "the links are up");
        cluster
    }

    /// `count` writes of one client at the first replica; how many of them a quorum acknowledged.
    pub(crate) fn write(&mut self, count: usize) -> usize {
        let frame = self.request(count);
        for message in decode(frame) {
            let request = Request::try_from(message.expect("it is intact")).expect("it is a request");
            let origin =
                Origin { connection: 1, session: SessionId(1), number: request.number, tag: Tag::default() };
            self.event(0, Event::Request { origin, request });
        }
        let mut written = 0;
        while self.turn() {
            written += self.answered();
        }
        written + self.answered()
    }

    /// All replicas hold the same, bucket by bucket.
    pub(crate) fn assert_converged(&self) {
        for partition in PartitionId::all() {
            let of = |replica: &Replica| replica.shard.store().digest(keyspace(), partition);
            let first = of(&self.replicas[0]);
            assert!(self.replicas.iter().all(|replica| of(replica) == first), "{partition} differs");
        }
    }

    fn request(&mut self, count: usize) -> Bytes {
        for _ in 0..count {
            self.next = (self.next + 1) % KEYS;
            self.number += 1;
            let put = &mut self.puts[self.next];
            put.number = self.number;
            self.requests.push(put).expect("it fits");
        }
        self.requests.finish()
    }

    /// One turn of every replica that has something to do; whether any had.
    fn turn(&mut self) -> bool {
        self.now.mono = self.now.mono + TURN;
        let mut busy = false;
        for at in 0..self.replicas.len() {
            let inbox = std::mem::take(&mut self.replicas[at].inbox);
            for (link, frame) in inbox {
                for message in decode(frame) {
                    let message = PeerMessage::try_from(message.expect("it is intact")).expect("a peer's");
                    self.event(at, Event::Peer { link, message });
                }
            }
            busy |= self.finish_turn(at);
        }
        busy
    }

    fn event(&mut self, at: usize, event: Event) {
        let Replica { shard, effects, .. } = &mut self.replicas[at];
        shard.on_event(self.now, event, effects);
    }

    /// As the driver of a replica: frames first, then the log, then what its being durable brings about.
    fn finish_turn(&mut self, at: usize) -> bool {
        let mut busy = false;
        let Replica { shard, effects, .. } = &mut self.replicas[at];
        if shard.next_timer().is_some_and(|due| due <= self.now.mono) {
            shard.on_event(self.now, Event::Tick, effects);
        }
        loop {
            let replica = &mut self.replicas[at];
            replica.shard.end_turn(self.now, &mut replica.effects);
            busy |= replica.pack();
            self.deliver(at);
            let Replica { effects, log, .. } = &mut self.replicas[at];
            assert!(effects.hints.is_empty(), "nobody is down");
            let Some(through) = log.commit(effects) else { return busy };
            self.event(at, Event::Logged { through });
            busy = true;
        }
    }

    fn deliver(&mut self, from: usize) {
        let frames: Vec<(LinkId, Bytes)> =
            self.replicas[from].writers.iter_mut().map(|(&link, writer)| (link, writer.finish())).collect();
        for (link, frame) in frames {
            if !frame.is_empty() {
                let (dialler, dialled) = ends(link);
                let to = if dialler == from { dialled } else { dialler };
                self.replicas[to].inbox.push((link, frame));
            }
        }
    }

    /// Writes that a quorum acknowledged since the last time; their answers' frame is encoded too.
    fn answered(&mut self) -> usize {
        let mut written = 0;
        for (_, response) in self.replicas[0].effects.answers.drain(..) {
            self.answers.push(&response).expect("it fits");
            written += usize::from(is_written(&response));
        }
        black_box(self.answers.finish());
        written
    }

    /// Links every replica with every other, both ways.
    fn connect(&mut self) {
        for link in (0..NODES * NODES).map(LinkId) {
            let (dialler, dialled) = ends(link);
            if dialler == dialled {
                continue;
            }
            let epoch = LinkEpoch { generation: GENERATION, connection: link.0 };
            let (outbound, inbound) =
                (Direction::Outbound { epoch, protocol: PROTOCOL_MAX }, Direction::Inbound);
            self.event(dialler, Event::LinkUp { link, peer: peer(dialled), direction: outbound });
            self.event(dialled, Event::LinkUp { link, peer: peer(dialler), direction: inbound });
        }
        while self.turn() {}
    }
}

fn is_written(response: &Response) -> bool {
    matches!(response.body, ResponseBody::Write(WriteOutcome::Written { acked: 2.., .. }))
}

/// Who dialled a link, and whom.
fn ends(link: LinkId) -> (usize, usize) {
    ((link.0 / NODES) as usize, (link.0 % NODES) as usize)
}

fn peer(at: usize) -> LinkPeer {
    LinkPeer { node: NodeId(at as u32 + 1), generation: GENERATION, shard: 0, shards: 1 }
}

impl Replica {
    fn new(log: Log, node: NodeId, ring: &Arc<Ring>) -> Replica {
        let keyspaces = BTreeMap::from([(keyspace(), KeyspacePolicy::default())]);
        let coordinator = CoordinatorConfig { keyspaces, ..CoordinatorConfig::new(node) };
        let config = ShardConfig::new(coordinator, GENERATION, 0, 1);
        let store = Store::new(StoreConfig { hash_seed: HASH_SEED, shard: 0, shards: 1 });
        let shard = Shard::new(config, Arc::clone(ring), store, Timestamp(0));
        Replica { shard, effects: Effects::new(), log, inbox: Vec::new(), writers: BTreeMap::new() }
    }

    /// Encodes what goes to peers; whether there was anything.
    fn pack(&mut self) -> bool {
        let busy = !self.effects.sends.is_empty();
        for (link, message) in self.effects.sends.drain(..) {
            self.writers.entry(link).or_default().push(&message).expect("it fits");
        }
        busy
    }
}
