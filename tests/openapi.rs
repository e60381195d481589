//! The description of the HTTP interface (crates/http/openapi.json), judged by others: `openapi-spec-validator` reads it, and
//! `schemathesis` sends a running node what it describes and what it does not, at both of its HTTP doors.
//!
//! The tools are installed from the package registry into the build folder, once. Where that fails, the tests are shown as
//! ignored, with the reason. `OPENAPI_EXAMPLES=100` waits longer for them and makes up that many requests per operation from
//! more seeds; else it is six of each seed, and a few scans, for a scan walks all partitions.
//!
//! A run that is refused everything finds nothing, so each operation must have served its share of the requests that were made
//! to be valid ([`shares`]). 503 and 504 are no failures: they are described, and a deadline of 1 ms asks for them.
//!
//! Of schemathesis' checks one is left out, `positive_data_acceptance`: that a key stands in one place only, and that a
//! cursor or context is one that the cluster gave out, OpenAPI has no words for; requests without that are refused (400).
//! And for `/api/v1/batch` another, `negative_data_rejection`: its body is text, which nothing violates. And two operations:
//! `/api/v1/events` has no end, and a node that was drained serves nobody (both have tests of their own in crates/server).

use std::collections::BTreeMap;
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
/// What requests are made up from; of more than one, for what is found depends on it.
const SEEDS: [&str; 2] = ["1", "77"];
const SEEDS_OF_THE_LONG_RUN: [&str; 4] = ["1", "5", "77", "123"];
/// How many in a hundred of an operation's valid requests are served at least. The rest ask for levels that one node can't
/// meet, for filters that are none, or for deadlines that pass.
const SERVED_PERCENT_MIN: usize = 50;
const ALL_PHASES: &str = "examples,coverage,fuzzing";
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
    let trials = trials.into_iter().map(|trial| trial.with_ignored_flag(missing.is_some()));
    let own = Trial::test("an_operation_that_refuses_most_valid_requests_fails_its_run", judged);
    libtest_mimic::run(&arguments, trials.chain([own]).collect()).exit_code()
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

/// What is asked, and how much.
struct Run<'a> {
    url: String,
    examples: &'a str,
    /// What schemathesis does with the first seed.
    phases: &'a str,
    /// Which operations, as schemathesis is told.
    selection: &'a [&'a str],
    /// Which operations, as the tally is judged: method and path.
    asks: fn(&str, &str) -> bool,
}

fn clients(tools: &Path) -> Result<(), Failed> {
    let node = OneNode::start((247, 1), shipped);
    let long = examples();
    let run = Run {
        url: format!("http://{}:7380", node.host),
        examples: long.as_deref().unwrap_or("6"),
        phases: ALL_PHASES,
        selection: &["--exclude-path-regex", "^/api/v1/(admin/|events$|scan$)"],
        asks: |_, path| !path.contains("/admin/") && !["/api/v1/events", "/api/v1/scan"].contains(&path),
    };
    fuzz(tools, &run)?;
    let scan = Run {
        examples: long.as_deref().unwrap_or("3"),
        phases: "fuzzing",
        selection: &["--include-path", "/api/v1/scan"],
        asks: |_, path| path == "/api/v1/scan",
        ..run
    };
    fuzz(tools, &scan)
}

fn operators(tools: &Path) -> Result<(), Failed> {
    let node = OneNode::start((247, 2), shipped);
    let run = Run {
        url: format!("http://{}:7382", node.host),
        examples: &examples().unwrap_or_else(|| "10".to_owned()),
        phases: ALL_PHASES,
        selection: &["--include-path-regex", "^/api/v1/admin/", "--exclude-operation-id", "drain"],
        asks: |method, path| path.contains("/admin/") && (method, path) != ("post", "/api/v1/admin/drain"),
    };
    fuzz(tools, &run)
}

fn fuzz(tools: &Path, run: &Run) -> Result<(), Failed> {
    let seeds = if examples().is_some() { &SEEDS_OF_THE_LONG_RUN[..] } else { &SEEDS };
    let tally = tempfile::NamedTempFile::new()?;
    for (index, seed) in seeds.iter().enumerate() {
        // What the other phases send does not depend on the seed.
        let phases = if index == 0 { run.phases } else { "fuzzing" };
        let mut schemathesis = Command::new(tools.join("bin/schemathesis"));
        schemathesis
            .args(["--config-file", SETTINGS, "run", DESCRIPTION, "--url", &run.url])
            .args(["--max-examples", run.examples, "--seed", seed])
            .args(["--phases", phases, "--no-color", "--generation-database", "none", "--workers", "1"])
            .args(run.selection)
            .env("SCHEMATHESIS_HOOKS", HOOKS)
            .env("OPENAPI_TALLY", tally.path());
        finished(&mut schemathesis, RUN_TIMEOUT).map_err(|said| format!("seed {seed}: {said}"))?;
    }
    let shares = shares(&std::fs::read_to_string(tally.path())?);
    Ok(described(run.asks).iter().try_for_each(|operation| fair(operation, shares.get(operation)))?)
}

/// How many requests of an operation were made to be valid, and how many of them were served.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    made: usize,
    served: usize,
}

/// The shares of operations (`GET /path`) in what tests/openapi_hooks.py has noted: `valid|other STATUS METHOD PATH` lines.
fn shares(tally: &str) -> BTreeMap<String, Share> {
    let mut shares: BTreeMap<String, Share> = BTreeMap::new();
    for line in tally.lines() {
        let Some((status, operation)) = line.strip_prefix("valid ").and_then(|rest| rest.split_once(' '))
        else {
            continue;
        };
        let share = shares.entry(operation.to_owned()).or_default();
        share.made += 1;
        // A key without a value is an answer too.
        share.served += usize::from(status.starts_with('2') || ["304", "absent"].contains(&status));
    }
    shares
}

fn fair(operation: &str, share: Option<&Share>) -> Result<(), String> {
    match share {
        Some(Share { made, served }) if served * 100 >= made * SERVED_PERCENT_MIN => Ok(()),
        share => Err(format!("{operation}: too few valid requests were served: {share:?}")),
    }
}

fn judged() -> Result<(), Failed> {
    let shares = shares(
        "valid 200 GET /a\nvalid 400 GET /a\nother 400 GET /a\nvalid absent GET /b\nvalid 400 GET /c\n",
    );
    let fair = ["GET /a", "GET /b", "GET /c", "GET /d"].map(|name| fair(name, shares.get(name)).is_ok());
    if fair == [true, true, false, false] { Ok(()) } else { Err(format!("{fair:?} of {shares:?}").into()) }
}

/// The operations that are described and asked.
fn described(asks: fn(&str, &str) -> bool) -> Vec<String> {
    let text = std::fs::read_to_string(DESCRIPTION).expect("the description is there");
    let document: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let paths = document["paths"].as_object().expect("it has paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("a path has methods").keys();
        methods.map(move |method| (method, path))
    });
    let asked = operations.filter(|(method, path)| asks(method, path));
    asked.map(|(method, path)| format!("{} {path}", method.to_uppercase())).collect()
}
