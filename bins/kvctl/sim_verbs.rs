//! `sim`: whole clusters in one thread on a virtual clock.
//!
//! A run asks nothing of the world, so seeds are run side by side, one a thread; what is printed does not depend on how
//! many.

mod files;
mod look;
mod refusal;
mod summary;

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use quorate_sim::plan::{Plan, PlanInvalid, RUN_MS_MAX, Shape};
use quorate_sim::run::{Report, run as run_plan, run_observed, silence_panics};
use quorate_sim::scenarios::{Scenario, all};
use quorate_sim::shrink::shrink;
use quorate_sim::sweep::Sweep;
use serde_json::json;

use crate::answer::{Answer, Screen};
use crate::cli::{Format, SimReplay, SimRun, SimShape, SimShrink, SimVerb};
use crate::exit::Exit;
use crate::table::{Side, Table};
use look::{Look, Unwritten};
use refusal::Refusal;

/// Reports of runs that ended badly that are printed whole.
const TOLD_MAX: usize = 3;

/// Does what `verb` asks for.
pub fn run(verb: &SimVerb, screen: &mut Screen<'_>) -> io::Result<Exit> {
    silence_panics();
    match verb {
        SimVerb::Run(args) => match Job::of(args) {
            Ok(job) => job.run(args, screen),
            Err(refusal) => screen.show(&refusal.answer()),
        },
        SimVerb::Replay(args) => replay(args, screen),
        SimVerb::Shrink(args) => shrink_one(args, screen),
        SimVerb::List => screen.show(&list()),
    }
}

/// What is to be run.
struct Job {
    /// What it is called in a command that runs it again.
    name: Option<String>,
    /// The variants of a scenario, with their names; none: random plans.
    plans: Vec<(String, Plan)>,
    seeds: std::ops::Range<u64>,
    shape: Shape,
}

impl Job {
    fn of(args: &SimRun) -> Result<Job, Refusal> {
        let plans = match &args.scenario {
            Some(name) => named(name, args.shape)?.variants(),
            None => Vec::new(),
        };
        let shape = shape_of(args.shape)?;
        let own = plans.first().map_or(1, |(_, plan)| plan.seed);
        let from = args.seed.or(args.from).unwrap_or(own);
        let to = from.checked_add(args.seeds.unwrap_or(1)).ok_or_else(|| {
            Refusal::new(format!("{} seeds from {from} on pass the last one", args.seeds.unwrap_or(1)))
                .try_this(format!("seeds below {}", u64::MAX))
        })?;
        let one = plans.len() < 2 && to - from == 1;
        if !one && (args.events.is_some() || args.history.is_some()) {
            return Err(Refusal::new("--events and --history are of one run, and these are several")
                .try_this("one --seed, and no scenario with a grid"));
        }
        Ok(Job { name: args.scenario.clone(), plans, seeds: from..to, shape })
    }

    /// All runs: the name of the variant, and the plan.
    fn plans(&self) -> impl Iterator<Item = (&str, Plan)> {
        let random =
            self.plans.is_empty().then(|| self.seeds.clone().map(|seed| ("", Plan::draw(seed, self.shape))));
        let named = self.plans.iter().flat_map(|(name, plan)| {
            self.seeds.clone().map(|seed| (name.as_str(), Plan { seed, ..plan.clone() }))
        });
        random.into_iter().flatten().chain(named)
    }

    fn run(&self, args: &SimRun, screen: &mut Screen<'_>) -> io::Result<Exit> {
        let begun = Instant::now();
        let (mut done, unwritten) = if self.plans.len() < 2 && self.seeds.end - self.seeds.start == 1 {
            match Outputs::make(args) {
                Ok(outputs) => self.run_one(outputs, screen)?,
                Err(refusal) => return screen.show(&refusal.answer()),
            }
        } else {
            (self.run_many(args.jobs, screen)?, Vec::new())
        };
        done.took = begun.elapsed();
        let name = self.name.as_deref();
        let again = self.again(done.reports.first().map(|report| report.seed));
        screen.show(&look::with_unwritten(summary::of(&done, name, again), &unwritten))
    }

    /// One run, before whoever looks on.
    fn run_one(&self, outputs: Outputs<'_>, screen: &mut Screen<'_>) -> io::Result<(Done, Vec<Unwritten>)> {
        let (_, plan) = self.plans().next().expect("one seed");
        let narrates = plan.is_scenario() && screen.format == Format::Table;
        let mut look = Look::new(&plan, narrates.then_some(&mut *screen.out));
        if let Some((path, file)) = outputs.events {
            look.write_events((path, BufWriter::new(file)), &plan);
        }
        if let Some((path, file)) = outputs.history {
            look.write_history((path, BufWriter::new(file)), &plan);
        }
        let report = run_observed(&plan, &mut look);
        let unwritten = look.finish(&report)?;
        let mut done = Done::default();
        done.take(String::new(), report);
        Ok((done, unwritten))
    }

    fn run_many(&self, jobs: Option<u64>, screen: &mut Screen<'_>) -> io::Result<Done> {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let jobs = jobs.map_or(cores, |jobs| jobs as usize);
        let plans = Mutex::new(self.plans());
        let total = self.seeds.clone().count() as u64 * self.plans.len().max(1) as u64;
        let finished = AtomicU64::new(0);
        let (told, reports) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..jobs {
                let (plans, told, finished) = (&plans, told.clone(), &finished);
                scope.spawn(move || {
                    loop {
                        let next = plans.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some((name, plan)) = next else { return };
                        let report = run_plan(&plan);
                        finished.fetch_add(1, Ordering::Relaxed);
                        if told.send((name.to_owned(), report)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(told);
            gather(&reports, (total, &finished), screen)
        })
    }

    /// The command that runs a seed again.
    fn again(&self, seed: Option<u64>) -> Option<String> {
        let seed = seed?;
        Some(if let Some(name) = &self.name {
            format!("kvctl sim run {name} --seed {seed}")
        } else {
            let nodes = self.shape.nodes.map_or(String::new(), |nodes| format!(" --nodes {nodes}"));
            format!("kvctl sim replay {seed} --until {}ms{nodes}", self.shape.run_ms)
        })
    }
}

/// The files that one run is written to.
struct Outputs<'a> {
    events: Option<(&'a Path, File)>,
    history: Option<(&'a Path, File)>,
}

impl Outputs<'_> {
    fn make(args: &SimRun) -> Result<Outputs<'_>, Refusal> {
        let wanted: Vec<(&str, &Path)> =
            [("--events", args.events.as_deref()), ("--history", args.history.as_deref())]
                .into_iter()
                .filter_map(|(flag, path)| Some((flag, path?)))
                .collect();
        let mut made = files::make(&wanted)?.into_iter();
        let events = args.events.as_deref().and_then(|path| Some((path, made.next()?)));
        let history = args.history.as_deref().and_then(|path| Some((path, made.next()?)));
        Ok(Outputs { events, history })
    }
}

/// What came of all runs.
#[derive(Default)]
struct Done {
    /// By variant.
    sweeps: Vec<(String, Sweep)>,
    /// The first that ended badly.
    reports: Vec<Report>,
    /// The hash of the last run's trace.
    hash: u64,
    took: Duration,
}

impl Done {
    fn take(&mut self, variant: String, report: Report) {
        let place = self.sweeps.iter().position(|(name, _)| *name == variant).unwrap_or_else(|| {
            self.sweeps.push((variant, Sweep::default()));
            self.sweeps.len() - 1
        });
        self.sweeps[place].1.add(&report);
        self.hash = report.trace.hash();
        if !report.is_well() {
            self.reports.push(report);
            self.reports.sort_by_key(|report| (std::cmp::Reverse(report.ending()), report.seed));
            self.reports.truncate(TOLD_MAX);
        }
    }
}

/// Takes the reports in as they come, and says every second how far it is.
fn gather(
    reports: &mpsc::Receiver<(String, Report)>,
    (total, finished): (u64, &AtomicU64),
    screen: &mut Screen<'_>,
) -> io::Result<Done> {
    let (mut done, begun, mut simulated) = (Done::default(), Instant::now(), Duration::ZERO);
    let mut next = Duration::from_secs(1);
    for (variant, report) in reports {
        simulated += report.simulated;
        done.take(variant, report);
        let took = begun.elapsed();
        if took >= next {
            next = took + Duration::from_secs(1);
            let (runs, seconds) = (finished.load(Ordering::Relaxed), took.as_secs_f64());
            let bad: usize =
                done.sweeps.iter().map(|(_, sweep)| sweep.bad.len() + sweep.undecided.len()).sum();
            writeln!(
                screen.err,
                "{runs} of {total} runs, {:.1}/s, {:.1} simulated hours, {:.0} simulated s/s, {bad} ended badly",
                runs as f64 / seconds,
                simulated.as_secs_f64() / 3_600.0,
                simulated.as_secs_f64() / seconds,
            )?;
        }
    }
    Ok(done)
}

/// How long random plans are, virtual time, if nothing is said.
const UNTIL: Duration = Duration::from_secs(20);

fn shape_of(shape: SimShape) -> Result<Shape, Refusal> {
    let run_ms = shape.until.unwrap_or(UNTIL).as_millis();
    match u64::try_from(run_ms) {
        Ok(run_ms) if (1..=RUN_MS_MAX).contains(&run_ms) => {
            Ok(Shape { run_ms, nodes: shape.nodes.map(|nodes| nodes as usize) })
        }
        _ => Err(Refusal::new(format!("--until is {run_ms} ms"))
            .try_this(format!("1ms to {}h; more seeds find more than longer runs", RUN_MS_MAX / 3_600_000))),
    }
}

/// A scenario, or the plan in a file, which have a shape of their own.
fn named(name: &str, shape: SimShape) -> Result<Plan, Refusal> {
    let given = [("--until", shape.until.is_some()), ("--nodes", shape.nodes.is_some())];
    if let Some((flag, _)) = given.into_iter().find(|(_, is_given)| *is_given) {
        return Err(Refusal::new(format!("{flag} is of random plans, and {name} is a plan of its own"))
            .try_this(format!(
                "without {flag}; or the plan in a file, with another `run_ms` or `cluster.nodes`"
            )));
    }
    let wrong = |error: PlanInvalid| {
        Refusal::new(format!("{name}: {error}")).try_this("docs/simulation.md says what a plan may hold")
    };
    match Scenario::named(name) {
        Some(scenario) => scenario.plan().map_err(wrong),
        None => Plan::parse(&files::plan_text(name)?).map_err(wrong),
    }
}

/// The plan of a seed, a scenario or a file.
fn plan_of(what: &str, shape: SimShape) -> Result<Plan, Refusal> {
    match what.parse() {
        Ok(seed) => Ok(Plan::draw(seed, shape_of(shape)?)),
        Err(_) => named(what, shape),
    }
}

fn replay(args: &SimReplay, screen: &mut Screen<'_>) -> io::Result<Exit> {
    let plan = match plan_of(&args.what, args.shape) {
        Ok(plan) => plan,
        Err(refusal) => return screen.show(&refusal.answer()),
    };
    let report = if args.trace {
        let mut trace = look::PrintTrace::new(&mut *screen.out);
        let report = run_observed(&plan, &mut trace);
        trace.finish()?;
        report
    } else {
        run_plan(&plan)
    };
    let mut done = Done::default();
    done.take(String::new(), report);
    screen.show(&summary::of(&done, Some(&args.what), None))
}

fn shrink_one(args: &SimShrink, screen: &mut Screen<'_>) -> io::Result<Exit> {
    let plan = match plan_of(&args.what, args.shape) {
        Ok(plan) => plan.with_loads_drawn(),
        Err(refusal) => return screen.show(&refusal.answer()),
    };
    let into: Vec<(&str, &Path)> = args.into.iter().map(|path| ("--into", path.as_path())).collect();
    let mut into = match files::make(&into) {
        Ok(made) => args.into.as_deref().zip(made.into_iter().next()),
        Err(refusal) => return screen.show(&refusal.answer()),
    };
    let first = run_plan(&plan);
    let Some(about) = first.violations.first().map(|violation| violation.about) else {
        drop(into.map(|(path, _)| std::fs::remove_file(path)));
        let nothing = Refusal::new(format!("{} breaks no promise: there is nothing to shrink", args.what))
            .state("it was run once, and nothing is written")
            .try_this("a seed that `kvctl sim run --seeds COUNT` prints as VIOLATED");
        return screen.show(&nothing.answer());
    };
    // It must stay the same kind of fault, or it would become another one on the way.
    let same = |plan: &Plan| run_plan(plan).violations.iter().any(|violation| violation.about == about);
    let shrunk = shrink(&plan, args.runs, same);
    let (before, after) = (plan.steps.len(), shrunk.plan.steps.len());
    let note = format!(
        "{about}: {before} steps became {after}, {} runs{}\n",
        shrunk.runs,
        if shrunk.gave_up { ", and more of them might make it smaller still: --runs" } else { "" }
    );
    let text = shrunk.plan.to_toml();
    let fields = json!({
        "verb": "sim shrink", "about": about, "steps_before": before, "steps_after": after,
        "runs": shrunk.runs, "gave_up": shrunk.gave_up, "plan": text,
    });
    let shown = match &mut into {
        Some((path, file)) => {
            if let Err(error) = file.write_all(text.as_bytes()) {
                let lost = Refusal::new(format!("--into {}: {error}", path.display()))
                    .state("it was shrunk, and the file is not whole")
                    .try_this("another file: its disk must have room");
                return screen.show(&lost.answer());
            }
            format!("the plan is in {0}; again: kvctl sim replay {0}\n", path.display())
        }
        None => text,
    };
    screen.show(&Answer::new(Exit::Ok, shown, fields).with_note(note))
}

fn list() -> Answer {
    let mut table = Table::new(&[("NAME", Side::Left), ("WHAT IT SHOWS", Side::Left)]);
    let mut rows = Vec::new();
    for scenario in all() {
        let plan = scenario.plan().expect("a test reads every file");
        table.row([scenario.name.to_owned(), plan.about.clone()]);
        let kind = if scenario.is_regression { "regression" } else { "scenario" };
        rows.push(json!({ "name": scenario.name, "kind": kind, "about": plan.about, "origin": plan.origin }));
    }
    let text = format!(
        "{}\nkvctl sim run NAME runs one; without a name: random faults from a seed\n",
        table.render()
    );
    Answer::new(Exit::Ok, text, json!({ "verb": "sim list", "scenarios": rows })).with_rows(rows)
}
