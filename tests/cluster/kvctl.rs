//! `kvctl` against real replicas: what it prints, for people and for programs, and how it exits.

use serde_json::{Value, json};

use crate::harness::{Cluster, Ran, Spec};

/// Four replicas, of which n2 is dead, and a key that n2 holds a copy of.
fn with_n2_dead() -> (Cluster, String) {
    let mut cluster = Cluster::start(&Spec::default());
    cluster.kill(2);
    for k in [1, 3, 4] {
        cluster.await_peers_up(k, 2);
    }
    let of_n2 = (0..100).map(|i| format!("key-{i}")).find(|key| {
        let replicas = cluster.kvctl(&["explain", key, "-o", "json"]).json()["replicas"].clone();
        replicas.as_array().expect("a list").iter().any(|replica| replica["node"] == "n2")
    });
    (cluster, of_n2.expect("n2 holds three quarters of all keys"))
}

/// Exit code, `result` in JSON, and standard error, of a `get`.
fn told(cluster: &Cluster, key: &str, level: &str) -> (i32, Value, String) {
    let ran = cluster.kvctl(&["get", key, "-r", level, "-o", "json"]);
    let plain = cluster.kvctl(&["get", key, "-r", level]);
    assert_eq!((plain.code, &plain.stderr), (ran.code, &ran.stderr), "{key}");
    (ran.code, ran.json()["result"].clone(), ran.stderr)
}

#[test]
fn missing_empty_deleted_and_too_few_replicas_are_told_apart_in_text_json_and_exit_code() {
    let (cluster, of_n2) = with_n2_dead();
    assert_eq!(cluster.kvctl(&["put", "empty", ""]).code, 0);
    assert_eq!(cluster.kvctl(&["put", "gone", "v"]).code, 0);
    assert_eq!(cluster.kvctl(&["del", "gone"]).code, 0);

    let (code, result, said) = told(&cluster, "nobody", "quorum");
    assert_eq!((code, result), (1, json!("not_found")));
    assert_eq!(said, "kvctl: key \"nobody\" not found (2 of 3 replicas answered, none has it)\n");

    let (code, result, said) = told(&cluster, "empty", "quorum");
    assert_eq!((code, result), (0, json!("found")));
    assert_eq!(said, "kvctl: the value of key \"empty\" is empty (0 bytes)\n");

    let (code, result, said) = told(&cluster, "gone", "quorum");
    assert_eq!((code, result), (10, json!("deleted")));
    assert!(said.starts_with("kvctl: key \"gone\" was deleted, version "), "{said}");

    let (code, result, said) = told(&cluster, &of_n2, "all");
    assert_eq!((code, result), (4, json!("unavailable")));
    assert!(said.starts_with("error: ALL needs 3 replicas, 2 are alive (n2 down "), "{said}");
}

#[test]
fn a_write_that_too_few_replicas_can_take_exits_with_4_and_nothing_was_sent() {
    let (cluster, key) = with_n2_dead();
    let ran = cluster.kvctl(&["put", &key, "v", "-w", "all", "-o", "json"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    let json = ran.json();
    let told = ["result", "state", "required", "alive"].map(|field| json[field].clone());
    assert_eq!(told, [json!("unavailable"), json!("nothing_sent"), json!(3), json!(2)]);
    assert!(ran.stderr.contains("\n  state: nothing was sent, nothing has changed\n"), "{}", ran.stderr);
    assert_eq!(cluster.kvctl(&["get", &key]).code, 1, "it was sent all the same");
}

#[test]
fn what_n2_missed_is_in_hints_nodes_status_and_explain_until_it_is_back() {
    let (mut cluster, key) = with_n2_dead();
    let put = cluster.kvctl(&["put", &key, "v", "-o", "json"]).json();
    assert_eq!((&put["acked"], &put["receipt"]["hinted"]), (&json!(2), &json!(["n2"])));
    let hints = || cluster.kvctl(&["hints", "-o", "json"]).json();
    cluster.await_that("the hint is on disk", || hints()["hints"][0]["durable"] == json!(1));
    let seen = hints();
    let (hint, silent) = (&seen["hints"][0], &seen["silent"]);
    assert_eq!((&hint["holder"], &hint["target"]), (&put["coordinator"], &json!("n2")));
    assert_eq!(silent, &json!(["n2"]));

    let nodes = cluster.kvctl(&["nodes", "-o", "json"]).json();
    let n2 = node(&nodes, "n2");
    assert_eq!((&n2["state"], &n2["hints_for_it"]), (&json!("down"), &json!(1)));

    let status = cluster.kvctl(&["status", "--exit-code", "-o", "json"]);
    assert_eq!((status.code, &status.json()["verdict"]), (9, &json!("degraded")));

    let explained = cluster.kvctl(&["explain", &key, "-o", "json"]).json();
    assert_eq!((&explained["n"], &explained["current_replicas"]), (&json!(3), &json!(2)));
    assert_eq!(explained["winner"], put["version"]);
    let copies = explained["replicas"].as_array().expect("a list");
    let of_n2 = copies.iter().find(|copy| copy["node"] == "n2").expect("n2 is a replica");
    assert_eq!((&of_n2["alive"], &of_n2["current"]), (&json!(false), &json!(false)));

    cluster.spawn(2);
    let no_hints = || cluster.kvctl(&["hints"]).stdout == "no hints are waiting\n";
    cluster.await_that("the hint is delivered", no_hints);
    let explained = cluster.kvctl(&["explain", &key, "-o", "json"]).json();
    assert_eq!(explained["current_replicas"], json!(3));
    assert_eq!(cluster.kvctl(&["status", "--exit-code"]).code, 0);
}

fn node<'a>(nodes: &'a Value, name: &str) -> &'a Value {
    let mut all = nodes["nodes"].as_array().expect("a list").iter();
    all.find(|node| node["node"] == name).expect("every node is listed")
}

#[test]
fn values_come_from_the_line_from_stdin_or_from_a_file_and_raw_prints_their_very_bytes() {
    let cluster = one_node();
    let bytes = b"\x00\xff\r\n no text \n";
    let file = cluster.folder().join("value");
    std::fs::write(&file, bytes).expect("written");
    let from_file = format!("@{}", file.display());

    for (value, stdin, expected) in [
        ("-", &bytes[..], &bytes[..]),
        (&from_file, b"", bytes),
        ("@@text", b"", b"@text"),
        ("-5", b"", b"-5"),
        ("", b"", b""),
    ] {
        let put = cluster.kvctl_in(&["put", "k", value], stdin);
        assert!(put.status.success(), "{value}: {put:?}");
        assert_eq!(cluster.kvctl_in(&["get", "k", "-o", "raw"], b"").stdout, expected, "{value}");
    }
    let missing = cluster.kvctl(&["put", "k", "@no-such-file"]);
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("no-such-file") && missing.stderr.contains("nothing was sent"));
}

fn one_node() -> Cluster {
    Cluster::start(&Spec { nodes: 1, n: 1, read: "one", write: "one", ..Spec::default() })
}

#[test]
fn a_receipt_shows_the_time_that_the_coordinators_own_disk_took() {
    let more = "inline_sync_below = \"1s\"\n";
    let cluster =
        Cluster::start(&Spec { nodes: 1, n: 1, read: "one", write: "one", more, ..Spec::default() });
    for i in 0..5 {
        let put = cluster.kvctl(&["put", &format!("k{i}"), "v", "-o", "json"]).json();
        let own = &put["receipt"]["answered"][0];
        assert_eq!(own["node"], "n1");
        assert!(own["elapsed_us"].as_u64().expect("a number") > 0, "no disk syncs in no time: {put}");
    }
}

#[test]
fn a_scan_lists_each_key_of_its_prefix_once_page_by_page_and_no_other() {
    let cluster = one_node();
    for i in 0..25 {
        assert_eq!(cluster.kvctl(&["put", &format!("user:{i}"), &format!("v{i}")]).code, 0);
    }
    assert_eq!(cluster.kvctl(&["put", "other", "x"]).code, 0);
    assert_eq!(cluster.kvctl(&["del", "user:7"]).code, 0);

    let mut found = Vec::new();
    let mut cursor = Value::Null;
    for _ in 0..10 {
        let mut args = vec!["scan", "--prefix", "user:", "--limit", "10", "-o", "json"];
        args.extend(cursor.as_str().into_iter().flat_map(|cursor| ["--cursor", cursor]));
        let page = cluster.kvctl(&args).json();
        for entry in page["entries"].as_array().expect("a list") {
            let utf8 = |field: &str| entry[field]["utf8"].as_str().expect("text").to_owned();
            found.push((utf8("key"), utf8("value")));
        }
        cursor = page["cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    let mut expected: Vec<_> =
        (0..25).filter(|i| *i != 7).map(|i| (format!("user:{i}"), format!("v{i}"))).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);

    let lines = cluster.kvctl(&["scan", "--prefix", "user:", "--keys-only", "-o", "ndjson"]).stdout;
    assert_eq!(lines.lines().count(), 24);
    let bad = cluster.kvctl(&["scan", "--cursor", "junk"]);
    assert_eq!((bad.code, bad.stderr.contains("\"junk\"")), (2, true), "{bad:?}");
}

#[test]
fn what_is_refused_by_name_exits_with_2_and_was_not_applied() {
    let cluster = one_node();
    let big = "v".repeat(1_048_577);
    std::fs::write(cluster.folder().join("big"), &big).expect("written");
    let big = format!("@{}", cluster.folder().join("big").display());
    let says = |args: &[&str], named: &str| {
        let Ran { code, stdout, stderr } = cluster.kvctl(args);
        assert_eq!((code, stdout.as_str()), (2, ""), "{args:?}: {stderr}");
        assert!(stderr.contains(named), "{args:?}: {stderr:?} does not say {named:?}");
    };
    says(&["put", "k", "v", "-w", "two"], "the level needs 2 replicas, but the keyspace has n = 1");
    says(&["put", "k", "v", "-w", "most"], "unknown level \"most\"");
    says(&["put", "", "v"], "the key is empty; a key has 1 to 32768 bytes");
    says(&["put", "k", &big], "more than value_bytes_max = 1048576");
    says(&["put", "k", "v", "--coordinator", "n9"], "no node \"n9\"; the nodes are n1");
    says(&["put", "k", "v", "-k", "nope"], "no keyspace \"nope\"; the keyspaces are default");
    says(&["put", "k", "v", "--ttl", "0s"], "a time of 0 is none");
    says(&["ring", "--node", "n9"], "no node \"n9\"");
    assert_eq!(cluster.kvctl(&["get", "k"]).code, 1, "something was applied");
}

#[test]
fn without_a_node_that_answers_the_exit_is_3_and_nothing_was_sent() {
    let cluster = Cluster::prepare(&Spec { nodes: 2, n: 2, ..Spec::default() });
    let ran = cluster.kvctl(&["put", "k", "v", "-o", "json"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let json = ran.json();
    assert_eq!((&json["result"], &json["state"]), (&json!("not_connected"), &json!("nothing_sent")));
    for k in 1..=2 {
        assert!(ran.stderr.contains(&format!("nothing listens at {}", cluster.addr(k))), "{}", ran.stderr);
    }
}

#[test]
fn a_nodes_log_is_sound_while_it_runs_after_sigkill_and_closed_after_sigterm() {
    let mut cluster = one_node();
    assert_eq!(cluster.kvctl(&["put", "k", "v"]).code, 0);
    let dir = cluster.data_dir(1).display().to_string();
    let verify = |cluster: &Cluster| {
        let ran = cluster.kvctl(&["wal", "verify", &dir, "-o", "json"]);
        assert_eq!((ran.code, &ran.json()["result"]), (0, &json!("sound")), "{ran:?}");
        ran.json()["tail"].as_str().expect("text").to_owned()
    };
    let tail = verify(&cluster);
    assert!(tail.starts_with("open"), "{tail}");
    let dump = cluster.kvctl(&["wal", "dump", &dir, "-o", "ndjson"]).stdout;
    let entries = dump.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let written: Vec<_> = entries.filter(|entry| entry["entry"] == "write").collect();
    assert_eq!(written.len(), 1, "{dump}");
    assert_eq!(written[0]["key"], json!({ "utf8": "k" }));

    cluster.kill(1);
    let tail = verify(&cluster);
    assert!(tail.starts_with("open"), "{tail}");
    cluster.spawn(1);
    assert_eq!(cluster.terminate(1), Some(0));
    let tail = verify(&cluster);
    assert!(tail.starts_with("closed"), "{tail}");
}

#[test]
fn the_reference_that_kvctl_prints_is_the_shipped_configuration() {
    let cluster = Cluster::prepare(&Spec::default());
    let printed = cluster.kvctl(&["config", "print-default"]);
    let shipped = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/cluster.toml"));
    assert_eq!((printed.code, printed.stdout), (0, shipped.expect("read")));
}
