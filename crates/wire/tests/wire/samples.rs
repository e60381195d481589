//! One message of every kind, and every variant of every enum in one: what the golden file freezes.

use bytes::Bytes;
use quorate_types::{
    ClusterId, Expiry, Generation, KeyspaceId, Level, NodeId, NodeTiming, PageStart, PartitionId,
    ReadOutcome, ReadRepair, Receipt, Record, Refusal, SessionId, SpanId, Timestamp, Token, Trace, TraceId,
    Version, WriteOutcome,
};
use quorate_wire::{
    Acks, BatchRange, CopyView, ExpiryRequest, Explanation, FullIf, HandshakeRefusal, Hello, HelloReply,
    HintStatus, KeyspaceStatus, LinkEpoch, Message, NodeStatus, PageOutcome, PageResult, PartialBatch,
    PeerMessage, PeerStatus, Purpose, ReadDigest, ReadResult, ReplicaView, ReplicaWrite, Request,
    RequestBody, Response, ResponseBody, RingKeyspace, RingNode, RingView, Role, Traced, WalStatus, Welcome,
    WriteBatch,
};

const KS: KeyspaceId = KeyspaceId(0x0102_0304);
const N1: NodeId = NodeId(0xa1);
const N2: NodeId = NodeId(0xa2);

pub fn version(wall_ms: u64) -> Version {
    Version::new(Timestamp::from_parts(wall_ms, 8), N1)
}

fn record() -> Record {
    Record::put(version(1000), "value", Some(5000))
}

fn epoch() -> LinkEpoch {
    LinkEpoch { generation: Generation(1700), connection: 3 }
}

/// Every message with its name, in the order of the golden file.
pub fn all() -> Vec<(String, Message)> {
    let mut named = Vec::new();
    let mut add = |name: &str, messages: Vec<Message>| {
        for (i, message) in messages.into_iter().enumerate() {
            named.push((format!("{name}.{i}"), message));
        }
    };
    add("hello", hellos().into_iter().map(Message::Hello).collect());
    add("hello_reply", hello_replies().into_iter().map(Message::HelloReply).collect());
    add("ping", vec![Message::Peer(PeerMessage::Ping { number: 7, wall_ms: 1_795_000_000_000 })]);
    add("pong", vec![Message::Peer(PeerMessage::Pong { number: 7, wall_ms: 1_795_000_000_001 })]);
    add("writes", vec![Message::Peer(PeerMessage::Writes(writes()))]);
    add("acks", vec![Message::Peer(PeerMessage::Acks(acks()))]);
    add("read", reads().into_iter().map(Message::Peer).collect());
    add("read_reply", read_replies().into_iter().map(Message::Peer).collect());
    add("read_page", vec![Message::Peer(read_page())]);
    add("page_reply", page_replies().into_iter().map(Message::Peer).collect());
    add("traced", traced().into_iter().map(Message::Peer).collect());
    add("request", requests().into_iter().map(Message::Request).collect());
    add("response", responses().into_iter().map(Message::Response).collect());
    named
}

fn hellos() -> Vec<Hello> {
    let peer = Role::Peer {
        node: N1,
        generation: Generation(1700),
        connection: 3,
        from_shard: 0,
        to_shard: 1,
        shards: 2,
        ring_hash: 0x1122_3344_5566_7788,
    };
    let hello = Hello {
        protocol_min: 1,
        protocol_max: 1,
        cluster: Some(ClusterId(0xc1)),
        cluster_name: "demo".to_owned(),
        dialled: Some(N2),
        role: peer,
    };
    let client = Hello { cluster: None, dialled: None, role: Role::Client {}, ..hello.clone() };
    vec![hello, client]
}

fn hello_replies() -> Vec<HelloReply> {
    let welcome = Welcome {
        protocol: 1,
        node: N2,
        generation: Generation(1701),
        shards: 2,
        ring_hash: 0x1122_3344_5566_7788,
        session: SessionId(99),
    };
    let refusals = [
        HandshakeRefusal::ProtocolMismatch { ours_min: 1, ours_max: 2, theirs_min: 3, theirs_max: 4 },
        HandshakeRefusal::ClusterMismatch {
            ours: ClusterId(1),
            ours_name: "a".to_owned(),
            theirs: ClusterId(2),
            theirs_name: "b".to_owned(),
        },
        HandshakeRefusal::RingMismatch { ours: 1, theirs: 2 },
        HandshakeRefusal::NodeUnknown { ours: N1, theirs: N2 },
        HandshakeRefusal::WrongNode { dialled: N1, answers: N2 },
        HandshakeRefusal::NoSuchShard { shard: 3, shards: 2 },
        HandshakeRefusal::TooManyConnections { connections_max: 1024 },
        HandshakeRefusal::ShuttingDown,
    ];
    std::iter::once(HelloReply::Welcome(welcome))
        .chain(refusals.into_iter().map(HelloReply::Refused))
        .collect()
}

fn writes() -> WriteBatch {
    let put = ReplicaWrite { time_left_ms: 1998, ..ReplicaWrite::from_record(KS, "k1".into(), record()) };
    let plain = ReplicaWrite::from_record(KS, "k2".into(), Record::put(version(1001), "", None));
    let deleted = Record::tombstone(version(1002));
    let hint = ReplicaWrite { purpose: Purpose::Hint, ..ReplicaWrite::from_record(KS, "k3".into(), deleted) };
    let repair = ReplicaWrite {
        purpose: Purpose::Repair,
        expiry: Expiry { version: version(2000), at_ms: None },
        ..ReplicaWrite::from_record(KS, "k4".into(), record())
    };
    WriteBatch { epoch: epoch(), batch: 1, ring_hash: 0x77, writes: vec![put, plain, hint, repair] }
}

/// One of each refusal: their numbers are frozen with the messages that carry them.
fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::DeadlinePassed,
        Refusal::Overloaded { limit: "requests_max".to_owned() },
        Refusal::RingMismatch { theirs: 1, ours: 2 },
        Refusal::NotReplica,
        Refusal::UnknownKeyspace,
        Refusal::ClockSkew { ahead_ms: 6000, skew_max_ms: 5000 },
        Refusal::KeyLength { bytes: 0, bytes_max: 32_768 },
        Refusal::ValueTooLarge { bytes: 2, bytes_max: 1 },
        Refusal::LevelUnmeetable { required: 3, n: 2 },
        Refusal::LogFailed,
        Refusal::ShuttingDown,
        Refusal::Unsupported { what: "x".to_owned() },
    ]
}

/// Those that a coordinator tells a client; no replica says them.
fn refusals_of_a_coordinator() -> [Refusal; 4] {
    [
        Refusal::Unreachable,
        Refusal::NewestUnknown { answered: 1, required: 2 },
        Refusal::ClockBehind { newest_ms: 9000, ours_ms: 3000, skew_max_ms: 5000 },
        Refusal::ClockAhead { ahead_ms: 3_600_000, skew_max_ms: 5000 },
    ]
}

fn acks() -> Acks {
    let refused = refusals().into_iter().enumerate().map(|(i, refusal)| (i as u32, refusal)).collect();
    Acks {
        epoch: epoch(),
        ranges: vec![BatchRange { first: 1, last: 4 }, BatchRange { first: 6, last: u64::MAX }],
        partial: vec![PartialBatch { batch: 5, refused }],
        credit_bytes: 1 << 20,
    }
}

fn reads() -> Vec<PeerMessage> {
    let read = |full| PeerMessage::Read {
        id: 5,
        ring_hash: 0x77,
        keyspace: KS,
        key: "k1".into(),
        full,
        time_left_ms: 1998,
    };
    vec![read(FullIf::Always), read(FullIf::UpTo(4096))]
}

fn read_replies() -> Vec<PeerMessage> {
    let digest = ReadDigest {
        version: version(1000),
        expiry: record().expiry,
        value_bytes: 5000,
        tombstone: false,
        hash: 7 << 100,
    };
    [
        ReadResult::Record(None),
        ReadResult::Record(Some(record())),
        ReadResult::Record(Some(Record::tombstone(version(1)))),
        ReadResult::Digest(digest),
        ReadResult::Refused(Refusal::NotReplica),
    ]
    .into_iter()
    .map(|result| PeerMessage::ReadReply { id: 5, result })
    .collect()
}

fn read_page() -> PeerMessage {
    PeerMessage::ReadPage {
        id: 6,
        ring_hash: 0x77,
        keyspace: KS,
        partition: PartitionId(4095),
        start: PageStart::After("k0".into()),
        limit: 100,
        bytes_max: 1 << 20,
        time_left_ms: 1998,
    }
}

fn page_replies() -> Vec<PeerMessage> {
    let entries = vec![("k1".into(), record()), ("k2".into(), Record::tombstone(version(1)))];
    [PageResult::Page { entries, done: true }, PageResult::Refused(Refusal::NotReplica)]
        .into_iter()
        .map(|result| PeerMessage::PageReply { id: 6, result })
        .collect()
}

pub fn trace(parent: u8) -> Trace {
    let id = TraceId::from_hex("4bf92f3577b34da6a3ce929d0e0e4736").expect("one");
    Trace { id, parent: SpanId::new([parent; 8]).expect("not zero"), flags: Trace::SAMPLED }
}

fn traced() -> Vec<PeerMessage> {
    let of = |traces, question| PeerMessage::Traced(Box::new(Traced { traces, question }));
    let [read, _] = <[PeerMessage; 2]>::try_from(reads()).expect("two");
    vec![
        of(vec![(1, trace(0xb1)), (3, Trace { flags: 0, ..trace(0xb2) })], PeerMessage::Writes(writes())),
        of(vec![(0, trace(0xb1))], read),
        of(vec![(0, trace(0xb1))], read_page()),
    ]
}

fn requests() -> Vec<Request> {
    let key = || Bytes::from("k1");
    let levels = [Level::One, Level::Two, Level::Three, Level::Quorum, Level::All, Level::Exactly(5)];
    let get = |level| RequestBody::Get { keyspace: KS, key: key(), level: Some(level) };
    let gets = levels.map(get);
    let expiries =
        [ExpiryRequest::Never, ExpiryRequest::TtlMs(60_000), ExpiryRequest::AtMs(1_795_000_000_000)];
    let puts = expiries.map(|expiry| RequestBody::Put {
        keyspace: KS,
        key: key(),
        value: "value".into(),
        level: None,
        expiry,
        version: Some(version(1000)),
    });
    let others = [
        RequestBody::Delete { keyspace: KS, key: key(), level: None, version: None },
        RequestBody::Page {
            keyspace: KS,
            partition: PartitionId(9),
            start: PageStart::First,
            limit: 10,
            level: None,
        },
        RequestBody::Explain { keyspace: KS, key: key() },
        RequestBody::Status,
        RequestBody::Ring,
        get(Level::Linearizable),
        RequestBody::Put {
            keyspace: KS,
            key: key(),
            value: "value".into(),
            level: None,
            expiry: ExpiryRequest::Keep,
            version: None,
        },
        RequestBody::Expire {
            keyspace: KS,
            key: key(),
            expiry: ExpiryRequest::TtlMs(60_000),
            read: Some(Level::One),
            write: Some(Level::Two),
            version: Some(version(1000)),
        },
        RequestBody::Page {
            keyspace: KS,
            partition: PartitionId(9),
            start: PageStart::At(Token(0x0090_0000_0000_0001)),
            limit: 10,
            level: None,
        },
    ];
    let bodies = gets.into_iter().chain(puts).chain(others).enumerate();
    bodies
        .map(|(i, body)| Request { number: i as u64, time_left_ms: 2000, want_receipt: i % 2 == 1, body })
        .collect()
}

fn responses() -> Vec<Response> {
    let bodies = write_outcomes()
        .into_iter()
        .map(ResponseBody::Write)
        .chain(read_outcomes().into_iter().map(ResponseBody::Read))
        .chain(page_outcomes().into_iter().map(ResponseBody::Page))
        .chain([
            ResponseBody::Explain(Box::new(explanation())),
            ResponseBody::Status(Box::new(status())),
            ResponseBody::Ring(Box::new(ring())),
            ResponseBody::Refused(Refusal::ShuttingDown),
        ])
        .chain(
            refusals_of_a_coordinator().map(|reason| ResponseBody::Write(WriteOutcome::Rejected { reason })),
        );
    let mut responses: Vec<_> =
        bodies.enumerate().map(|(i, body)| Response { number: i as u64, body, receipt: None }).collect();
    responses[0].receipt = Some(Box::new(receipt(ReadRepair::None)));
    responses[4].receipt = Some(Box::new(receipt(ReadRepair::Blocking(vec![N2]))));
    responses
}

fn write_outcomes() -> Vec<WriteOutcome> {
    vec![
        WriteOutcome::Written { version: version(1000), expires_at_ms: None, acked: 2, required: 2 },
        WriteOutcome::Unavailable { required: 2, alive: 1 },
        WriteOutcome::Indeterminate {
            acked: 1,
            required: 2,
            version: Some(version(1000)),
            expires_at_ms: Some(5000),
        },
        WriteOutcome::Rejected { reason: Refusal::UnknownKeyspace },
    ]
}

fn read_outcomes() -> Vec<ReadOutcome> {
    vec![
        ReadOutcome::Found { record: record() },
        ReadOutcome::Deleted { version: version(1) },
        ReadOutcome::NotFound { expired: Some(version(2)) },
        ReadOutcome::Unavailable { required: 2, alive: 1 },
        ReadOutcome::TimedOut { answered: 1, required: 2 },
        ReadOutcome::Rejected { reason: Refusal::UnknownKeyspace },
    ]
}

fn page_outcomes() -> Vec<PageOutcome> {
    vec![
        PageOutcome::Page { entries: vec![("k1".into(), record())], next: Some("k1".into()) },
        PageOutcome::Unavailable { required: 2, alive: 1 },
        PageOutcome::TimedOut { answered: 1, required: 2 },
        PageOutcome::Rejected { reason: Refusal::UnknownKeyspace },
    ]
}

fn receipt(repair: ReadRepair) -> Receipt {
    Receipt {
        coordinator: N1,
        replicas: vec![N1, N2],
        queried: vec![NodeTiming { node: N2, elapsed_us: 70, version: Some(version(999)) }],
        answered: vec![NodeTiming { node: N1, elapsed_us: 90, version: Some(version(1000)) }],
        hinted: vec![N2],
        refused: vec![(N2, Refusal::LogFailed)],
        repair,
    }
}

fn explanation() -> Explanation {
    let copies = [
        CopyView::Present { version: version(1000), expiry: record().expiry, value_bytes: 5 },
        CopyView::Tombstone { version: version(1) },
        CopyView::Absent,
        CopyView::Refused(Refusal::NotReplica),
        CopyView::Silent,
    ];
    let view = |copy| ReplicaView { node: N1, alive: true, elapsed_us: 90, copy, hints_here: 4 };
    Explanation {
        token: Token(0x1234_5678_9abc_def0),
        partition: PartitionId(0x123),
        n: 3,
        replicas: copies.map(view).into(),
        winner: Some(version(1000)),
    }
}

fn status() -> NodeStatus {
    NodeStatus {
        node: N1,
        name: "n1".to_owned(),
        cluster: ClusterId(0xc1),
        generation: Generation(1700),
        uptime_ms: 10,
        shards: 2,
        ring_hash: 0x77,
        peers: vec![PeerStatus {
            node: N2,
            alive: false,
            since_ms: 20,
            rtt_us: 30,
            in_flight: 40,
            why_down: Some("refused".to_owned()),
        }],
        keyspaces: vec![KeyspaceStatus {
            id: KS,
            name: "default".to_owned(),
            n: 3,
            keys: 1,
            tombstones: 2,
            bytes: 3,
        }],
        hints: vec![HintStatus { target: N2, durable: 5, bytes: 6, oldest_wall_ms: Some(7) }],
        wal: wal_status(),
        counters: vec![("hints_taken".to_owned(), 8)],
    }
}

fn wal_status() -> WalStatus {
    WalStatus {
        sync: "always".to_owned(),
        inline_sync: true,
        appended_lsn: 1,
        durable_lsn: 2,
        segments: 3,
        bytes: 4,
        syncs: 5,
        synced_records: 6,
        sync_us: 7,
        checkpoint: 8,
        replay_lsn: 9,
        failed: None,
    }
}

fn ring() -> RingView {
    RingView {
        cluster: ClusterId(0xc1),
        cluster_name: "demo".to_owned(),
        ring_hash: 0x77,
        hash_seed: 0xc1,
        nodes: vec![RingNode {
            node: N1,
            name: "n1".to_owned(),
            addr: "127.0.0.1:7381".to_owned(),
            capacity: 1.5.into(),
            zone: Some("a".to_owned()),
            alive: true,
            vnodes: vec![PartitionId(0), PartitionId(200)],
            owned_partitions: 1024,
        }],
        keyspaces: vec![RingKeyspace {
            id: KS,
            name: "default".to_owned(),
            n: 3,
            read: Level::Quorum,
            write: Level::Quorum,
        }],
    }
}
