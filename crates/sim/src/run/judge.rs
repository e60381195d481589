//! The judgement: the checker's, and what it can't know: that everything comes back to life when nothing fails any more.

use super::Run;
use super::record::Key;
use super::report::Violation;
use crate::check::check;
use crate::cluster::{KeyspaceSpec, Repair};
use crate::history::Event;

impl Run<'_> {
    /// Everything that must hold in the end, in an order in which each step changes what the next looks at.
    pub(super) fn judge(&mut self) {
        self.check_expectations();
        let handed_off = |space: &KeyspaceSpec| space.hinted_handoff;
        if self.plan.is_gentle() {
            self.count("converged by hints alone");
            if self.plan.cluster.keyspaces.iter().all(handed_off) {
                self.recorder.note(self.cluster.now().mono, |at_ns| Event::Settled { at_ns });
            }
            self.check_convergence("all hints were delivered", handed_off);
        }
        self.recorder.see_final_copies(&self.cluster);
        for key in self.read_all() {
            self.complain(Some(&key), "reads at ALL fail in peace".to_owned());
        }
        self.count("converged after a read at ALL");
        self.check_convergence("a read at ALL", |space| space.read_repair != Repair::Off);
        if self.plan.has_sane_clocks() {
            self.write_once_more();
        }
        self.check_idle();
        self.recorder.note(self.cluster.now().mono, |at_ns| Event::Drained { at_ns });
        self.recorder.balance(&self.cluster);
        if (1..=self.plan.cluster.nodes).all(|k| self.cluster.is_up(k)) {
            self.recorder.see_buckets(&self.cluster);
        }
        self.count_the_living();
        self.count_disk_faults();
        self.keep_last();
        self.restart_all();
        self.count_points();
        self.recorder.see_fired(self.cluster.now().mono, &self.tally);
        self.show_what_happened();
        self.check_history();
    }

    /// Whether the copies of every key are equal whose keyspace is one of `those`; the digests too, if all are.
    fn check_convergence(&mut self, by: &str, those: impl Fn(&KeyspaceSpec) -> bool) {
        let spaces = &self.plan.cluster.keyspaces;
        let all = spaces.iter().all(&those);
        let keys: Vec<Key> = self.recorder.keys().filter(|key| those(&spaces[key.space])).cloned().collect();
        for key in keys {
            let copies = self.copies(&key);
            if copies.windows(2).any(|two| two[0].1 != two[1].1) {
                let versions: Vec<_> = copies
                    .iter()
                    .map(|(k, copy)| (k, copy.as_ref().map(quorate_types::Record::newest)))
                    .collect();
                self.complain(Some(&key), format!("copies differ after {by}: {versions:?}"));
            }
        }
        if all && self.wrong.is_empty() && !self.cluster.converged() {
            self.complain(None, format!("digests differ after {by}"));
        }
    }

    /// What the checker says.
    fn check_history(&mut self) {
        let history = self.recorder.history();
        let report = check(history);
        let name = |key: u32| {
            let key = &history.keys()[key as usize];
            Key { space: key.keyspace, name: key.key.to_string() }.to_string()
        };
        let found: Vec<Violation> = report
            .violations()
            .map(|(verdict, violation)| Violation {
                about: verdict.invariant.name(),
                key: violation.key.map(name),
                what: violation.what.clone(),
            })
            .collect();
        self.wrong.extend(found);
        self.checked = Some(report);
    }
}
