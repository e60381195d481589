//! What came of a run.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::Run;
use crate::check;
use crate::kernel::Trace;
use crate::plan::{Act, Fault, Plan};
use quorate_transport::memory::NetworkStatistics;

/// Plans of at most so many steps are shown whole.
const STEPS_SHOWN: usize = 60;
/// Of the last events, so many are shown.
const LAST_SHOWN: usize = 20;

/// How often everything happened, by name.
pub type Tally = BTreeMap<&'static str, u64>;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant that does not hold, or the run's own demands.
    pub about: &'static str,
    /// The key that it concerns; `None`: the cluster.
    pub key: Option<String>,
    /// What is wrong.
    pub what: String,
}

/// How a run ended, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// Every promise was kept.
    Well,
    /// No promise was broken as far as it was judged, but not everything could be decided.
    Undecided,
    /// A promise was broken.
    Violated,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What was wrong; nothing, if all is well.
    pub violations: Vec<Violation>,
    /// What the checker could not decide, and why: a run that ends so has not ended well.
    pub undecided: Vec<String>,
    /// How often everything happened.
    pub tally: Tally,
    /// Answers to clients, by kind.
    pub operations: Tally,
    /// What became of the frames.
    pub network: NetworkStatistics,
    /// Virtual time from the start to the end.
    pub simulated: Duration,
    /// What happened, as a hash.
    pub trace: Trace,
    /// What the checker said; `None`: the run did not come so far.
    pub checked: Option<check::Report>,
    /// The violations in words, with the faults and the history of the first key; empty if all is well.
    pub text: String,
}

impl Report {
    pub(super) fn of(run: Run<'_>) -> Report {
        let undecided = run.checked.as_ref().map(undecided).unwrap_or_default();
        let is_well = run.wrong.is_empty() && undecided.is_empty();
        let text = if is_well { String::new() } else { describe(&run, &undecided) };
        Report {
            seed: run.plan.seed,
            undecided,
            operations: operations(&run),
            network: run.cluster.network_statistics(),
            simulated: run.cluster.now().mono.since(quorate_types::Mono(0)),
            trace: run.cluster.trace().clone(),
            violations: run.wrong,
            checked: run.checked,
            tally: run.tally,
            text,
        }
    }

    /// The cluster did not even come up.
    pub(super) fn of_panic(plan: &Plan, panic: &(dyn Any + Send)) -> Report {
        let what = format!("panicked while the cluster came up: {}", words_of(panic));
        Report {
            seed: plan.seed,
            operations: Tally::new(),
            network: NetworkStatistics::default(),
            simulated: Duration::ZERO,
            trace: Trace::default(),
            checked: None,
            text: format!("seed {}: {what}\n", plan.seed),
            violations: vec![Violation { about: "the run", key: None, what }],
            undecided: Vec::new(),
            tally: Tally::new(),
        }
    }

    /// How it ended.
    pub fn ending(&self) -> Ending {
        match (self.violations.is_empty(), self.undecided.is_empty()) {
            (false, _) => Ending::Violated,
            (true, false) => Ending::Undecided,
            (true, true) => Ending::Well,
        }
    }

    /// Whether all is well: nothing is wrong, and everything could be decided.
    pub fn is_well(&self) -> bool {
        self.ending() == Ending::Well
    }
}

/// What a panic said.
pub(super) fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "something that is no text".to_owned())
}

/// The invariants that were left undecided, each with the reasons.
fn undecided(checked: &check::Report) -> Vec<String> {
    let open = checked.verdicts.iter().filter(|verdict| verdict.ruling == check::Ruling::Undecided);
    open.map(|verdict| format!("{}: {}", verdict.invariant.name(), verdict.notes.join("; "))).collect()
}

fn describe(run: &Run<'_>, undecided: &[String]) -> String {
    let seed = run.plan.seed;
    let mut text = format!("seed {seed}: {} violations\n", run.wrong.len());
    for Violation { about, key, what } in run.wrong.iter().take(8) {
        let key = key.as_deref().unwrap_or("the cluster");
        let _ = writeln!(text, "- {about}, {key}: {what}");
    }
    for what in undecided {
        let _ = writeln!(text, "- undecided, {what}");
    }
    tell_plan(&run.plan, &mut text);
    let history = run.recorder.history();
    let ruled = run.checked.as_ref().filter(|checked| checked.ruling() == check::Ruling::Violated);
    if let Some(checked) = ruled {
        let _ = writeln!(text, "{}", checked.text(history));
    } else if let Some(key) = run.wrong.iter().find_map(|violation| violation.key.as_ref())
        && let Some(table) = check::key_table(history, key)
    {
        let _ = writeln!(text, "the history of {key}:\n{table}");
    }
    let shown = run.last.len().saturating_sub(LAST_SHOWN);
    let _ = writeln!(
        text,
        "the last events before the first violation was noticed, or before the restarts at the end:"
    );
    for happening in &run.last[shown..] {
        let _ = writeln!(text, "{}", happening.since(run.begin));
    }
    text
}

/// The plan as a file that runs it again, if it is short; else its cluster and its faults.
fn tell_plan(plan: &Plan, text: &mut String) {
    if plan.steps.len() <= STEPS_SHOWN {
        let _ = writeln!(text, "the plan:\n{}", plan.to_toml());
        return;
    }
    let cluster = Plan { steps: Vec::new(), ..plan.clone() };
    let _ = writeln!(text, "the plan, without its requests and checkpoints:\n{}", cluster.to_toml());
    for (at_ms, fault) in plan.faults().filter(|(_, fault)| !matches!(fault, Fault::Checkpoint { .. })) {
        let _ = writeln!(text, "{at_ms:>10} ms  {}", fault.to_toml());
    }
    let requests = plan.steps.iter().filter(|step| matches!(step.act, Act::Ask(_))).count();
    let _ = writeln!(text, "{requests} requests; `kvctl sim shrink` makes a file of what matters");
}

fn operations(run: &Run<'_>) -> Tally {
    let mut tally = Tally::new();
    for outcome in (0..run.recorder.ops().len()).filter_map(|op| run.recorder.outcome(op)) {
        *tally.entry(outcome.kind()).or_default() += 1;
    }
    tally
}

#[cfg(test)]
mod tests {
    use crate::plan::{Plan, Shape};
    use crate::run::run;

    const WRONG: &str = r#"
about = "a missing key is found"
seed = 1
run_ms = 400
[[step]]
at_ms = 10
do = { fault = { kill = { node = 3, back = { after_ms = 50 } } } }
[[step]]
at_ms = 100
do = { ask = { id = 1, by = 1, key = "k", level = "QUORUM", what = "get", expect = "written" } }
"#;

    /// The times of the last events that a text shows, milliseconds.
    fn times(text: &str) -> Vec<f64> {
        let lines = text.lines().skip_while(|line| !line.starts_with("the last events")).skip(1);
        lines.filter_map(|line| line.split_once(" ms  n")?.0.trim().parse().ok()).collect()
    }

    #[test]
    fn a_violation_shows_the_plan_as_a_file_and_the_events_around_it_at_the_plans_times() {
        let plan = Plan::parse(WRONG).unwrap();
        let text = run(&plan).text;
        assert!(!text.contains("ClusterSpec"), "{text}");
        let file = text.split_once("the plan:\n").unwrap().1;
        let file = file.split_once("\nthe history of").map_or(file, |(file, _)| file);
        assert_eq!(Plan::parse(file).unwrap(), plan);
        let times = times(&text);
        assert_eq!(times.len(), 20, "{text}");
        assert!((100.0..102.0).contains(times.last().unwrap()), "{times:?}");
    }

    #[test]
    fn of_a_long_plan_the_cluster_and_the_faults_are_shown_and_how_to_make_it_small() {
        let mut plan = Plan::draw(3, Shape { run_ms: 3_000, ..Shape::default() });
        plan.steps.extend(Plan::parse(WRONG).unwrap().steps);
        plan.steps.sort_by_key(|step| step.at_ms);
        plan.steps.retain_mut(|step| match &mut step.act {
            super::Act::Ask(ask) if ask.expect.is_none() => ask.id != 1,
            _ => true,
        });
        let text = run(&plan).text;
        assert!(text.contains("        10 ms  { kill = { back = {"), "{text}");
        assert!(text.contains("`kvctl sim shrink` makes a file of what matters"), "{text}");
    }
}
