//! `bench`: measures a cluster under load.

mod draw;
mod events;
mod load;
mod mixed;
mod pace;
mod record;
mod report;
mod tally;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_client::{Client, ClientConfig, Options};
use quorate_server::config::Config;
use tokio::task::JoinSet;

use crate::answer::{Answer, Screen};
use crate::bench::events::Events;
use crate::bench::load::{Lane, Plan, Work};
use crate::bench::pace::Pace;
use crate::bench::record::{Recorder, UNIQUE_BYTES};
use crate::bench::report::{ReadBack, Run, cpu_time};
use crate::bench::tally::Tally;
use crate::cli::{Bench, Global, Preset};
use crate::config_verbs::refused;
use crate::endpoints::{self, Endpoints};
use crate::exit::Exit;
use crate::session::Session;
use crate::text::count;
use crate::verbs::runtime;

/// Time between two progress lines.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// Longest time for which what was written is read back.
const READ_BACK_MAX: Duration = Duration::from_mins(1);

/// Runs the bench and prints its report.
pub fn run(args: &Bench, global: &Global, here: &Path, screen: &mut Screen<'_>) -> io::Result<Exit> {
    let found = match endpoints::find(global, here) {
        Ok(found) => found,
        Err(error) => return screen.show(&refused(&error)),
    };
    // What clients are not told of the keyspace stands in the configuration, if the nodes were found by one.
    let config = found.cluster.is_some().then(|| endpoints::config_file(global, here)).flatten();
    let config = config.and_then(|file| Config::load(&file).ok());
    let progress = Progress { shown: io::stderr().is_terminal(), err: screen.err };
    let bench = Setting { args, global, config };
    let measured = runtime()?.block_on(measure(&bench, found, progress));
    match measured {
        Ok(run) => screen.show(&report::told(args, &run)),
        Err(answer) => screen.show(&answer),
    }
}

/// The line that says how far it is.
struct Progress<'a> {
    shown: bool,
    err: &'a mut dyn Write,
}

impl Progress<'_> {
    fn line(&mut self, what: &str, elapsed: Duration, tally: &Tally) {
        if self.shown {
            let ops = tally.ops();
            let rate = ops as f64 / elapsed.as_secs_f64().max(0.001);
            let (p50, p99) = (tally.quantile_us(0.5), tally.quantile_us(0.99));
            // A terminal that goes away is no reason to stop measuring.
            let _ = write!(
                self.err,
                "\r[{:>3}s] {what}  {} ops  {:.1} k/s  p50 {:.2} ms  p99 {:.2} ms  failed {}    ",
                elapsed.as_secs(),
                count(ops),
                rate / 1e3,
                p50 as f64 / 1e3,
                p99 as f64 / 1e3,
                count(tally.failed())
            );
            let _ = self.err.flush();
        }
    }

    fn end(&mut self) {
        if self.shown {
            let _ = writeln!(self.err);
        }
    }
}

/// What a bench was told.
struct Setting<'a> {
    args: &'a Bench,
    global: &'a Global,
    config: Option<Config>,
}

async fn measure(setting: &Setting<'_>, found: Endpoints, mut progress: Progress<'_>) -> Result<Run, Answer> {
    let Setting { args, global, .. } = setting;
    let first = Session::open(found.clone(), global.timeout).await?;
    let recorder = recorder(setting, &first)?;
    let lanes = lanes(args, global, (first, found)).await?;
    let recorder = recorder.map(Arc::new);
    let input = || io::BufReader::new(io::stdin());
    let events = recorder.as_ref().filter(|_| args.events).map(|recorder| Events::read(recorder, input()));
    let plan = Arc::new(Plan::new(args, recorder, events));
    if !args.no_load && !matches!(args.preset, Preset::Write | Preset::Mixed) {
        let work = Work::Load { keys: args.keys };
        let (tally, ..) = drive(&lanes, &plan, work, ("loading", None), &mut progress).await;
        progress.end();
        if tally.failed() > 0 {
            return Err(report::load_failed(&tally));
        }
    }
    let pace = args.rate.map(Pace::start);
    let work = Work::Preset { preset: args.preset, pace: pace.clone() };
    let cpu = cpu_time();
    let (tally, elapsed) = drive(&lanes, &plan, work, ("running", Some(args.duration)), &mut progress).await;
    progress.end();
    if let Some(pace) = pace {
        pace.end();
    }
    let workers = lanes.iter().map(|lane| lane.workers).sum();
    let cpu = cpu_time().zip(cpu).map(|(after, before)| after.saturating_sub(before));
    let read_back = read_back(args, &lanes, &plan, &mut progress).await;
    let history = plan.recorder().map(Recorder::finish).transpose();
    if let Some(why) = plan.events().and_then(Events::wrong) {
        return Err(report::not_an_event(&why));
    }
    let history = history.map_err(|error| report::not_recorded(args, &error))?;
    Ok(Run { tally, elapsed, cpu, clients: lanes.len(), workers, history, read_back })
}

/// Reads all that was written once more, so that the history says what became of it; `None`: there is no history.
async fn read_back(
    args: &Bench,
    lanes: &[Lane],
    plan: &Arc<Plan>,
    progress: &mut Progress<'_>,
) -> Option<ReadBack> {
    plan.recorder()?;
    if args.events {
        return Some(ReadBack::LeftOut);
    }
    let keys = plan.written();
    let all = keys.len() as u64;
    let work = Work::ReadBack { keys };
    let (tally, _) = drive(lanes, plan, work, ("reading back", Some(READ_BACK_MAX)), progress).await;
    progress.end();
    let why = tally.last_failure().map(str::to_owned);
    Some(ReadBack::Done { keys: all, unread: all - tally.ops(), why })
}

/// What records the run, if that is asked for.
fn recorder(setting: &Setting<'_>, session: &Session) -> Result<Option<Recorder>, Answer> {
    let Setting { args, config, .. } = setting;
    let Some(file) = &args.history else { return Ok(None) };
    if (args.value_size as usize) < UNIQUE_BYTES {
        return Err(report::too_small(UNIQUE_BYTES));
    }
    let header = session.view.as_ref().and_then(|view| record::header(args, view, config.as_ref()));
    let Some((header, levels)) = header else { return Err(report::no_ring()) };
    Recorder::create(file, &header, levels).map(Some).map_err(|error| report::not_recorded(args, &error))
}

/// As many clients as it takes for the connections, each with one to each node; or, if there are fewer connections
/// than nodes, one client for each, which asks one node only.
async fn lanes(
    args: &Bench,
    global: &Global,
    (first, found): (Session, Endpoints),
) -> Result<Vec<Lane>, Answer> {
    let options = |level| first.options(&args.manner, level);
    let (read, write) = (options(args.manner.read_level())?, options(args.manner.write_level())?);
    let nodes = first.client.nodes();
    let connections = args.connections as usize;
    let mut lanes = Vec::new();
    let clients = if connections < nodes.len() { connections } else { connections / nodes.len() };
    for at in 0..clients {
        let client = client(&found, global, args).await?;
        let node = nodes[at % nodes.len()].0.filter(|_| connections < nodes.len());
        let pinned = |options: &Options| {
            node.map_or_else(|| options.clone(), |node| options.clone().coordinator(node))
        };
        let width = if node.is_some() { 1 } else { nodes.len() };
        let workers = args.in_flight as usize * width;
        lanes.push(Lane { client, read: pinned(&read), write: pinned(&write), workers });
    }
    Ok(lanes)
}

async fn client(found: &Endpoints, global: &Global, args: &Bench) -> Result<Client, Answer> {
    let mut config = ClientConfig::new(found.addrs.clone());
    config.cluster.clone_from(&found.cluster);
    config.deadline = global.timeout;
    config.in_flight_max = (args.in_flight as usize * 4).max(64);
    let asked = crate::failure::Asked { verb: "bench", key: None, level: None };
    let names = crate::text::Names::default();
    Client::connect(config).await.map_err(|error| crate::failure::answer(asked, &error, &names, &Vec::new()))
}

/// Lets all workers of all lanes work until they are done, the time is over or somebody interrupts.
async fn drive(
    lanes: &[Lane],
    plan: &Arc<Plan>,
    work: Work,
    (what, duration): (&str, Option<Duration>),
    progress: &mut Progress<'_>,
) -> (Tally, Duration) {
    let work = Arc::new(work);
    let shared = Arc::new(load::Shared::new());
    let started = Instant::now();
    let mut workers = JoinSet::new();
    let all: usize = lanes.iter().map(|lane| lane.workers).sum();
    let mut number = 0;
    for lane in lanes {
        for _ in 0..lane.workers {
            let worker = load::Worker::new(lane, plan, &shared, (number, all));
            workers.spawn(worker.run(Arc::clone(&work)));
            number += 1;
        }
    }
    let end = tokio::time::Instant::now() + duration.unwrap_or(Duration::from_hours(24));
    let mut ticks = tokio::time::interval(PROGRESS_EVERY);
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(end) => shared.stop(),
            () = events_over(plan) => shared.stop(),
            _ = tokio::signal::ctrl_c() => shared.stop(),
            _ = ticks.tick() => {
                progress.line(what, started.elapsed(), &shared.tally());
                if plan.recorder().is_some_and(Recorder::has_failed) {
                    shared.stop();
                }
            }
            done = workers.join_next() => if done.is_none() { break },
        }
        if shared.is_stopped() {
            break;
        }
    }
    // What is under way when the time is over does not count, nor does the wait for it.
    let elapsed = started.elapsed();
    let tally = shared.take();
    workers.shutdown().await;
    (tally, elapsed)
}

/// Returns when what is told of the nodes is over; never, if nothing is told.
async fn events_over(plan: &Plan) {
    match plan.events() {
        Some(events) => events.over().await,
        None => std::future::pending().await,
    }
}
