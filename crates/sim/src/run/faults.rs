//! What fails, for how long, and how it comes back.

use std::time::Duration;

use quorate_types::Mono;
use quorate_wal::TailState;

use super::Run;
use super::disks::Refused;
use crate::history::What;
use crate::observe::Sight;
use crate::plan::{Fault, Return};

/// What a replica was like when it died.
#[derive(Clone, Debug)]
pub(super) struct Died {
    shards: usize,
    life: u64,
    /// Its durable hints by target.
    hints: std::collections::BTreeMap<quorate_types::NodeId, u64>,
}

/// The end of a fault.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// Of a pause, in this life of the node.
    Pause(usize, u64),
    Cuts(&'static str, Vec<(usize, usize)>),
    /// Ways that are cut and healed by turns: whether they are cut now, the rhythm, and the end of it all.
    Flap {
        name: &'static str,
        ways: Vec<(usize, usize)>,
        cut: bool,
        every: Duration,
        until: Mono,
    },
    Clog(usize, usize),
    ShortWrites(usize),
    Full(usize),
    /// Of reads that fail or show the past.
    Reads(&'static str, usize),
    /// Of a stall, which ends by itself.
    Stall(usize),
}

impl Run<'_> {
    pub(super) fn fault(&mut self, fault: &Fault) {
        if let Some(node) = concerned(fault)
            && !self.cluster.is_up(node)
        {
            return;
        }
        self.show(Sight::Fault(fault));
        let comes_later = matches!(
            fault,
            Fault::CutPowerAfter { .. }
                | Fault::CrashAt { .. }
                | Fault::FailSync { .. }
                | Fault::FailWrite { .. }
                | Fault::FailDirSync { .. }
                | Fault::MisdirectWrite { .. }
        );
        if !comes_later {
            self.count(fault.name());
        }
        match fault {
            Fault::Kill { node, back } => {
                self.balance_hints(*node);
                self.kill(*node, *back);
            }
            Fault::CutPower { node, back } => self.cut_power(*node, *back),
            Fault::CutPowerOfAll { back } => {
                (1..=self.plan.cluster.nodes).for_each(|node| self.cut_power(node, *back));
            }
            Fault::Wipe { .. }
            | Fault::SaveDisk { .. }
            | Fault::OldDisk { .. }
            | Fault::Rot { .. }
            | Fault::RotAlive { .. } => self.lose_disk(fault),
            Fault::Pause { node, ms } => self.pause(*node, *ms),
            Fault::Checkpoint { node } => self.cluster.begin_checkpoint(*node),
            Fault::Clock { node, error } => {
                self.cluster.set_clock(*node, *error);
                self.tell_of(*node, What::ClockMoved);
            }
            Fault::Cut { .. } | Fault::Clog { .. } | Fault::Weather(_) | Fault::Link { .. } => {
                self.network_fault(fault);
            }
            _ => self.disk_fault(fault),
        }
    }

    fn network_fault(&mut self, fault: &Fault) {
        match fault {
            Fault::Cut { ways, ms, flap_ms } => {
                let (ways, until) = (ways.ways(self.plan.cluster.nodes), self.after(*ms));
                for (a, b) in &ways {
                    self.cluster.cut(*a, *b);
                }
                self.show(Sight::Ways { ways: &ways, cut: true });
                let name = fault.name();
                match flap_ms {
                    0 => self.ends.push((until, End::Cuts(name, ways))),
                    every => {
                        let every = Duration::from_millis(*every);
                        let next = self.cluster.now().mono + every;
                        self.ends.push((next, End::Flap { name, ways, cut: true, every, until }));
                    }
                }
            }
            Fault::Clog { from, to, ms } => {
                self.cluster.clog(*from, *to);
                self.ends.push((self.after(*ms), End::Clog(*from, *to)));
            }
            Fault::Weather(weather) => self.cluster.set_weather((*weather).into()),
            Fault::Link { from, to, weather } => self.cluster.set_link(*from, *to, (*weather).into()),
            _ => {}
        }
    }

    pub(super) fn after(&self, ms: u64) -> Mono {
        self.cluster.now().mono + Duration::from_millis(ms)
    }

    fn pause(&mut self, node: usize, ms: u64) {
        if !self.cluster.is_paused(node) {
            self.cluster.pause(node);
            self.tell_of(node, What::Pause);
            self.ends.push((self.after(ms), End::Pause(node, self.cluster.life(node))));
        }
    }

    pub(super) fn kill(&mut self, k: usize, back: Return) {
        self.before_death(k);
        self.cluster.kill(k);
        self.tell_of(k, What::Crash);
        self.died(k, back);
    }

    pub(super) fn cut_power(&mut self, k: usize, back: Return) {
        if self.cluster.is_up(k) {
            self.balance_hints(k);
            self.before_death(k);
            self.cluster.cut_power(k);
            self.tell_of(k, What::PowerCut);
            self.died(k, back);
        }
    }

    pub(super) fn notice_deaths(&mut self) {
        for k in self.cluster.take_dark() {
            let at_a_point = self.cluster.take_fall(k).is_some();
            let what =
                if at_a_point { "crashed at a point" } else { "power went in the middle of something" };
            self.count(what);
            self.tell_of(k, What::PowerCut);
            let back = self.pending.remove(&k).unwrap_or_default();
            self.died(k, back);
        }
        for k in self.cluster.take_failed() {
            if self.cluster.is_up(k) && self.back[k].is_none() {
                self.count("log failed");
                self.tell_of(k, What::DiskFailed);
                let back = self.pending.remove(&k).unwrap_or_default();
                self.died(k, back);
            }
        }
    }

    /// Ends what is over by now; of what happened at one time the first first.
    pub(super) fn end_what_is_over(&mut self) {
        let now = self.cluster.now().mono;
        let (over, rest): (Vec<_>, _) =
            std::mem::take(&mut self.ends).into_iter().partition(|(at, _)| *at <= now);
        self.ends = rest;
        for (_, end) in over {
            self.end(end);
        }
    }

    /// Ends one fault. What flaps goes on until its time is over, or until there is peace.
    pub(super) fn end(&mut self, end: End) {
        match end {
            End::Pause(k, life) => {
                if self.cluster.life(k) == life && self.cluster.is_paused(k) {
                    self.cluster.resume(k);
                    self.tell_of(k, What::Resume);
                    self.show(Sight::Over("paused", &[k]));
                }
            }
            End::Cuts(name, ways) => {
                for (a, b) in &ways {
                    self.cluster.heal(*a, *b);
                }
                self.show(Sight::Ways { ways: &ways, cut: false });
                self.show(Sight::Over(name, &ends_of(&ways)));
            }
            End::Flap { name, ways, cut, every, until } => {
                let (now, over) = (self.cluster.now().mono, self.peace || self.cluster.now().mono >= until);
                let change = |(a, b): &(usize, usize)| match (cut, over) {
                    (true, _) => self.cluster.heal(*a, *b),
                    (false, false) => self.cluster.cut(*a, *b),
                    (false, true) => {}
                };
                ways.iter().for_each(change);
                if cut || !over {
                    self.show(Sight::Ways { ways: &ways, cut: !cut });
                }
                if over {
                    self.show(Sight::Over(name, &ends_of(&ways)));
                } else {
                    self.ends.push((now + every, End::Flap { name, ways, cut: !cut, every, until }));
                }
            }
            End::Clog(from, to) => {
                self.cluster.unclog(from, to);
                self.show(Sight::Over("clogged", &[from, to]));
            }
            End::ShortWrites(k) => {
                self.cluster.short_writes(k, 0);
                self.show(Sight::Over("short writes", &[k]));
            }
            End::Full(k) => {
                self.cluster.set_room(k, None);
                self.show(Sight::Over("disk full", &[k]));
            }
            End::Stall(k) => self.show(Sight::Over("disk stalled", &[k])),
            End::Reads(name, k) => {
                self.cluster.end_read_faults(k);
                self.show(Sight::Over(name, &[k]));
            }
        }
    }

    pub(super) fn bring_back(&mut self) {
        let now = self.cluster.now().mono;
        for k in 1..=self.plan.cluster.nodes {
            let Some((at, back)) = self.back[k].filter(|(at, _)| *at <= now) else { continue };
            if self.cluster.is_up(k) {
                // Its log failed. It is restarted, as its operator is told to.
                self.before_death(k);
                if at.0 % 2 == 0 {
                    self.cluster.kill(k);
                    self.tell_of(k, What::Crash);
                } else {
                    self.cluster.cut_power(k);
                    self.tell_of(k, What::PowerCut);
                }
            }
            self.cluster.set_shards(k, back.shards);
            if let Some(operations) = back.dark_after.filter(|_| !self.peace) {
                self.cluster.cut_power_after(k, operations);
            }
            self.start(k, now, back);
        }
    }

    fn start(&mut self, k: usize, now: Mono, back: Return) {
        let shards_before = self.died[k].as_ref().map(|died| died.shards);
        if back.unseen {
            self.cluster.hide(k);
        }
        match self.cluster.try_restart(k) {
            Ok(()) => {
                self.back[k] = None;
                self.count("restarted");
                if shards_before.is_some_and(|before| before != back.shards) {
                    self.count("number of shards changed");
                }
                let report = self.cluster.report(k).expect("it started");
                if matches!(report.tail, TailState::Torn { .. }) {
                    self.count("torn tail cut");
                }
                if self.cluster.torn_hint_logs(k) > 0 {
                    self.count("torn hint log cut");
                }
                if report.checkpoint > 0 {
                    self.count("checkpoint recovered");
                }
                self.judge_tail(k, report.tail);
                self.tell_of(k, What::Start);
                self.recorder.look_at_node(&self.cluster, k);
                self.compare_hints(k);
            }
            Err(error) => {
                self.count("recovery interrupted");
                if self.cluster.take_fall(k).is_some() {
                    self.count("crashed at a point");
                }
                let dark = self.cluster.lose_power_if_dark(k);
                if dark {
                    self.power_went(k);
                }
                let refused = if dark { Refused::ByDarkness } else { self.refused(k) };
                if refused == Refused::Wrongly {
                    self.complain(None, format!("n{k} does not start again: {error}"));
                }
                if matches!(refused, Refused::Wrongly | Refused::ForGood) {
                    self.count("rot refused, disk wiped");
                    self.wipe(k);
                    self.back[k] =
                        Some((now + Duration::from_millis(100), Return { dark_after: None, ..back }));
                    return;
                }
                let again = Return { dark_after: None, ..back };
                self.back[k] = Some((now + Duration::from_millis(100), again));
            }
        }
    }

    fn before_death(&mut self, k: usize) {
        for (name, count) in self.cluster.counters(k) {
            *self.tally.entry(name).or_default() += count;
        }
        self.recorder.look_at_node(&self.cluster, k);
        let (shards, life) = (self.cluster.shards(k), self.cluster.life(k));
        self.died[k] = Some(Died { shards, life, hints: self.cluster.durable_hints(k) });
        self.look_at_disk(k);
    }

    /// Hints that counted as durable before a death are there after it.
    fn compare_hints(&mut self, k: usize) {
        let Some(Died { life, hints, .. }) = self.died[k].clone() else { return };
        if life + 1 != self.cluster.life(k) || self.is_untrue(k) {
            return; // it died unseen in between, or its disk has shown something wrong
        }
        let found = self.cluster.durable_hints(k);
        for (target, had) in hints {
            let has = found.get(&target).copied().unwrap_or(0);
            if has < had {
                self.complain(None, format!("n{k} had {had} durable hints for {target}, and has {has} now"));
            }
        }
    }

    /// Writes down what happened to a node.
    pub(super) fn tell_of(&mut self, k: usize, what: What) {
        if what == What::PowerCut {
            self.power_went(k);
        }
        self.recorder.node(self.cluster.now().mono, k, what);
    }

    fn died(&mut self, k: usize, back: Return) {
        self.back[k] = Some((self.after(back.after_ms), back));
    }
}

/// The nodes at the ends of these ways.
fn ends_of(ways: &[(usize, usize)]) -> Vec<usize> {
    let ends: std::collections::BTreeSet<usize> = ways.iter().flat_map(|(a, b)| [*a, *b]).collect();
    ends.into_iter().collect()
}

/// The node that must run for the fault to mean anything.
fn concerned(fault: &Fault) -> Option<usize> {
    match fault {
        Fault::Kill { node, .. }
        | Fault::CutPower { node, .. }
        | Fault::CutPowerAfter { node, .. }
        | Fault::Pause { node, .. }
        | Fault::Checkpoint { node }
        | Fault::FailSync { node, .. }
        | Fault::FailWrite { node, .. }
        | Fault::Wipe { node, .. }
        | Fault::SaveDisk { node }
        | Fault::OldDisk { node, .. }
        | Fault::Rot { node, .. }
        | Fault::RotAlive { node, .. }
        | Fault::MisdirectWrite { node, .. }
        | Fault::FailDirSync { node, .. } => Some(*node),
        _ => None,
    }
}
