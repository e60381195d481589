//! The house's rules: which crate may know which, what the pure ones may not touch, what every manifest says.
//!
//! A new crate fails here until it stands in [`CRATES`] and in ARCHITECTURE.md, so that the map can't fall behind.

// clippy's `allow-unwrap-in-tests` does not cover the plain functions of a test crate.
#![allow(clippy::unwrap_used)]

mod arrows;
mod bans;
mod manifests;
mod sizes;

use std::path::Path;

/// How a crate deals with the world outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Events in, effects out: no file, socket, clock, thread, random source, random order.
    Pure,
    /// Files through the `Io` trait; no clock, random source, random order beside it.
    Disk,
    /// Drives the others: may name tokio.
    Driver,
}

/// One crate and the crates of ours that it may depend on.
struct Crate {
    name: &'static str,
    kind: Kind,
    below: &'static [&'static str],
}

const fn house(name: &'static str, kind: Kind, below: &'static [&'static str]) -> Crate {
    Crate { name, kind, below }
}

/// The arrows: each crate with what it may know. The root package may know all of them.
const CRATES: &[Crate] = &[
    house("types", Kind::Pure, &[]),
    house("wal", Kind::Disk, &[]),
    house("ring", Kind::Pure, &["types"]),
    house("wire", Kind::Pure, &["types"]),
    house("resp", Kind::Pure, &["types", "wire"]),
    house("http", Kind::Driver, &["types", "wire"]),
    house("store", Kind::Disk, &["types", "wal"]),
    house("coordinator", Kind::Pure, &["types", "ring", "wire"]),
    house("node", Kind::Pure, &["types", "ring", "wire", "store", "coordinator"]),
    house("transport", Kind::Driver, &["types", "wire"]),
    house("client", Kind::Driver, &["types", "ring", "wire", "transport"]),
    house(
        "server",
        Kind::Driver,
        &["types", "wal", "ring", "wire", "resp", "http", "store", "coordinator", "node", "transport"],
    ),
    house("sim", Kind::Disk, &["types", "wal", "ring", "wire", "store", "coordinator", "node", "transport"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

fn toml_of(path: impl AsRef<Path>) -> toml::Table {
    let path = path.as_ref();
    read(path).parse().unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// The folders under `crates/`, sorted.
fn folders() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("crates")).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}
