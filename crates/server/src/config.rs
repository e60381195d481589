//! What `cluster.toml` says: one table of defaults, the file over it, the environment over that, flags on top.
//!
//! Invariants:
//! - a [`Config`] that exists is valid: every value lies in its range, and they go together;
//! - a configuration with a problem is refused whole, with all its problems, each with line and column;
//! - no key is silently ignored: unknown ones are refused, those of the design that this version lacks by name;
//! - of every value it is known where it comes from.
//!
//! ```
//! use quorate_server::config::Config;
//!
//! let text = "[cluster]\nname = \"demo\"\n[[node]]\nid = \"n1\"\naddr = \"127.0.0.1:7381\"\n[[keyspace]]\nn = 1\n";
//! let config = Config::parse(text, std::path::Path::new(".")).unwrap();
//! assert_eq!(config.limits.request_deadline.as_secs(), 2);
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_ring::{Member, Ring};
use quorate_types::limits::SHARDS_MAX;
use quorate_types::{ClusterId, NodeId};

mod check;
mod error;
mod listeners;
mod not_yet;
mod overlay;
mod reader;
mod render;
mod section;
mod setting;
mod suggest;
mod table;

pub use error::{ConfigError, Origin, Problem, Wrong};
pub use listeners::{RespListener, RespListeners};
pub use overlay::{Flag, Overlay};
pub use render::{Shown, reference, render_default};
pub use section::{KeyInfo, Section};
pub use setting::{ByteSize, Setting, Written, duration_from_text, duration_to_text};
pub use table::{
    AdminConfig, CheckpointConfig, ClockConfig, ClusterConfig, ConflictRule, HintsConfig, HttpConfig,
    KeyspaceConfig, LimitsConfig, LivenessConfig, LogConfig, LogFormat, NodeConfig, ReadRepairPolicy,
    ReadsConfig, RespConfig, ServerConfig, SyncPolicy, WalConfig,
};

use section::{Found, Unfit};

/// A checked configuration of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What all nodes agree on.
    pub cluster: ClusterConfig,
    /// The members, in the order of the file.
    pub nodes: Vec<NodeConfig>,
    /// The keyspaces, in the order of the file; one named `default` if the file has none.
    pub keyspaces: Vec<KeyspaceConfig>,
    /// The process.
    pub server: ServerConfig,
    /// Bounds of the work taken on.
    pub limits: LimitsConfig,
    /// The door for Redis clients.
    pub resp: RespConfig,
    /// HTTP clients.
    pub http: HttpConfig,
    /// Operators.
    pub admin: AdminConfig,
    /// Reads.
    pub reads: ReadsConfig,
    /// When a node counts as down.
    pub liveness: LivenessConfig,
    /// Clocks.
    pub clock: ClockConfig,
    /// The log.
    pub wal: WalConfig,
    /// Checkpoints.
    pub checkpoint: CheckpointConfig,
    /// Hints.
    pub hints: HintsConfig,
    /// Log lines.
    pub log: LogConfig,
    file: Option<PathBuf>,
    origins: BTreeMap<String, Origin>,
}

/// A section whose struct is not known here.
trait AnySection {
    fn name(&self) -> &'static str;
    fn doc(&self) -> &'static [&'static str];
    fn keys(&self) -> Vec<KeyInfo>;
    fn set(&mut self, key: &str, found: &Found<'_>) -> Result<(), Unfit>;
    fn shown(&self, key: &str) -> Option<String>;
}

impl Config {
    /// The file at `path` with the process's environment (`KV__SECTION__KEY`) over it.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        Config::load_with(path, &Overlay::of_process())
    }

    /// The file at `path` with `overlay` over it.
    pub fn load_with(path: &Path, overlay: &Overlay) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let base_dir = path.parent().unwrap_or(Path::new(""));
        Config::build(&text, Some(path), base_dir, overlay)
    }

    /// `text` alone; its relative paths are relative to `base_dir`.
    pub fn parse(text: &str, base_dir: &Path) -> Result<Config, ConfigError> {
        Config::build(text, None, base_dir, &Overlay::default())
    }

    /// `text` with `overlay` over it.
    pub fn parse_with(text: &str, base_dir: &Path, overlay: &Overlay) -> Result<Config, ConfigError> {
        Config::build(text, None, base_dir, overlay)
    }

    fn build(
        text: &str,
        file: Option<&Path>,
        base_dir: &Path,
        overlay: &Overlay,
    ) -> Result<Config, ConfigError> {
        let mut config = Config::empty(file);
        let mut reader = reader::Reader::new(text, file);
        reader.read_into(&mut config);
        let mut problems = reader.problems;
        if config.keyspaces.is_empty() {
            config.keyspaces.push(KeyspaceConfig::default());
        }
        problems.extend(overlay.apply(&mut config));
        config.settle(base_dir);
        // A value that was not taken would only be complained about twice.
        if problems.is_empty() {
            problems = check::problems(&config);
        }
        if problems.is_empty() { Ok(config) } else { Err(ConfigError::Invalid { problems }) }
    }

    /// The cluster's id, which is also the seed of the token hash.
    pub fn cluster_id(&self) -> ClusterId {
        ClusterId::of_name(&self.cluster.name)
    }

    /// The ring of these nodes and keyspaces. Milliseconds of work: keep it.
    pub fn ring(&self) -> Arc<Ring> {
        let zone = |node: &NodeConfig| (!node.zone.is_empty()).then(|| node.zone.clone());
        let members: Vec<Member> =
            self.nodes.iter().map(|node| Member::new(node.number(), node.capacity, zone(node))).collect();
        let keyspaces: Vec<_> =
            self.keyspaces.iter().map(|keyspace| (keyspace.number(), keyspace.n)).collect();
        let ring = Ring::build(self.cluster_id().0, &members, &keyspaces);
        Arc::new(
            ring.expect("a checked configuration makes a ring: what the ring refuses, the check refused"),
        )
    }

    /// The node with this id.
    pub fn node(&self, id: &str) -> Option<&NodeConfig> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// The node with this number.
    pub fn node_by_number(&self, number: NodeId) -> Option<&NodeConfig> {
        self.nodes.iter().find(|node| node.number() == number)
    }

    /// The keyspace of this name.
    pub fn keyspace(&self, name: &str) -> Option<&KeyspaceConfig> {
        self.keyspaces.iter().find(|keyspace| keyspace.name == name)
    }

    /// The shards of a replica on this machine: what is configured, or one for each core, at most 8.
    pub fn shards(&self) -> usize {
        match self.server.shards {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().min(SHARDS_MAX)),
            shards => shards,
        }
    }

    /// The file it was read from.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Where the value of `path` (`limits.request_deadline`, `node.n1.addr`) comes from.
    pub fn origin(&self, path: &str) -> Origin {
        self.origins.get(path).cloned().unwrap_or(Origin::Default)
    }

    fn empty(file: Option<&Path>) -> Config {
        Config {
            cluster: ClusterConfig::default(),
            nodes: Vec::new(),
            keyspaces: Vec::new(),
            server: ServerConfig::default(),
            limits: LimitsConfig::default(),
            resp: RespConfig::default(),
            http: HttpConfig::default(),
            admin: AdminConfig::default(),
            reads: ReadsConfig::default(),
            liveness: LivenessConfig::default(),
            clock: ClockConfig::default(),
            wal: WalConfig::default(),
            checkpoint: CheckpointConfig::default(),
            hints: HintsConfig::default(),
            log: LogConfig::default(),
            file: file.map(Path::to_owned),
            origins: BTreeMap::new(),
        }
    }

    /// Folders that are not named get one, and relative ones become relative to the file.
    fn settle(&mut self, base_dir: &Path) {
        for node in &mut self.nodes {
            if node.data_dir.as_os_str().is_empty() && !node.id.is_empty() {
                node.data_dir = Path::new("data").join(&node.id);
            }
            let from_flag = matches!(
                self.origins.get(&format!("node.{}.data_dir", node.id)),
                Some(Origin::Flag(_) | Origin::Env(_))
            );
            if !from_flag && !node.data_dir.as_os_str().is_empty() {
                // By components, so that `./d` and `d` are one folder.
                node.data_dir = base_dir.join(&node.data_dir).components().collect();
            }
        }
        if !self.resp.password_file.as_os_str().is_empty() {
            self.resp.password_file = base_dir.join(&self.resp.password_file);
        }
    }

    fn section_names() -> impl Iterator<Item = &'static str> {
        SINGLES.into_iter()
    }

    fn single(&mut self, name: &str) -> Option<&mut dyn AnySection> {
        Some(match name {
            ClusterConfig::NAME => &mut self.cluster,
            ServerConfig::NAME => &mut self.server,
            LimitsConfig::NAME => &mut self.limits,
            RespConfig::NAME => &mut self.resp,
            HttpConfig::NAME => &mut self.http,
            AdminConfig::NAME => &mut self.admin,
            ReadsConfig::NAME => &mut self.reads,
            LivenessConfig::NAME => &mut self.liveness,
            ClockConfig::NAME => &mut self.clock,
            WalConfig::NAME => &mut self.wal,
            CheckpointConfig::NAME => &mut self.checkpoint,
            HintsConfig::NAME => &mut self.hints,
            LogConfig::NAME => &mut self.log,
            _ => return None,
        })
    }

    /// Adds an empty table to the list `name`; its index.
    fn push(&mut self, name: &str) -> usize {
        if name == NodeConfig::NAME {
            self.nodes.push(NodeConfig::default());
            self.nodes.len() - 1
        } else {
            self.keyspaces.push(KeyspaceConfig::default());
            self.keyspaces.len() - 1
        }
    }

    fn listed(&mut self, name: &str, index: usize) -> Option<&mut dyn AnySection> {
        if name == NodeConfig::NAME {
            self.nodes.get_mut(index).map(|node| node as &mut dyn AnySection)
        } else {
            self.keyspaces.get_mut(index).map(|keyspace| keyspace as &mut dyn AnySection)
        }
    }

    fn problem_at(&self, path: &str, wrong: Wrong) -> Problem {
        let table = path.rsplit_once('.').map_or("", |(table, _)| table);
        let origin = self.origins.get(path).or_else(|| self.origins.get(table)).cloned();
        Problem { file: self.file.clone(), origin: origin.unwrap_or(Origin::Default), wrong }
    }
}

/// The sections that a file has once, in the order in which they are shown.
const SINGLES: [&str; 13] = [
    ClusterConfig::NAME,
    ServerConfig::NAME,
    LimitsConfig::NAME,
    RespConfig::NAME,
    HttpConfig::NAME,
    AdminConfig::NAME,
    ReadsConfig::NAME,
    LivenessConfig::NAME,
    ClockConfig::NAME,
    WalConfig::NAME,
    CheckpointConfig::NAME,
    HintsConfig::NAME,
    LogConfig::NAME,
];

#[cfg(test)]
mod tests;
