//! `INFO`: the fields that clients look for, as far as they mean something here, and our own section.

use std::collections::BTreeSet;
use std::fmt::Write;

use quorate_wire::NodeStatus;

use crate::settings::{About, REDIS_VERSION};

/// The sections asked for.
#[derive(Clone, Debug)]
pub(crate) struct Sections(BTreeSet<String>);

impl Sections {
    /// Those of these names, in lower case; none: all.
    pub(crate) fn new(names: BTreeSet<String>) -> Sections {
        Sections(names)
    }

    fn has(&self, name: &str) -> bool {
        let all = ["all", "everything", "default"];
        self.0.is_empty() || self.0.contains(name) || all.iter().any(|word| self.0.contains(*word))
    }
}

/// What is known of the node.
pub(crate) struct View<'a> {
    pub(crate) about: &'a About,
    /// What clients call the kind of server that this is.
    pub(crate) mode: &'static str,
    pub(crate) status: &'a NodeStatus,
    pub(crate) wall_ms: u64,
    /// Commands counted and the time when this was last asked.
    pub(crate) since: (u64, u64),
    pub(crate) keys: u64,
}

/// Commands of all clients since the start.
pub(crate) fn commands(status: &NodeStatus) -> u64 {
    counter(status, "resp_commands")
}

fn counter(status: &NodeStatus, name: &str) -> u64 {
    find(status, name).unwrap_or(0)
}

fn find(status: &NodeStatus, name: &str) -> Option<u64> {
    status.counters.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
}

type Field = (&'static str, String);

impl View<'_> {
    pub(crate) fn text(&self, sections: &Sections) -> String {
        let all: [(&str, Vec<Field>); 9] = [
            ("Server", self.server()),
            ("Clients", self.clients()),
            ("Memory", self.memory()),
            ("Persistence", self.persistence()),
            ("Stats", self.stats()),
            ("Replication", replication()),
            ("Cluster", vec![("cluster_enabled", u8::from(self.mode == "cluster").to_string())]),
            ("Keyspace", self.keyspace()),
            ("Kv", self.own()),
        ];
        let mut text = String::new();
        for (name, fields) in all.iter().filter(|(name, _)| sections.has(&name.to_lowercase())) {
            let gap = if text.is_empty() { "" } else { "\r\n" };
            let _ = write!(text, "{gap}# {name}\r\n");
            for (field, value) in fields {
                let _ = write!(text, "{field}:{value}\r\n");
            }
        }
        text
    }

    fn server(&self) -> Vec<Field> {
        let seconds = self.status.uptime_ms / 1_000;
        vec![
            ("redis_version", REDIS_VERSION.to_owned()),
            ("server_name", "quorate".to_owned()),
            ("kv_version", self.about.version.clone()),
            ("redis_mode", self.mode.to_owned()),
            ("os", std::env::consts::OS.to_owned()),
            ("arch_bits", usize::BITS.to_string()),
            (
                "run_id",
                format!(
                    "{:016x}{:08x}{:016x}",
                    self.status.cluster.0, self.status.node.0, self.status.generation.0
                ),
            ),
            ("tcp_port", self.about.port.to_string()),
            ("server_time_usec", (self.wall_ms * 1_000).to_string()),
            ("uptime_in_seconds", seconds.to_string()),
            ("uptime_in_days", (seconds / 86_400).to_string()),
        ]
    }

    fn clients(&self) -> Vec<Field> {
        vec![
            ("connected_clients", counter(self.status, "resp_connections").to_string()),
            ("maxclients", counter(self.status, "resp_connections_max").to_string()),
        ]
    }

    /// The process as the system sees it, and of that the keys and values.
    fn memory(&self) -> Vec<Field> {
        let bytes: u64 = self.status.keyspaces.iter().map(|keyspace| keyspace.bytes).sum();
        let resident = find(self.status, "process_resident_bytes");
        let used = resident.unwrap_or(bytes);
        let mut fields = vec![
            ("used_memory", used.to_string()),
            ("used_memory_human", format!("{:.2}M", used as f64 / f64::from(1 << 20))),
            ("used_memory_dataset", bytes.to_string()),
            ("maxmemory", "0".to_owned()),
            ("maxmemory_policy", "noeviction".to_owned()),
        ];
        fields.extend(resident.map(|bytes| ("used_memory_rss", bytes.to_string())));
        fields
    }

    fn persistence(&self) -> Vec<Field> {
        let status = if self.status.wal.failed.is_some() { "err" } else { "ok" };
        vec![
            ("loading", "0".to_owned()),
            ("aof_enabled", "1".to_owned()),
            ("aof_last_write_status", status.to_owned()),
        ]
    }

    fn stats(&self) -> Vec<Field> {
        let count = |name| counter(self.status, name).to_string();
        let (before, then) = self.since;
        let rate =
            commands(self.status).saturating_sub(before) * 1_000 / self.wall_ms.saturating_sub(then).max(1);
        vec![
            ("total_connections_received", count("resp_connections_accepted")),
            ("total_commands_processed", count("resp_commands")),
            ("instantaneous_ops_per_sec", rate.to_string()),
            ("rejected_connections", count("resp_connections_max_hit")),
            ("keyspace_hits", count("resp_hits")),
            ("keyspace_misses", count("resp_misses")),
            ("total_error_replies", count("resp_errors")),
            ("acl_access_denied_auth", count("resp_auth_failures")),
        ]
    }

    fn keyspace(&self) -> Vec<Field> {
        if self.keys == 0 { Vec::new() } else { vec![("db0", format!("keys={}", self.keys))] }
    }

    fn own(&self) -> Vec<Field> {
        let peers = &self.status.peers;
        let hints: u64 = self.status.hints.iter().map(|hint| hint.durable).sum();
        vec![
            ("kv_cluster", self.about.cluster.clone()),
            ("kv_node", self.about.node.clone()),
            ("kv_keyspace", self.about.keyspace.clone()),
            ("kv_replicas", self.about.replicas.to_string()),
            ("kv_nodes", (peers.len() + 1).to_string()),
            ("kv_nodes_up", (peers.iter().filter(|peer| peer.alive).count() + 1).to_string()),
            ("kv_ring", format!("{:016x}", self.status.ring_hash)),
            ("kv_hints_held", hints.to_string()),
            ("kv_wal_sync", self.status.wal.sync.clone()),
            ("kv_wal_sync_us", self.status.wal.sync_us.to_string()),
            ("kv_keys_estimated", self.keys.to_string()),
        ]
    }
}

/// Every node takes writes: to its clients it is a master without replicas.
fn replication() -> Vec<Field> {
    vec![("role", "master".to_owned()), ("connected_slaves", "0".to_owned())]
}
