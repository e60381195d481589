//! The stamps of a coordinator rise with its own writes of a key, over its deaths and whatever its wall clock does.
//!
//! If a node told one write its version before another write of the key, stamped by the same node, began, the other
//! has the larger version. (Clocks are kept by shard: only writes of one key are compared.) Not judged for a node that
//! lost its disk: the ceiling of its clock went with it.
//!
//! Source: Kulkarni et al. 2014; Garage c82d91c6, where a clock that ran backwards made a delete older than its put.

use std::collections::BTreeMap;

use quorate_types::{Mono, NodeId, Version};

use super::KeyCheck;
use super::judge::{Invariant, Judge, Verdict};
use super::register::Register;
use crate::history::What;

pub(super) struct Stamps {
    judge: Judge,
    /// Of each node: the stamps of all keys, and when it started.
    nodes: BTreeMap<NodeId, Life>,
}

#[derive(Default)]
struct Life {
    stamps: Vec<Stamp>,
    starts: Vec<Mono>,
}

impl Stamps {
    pub(super) fn new() -> Stamps {
        Stamps { judge: Judge::new(Invariant::Stamps), nodes: BTreeMap::new() }
    }
}

/// A stamp: when its write began, when it was told, the version, the operation.
type Stamp = (Mono, Mono, Version, usize);

impl KeyCheck for Stamps {
    fn look(&mut self, register: &Register<'_>) {
        let mut by_node: BTreeMap<NodeId, Vec<Stamp>> = BTreeMap::new();
        for write in &register.writes {
            let Some((version, told)) = write.version else { continue };
            by_node.entry(version.node).or_default().push((write.begun, told, version, write.op));
        }
        for (node, stamps) in by_node {
            if register.all_losses.of_node(node, (Mono(0), Mono(u64::MAX))) {
                self.judge.note("stamps of nodes that lost their disk are not judged");
            } else {
                self.look_at(register, &stamps);
                let life = self.nodes.entry(node).or_insert_with(|| Life::of(register, node));
                life.stamps.extend(stamps);
            }
        }
    }

    fn verdict(mut self: Box<Self>) -> Verdict {
        for (node, life) in std::mem::take(&mut self.nodes) {
            self.look_over_restarts(node, life);
        }
        self.judge.verdict()
    }
}

impl Life {
    fn of(register: &Register<'_>, node: NodeId) -> Life {
        let seen = register.history.seen().nodes.iter();
        let starts = seen.filter(|event| event.node == node && event.what == What::Start);
        Life { stamps: Vec::new(), starts: starts.map(|event| Mono(event.at_ns)).collect() }
    }
}

impl Stamps {
    fn look_over_restarts(&mut self, node: NodeId, Life { mut stamps, starts }: Life) {
        stamps.sort_by_key(|(_, told, ..)| *told);
        for start in starts {
            let before = stamps.iter().take_while(|(_, told, ..)| *told < start).max_by_key(|stamp| stamp.2);
            let Some((_, _, newest, other)) = before else { continue };
            let behind = stamps.iter().find(|(begun, _, version, _)| *begun > start && version <= newest);
            if let Some((_, _, version, op)) = behind {
                self.judge.violated(None, &[*other, *op], || {
                    format!("{node} stamped {version} after a restart, and had told {newest} before it")
                });
            }
        }
    }

    fn look_at(&mut self, register: &Register<'_>, stamps: &[Stamp]) {
        self.judge.looked(stamps.len());
        let mut told: Vec<&Stamp> = stamps.iter().collect();
        told.sort_by_key(|(_, at, ..)| *at);
        let mut told = told.into_iter().peekable();
        let mut newest: Option<(Version, usize)> = None;
        for (begun, _, version, op) in stamps {
            while let Some((_, _, version, op)) = told.next_if(|(_, at, ..)| at < begun) {
                newest = newest.max(Some((*version, *op)));
            }
            if let Some((before, other)) = newest.filter(|(before, _)| before >= version) {
                self.judge.violated(Some(register.key), &[other, *op], || {
                    let (a, b) = (register.id(other), register.id(*op));
                    format!("#{b} was stamped {version} after #{a} had been told {before} of the same node")
                });
            }
        }
    }
}
