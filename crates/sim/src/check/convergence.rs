//! In the end all copies are equal.
//!
//! Where the history says that it has settled: all replicas that were looked at in the end hold the same record of each
//! key, and the same digest of each bucket. Whether it has settled or not: a digest that is kept is the one that its
//! records have when it is computed from scratch.
//!
//! Source: invariant 8; CASSANDRA-13964 and scylla 46079f763b, digests that saw more or less than the records.

use std::collections::BTreeMap;

use super::KeyCheck;
use super::judge::{Invariant, Judge, Verdict};
use super::register::Register;
use crate::history::{BucketSeen, History};

pub(super) struct Convergence {
    judge: Judge,
    settled: bool,
}

impl Convergence {
    pub(super) fn new(history: &History) -> Convergence {
        let settled = history.seen().settled.is_some();
        let mut convergence = Convergence { judge: Judge::new(Invariant::Convergence), settled };
        convergence.look_at_buckets(history);
        if !settled {
            convergence.judge.note("the history does not say that it has settled");
        }
        convergence
    }

    fn look_at_buckets(&mut self, history: &History) {
        let mut first: BTreeMap<(&str, u16), &BucketSeen> = BTreeMap::new();
        for bucket in &history.seen().buckets {
            self.judge.looked(1);
            let node = history.node_name(bucket.node);
            let keyspace = bucket.keyspace.as_deref().unwrap_or_default();
            let partition = bucket.partition;
            if bucket.kept != bucket.recomputed {
                self.judge.violated(None, &[], || {
                    format!(
                        "{node} keeps the digest {} of partition {partition}, whose records have {}",
                        bucket.kept, bucket.recomputed
                    )
                });
            }
            let other = first.entry((keyspace, partition)).or_insert(bucket);
            if self.settled && other.recomputed != bucket.recomputed {
                let other = history.node_name(other.node);
                self.judge
                    .violated(None, &[], || format!("{other} and {node} differ in partition {partition}"));
            }
        }
    }
}

impl KeyCheck for Convergence {
    fn look(&mut self, register: &Register<'_>) {
        if !self.settled {
            return;
        }
        let finals = register.finals();
        let Some((first, others)) = finals.split_first() else { return };
        self.judge.looked(1);
        if let Some(other) = others.iter().find(|other| other.held != first.held) {
            self.judge.violated(Some(register.key), &[], || {
                let name = |copy: &crate::history::Copy| {
                    let version = copy
                        .held
                        .as_ref()
                        .map_or_else(|| "nothing".to_owned(), |held| held.newest().to_string());
                    format!("{} has {version}", register.history.node_name(copy.node))
                };
                format!("copies differ: {}, {}", name(first), name(other))
            });
        }
    }

    fn verdict(self: Box<Self>) -> Verdict {
        self.judge.verdict()
    }
}
