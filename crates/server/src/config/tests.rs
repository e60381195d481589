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
    assert_eq!(config.hints.hint_window, Duration::from_secs(10_800));
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
