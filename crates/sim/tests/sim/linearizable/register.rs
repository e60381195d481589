//! Whether what happened to one key could have happened to one register, one operation after the other.
//!
//! A search over the orders that agree with time, depth first; an order that was tried up to the same set of
//! operations with the same value is not tried again. Exponential in the number of concurrent operations at worst, so
//! it is bounded, and says so when it gives up.
//!
//! Sources: Wing and Gong, Testing and Verifying Concurrent Objects (1993); Lowe, Testing for Linearizability (2017).

use std::collections::BTreeSet;

/// What an operation did. Values are numbers; 0 stands for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    Read(u64),
    Write(u64),
}

/// An operation on the register, from `begin` to `end`; without an end it may have taken effect at any time after its
/// begin, or never.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    pub did: Did,
    pub begin: u64,
    pub end: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Linearizable,
    Violated,
    /// The bound was reached.
    Undecided,
}

/// Most steps of a search; each takes one operation or takes one back.
const STEPS_MAX: u64 = 1_000_000;

/// A set of operations.
type Set = Vec<u64>;

struct Search<'a> {
    ops: &'a [Op],
    done: Set,
    value: u64,
    tried: BTreeSet<(Set, u64)>,
}

/// Judges `ops`, in any order. Ends that fall on a begin count as concurrent with it.
pub fn judge(ops: &[Op]) -> Verdict {
    judge_within(ops, STEPS_MAX)
}

fn judge_within(ops: &[Op], steps_max: u64) -> Verdict {
    let mut ops: Vec<Op> = ops.iter().copied().filter(|op| is_needed(op, ops)).collect();
    ops.sort_by_key(|op| op.begin);
    let done = vec![0; ops.len().div_ceil(64)];
    let mut search = Search { ops: &ops, done, value: 0, tried: BTreeSet::new() };
    search.run(steps_max)
}

/// A read that was not answered says nothing; a write without an end whose value nobody read need not have happened.
fn is_needed(op: &Op, all: &[Op]) -> bool {
    let is_read = |value: u64| all.iter().any(|other| other.did == Did::Read(value));
    match op.did {
        Did::Read(_) => op.end.is_some(),
        Did::Write(value) => op.end.is_some() || is_read(value),
    }
}

impl Search<'_> {
    fn run(&mut self, steps_max: u64) -> Verdict {
        // What was done, with the value before it, and where to go on if that was wrong.
        let mut path: Vec<(usize, u64)> = Vec::new();
        let mut from = 0;
        for _ in 0..steps_max {
            if self.is_complete() {
                return Verdict::Linearizable;
            }
            if let Some(at) = self.next(from) {
                path.push((at, self.value));
                self.take(at);
                from = 0;
            } else {
                let Some((at, before)) = path.pop() else { return Verdict::Violated };
                self.done[at / 64] &= !(1 << (at % 64));
                self.value = before;
                from = at + 1;
            }
        }
        Verdict::Undecided
    }

    fn is_done(&self, at: usize) -> bool {
        self.done[at / 64] >> (at % 64) & 1 == 1
    }

    fn is_complete(&self) -> bool {
        (0..self.ops.len()).all(|at| self.is_done(at) || self.ops[at].end.is_none())
    }

    /// The next operation, from place `from` on, that may come now: it began before anything left had ended, it
    /// reads what there is, and what follows was not tried.
    fn next(&mut self, from: usize) -> Option<usize> {
        let left = (0..self.ops.len()).filter(|at| !self.is_done(*at));
        let first_end = left.filter_map(|at| self.ops[at].end).min().unwrap_or(u64::MAX);
        (from..self.ops.len())
            .take_while(|at| self.ops[*at].begin <= first_end)
            .find(|at| !self.is_done(*at) && self.fits(*at) && self.is_new(*at))
    }

    fn fits(&self, at: usize) -> bool {
        !matches!(self.ops[at].did, Did::Read(value) if value != self.value)
    }

    fn is_new(&mut self, at: usize) -> bool {
        let mut done = self.done.clone();
        done[at / 64] |= 1 << (at % 64);
        self.tried.insert((done, self.value_after(at)))
    }

    fn value_after(&self, at: usize) -> u64 {
        match self.ops[at].did {
            Did::Read(_) => self.value,
            Did::Write(value) => value,
        }
    }

    fn take(&mut self, at: usize) {
        self.value = self.value_after(at);
        self.done[at / 64] |= 1 << (at % 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: u64, begin: u64, end: u64) -> Op {
        Op { did: Did::Read(value), begin, end: Some(end) }
    }

    fn write(value: u64, begin: u64, end: u64) -> Op {
        Op { did: Did::Write(value), begin, end: Some(end) }
    }

    fn open(value: u64, begin: u64) -> Op {
        Op { did: Did::Write(value), begin, end: None }
    }

    #[test]
    fn one_after_the_other_a_read_returns_the_last_write() {
        assert_eq!(judge(&[read(0, 0, 1), write(1, 2, 3), read(1, 4, 5)]), Verdict::Linearizable);
        assert_eq!(judge(&[write(1, 2, 3), read(0, 4, 5)]), Verdict::Violated);
        assert_eq!(judge(&[write(1, 0, 1), write(2, 2, 3), read(1, 4, 5)]), Verdict::Violated);
    }

    #[test]
    fn concurrent_operations_may_come_in_either_order_but_in_one() {
        let both = [write(1, 0, 9), write(2, 0, 9)];
        for seen in [1, 2] {
            assert_eq!(judge(&[both[0], both[1], read(seen, 10, 11)]), Verdict::Linearizable);
        }
        assert_eq!(judge(&[both[0], both[1], read(1, 10, 11), read(2, 12, 13)]), Verdict::Violated);
    }

    #[test]
    fn new_and_then_old_is_a_violation_though_neither_read_is_stale() {
        let reads = [read(2, 4, 5), read(1, 6, 7)];
        assert_eq!(judge(&[write(1, 0, 1), write(2, 2, 20), reads[0], reads[1]]), Verdict::Violated);
        assert_eq!(judge(&[write(1, 0, 1), open(2, 2), reads[0], reads[1]]), Verdict::Violated);
    }

    #[test]
    fn a_write_without_an_end_may_have_happened_at_any_time_or_never() {
        let ops = [write(1, 0, 1), open(2, 2), read(1, 5, 6), read(2, 50, 60)];
        assert_eq!(judge(&ops), Verdict::Linearizable);
        assert_eq!(judge(&ops[..3]), Verdict::Linearizable);
        assert_eq!(judge(&[open(2, 10), read(2, 5, 6)]), Verdict::Violated, "not before it began");
    }

    #[test]
    fn a_value_that_nobody_wrote_is_a_violation() {
        assert_eq!(judge(&[read(7, 0, 1)]), Verdict::Violated);
    }

    #[test]
    fn a_search_that_grows_too_large_says_that_it_gave_up() {
        let mut ops: Vec<Op> = (1..=40).map(|value| write(value, 0, 1_000)).collect();
        ops.extend((1..=40).map(|value| read(value, 0, 1_000)));
        ops.push(read(99, 2_000, 2_001));
        assert_eq!(judge_within(&ops, 1_000), Verdict::Undecided);
    }
}
