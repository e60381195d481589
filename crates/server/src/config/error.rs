//! What can be wrong with a configuration, where, and what to write instead.
//!
//! A configuration with a problem is never used in part: nothing was started, no data was touched.

use std::fmt;
use std::path::{Path, PathBuf};

use quorate_ring::MEMBERS_MAX;
use quorate_types::Level;
use thiserror::Error;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The table of defaults.
    Default,
    /// The file, at this line and column (both from 1; columns count characters).
    File {
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
    /// The environment variable of this name.
    Env(String),
    /// The command-line flag, as it is named there.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { line, .. } => write!(f, "file:{line}"),
            Origin::Env(name) => write!(f, "env {name}"),
            Origin::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One problem and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// Where.
    pub origin: Origin,
    /// What.
    pub wrong: Wrong,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_deref().unwrap_or(Path::new("cluster.toml")).display();
        match &self.origin {
            Origin::Default => write!(f, "{file}: {}", self.wrong),
            Origin::File { line, column } => write!(f, "{file}:{line}:{column}: {}", self.wrong),
            Origin::Env(name) => write!(f, "environment variable {name}: {}", self.wrong),
            Origin::Flag(name) => write!(f, "{name}: {}", self.wrong),
        }
    }
}

/// What is wrong. The configuration was not taken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wrong {
    /// Not TOML.
    #[error("not TOML: {message}")]
    Syntax {
        /// The parser's words.
        message: String,
    },
    /// A section that does not exist.
    #[error("unknown section [{name}]{}", did_you_mean(meant.as_deref()))]
    UnknownSection {
        /// As it is written.
        name: String,
        /// The nearest one.
        meant: Option<String>,
    },
    /// A key that does not exist.
    #[error("unknown key `{key}` in {section}{}", did_you_mean(meant.as_deref()))]
    UnknownKey {
        /// The section, in brackets.
        section: String,
        /// As it is written.
        key: String,
        /// The nearest one.
        meant: Option<String>,
    },
    /// An environment variable or override that names no key.
    #[error("names no key{}", did_you_mean(meant.as_deref()))]
    UnknownPath {
        /// The nearest one.
        meant: Option<String>,
    },
    /// A section that is written as something else.
    #[error("`{name}` must be written {expected}")]
    NotASection {
        /// Its name.
        name: String,
        /// `as [limits]`, `as [[node]], once for each`.
        expected: String,
    },
    /// A value of the wrong type.
    #[error("`{key}` must be {expected}, not {found}")]
    NotOfType {
        /// The key.
        key: String,
        /// What would be valid.
        expected: &'static str,
        /// What is written.
        found: String,
    },
    /// A value outside its range.
    #[error("`{key}` = {found} is outside its range, {min} to {max}")]
    OutOfRange {
        /// The key.
        key: String,
        /// What is written.
        found: String,
        /// Least.
        min: String,
        /// Greatest.
        max: String,
    },
    /// A thing of the design that this version does not have.
    #[error("{what} is not supported by this version; {instead}")]
    NotYet {
        /// The thing.
        what: &'static str,
        /// What to write.
        instead: &'static str,
    },
    /// A key that has no default.
    #[error("{section} has no `{key}`; add `{example}`")]
    Missing {
        /// The section, in brackets.
        section: String,
        /// The key.
        key: &'static str,
        /// A line to add.
        example: String,
    },
    /// A name with a character that names can't have, or of a length that they can't have.
    #[error(
        "`{key}` = {found:?} is no name; a name has 1 to 64 letters, digits, dots, dashes or underscores"
    )]
    NotAName {
        /// The key.
        key: &'static str,
        /// What is written.
        found: String,
    },
    /// An address that can't be listened on and dialled.
    #[error(
        "`addr` = {found:?} is no address; write host:port, such as \"127.0.0.1:7381\" or \"[::1]:7381\""
    )]
    NotAnAddress {
        /// What is written.
        found: String,
    },
    /// An operators' door that other machines reach.
    #[error(
        "`admin_addr` = {found:?} is reached from other machines, and it asks for no password; write 127.0.0.1:PORT, or          allow_remote = true in [admin] if something else guards it"
    )]
    AdminNotLoopback {
        /// What is written.
        found: String,
    },
    /// The file names no node.
    #[error("no node; add at least one [[node]] with id and addr")]
    NoNodes,
    /// More nodes than a ring takes.
    #[error("{nodes} nodes; a cluster has at most {MEMBERS_MAX}")]
    TooManyNodes {
        /// How many there are.
        nodes: usize,
    },
    /// One node names a zone, another does not.
    #[error("node {without:?} names no zone and node {with:?} does; name one for all nodes or for none")]
    ZonesMixed {
        /// A node with a zone.
        with: String,
        /// A node without.
        without: String,
    },
    /// Two tables have the same value for what must differ.
    #[error("two {section}s have {key} = {value:?}{}; each needs its own", also(*first_line))]
    Twice {
        /// `[[node]]` or `[[keyspace]]`.
        section: &'static str,
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// The line of the first.
        first_line: Option<usize>,
    },
    /// Two names have one hash.
    #[error("the names {first:?} and {second:?} have the same number {number}; rename one of them")]
    NumberCollision {
        /// A name.
        first: String,
        /// Another.
        second: String,
        /// Their hash.
        number: String,
    },
    /// More replicas than nodes.
    #[error("keyspace {keyspace:?} wants n = {n} replicas, but there {}; add nodes or lower n", nodes_text(*nodes))]
    ReplicasAboveNodes {
        /// The keyspace.
        keyspace: String,
        /// Its n.
        n: usize,
        /// The nodes there are.
        nodes: usize,
    },
    /// A default level that no request can meet.
    #[error("keyspace {keyspace:?}: {key} = {level} needs {required} replicas, but n = {n}")]
    LevelUnmeetable {
        /// The keyspace.
        keyspace: String,
        /// `read` or `write`.
        key: &'static str,
        /// The level.
        level: Level,
        /// What it needs.
        required: usize,
        /// What there is.
        n: usize,
    },
    /// Two values that can't both hold.
    #[error("`{key}` = {found} does not go with `{other}` = {other_value}: {rule}")]
    Contradiction {
        /// A key.
        key: &'static str,
        /// Its value.
        found: String,
        /// Another key.
        other: &'static str,
        /// Its value.
        other_value: String,
        /// What must hold.
        rule: &'static str,
    },
}

fn did_you_mean(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"))
}

fn also(first_line: Option<usize>) -> String {
    first_line.map_or_else(String::new, |line| format!(" (the first is in line {line})"))
}

fn nodes_text(nodes: usize) -> String {
    if nodes == 1 { "is only 1 node".to_owned() } else { format!("are only {nodes} nodes") }
}

/// A configuration could not be read. Nothing was started, no data was touched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file can't be read.
    #[error("can't read the configuration {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It says what can't be; each problem on a line of its own, in the order of the file.
    #[error("{}", lines(problems))]
    Invalid {
        /// All of them.
        problems: Vec<Problem>,
    },
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
