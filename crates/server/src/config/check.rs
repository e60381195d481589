//! What the values must hold together.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use quorate_ring::MEMBERS_MAX;
use quorate_types::limits::KEY_BYTES_MAX;

use super::error::{Origin, Problem, Wrong};
use super::setting::{ByteSize, Setting};
use super::{Config, KeyspaceConfig};

const NAME_BYTES_MAX: usize = 64;
/// What a record of the log holds beside key and value, at most.
const RECORD_OVERHEAD_BYTES: u64 = 256;

/// All that is wrong with `config` as a whole, in the order of its parts.
pub(super) fn problems(config: &Config) -> Vec<Problem> {
    let mut found = Vec::new();
    names(config, &mut found);
    addresses(config, &mut found);
    distinct(config, &mut found);
    collisions(config, &mut found);
    zones(config, &mut found);
    for keyspace in &config.keyspaces {
        replication(config, keyspace, &mut found);
    }
    contradictions(config, &mut found);
    found.into_iter().map(|(path, wrong)| config.problem_at(&path, wrong)).collect()
}

type Located = (String, Wrong);

fn is_name(text: &str) -> bool {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.chars().all(valid)
}

fn names(config: &Config, found: &mut Vec<Located>) {
    let not_a_name = |key, text: &String| Wrong::NotAName { key, found: text.clone() };
    if !is_name(&config.cluster.name) {
        found.push(("cluster.name".into(), not_a_name("name", &config.cluster.name)));
    }
    for node in &config.nodes {
        if node.id.is_empty() {
            let missing =
                Wrong::Missing { section: "[[node]]".into(), key: "id", example: "id = \"n1\"".into() };
            found.push(("node.?".into(), missing));
        } else if !is_name(&node.id) {
            found.push((format!("node.{}.id", node.id), not_a_name("id", &node.id)));
        }
    }
    for keyspace in config.keyspaces.iter().filter(|keyspace| !is_name(&keyspace.name)) {
        found.push((format!("keyspace.{}.name", keyspace.name), not_a_name("name", &keyspace.name)));
    }
    match config.nodes.len() {
        0 => found.push((String::new(), Wrong::NoNodes)),
        nodes if nodes > MEMBERS_MAX => found.push((String::new(), Wrong::TooManyNodes { nodes })),
        _ => {}
    }
}

fn addresses(config: &Config, found: &mut Vec<Located>) {
    for node in &config.nodes {
        let path = |key: &str| format!("node.{}{key}", if node.id.is_empty() { "?" } else { &node.id });
        if node.addr.is_empty() {
            let example = "addr = \"127.0.0.1:7381\"".to_owned();
            found.push((
                path(""),
                Wrong::Missing { section: format!("[[node]] {:?}", node.id), key: "addr", example },
            ));
        } else if !is_address(&node.addr) {
            found.push((path(".addr"), Wrong::NotAnAddress { found: node.addr.clone() }));
        }
        if !node.http_addr.is_empty() && !is_address(&node.http_addr) {
            found.push((path(".http_addr"), Wrong::NotAnAddress { found: node.http_addr.clone() }));
        }
        if !node.admin_addr.is_empty() {
            if !is_address(&node.admin_addr) {
                found.push((path(".admin_addr"), Wrong::NotAnAddress { found: node.admin_addr.clone() }));
            } else if !config.admin.allow_remote && !is_loopback(&node.admin_addr) {
                found.push((path(".admin_addr"), Wrong::AdminNotLoopback { found: node.admin_addr.clone() }));
            }
        }
        for listener in node.resp_addr.0.iter().filter(|listener| !is_address(&listener.addr)) {
            found.push((path(".resp_addr"), Wrong::NotAnAddress { found: listener.addr.clone() }));
        }
    }
}

/// host:port, the port not 0: other nodes must be able to dial it.
fn is_address(text: &str) -> bool {
    if let Ok(addr) = text.parse::<SocketAddr>() {
        return addr.port() != 0;
    }
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let host_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !host.is_empty() && host.chars().all(host_char) && port.parse::<u16>().is_ok_and(|port| port != 0)
}

/// Whether only this machine reaches it. Of names only `localhost` counts: what another resolves to may change.
fn is_loopback(text: &str) -> bool {
    match text.parse::<SocketAddr>() {
        Ok(addr) => addr.ip().is_loopback(),
        Err(_) => text.rsplit_once(':').is_some_and(|(host, _)| host == "localhost"),
    }
}

/// Ids, addresses and folders of nodes, and names of keyspaces, are each other's.
fn distinct(config: &Config, found: &mut Vec<Located>) {
    let ids = config.nodes.iter().map(|node| (node.id.clone(), node.id.clone()));
    unique(config, ("[[node]]", "id"), ids, found);
    let addrs = config.nodes.iter().map(|node| (node.id.clone(), node.addr.clone()));
    unique(config, ("[[node]]", "addr"), addrs, found);
    let doors = config
        .nodes
        .iter()
        .flat_map(|node| node.resp_addr.0.iter().map(|listener| (node.id.clone(), listener.addr.clone())));
    unique(config, ("[[node]]", "resp_addr"), doors, found);
    let http = config.nodes.iter().map(|node| (node.id.clone(), node.http_addr.clone()));
    unique(config, ("[[node]]", "http_addr"), http, found);
    let admin = config.nodes.iter().map(|node| (node.id.clone(), node.admin_addr.clone()));
    unique(config, ("[[node]]", "admin_addr"), admin, found);
    let dirs = config.nodes.iter().map(|node| (node.id.clone(), node.data_dir.display().to_string()));
    unique(config, ("[[node]]", "data_dir"), dirs, found);
    let names = config.keyspaces.iter().map(|keyspace| (keyspace.name.clone(), keyspace.name.clone()));
    unique(config, ("[[keyspace]]", "name"), names, found);
}

fn unique(
    config: &Config,
    (section, key): (&'static str, &'static str),
    values: impl Iterator<Item = (String, String)>,
    found: &mut Vec<Located>,
) {
    let bare = section.trim_matches(['[', ']']);
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (label, value) in values.filter(|(_, value)| !value.is_empty()) {
        let path = format!("{bare}.{label}.{key}");
        if let Some(first) = seen.insert(value.clone(), path.clone()) {
            // Two tables of one id share a path: its place is that of the later one.
            let first_line = match config.origin(&first) {
                Origin::File { line, .. } if first != path => Some(line),
                _ => None,
            };
            found.push((path, Wrong::Twice { section, key, value, first_line }));
        }
    }
}

fn collisions(config: &Config, found: &mut Vec<Located>) {
    let nodes =
        config.nodes.iter().map(|node| (format!("node.{}.id", node.id), &node.id, node.number().to_string()));
    one_number_each(nodes, found);
    let keyspaces = config.keyspaces.iter().map(|keyspace| {
        (format!("keyspace.{}.name", keyspace.name), &keyspace.name, keyspace.number().to_string())
    });
    one_number_each(keyspaces, found);
}

fn one_number_each<'a>(named: impl Iterator<Item = (String, &'a String, String)>, found: &mut Vec<Located>) {
    let mut seen: BTreeMap<String, &String> = BTreeMap::new();
    for (path, name, number) in named {
        match seen.insert(number.clone(), name) {
            Some(first) if first != name => {
                found.push((
                    path,
                    Wrong::NumberCollision { first: first.clone(), second: name.clone(), number },
                ));
            }
            _ => {}
        }
    }
}

/// Where a node without a zone stands among nodes with one can't be known.
fn zones(config: &Config, found: &mut Vec<Located>) {
    let with = config.nodes.iter().find(|node| !node.zone.is_empty());
    let without = config.nodes.iter().find(|node| node.zone.is_empty());
    if let (Some(with), Some(without)) = (with, without) {
        let wrong = Wrong::ZonesMixed { with: with.id.clone(), without: without.id.clone() };
        found.push((format!("node.{}.zone", without.id), wrong));
    }
}

fn replication(config: &Config, keyspace: &KeyspaceConfig, found: &mut Vec<Located>) {
    let path = |key: &str| format!("keyspace.{}.{key}", keyspace.name);
    let (nodes, n) = (config.nodes.len(), keyspace.n);
    if nodes != 0 && n > nodes {
        found.push((path("n"), Wrong::ReplicasAboveNodes { keyspace: keyspace.name.clone(), n, nodes }));
    }
    for (key, level) in [("read", keyspace.read), ("write", keyspace.write)] {
        if let Err(unmeetable) = level.required(n) {
            let (keyspace, required) = (keyspace.name.clone(), unmeetable.required);
            found.push((path(key), Wrong::LevelUnmeetable { keyspace, key, level, required, n }));
        }
    }
}

type Sized = (&'static str, ByteSize);

/// What one thing may have, beside what all of its kind may.
fn largest(config: &Config) -> [(Sized, Sized, &'static str); 3] {
    let (limits, resp, http) = (&config.limits, &config.resp, &config.http);
    [
        (
            ("value_bytes_max", limits.value_bytes_max),
            ("resp.output_bytes_max", resp.output_bytes_max),
            "the largest value must fit a reply",
        ),
        (
            ("command_bytes_max", resp.command_bytes_max),
            ("resp.commands_bytes_max", resp.commands_bytes_max),
            "the largest command must find room",
        ),
        (
            ("body_bytes_max", http.body_bytes_max),
            ("http.bodies_bytes_max", http.bodies_bytes_max),
            "the largest body must find room",
        ),
    ]
}

fn contradictions(config: &Config, found: &mut Vec<Located>) {
    let (wal, limits, liveness, clock) = (&config.wal, &config.limits, &config.liveness, &config.clock);
    let record = ByteSize(limits.value_bytes_max.0 + KEY_BYTES_MAX as u64 + RECORD_OVERHEAD_BYTES);
    let mut rule =
        |holds: bool, (path, found_value): (&'static str, String), other: (&'static str, String), rule| {
            if !holds {
                let key = path.rsplit_once('.').map_or(path, |(_, key)| key);
                let (other, other_value) = other;
                found.push((
                    path.to_owned(),
                    Wrong::Contradiction { key, found: found_value, other, other_value, rule },
                ));
            }
        };
    rule(
        record.0 * 2 <= wal.segment_bytes.0,
        ("wal.segment_bytes", wal.segment_bytes.to_toml()),
        ("value_bytes_max", limits.value_bytes_max.to_toml()),
        "a record must fit into half a segment",
    );
    rule(
        record.0 * 2 <= config.hints.hint_segment_bytes.0,
        ("hints.hint_segment_bytes", config.hints.hint_segment_bytes.to_toml()),
        ("value_bytes_max", limits.value_bytes_max.to_toml()),
        "a hint must fit into half a segment",
    );
    rule(
        wal.segment_bytes.0 * 2 <= wal.wal_bytes_max.0,
        ("wal.wal_bytes_max", wal.wal_bytes_max.to_toml()),
        ("segment_bytes", wal.segment_bytes.to_toml()),
        "the log needs room for two segments",
    );
    rule(
        liveness.ping_every.saturating_mul(2) <= liveness.silent_after,
        ("liveness.silent_after", liveness.silent_after.to_toml()),
        ("ping_every", liveness.ping_every.to_toml()),
        "a peer must be given time for two pings",
    );
    let names: Vec<String> = config.keyspaces.iter().map(|keyspace| keyspace.name.clone()).collect();
    let resp = config.nodes.iter().any(|node| !node.resp_addr.0.is_empty());
    let http = config.nodes.iter().any(|node| !node.http_addr.is_empty());
    for (has_door, key, keyspace) in
        [(resp, "resp.keyspace", &config.resp.keyspace), (http, "http.keyspace", &config.http.keyspace)]
    {
        rule(
            !has_door || names.contains(keyspace),
            (key, keyspace.to_toml()),
            ("[[keyspace]] name", names.join(", ")),
            "the door's keyspace must be one of them",
        );
    }
    for ((one, one_bytes), (all, all_bytes), why) in largest(config) {
        rule(one_bytes <= all_bytes, (all, all_bytes.to_toml()), (one, one_bytes.to_toml()), why);
    }
    rule(
        clock.clock_skew_warn <= clock.clock_skew_max,
        ("clock.clock_skew_warn", clock.clock_skew_warn.to_toml()),
        ("clock_skew_max", clock.clock_skew_max.to_toml()),
        "the warning must come before the refusal",
    );
}
