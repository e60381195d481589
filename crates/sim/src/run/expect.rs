//! What a scenario expects, against what is.

use std::time::Duration;

use super::Run;
use super::record::{Intent, Key};
use crate::cluster::node_id;
use crate::history::Outcome;
use crate::observe::Sight;
use crate::plan::{Act, Expect, Wanted};

/// How often a state that is waited for is looked at.
const EVERY: Duration = Duration::from_millis(10);

impl Run<'_> {
    /// The key that a plan's name stands for.
    pub(super) fn key(&self, space: usize, name: &str) -> Key {
        let name = self.names.get(name).cloned().unwrap_or_else(|| name.to_owned());
        Key { space, name }
    }

    /// Waits for a state; how long it took.
    pub(super) fn wait_until(&mut self, wanted: &Wanted, within_ms: u64) -> Duration {
        let begun = self.cluster.now().mono;
        let until = begun + Duration::from_millis(within_ms);
        while !self.holds(wanted) {
            let now = self.cluster.now().mono;
            if now >= until {
                let is = self.instead_of(wanted);
                self.complain(None, format!("expected within {within_ms} ms: {wanted}; {is}"));
                return now.since(begun);
            }
            self.run_to((now + EVERY).min(until));
        }
        self.show(Sight::Met(wanted));
        self.cluster.now().mono.since(begun)
    }

    /// Looks for so long whether a state lasts; how long it did.
    pub(super) fn watch(&mut self, wanted: &Wanted, for_ms: u64) -> Duration {
        let begun = self.cluster.now().mono;
        let until = begun + Duration::from_millis(for_ms);
        loop {
            let now = self.cluster.now().mono;
            if !self.holds(wanted) {
                let (is, lasted) = (self.instead_of(wanted), now.since(begun));
                self.complain(None, format!("expected for {for_ms} ms: {wanted}; after {lasted:?}: {is}"));
            } else if now < until {
                self.run_to((now + EVERY).min(until));
                continue;
            }
            return now.since(begun);
        }
    }

    fn holds(&self, wanted: &Wanted) -> bool {
        match wanted {
            Wanted::Hints(count) => self.hints() == *count,
            Wanted::HintsAt { node, target, count } => self.hints_at(*node, *target) == *count,
            Wanted::Counter { node, name, least, most } => {
                (*least..=*most).contains(&self.counted(*node, name))
            }
            Wanted::Happened { name, least } => self.happened(name) >= *least,
            Wanted::Copies { key, of, count } => self.copies_of(key, *of) == *count,
            Wanted::Tombstones { key, count } => self.tombstones(key) == *count,
            Wanted::Equal => self.cluster.converged(),
            Wanted::Up(node) => self.cluster.is_up(*node),
        }
    }

    fn instead_of(&self, wanted: &Wanted) -> String {
        match wanted {
            Wanted::Hints(_) => format!("there are {}", self.hints()),
            Wanted::HintsAt { node, target, .. } => format!("there are {}", self.hints_at(*node, *target)),
            Wanted::Counter { node, name, .. } => format!("it is {}", self.counted(*node, name)),
            Wanted::Happened { name, .. } => format!("it is {}", self.happened(name)),
            Wanted::Copies { key, of, .. } => format!("there are {}", self.copies_of(key, *of)),
            Wanted::Tombstones { key, .. } => format!("there are {}", self.tombstones(key)),
            Wanted::Equal => "they are not".to_owned(),
            Wanted::Up(_) => "it is not".to_owned(),
        }
    }

    fn hints(&self) -> u64 {
        let living = (1..=self.plan.cluster.nodes).filter(|k| self.cluster.is_up(*k));
        living.map(|k| self.cluster.hints_at(k) + self.cluster.hints_pending(k)).sum()
    }

    fn hints_at(&self, node: usize, target: Option<usize>) -> u64 {
        if !self.cluster.is_up(node) {
            return 0;
        }
        let is_meant = |of| target.is_none_or(|target| of == node_id(target));
        let kept = self.cluster.durable_hints(node).into_iter();
        kept.filter(|(of, _)| is_meant(*of)).map(|(_, count)| count).sum()
    }

    fn counted(&self, node: Option<usize>, name: &str) -> u64 {
        let all = 1..=self.plan.cluster.nodes;
        let meant = all.filter(|k| node.is_none_or(|node| node == *k) && self.cluster.is_up(*k));
        meant.filter_map(|k| self.cluster.counters(k).get(name).copied()).sum()
    }

    fn happened(&self, name: &str) -> u64 {
        self.tally.get(name).copied().unwrap_or(0)
    }

    fn copies_of(&self, key: &str, ask: u64) -> usize {
        let Some(value) = self.value_of(ask) else { return 0 };
        let holds = |record: &quorate_types::Record| record.value.as_deref() == Some(value.as_bytes());
        self.living_copies(key).iter().filter(|record| holds(record)).count()
    }

    fn tombstones(&self, key: &str) -> usize {
        self.living_copies(key).iter().filter(|record| record.value.is_none()).count()
    }

    /// The records of a key at those of its replicas that run.
    fn living_copies(&self, key: &str) -> Vec<quorate_types::Record> {
        let key = self.key(0, key);
        let owners = self.cluster.replicas_in(0, key.name.as_bytes()).into_iter();
        let living = owners.filter(|k| self.cluster.is_up(*k));
        living.filter_map(|k| self.cluster.copy_in(0, k, key.name.as_bytes())).collect()
    }

    /// The value that an ask wrote.
    fn value_of(&self, ask: u64) -> Option<&str> {
        match &self.recorder.ops()[*self.op_of_ask.get(&ask)?].intent {
            Intent::Put { value, .. } => Some(value),
            _ => None,
        }
    }

    /// Every answer that the plan says something about.
    pub(super) fn check_expectations(&mut self) {
        let mut wrong = Vec::new();
        for step in &self.plan.steps {
            let Act::Ask(ask) = &step.act else { continue };
            let Some(expect) = ask.expect else { continue };
            let outcome = self.op_of_ask.get(&ask.id).and_then(|op| self.recorder.outcome(*op));
            if !self.is_as(expect, outcome) {
                let is = outcome.map_or("not answered".to_owned(), |outcome| outcome.kind().to_owned());
                let key = self.key(ask.space, &ask.key);
                wrong.push((key, format!("#{} by n{}: expected: {expect}; it was {is}", ask.id, ask.by)));
            }
        }
        for (key, what) in wrong {
            self.complain(Some(&key), what);
        }
    }

    pub(super) fn is_as(&self, expect: Expect, outcome: Option<&Outcome>) -> bool {
        let Some(outcome) = outcome else { return false };
        match (expect, outcome) {
            (Expect::Written, Outcome::Written { .. })
            | (Expect::NotFound, Outcome::NotFound { .. })
            | (Expect::Deleted, Outcome::Deleted { .. })
            | (Expect::Unavailable, Outcome::Unavailable { .. })
            | (Expect::Rejected, Outcome::Rejected { .. })
            | (Expect::Indeterminate, Outcome::Indeterminate { .. })
            | (
                Expect::Fails,
                Outcome::Unavailable { .. }
                | Outcome::TimedOut { .. }
                | Outcome::Indeterminate { .. }
                | Outcome::Rejected { .. },
            ) => true,
            (Expect::Sees(ask), Outcome::Found(held)) => {
                let value = self.value_of(ask).map(|value| crate::history::Value::of(value.as_bytes()));
                value.is_some() && held.value == value
            }
            _ => false,
        }
    }
}
