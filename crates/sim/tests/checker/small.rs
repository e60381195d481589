//! Small histories, written out: what is judged beside keys, the boundaries of what overlaps, and what is printed.

use quorate_sim::check::{Invariant, Report, Ruling, check};
use quorate_sim::history::{
    Ask, BucketSeen, Event, Header, HintLedger, History, Invoke, Limits, Moment, NetworkCounts, NodeEvent,
    QueueDepth, RequestCounts, StateSeen, What, read,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::model::{header, node};
use crate::{history, verdict};

const SEEDS: u64 = 200;

/// Judges `events`.
fn ruling(invariant: Invariant, events: &[Event]) -> Ruling {
    verdict(&check(&history(&header(), events)), invariant).ruling
}

/// For each seed a fine history, and the same with one number wrong by one.
fn off_by_one(
    invariant: Invariant,
    fine: impl Fn(&mut dyn FnMut() -> u64) -> Event,
    numbers: usize,
    wrong: impl Fn(&mut Event, usize),
) {
    for seed in 0..SEEDS {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = || chance.next_u64() % 1_000;
        let event = fine(&mut draw);
        assert_eq!(ruling(invariant, std::slice::from_ref(&event)), Ruling::Holds, "seed {seed}: {event:?}");
        for number in 0..numbers {
            let mut event = event.clone();
            wrong(&mut event, number);
            assert_eq!(ruling(invariant, &[event.clone()]), Ruling::Violated, "seed {seed}: {event:?}");
        }
    }
}

#[test]
fn messages_that_are_not_accounted_for_are_found() {
    let fine = |draw: &mut dyn FnMut() -> u64| {
        let (duplicated, delivered, dropped, under_way) = (draw(), draw() + 1_000, draw(), draw());
        let sent = delivered + dropped + under_way - duplicated;
        Event::Network(NetworkCounts {
            at_ns: 1,
            sent,
            duplicated,
            delivered,
            dropped,
            under_way,
            reordered: draw(),
        })
    };
    off_by_one(Invariant::Accounting, fine, 5, |event, number| {
        let Event::Network(counts) = event else { panic!("counts") };
        let NetworkCounts { sent, duplicated, delivered, dropped, under_way, .. } = counts;
        *[sent, duplicated, delivered, dropped, under_way][number] += 1;
    });
}

#[test]
fn requests_that_are_not_accounted_for_are_found() {
    let fine = |draw: &mut dyn FnMut() -> u64| {
        let (answered, under_way) = (draw(), draw());
        Event::Requests(RequestCounts {
            at_ns: 1,
            node: node(0),
            taken: answered + under_way,
            answered,
            under_way,
        })
    };
    off_by_one(Invariant::Accounting, fine, 3, |event, number| {
        let Event::Requests(RequestCounts { taken, answered, under_way, .. }) = event else {
            panic!("counts")
        };
        *[taken, answered, under_way][number] += 1;
    });
}

fn ledger(draw: &mut dyn FnMut() -> u64) -> HintLedger {
    let (found, delivered, expired, dropped, left) = (draw(), 1_000 + draw(), draw(), draw(), 1 + draw());
    let taken = delivered + expired + dropped + left - found;
    let durable = left - 1;
    HintLedger {
        at_ns: 1,
        node: node(0),
        life: None,
        found,
        taken,
        delivered,
        expired,
        dropped,
        left,
        durable,
    }
}

#[test]
fn hints_that_are_not_accounted_for_are_found() {
    off_by_one(
        Invariant::Hints,
        |draw| Event::Hints(ledger(draw)),
        6,
        |event, number| {
            let Event::Hints(HintLedger { found, taken, delivered, expired, dropped, left, .. }) = event
            else {
                panic!("a ledger")
            };
            *[found, taken, delivered, expired, dropped, left][number] += 1;
        },
    );
}

#[test]
fn hints_that_a_restart_forgot_are_found_unless_the_disk_was_lost() {
    for seed in 0..SEEDS {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = || chance.next_u64() % 1_000;
        let first = HintLedger {
            durable: 5,
            left: 5,
            found: 0,
            taken: 5,
            delivered: 0,
            expired: 0,
            dropped: 0,
            ..ledger(&mut draw)
        };
        let next = |found: u64| HintLedger {
            at_ns: 9,
            found,
            taken: 0,
            delivered: found,
            left: 0,
            durable: 0,
            ..first.clone()
        };
        let lives = |found| vec![Event::Hints(first.clone()), Event::Hints(next(found))];
        assert_eq!(ruling(Invariant::Hints, &lives(5 + draw() % 3)), Ruling::Holds);
        let forgot = lives(draw() % 5);
        assert_eq!(ruling(Invariant::Hints, &forgot), Ruling::Violated);
        let of_lives = |(a, b)| {
            let mut events = forgot.clone();
            for (event, number) in events.iter_mut().zip([a, b]) {
                let Event::Hints(ledger) = event else { panic!("a ledger") };
                ledger.life = Some(number);
            }
            ruling(Invariant::Hints, &events)
        };
        assert_eq!(
            (of_lives((3, 4)), of_lives((3, 5))),
            (Ruling::Violated, Ruling::Holds),
            "a life between them"
        );
        let mut wiped = forgot.clone();
        wiped.insert(1, Event::Node(NodeEvent { at_ns: 5, node: node(0), what: What::Wipe }));
        assert_eq!(ruling(Invariant::Hints, &wiped), Ruling::Holds);
    }
}

#[test]
fn a_request_without_an_answer_is_found_though_its_node_stops_right_behind_the_drain() {
    let key = quorate_types::Key::new(&b"k"[..]).unwrap();
    let asked = Event::Invoke(Invoke {
        at_ns: 1,
        id: 1,
        client: 1,
        session: None,
        keyspace: None,
        level: quorate_types::Level::One,
        coordinator: Some(node(0)),
        retry_of: None,
        ask: Ask::Get { key },
    });
    let happens = |at_ns, what| Event::Node(NodeEvent { at_ns, node: node(0), what });
    let drained = Event::Drained { at_ns: 5 };
    let stopped = [asked.clone(), drained.clone(), happens(5, What::Stop)];
    assert_eq!(ruling(Invariant::Replies, &stopped), Ruling::Violated);
    assert_eq!(ruling(Invariant::Replies, &[asked, happens(3, What::Crash), drained]), Ruling::Holds);
}

#[test]
fn a_history_that_shows_little_says_what_it_does_not_show() {
    let lines = [put(1, "QUORUM", (10, 20)), put(2, "QUORUM", (30, 40))].concat();
    let (_, report) = told(3, &lines);
    let weakness = report.weakness();
    assert!(weakness.starts_with("nothing was judged for phantoms, "), "{weakness}");
    assert!(weakness.contains("durability"), "{weakness}");
    let unread = "of 2 acknowledged writes 2 were never read at a level that must show them";
    assert!(weakness.ends_with(unread), "{weakness}");
}

#[test]
fn a_queue_beyond_its_bound_is_found() {
    let queue = |depth_max| {
        let (at_ns, node, bound) = (1, Some(node(0)), 100);
        vec![Event::Queue(QueueDepth { at_ns, node, name: "requests".to_owned(), depth_max, bound })]
    };
    assert_eq!(ruling(Invariant::Queues, &queue(100)), Ruling::Holds);
    assert_eq!(ruling(Invariant::Queues, &queue(101)), Ruling::Violated);
}

#[test]
fn a_restart_that_changes_what_a_node_holds_is_found_unless_it_lost_its_disk() {
    let state = |at_ns, moment, records: u64, hash: &str| {
        Event::State(StateSeen { at_ns, node: node(0), moment, records, hash: hash.to_owned() })
    };
    let fine = vec![
        state(1, Moment::BeforeStop, 3, "ab"),
        state(2, Moment::AfterStart, 3, "ab"),
        state(3, Moment::AfterStart, 3, "ab"),
        state(4, Moment::BeforeStop, 9, "cd"),
    ];
    assert_eq!(ruling(Invariant::Restart, &fine), Ruling::Holds);
    for (at, records, hash) in [(1, 3, "ff"), (1, 2, "ab"), (2, 3, "ff")] {
        let mut wrong = fine.clone();
        wrong[at] = state(at as u64 + 1, Moment::AfterStart, records, hash);
        assert_eq!(ruling(Invariant::Restart, &wrong), Ruling::Violated, "{wrong:?}");
        wrong.insert(at, Event::Node(NodeEvent { at_ns: at as u64 + 1, node: node(0), what: What::Wipe }));
        assert_ne!(ruling(Invariant::Restart, &wrong[..=at + 1]), Ruling::Violated, "{wrong:?}");
    }
}

#[test]
fn a_digest_that_is_not_that_of_its_records_is_found_and_one_that_differs_only_once_settled() {
    let bucket = |k, kept: &str, recomputed: &str| {
        let (kept, recomputed) = (kept.to_owned(), recomputed.to_owned());
        Event::Bucket(BucketSeen { at_ns: 1, node: node(k), keyspace: None, partition: 7, kept, recomputed })
    };
    let settled = Event::Settled { at_ns: 1 };
    let fine = vec![bucket(0, "aa", "aa"), bucket(1, "aa", "aa"), settled.clone()];
    assert_eq!(ruling(Invariant::Convergence, &fine), Ruling::Holds);
    let wrong = [bucket(0, "aa", "bb")];
    assert_eq!(ruling(Invariant::Convergence, &wrong), Ruling::Violated);
    let mut differ = vec![bucket(0, "aa", "aa"), bucket(1, "bb", "bb")];
    assert_eq!(ruling(Invariant::Convergence, &differ), Ruling::Holds);
    differ.push(settled);
    assert_eq!(ruling(Invariant::Convergence, &differ), Ruling::Violated);
}

/// A history of one key at n = 3, from lines `invoke ID LEVEL ASK @BEGUN` without their JSON.
fn told(n: u8, lines: &[String]) -> (History, Report) {
    let header = format!(
        "{{\"history\":{{\"version\":1,\"made_by\":\"a test\",\"seed\":17,\"plan\":\"n2 crashes\",\"replay\":\"kvctl sim run --seed 17\",\
         \"keyspaces\":[{{\"name\":\"default\",\"n\":{n},\"read_repair\":\"blocking\",\"linearizable\":[\"2\"]}}]}}}}\n"
    );
    let text = header + &lines.join("\n") + "\n";
    let history = read(text.as_bytes(), Limits::default()).unwrap();
    let report = check(&history);
    (history, report)
}

fn put(id: u64, level: &str, (begun, ended): (u64, u64)) -> [String; 2] {
    let required = if level == "ONE" { 1 } else { 2 };
    [
        format!(
            "{{\"invoke\":{{\"at_ns\":{begun},\"id\":{id},\"client\":1,\"level\":\"{level}\",\"ask\":{{\"put\":{{\"key\":\"k\",\"value\":\"v{id}\"}}}}}}}}"
        ),
        format!(
            "{{\"complete\":{{\"at_ns\":{ended},\"id\":{id},\"outcome\":{{\"written\":{{\"version\":\"{id}.0@00000001\",\"acked\":{required},\"required\":{required}}}}}}}}}"
        ),
    ]
}

fn get_nothing(id: u64, level: &str, (begun, ended): (u64, u64)) -> [String; 2] {
    [
        format!(
            "{{\"invoke\":{{\"at_ns\":{begun},\"id\":{id},\"client\":2,\"level\":\"{level}\",\"ask\":{{\"get\":{{\"key\":\"k\"}}}}}}}}"
        ),
        format!("{{\"complete\":{{\"at_ns\":{ended},\"id\":{id},\"outcome\":{{\"not_found\":{{}}}}}}}}"),
    ]
}

#[test]
fn levels_that_do_not_overlap_promise_nothing_and_stale_reads_are_only_counted() {
    for (n, write, read, expected) in [
        (3, "QUORUM", "QUORUM", Ruling::Violated),
        (3, "QUORUM", "ONE", Ruling::NotJudged),
        (3, "ONE", "QUORUM", Ruling::NotJudged),
        (4, "2", "2", Ruling::NotJudged),
    ] {
        let lines = [put(1, write, (10, 20)), get_nothing(2, read, (21, 30))].concat();
        let (_, report) = told(n, &lines);
        assert_eq!(verdict(&report, Invariant::Freshness).ruling, expected, "{write} then {read} of {n}");
        let level = if read == "2" { "2" } else { read };
        assert_eq!((report.figures.reads[level].answered, report.figures.reads[level].stale), (1, 1));
    }
}

#[test]
fn a_read_that_touches_the_write_is_concurrent_with_it() {
    for (begun, expected) in [(20, Ruling::Holds), (21, Ruling::Violated)] {
        let lines = [put(1, "QUORUM", (10, 20)), get_nothing(2, "QUORUM", (begun, 30))].concat();
        let (_, report) = told(3, &lines);
        assert_eq!(verdict(&report, Invariant::Freshness).ruling, expected, "begun at {begun}");
    }
}

#[test]
fn a_violation_comes_with_the_table_of_its_key_the_seed_the_plan_and_the_command() {
    let lines =
        [put(1, "QUORUM", (10_000_000, 20_000_000)), get_nothing(2, "QUORUM", (21_000_000, 30_000_000))];
    let (history, report) = told(3, &lines.concat());
    let text = report.text(&history);
    let expected = "\
freshness: 1 violations
- #2 at QUORUM read nothing, 1.000 ms after #1 had been acknowledged as 1.0@00000001 (key k)
     FROM ms      TO ms  OP  CLIENT  NODE  ASKED               ANSWERED
*  10.000000  20.000000  #1  1       -     put \"v1\" at QUORUM  written 1.0@00000001, 2 of 2 acks
*  21.000000  30.000000  #2  2       -     get at QUORUM       not found

recorded by: a test
seed: 17
plan: n2 crashes
again: kvctl sim run --seed 17
";
    assert!(text.ends_with(expected), "{text}");
    let json = report.fields(&history);
    assert_eq!(json["ruling"], "violated");
    assert_eq!(json["figures"]["writes"]["lost"], 1);
    assert_eq!(json["verdicts"][4]["violations"][0]["operations"], serde_json::json!([1, 2]));
}

#[test]
fn of_a_long_history_the_table_shows_what_lies_around_the_violation() {
    let mut lines = Vec::new();
    for id in 1..=500 {
        lines.extend(put(id, "QUORUM", (id * 1_000, id * 1_000 + 10)));
    }
    lines.extend(get_nothing(501, "QUORUM", (501_000, 501_010)));
    let (history, report) = told(3, &lines);
    let text = report.text(&history);
    let text = text.split_once("\nfreshness: ").unwrap().1;
    let rows = text.lines().filter(|line| line.contains("put \"v")).count();
    assert!(rows <= 40, "{rows} rows\n{text}");
    assert!(text.contains("earlier lines") && text.contains("#500") && text.contains("* "), "{text}");
}

#[test]
fn a_level_named_by_number_is_linearizable_if_the_promise_says_so_and_mixed_keys_are_left_out() {
    let lines = [put(1, "2", (10, 20)), put(2, "2", (30, 40)), get_nothing(3, "2", (50, 60))].concat();
    let (_, report) = told(3, &lines);
    assert_eq!(verdict(&report, Invariant::Linearizability).ruling, Ruling::Violated);
    let mixed = [put(1, "2", (10, 20)), put(2, "QUORUM", (30, 40)), get_nothing(3, "2", (50, 60))].concat();
    let (_, report) = told(3, &mixed);
    let verdict = verdict(&report, Invariant::Linearizability);
    assert_eq!(verdict.ruling, Ruling::NotJudged);
    assert!(verdict.notes[0].contains("are not judged"), "{:?}", verdict.notes);
}

/// Many unanswered deletions, any of which may be the one that is seen after a put: only the search by values could tell.
#[test]
fn what_the_budget_does_not_allow_to_decide_is_undecided() {
    let mut lines = Vec::new();
    for id in 1..=30 {
        lines.push(format!("{{\"invoke\":{{\"at_ns\":{id},\"id\":{id},\"client\":{id},\"level\":\"2\",\"ask\":{{\"delete\":{{\"key\":\"k\"}}}}}}}}"));
    }
    lines.extend(put(31, "2", (31, 35)));
    lines.push("{\"invoke\":{\"at_ns\":40,\"id\":40,\"client\":40,\"level\":\"2\",\"ask\":{\"get\":{\"key\":\"k\"}}}}".to_owned());
    lines.push(
        "{\"complete\":{\"at_ns\":50,\"id\":40,\"outcome\":{\"deleted\":{\"version\":\"99.0@00000001\"}}}}"
            .to_owned(),
    );
    let (history, report) = told(3, &lines);
    assert_eq!(verdict(&report, Invariant::Linearizability).ruling, Ruling::Holds, "the budget is enough");
    let effort = quorate_sim::check::Effort { steps: 0, ..quorate_sim::check::Effort::default() };
    let starved = quorate_sim::check::check_within(&history, effort);
    assert_eq!(verdict(&starved, Invariant::Linearizability).ruling, Ruling::Undecided);
    assert_eq!(starved.ruling(), Ruling::Undecided);
}

#[test]
fn values_of_before_the_recording_are_no_phantoms_if_the_header_says_so() {
    let lines = "{\"invoke\":{\"at_ns\":1,\"id\":1,\"client\":1,\"level\":\"QUORUM\",\"ask\":{\"get\":{\"key\":\"k\"}}}}\n\
                 {\"complete\":{\"at_ns\":2,\"id\":1,\"outcome\":{\"found\":{\"version\":\"9.0@00000001\",\"value\":\"old\"}}}}\n";
    for (initial, expected) in [("empty", Ruling::Violated), ("unknown", Ruling::Holds)] {
        let text = format!(
            "{{\"history\":{{\"version\":1,\"made_by\":\"a test\",\"initial\":\"{initial}\",\"keyspaces\":[{{\"name\":\"default\",\"n\":3}}]}}}}\n{lines}"
        );
        let history = read(text.as_bytes(), Limits::default()).unwrap();
        assert_eq!(verdict(&check(&history), Invariant::Phantoms).ruling, expected, "{initial}");
    }
}

#[test]
fn a_deletion_of_before_the_recording_is_no_phantom_although_others_delete_the_key_later() {
    let lines = [
        "{\"invoke\":{\"at_ns\":1,\"id\":1,\"client\":1,\"level\":\"2\",\"ask\":{\"get\":{\"key\":\"k\"}}}}",
        "{\"complete\":{\"at_ns\":2,\"id\":1,\"outcome\":{\"deleted\":{\"version\":\"3.0@00000001\"}}}}",
        "{\"invoke\":{\"at_ns\":3,\"id\":2,\"client\":1,\"level\":\"2\",\"ask\":{\"delete\":{\"key\":\"k\"}}}}",
        "{\"complete\":{\"at_ns\":4,\"id\":2,\"outcome\":{\"indeterminate\":{\"acked\":0,\"required\":2}}}}",
        "{\"invoke\":{\"at_ns\":5,\"id\":3,\"client\":1,\"level\":\"2\",\"ask\":{\"get\":{\"key\":\"k\"}}}}",
        "{\"complete\":{\"at_ns\":6,\"id\":3,\"outcome\":{\"deleted\":{\"version\":\"9.0@00000001\"}}}}",
    ];
    let (mut history, report) = told(3, &lines.map(str::to_owned));
    assert_eq!(report.ruling(), Ruling::Violated, "nothing was there before");
    history.forget_initial();
    assert_eq!(check(&history).ruling(), Ruling::Holds);
}

#[test]
fn promises_can_be_replaced_by_others_than_were_recorded() {
    let lines = [put(1, "QUORUM", (10, 20)), get_nothing(2, "QUORUM", (21, 30))].concat();
    let (mut history, _) = told(3, &lines);
    history.promises_mut()[0].n = 5;
    let report = check(&history);
    assert_ne!(verdict(&report, Invariant::Freshness).ruling, Ruling::NotJudged);
    let _: &Header = history.header();
}
