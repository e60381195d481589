//! What is taken, what is refused, in which words.

use std::path::Path;
use std::time::Duration;

use quorate_types::Level;

use super::*;

const ONE_NODE: &str = "[[node]]\nid = \"n1\"\naddr = \"127.0.0.1:7381\"\n[[keyspace]]\nn = 1\n";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/base"))
}

fn refused(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

/// A node and a keyspace behind `text`.
fn refused_with_node(text: &str) -> String {
    refused(&format!("{text}\n{ONE_NODE}"))
}

#[test]
fn what_is_not_named_has_its_default() {
    let config = parse(ONE_NODE).unwrap();
    assert_eq!(config.cluster.name, "demo");
    assert_eq!(config.limits.request_deadline, Duration::from_secs(2));
    assert_eq!(config.hints.hint_window, Duration::from_hours(3));
    assert_eq!(config.node("n1").unwrap().data_dir, Path::new("/base/data/n1"));
    let keyspace = config.keyspace("default").unwrap();
    assert_eq!((keyspace.n, keyspace.read, keyspace.write), (1, Level::Quorum, Level::Quorum));
    assert_eq!(config.origin("limits.request_deadline"), Origin::Default);
    assert_eq!(config.origin("keyspace.default.n"), Origin::File { line: 5, column: 5 });
}

#[test]
fn the_sample_file_is_valid_and_says_the_defaults() {
    let config = parse(&render_default()).unwrap();
    assert_eq!(config.nodes.len(), 4);
    assert_eq!(config.nodes[3].addr, "127.0.0.1:7411");
    let expected = Config::empty(None);
    assert_eq!((config.wal, config.limits, config.hints), (expected.wal, expected.limits, expected.hints));
}

#[test]
fn a_misspelt_key_is_named_with_line_and_column_and_the_key_that_was_meant() {
    assert_eq!(
        refused(&format!("{ONE_NODE}raed_repair = \"off\"\n")),
        "cluster.toml:6:1: unknown key `raed_repair` in [[keyspace]]; did you mean `read_repair`?"
    );
    assert_eq!(
        refused_with_node("[limts]\n"),
        "cluster.toml:1:2: unknown section [limts]; did you mean `limits`?"
    );
}

#[test]
fn what_this_version_lacks_is_refused_by_name() {
    let cases = [
        (
            "conflict = \"siblings\"",
            "conflict = \"siblings\" is not supported by this version; write conflict = \"lww\": the newest version wins",
        ),
        (
            "sloppy = true",
            "a sloppy quorum is not supported by this version; remove `sloppy`; hinted handoff brings missed writes to their replicas",
        ),
        (
            "read = \"SERIAL\"",
            "level SERIAL is not supported by this version; use LINEARIZABLE, at which each key is a register, without compare-and-set",
        ),
        (
            "linearizable = true",
            "a switch for linearizability is not supported by this version; write read = \"LINEARIZABLE\" and write = \"LINEARIZABLE\"",
        ),
        (
            "compare_and_set = true",
            "compare-and-set is not supported by this version; remove it; of two writes the one with the newer version wins",
        ),
        (
            "cold_tier = true",
            "the cold tier (LSM) is not supported by this version; remove it; all data lives in memory and in checkpoints",
        ),
    ];
    for (line, wrong) in cases {
        let text = refused(&format!("{ONE_NODE}{line}\n"));
        assert!(text.starts_with("cluster.toml:6:"), "{text}");
        assert!(text.ends_with(wrong), "{text}");
    }
    let cold = refused_with_node("[cold]\npath = \"x\"\n");
    assert!(cold.starts_with("cluster.toml:1:2: the cold tier (LSM) is not supported"), "{cold}");
    let vnodes = refused("[[node]]\nid = \"n1\"\naddr = \"h:1\"\nvnodes = 0\n");
    assert!(vnodes.contains("4:1: a number of vnodes is not supported"), "{vnodes}");
}

#[test]
fn impossible_values_are_refused_where_they_are_written() {
    let cases = [
        (
            "[limits]\nrequest_deadline = 5",
            "cluster.toml:2:20: `request_deadline` must be a duration like \"2s\" (units us, ms, s, m, h), not the integer 5",
        ),
        (
            "[limits]\nrequest_deadline = \"5\"",
            "cluster.toml:2:20: `request_deadline` must be a duration like \"2s\" (units us, ms, s, m, h), not the string \"5\"",
        ),
        (
            "[limits]\nvalue_bytes_max = \"1GiB\"",
            "cluster.toml:2:19: `value_bytes_max` = \"1GiB\" is outside its range, \"1B\" to \"8MiB\"",
        ),
        (
            "[wal]\nsync = \"never\"",
            "cluster.toml:2:8: `sync` must be \"always\", \"interval\" or \"os\", not the string \"never\"",
        ),
        (
            "[wal]\nsync = [1]",
            "cluster.toml:2:8: `sync` must be \"always\", \"interval\" or \"os\", not an array",
        ),
        ("[server]\nshards = 9", "cluster.toml:2:10: `shards` = 9 is outside its range, 0 to 8"),
        ("[server]\nshards = -1", "cluster.toml:2:10: `shards` must be a whole number, not the integer -1"),
        ("limits = 5", "cluster.toml:1:1: `limits` must be written as a section, [limits]"),
        (
            "[cluster]\nname = \"a b\"",
            "cluster.toml:2:8: `name` = \"a b\" is no name; a name has 1 to 64 letters, digits, dots, dashes or underscores",
        ),
        (
            "[liveness]\nsilent_after = \"300ms\"",
            "cluster.toml:2:16: `silent_after` = \"300ms\" does not go with `ping_every` = \"250ms\": a peer must be given time for two pings",
        ),
        (
            "[wal]\nsegment_bytes = \"1MiB\"",
            "cluster.toml:2:17: `segment_bytes` = \"1MiB\" does not go with `value_bytes_max` = \"1MiB\": a record must fit into half a segment",
        ),
        (
            "[resp]\ncommands_bytes_max = \"1MiB\"",
            "cluster.toml:2:22: `commands_bytes_max` = \"1MiB\" does not go with `command_bytes_max` = \"64MiB\": the largest command must find room",
        ),
        (
            "[limits]\nvalue_bytes_max = \"1536KiB\"\n[resp]\noutput_bytes_max = \"1MiB\"",
            "cluster.toml:4:20: `output_bytes_max` = \"1MiB\" does not go with `value_bytes_max` = \"1536KiB\": the largest value must fit a reply",
        ),
    ];
    for (text, wrong) in cases {
        assert_eq!(refused_with_node(text), wrong);
    }
}

fn two_nodes(first: &str, second: &str) -> String {
    format!("[[node]]\n{first}\n[[node]]\n{second}\n[[keyspace]]\nn = 1\n")
}

#[test]
fn two_nodes_with_one_address_one_id_or_one_folder_are_refused() {
    let first = "id = \"n1\"\naddr = \"h:1\"\ndata_dir = \"d\"";
    let cases = [
        (
            "id = \"n2\"\naddr = \"h:1\"",
            "7:8: two [[node]]s have addr = \"h:1\" (the first is in line 3); each needs its own",
        ),
        ("id = \"n1\"\naddr = \"h:2\"", "6:6: two [[node]]s have id = \"n1\"; each needs its own"),
        (
            "id = \"n2\"\naddr = \"h:2\"\ndata_dir = \"./d\"",
            "8:12: two [[node]]s have data_dir = \"/base/d\" (the first is in line 4); each needs its own",
        ),
    ];
    for (second, wrong) in cases {
        assert_eq!(refused(&two_nodes(first, second)), format!("cluster.toml:{wrong}"));
    }
}

#[test]
fn two_ids_with_one_number_are_refused() {
    // Found by search: xxh3 cut to 32 bits is the same for both.
    let (first, second) = ("node-15754", "node-78813");
    assert_eq!(NodeId::of_name(first), NodeId::of_name(second));
    let text = two_nodes(
        &format!("id = \"{first}\"\naddr = \"h:1\""),
        &format!("id = \"{second}\"\naddr = \"h:2\""),
    );
    let refused = refused(&text);
    assert!(
        refused.contains(&format!("the names {first:?} and {second:?} have the same number")),
        "{refused}"
    );
}

#[test]
fn nodes_and_replicas_must_go_together() {
    let node = "[[node]]\nid = \"n1\"\naddr = \"h:1\"\n";
    assert_eq!(
        refused(node),
        "cluster.toml: keyspace \"default\" wants n = 3 replicas, but there is only 1 node; add nodes or lower n"
    );
    assert_eq!(
        refused(&format!("{node}[[keyspace]]\nname = \"a\"\nn = 2\n")),
        "cluster.toml:6:5: keyspace \"a\" wants n = 2 replicas, but there is only 1 node; add nodes or lower n"
    );
    assert_eq!(
        refused(&format!("{node}[[keyspace]]\nn = 1\nwrite = \"TWO\"\n")),
        "cluster.toml:6:9: keyspace \"default\": write = TWO needs 2 replicas, but n = 1"
    );
    assert_eq!(
        refused("[cluster]\nname = \"x\"\n"),
        "cluster.toml: no node; add at least one [[node]] with id and addr"
    );
    assert_eq!(
        refused(&format!("{node}capacity = 0\n")),
        "cluster.toml:4:12: `capacity` = 0 is outside its range, 0.001 to 1000000.0"
    );
    for addr in ["", "h", "h:0", ":1", "h:99999", "127.0.0.1:x"] {
        let text = refused(&format!("[[node]]\nid = \"n1\"\naddr = \"{addr}\"\n[[keyspace]]\nn = 1\n"));
        assert!(text.contains("addr"), "{text}");
    }
}

#[test]
fn all_problems_are_told_at_once_and_in_the_order_of_the_file() {
    let text =
        refused("[wal]\nsnyc = \"os\"\n[limits]\nrequests_max = 0\n[[node]]\nid = \"n1\"\nadr = \"h:1\"\n");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "cluster.toml:2:1: unknown key `snyc` in [wal]; did you mean `sync`?",
            "cluster.toml:4:16: `requests_max` = 0 is outside its range, 1 to 1048576",
            "cluster.toml:7:1: unknown key `adr` in [[node]]; did you mean `addr`?",
        ]
    );
}

#[test]
fn what_is_not_toml_is_refused_with_its_place() {
    let text = refused("[limits\nx = 1\n");
    assert!(text.starts_with("cluster.toml:1:8: not TOML: "), "{text}");
}

fn overlay(env: &[(&str, &str)]) -> Overlay {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Overlay { env, flags: Vec::new() }
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file_and_origins_say_so() {
    let text = format!("[wal]\nsync = \"os\"\n[limits]\nrequests_max = 7\n{ONE_NODE}");
    let over = overlay(&[
        ("KV__LIMITS__REQUESTS_MAX", "8"),
        ("KV__NODE__N1__ADDR", "h:9"),
        ("KV__KEYSPACE__DEFAULT__READ", "one"),
        ("KV_ENDPOINTS", "not ours"),
    ])
    .with_flag("--listen", "node.n1.addr", "h:10");
    let config = Config::parse_with(&text, Path::new("/base"), &over).unwrap();
    assert_eq!((config.limits.requests_max, config.nodes[0].addr.as_str()), (8, "h:10"));
    assert_eq!(config.keyspaces[0].read, Level::One);
    let shown = config.shown();
    let line = |path: &str| {
        let shown = shown.iter().find(|shown| shown.path == path).unwrap();
        format!("{} {}", shown.value, shown.origin)
    };
    assert_eq!(line("wal.sync"), "\"os\" file:2");
    assert_eq!(line("limits.requests_max"), "8 env KV__LIMITS__REQUESTS_MAX");
    assert_eq!(line("node.n1.addr"), "\"h:10\" flag --listen h:10");
    assert_eq!(line("hints.hint_window"), "\"3h\" default");
}

#[test]
fn a_misspelt_variable_or_flag_is_refused_not_ignored() {
    let refused = |over: &Overlay| Config::parse_with(ONE_NODE, Path::new(""), over).unwrap_err().to_string();
    assert_eq!(
        refused(&overlay(&[("KV__LIMITS__REQUEST_MAX", "8")])),
        "environment variable KV__LIMITS__REQUEST_MAX: names no key; did you mean `KV__LIMITS__REQUESTS_MAX`?"
    );
    assert_eq!(
        refused(&overlay(&[("KV__WAL__SYNC", "maybe")])),
        "environment variable KV__WAL__SYNC: `sync` must be \"always\", \"interval\" or \"os\", not the string \"maybe\""
    );
    assert_eq!(
        refused(&Overlay::default().with_flag("--set", "wal.snyc", "os")),
        "--set os: names no key; did you mean `wal.sync`?"
    );
}

#[test]
fn the_shipped_files_are_valid_and_cluster_toml_is_rendered_from_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shipped = std::fs::read_to_string(root.join("cluster.toml")).unwrap();
    assert_eq!(shipped, render_default(), "run `kvctl config print-default > cluster.toml`");
    let load = |path: &str| Config::load_with(&root.join(path), &Overlay::default()).unwrap();
    let classic = load("docs/configs/classic-four.toml");
    assert_eq!((classic.nodes.len(), classic.keyspaces[0].n), (4, 4));
    assert_eq!((classic.keyspaces[0].read, classic.keyspaces[0].write), (Level::Two, Level::Two));
    let single = load("docs/configs/single.toml");
    assert_eq!((single.nodes.len(), single.keyspaces[0].n, single.nodes[0].id.as_str()), (1, 1, "n1"));
}

#[test]
fn the_ring_has_the_nodes_and_keyspaces_of_the_file_and_mixed_zones_are_refused() {
    let config = parse(&render_default()).unwrap();
    let ring = config.ring();
    assert_eq!(ring.seed(), ClusterId::of_name("demo").0);
    assert_eq!(ring.members().len(), 4);
    assert_eq!(ring.keyspaces(), [(config.keyspaces[0].number(), 3)]);
    let zone = "id = \"n1\"\naddr = \"h:1\"\nzone = \"a\"";
    assert_eq!(
        refused(&two_nodes(zone, "id = \"n2\"\naddr = \"h:2\"")),
        "cluster.toml:5:1: node \"n2\" names no zone and node \"n1\" does; name one for all nodes or for none"
    );
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[\\[\\]a-z_=\"'0-9 .\\n#{},-]{0,200}") {
        let _ = parse(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn a_damaged_sample_never_panics(cut in 0usize..4000, put in ".{0,3}") {
        let mut text = render_default();
        let at = (0..=cut.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.insert_str(at, &put);
        let _ = parse(&text).map_err(|error| error.to_string());
    }
}

#[test]
fn an_operators_door_is_on_loopback_unless_another_is_allowed_by_name() {
    let with = |addr: &str, extra: &str| {
        format!(
            "{extra}[[node]]\nid = \"n1\"\naddr = \"h:1\"\nadmin_addr = \"{addr}\"\n[[keyspace]]\nn = 1\n"
        )
    };
    for loopback in ["127.0.0.1:7382", "127.9.9.9:1", "[::1]:7382", "localhost:7382"] {
        assert!(parse(&with(loopback, "")).is_ok(), "{loopback}");
    }
    for reached in ["0.0.0.0:7382", "10.0.0.1:7382", "[::]:7382", "localhost.example.org:7382"] {
        let text = refused(&with(reached, ""));
        let wrong = format!(
            "`admin_addr` = \"{reached}\" is reached from other machines, and it asks for no password"
        );
        assert!(text.starts_with("cluster.toml:4:14: ") && text.contains(&wrong), "{text}");
        assert!(parse(&with(reached, "[admin]\nallow_remote = true\n")).is_ok(), "{reached}");
    }
    assert!(refused(&with("127.0.0.1", "")).contains("is no address"));
}
