//! Who is behind: sights against what was known before they began, as far as their replicas must overlap.
//!
//! A fact known to `copies` replicas and a read that asks `required` of `n` have a replica in common if
//! copies + required > n. A lost disk takes a copy from every fact that began before it.
//!
//! One sweep over time with the newest fact for each number of copies, at most 7: O(n log n).

use quorate_types::{Mono, Version};

use super::losses::Losses;
use super::register::{Register, Sight};

const COPIES_MAX: usize = quorate_types::limits::REPLICAS_MAX;

/// From `from` on, `copies` replicas have at least `version`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fact {
    pub(super) begun: Mono,
    pub(super) from: Mono,
    pub(super) copies: usize,
    pub(super) version: Version,
    pub(super) op: usize,
}

/// The newest fact for each number of copies.
type Newest = [Option<Fact>; COPIES_MAX + 1];

/// Calls `behind` with each of `sights` that must have seen something newer, and what that is.
pub(super) fn each_behind<'a, 'b>(
    register: &'b Register<'a>,
    mut facts: Vec<Fact>,
    sights: impl Iterator<Item = &'b Sight<'a>>,
    mut behind: impl FnMut(&'b Sight<'a>, Fact),
) where
    'a: 'b,
{
    let n = usize::from(register.promise.n);
    facts.sort_by_key(|fact| fact.from);
    let mut facts = facts.into_iter().peekable();
    let mut losses = register.losses.iter().peekable();
    let mut newest: Newest = [None; COPIES_MAX + 1];
    for sight in sights {
        loop {
            let lost = losses.peek().copied().filter(|lost| *lost < sight.begun);
            match facts.next_if(|fact| fact.from < sight.begun && lost.is_none_or(|lost| fact.from < lost)) {
                Some(fact) => keep(&mut newest, fact, &register.losses),
                None if lost.is_some() => {
                    losses.next();
                    lose(&mut newest);
                }
                None => break,
            }
        }
        let during = register.losses.between(sight.begun, sight.at);
        let needed = (n + 1 + during).saturating_sub(sight.required);
        let known = newest.get(needed..).into_iter().flatten().flatten().max_by_key(|fact| fact.version);
        if let Some(fact) = known.filter(|fact| sight.version < Some(fact.version)) {
            behind(sight, *fact);
        }
    }
}

fn keep(newest: &mut Newest, fact: Fact, losses: &Losses) {
    let copies = fact.copies.saturating_sub(losses.between(fact.begun, fact.from)).min(COPIES_MAX);
    let place = &mut newest[copies];
    if place.is_none_or(|other| other.version < fact.version) {
        *place = Some(fact);
    }
}

fn lose(newest: &mut Newest) {
    for copies in 1..newest.len() {
        let moved = newest[copies].take();
        let below = &mut newest[copies - 1];
        if moved.map(|fact| fact.version) > below.map(|fact| fact.version) {
            *below = moved;
        }
    }
}
