//! The demo: a cluster in one process, driven by lines.

use crate::kvctl;

/// The lines of the demo's output behind its greeting.
fn answers(out: &str) -> Vec<&str> {
    let greeting = out.lines().position(|line| line.starts_with("try ")).unwrap();
    out.lines().skip(greeting + 1).collect()
}

#[test]
fn lines_are_run_without_a_prompt_to_the_end_of_input_and_the_temporary_folder_goes() {
    let dir = tempfile::tempdir().unwrap();
    let script = "# a comment\nput hello world -w all\nget hello\nput empty ''\nget empty\nget nope\ndel hello\nget hello\nbogus\n";
    let ran = kvctl(dir.path(), &["demo"], script);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let answers = answers(&ran.out);
    assert!(answers[0].starts_with("ok  3/3 acks in "), "{answers:?}");
    assert_eq!(answers[1], "world");
    assert!(answers[2].starts_with("ok  "));
    assert_eq!(answers[3], "");
    assert!(answers[4].starts_with("ok  "));
    assert_eq!(answers.len(), 5);
    let told: Vec<&str> = ran.err.lines().collect();
    assert_eq!(told[0], "kvctl: the value of key \"empty\" is empty (0 bytes)");
    assert_eq!(told[1], "kvctl: key \"nope\" not found (2 of 3 replicas answered, none has it)");
    assert!(told[2].starts_with("kvctl: key \"hello\" was deleted, version "), "{}", ran.err);
    assert_eq!(told[3], "error: unrecognized subcommand 'bogus'");
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_dead_node_costs_nothing_but_the_levels_that_need_it_and_comes_back_with_what_it_missed() {
    let dir = tempfile::tempdir().unwrap();
    let script = "put hello world -w all\nfault kill n3\nfault kill n3\nput hello again\nput hello refused -w all\nget hello\n\
                  fault restart n3\nput hello last -w all\nget hello -r all\nfault pause n2\nfault resume n2\nput hello x -w all\n";
    let ran = kvctl(dir.path(), &["demo", "--nodes", "3"], script);
    assert_eq!(ran.code, 0);
    let answers = answers(&ran.out);
    let begins = [
        "ok  3/3",
        "n3 killed",
        "ok  2/3",
        "again",
        "n3 back from its disk",
        "ok  3/3",
        "last",
        "n2 stands still",
        "n2 goes on",
        "ok  3/3",
    ];
    assert_eq!(answers.len(), begins.len(), "{answers:#?}\n{}", ran.err);
    for (answer, begin) in answers.iter().zip(begins) {
        assert!(answer.starts_with(begin), "{answer:?} does not begin with {begin:?}\n{}", ran.err);
    }
    assert!(ran.err.contains("n3 is dead already"), "{}", ran.err);
    assert!(ran.err.contains("error: ALL needs 3 replicas, 2 are alive (n3 down "), "{}", ran.err);
    assert!(ran.err.contains("  state: nothing was sent, nothing has changed\n"), "{}", ran.err);
}

#[test]
fn a_named_folder_is_kept_and_its_log_can_be_looked_into() {
    let dir = tempfile::tempdir().unwrap();
    let demo = ["demo", "--nodes", "1", "--dir", "kept"];
    assert_eq!(kvctl(dir.path(), &demo, "put k v1\nput k v2\n").code, 0);
    let again = kvctl(dir.path(), &demo, "get k\n");
    assert_eq!(answers(&again.out), ["v2"], "{}", again.err);

    let verified = kvctl(dir.path(), &["wal", "verify", "kept/n1"], "");
    assert_eq!(verified.code, 0, "{}", verified.err);
    assert!(verified.out.ends_with("the end is closed in good order\n"), "{}", verified.out);
    let listed = kvctl(dir.path(), &["wal", "ls", "kept/n1", "-o", "ndjson"], "");
    assert!(listed.out.contains("\"state\":\"begun\""), "{}", listed.out);
    let shown = kvctl(dir.path(), &["config", "show", "kept/cluster.toml", "--origin"], "");
    assert!(shown.out.contains("file:"), "{}", shown.out);

    let refused = kvctl(dir.path(), &["demo", "--nodes", "2", "--dir", "kept"], "");
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("of cluster \"demo\" with 1 nodes"), "{}", refused.err);
}

#[test]
fn a_damaged_log_exits_with_12_and_names_file_and_offset_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(
        kvctl(dir.path(), &["demo", "--nodes", "1", "--dir", "kept"], "put key the-value\nput k 2\n").code,
        0
    );
    let segment = dir.path().join("kept/n1/wal/0000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let value = bytes.windows(9).position(|window| window == b"the-value").unwrap();
    bytes[value] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();

    let verified = kvctl(dir.path(), &["wal", "verify", "kept/n1", "-o", "json"], "");
    assert_eq!(verified.code, 12, "{}", verified.err);
    assert!(verified.err.contains("0000000001.seg, byte "), "{}", verified.err);
    let json: serde_json::Value = serde_json::from_str(&verified.out).unwrap();
    let offset = json["offset"].as_u64().unwrap();
    assert!(offset <= value as u64 && value as u64 - offset < 200, "byte {offset} for damage at {value}");
    // What is before it is shown.
    let dumped = kvctl(dir.path(), &["wal", "dump", "kept/n1"], "");
    assert!(dumped.code == 12 && dumped.out.contains("clock  ceiling"), "{}", dumped.out);
    assert_eq!(std::fs::read(&segment).unwrap(), bytes);
}

#[test]
fn at_linearizable_a_put_tells_both_of_its_phases_and_a_scan_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let script = "put reg 1 -w linearizable\nput reg 2 -w linearizable\nfault kill n3\nput reg 3 -w linearizable\n\
                  get reg -r linearizable\nscan -r linearizable\n";
    let ran = kvctl(dir.path(), &["demo", "--nodes", "3"], script);
    let answers = answers(&ran.out);
    for place in [0, 1, 3] {
        assert!(answers[place].starts_with("ok  ") && answers[place].contains("(asked n"), "{answers:?}");
    }
    assert_eq!(answers[4], "3", "{answers:?} {}", ran.err);
    assert!(ran.err.contains("a page at LINEARIZABLE; read it at QUORUM"), "{}", ran.err);
}
