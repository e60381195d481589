//! `kvctl`: talks to a Quorate cluster, runs one to try, measures it, looks into its files.

mod answer;
mod bench;
mod check;
mod cli;
mod config_verbs;
mod data;
mod demo;
mod endpoints;
mod exit;
mod explain;
mod failure;
mod nodes;
mod overview;
mod scan;
mod session;
mod sim_verbs;
mod status;
mod table;
mod text;
mod verbs;
mod wal_verbs;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::answer::Screen;
use crate::cli::{Cli, Verb};
use crate::exit::Exit;

fn main() -> ExitCode {
    let cli = Cli::of(std::env::args_os()).unwrap_or_else(|refused| refused.exit());
    let (mut out, mut err) = (io::BufWriter::new(io::stdout().lock()), io::stderr().lock());
    let mut screen = Screen { format: cli.global.output, out: &mut out, err: &mut err };
    let ended = run(&cli, &mut screen);
    let ended = ended.and_then(|exit| screen.out.flush().map(|()| exit));
    match ended {
        Ok(exit) => exit.into(),
        // Whoever read our output has gone: `kvctl scan | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok.into(),
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            Exit::Bug.into()
        }
    }
}

fn run(cli: &Cli, screen: &mut Screen<'_>) -> io::Result<Exit> {
    let here = Path::new("");
    match &cli.verb {
        Verb::Completions { shell } => {
            clap_complete::generate(*shell, &mut cli::grammar(), "kvctl", &mut screen.out);
            Ok(Exit::Ok)
        }
        Verb::Config(verb) => screen.show(&config_verbs::run(verb, &cli.global, here)),
        Verb::Wal(verb) => wal_verbs::run(verb, screen),
        Verb::Sim(verb) => sim_verbs::run(verb, screen),
        Verb::Demo(args) => demo::run(args, &cli.global, screen),
        Verb::Check(args) => screen.show(&check::run(args)),
        Verb::Bench(args) => bench::run(args, &cli.global, here, screen),
        Verb::Request(request) => verbs::run(request, &cli.global, here, screen),
    }
}
