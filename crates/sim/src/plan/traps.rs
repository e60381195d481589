//! Faults that only show something together: what chance alone brings together in one of a thousand plans.
//!
//! Each trap is made of ordinary steps, so that shrinking takes it apart like everything else.

use quorate_types::Level;

use super::{Act, Ask, Fault, Return, Step, What};
use crate::clocks::ClockError;
use crate::cluster::ClusterSpec;
use crate::cuts::Cut;
use crate::random::{Stream, pick};

/// Ids of requests that traps ask begin here.
const IDS: u64 = 700_000;
/// And those of [`two_phases`] here.
const TWO_PHASES_IDS: u64 = 750_000;

/// Puts the traps of a seed among `steps`, and only where replicas die anyway.
pub(super) fn traps(draw: &mut Stream, (cluster, run_ms): (&ClusterSpec, u64), steps: &mut Vec<Step>) {
    if !steps.iter().any(|step| matches!(&step.act, Act::Fault(fault) if fault.loses_memory())) {
        return;
    }
    let mut trap = Trap { cluster, steps, ids: IDS };
    if draw.one_in(3) {
        trap.bursts(draw);
    }
    if draw.one_in(2) && run_ms > 2_000 {
        let at_ms = draw.below(run_ms - 1_500);
        trap.clock(draw, at_ms);
    }
}

/// Once or twice in every third seed: a LINEARIZABLE write by a node whose clock is ahead, which another node does not
/// hear of, and one by that other as soon as it is back. Its clock alone would stamp below what was acknowledged.
pub(super) fn two_phases(draw: &mut Stream, (cluster, run_ms): (&ClusterSpec, u64), steps: &mut Vec<Step>) {
    if !draw.one_in(3) || cluster.nodes < 3 || run_ms < 3_000 {
        return;
    }
    let mut trap = Trap { cluster, steps, ids: TWO_PHASES_IDS };
    for _ in 0..=draw.below(2) {
        let at_ms = draw.below(run_ms - 2_000);
        trap.apart(draw, at_ms);
    }
}

struct Trap<'a> {
    cluster: &'a ClusterSpec,
    steps: &'a mut Vec<Step>,
    ids: u64,
}

impl Trap<'_> {
    /// Writes that are under way when something fails, for every acknowledgement counts: of keys that nobody else
    /// writes, so that nothing hides what was lost.
    fn bursts(&mut self, draw: &mut Stream) {
        let failing = |step: &Step| match &step.act {
            Act::Fault(fault) if fault.loses_memory() => Some((step.at_ms, *fault.nodes().first()?)),
            _ => None,
        };
        let places: Vec<(u64, usize)> = self.steps.iter().filter_map(failing).collect();
        for (at_ms, node) in places {
            let level = pick(draw, &[Level::All, Level::All, Level::One, Level::Quorum]);
            for _ in 0..2 + draw.below(5) {
                let when = at_ms.saturating_sub(4) + draw.below(30);
                self.put(when, node, level);
            }
        }
    }

    /// A disk stalls, the clock leaps, writes are stamped by it, the power goes, and the clock is back when the replica
    /// is: stamps above a ceiling that was not durable are issued again, or smaller ones after them.
    fn clock(&mut self, draw: &mut Stream, at_ms: u64) {
        let node = 1 + draw.below(self.cluster.nodes as u64) as usize;
        let back = Return { after_ms: 100 + draw.below(400), ..Return::default() };
        let leap = ClockError::Step { ms: 1_200 + draw.below(700).cast_signed() };
        self.fault(at_ms, Fault::Stall { node, ms: 1_000 });
        self.fault(at_ms + 1, Fault::Clock { node, error: leap });
        self.fault(at_ms + 400, Fault::CutPower { node, back });
        self.fault(at_ms + 401, Fault::Clock { node, error: ClockError::None });
        for _ in 0..12 {
            // Not at once: a clock that was found exhausted by a write lets nothing pass it.
            let (before, behind) =
                (at_ms + 150 + draw.below(240), at_ms + 400 + back.after_ms + draw.below(600));
            self.put(before, node, Level::One);
            self.put(behind, node, Level::One);
        }
    }

    /// See [`two_phases`]. Several keys, for who holds them is not known here.
    fn apart(&mut self, draw: &mut Stream, at_ms: u64) {
        let nodes = self.cluster.nodes as u64;
        let ahead = 1 + draw.below(nodes) as usize;
        let apart = 1 + (ahead as u64 + draw.below(nodes - 1)) as usize % nodes as usize;
        let leap = ClockError::Step { ms: 500 + draw.below(1_000).cast_signed() };
        self.fault(at_ms, Fault::Clock { node: ahead, error: leap });
        self.fault(at_ms, Fault::Cut { ways: Cut::Sides { side: vec![apart] }, ms: 150, flap_ms: 0 });
        for key in 0..6 {
            let key = format!("apart-{at_ms}-{key}");
            let put = || What::Put { ttl_ms: None, bytes: 0 };
            self.linearizable(at_ms + 5 + draw.below(60), (ahead, &key), put());
            let back = at_ms + 151 + draw.below(150);
            self.linearizable(back, (apart, &key), put());
            let reader = 1 + draw.below(nodes) as usize;
            self.linearizable(back + 50 + draw.below(300), (reader, &key), What::Get);
        }
        self.fault(at_ms + 1_000, Fault::Clock { node: ahead, error: ClockError::None });
    }

    fn linearizable(&mut self, at_ms: u64, (by, key): (usize, &str), what: What) {
        let id = self.ids;
        self.ids += 1;
        let ask = Ask { client: 7, ..Ask::new(id, by, key.to_owned(), Level::Linearizable, what) };
        self.steps.push(Step { at_ms, act: Act::Ask(ask) });
    }

    fn fault(&mut self, at_ms: u64, fault: Fault) {
        self.steps.push(Step { at_ms, act: Act::Fault(fault) });
    }

    fn put(&mut self, at_ms: u64, by: usize, level: Level) {
        let id = self.ids;
        self.ids += 1;
        let space = (id % self.cluster.keyspaces.len() as u64) as usize;
        let put = What::Put { ttl_ms: None, bytes: 0 };
        let ask = Ask { client: 5, space, ..Ask::new(id, by, format!("burst-{id}"), level, put) };
        self.steps.push(Step { at_ms, act: Act::Ask(ask) });
    }
}
