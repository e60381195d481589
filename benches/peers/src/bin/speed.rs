//! How fast each log is: `speed --help`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use quorate_peers::contender::Contender;
use quorate_peers::contenders::{self, Field};
use quorate_peers::speed::{
    Appends, Board, Cooling, Plan, Replays, Workload, aims, aims_table, appends_table, describe,
    exec_in_real_time, load, replay_here, replays_table, settings_table,
};
use serde::Serialize;

/// Measures all logs in turn, round by round, and prints Markdown: durable appends of 256 B by 1, 8 and 64 threads, a
/// thousand tasks that await, buffered appends of 128 B, replay of 1 GiB, and what of it was aimed at.
///
/// Ratios are taken within a round. On a machine that does other things, `--real-time` keeps a thread that was woken from
/// waiting for the others' time slices.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Work in folders below this one, on the file system to be measured; removed afterwards [default: the system's
    /// folder for temporary files]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Only these
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART,...", default_values_t = Part::ALL)]
    only: Vec<Part>,
    /// Only this contender; may be given more than once [default: all]
    #[arg(long, value_name = "NAME")]
    contender: Vec<String>,
    /// Threads that append durably; the aims are about 1, 8 and 64
    #[arg(long, value_delimiter = ',', value_name = "COUNT,...", default_values_t = [1, 8, 64])]
    writers: Vec<u64>,
    /// Rounds; replays take at most three
    #[arg(long)]
    rounds: Option<usize>,
    /// Short and small: to see that everything works
    #[arg(long)]
    quick: bool,
    /// Append each measurement to this file, one JSON object per line
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How a log is made cold before it is replayed
    #[arg(long, value_enum, default_value = "fadvise")]
    cool: Cooling,
    /// Run as `chrt -f 10 speed ...`: under SCHED_FIFO; takes root
    #[arg(long)]
    real_time: bool,
    /// Replay the log of this contender in `--dir`, and print what it took: the child of the replays
    #[arg(long, hide = true, value_name = "NAME", requires = "dir")]
    replay: Option<String>,
    #[arg(long, hide = true, default_value_t = 0)]
    replay_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Durable,
    Async,
    Buffered,
    Replay,
}

impl Part {
    const ALL: [Self; 4] = [Self::Durable, Self::Async, Self::Buffered, Self::Replay];

    fn of(workload: Workload) -> Self {
        match workload {
            Workload::Durable { .. } => Self::Durable,
            Workload::Async => Self::Async,
            Workload::Buffered => Self::Buffered,
        }
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("speed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    if arguments.real_time {
        return exec_in_real_time("--real-time");
    }
    let dir = arguments.dir.clone().unwrap_or_else(std::env::temp_dir);
    if let Some(name) = &arguments.replay {
        let contender = contenders::replayed().into_iter().find(|contender| contender.name() == name);
        let contender = contender.with_context(|| format!("no contender `{name}`"))?;
        let replayed = replay_here(&*contender, &dir, arguments.replay_bytes)?;
        println!("{}", serde_json::to_string(&replayed)?);
        return Ok(());
    }
    let mut plan = if arguments.quick { Plan::QUICK } else { Plan::FULL };
    if let Some(rounds) = arguments.rounds {
        (plan.rounds, plan.replay_rounds) = (rounds, rounds.min(plan.replay_rounds));
    }
    check_names(&arguments.contender)?;
    println!("{}\n", describe(&dir));
    let mut journal = Journal::open(arguments.json.as_deref())?;
    let board = append(arguments, &dir, plan, &mut journal)?;
    let replays = replay(arguments, &dir, plan, &mut journal)?;
    println!("Load afterwards: {}.\n\n{}", load(), aims_table(&aims(&board, replays.as_ref())));
    Ok(())
}

fn append(arguments: &Arguments, dir: &Path, plan: Plan, journal: &mut Journal) -> Result<Board> {
    let (mut board, appends) = (Board::default(), Appends { dir: dir.to_owned(), plan });
    let mut workloads = Workload::all(&arguments.writers);
    workloads.retain(|workload| arguments.only.contains(&Part::of(*workload)));
    for round in 0..plan.rounds {
        for workload in &workloads {
            eprintln!("round {} of {}: {}", round + 1, plan.rounds, workload.name());
            let field = chosen(arguments, field(*workload));
            appends.round(*workload, &field, round, |contender, measured| {
                journal.note(&AppendLine {
                    workload: workload.name(),
                    contender,
                    round,
                    per_second: measured.per_second(),
                    p50_us: measured.percentile_us(50.0),
                    p99_us: measured.percentile_us(99.0),
                    max_us: measured.percentile_us(100.0),
                });
                board.enter(*workload, contender, measured);
            })?;
        }
    }
    if !workloads.is_empty() {
        println!("{}", settings_table(&borrowed(&chosen(arguments, contenders::durable()))));
        println!("Median of {} rounds; percentiles of all rounds together.\n", plan.rounds);
    }
    for workload in workloads {
        let field = chosen(arguments, field(workload));
        println!("{}", appends_table(&board, workload, &borrowed(&field)));
    }
    Ok(board)
}

fn replay(arguments: &Arguments, dir: &Path, plan: Plan, journal: &mut Journal) -> Result<Option<Replays>> {
    if !arguments.only.contains(&Part::Replay) {
        return Ok(None);
    }
    let field = chosen(arguments, contenders::replayed());
    eprintln!("filling the logs to be replayed");
    let mut replays = Replays::prepare(dir, field, plan.replayed_bytes, arguments.cool)?;
    for round in 0..plan.replay_rounds {
        eprintln!("round {} of {}: replay", round + 1, plan.replay_rounds);
        replays.round(round, |temperature, contender, replayed| {
            journal.note(&ReplayLine { workload: "replay", contender, round, temperature, replayed });
        })?;
    }
    println!("{}", replays_table(&replays));
    println!("Cold: by {}. Median of {} rounds.\n", cooling(arguments.cool), plan.replay_rounds);
    Ok(Some(replays))
}

fn cooling(cooling: Cooling) -> &'static str {
    match cooling {
        Cooling::Fadvise => "`posix_fadvise(DONTNEED)`",
        Cooling::DropCaches => "`/proc/sys/vm/drop_caches`",
    }
}

fn field(workload: Workload) -> Field {
    if workload == Workload::Buffered { contenders::buffered() } else { contenders::durable() }
}

fn borrowed(field: &Field) -> Vec<&dyn Contender> {
    field.iter().map(|contender| &**contender).collect()
}

fn check_names(names: &[String]) -> Result<()> {
    let field: Field = contenders::durable().into_iter().chain(contenders::replayed()).collect();
    for name in names {
        if !field.iter().any(|contender| contender.name() == name) {
            let all: Vec<_> = contenders::everyone().iter().map(|contender| contender.name()).collect();
            bail!("no contender `{name}`: there are {}", all.join("; "));
        }
    }
    Ok(())
}

fn chosen(arguments: &Arguments, mut field: Field) -> Field {
    if !arguments.contender.is_empty() {
        field.retain(|contender| arguments.contender.iter().any(|name| name == contender.name()));
    }
    field
}

/// The JSON lines.
struct Journal {
    file: Option<File>,
}

impl Journal {
    fn open(path: Option<&Path>) -> Result<Self> {
        let open = |path: &Path| {
            let file = File::options().create(true).append(true).open(path);
            file.with_context(|| format!("cannot write {}", path.display()))
        };
        Ok(Self { file: path.map(open).transpose()? })
    }

    fn note(&mut self, line: &impl Serialize) {
        if let Some(file) = &mut self.file {
            let text = serde_json::to_string(line).expect("numbers and names can be written as JSON");
            if let Err(error) = writeln!(file, "{text}") {
                eprintln!("speed: a JSON line was not written: {error}");
            }
        }
    }
}

#[derive(Serialize)]
struct AppendLine {
    workload: String,
    contender: &'static str,
    round: usize,
    per_second: f64,
    p50_us: Option<f64>,
    p99_us: Option<f64>,
    max_us: Option<f64>,
}

#[derive(Serialize)]
struct ReplayLine {
    workload: &'static str,
    contender: &'static str,
    round: usize,
    temperature: quorate_peers::speed::Temperature,
    #[serde(flatten)]
    replayed: quorate_peers::speed::Replayed,
}
