//! After the faults: everything is healed and comes back, and the run goes on until what should become equal is.
//!
//! Never a fixed wait: a run is judged when its hints are delivered, or when a large bound has passed.

use std::time::Duration;

use quorate_transport::memory::LinkFaults;
use quorate_types::{Level, Record};

use super::clients::{READER, WRITER, value};
use super::record::{Intent, Key, Op};
use super::{Run, faults::End};
use crate::clocks::ClockError;
use crate::cluster::Repair;
use crate::observe::Sight;

/// Longest virtual time that hints may take after the last fault: a swarm's smallest limits take three hints of a page,
/// and four pages a second.
const DRAIN: Duration = Duration::from_mins(5);

impl Run<'_> {
    /// No fault any more: everything is healed and comes back, and all hints are delivered.
    pub(super) fn make_peace(&mut self) {
        self.peace = true;
        self.show(Sight::Peace);
        self.cluster.set_weather(LinkFaults::default());
        for (_, end) in std::mem::take(&mut self.ends) {
            if matches!(end, End::Pause(..)) {
                self.end(end);
            }
        }
        self.cluster.heal_all();
        let stalled_until = self.cluster.stalled_until();
        for k in 1..=self.plan.cluster.nodes {
            self.cluster.set_clock(k, ClockError::None);
            self.cluster.forget_disk_faults(k);
        }
        self.restart_the_rotten();
        // A sync that stalled ends no sooner than it would have.
        let quiet = self.cluster.now().mono + Duration::from_secs(8);
        self.run_to(quiet.max(stalled_until + Duration::from_secs(3)));
        self.drain();
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        self.run_to(self.cluster.now().mono + time);
    }

    fn drain(&mut self) {
        let begun = self.cluster.now().mono;
        while !self.is_drained() {
            if self.cluster.now().mono >= begun + DRAIN {
                let hints = |k| {
                    self.cluster
                        .is_up(k)
                        .then(|| (self.cluster.durable_hints(k), self.cluster.hints_pending(k)))
                };
                let left: Vec<_> = (1..=self.plan.cluster.nodes).map(|k| (k, hints(k))).collect();
                return self.complain(None, format!("hints are not delivered after {DRAIN:?}: {left:?}"));
            }
            self.run_for(Duration::from_millis(200));
        }
        let took_ms = self.cluster.now().mono.since(begun).as_millis() as u64;
        *self.tally.entry("milliseconds until hints were delivered").or_default() += took_ms;
        self.run_for(Duration::from_secs(3));
    }

    fn is_drained(&self) -> bool {
        (1..=self.plan.cluster.nodes).all(|k| {
            self.cluster.is_up(k) && self.cluster.hints_at(k) == 0 && self.cluster.hints_pending(k) == 0
        })
    }

    /// Reads every key at ALL, so that read repair brings the copies together; those that fail again, and slower,
    /// for a limit may have been reached. The keys whose reads failed each time.
    pub(super) fn read_all(&mut self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.recorder.keys().cloned().collect();
        // Nobody is told of a background repair that a limit prevented.
        let background =
            self.plan.cluster.keyspaces.iter().any(|space| space.read_repair == Repair::Background);
        for at_a_time in [if background { 1 } else { 16 }, 1, 1] {
            let begin = self.recorder.ops().len();
            for (i, key) in keys.iter().enumerate() {
                let read = Op::new(key.clone(), Level::All, Intent::Get);
                self.send_once(read, READER, 1 + i % self.plan.cluster.nodes);
                if i % at_a_time == 0 {
                    self.run_for(Duration::from_millis(100));
                }
            }
            self.run_for(Duration::from_secs(4));
            let asked = (begin..).zip(&self.recorder.ops()[begin..]);
            let failed = asked.filter(|(at, op)| !op.writes() && !self.recorder.succeeded(*at));
            keys = failed.map(|(_, op)| op.key.clone()).collect();
            if keys.is_empty() {
                break;
            }
        }
        keys
    }

    /// Writes at ALL through every replica, which must all succeed.
    pub(super) fn write_once_more(&mut self) {
        for by in 1..=self.plan.cluster.nodes {
            let key = Key { space: 0, name: format!("last-{by}") };
            let value = value("last", by as u64, 0);
            let put = Op::new(key.clone(), Level::All, Intent::Put { value, expires: false });
            let op = self.send_once(put, WRITER, by);
            self.run_for(Duration::from_secs(1));
            if !self.recorder.succeeded(op) {
                let was = format!("{:?}", self.recorder.outcome(op));
                self.complain(Some(&key), format!("a write at ALL through n{by} fails in peace: {was}"));
            }
        }
    }

    /// The counters of those who live at the end.
    pub(super) fn count_the_living(&mut self) {
        for k in (1..=self.plan.cluster.nodes).filter(|k| self.cluster.is_up(*k)).collect::<Vec<_>>() {
            for (name, count) in self.cluster.counters(k) {
                *self.tally.entry(name).or_default() += count;
            }
        }
    }

    /// The copies of a key, by node number.
    pub(super) fn copies(&self, key: &Key) -> Vec<(usize, Option<Record>)> {
        let owners = self.cluster.replicas_in(key.space, key.name.as_bytes());
        owners.into_iter().map(|k| (k, self.cluster.copy_in(key.space, k, key.name.as_bytes()))).collect()
    }
}
