//! A replica's copy never goes back, over restarts too.
//!
//! Between two looks at one replica the newest version of a key's copy, and the version of its value, only grow; the
//! same version has the same content. A copy is in memory only if its log record is on disk: what was seen once is
//! there for ever, unless the disk was lost.
//!
//! Source: invariant 2 of A0; equal versions settled by arrival (CASSANDRA-16453).

use std::collections::BTreeMap;

use quorate_types::{Mono, NodeId};

use super::KeyCheck;
use super::judge::{Invariant, Judge, Verdict};
use super::register::Register;
use crate::history::{Copy, Held};

pub(super) struct ReplicaVersions {
    judge: Judge,
}

impl ReplicaVersions {
    pub(super) fn new() -> ReplicaVersions {
        ReplicaVersions { judge: Judge::new(Invariant::ReplicaVersions) }
    }
}

impl KeyCheck for ReplicaVersions {
    fn look(&mut self, register: &Register<'_>) {
        let mut last: BTreeMap<NodeId, &Copy> = BTreeMap::new();
        for copy in &register.copies {
            self.judge.looked(1);
            let Some(before) = last.insert(copy.node, copy) else { continue };
            if register.losses.of_node(copy.node, (before.at, copy.at)) {
                continue;
            }
            if let Some(what) = gone_back(before.held.as_ref(), copy.held.as_ref()) {
                self.judge.violated(Some(register.key), &[], || {
                    let node = register.history.node_name(copy.node);
                    format!("the copy on {node} {what}, between {} and {}", ms(before.at), ms(copy.at))
                });
            }
        }
    }

    fn verdict(self: Box<Self>) -> Verdict {
        self.judge.verdict()
    }
}

fn gone_back(before: Option<&Held>, now: Option<&Held>) -> Option<String> {
    let before = before?;
    let Some(now) = now else { return Some(format!("is gone; it was {}", before.version)) };
    if now.version < before.version || now.newest() < before.newest() {
        return Some(format!("went back from {} to {}", before.newest(), now.newest()));
    }
    (now.version == before.version && now.value != before.value)
        .then(|| format!("changed its value under version {}", now.version))
}

fn ms(at: Mono) -> String {
    format!("{:.3} ms", at.0 as f64 / 1e6)
}
