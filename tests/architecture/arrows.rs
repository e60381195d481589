//! Who may depend on whom, as `cargo metadata` sees it.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::{CRATES, Crate, Kind, folders, read, root, toml_of};

/// Packages of others that a pure crate may name: they compute, and nothing else.
const PURE_PACKAGES: &[&str] =
    &["bytes", "crc32fast", "hashbrown", "postcard", "serde", "serde_bytes", "thiserror", "xxhash-rust"];

/// The normal and build dependencies of each package of the workspace.
fn dependencies() -> Vec<(String, BTreeSet<String>)> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let args = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(cargo).args(args).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().iter().map(|package| (name(package), named(package))).collect()
}

fn name(value: &Value) -> String {
    value["name"].as_str().unwrap().to_owned()
}

fn named(package: &Value) -> BTreeSet<String> {
    let all = package["dependencies"].as_array().unwrap();
    all.iter().filter(|dependency| dependency["kind"] != "dev").map(name).collect()
}

/// Of each crate of the table: what it names.
fn of_crates() -> impl Iterator<Item = (&'static Crate, BTreeSet<String>)> {
    let all = dependencies();
    CRATES.iter().map(move |one| {
        let package = format!("quorate-{}", one.name);
        let found = all.iter().find(|(name, _)| *name == package);
        (one, found.unwrap_or_else(|| panic!("no package {package}")).1.clone())
    })
}

#[test]
fn every_crate_is_in_the_table_and_on_the_map() {
    let map = read("ARCHITECTURE.md");
    let known: Vec<&str> = CRATES.iter().map(|one| one.name).collect();
    for folder in folders() {
        assert!(
            known.contains(&folder.as_str()),
            "crates/{folder} is not in the table of tests/architecture"
        );
        assert!(map.contains(&format!("`crates/{folder}`")), "crates/{folder} is not in ARCHITECTURE.md");
    }
    assert_eq!(known.len(), folders().len(), "the table names a crate that is not there");
}

#[test]
fn arrows_point_down() {
    for (one, named) in of_crates() {
        let ours = named.iter().filter_map(|name| name.strip_prefix("quorate-"));
        let upward: Vec<&str> = ours.filter(|name| !one.below.contains(name)).collect();
        assert_eq!(upward, [""; 0], "{} may not depend on these", one.name);
    }
}

#[test]
fn the_table_itself_has_no_upward_arrow() {
    for (at, one) in CRATES.iter().enumerate() {
        let earlier: Vec<&str> = CRATES[..at].iter().map(|one| one.name).collect();
        assert!(
            one.below.iter().all(|name| earlier.contains(name)),
            "{} stands above what it needs",
            one.name
        );
    }
}

fn is_optional(one: &Crate, dependency: &str) -> bool {
    let manifest = toml_of(format!("crates/{}/Cargo.toml", one.name));
    manifest["dependencies"][dependency].get("optional").and_then(toml::Value::as_bool) == Some(true)
}

#[test]
fn only_drivers_name_tokio() {
    // Of the log, `tracing` is a feature that nothing here turns on: for who uses the log without the rest.
    let offers = |one: &Crate, name: &str| one.name == "wal" && name == "tracing" && is_optional(one, name);
    for (one, named) in of_crates() {
        let runtime: Vec<&String> = named
            .iter()
            .filter(|name| ["tokio", "async-trait", "tracing"].contains(&name.as_str()))
            .filter(|name| !offers(one, name))
            .collect();
        assert!(one.kind == Kind::Driver || runtime.is_empty(), "{} names {runtime:?}", one.name);
    }
}

#[test]
fn pure_crates_name_only_packages_that_compute() {
    for (one, named) in of_crates().filter(|(one, _)| one.kind == Kind::Pure) {
        let others = named.iter().map(String::as_str).filter(|name| !name.starts_with("quorate-"));
        let foreign: Vec<&str> = others.filter(|name| !PURE_PACKAGES.contains(name)).collect();
        assert_eq!(foreign, [""; 0], "{} is pure and may not name these", one.name);
    }
}

#[test]
fn anyhow_lives_in_the_binaries_alone() {
    for (one, named) in of_crates() {
        assert!(!named.contains("anyhow"), "{} names anyhow", one.name);
    }
}
