//! What clippy refuses in the crates that must not touch the world.
//!
//! A crate's `clippy.toml` takes the place of the root's, so it must repeat the thresholds. That a ban fires was seen
//! once for each by planting a use of it; a path that does not resolve would hold nothing.

use std::collections::BTreeSet;

use toml::Value;

use crate::{CRATES, Kind, toml_of};

/// Banned in every crate of kind [`Kind::Pure`] and [`Kind::Disk`].
const TYPES: &[&str] = &[
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::hash::RandomState",
    "std::hash::DefaultHasher",
];
/// The same for methods.
const METHODS: &[&str] = &["std::time::Instant::now", "std::time::SystemTime::now", "std::thread::sleep"];

/// Banned beside those in every crate of kind [`Kind::Pure`].
const PURE_TYPES: &[&str] = &[
    "std::time::Instant",
    "std::time::SystemTime",
    "std::fs::File",
    "std::fs::OpenOptions",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
];
/// The same for methods.
const PURE_METHODS: &[&str] = &[
    "std::thread::spawn",
    "std::thread::scope",
    "std::thread::Builder::new",
    "std::fs::read",
    "std::fs::read_to_string",
    "std::fs::read_dir",
    "std::fs::write",
    "std::fs::rename",
    "std::fs::remove_file",
    "std::fs::create_dir_all",
    "std::env::var",
    "std::process::Command::new",
];

const THRESHOLDS: &[&str] = &[
    "too-many-lines-threshold",
    "too-many-arguments-threshold",
    "max-fn-params-bools",
    "allow-unwrap-in-tests",
];

/// The paths under `key`, each of which must say what to use instead.
fn banned(config: &toml::Table, key: &str) -> BTreeSet<String> {
    let entry = |ban: &Value| {
        let path = ban["path"].as_str().unwrap();
        let reason = ban.get("reason").and_then(Value::as_str).unwrap_or_default();
        assert!(reason.len() > 8, "the ban of {path} does not say what to use instead");
        path.to_owned()
    };
    config.get(key).and_then(Value::as_array).into_iter().flatten().map(entry).collect()
}

fn hold(name: &str, config: &toml::Table, key: &str, wanted: &[&[&str]]) {
    let held = banned(config, key);
    let missing: Vec<&&str> =
        wanted.iter().copied().flatten().filter(|path| !held.contains(**path)).collect();
    assert!(missing.is_empty(), "crates/{name}/clippy.toml does not ban {missing:?} under {key}");
}

#[test]
fn pure_crates_ban_clock_chance_files_sockets_and_threads() {
    for one in CRATES.iter().filter(|one| one.kind == Kind::Pure) {
        let config = toml_of(format!("crates/{}/clippy.toml", one.name));
        hold(one.name, &config, "disallowed-types", &[TYPES, PURE_TYPES]);
        hold(one.name, &config, "disallowed-methods", &[METHODS, PURE_METHODS]);
    }
}

#[test]
fn disk_crates_ban_clock_chance_and_random_order() {
    for one in CRATES.iter().filter(|one| one.kind == Kind::Disk) {
        let config = toml_of(format!("crates/{}/clippy.toml", one.name));
        hold(one.name, &config, "disallowed-types", &[TYPES]);
        hold(one.name, &config, "disallowed-methods", &[METHODS]);
    }
}

#[test]
fn every_clippy_toml_repeats_the_thresholds_of_the_root() {
    let root = toml_of("clippy.toml");
    let limits = |config: &toml::Table| -> Vec<Option<Value>> {
        THRESHOLDS.iter().map(|key| config.get(*key).cloned()).collect()
    };
    for one in CRATES.iter().filter(|one| one.kind != Kind::Driver) {
        let own = toml_of(format!("crates/{}/clippy.toml", one.name));
        assert_eq!(limits(&own), limits(&root), "crates/{}/clippy.toml", one.name);
    }
    assert_eq!(root["too-many-lines-threshold"].as_integer(), Some(70));
}

#[test]
fn a_broken_ban_is_an_error_and_not_a_warning() {
    let lints = &toml_of("Cargo.toml")["workspace"]["lints"]["clippy"];
    for lint in ["disallowed_methods", "disallowed_types", "unwrap_used", "mod_module_files"] {
        assert_eq!(lints[lint].as_str(), Some("deny"), "{lint}");
    }
}
