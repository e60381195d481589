//! Clients from their registries, into folders under `target/tmp/clients` that are kept.
//!
//! A registry that can't be reached is a reason to leave the client out; a version that it does not have, or what was
//! fetched and does not build, is a failure.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use libtest_mimic::Failed;

use crate::deadline;
use crate::roster::{Client, Language};

/// The longest that one step may take: a registry that does not answer shall not hold up the tests.
const FETCH_MAX: Duration = Duration::from_mins(4);
const BUILD_MAX: Duration = Duration::from_mins(10);

/// Why there is no client to be run.
#[derive(Clone, Debug)]
pub enum Missing {
    /// It can't be had on this machine.
    Skipped(String),
    /// It is there, and our program for it does not build.
    Broken(String),
}

type Installed = Arc<OnceLock<Result<(), Missing>>>;

/// What was installed in this run, each once, however many clients share it.
#[derive(Clone, Debug, Default)]
pub struct Installations(Arc<Mutex<BTreeMap<PathBuf, Installed>>>);

impl Installations {
    /// The command that runs the program of `client`, installed first if need be.
    pub fn command(&self, client: &Client) -> Result<Command, Missing> {
        let folder = folder(client);
        let once = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(folder.clone()).or_default())
        };
        once.get_or_init(|| install(client, &folder)).clone()?;
        Ok(command(client, &folder))
    }
}

/// Whether nothing has to be fetched for it.
pub fn is_there(client: &Client) -> bool {
    marked(client, &folder(client))
}

fn sources(language: Language) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(format!("{language:?}").to_lowercase())
}

/// Where it is installed: those of one manifest share a place.
fn folder(client: &Client) -> PathBuf {
    let name = match client.language {
        Language::Python | Language::Shell => client.name.to_owned(),
        language => format!("{language:?}").to_lowercase(),
    };
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients").join(name)
}

/// What the installation was made from; other words, and it is made anew.
fn wanted(client: &Client) -> String {
    let manifest = match client.language {
        Language::Python | Language::Shell => return client.requires.to_owned(),
        Language::Go => "go.mod",
        Language::Java => "pom.xml",
        Language::Node => "package.json",
        Language::Rust => "Cargo.lock",
    };
    fs::read_to_string(sources(client.language).join(manifest)).unwrap_or_default()
}

fn marked(client: &Client, folder: &Path) -> bool {
    client.language == Language::Shell
        || fs::read_to_string(folder.join("installed")).is_ok_and(|found| found == wanted(client))
}

fn install(client: &Client, folder: &Path) -> Result<(), Missing> {
    if client.language == Language::Shell {
        return fetched(Command::new(client.requires).arg("--version"));
    }
    fs::create_dir_all(folder).map_err(|why| Missing::Skipped(format!("{}: {why}", folder.display())))?;
    if !marked(client, folder) {
        fetch(client, folder)?;
        let mark = fs::write(folder.join("installed"), wanted(client));
        mark.map_err(|why| Missing::Skipped(format!("{}: {why}", folder.display())))?;
    }
    build(client.language, folder)
}

fn fetch(client: &Client, folder: &Path) -> Result<(), Missing> {
    let from = sources(client.language);
    match client.language {
        Language::Shell => Ok(()),
        Language::Python => {
            fetched(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
            let pip = ["install", "--quiet", "--disable-pip-version-check", client.requires];
            fetched(Command::new(folder.join("bin/pip")).args(pip))
        }
        Language::Node => {
            copied(&from, folder)?;
            let npm = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"];
            fetched(Command::new("npm").args(npm).current_dir(folder))
        }
        Language::Go => fetched(Command::new("go").args(["mod", "download"]).current_dir(from)),
        Language::Rust => {
            fetched(Command::new("cargo").args(["fetch", "--quiet", "--locked"]).current_dir(from))
        }
        Language::Java => {
            let mvn = ["-q", "-B", "dependency:copy-dependencies", "-f"];
            let out = format!("-DoutputDirectory={}", folder.join("jars").display());
            fetched(Command::new("mvn").args(mvn).arg(from.join("pom.xml")).arg(out))
        }
    }
}

/// What is fast if it was done before.
fn build(language: Language, folder: &Path) -> Result<(), Missing> {
    let from = sources(language);
    match language {
        Language::Shell | Language::Python => Ok(()),
        // Modules are looked for beside the program.
        Language::Node => copied(&from, folder),
        Language::Go => {
            built(Command::new("go").args(["build", "-o"]).arg(folder.join("suite")).current_dir(from))
        }
        Language::Rust => {
            let mut command = Command::new("cargo");
            command.args(["build", "--quiet", "--locked", "--target-dir"]).arg(folder);
            built(command.current_dir(from))
        }
        Language::Java => {
            let mut command = Command::new("javac");
            command.arg("-cp").arg(format!("{}/*", folder.join("jars").display()));
            command.arg("-d").arg(folder.join("classes"));
            let programs =
                ["Suite", "JedisSuite", "LettuceSuite"].map(|name| from.join(format!("{name}.java")));
            built(command.args(programs))
        }
    }
}

fn command(client: &Client, folder: &Path) -> Command {
    let from = sources(client.language);
    match client.language {
        Language::Shell => Command::new(from.join(format!("{}.sh", client.program))),
        Language::Python => {
            let mut command = Command::new(folder.join("bin/python"));
            command.arg("-B").arg(from.join(format!("{}.py", client.program)));
            command
        }
        Language::Node => {
            let mut command = Command::new("node");
            command.arg(folder.join(format!("{}.mjs", client.program)));
            command
        }
        Language::Go => {
            let mut command = Command::new(folder.join("suite"));
            command.arg(client.program);
            command
        }
        Language::Rust => {
            let mut command = Command::new(folder.join("debug/suite"));
            command.arg(client.program);
            command
        }
        Language::Java => {
            let mut command = Command::new("java");
            let paths = [
                folder.join("classes").display().to_string(),
                format!("{}/*", folder.join("jars").display()),
            ];
            command.arg("-cp").arg(paths.join(":")).arg(client.program);
            command
        }
    }
}

fn copied(from: &Path, to: &Path) -> Result<(), Missing> {
    let broken = |why: std::io::Error| Missing::Broken(format!("{}: {why}", to.display()));
    for entry in fs::read_dir(from).map_err(broken)? {
        let entry = entry.map_err(broken)?;
        fs::copy(entry.path(), to.join(entry.file_name())).map_err(broken)?;
    }
    Ok(())
}

/// That a program is not installed or a registry is out of reach is a reason to go without the client; that the registry
/// has no such version (any more) is a failure: nobody would ever notice.
fn fetched(command: &mut Command) -> Result<(), Missing> {
    done(command, FETCH_MAX).map_err(|ended| {
        if ended.is_out_of_reach() { Missing::Skipped(ended.why) } else { Missing::Broken(ended.why) }
    })
}

fn built(command: &mut Command) -> Result<(), Missing> {
    done(command, BUILD_MAX).map_err(|ended| Missing::Broken(ended.why))
}

/// A program that did not end well.
struct Ended {
    why: String,
    /// All that it said; nothing: it was not there, or did not end in time.
    said: String,
}

/// What pip, npm, go, cargo and mvn say when they reach no registry, and python3 when it has no pip for a new folder.
const OUT_OF_REACH: [&str; 16] = [
    "NewConnectionError",
    "ConnectTimeoutError",
    "NameResolutionError",
    "Temporary failure in name resolution",
    "Name or service not known",
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "ETIMEDOUT",
    "dial tcp",
    "Could not resolve host",
    "Couldn't connect to server",
    "Could not transfer",
    "Unknown host",
    "ensurepip is not available",
];

impl Ended {
    fn is_out_of_reach(&self) -> bool {
        self.said.is_empty() || OUT_OF_REACH.iter().any(|words| self.said.contains(words))
    }
}

/// What the tools said in both cases is told apart.
pub fn only_what_is_out_of_reach_is_skipped() -> Result<(), Failed> {
    let gone = [
        "ERROR: Could not find a version that satisfies the requirement redis==99.0 (from versions: 5.0.0, 8.1.0)\n\
         ERROR: No matching distribution found for redis==99.0",
        "npm error code ETARGET\nnpm error notarget No matching version found for ioredis@99.0.0.",
        "go: github.com/redis/go-redis/v9@v9.999.0: invalid version: unknown revision v9.999.0",
        "error: no matching package named `fred` found",
        "[ERROR] Could not find artifact redis.clients:jedis:jar:99.0.0 in central",
    ];
    let unreachable = [
        "",
        "WARNING: Retrying after connection broken by 'NewConnectionError(...: [Errno 111] Connection refused')'\n\
         ERROR: No matching distribution found for redis==8.1.0",
        "npm error code ECONNREFUSED\nnpm error FetchError: request to the registry failed",
        "go: module lookup: dial tcp: lookup: no such host",
        "error: failed to download from the registry\n[6] Could not resolve hostname (Could not resolve host: x)",
        "[ERROR] Could not transfer artifact redis.clients:jedis:pom:7.1.0 from/to central: Connection refused",
    ];
    for (texts, skipped) in [(&gone[..], false), (&unreachable[..], true)] {
        for said in texts {
            let ended = Ended { why: String::new(), said: (*said).to_owned() };
            if ended.is_out_of_reach() != skipped {
                return Err(format!("{said}: is it out of reach? {}", !skipped).into());
            }
        }
    }
    Ok(())
}

/// Runs `command` to its end; what it said last if that was not a good one.
fn done(command: &mut Command, patience: Duration) -> Result<(), Ended> {
    let name = command.get_program().to_string_lossy().into_owned();
    let name = Path::new(&name).file_name().map_or(name.clone(), |name| name.to_string_lossy().into_owned());
    let ran = deadline::run(command.stdin(Stdio::null()), patience).map_err(|why| match why.kind() {
        std::io::ErrorKind::NotFound => {
            Ended { why: format!("{name} is not installed"), said: String::new() }
        }
        _ => Ended { why: format!("{name}: {why}"), said: why.to_string() },
    })?;
    let said = if ran.stderr.trim().is_empty() { &ran.stdout } else { &ran.stderr };
    match ran.code {
        Some(0) => Ok(()),
        Some(code) => {
            let last = said.trim().lines().last().unwrap_or_default();
            let why = format!("{name} ended with {code}: {last}");
            // What says nothing has failed all the same.
            Err(Ended { said: format!("{why}\n{}\n{}", ran.stdout, ran.stderr), why })
        }
        None => Err(Ended { why: format!("{name} did not end within {patience:?}"), said: String::new() }),
    }
}
