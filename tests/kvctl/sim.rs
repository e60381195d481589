//! `kvctl sim`: scenarios, seeds, replays, shrinking; what is printed and how it exits.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::kvctl;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_scenario_is_listed_with_one_line_and_one_of_them_runs_and_ends_well() {
    let dir = tempfile::tempdir().unwrap();
    let listed = kvctl(dir.path(), &["sim", "list", "-o", "ndjson"], "");
    assert_eq!((listed.code, listed.err.as_str()), (0, ""));
    let rows: Vec<Value> = listed.out.lines().map(json).collect();
    assert!(rows.iter().all(|row| !row["about"].as_str().unwrap().is_empty()));
    assert!(rows.iter().any(|row| row["name"] == "three-of-four" && row["kind"] == "scenario"));

    let ran = kvctl(dir.path(), &["sim", "run", "three-of-four"], "");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    assert!(ran.out.contains("now: 1 hints are kept"), "{}", ran.out);
    assert!(ran.out.ends_with("ok: every promise was kept in 1 runs\n"), "{}", ran.out);
}

#[test]
fn a_seed_runs_twice_alike_and_its_history_is_what_check_judges() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["sim", "run", "--seed", "5", "--until", "3s", "-o", "json"];
    let files = ["--history", "h.jsonl", "--events", "e.jsonl"];
    let first = kvctl(dir.path(), &[&args[..], &files].concat(), "");
    assert_eq!(first.code, 0, "{}{}", first.out, first.err);
    let events = std::fs::read_to_string(dir.path().join("e.jsonl")).unwrap();
    let other = ["--history", "h2.jsonl", "--events", "e2.jsonl"];
    let again = kvctl(dir.path(), &[&args[..], &other].concat(), "");
    assert_eq!(std::fs::read_to_string(dir.path().join("e2.jsonl")).unwrap(), events);
    let (mut first, mut again) = (json(&first.out), json(&again.out));
    for ran in [&mut first, &mut again] {
        ran["took_s"].take();
    }
    assert_eq!(first, again);

    let lines: Vec<Value> = events.lines().map(json).collect();
    assert_eq!((&lines[0]["sim"]["version"], &lines[0]["sim"]["seed"]), (&2.into(), &5.into()));
    assert!(lines.last().unwrap()["end"]["violations"].as_array().unwrap().is_empty());
    let kinds: BTreeSet<&str> =
        lines.iter().flat_map(|line| line.as_object().unwrap().keys().map(String::as_str)).collect();
    for kind in ["message", "fault", "invoke", "complete", "copy"] {
        assert!(kinds.contains(kind), "no {kind} among {kinds:?}");
    }

    let checked = kvctl(dir.path(), &["check", "h.jsonl"], "");
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);
}

/// A plan that expects what is not so.
const WRONG: &str = r#"
about = "a missing key is found"
seed = 1
run_ms = 400

[[step]]
at_ms = 10
do = { ask = { id = 1, by = 1, key = "a", level = "ONE", what = { put = {} } } }

[[step]]
at_ms = 20
do = { fault = { checkpoint = { node = 1 } } }

[[step]]
at_ms = 100
do = { ask = { id = 2, by = 2, key = "b", level = "QUORUM", what = "get", expect = { sees = 1 } } }
"#;

#[test]
fn what_does_not_end_as_it_says_exits_with_13_names_the_command_and_shrinks_to_what_matters() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("wrong.toml"), WRONG).unwrap();
    let ran = kvctl(dir.path(), &["sim", "run", "wrong.toml"], "");
    assert_eq!(ran.code, 13, "{}", ran.out);
    assert!(ran.out.contains("#2 by n2: expected: the value of #1; it was not_found"), "{}", ran.out);
    assert!(ran.out.ends_with("again: kvctl sim run wrong.toml --seed 1\n"), "{}", ran.out);

    let shrunk =
        kvctl(dir.path(), &["sim", "shrink", "wrong.toml", "--into", "small.toml", "-o", "json"], "");
    let fields =
        json(&shrunk.out.lines().skip_while(|line| !line.starts_with('{')).collect::<Vec<_>>().join("\n"));
    assert_eq!((shrunk.code, &fields["steps_before"], &fields["steps_after"]), (0, &3.into(), &2.into()));
    assert_eq!(kvctl(dir.path(), &["sim", "replay", "small.toml"], "").code, 13);
}

#[test]
fn what_is_no_scenario_and_no_plan_is_refused_with_the_place() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bad.toml"), "seed = 1\nrun_ms = 10\nnodse = 3\n").unwrap();
    for (what, words) in
        [("nothing-of-this-name", "is no scenario, and as a file"), ("bad.toml", "bad.toml: not a plan")]
    {
        let ran = kvctl(dir.path(), &["sim", "run", what], "");
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains(words) && ran.err.contains("state: nothing was run"), "{}", ran.err);
    }
    let ran = kvctl(dir.path(), &["sim", "run", "rwn-grid", "--events", "e.jsonl"], "");
    assert_eq!(ran.code, 2, "{}", ran.err);
}

#[test]
fn a_file_that_can_not_be_made_is_refused_before_anything_is_run_with_its_path_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("there.jsonl"), "precious").unwrap();
    std::fs::write(dir.path().join("wrong.toml"), WRONG).unwrap();
    let run = ["sim", "run", "--seed", "5", "--until", "1s"];
    let cases: [(&[&str], &str); 6] = [
        (&["--events", "no/e.jsonl"], "error: --events no/e.jsonl: No such file or directory"),
        (&["--history", "no/h.jsonl"], "error: --history no/h.jsonl: No such file or directory"),
        (&["--events", "there.jsonl"], "error: --events there.jsonl: File exists"),
        (&["--history", "there.jsonl", "--events", "new"], "error: --history there.jsonl: File exists"),
        (&["--events", "one", "--history", "one"], "error: --history and --events are one file, one"),
        (&["--events", "/dev/full"], "error: --events /dev/full: File exists"),
    ];
    for (flags, words) in cases {
        let ran = kvctl(dir.path(), &[&run[..], flags].concat(), "");
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{flags:?}");
        assert!(ran.err.starts_with(words), "{}", ran.err);
        assert!(ran.err.contains("  state: nothing was run\n  try:   "), "{}", ran.err);
    }
    let shrunk = kvctl(dir.path(), &["sim", "shrink", "wrong.toml", "--into", "there.jsonl"], "");
    assert_eq!(shrunk.code, 2);
    assert!(shrunk.err.starts_with("error: --into there.jsonl: File exists"), "{}", shrunk.err);
    assert_eq!(std::fs::read_to_string(dir.path().join("there.jsonl")).unwrap(), "precious");
    assert!(["new", "one"].iter().all(|name| !dir.path().join(name).exists()));
    let checked = kvctl(dir.path(), &["check", "missing.jsonl"], "");
    assert_eq!(checked.code, 2);
    assert!(checked.err.starts_with("error: missing.jsonl: No such file"), "{}", checked.err);
}

#[test]
fn what_a_scenario_would_ignore_is_refused_and_so_are_runs_without_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &str); 5] = [
        (
            &["run", "tour", "--nodes", "5"],
            "error: --nodes is of random plans, and tour is a plan of its own",
        ),
        (&["run", "tour", "--until", "5s"], "error: --until is of random plans"),
        (&["replay", "tour", "--until", "5s"], "error: --until is of random plans"),
        (&["run", "--until", "0s"], "error: --until is 0 ms"),
        (&["run", "--until", "7h"], "error: --until is 25200000 ms"),
    ];
    for (args, words) in cases {
        let ran = kvctl(dir.path(), &[&["sim"], args].concat(), "");
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}");
        assert!(ran.err.starts_with(words), "{}", ran.err);
    }
}

#[test]
fn what_breaks_no_promise_is_not_shrunk_and_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let ran = kvctl(dir.path(), &["sim", "shrink", "1", "--until", "200ms", "--into", "small.toml"], "");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("state: it was run once, and nothing is written"), "{}", ran.err);
    assert!(!dir.path().join("small.toml").exists());
}
