//! Claims about one shard that answers peers: what it refuses, by name, and what it never acknowledges.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use quorate_coordinator::{CoordinatorConfig, KeyspacePolicy};
use quorate_node::{Direction, Effects, Event, LinkId, LinkPeer, Shard, ShardConfig};
use quorate_ring::{Member, Ring};
use quorate_store::{Store, StoreConfig};
use quorate_types::{
    Expiry, Generation, KeyspaceId, Mono, NodeId, Now, PageStart, PartitionId, Record, Refusal, Timestamp,
    Version,
};
use quorate_wire::{
    Acks, BatchRange, FullIf, LinkEpoch, PROTOCOL_MAX, PageResult, PartialBatch, PeerMessage, Purpose,
    ReadResult, ReplicaWrite, WriteBatch,
};

use crate::harness::{HASH_SEED, WALL_START_MS, keyspace};

const EPOCH: LinkEpoch = LinkEpoch { generation: Generation(4), connection: 2 };

/// Shard 0 of 2 of n1, with one peer that dialled it.
struct Bench {
    shard: Shard,
    ring: Arc<Ring>,
    effects: Effects,
    link: LinkId,
    batch: u64,
    /// Records appended and not durable.
    logged: u64,
}

fn now() -> Now {
    Now { mono: Mono(5_000_000), wall_ms: WALL_START_MS }
}

impl Bench {
    fn new(tune: fn(&mut ShardConfig)) -> Bench {
        let ids = ["n1", "n2", "n3", "n4"].map(NodeId::of_name);
        let members = ids.map(|id| Member::new(id, 1.0, None));
        let ring = Arc::new(Ring::build(HASH_SEED, &members, &[(keyspace(), 3)]).expect("four nodes"));
        let keyspaces = BTreeMap::from([(keyspace(), KeyspacePolicy::default())]);
        let coordinator = CoordinatorConfig { keyspaces, ..CoordinatorConfig::new(ids[0]) };
        let mut config = ShardConfig::new(coordinator, Generation(1), 0, 2);
        tune(&mut config);
        let store = Store::new(StoreConfig { hash_seed: HASH_SEED, shard: 0, shards: 2 });
        let shard = Shard::new(config, Arc::clone(&ring), store, Timestamp(0));
        let mut bench = Bench { shard, ring, effects: Effects::new(), link: LinkId(9), batch: 0, logged: 0 };
        bench.dialled(LinkId(9));
        bench.turn();
        bench.sync();
        bench
    }

    fn dialled(&mut self, link: LinkId) {
        self.link = link;
        let node = NodeId::of_name("n2");
        let peer = LinkPeer { node, generation: Generation(4), shard: 0, shards: 2 };
        self.event(Event::LinkUp { link, peer, direction: Direction::Inbound });
    }

    fn event(&mut self, event: Event) {
        self.shard.on_event(now(), event, &mut self.effects);
    }

    /// Ends the turn: what is said to the peer.
    fn turn(&mut self) -> Vec<PeerMessage> {
        self.shard.end_turn(now(), &mut self.effects);
        self.logged = self.effects.log.last_sequence().unwrap_or(self.logged);
        let sends = self.effects.sends.drain(..).map(|(_, message)| message).collect();
        self.effects.clear();
        sends
    }

    /// Everything appended is durable.
    fn sync(&mut self) -> Vec<PeerMessage> {
        let through = self.logged;
        self.event(Event::Logged { through });
        self.turn()
    }

    fn ask(&mut self, message: PeerMessage) -> Vec<PeerMessage> {
        self.event(Event::Peer { link: self.link, message });
        self.turn()
    }

    fn batch(&mut self, writes: Vec<ReplicaWrite>) -> Vec<PeerMessage> {
        self.batch += 1;
        let (epoch, batch, ring_hash) = (EPOCH, self.batch, self.ring.hash());
        self.ask(PeerMessage::Writes(WriteBatch { epoch, batch, ring_hash, writes }))
    }

    /// The one refusal of a batch of one write.
    fn refusal(&mut self, write: ReplicaWrite) -> Refusal {
        let said = self.batch(vec![write]);
        self.refused(&said)
    }

    fn refused(&self, said: &[PeerMessage]) -> Refusal {
        match said {
            [PeerMessage::Acks(Acks { ranges, partial, .. })] if ranges.is_empty() => match &partial[..] {
                [PartialBatch { batch, refused }] if *batch == self.batch => refused[0].1.clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    /// A key for which `wanted` holds of (is a replica here, is of this shard).
    fn key(&self, wanted: (bool, bool)) -> Bytes {
        let fits = |key: &String| {
            let partition = self.ring.token(key.as_bytes()).partition();
            let here = self.ring.is_replica(partition, 3, NodeId::of_name("n1"));
            (here, partition.shard(2) == 0) == wanted
        };
        (0..100_000).map(|i| format!("key{i}")).find(fits).expect("some key fits").into()
    }

    fn write(&self) -> ReplicaWrite {
        Bench::write_of(self.key((true, true)))
    }

    fn write_of(key: Bytes) -> ReplicaWrite {
        let version = Version::new(Timestamp::from_parts(WALL_START_MS, 0), NodeId::of_name("n2"));
        ReplicaWrite {
            keyspace: keyspace(),
            key,
            version,
            value: Some(Bytes::from_static(b"v")),
            expiry: Expiry { version, at_ms: None },
            purpose: Purpose::Write,
            time_left_ms: 1_000,
        }
    }

    fn ahead(&self, ms: u64, purpose: Purpose) -> ReplicaWrite {
        let version = Version::new(Timestamp::from_parts(WALL_START_MS + ms, 0), NodeId::of_name("n2"));
        ReplicaWrite { version, purpose, ..self.write() }
    }
}

fn ranges(said: &[PeerMessage]) -> Vec<BatchRange> {
    match said {
        [] => Vec::new(),
        [PeerMessage::Acks(acks)] => acks.ranges.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_batch_is_acknowledged_when_it_is_durable_and_applied_and_not_before() {
    let mut bench = Bench::new(|_| ());
    let write = bench.write();
    assert_eq!(bench.batch(vec![write.clone(), write.clone()]), []);
    let token = bench.ring.token(&write.key);
    assert_eq!(bench.shard.store().read(keyspace(), token, &write.key).ready(), Some(None));
    assert_eq!(ranges(&bench.sync()), [BatchRange { first: 1, last: 1 }]);
    assert_eq!(bench.shard.store().read(keyspace(), token, &write.key).ready(), Some(Some(write.record())));
}

#[test]
fn what_the_log_has_not_reached_is_neither_applied_nor_acknowledged() {
    let mut bench = Bench::new(|_| ());
    let first = bench.logged + 1;
    let (write, later) = (bench.write(), bench.write());
    let newer = Version::new(Timestamp::from_parts(WALL_START_MS, 7), later.version.node);
    bench.batch(vec![write.clone()]);
    bench.batch(vec![ReplicaWrite { version: newer, ..later }]);
    bench.event(Event::Logged { through: first });
    assert_eq!(ranges(&bench.turn()), [BatchRange { first: 1, last: 1 }]);
    let token = bench.ring.token(&write.key);
    let held = bench.shard.store().read(keyspace(), token, &write.key).ready().flatten();
    assert_eq!(held.map(|record| record.version), Some(write.version));
    assert_eq!(bench.shard.applied_through(), first);
    assert_eq!(ranges(&bench.sync()), [BatchRange { first: 2, last: 2 }]);
}

#[test]
fn a_peer_that_we_have_no_link_to_is_dialled_when_it_dials_us_and_when_it_says_anything() {
    let mut bench = Bench::new(|_| ());
    let n3 = NodeId::of_name("n3");
    let peer = LinkPeer { node: n3, generation: Generation(1), shard: 0, shards: 1 };
    let ping = || Event::Peer { link: LinkId(20), message: PeerMessage::Ping { number: 1, wall_ms: 0 } };
    let at = |ms: u64| Now { mono: Mono((5 + ms) * 1_000_000), ..now() };
    let mut urged = |ms: u64, event: Event| {
        bench.effects.clear();
        bench.shard.on_event(at(ms), event, &mut bench.effects);
        bench.effects.urge.clone()
    };
    let up = Event::LinkUp { link: LinkId(20), peer, direction: Direction::Inbound };
    assert_eq!(urged(0, up), [n3]);
    assert_eq!(urged(100, ping()), [], "it was urged just now");
    assert_eq!(urged(260, ping()), [n3]);
    let epoch = LinkEpoch { generation: Generation(1), connection: 1 };
    let ours = Event::LinkUp {
        link: LinkId(21),
        peer,
        direction: Direction::Outbound { epoch, protocol: PROTOCOL_MAX },
    };
    assert_eq!(urged(300, ours), []);
    assert_eq!(urged(900, ping()), []);
}

#[test]
fn each_write_that_may_not_be_taken_is_refused_by_name() {
    let mut bench = Bench::new(|config| config.limits.value_bytes_max = 10);
    let big = Some(Bytes::from(vec![0; 11]));
    let cases = [
        (ReplicaWrite { time_left_ms: 0, ..bench.write() }, Refusal::DeadlinePassed),
        (ReplicaWrite { keyspace: KeyspaceId(1), ..bench.write() }, Refusal::UnknownKeyspace),
        (Bench::write_of(bench.key((false, true))), Refusal::NotReplica),
        (
            ReplicaWrite { value: big.clone(), ..bench.write() },
            Refusal::ValueTooLarge { bytes: 11, bytes_max: 10 },
        ),
        (bench.ahead(5_001, Purpose::Write), Refusal::ClockSkew { ahead_ms: 5_001, skew_max_ms: 5_000 }),
    ];
    for (write, refusal) in cases {
        assert_eq!(bench.refusal(write), refusal);
    }
    let another = bench.refusal(Bench::write_of(bench.key((true, false))));
    assert!(matches!(another, Refusal::Unsupported { .. }), "{another}");
    // Hints and repairs are taken whatever their stamp, and above `value_bytes_max`.
    for purpose in [Purpose::Hint, Purpose::Repair] {
        let write = ReplicaWrite { value: big.clone(), ..bench.ahead(60_000, purpose) };
        assert_eq!(bench.batch(vec![write]), []);
    }
    assert_eq!(ranges(&bench.sync()), [BatchRange { first: 7, last: 8 }]);
}

#[test]
fn a_sender_with_another_ring_is_refused_whatever_it_asks() {
    let mut bench = Bench::new(|_| ());
    let (ours, theirs) = (bench.ring.hash(), 77);
    let mismatch = Refusal::RingMismatch { theirs, ours };
    let batch = WriteBatch { epoch: EPOCH, batch: 1, ring_hash: theirs, writes: vec![bench.write()] };
    bench.batch = 1;
    let said = bench.ask(PeerMessage::Writes(batch));
    assert_eq!(bench.refused(&said), mismatch);
    let key = bench.key((true, true));
    let read = PeerMessage::Read {
        id: 3,
        ring_hash: theirs,
        keyspace: keyspace(),
        key,
        full: FullIf::Always,
        time_left_ms: 5,
    };
    let result = ReadResult::Refused(mismatch);
    assert_eq!(bench.ask(read), [PeerMessage::ReadReply { id: 3, result }]);
}

#[test]
fn an_expired_write_among_good_ones_is_never_acknowledged_and_the_others_are() {
    let mut bench = Bench::new(|_| ());
    let expired = ReplicaWrite { time_left_ms: 0, ..bench.write() };
    bench.batch(vec![bench.write(), expired, bench.write()]);
    let said = bench.sync();
    let [PeerMessage::Acks(acks)] = &said[..] else { panic!("{said:?}") };
    assert_eq!(acks.ranges, []);
    assert_eq!(acks.partial, [PartialBatch { batch: 1, refused: vec![(1, Refusal::DeadlinePassed)] }]);
}

#[test]
fn work_for_other_coordinators_has_a_share_beyond_which_it_is_overloaded() {
    let overloaded = |limit: &str| Refusal::Overloaded { limit: limit.to_owned() };
    let mut bench = Bench::new(|config| config.limits.peer_requests_max = 2);
    bench.batch(vec![bench.write(), bench.write()]);
    assert_eq!(bench.refusal(bench.write()), overloaded("peer_requests_max"));
    bench.sync();
    assert_eq!(bench.batch(vec![bench.write()]), [], "there is room again");
    let mut bench = Bench::new(|config| config.limits.peer_bytes_max = 150);
    bench.batch(vec![bench.write()]);
    let big = ReplicaWrite { value: Some(Bytes::from(vec![0; 40])), ..bench.write() };
    assert_eq!(bench.refusal(big.clone()), overloaded("peer_bytes_max"));
    bench.sync();
    bench.batch(vec![bench.write()]);
    assert_eq!(bench.refusal(big), overloaded("peer_bytes_max"), "no more and no less than before");
    for _ in 0..4 {
        bench.sync();
        assert_eq!(bench.batch(vec![bench.write(), bench.write()]), [], "there is room again");
    }
}

#[test]
fn the_credit_for_hints_shrinks_with_what_waits() {
    let mut bench = Bench::new(|config| config.limits.peer_bytes_max = 80_000);
    let credit = |said: &[PeerMessage]| match said {
        [PeerMessage::Acks(acks)] => acks.credit_bytes,
        other => panic!("{other:?}"),
    };
    let refused = ReplicaWrite { time_left_ms: 0, ..bench.write() };
    assert_eq!(credit(&bench.batch(vec![refused.clone()])), 10_000);
    let big = ReplicaWrite { value: Some(Bytes::from(vec![0; 40_000])), ..bench.write() };
    bench.batch(vec![big]);
    let later = credit(&bench.batch(vec![refused]));
    assert!(later < 5_000 && later > 4_900, "{later}");
}

#[test]
fn reads_and_pages_are_answered_from_our_copy_on_the_link_that_asked() {
    let mut bench = Bench::new(|_| ());
    let write = bench.write();
    bench.batch(vec![write.clone()]);
    bench.sync();
    let (ring_hash, key) = (bench.ring.hash(), write.key.clone());
    let partition = bench.ring.token(&key).partition();
    let ask = |key: Bytes, time_left_ms| PeerMessage::Read {
        id: 1,
        ring_hash,
        keyspace: keyspace(),
        key,
        full: FullIf::Always,
        time_left_ms,
    };
    let record: Record = write.record();
    let reply = |result| vec![PeerMessage::ReadReply { id: 1, result }];
    assert_eq!(bench.ask(ask(key.clone(), 9)), reply(ReadResult::Record(Some(record.clone()))));
    assert_eq!(bench.ask(ask(key.clone(), 0)), reply(ReadResult::Refused(Refusal::DeadlinePassed)));
    let strange = bench.key((false, true));
    assert_eq!(bench.ask(ask(strange, 9)), reply(ReadResult::Refused(Refusal::NotReplica)));
    let page = |partition| PeerMessage::ReadPage {
        id: 2,
        ring_hash,
        keyspace: keyspace(),
        partition,
        start: PageStart::First,
        limit: u32::MAX,
        bytes_max: u32::MAX,
        time_left_ms: 9,
    };
    let result = PageResult::Page { entries: vec![(key, record)], done: true };
    assert_eq!(bench.ask(page(partition)), [PeerMessage::PageReply { id: 2, result }]);
    // A partition that there is not is refused, not looked up.
    let said = bench.ask(page(PartitionId(u16::MAX)));
    assert!(matches!(said[..], [PeerMessage::PageReply { result: PageResult::Refused(_), .. }]), "{said:?}");
}

#[test]
fn after_the_log_failed_writes_are_refused_those_that_waited_are_not_answered_and_reads_go_on() {
    let mut bench = Bench::new(|_| ());
    bench.batch(vec![bench.write()]);
    bench.event(Event::LogFailed);
    assert_eq!(bench.effects.close, [bench.link], "its sender need not wait for the deadline");
    assert_eq!(bench.turn(), [], "it may come back at the restart: neither acknowledged nor refused");
    bench.dialled(LinkId(10));
    assert_eq!(bench.refusal(bench.write()), Refusal::LogFailed);
    let (ring_hash, key) = (bench.ring.hash(), bench.key((true, true)));
    let read = PeerMessage::Read {
        id: 1,
        ring_hash,
        keyspace: keyspace(),
        key,
        full: FullIf::Always,
        time_left_ms: 5,
    };
    assert_eq!(bench.ask(read), [PeerMessage::ReadReply { id: 1, result: ReadResult::Record(None) }]);
}

#[test]
fn no_counter_of_the_node_hides_one_of_the_coordinator() {
    let all = quorate_node::NodeCounters::default().entries().count()
        + quorate_coordinator::Counters::default().entries().count();
    assert_eq!(Bench::new(|_| ()).shard.status().counters.len(), all);
}

#[test]
fn messages_on_the_wrong_side_of_a_link_or_on_none_are_counted_and_change_nothing() {
    let mut bench = Bench::new(|_| ());
    assert_eq!(bench.ask(PeerMessage::Pong { number: 1, wall_ms: 0 }), []);
    let message = PeerMessage::Ping { number: 1, wall_ms: 0 };
    bench.event(Event::Peer { link: LinkId(1_000), message });
    assert_eq!(bench.turn(), []);
    assert_eq!(bench.shard.status().counters["messages_unexpected"], 2);
}
