//! `kvctl` as a process: what it prints where, and how it exits.

// clippy's `allow-unwrap-in-tests` does not cover the plain functions of a test crate.
#![allow(clippy::unwrap_used)]

mod demo;
mod offline;
mod sim;
mod wal_live;
mod wal_repair;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// How a run of `kvctl` ended.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

/// Runs `kvctl` in `dir` with `input` and no environment that could mean something to it.
fn kvctl(dir: &Path, args: &[&str], input: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvctl"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KV_")) {
        command.env_remove(name);
    }
    command.current_dir(dir).args(args).env("TMPDIR", dir);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that does not read its input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}
