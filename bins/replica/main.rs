//! `replica`: one node of a cluster, until SIGTERM or SIGINT.
//!
//! Standard output carries one line, when the node serves; log lines go to standard error. Exit codes: 0 ended as
//! asked, 2 usage or configuration, 3 address taken or not usable, 11 data directory locked, unusable or of another
//! node or cluster, 12 damaged log or checkpoint (also when the log fails while running), 70 a bug.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use quorate_server::config::{Config, Overlay};
use quorate_server::{Ended, Replica, StartError, StartOptions, logs};

mod allocator;
mod failure;

use failure::Failure;

/// One node of a Quorate cluster.
#[derive(Debug, Parser)]
#[command(name = "replica", version, about, after_help = EXIT_CODES)]
struct Args {
    /// The cluster's configuration.
    #[arg(long, default_value = "cluster.toml", env = "KV_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// Which of its nodes this is; may be left out if it has only one.
    #[arg(long, value_name = "ID")]
    node: Option<String>,
    /// Where the data lives, instead of the configuration's place.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where to listen, instead of the configuration's address; the other nodes still dial that one.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Check the configuration and exit.
    #[arg(long)]
    check_config: bool,
    /// How log lines are written.
    #[arg(long, value_enum)]
    log_format: Option<Format>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

const EXIT_CODES: &str = "Exit codes:
  0   ended as asked
  2   usage or configuration
  3   the address is taken or can't be listened on
  11  the data directory is locked, unusable, or another node's or cluster's
  12  the log or a checkpoint is damaged, or the log failed while running
  70  a bug";

fn main() -> ExitCode {
    allocator::begin();
    match run(&Args::parse()) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.code)
        }
    }
}

fn run(args: &Args) -> Result<ExitCode, Failure> {
    let config = Config::load_with(&args.config, &overlay(args)).map_err(|e| Failure::config(&e))?;
    if args.check_config {
        return check(args, &config);
    }
    let node = node(args, &config)?;
    logs::start(&config.log).map_err(|e| Failure::logs(&e))?;
    let options = StartOptions {
        data_dir: args.data_dir.clone(),
        listen: args.listen.clone(),
        give_back: allocator::GIVE_BACK,
        ..StartOptions::default()
    };
    let replica = Replica::start(&config, &node, &options).map_err(|e| Failure::start(&e))?;
    match replica
        .run_until_signalled(|replica| say_ready(replica, &config))
        .map_err(|e| Failure::start(&e))?
    {
        Ended::AsAsked(_) => Ok(ExitCode::SUCCESS),
        Ended::AtOnce => Ok(ExitCode::from(130)),
        Ended::Failed(why) => Err(Failure::while_running(&why)),
    }
}

/// Whose configuration it is need not be said to have it checked.
fn check(args: &Args, config: &Config) -> Result<ExitCode, Failure> {
    let this = match args.node {
        Some(_) => format!(", this is {}", node(args, config)?),
        None => String::new(),
    };
    println!("{} is valid: {} nodes{this}", args.config.display(), config.nodes.len());
    Ok(ExitCode::SUCCESS)
}

fn overlay(args: &Args) -> Overlay {
    let overlay = Overlay::of_process();
    match args.log_format {
        None => overlay,
        Some(Format::Text) => overlay.with_flag("--log-format", "log.format", "text"),
        Some(Format::Json) => overlay.with_flag("--log-format", "log.format", "json"),
    }
}

fn node(args: &Args, config: &Config) -> Result<String, Failure> {
    let known = || config.nodes.iter().map(|node| node.id.clone()).collect::<Vec<_>>();
    match (&args.node, known().as_slice()) {
        (Some(node), known) if known.contains(node) => Ok(node.clone()),
        (None, [only]) => Ok(only.clone()),
        (Some(node), known) => {
            Err(Failure::start(&StartError::NoSuchNode { node: node.clone(), known: known.to_vec() }))
        }
        (None, known) => Err(Failure::node_missing(known)),
    }
}

/// The line that whoever started the process waits for.
fn say_ready(replica: &Replica, config: &Config) {
    let mut out = std::io::stdout().lock();
    let http = replica.http_addr().map_or(String::new(), |addr| format!(", http://{addr}"));
    let line = format!(
        "{} ready on {}{http} (cluster {}, generation {}, {} shards)",
        replica.name(),
        replica.local_addr(),
        config.cluster.name,
        replica.generation().0,
        replica.shards(),
    );
    // Whoever started it may not listen.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
