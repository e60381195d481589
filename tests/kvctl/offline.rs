//! What needs no cluster, and what is said when there is none.

use std::path::Path;

use serde_json::Value;

use crate::kvctl;

/// An address of a network of our own, where nobody listens.
const NOBODY: &str = "127.251.0.1:7381";

#[test]
fn without_a_cluster_the_exit_is_3_and_the_text_says_what_was_tried_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let ran = kvctl(dir.path(), &["get", "k", "--endpoints", NOBODY], "");
    assert_eq!((ran.code, ran.out.as_str()), (3, ""));
    let lines: Vec<&str> = ran.err.lines().collect();
    assert_eq!(lines[0], "error: no node could be reached");
    assert!(lines[1].starts_with(&format!("  tried: {NOBODY}: nothing listens at {NOBODY}")), "{}", ran.err);
    assert_eq!(lines[2], "  state: nothing was sent, nothing has changed");
    assert!(lines[3].starts_with("  try:   start a node"), "{}", ran.err);
    assert_eq!(lines[4], "  endpoints from --endpoints or KV_ENDPOINTS");

    let ran = kvctl(dir.path(), &["get", "k", "--endpoints", NOBODY, "-o", "json"], "");
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (ran.code, &json["result"], &json["state"]),
        (3, &"not_connected".into(), &"nothing_sent".into())
    );
    assert_eq!(json["schema"], "kvctl/v1");
}

#[test]
fn usage_errors_exit_with_2_and_name_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &str); 5] = [
        (&["get"], "<KEY>"),
        (
            &["get", "k", "-r", "most"],
            "unknown level \"most\"; levels are one, two, three, quorum, all, linearizable",
        ),
        (&["stauts"], "'status'"),
        (&["get", "k", "--timeout", "5"], "write a number and a unit"),
        (&["demo", "--nodes", "0"], "1..=9"),
    ];
    for (args, named) in cases {
        let ran = kvctl(dir.path(), args, "");
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}");
        assert!(ran.err.contains(named), "{args:?}: {}", ran.err);
    }
}

#[test]
fn the_printed_configuration_is_the_shipped_one_and_checks() {
    let dir = tempfile::tempdir().unwrap();
    let printed = kvctl(dir.path(), &["config", "print-default"], "");
    let shipped =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster.toml")).unwrap();
    assert_eq!((printed.code, printed.out), (0, shipped.clone()));

    std::fs::write(dir.path().join("cluster.toml"), &shipped).unwrap();
    let checked = kvctl(dir.path(), &["config", "check"], "");
    assert_eq!(checked.code, 0, "{}", checked.err);
    assert!(checked.out.starts_with("ok  cluster.toml: cluster demo, 4 nodes"), "{}", checked.out);

    std::fs::write(dir.path().join("cluster.toml"), shipped.replace("read = ", "raed = ")).unwrap();
    let refused = kvctl(dir.path(), &["status"], "");
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("unknown key `raed` in [[keyspace]]; did you mean `read`?"),
        "{}",
        refused.err
    );
    assert!(refused.err.contains("state: nothing was started, no data was touched"), "{}", refused.err);
}

#[test]
fn help_has_the_exit_codes_and_completions_name_the_verbs() {
    let dir = tempfile::tempdir().unwrap();
    let help = kvctl(dir.path(), &["--help"], "");
    assert_eq!(help.code, 0);
    assert!(
        help.out.contains("Exit codes:") && help.out.contains(" 10  get: the key was deleted"),
        "{}",
        help.out
    );
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = kvctl(dir.path(), &["completions", shell], "");
        assert!(ran.code == 0 && ran.out.contains("explain"), "{shell}: {}", ran.err);
    }
}

#[test]
fn a_folder_without_a_log_is_a_usage_error() {
    let dir = tempfile::tempdir().unwrap();
    for verb in ["ls", "dump", "verify", "salvage"] {
        let ran = kvctl(dir.path(), &["wal", verb, "."], "");
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{verb}: {}", ran.err);
        assert!(ran.err.contains("no log in ."), "{verb}: {}", ran.err);
    }
}

#[test]
fn a_history_that_can_t_be_read_is_a_usage_error_that_names_the_line_and_nothing_was_judged() {
    let dir = tempfile::tempdir().unwrap();
    let header = "{\"history\":{\"version\":1,\"made_by\":\"a test\",\"keyspaces\":[{\"name\":\"default\",\"n\":3}]}}\n";
    let cases = [
        ("", "line 1 is no header of a history"),
        ("hello\n", "line 1 is no header of a history"),
        (&format!("{header}{{\"invoke\":{{}}}}\n"), "line 2 is no event of a history: missing field `at_ns`"),
        ("{\"history\":{\"version\":9}}\n", "format version 9"),
    ];
    for (text, named) in cases {
        std::fs::write(dir.path().join("h.jsonl"), text).unwrap();
        let ran = kvctl(dir.path(), &["check", "h.jsonl"], "");
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{text}");
        assert!(ran.err.starts_with("error: h.jsonl: ") && ran.err.contains(named), "{text}: {}", ran.err);
        assert!(ran.err.contains("\n  state: nothing was judged\n  try:   "), "{}", ran.err);
    }
    let missing = kvctl(dir.path(), &["check", "nope.jsonl"], "");
    assert!(missing.code == 2 && missing.err.contains("nope.jsonl: No such file"), "{}", missing.err);

    // Nothing to judge is not fine.
    let empty = kvctl(dir.path(), &["check", "-"], header);
    assert_eq!(empty.code, 14, "{}", empty.err);
    assert!(
        empty.out.ends_with("undecided: the history shows nothing that could be judged\n"),
        "{}",
        empty.out
    );
    let put = "{\"invoke\":{\"at_ns\":1,\"id\":1,\"client\":1,\"level\":\"QUORUM\",\"ask\":{\"put\":{\"key\":\"k\",\"value\":\"v\"}}}}\n";
    let weak = kvctl(dir.path(), &["check", "-"], &format!("{header}{put}"));
    let verdict = weak.out.lines().last().unwrap_or_default();
    assert!(
        verdict.starts_with("ok: every promise that the history shows was kept; nothing was judged for ")
    );
    assert!(verdict.contains("durability, freshness"), "{verdict}");
    let small = kvctl(dir.path(), &["bench", "--help"], "");
    assert!(small.out.contains("--history <FILE>"), "{}", small.out);
}

#[test]
fn what_a_history_is_judged_by_can_be_given_on_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let op = |id: u64, ask: &str, outcome: &str| {
        format!(
            "{{\"invoke\":{{\"at_ns\":{id}0,\"id\":{id},\"client\":1,\"level\":\"QUORUM\",\"ask\":{{{ask}}}}}}}\n\
             {{\"complete\":{{\"at_ns\":{id}5,\"id\":{id},\"outcome\":{{{outcome}}}}}}}\n"
        )
    };
    let get = "\"get\":{\"key\":\"k\"}";
    let found = "\"found\":{\"version\":\"1.0@00000001\",\"value\":\"v\"}";
    let text = "{\"history\":{\"version\":1,\"made_by\":\"a test\",\"keyspaces\":[{\"name\":\"default\",\"n\":3}]}}\n".to_owned()
        + &op(1, get, found)
        + &op(2, get, "\"not_found\":{}");
    let code = |args: &[&str]| kvctl(dir.path(), &[&["check", "-"], args].concat(), &text).code;
    assert_eq!(code(&[]), 13, "nobody wrote it");
    assert_eq!(code(&["--initial-unknown"]), 0, "somebody may have, before");
    assert_eq!(
        code(&["--initial-unknown", "--read-repair", "blocking"]),
        13,
        "and then it may not disappear"
    );
    assert_eq!(code(&["--initial-unknown", "--linearizable", "quorum"]), 13, "nor from a register");
}
