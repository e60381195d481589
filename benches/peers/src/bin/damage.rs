//! What damage does to each log: `damage --help`.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use quorate_peers::contender::Contender;
use quorate_peers::contenders;
use quorate_peers::damage::{
    CASES, Column, FlipPlan, Outcome, PAYLOAD_BYTES, RECORDS, Specimen, Workshop, append_under_fault, flip,
    flips_table, inject, keep_panics_of_probes_quiet, matrix_table,
};

/// Damages the files of each log in thirteen ways, opens it again, and prints as Markdown what became of the records
/// that were acknowledged; then lets one sync fail, and flips single bits at random.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Work in a folder below this one, removed afterwards [default: the system's folder for temporary files]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Only this contender; may be given more than once [default: all]
    #[arg(long, value_name = "NAME")]
    contender: Vec<String>,
    /// Random single-bit flips per contender; 0: none
    #[arg(long, default_value_t = 20_000)]
    flips: u64,
    /// Seconds that the flips of one contender may take; the table says how many that were
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    flip_seconds: u64,
    /// Of the random flips
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Few flips: to see that everything works
    #[arg(long)]
    quick: bool,
    /// Also print what each log said
    #[arg(long)]
    messages: bool,
    /// Append to the log of this contender in `--dir`, and report on each append: the child of the failing sync
    #[arg(long, hide = true, value_name = "NAME", requires = "dir")]
    append: Option<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("damage: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let dir = arguments.dir.clone().unwrap_or_else(std::env::temp_dir);
    if let Some(name) = &arguments.append {
        let contender = contenders::named(name).with_context(|| format!("no contender `{name}`"))?;
        return append_under_fault(contender, dir);
    }
    keep_panics_of_probes_quiet();
    let workshop = Workshop::in_dir(&dir)?;
    println!(
        "{RECORDS} records of {PAYLOAD_BYTES} bytes, each acknowledged as durable; one damage; opened again.\n"
    );
    let mut columns = Vec::new();
    for contender in chosen(arguments)? {
        let name = contender.name();
        eprintln!("{name} ...");
        columns.push(column(contender, arguments, &workshop).context(name)?);
    }
    println!("{}\n{}", matrix_table(&columns), flips_table(&columns));
    Ok(())
}

fn chosen(arguments: &Arguments) -> Result<Vec<Arc<dyn Contender>>> {
    let mut field: Vec<Arc<dyn Contender>> = contenders::damaged().into_iter().map(Arc::from).collect();
    let names: Vec<_> = field.iter().map(|contender| contender.name()).collect();
    if let Some(unknown) = arguments.contender.iter().find(|name| !names.contains(&name.as_str())) {
        bail!("no contender `{unknown}`: there are {}", names.join("; "));
    }
    if !arguments.contender.is_empty() {
        field.retain(|contender| arguments.contender.iter().any(|name| name == contender.name()));
    }
    Ok(field)
}

fn column(contender: Arc<dyn Contender>, arguments: &Arguments, workshop: &Workshop) -> Result<Column> {
    let name = contender.name().to_owned();
    let specimen = Specimen::of(contender, workshop)?;
    let mut cells = Vec::new();
    for case in &CASES {
        let (outcome, hit) = specimen.suffer(case.damage, workshop)?;
        if arguments.messages
            && let Outcome::Stop { message } | Outcome::Panicked { message } = &outcome
        {
            println!("{name}: {}: {message}", case.label);
        }
        cells.push(outcome.cell(hit, &specimen.layout().span(hit.first)));
    }
    let fault = inject(&child(&name, &workshop.folder()?)?)?;
    let plan = FlipPlan {
        flips: if arguments.quick { arguments.flips.min(200) } else { arguments.flips },
        time_max: Duration::from_secs(arguments.flip_seconds),
        seed: arguments.seed,
    };
    let flips = if plan.flips == 0 { None } else { Some(flip(&specimen, plan, workshop)?) };
    Ok(Column { name, cells, fault: Some(fault), flips })
}

/// This program, told to append.
fn child(name: &str, dir: &Path) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--append").arg(name).arg("--dir").arg(dir);
    Ok(command)
}
