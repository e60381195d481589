//! The log stands alone: who uses nothing else of ours can build it.

// clippy's `allow-unwrap-in-tests` does not cover the plain functions of a test crate.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

fn cargo(args: &[&str]) -> Output {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Command::new(cargo).args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

fn packaged(more: &[&str]) -> Output {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package");
    let target = target.to_str().unwrap();
    let package = ["package", "-p", "quorate-wal", "--allow-dirty", "--target-dir", target];
    cargo(&[&package, more].concat())
}

#[test]
fn the_log_packages_and_builds_alone_with_all_features() {
    let ran = packaged(&["--all-features"]);
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    assert!(said.contains("Verifying quorate-wal"), "{said}");
    // The corpus and its test stay with the fuzz targets, which are no part of the package.
    let warnings: Vec<&str> = said.lines().filter(|line| line.contains("warning")).collect();
    assert!(warnings.iter().all(|warning| warning.contains("ignoring test `corpus`")), "{said}");
}

#[test]
fn the_package_has_what_its_readers_need() {
    let ran = packaged(&["--list"]);
    let files = String::from_utf8(ran.stdout).unwrap();
    for file in [
        "README.md",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "examples/logbook.rs",
        "tests/golden/frames.bin",
    ] {
        assert!(files.lines().any(|line| line == file), "{file} is missing in\n{files}");
    }
}

#[test]
fn the_log_depends_on_no_crate_of_ours() {
    let ran = cargo(&["tree", "-p", "quorate-wal", "--all-features", "-e", "all", "--prefix", "none"]);
    let tree = String::from_utf8(ran.stdout).unwrap();
    let ours: Vec<&str> = tree.lines().filter(|line| line.starts_with("quorate")).collect();
    assert!(!ours.is_empty() && ours.iter().all(|line| line.starts_with("quorate-wal ")), "{ours:?}");
}
