//! Carries a plan out: faults, clients, and then peace, until everything has converged or a large bound is hit; writes a
//! history down, has the checker judge it, and says what was wrong.
//!
//! A failing `assert!` of the code under test is a violation like any other: it is caught and reported with its plan.

mod again;
mod clients;
mod disks;
mod expect;
mod faults;
mod idle;
mod judge;
mod looking;
mod peace;
mod points;
mod record;
mod report;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::thread;
use std::time::Duration;

use quorate_types::Mono;
use quorate_wire::Request;

use crate::cluster::Cluster;
use crate::kernel::Happening;
use crate::observe::{Observer, Sight};
use crate::plan::{Act, Expect, Plan, Return};
use record::Recorder;
pub use record::{Key, history_header};
pub use report::{Ending, Report, Tally, Violation};

/// A run under way.
struct Run<'a> {
    plan: Plan,
    cluster: Cluster,
    recorder: Recorder,
    observer: Option<&'a mut dyn Observer>,
    tally: Tally,
    wrong: Vec<Violation>,
    /// The last events before the first violation, or before the restarts at the end.
    last: Vec<Happening>,
    /// What the checker said, once it was asked.
    checked: Option<crate::check::Report>,
    begin: Mono,
    /// Nothing fails any more.
    peace: bool,
    /// When each replica comes back, by its number.
    back: Vec<Option<(Mono, Return)>>,
    /// How those come back whose power or disk is about to fail.
    pending: BTreeMap<usize, Return>,
    /// What each replica was like when it last died.
    died: Vec<Option<faults::Died>>,
    /// Disks as they were once.
    images: BTreeMap<usize, crate::cluster::DiskImage>,
    /// Disks that are rotten, or on which a write landed elsewhere.
    rotten: BTreeMap<usize, disks::Rot>,
    /// What was seen of each disk so far.
    seen: Vec<disks::Seen>,
    /// What is over when.
    ends: Vec<(Mono, faults::End)>,
    op_of_ask: BTreeMap<u64, usize>,
    /// What the plan says of the answer to an operation.
    expected: BTreeMap<usize, Expect>,
    numbers: u64,
    /// Requests as sent, by ask, for duplicates.
    requests: BTreeMap<u64, Sent>,
    /// Through whom an operation is tried again.
    retries: BTreeMap<usize, usize>,
    /// The keys that explanations were asked for, by session and number.
    explains: BTreeMap<(u64, u64), Key>,
    /// Operations of coordinators whose log had failed.
    mute: BTreeSet<usize>,
    /// What the keys of the plan are really called.
    names: BTreeMap<String, String>,
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
    run_before(plan, None)
}

/// Runs a plan to its end, before somebody who looks on.
pub fn run_observed(plan: &Plan, observer: &mut dyn Observer) -> Report {
    run_before(plan, Some(observer))
}

fn run_before(plan: &Plan, observer: Option<&mut dyn Observer>) -> Report {
    let plan = plan.with_loads_drawn();
    let mut run = match caught(|| Run::new(plan.clone(), observer)) {
        Ok(run) => run,
        Err(panic) => return Report::of_panic(&plan, &*panic),
    };
    if let Err(panic) = caught(|| run.go()) {
        run.complain(None, format!("panicked: {}", report::words_of(&*panic)));
    }
    Report::of(run)
}

thread_local! {
    /// What panics in this thread now is caught, and told with its plan.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

fn caught<R>(body: impl FnOnce() -> R) -> thread::Result<R> {
    let was = IS_CAUGHT.replace(true);
    let ended = catch_unwind(AssertUnwindSafe(body));
    IS_CAUGHT.set(was);
    ended
}

/// Panics of runs, which their reports tell, are not printed by this process as well from now on.
pub fn silence_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !IS_CAUGHT.get() {
                others(panic);
            }
        }));
    });
}

impl<'a> Run<'a> {
    fn new(plan: Plan, observer: Option<&'a mut dyn Observer>) -> Run<'a> {
        let mut cluster = Cluster::start(plan.seed, plan.cluster.clone());
        let nodes = plan.cluster.nodes;
        let begin = cluster.now().mono;
        let mut recorder = Recorder::new(&plan, begin);
        if observer.is_some() {
            cluster.keep_sights();
            recorder.keep_events();
        }
        Run {
            begin,
            peace: false,
            names: names(&plan, &cluster),
            cluster,
            recorder,
            observer,
            tally: Tally::new(),
            wrong: Vec::new(),
            last: Vec::new(),
            checked: None,
            back: vec![None; nodes + 1],
            pending: BTreeMap::new(),
            died: vec![None; nodes + 1],
            images: BTreeMap::new(),
            rotten: BTreeMap::new(),
            seen: vec![disks::Seen::default(); nodes + 1],
            ends: Vec::new(),
            op_of_ask: BTreeMap::new(),
            expected: BTreeMap::new(),
            numbers: 0,
            requests: BTreeMap::new(),
            retries: BTreeMap::new(),
            explains: BTreeMap::new(),
            mute: BTreeSet::new(),
            plan,
        }
    }

    /// The whole run, to the end of the peace after it, and the judgement.
    fn go(&mut self) {
        let mut later = Duration::ZERO;
        for step in self.plan.steps.clone() {
            self.run_to(self.begin + Duration::from_millis(step.at_ms) + later);
            match &step.act {
                Act::Fault(fault) => self.fault(fault),
                Act::Ask(ask) => self.ask(ask),
                Act::Again(id) => self.again(*id),
                Act::Until { wanted, within_ms } => later += self.wait_until(wanted, *within_ms),
                Act::Throughout { wanted, for_ms } => later += self.watch(wanted, *for_ms),
                Act::Say(sentence) => self.show(Sight::Say(sentence)),
            }
        }
        self.run_to(self.begin + self.plan.run_time() + later);
        self.make_peace();
        self.judge();
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
        self.recorder.look(&self.cluster);
        self.end_what_is_over();
        self.bring_back();
        self.show_what_happened();
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    /// Keeps the last events, unless older ones were kept.
    fn keep_last(&mut self) {
        if self.last.is_empty() {
            self.last = self.cluster.trace().last().copied().collect();
        }
    }

    fn complain(&mut self, key: Option<&Key>, what: String) {
        self.show(Sight::Wrong(&what));
        self.keep_last();
        self.wrong.push(Violation { about: "the run", key: key.map(Key::to_string), what });
    }
}

/// For each key that must lie on certain nodes one that does.
fn names(plan: &Plan, cluster: &Cluster) -> BTreeMap<String, String> {
    /// One of a few hundred orders of replicas is met long before.
    const TRIES: u64 = 100_000;
    let placed = |name: &str, replicas: &[usize]| {
        let candidates = (0..TRIES).map(|i| if i == 0 { name.to_owned() } else { format!("{name}-{i}") });
        candidates.into_iter().find(|key| cluster.replicas_in(0, key.as_bytes()).starts_with(replicas))
    };
    plan.keys
        .iter()
        .map(|key| {
            let found =
                placed(&key.name, &key.replicas).expect("keys lie in every order on a ring of vnodes");
            (key.name.clone(), found)
        })
        .collect()
}
