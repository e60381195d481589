//! The shell of the demo: the verbs of a running cluster, and faults.

use std::io::{self, BufRead, IsTerminal};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use quorate_client::Options;
use quorate_types::NodeId;
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use tokio::runtime::Handle;

use crate::answer::Screen;
use crate::cli::{Format, Request};
use crate::demo::cluster::Cluster;
use crate::demo::words;
use crate::exit::Exit;
use crate::session::Session;
use crate::text::elapsed;
use crate::text::micros;
use crate::verbs::perform;

/// How long the others have to notice a fault.
const NOTICE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between two looks whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(20);

const HELP: &str =
    "  get KEY            put KEY VALUE [--ttl 30s]       del KEY...      scan [--prefix P] [--keys-only]
                     -r LEVEL and -w LEVEL: one, two, three, quorum, all, linearizable; --coordinator NODE; -o json
  explain KEY        where it lives, what each replica has
  status  nodes  ring  hints
  fault kill NODE    its threads stop, nothing is flushed, its sockets are reset
  fault restart NODE back from its disk
  fault pause NODE   it stands still with open sockets;  fault resume NODE
  help  quit
";

/// A line of the shell.
#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true, disable_help_subcommand = true)]
struct Line {
    #[command(subcommand)]
    command: Command,
    /// How the answer is written
    #[arg(short, long, global = true, value_enum)]
    output: Option<Format>,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Request(Request),
    /// Makes a node fail, or brings it back
    #[command(subcommand)]
    Fault(Fault),
    /// Shows what can be typed
    Help,
    /// Ends the cluster and the shell
    #[command(alias = "exit")]
    Quit,
}

#[derive(Subcommand)]
enum Fault {
    /// As SIGKILL
    Kill { node: String },
    /// Back from its disk
    Restart { node: String },
    /// As SIGSTOP
    Pause { node: String },
    /// As SIGCONT
    Resume { node: String },
}

/// How a node is wanted to be seen by the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Up,
    Down,
}

/// Runs lines until `quit` or the end of input.
pub fn run(
    cluster: &mut Cluster,
    session: &Session,
    runtime: &Handle,
    screen: &mut Screen<'_>,
) -> io::Result<Exit> {
    let mut lines = Lines::open()?;
    while let Some(line) = lines.next()? {
        if run_line(&line, cluster, (session, runtime), screen)? == Next::Quit {
            break;
        }
        screen.out.flush()?;
    }
    Ok(Exit::Ok)
}

#[derive(PartialEq, Eq)]
enum Next {
    Line,
    Quit,
}

fn run_line(
    line: &str,
    cluster: &mut Cluster,
    (session, runtime): (&Session, &Handle),
    screen: &mut Screen<'_>,
) -> io::Result<Next> {
    let words = match words::split(line) {
        Ok(words) if words.is_empty() || words[0].starts_with('#') => return Ok(Next::Line),
        Ok(words) => words,
        Err(why) => {
            writeln!(screen.err, "error: {why}")?;
            return Ok(Next::Line);
        }
    };
    let parsed = Line::try_parse_from(words);
    let format = parsed.as_ref().ok().and_then(|line| line.output).unwrap_or(screen.format);
    match parsed.map(|line| line.command) {
        Ok(Command::Quit) => return Ok(Next::Quit),
        Ok(Command::Help) => write!(screen.out, "{HELP}")?,
        Ok(Command::Request(request)) => {
            let mut screen = Screen { format, out: &mut *screen.out, err: &mut *screen.err };
            runtime.block_on(perform(session, &request, &mut screen))?;
        }
        Ok(Command::Fault(fault)) => match do_fault(&fault, cluster, session, runtime) {
            Ok(said) => writeln!(screen.out, "{said}")?,
            Err(why) => writeln!(screen.err, "error: {why}")?,
        },
        Err(error) => {
            let text = error.render().to_string();
            let said = text.split("\n\nUsage:").next().unwrap_or(&text).trim_end();
            writeln!(screen.err, "{said}\n  try:   help")?;
        }
    }
    Ok(Next::Line)
}

/// Does it, and waits until the other nodes have noticed.
fn do_fault(
    fault: &Fault,
    cluster: &mut Cluster,
    session: &Session,
    runtime: &Handle,
) -> Result<String, String> {
    let started = Instant::now();
    let (name, said, wanted) = match fault {
        Fault::Kill { node } => {
            cluster.kill(node)?;
            (node, "killed: nothing was flushed, its sockets were reset".to_owned(), Wanted::Down)
        }
        Fault::Restart { node } => {
            let took = cluster.restart(node)?;
            (node, format!("back from its disk in {}ms", took.as_millis()), Wanted::Up)
        }
        Fault::Pause { node } => {
            cluster.pause(node)?;
            (node, "stands still, its sockets are open".to_owned(), Wanted::Down)
        }
        Fault::Resume { node } => {
            cluster.resume(node)?;
            (node, "goes on".to_owned(), Wanted::Up)
        }
    };
    let noticed = runtime.block_on(seen_as(session, name, wanted, NOTICE_TIMEOUT));
    let word = if wanted == Wanted::Up { "up" } else { "down" };
    Ok(match noticed {
        Some(()) => {
            format!("{name} {said}; the others see it {word} after {}", elapsed(micros(started.elapsed())))
        }
        None => format!("{name} {said}; the others have not noticed yet"),
    })
}

/// Waits until all other nodes that answer see `name` as `wanted`, and it answers itself if wanted up.
pub async fn seen_as(session: &Session, name: &str, wanted: Wanted, within: Duration) -> Option<()> {
    let give_up = Instant::now() + within;
    while !is_seen_as(session, NodeId::of_name(name), wanted).await {
        if Instant::now() > give_up {
            return None;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Some(())
}

async fn is_seen_as(session: &Session, node: NodeId, wanted: Wanted) -> bool {
    let mut witnesses = 0;
    for (number, _) in session.client.nodes() {
        let Some(number) = number else { continue };
        if number == node && wanted == Wanted::Down {
            continue;
        }
        let options = Options::default().coordinator(number).deadline(LOOK_EVERY * 10).without_retries();
        match session.client.status(&options).await {
            Ok(_) if number == node => {}
            Ok(reply) => {
                let peer = reply.value.peers.into_iter().find(|peer| peer.node == node);
                if peer.is_some_and(|peer| peer.alive != (wanted == Wanted::Up)) {
                    return false;
                }
                witnesses += 1;
            }
            Err(_) if number == node => return false,
            // Another node that is dead or paused has no say.
            Err(_) => {}
        }
    }
    witnesses > 0 || session.client.nodes().len() == 1
}

/// Where lines come from.
enum Lines {
    /// A person.
    Terminal(Box<DefaultEditor>),
    /// A file or a pipe: no prompt, no echo.
    Input(io::Lines<io::StdinLock<'static>>),
}

impl Lines {
    /// A person's, if standard input is a terminal.
    fn open() -> io::Result<Lines> {
        if !io::stdin().is_terminal() {
            return Ok(Lines::Input(io::stdin().lock().lines()));
        }
        let editor = DefaultEditor::new().map_err(io::Error::other)?;
        Ok(Lines::Terminal(Box::new(editor)))
    }

    fn next(&mut self) -> io::Result<Option<String>> {
        let editor = match self {
            Lines::Input(lines) => return lines.next().transpose(),
            Lines::Terminal(editor) => editor,
        };
        match editor.readline("demo> ") {
            Ok(line) => {
                // History is a convenience.
                let _ = editor.add_history_entry(&line);
                Ok(Some(line))
            }
            Err(ReadlineError::Interrupted) => {
                eprintln!("`quit` or Ctrl-D ends the demo");
                Ok(Some(String::new()))
            }
            Err(ReadlineError::Eof) => Ok(None),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_shell_takes_the_verbs_of_the_command_line_and_faults() {
        Line::command().debug_assert();
        let parse = |line: &str| Line::try_parse_from(words::split(line).unwrap()).map(|line| line.command);
        assert!(
            matches!(parse("put hello 'big world' -w all"), Ok(Command::Request(Request::Put(put))) if put.value == "big world")
        );
        assert!(matches!(parse("fault kill n3"), Ok(Command::Fault(Fault::Kill { node })) if node == "n3"));
        assert!(matches!(parse("exit"), Ok(Command::Quit)));
        assert!(parse("fault explode n3").is_err());
    }
}
