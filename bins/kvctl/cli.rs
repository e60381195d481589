//! The command line: verbs, flags, and their words.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use quorate_server::config::duration_from_text;
use quorate_types::Level;

use crate::exit::Exit;
use crate::wal_verbs::args::WalVerb;

/// Verbs that talk to no node, and what means nothing to them.
const OFFLINE: [&str; 4] = ["check", "sim", "wal", "completions"];
const CLUSTER_ARGS: [&str; 3] = ["endpoints", "config", "timeout"];

/// The command line's grammar: below verbs that talk to no node, the flags about the cluster are not shown.
pub fn grammar() -> Command {
    let hidden = |arg: &Arg| arg.clone().hide(true);
    let command = Cli::command();
    let of_clusters: Vec<Arg> = command
        .get_arguments()
        .filter(|arg| CLUSTER_ARGS.contains(&arg.get_id().as_str()))
        .map(hidden)
        .collect();
    OFFLINE.into_iter().fold(command, |command, verb| {
        command.mut_subcommand(verb, |offline| offline.args(of_clusters.clone()))
    })
}

impl Cli {
    /// What these words ask for, the program's name first. Flags about the cluster are refused where there is none.
    pub fn of<T: Into<OsString> + Clone>(words: impl IntoIterator<Item = T>) -> Result<Self, clap::Error> {
        let matches = grammar().try_get_matches_from(words)?;
        let verb = matches.subcommand_name().unwrap_or_default();
        let typed = |arg: &&str| matches.value_source(arg) == Some(ValueSource::CommandLine);
        if let Some(arg) = CLUSTER_ARGS.into_iter().find(typed).filter(|_| OFFLINE.contains(&verb)) {
            let why = format!("{verb} needs no cluster: --{arg} means nothing to it\n");
            return Err(grammar().error(ErrorKind::ArgumentConflict, why));
        }
        Self::from_arg_matches(&matches)
    }
}

/// Talks to a Quorate cluster.
#[derive(Parser, Debug)]
#[command(name = "kvctl", version, about, after_help = Exit::table(), max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Verb,
}

/// What every verb takes.
#[derive(Args, Debug, Clone)]
pub struct Global {
    /// Nodes to begin with, host:port, comma-separated. Else KV_ENDPOINTS, --config, ./cluster.toml, 127.0.0.1:7381
    #[arg(long, global = true, env = "KV_ENDPOINTS", value_delimiter = ',', value_name = "HOST:PORT")]
    pub endpoints: Vec<String>,
    /// The cluster's configuration, whose nodes are the endpoints
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How answers are written
    #[arg(short, long, global = true, env = "KV_OUTPUT", value_enum, default_value_t = Format::Table)]
    pub output: Format,
    /// How long a request may take, with all its retries
    #[arg(long, global = true, env = "KV_TIMEOUT", value_parser = duration, default_value = "2s", value_name = "TIME")]
    pub timeout: Duration,
}

/// How answers are written.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people
    Table,
    /// One object
    Json,
    /// One object a line
    Ndjson,
    /// The bytes of the value and nothing else
    Raw,
}

/// How many replicas, which keyspace, which coordinator.
#[derive(Args, Debug, Clone, Default)]
pub struct Manner {
    /// Replicas that must answer a read: one, two, three, quorum, all, linearizable or a number
    #[arg(short, long, value_parser = level, value_name = "LEVEL")]
    pub read: Option<Level>,
    /// Replicas that must have a write on disk; linearizable asks a majority for the newest version first
    #[arg(short, long, value_parser = level, value_name = "LEVEL")]
    pub write: Option<Level>,
    /// Both
    #[arg(short, long, env = "KV_CONSISTENCY", value_parser = level, value_name = "LEVEL")]
    pub consistency: Option<Level>,
    /// The node that coordinates, and no other
    #[arg(long, value_name = "NODE")]
    pub coordinator: Option<String>,
    /// The keyspace
    #[arg(short, long, value_name = "NAME")]
    pub keyspace: Option<String>,
    /// Don't try again: show the first outcome
    #[arg(long)]
    pub no_retry: bool,
}

impl Manner {
    /// The level of reads, if one is given.
    pub fn read_level(&self) -> Option<Level> {
        self.read.or(self.consistency)
    }

    /// The level of writes, if one is given.
    pub fn write_level(&self) -> Option<Level> {
        self.write.or(self.consistency)
    }
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Runs a cluster inside this process, with a shell to try it, kill nodes and watch it heal
    #[command(alias = "playground")]
    Demo(Demo),
    #[command(flatten)]
    Request(Request),
    /// Measures the cluster under load
    Bench(Bench),
    /// Judges a recorded history against what was promised; needs no cluster
    Check(Check),
    /// Runs whole clusters in one thread on a virtual clock, with faults, from a seed; needs no cluster
    #[command(subcommand)]
    Sim(SimVerb),
    /// Reads and writes configurations; needs no cluster
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Looks into a log on disk, and can end it early; needs no cluster
    #[command(subcommand)]
    Wal(WalVerb),
    /// Prints the completions of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// What is asked of a running cluster; the shell of the demo takes the same words.
#[derive(Subcommand, Debug)]
pub enum Request {
    /// Prints the value of a key
    Get(Get),
    /// Sets the value of a key
    Put(Put),
    /// Deletes keys
    #[command(visible_alias = "delete")]
    Del(Del),
    /// Lists keys and values, in the order of the ring
    Scan(Scan),
    /// Shows on one screen how the cluster is
    Status(Status),
    /// Shows who owns how much
    Ring(Ring),
    /// Shows each node
    Nodes,
    /// Shows what nodes hold for others that missed it
    Hints,
    /// Shows where a key lives and what each replica has
    Explain(Explain),
}

/// `get`
#[derive(Args, Debug)]
pub struct Get {
    /// The key
    pub key: String,
    #[command(flatten)]
    pub manner: Manner,
}

/// `put`
#[derive(Args, Debug)]
pub struct Put {
    /// The key
    pub key: String,
    /// The value; - reads it from standard input, @FILE from a file, @@text is "@text"
    #[arg(allow_hyphen_values = true)]
    pub value: String,
    /// Let the value expire after this time
    #[arg(long, value_parser = some_time, value_name = "TIME")]
    pub ttl: Option<Duration>,
    #[command(flatten)]
    pub manner: Manner,
}

/// `del`
#[derive(Args, Debug)]
pub struct Del {
    /// The keys
    #[arg(required = true)]
    pub keys: Vec<String>,
    #[command(flatten)]
    pub manner: Manner,
}

/// `scan`
#[derive(Args, Debug)]
pub struct Scan {
    /// Only keys that begin so
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    pub prefix: String,
    /// Stop after this many
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub limit: u64,
    /// Go on where an earlier scan stopped
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
    /// Don't print the values
    #[arg(long)]
    pub keys_only: bool,
    #[command(flatten)]
    pub manner: Manner,
}

/// `status`
#[derive(Args, Debug)]
pub struct Status {
    /// Look again every second until interrupted
    #[arg(long)]
    pub watch: bool,
    /// Exit with 9 unless the cluster is healthy
    #[arg(long)]
    pub exit_code: bool,
}

/// `ring`
#[derive(Args, Debug)]
pub struct Ring {
    /// Only this node
    #[arg(long, value_name = "NODE")]
    pub node: Option<String>,
    /// The partitions at which the vnodes sit, too
    #[arg(long)]
    pub tokens: bool,
}

/// `explain`
#[derive(Args, Debug)]
pub struct Explain {
    /// The key
    pub key: String,
    #[command(flatten)]
    pub manner: Manner,
}

/// `demo`
#[derive(Args, Debug)]
pub struct Demo {
    /// How many nodes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub nodes: u8,
    /// Keep the data here and go on with what is there; else a temporary folder, removed at the end
    #[arg(long)]
    pub dir: Option<PathBuf>,
}

/// `bench`
#[derive(Args, Debug, Clone)]
pub struct Bench {
    /// What is done
    #[arg(long, value_enum, default_value_t = Preset::Write, ignore_case = true)]
    pub preset: Preset,
    /// How long, after loading
    #[arg(long, value_parser = duration, default_value = "10s", value_name = "TIME")]
    pub duration: Duration,
    /// Requests per second, at fixed times whatever the answers take; else each waits for the one before
    #[arg(long, value_name = "N")]
    pub rate: Option<u64>,
    /// Connections, spread over the nodes
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub connections: u32,
    /// Requests under way on each connection
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub in_flight: u32,
    /// Distinct keys
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub keys: u64,
    /// Bytes of each value
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=8_388_608))]
    pub value_size: u32,
    /// Seed of everything that is drawn
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Don't write the keys first: they are there
    #[arg(long)]
    pub no_load: bool,
    /// Record what was asked and answered in this new file, for `kvctl check`; keys and values are new in each run then
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
    /// Record, too, what happens to nodes: lines `NODE WHAT` on standard input, such as `n2 crash`; its end ends the run
    #[arg(long, requires = "history")]
    pub events: bool,
    #[command(flatten)]
    pub manner: Manner,
}

/// What a bench does. The letters are those of YCSB.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Puts, uniform keys
    Write,
    /// Gets, uniform keys
    Read,
    /// Half gets, half puts, zipfian keys
    A,
    /// 95 % gets, 5 % puts, zipfian keys
    B,
    /// Gets, zipfian keys
    C,
    /// Half gets, half read-modify-writes (a get, then a put of the same key), zipfian keys
    F,
    /// Gets, puts, deletes and expiries, on uniform keys and new ones, at all levels unless one is given; for --history
    Mixed,
}

/// `check`
#[derive(Args, Debug)]
pub struct Check {
    /// The history, JSON lines; - reads standard input
    pub file: PathBuf,
    /// Judge by this read repair, whatever the history says
    #[arg(long, value_enum, value_name = "POLICY")]
    pub read_repair: Option<Repair>,
    /// Judge these levels as linearizable, whatever the history says
    #[arg(long, value_parser = level, value_delimiter = ',', value_name = "LEVEL")]
    pub linearizable: Vec<Level>,
    /// Keys may have held anything before the history began
    #[arg(long)]
    pub initial_unknown: bool,
}

/// What reads do about replicas that are behind.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Write to them before answering
    Blocking,
    /// Write to them after answering
    Background,
    /// Nothing
    Off,
}

/// `sim`
#[derive(Subcommand, Debug)]
pub enum SimVerb {
    /// Runs a scenario, or random faults and clients, and judges what came of it
    Run(SimRun),
    /// Runs one seed or one plan once more
    Replay(SimReplay),
    /// Makes a plan that ends badly smaller, as long as it still does
    Shrink(SimShrink),
    /// Lists the scenarios
    List,
}

/// `sim run`
#[derive(Args, Debug)]
pub struct SimRun {
    /// A scenario (`kvctl sim list`) or the file of a plan; none: random faults and clients, drawn from the seed
    #[arg(value_name = "SCENARIO")]
    pub scenario: Option<String>,
    /// This seed
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "from"])]
    pub seed: Option<u64>,
    /// So many seeds, one after the other
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: Option<u64>,
    /// The first of them [default: 1]
    #[arg(long, value_name = "SEED")]
    pub from: Option<u64>,
    /// Seeds that are run at a time [default: the processors]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=256))]
    pub jobs: Option<u64>,
    #[command(flatten)]
    pub shape: SimShape,
    /// Write the events of the run to this new file, JSON lines, for whoever wants to play it
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Write what clients saw to this new file, for `kvctl check`
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
}

/// The shape of random plans.
#[derive(Args, Debug, Clone, Copy)]
pub struct SimShape {
    /// Of random plans: how long faults happen and clients ask, virtual time, at most 6h [default: 20s]
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub until: Option<Duration>,
    /// Of random plans: so many nodes [default: drawn from the seed]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(3..=32))]
    pub nodes: Option<u64>,
}

/// `sim replay`
#[derive(Args, Debug)]
pub struct SimReplay {
    /// A seed, a scenario, or the file of a plan
    #[arg(value_name = "SEED|FILE")]
    pub what: String,
    /// Print everything that happens
    #[arg(long)]
    pub trace: bool,
    #[command(flatten)]
    pub shape: SimShape,
}

/// `sim shrink`
#[derive(Args, Debug)]
pub struct SimShrink {
    /// A seed or the file of a plan
    #[arg(value_name = "SEED|FILE")]
    pub what: String,
    /// The new file that the smaller plan is written to [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub into: Option<PathBuf>,
    /// Most runs that it may take
    #[arg(long, default_value = "2000", value_name = "COUNT")]
    pub runs: u64,
    #[command(flatten)]
    pub shape: SimShape,
}

/// `config`
#[derive(Subcommand, Debug)]
pub enum ConfigVerb {
    /// Says all that is wrong with a file
    Check {
        /// The file; else --config, else ./cluster.toml
        file: Option<PathBuf>,
    },
    /// Prints a file with every key, its default and what it means
    PrintDefault,
    /// Prints what is in force
    Show {
        /// The file; else --config, else ./cluster.toml
        file: Option<PathBuf>,
        /// Where each value comes from, too
        #[arg(long)]
        origin: bool,
    },
}

fn level(text: &str) -> Result<Level, String> {
    text.parse::<Level>().map_err(|error| error.to_string())
}

fn some_time(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("a time of 0 is none; `kvctl del` deletes".to_owned()),
        time => Ok(time),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    duration_from_text(text)
        .ok_or_else(|| "write a number and a unit: us, ms, s, m or h, such as 500ms".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_sound_and_its_help_has_the_exit_codes() {
        grammar().debug_assert();
        let help = grammar().render_help().to_string();
        assert!(help.contains("10  get: the key was deleted"), "{help}");
        for verb in [
            "demo",
            "get",
            "put",
            "del",
            "scan",
            "status",
            "ring",
            "nodes",
            "hints",
            "explain",
            "bench",
            "check",
            "config",
            "wal",
            "completions",
        ] {
            assert!(help.contains(&format!("  {verb} ")), "{verb} is missing in\n{help}");
        }
    }

    #[test]
    fn a_level_for_both_gives_way_to_the_one_for_this_request() {
        let cli = Cli::parse_from(["kvctl", "get", "k", "-c", "all", "-r", "one"]);
        let Verb::Request(Request::Get(get)) = cli.verb else { panic!("a get") };
        assert_eq!((get.manner.read_level(), get.manner.write_level()), (Some(Level::One), Some(Level::All)));
    }

    #[test]
    fn flags_about_the_cluster_are_neither_shown_nor_taken_by_verbs_that_need_none() {
        for words in [&["wal", "ls"][..], &["wal", "truncate"], &["sim", "run"], &["check"], &["completions"]]
        {
            let help = Cli::of([&["kvctl"], words, &["--help"]].concat()).unwrap_err().to_string();
            assert!(help.contains("--output"), "{help}");
            for arg in CLUSTER_ARGS {
                assert!(!help.contains(&format!("--{arg}")), "{words:?} shows --{arg}");
            }
        }
        for words in [["--timeout", "1s", "wal", "ls", "x"], ["wal", "ls", "x", "--timeout", "1s"]] {
            let refused = Cli::of(["kvctl"].into_iter().chain(words)).unwrap_err();
            assert_eq!(refused.exit_code(), i32::from(Exit::Usage.code()));
            assert!(
                refused.to_string().contains("wal needs no cluster: --timeout means nothing to it"),
                "{refused}"
            );
        }
        assert!(Cli::of(["kvctl", "wal", "ls", "x", "-o", "json"]).is_ok());
        let get = Cli::of(["kvctl", "get", "k", "--timeout", "9s"]).unwrap();
        assert_eq!(get.global.timeout, Duration::from_secs(9));
    }

    #[test]
    fn an_unknown_level_or_verb_is_a_usage_error_that_names_it() {
        let error = |args: &[&str]| Cli::try_parse_from(args).unwrap_err();
        let level = error(&["kvctl", "get", "k", "-r", "most"]);
        assert_eq!(level.exit_code(), i32::from(Exit::Usage.code()));
        assert!(
            level
                .to_string()
                .contains("unknown level \"most\"; levels are one, two, three, quorum, all, linearizable")
        );
        assert!(error(&["kvctl", "stauts"]).to_string().contains("similar"));
    }
}
