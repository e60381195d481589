//! `sim`: whole clusters in one thread on a virtual clock.
//!
//! A run asks nothing of the world, so seeds are run side by side, one a thread; what is printed does not depend on how
//! many.

mod look;
mod summary;

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use quorate_sim::plan::{Plan, Shape};
use quorate_sim::run::{Report, run as run_plan, run_observed, silence_panics};
use quorate_sim::scenarios::{Scenario, all};
use quorate_sim::shrink::shrink;
use quorate_sim::sweep::Sweep;
use serde_json::json;

use crate::answer::{Answer, Screen};
use crate::cli::{Format, SimReplay, SimRun, SimShape, SimShrink, SimVerb};
use crate::exit::Exit;
use crate::table::{Side, Table};
use look::Look;

/// Reports of runs that ended badly that are printed whole.
const TOLD_MAX: usize = 3;

/// Does what `verb` asks for.
pub fn run(verb: &SimVerb, screen: &mut Screen<'_>) -> io::Result<Exit> {
    silence_panics();
    match verb {
        SimVerb::Run(args) => match Job::of(args) {
            Ok(job) => job.run(args, screen),
            Err(why) => screen.show(&refused(&why)),
        },
        SimVerb::Replay(args) => replay(args, screen),
        SimVerb::Shrink(args) => shrink_one(args, screen),
        SimVerb::List => screen.show(&list()),
    }
}

fn refused(why: &str) -> Answer {
    let note =
        format!("error: {why}\n  state: nothing was run\n  try:   `kvctl sim list` shows the scenarios\n");
    Answer::new(Exit::Usage, "", json!({ "verb": "sim", "result": "refused", "error": why })).with_note(note)
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
    fn of(args: &SimRun) -> Result<Job, String> {
        let shape = shape_of(args.shape);
        let plans = match &args.scenario {
            Some(name) => named(name)?.variants(),
            None => Vec::new(),
        };
        let own = plans.first().map_or(1, |(_, plan)| plan.seed);
        let from = args.seed.or(args.from).unwrap_or(own);
        let to = from.checked_add(args.seeds.unwrap_or(1)).ok_or("there are no such seeds")?;
        let one = plans.len() < 2 && to - from == 1;
        if !one && (args.events.is_some() || args.history.is_some()) {
            return Err(
                "--events and --history are of one run: give one --seed, and no scenario with a grid".into(),
            );
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
        let mut done = if self.plans.len() < 2 && self.seeds.end - self.seeds.start == 1 {
            self.run_one(args, screen)?
        } else {
            self.run_many(args.jobs, screen)?
        };
        done.took = begun.elapsed();
        let name = self.name.as_deref();
        screen.show(&summary::of(&done, name, self.again(done.reports.first().map(|report| report.seed))))
    }

    /// One run, before whoever looks on.
    fn run_one(&self, args: &SimRun, screen: &mut Screen<'_>) -> io::Result<Done> {
        let (_, plan) = self.plans().next().expect("one seed");
        let narrates = plan.is_scenario() && screen.format == Format::Table;
        let mut look = Look::new(&plan, narrates.then_some(&mut *screen.out));
        if let Some(file) = &args.events {
            look.write_events(BufWriter::new(File::create(file)?), &plan);
        }
        if let Some(file) = &args.history {
            look.write_history(BufWriter::new(File::create(file)?), &plan)?;
        }
        let report = run_observed(&plan, &mut look);
        look.finish(&report)?;
        let mut done = Done::default();
        done.take(String::new(), report);
        Ok(done)
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

fn shape_of(shape: SimShape) -> Shape {
    Shape { run_ms: shape.until.as_millis() as u64, nodes: shape.nodes.map(|nodes| nodes as usize) }
}

/// A scenario, or the plan in a file.
fn named(name: &str) -> Result<Plan, String> {
    if let Some(scenario) = Scenario::named(name) {
        return scenario.plan().map_err(|error| format!("{name}: {error}"));
    }
    let text = std::fs::read_to_string(Path::new(name))
        .map_err(|error| format!("{name} is no scenario, and as a file: {error}"))?;
    Plan::parse(&text).map_err(|error| format!("{name}: {error}"))
}

/// The plan of a seed, a scenario or a file.
fn plan_of(what: &str, shape: SimShape) -> Result<Plan, String> {
    match what.parse() {
        Ok(seed) => Ok(Plan::draw(seed, shape_of(shape))),
        Err(_) => named(what),
    }
}

fn replay(args: &SimReplay, screen: &mut Screen<'_>) -> io::Result<Exit> {
    let plan = match plan_of(&args.what, args.shape) {
        Ok(plan) => plan,
        Err(why) => return screen.show(&refused(&why)),
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
        Err(why) => return screen.show(&refused(&why)),
    };
    let first = run_plan(&plan);
    let Some(about) = first.violations.first().map(|violation| violation.about) else {
        return screen
            .show(&refused(&format!("{} breaks no promise: there is nothing to shrink", args.what)));
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
    let shown = match &args.into {
        Some(file) => {
            std::fs::write(file, &text)?;
            format!("the plan is in {0}; again: kvctl sim replay {0}\n", file.display())
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
