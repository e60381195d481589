//! The general search: is a history of one register linearizable, whatever is written how often?
//!
//! Operations are tried in every order that time allows, depth first; a set of operations done that led to the same
//! value before is not tried again. Exponential at worst, so it has a budget and then says *undecided*.
//!
//! Four rules keep it small and lose no order that matters. A read of the present value that may come next comes next: it
//! changes nothing, and later it might not fit. A write without an answer takes effect only where a read of its value may
//! follow at once: else leave it out, and nobody sees a difference. Of several such with one value the one that began first
//! goes first: it may do whatever a later one may. And a write that nobody will read any more, and that may come next, comes
//! right before whichever write does: it is overwritten at once, and stands in nobody's way.
//!
//! Source: Wing and Gong 1993; Lowe, Testing for Linearizability (2017), for the memoisation and the list of calls and
//! returns from which operations are lifted; porcupine for its shape.

use std::collections::{BTreeMap, BTreeSet};

use super::zones::{Action, RegisterOp};

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// There is an order.
    Linearizable,
    /// There is none.
    NotLinearizable,
    /// The budget was spent first.
    Undecided,
}

/// Searches an order of `ops`.
///
/// `budget` is taken from: one for each step, and one for each 64 operations that a step has to remember; memory is at
/// most 8 bytes times what it had, and some.
pub fn search(ops: &[RegisterOp], budget: &mut u64) -> Decision {
    let mut search = Search::new(ops, *budget);
    let decision = search.run();
    *budget = search.budget;
    decision
}

const HEAD: usize = usize::MAX;

/// A call or return in the list of what is not yet done.
#[derive(Clone, Copy, Debug)]
struct Node {
    op: usize,
    is_call: bool,
    before: usize,
    after: usize,
}

struct Search<'a> {
    ops: &'a [RegisterOp],
    /// Calls and returns in the order of time; an operation that never ended has no return.
    nodes: Vec<Node>,
    first: usize,
    /// The return of each operation.
    returns: Vec<Option<usize>>,
    calls: Vec<usize>,
    /// Ended operations that are not yet done.
    rest: usize,
    done: Vec<u64>,
    value: u32,
    budget: u64,
    /// Of a write without an answer: the one of the same value that began before it.
    twins: Vec<Option<usize>>,
    tried: BTreeSet<(Vec<u64>, u32)>,
    /// Reads of each value that are not yet done.
    unread: BTreeMap<u32, usize>,
    /// What was done, and for what was chosen the value before it; the rest followed from the choice below it.
    stack: Vec<(usize, Option<u32>)>,
}

impl<'a> Search<'a> {
    fn new(ops: &'a [RegisterOp], budget: u64) -> Search<'a> {
        // At the same time calls come first: operations that touch are concurrent.
        let mut times: Vec<(u64, bool, usize)> = Vec::with_capacity(ops.len() * 2);
        for (op, RegisterOp { begun, ended, .. }) in ops.iter().enumerate() {
            times.push((*begun, false, op));
            times.extend(ended.map(|ended| (ended, true, op)));
        }
        times.sort_unstable();
        let (mut returns, mut calls) = (vec![None; ops.len()], vec![HEAD; ops.len()]);
        let last = times.len().saturating_sub(1);
        let node = |(at, (_, is_return, op)): (usize, &(u64, bool, usize))| Node {
            op: *op,
            is_call: !is_return,
            before: if at == 0 { HEAD } else { at - 1 },
            after: if at == last { HEAD } else { at + 1 },
        };
        let nodes: Vec<Node> = times.iter().enumerate().map(node).collect();
        for (at, node) in nodes.iter().enumerate() {
            if node.is_call {
                calls[node.op] = at;
            } else {
                returns[node.op] = Some(at);
            }
        }
        Search {
            ops,
            budget,
            twins: twins(ops, &nodes, &returns),
            first: if nodes.is_empty() { HEAD } else { 0 },
            rest: returns.iter().flatten().count(),
            nodes,
            returns,
            calls,
            done: vec![0; ops.len().div_ceil(64)],
            value: 0,
            tried: BTreeSet::new(),
            unread: reads(ops),
            stack: Vec::new(),
        }
    }

    fn run(&mut self) -> Decision {
        let mut at = self.read_on();
        while self.rest > 0 {
            if self.budget == 0 {
                return Decision::Undecided;
            }
            self.budget -= 1;
            let call = self.nodes.get(at).filter(|node| node.is_call).map(|node| node.op);
            match call {
                Some(op) if self.write(op) => at = self.read_on(),
                Some(_) => at = self.nodes[at].after,
                // A return: its operation should have been done by now.
                None => match self.undo() {
                    Some(op) => at = self.nodes[self.calls[op]].after,
                    None => return Decision::NotLinearizable,
                },
            }
        }
        Decision::Linearizable
    }

    /// Does every read of the present value that may come next; where to look on.
    fn read_on(&mut self) -> usize {
        while let Some(op) = self.next_read(self.value) {
            self.count_read(op, |left| left - 1);
            self.done[op / 64] |= 1 << (op % 64);
            self.stack.push((op, None));
            self.lift(op);
        }
        self.first
    }

    fn count_read(&mut self, op: usize, change: impl FnOnce(usize) -> usize) {
        if let Action::Read(value) = self.ops[op].action
            && let Some(left) = self.unread.get_mut(&value)
        {
            *left = change(*left);
        }
    }

    /// A read of `value` that may come next.
    fn next_read(&self, value: u32) -> Option<usize> {
        let mut at = self.first;
        while let Some(Node { op, after, .. }) = self.nodes.get(at).filter(|node| node.is_call) {
            if self.ops[*op].action == Action::Read(value) {
                return Some(*op);
            }
            at = *after;
        }
        None
    }

    /// Does `op` if it is a write that is of use, with the idle ones before it, and the outcome was not tried before.
    fn write(&mut self, op: usize) -> bool {
        let Action::Write(value) = self.ops[op].action else { return false };
        if self.returns[op].is_none() && !self.is_of_use(op, value) {
            return false;
        }
        self.budget = self.budget.saturating_sub(self.done.len() as u64);
        let idle = self.idle_writes(op);
        let all = || idle.iter().copied().chain([op]);
        all().for_each(|op| self.done[op / 64] |= 1 << (op % 64));
        if !self.tried.insert((self.done.clone(), value)) {
            all().for_each(|op| self.done[op / 64] &= !(1 << (op % 64)));
            return false;
        }
        self.stack.push((op, Some(self.value)));
        self.lift(op);
        for idle in idle {
            self.stack.push((idle, None));
            self.lift(idle);
        }
        self.value = value;
        true
    }

    /// Answered writes beside `op` that may come next and that nobody will read.
    fn idle_writes(&self, op: usize) -> Vec<usize> {
        let (mut idle, mut at) = (Vec::new(), self.first);
        while let Some(Node { op: other, after, .. }) = self.nodes.get(at).filter(|node| node.is_call) {
            if let Action::Write(value) = self.ops[*other].action
                && *other != op
                && self.returns[*other].is_some()
                && self.unread.get(&value).is_none_or(|left| *left == 0)
            {
                idle.push(*other);
            }
            at = *after;
        }
        idle
    }

    /// Whether the write `op`, which was not answered, need be tried now.
    fn is_of_use(&self, op: usize, value: u32) -> bool {
        let is_first = self.twins[op].is_none_or(|twin| self.done[twin / 64] & 1 << (twin % 64) != 0);
        is_first && value != self.value && self.next_read(value).is_some()
    }

    /// Takes back the last choice, and what followed from it.
    fn undo(&mut self) -> Option<usize> {
        loop {
            let (op, before) = self.stack.pop()?;
            self.count_read(op, |left| left + 1);
            self.done[op / 64] &= !(1 << (op % 64));
            self.put_back(op);
            if let Some(value) = before {
                self.value = value;
                return Some(op);
            }
        }
    }

    fn lift(&mut self, op: usize) {
        self.unlink(self.calls[op]);
        if let Some(end) = self.returns[op] {
            self.unlink(end);
            self.rest -= 1;
        }
    }

    fn put_back(&mut self, op: usize) {
        if let Some(end) = self.returns[op] {
            self.link(end);
            self.rest += 1;
        }
        self.link(self.calls[op]);
    }

    fn unlink(&mut self, at: usize) {
        let Node { before, after, .. } = self.nodes[at];
        self.set_after(before, after);
        if let Some(node) = self.nodes.get_mut(after) {
            node.before = before;
        }
    }

    fn link(&mut self, at: usize) {
        let Node { before, after, .. } = self.nodes[at];
        self.set_after(before, at);
        if let Some(node) = self.nodes.get_mut(after) {
            node.before = at;
        }
    }

    fn set_after(&mut self, at: usize, after: usize) {
        match self.nodes.get_mut(at) {
            Some(node) => node.after = after,
            None => self.first = after,
        }
    }
}

/// How many reads there are of each value.
fn reads(ops: &[RegisterOp]) -> BTreeMap<u32, usize> {
    let mut reads = BTreeMap::new();
    for op in ops {
        if let Action::Read(value) = op.action {
            *reads.entry(value).or_default() += 1;
        }
    }
    reads
}

/// For each write without an answer the one of the same value that was called last before it.
fn twins(ops: &[RegisterOp], nodes: &[Node], returns: &[Option<usize>]) -> Vec<Option<usize>> {
    let (mut twins, mut last) = (vec![None; ops.len()], BTreeMap::new());
    for node in nodes.iter().filter(|node| node.is_call && returns[node.op].is_none()) {
        if let Action::Write(value) = ops[node.op].action {
            twins[node.op] = last.insert(value, node.op);
        }
    }
    twins
}
