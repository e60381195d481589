//! Carries a plan out: faults, clients, and then peace, until everything has converged or a large bound is hit; and
//! says what was wrong.
//!
//! A failing `assert!` of the code under test is a violation like any other: it is caught and reported with its plan.

mod clients;
mod faults;
mod judge;
mod peace;
mod points;
mod record;
mod report;
mod watch;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use quorate_types::Mono;
use quorate_wire::Request;

use crate::cluster::Cluster;
use crate::plan::{Act, Plan, Return};
use record::{History, Key};
pub use report::{Report, Tally, Violation};
use watch::Watch;

/// A run under way.
struct Run {
    plan: Plan,
    cluster: Cluster,
    history: History,
    watch: Watch,
    tally: Tally,
    wrong: Vec<Violation>,
    begin: Mono,
    /// Nothing fails any more.
    peace: bool,
    /// When each replica comes back, by its number.
    back: Vec<Option<(Mono, Return)>>,
    /// How those come back whose power or disk is about to fail.
    pending: BTreeMap<usize, Return>,
    /// What is over when.
    ends: Vec<(Mono, faults::End)>,
    op_of_ask: BTreeMap<u64, usize>,
    numbers: u64,
    /// Requests as sent, by ask, for duplicates.
    requests: BTreeMap<u64, Sent>,
    /// Through whom an operation is tried again.
    retries: BTreeMap<usize, usize>,
}

/// A request that was sent.
#[derive(Clone, Debug)]
struct Sent {
    by: usize,
    life: u64,
    session: u64,
    request: Request,
}

/// Runs a plan to its end.
pub fn run(plan: &Plan) -> Report {
    let mut run = match catch_unwind(|| Run::new(plan.clone())) {
        Ok(run) => run,
        Err(panic) => return Report::of_panic(plan, &*panic),
    };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run.go())) {
        run.wrong.push(Violation { key: None, what: format!("panicked: {}", report::words_of(&*panic)) });
    }
    Report::of(run)
}

impl Run {
    fn new(plan: Plan) -> Run {
        let cluster = Cluster::start(plan.seed, plan.cluster.clone());
        let nodes = plan.cluster.nodes;
        Run {
            begin: cluster.now().mono,
            peace: false,
            watch: Watch::new(nodes),
            cluster,
            history: History::default(),
            tally: Tally::new(),
            wrong: Vec::new(),
            back: vec![None; nodes + 1],
            pending: BTreeMap::new(),
            ends: Vec::new(),
            op_of_ask: BTreeMap::new(),
            numbers: 0,
            requests: BTreeMap::new(),
            retries: BTreeMap::new(),
            plan,
        }
    }

    /// The whole run, to the end of the peace after it, and the judgement.
    fn go(&mut self) {
        for step in self.plan.steps.clone() {
            self.run_to(self.begin + Duration::from_millis(step.at_ms));
            match step.act {
                Act::Fault(fault) => self.fault(&fault),
                Act::Ask(ask) => self.ask(&ask),
                Act::Again(id) => self.again(id),
            }
        }
        self.run_to(self.begin + self.plan.run_time());
        self.make_peace();
        self.judge();
    }

    /// Everything that must hold in the end, in an order in which each step changes what the next looks at.
    fn judge(&mut self) {
        self.check_durability();
        if self.plan.is_gentle() {
            self.count("converged by hints alone");
            self.check_convergence("all hints were delivered", |space| space.hinted_handoff);
        }
        for key in self.read_all() {
            self.complain(Some(key), "reads at ALL fail in peace".to_owned());
        }
        self.count("converged after a read at ALL");
        self.check_convergence("a read at ALL", |space| space.read_repair != crate::cluster::Repair::Off);
        if self.plan.has_sane_clocks() {
            self.write_once_more();
        }
        self.check_history();
        self.count_the_living();
        self.count_points();
    }

    /// Runs until a time, looking whenever there is something to see.
    fn run_to(&mut self, until: Mono) {
        while self.cluster.now().mono < until {
            let next = self.ends.iter().map(|(at, _)| *at);
            let next = next.chain(self.back.iter().flatten().map(|(at, _)| *at)).min();
            let stop = next.map_or(until, |at| at.min(until));
            self.cluster.run_until_news(stop);
            self.look();
        }
    }

    /// Answers, deaths, copies, and what is due.
    fn look(&mut self) {
        self.hear();
        self.notice_deaths();
        self.watch.look(&self.cluster, &self.history, &mut self.wrong);
        self.end_what_is_over();
        self.bring_back();
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    fn complain(&mut self, key: Option<Key>, what: String) {
        self.wrong.push(Violation { key, what });
    }
}
