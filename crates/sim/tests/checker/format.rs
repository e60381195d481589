//! The file: frozen bytes, what is read back, and what is said of files that are none.

use quorate_coordinator::ReadRepairPolicy;
use quorate_sim::history::{
    Ask, BucketSeen, Complete, CopySeen, Duplicate, Entry, Event, Fired, Header, Held, HintLedger, Initial,
    Invoke, Limits, Moment, NetworkCounts, NodeEvent, NodeName, Outcome, Promise, QueueDepth, Reader,
    RequestCounts, Sessions, StateSeen, Sync, Value, What, When, Writer, read,
};
use quorate_types::{Key, Level, NodeId, Timestamp, Version};

use crate::model::{Shape, run};

const GOLDEN: &str = include_str!("../golden/history.jsonl");

fn version(ms: u64) -> Version {
    Version::new(Timestamp::from_parts(1_795_160_463_000 + ms, 2), NodeId(0x1f2e_3d4c))
}

fn key(text: &str) -> Key {
    Key::new(text.as_bytes().to_vec()).unwrap()
}

fn sample_header() -> Header {
    let promise = |name: &str, n| Promise { linearizable: vec![Level::All], ..Promise::of(name, n) };
    Header {
        version: 1,
        made_by: "a test".to_owned(),
        seed: Some(17),
        plan: Some("n2 crashes at 3 s".to_owned()),
        replay: Some("kvctl sim run --seed 17".to_owned()),
        initial: Initial::Unknown,
        keyspaces: vec![
            Promise { read_repair: Some(ReadRepairPolicy::Blocking), ..promise("default", 3) },
            Promise { sessions: Sessions::Tokens, sync: Sync::Later, ..promise("other", 1) },
        ],
        nodes: vec![NodeName { node: NodeId(0x1f2e_3d4c), name: "n1".to_owned() }],
    }
}

fn invoke(at_ns: u64, ask: Ask) -> Event {
    let (client, level) = (3, Level::Quorum);
    let (session, keyspace, coordinator, retry_of) = (None, None, None, None);
    Event::Invoke(Invoke { at_ns, id: at_ns, client, session, keyspace, level, coordinator, retry_of, ask })
}

fn complete(at_ns: u64, id: u64, outcome: Outcome) -> Event {
    Event::Complete(Complete { at_ns, id, coordinator: None, outcome })
}

const NODE: NodeId = NodeId(0x1f2e_3d4c);

/// Every kind of line, with every field somewhere.
fn samples() -> Vec<Event> {
    [asked(), answered(), looked_at(), counted()].concat()
}

fn held() -> Held {
    Held {
        version: version(1),
        value: Some(Value::of(b"x")),
        expiry_version: Some(version(2)),
        expires_at_ms: Some(1_795_160_500_000),
    }
}

fn asked() -> Vec<Event> {
    let binary = Key::new(vec![0xff, 0x00]).unwrap();
    vec![
        invoke(1, Ask::Put { key: key("a"), value: Value::of(b"x"), expires: true }),
        invoke(2, Ask::Put { key: binary, value: Value::of(&[7; 65]), expires: false }),
        invoke(3, Ask::Get { key: key("a") }),
        invoke(4, Ask::Delete { key: key("a") }),
        Event::Invoke(Invoke {
            at_ns: 5,
            id: 5,
            client: 4,
            session: Some(9),
            keyspace: Some("other".to_owned()),
            level: Level::Exactly(1),
            coordinator: Some(NODE),
            retry_of: None,
            ask: Ask::Scan {},
        }),
        Event::Invoke(Invoke {
            at_ns: 6,
            id: 6,
            client: 3,
            session: None,
            keyspace: None,
            level: Level::All,
            coordinator: None,
            retry_of: Some(4),
            ask: Ask::Delete { key: key("a") },
        }),
    ]
}

fn answered() -> Vec<Event> {
    vec![
        Event::Duplicate(Duplicate { at_ns: 7, id: 1 }),
        Event::Complete(Complete {
            at_ns: 8,
            id: 1,
            coordinator: Some(NODE),
            outcome: Outcome::Written {
                version: version(1),
                expires_at_ms: Some(1_795_160_500_000),
                acked: 3,
                required: 2,
            },
        }),
        complete(9, 2, Outcome::Rejected { reason: "the node is shutting down".to_owned() }),
        complete(10, 3, Outcome::Found(held())),
        complete(11, 4, Outcome::Indeterminate { acked: 1, required: 2, version: Some(version(3)) }),
        complete(12, 6, Outcome::Indeterminate { acked: 0, required: 3, version: None }),
        complete(13, 5, Outcome::Scanned { entries: vec![Entry { key: key("a"), record: held() }] }),
        complete(14, 3, Outcome::Deleted { version: version(3) }),
        complete(15, 3, Outcome::NotFound { expired: Some(version(1)) }),
        complete(16, 3, Outcome::NotFound { expired: None }),
        complete(17, 3, Outcome::TimedOut { answered: 1, required: 2 }),
        complete(18, 3, Outcome::Unavailable { required: 2, alive: 1 }),
    ]
}

fn looked_at() -> Vec<Event> {
    let node = NODE;
    let tombstone = Held { version: version(3), value: None, expiry_version: None, expires_at_ms: None };
    vec![
        Event::Node(NodeEvent { at_ns: 19, node, what: What::PowerCut }),
        Event::Copy(CopySeen {
            at_ns: 20,
            node,
            keyspace: None,
            key: key("a"),
            record: Some(tombstone),
            moment: When::Underway,
        }),
        Event::Copy(CopySeen {
            at_ns: 21,
            node,
            keyspace: Some("other".to_owned()),
            key: key("a"),
            record: None,
            moment: When::Final,
        }),
        Event::Bucket(BucketSeen {
            at_ns: 22,
            node,
            keyspace: None,
            partition: 4095,
            kept: "0123456789abcdef0123456789abcdef".to_owned(),
            recomputed: "0123456789abcdef0123456789abcdef".to_owned(),
        }),
        Event::State(StateSeen {
            at_ns: 23,
            node,
            moment: Moment::AfterStart,
            records: 2,
            hash: "ab".to_owned(),
        }),
    ]
}

fn counted() -> Vec<Event> {
    let node = NODE;
    vec![
        Event::Hints(HintLedger {
            at_ns: 24,
            node,
            life: Some(2),
            found: 1,
            taken: 9,
            delivered: 4,
            expired: 2,
            dropped: 1,
            left: 3,
            durable: 2,
        }),
        Event::Queue(QueueDepth { at_ns: 25, node: None, name: "inbox".to_owned(), depth_max: 7, bound: 8 }),
        Event::Network(NetworkCounts {
            at_ns: 26,
            sent: 5,
            duplicated: 1,
            delivered: 3,
            dropped: 2,
            under_way: 1,
            reordered: 1,
        }),
        Event::Requests(RequestCounts { at_ns: 27, node, taken: 3, answered: 2, under_way: 1 }),
        Event::Sometimes(Fired { at_ns: 28, name: "a hint was replayed".to_owned(), times: 3 }),
        Event::Settled { at_ns: 29 },
        Event::Drained { at_ns: 30 },
    ]
}

fn written(header: &Header, events: &[Event]) -> String {
    let mut writer = Writer::new(Vec::new(), header).unwrap();
    for event in events {
        writer.write(event).unwrap();
    }
    writer.flush().unwrap();
    String::from_utf8(writer.into_inner()).unwrap()
}

fn read_back(text: &str) -> (Header, Vec<Event>) {
    let mut reader = Reader::new(text.as_bytes(), Limits::default()).unwrap();
    let mut events = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        events.push(event);
    }
    (reader.header().clone(), events)
}

#[test]
fn every_kind_of_line_is_frozen_and_read_back() {
    assert_eq!(written(&sample_header(), &samples()), GOLDEN);
    assert_eq!(read_back(GOLDEN), (sample_header(), samples()));
    read(GOLDEN.as_bytes(), Limits::default()).unwrap();
}

#[test]
fn a_whole_run_is_read_back_as_it_was_written() {
    for seed in 0..20 {
        let run = run(seed, Shape::default());
        assert_eq!(read_back(&written(&run.header, &run.events)), (run.header, run.events));
    }
}

/// What is said of `text`.
fn refused(text: &str, limits: Limits) -> String {
    read(text.as_bytes(), limits).unwrap_err().to_string()
}

fn golden_with(line: usize, text: &str) -> String {
    let mut lines: Vec<&str> = GOLDEN.lines().collect();
    lines[line - 1] = text;
    lines.join("\n") + "\n"
}

#[test]
fn bad_files_are_refused_with_the_line_and_what_is_wrong_with_it() {
    let limits = Limits::default();
    let said = |text: &str| refused(text, limits);
    assert_eq!(
        said(""),
        "line 1 is no header of a history, which begins with {\"history\": …}: EOF while parsing a value at byte 0"
    );
    assert!(said("hello\n").starts_with("line 1 is no header of a history"));
    assert!(said("{\"invoke\":{}}\n").contains("unknown field `invoke`"), "{}", said("{\"invoke\":{}}\n"));
    assert_eq!(
        said("{\"history\":{\"version\":2,\"colour\":\"red\"}}\n"),
        "the history has format version 2; this program reads version 1"
    );
    assert!(
        said("{\"history\":{\"version\":1,\"made_by\":\"x\",\"keyspaces\":[{\"name\":\"k\",\"n\":8}]}}\n")
            .contains("keyspace \"k\" has n = 8; n is 1 to 7")
    );
    assert!(
        said("{\"history\":{\"version\":1,\"made_by\":\"x\",\"keyspaces\":[]}}\n")
            .contains("at least one keyspace")
    );
    assert_eq!(
        said(&golden_with(4, "{\"invoke\":{\"at_ns\":3}}")),
        "line 4 is no event of a history: missing field `id` at byte 21"
    );
    assert!(said(&golden_with(4, "{\"invoke\":")).starts_with("line 4 is no event of a history: EOF"));
    assert!(
        said(&golden_with(20, "{\"node\":{\"at_ns\":19,\"node\":\"n1\",\"what\":\"crash\"}}"))
            .contains("\"n1\" is no number of 8 hexadecimal digits")
    );
    assert!(said(&GOLDEN.replace("\"QUORUM\"", "\"MOST\"")).contains("unknown level \"MOST\""));
    assert!(said(&GOLDEN.replace("\"hex\":\"ff00\"", "\"hex\":\"\"")).contains("the key is empty"));
    assert_eq!(
        said(&golden_with(31, "{\"settled\":{\"at_ns\":7}}")),
        "line 31: it is of 7 ns, earlier than the line before, of 29 ns; lines are in the order of time"
    );
    assert!(
        said(&GOLDEN.replace("\"id\":4,\"client\"", "\"id\":3,\"client\""))
            .contains("operation 3 begins after operation 3")
    );
    assert!(
        said(&GOLDEN.replace("\"retry_of\":4", "\"retry_of\":3"))
            .contains("operation 6 is no other attempt at 3")
    );
    assert!(
        said(&GOLDEN.replace("\"keyspace\":\"other\"", "\"keyspace\":\"more\""))
            .contains("no keyspace \"more\"")
    );
}

#[test]
fn every_limit_is_held_and_named() {
    let limits = Limits::default();
    let said = |limits: Limits| refused(GOLDEN, limits);
    assert_eq!(
        said(Limits { line_bytes_max: 100, ..limits }),
        "line 1 has more than 100 bytes (line_bytes_max)"
    );
    assert_eq!(
        said(Limits { open_max: 2, ..limits }),
        "line 4: more than 2 operations are under way (open_max)"
    );
    assert_eq!(said(Limits { events_max: 10, ..limits }), "line 12: more than 10 events (events_max)");
    let endless = std::io::BufReader::new(std::io::repeat(b'x'));
    assert!(read(endless, limits).unwrap_err().to_string().contains("line_bytes_max"));
}

#[test]
fn a_last_line_that_was_cut_short_is_left_out_and_said() {
    let whole = GOLDEN.trim_end().rsplit_once('\n').unwrap().0.to_owned() + "\n";
    let history = read(whole.as_bytes(), Limits::default()).unwrap();
    assert_eq!(history.torn_line(), None);
    for cut in [1, 5, 15] {
        let torn = &GOLDEN[..GOLDEN.len() - 1 - cut];
        let history = read(torn.as_bytes(), Limits::default()).unwrap();
        assert_eq!(history.torn_line(), Some(31), "{cut}");
        assert_eq!(history.seen().drained, None);
    }
    // Without its end of line, and whole: it counts.
    let history = read(&GOLDEN.as_bytes()[..GOLDEN.len() - 1], Limits::default()).unwrap();
    assert!(history.torn_line().is_none() && history.seen().drained.is_some());
}

#[test]
fn no_bytes_whatever_make_the_reader_panic() {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};
    let mut chance = ChaCha8Rng::seed_from_u64(5);
    for _ in 0..3_000 {
        let mut bytes = GOLDEN.as_bytes().to_vec();
        for _ in 0..=chance.next_u64() % 4 {
            let at = (chance.next_u64() % bytes.len() as u64) as usize;
            bytes[at] = chance.next_u64() as u8;
        }
        if let Ok(history) = read(&bytes[..], Limits::default()) {
            let report = quorate_sim::check::check(&history);
            assert!(!report.text(&history).is_empty());
        }
    }
}
