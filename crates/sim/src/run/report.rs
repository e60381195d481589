//! What came of a run.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use quorate_transport::memory::NetworkStatistics;
use quorate_types::{ReadOutcome, WriteOutcome};
use quorate_wire::ResponseBody;

use super::Run;
use super::record::{History, Key};
use crate::kernel::Trace;
use crate::plan::{Fault, Plan};

/// How often everything happened, by name.
pub type Tally = BTreeMap<&'static str, u64>;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The key that it concerns; `None`: the cluster.
    pub key: Option<Key>,
    /// What is wrong.
    pub what: String,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What was wrong; nothing, if all is well.
    pub violations: Vec<Violation>,
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
    /// The violations in words, with the faults and the history of the first key; empty if all is well.
    pub text: String,
}

impl Report {
    pub(super) fn of(run: Run) -> Report {
        let text = if run.wrong.is_empty() { String::new() } else { describe(&run) };
        Report {
            seed: run.plan.seed,
            operations: operations(&run.history),
            network: run.cluster.network_statistics(),
            simulated: run.cluster.now().mono.since(quorate_types::Mono(0)),
            trace: run.cluster.trace().clone(),
            violations: run.wrong,
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
            text: format!("seed {}: {what}\n", plan.seed),
            violations: vec![Violation { key: None, what }],
            tally: Tally::new(),
        }
    }

    /// Whether all is well.
    pub fn is_well(&self) -> bool {
        self.violations.is_empty()
    }
}

/// What a panic said.
pub(super) fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "something that is no text".to_owned())
}

fn describe(run: &Run) -> String {
    let seed = run.plan.seed;
    let mut text = format!("seed {seed}: {} violations, of {:?}\n", run.wrong.len(), run.plan.cluster);
    for Violation { key, what } in run.wrong.iter().take(5) {
        let key = key.as_ref().map_or_else(|| "the cluster".to_owned(), Key::to_string);
        let _ = writeln!(text, "- {key}: {what}");
    }
    for (at_ms, fault) in run.plan.faults().filter(|(_, fault)| !matches!(fault, Fault::Checkpoint { .. })) {
        let _ = writeln!(text, "{:>10} ms {fault:?}", run.begin.0 / 1_000_000 + at_ms);
    }
    if let Some(key) = run.wrong.iter().find_map(|violation| violation.key.as_ref()) {
        let replicas = run.cluster.replicas_in(key.space, key.name.as_bytes());
        let _ = writeln!(text, "the history of {key} (replicas {replicas:?}):\n{}", run.history.table(key));
    }
    let _ = writeln!(text, "the last events:");
    for happening in run.cluster.trace().last().skip(44) {
        let _ = writeln!(text, "{happening}");
    }
    text
}

fn operations(history: &History) -> Tally {
    let mut tally = Tally::new();
    let attempts = history.ops.iter().flat_map(|op| &op.attempts);
    for (_, response) in attempts.flat_map(|attempt| &attempt.answers) {
        *tally.entry(outcome(&response.body)).or_default() += 1;
    }
    tally
}

fn outcome(body: &ResponseBody) -> &'static str {
    match body {
        ResponseBody::Write(WriteOutcome::Written { .. }) => "written",
        ResponseBody::Write(WriteOutcome::Unavailable { .. }) => "write: unavailable",
        ResponseBody::Write(WriteOutcome::Indeterminate { .. }) => "indeterminate",
        ResponseBody::Write(WriteOutcome::Rejected { .. }) => "rejected",
        ResponseBody::Read(ReadOutcome::Found { .. }) => "found",
        ResponseBody::Read(ReadOutcome::Deleted { .. }) => "deleted",
        ResponseBody::Read(ReadOutcome::NotFound { .. }) => "not found",
        ResponseBody::Read(ReadOutcome::Unavailable { .. }) => "read: unavailable",
        ResponseBody::Read(ReadOutcome::TimedOut { .. }) => "timed out",
        ResponseBody::Refused(_) => "refused",
        _ => "other",
    }
}
