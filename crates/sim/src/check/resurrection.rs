//! What was deleted does not come back.
//!
//! After a delete was acknowledged at W, no read at R that begins later, R + W > n, shows a value with a smaller
//! version; no replica that held a tombstone holds a value with a smaller version later, even if the tombstone is gone;
//! and if all replicas were looked at in the end, the newest that they hold is not an older value.
//!
//! Source: invariant 9; the doomstones of Riak (kv679), garage c82d91c6, and every tombstone that was purged too early.

use std::collections::BTreeMap;

use quorate_types::{NodeId, Version};

use super::KeyCheck;
use super::freshness::acknowledged;
use super::judge::{Invariant, Judge, Verdict};
use super::overlap::each_behind;
use super::register::Register;
use crate::history::{Copy, Held};

pub(super) struct Resurrection {
    judge: Judge,
}

impl Resurrection {
    pub(super) fn new() -> Resurrection {
        Resurrection { judge: Judge::new(Invariant::Resurrection) }
    }
}

impl KeyCheck for Resurrection {
    fn look(&mut self, register: &Register<'_>) {
        let is_delete = |op: usize| {
            let place = register.writes.binary_search_by_key(&op, |write| write.op);
            place.is_ok_and(|place| register.writes[place].value.is_none())
        };
        let mut deletes = acknowledged(register);
        deletes.retain(|fact| is_delete(fact.op));
        self.look_at_copies(register);
        let Some(newest) = deletes.iter().copied().max_by_key(|fact| fact.version) else { return };
        self.judge.looked(deletes.len());
        self.look_at_end(register, newest.version, newest.op);
        let values = register.sights.iter().filter(|sight| sight.held.is_some_and(has_value));
        each_behind(register, deletes, values, |sight, fact| {
            self.judge.violated(Some(register.key), &[fact.op, sight.op], || {
                let (delete, read) = (register.id(fact.op), register.id(sight.op));
                format!(
                    "#{read} read an older value than #{delete}, a deletion that had been acknowledged as {}",
                    fact.version
                )
            });
        });
    }

    fn verdict(self: Box<Self>) -> Verdict {
        self.judge.verdict()
    }
}

fn has_value(held: &Held) -> bool {
    held.value.is_some()
}

impl Resurrection {
    fn look_at_copies(&mut self, register: &Register<'_>) {
        let mut tombstones: BTreeMap<NodeId, &Copy> = BTreeMap::new();
        for copy in &register.copies {
            let Some(held) = &copy.held else { continue };
            let before = tombstones
                .get(&copy.node)
                .and_then(|before| Some((before.at, before.held.as_ref()?.version)));
            if !has_value(held) {
                self.judge.looked(1);
                if before.is_none_or(|(_, version)| version < held.version) {
                    tombstones.insert(copy.node, copy);
                }
            } else if let Some((at, version)) = before
                && held.version < version
                && !register.losses.of_node(copy.node, (at, copy.at))
            {
                self.judge.violated(Some(register.key), &[], || {
                    let node = register.history.node_name(copy.node);
                    format!("{node} held the tombstone {version}, and holds the value {} later", held.version)
                });
            }
        }
    }

    fn look_at_end(&mut self, register: &Register<'_>, version: Version, op: usize) {
        let finals = register.finals();
        if finals.len() < usize::from(register.promise.n) || !register.losses.is_empty() {
            return;
        }
        let newest = finals.iter().filter_map(|copy| copy.held.as_ref()).max_by_key(|held| held.version);
        if let Some(held) = newest.filter(|held| has_value(held) && held.version < version) {
            self.judge.violated(Some(register.key), &[op], || {
                let id = register.id(op);
                format!(
                    "#{id} deleted as {version}; at the end the newest copy is the value {}",
                    held.version
                )
            });
        }
    }
}
