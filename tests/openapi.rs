//! The description of the HTTP interface (crates/http/openapi.json), judged by others: `openapi-spec-validator` reads it, and
//! `schemathesis` sends a running node what it describes and what it does not, at both of its HTTP doors.
//!
//! The tools are installed from the package registry into the build folder, once. Where that fails, the tests are shown as
//! ignored, with the reason. `OPENAPI_EXAMPLES=100` waits longer for them and makes up that many requests per operation; else
//! it is ten, and a few scans, for a scan walks all partitions.
//!
//! Of schemathesis' checks one is left out, `positive_data_acceptance`: that a key stands in one place only, and that a
//! cursor or context is one that the cluster gave out, OpenAPI has no words for; requests without that are refused (400).
//! And for `/api/v1/batch` another, `negative_data_rejection`: its body is text, which nothing violates. And two operations:
//! `/api/v1/events` has no end, and a node that was drained serves nobody (both have tests of their own in crates/server).

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};

#[path = "harness/one_node.rs"]
mod one_node;

use one_node::{OneNode, shipped};

const TOOLS: [&str; 2] = ["schemathesis==4.32.5", "openapi-spec-validator==0.9.0"];
/// How long an installation may take, where nobody asked for the long run.
const INSTALL_TIMEOUT: Duration = Duration::from_mins(1);
const RUN_TIMEOUT: Duration = Duration::from_hours(1);
const DESCRIPTION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/http/openapi.json");
const SETTINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openapi.toml");
const HOOKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openapi_hooks.py");
const NAMES: [&str; 3] = [
    "the_description_is_valid_openapi",
    "a_node_answers_clients_as_described",
    "a_node_answers_operators_as_described",
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let wanted = |filter: &String| NAMES.iter().any(|name| name.contains(filter.as_str()));
    let needed = !arguments.list && arguments.filter.as_ref().is_none_or(wanted);
    let tools = if needed { installed() } else { Err("not asked for".to_owned()) };
    let missing = tools.as_ref().err().cloned();
    let name = |name: &str| missing.as_ref().map_or(name.to_owned(), |why| format!("{name} ({why})"));
    let tools = tools.unwrap_or_default();
    let (one, two, three) = (tools.clone(), tools.clone(), tools);
    let trials = [
        Trial::test(name(NAMES[0]), move || validate(&one)),
        Trial::test(name(NAMES[1]), move || clients(&two)),
        Trial::test(name(NAMES[2]), move || operators(&three)),
    ];
    let trials = trials.into_iter().map(|trial| trial.with_ignored_flag(missing.is_some())).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Where the tools are, or why they are not.
fn installed() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openapi-tools");
    let mark = folder.join(TOOLS.join("_"));
    if mark.exists() {
        return Ok(folder);
    }
    let timeout = if examples().is_some() { RUN_TIMEOUT } else { INSTALL_TIMEOUT };
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&folder);
    finished(&mut venv, timeout).map_err(|why| format!("no python3 with venv: {}", last_line(&why)))?;
    let mut pip = Command::new(folder.join("bin/pip"));
    // A build from source would need compilers and minutes.
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]).args(TOOLS);
    finished(&mut pip, timeout).map_err(|why| format!("not installed: {}", last_line(&why)))?;
    std::fs::write(mark, "").map_err(|failure| failure.to_string())?;
    Ok(folder)
}

/// The examples of the long run, if it was asked for.
fn examples() -> Option<String> {
    std::env::var("OPENAPI_EXAMPLES").ok()
}

fn last_line(text: &str) -> &str {
    text.trim_end().lines().next_back().unwrap_or_default()
}

/// Runs `command`; everything that it printed if it failed.
fn finished(command: &mut Command, timeout: Duration) -> Result<(), String> {
    let log = tempfile::NamedTempFile::new().map_err(|failure| failure.to_string())?;
    let copy = || log.reopen().map_err(|failure| failure.to_string());
    command.stdin(Stdio::null()).stdout(copy()?).stderr(copy()?);
    let mut child = command.spawn().map_err(|failure| failure.to_string())?;
    let deadline = Instant::now() + timeout;
    let status = loop {
        match child.try_wait().map_err(|failure| failure.to_string())? {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                // It may have ended just now.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("not within {timeout:?}"));
            }
            None => std::thread::park_timeout(Duration::from_millis(20)),
        }
    };
    let text = std::fs::read(log.path()).map_err(|failure| failure.to_string())?;
    if status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&text).into_owned()) }
}

fn validate(tools: &Path) -> Result<(), Failed> {
    let mut validator = Command::new(tools.join("bin/openapi-spec-validator"));
    Ok(finished(validator.arg(DESCRIPTION), RUN_TIMEOUT)?)
}

fn clients(tools: &Path) -> Result<(), Failed> {
    let node = OneNode::start((247, 1), shipped);
    let url = format!("http://{}:7380", node.host);
    if let Some(examples) = examples() {
        let all = ["--exclude-path-regex", "^/api/v1/(admin/|events$)"];
        return fuzz(tools, &url, &examples, &all);
    }
    fuzz(tools, &url, "10", &["--exclude-path-regex", "^/api/v1/(admin/|events$|scan$)"])?;
    fuzz(tools, &url, "5", &["--include-path", "/api/v1/scan", "--phases", "fuzzing"])
}

fn operators(tools: &Path) -> Result<(), Failed> {
    let node = OneNode::start((247, 2), shipped);
    let only = ["--include-path-regex", "^/api/v1/admin/", "--exclude-operation-id", "drain"];
    let examples = examples().unwrap_or_else(|| "10".to_owned());
    fuzz(tools, &format!("http://{}:7382", node.host), &examples, &only)
}

fn fuzz(tools: &Path, url: &str, examples: &str, operations: &[&str]) -> Result<(), Failed> {
    let mut schemathesis = Command::new(tools.join("bin/schemathesis"));
    schemathesis
        .args(["--config-file", SETTINGS, "run", DESCRIPTION, "--url", url, "--max-examples", examples])
        .args(["--seed", "1", "--no-color", "--generation-database", "none", "--workers", "1"])
        .args(operations)
        .env("SCHEMATHESIS_HOOKS", HOOKS);
    Ok(finished(&mut schemathesis, RUN_TIMEOUT)?)
}
