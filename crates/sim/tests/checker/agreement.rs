//! The zone test and the general search agree.

use quorate_sim::check::{Action, Decision, RegisterOp, search, zones};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const HISTORIES: u64 = 40_000;

/// A random history of a register, in which each value is written once; about half of them are linearizable.
fn random(chance: &mut ChaCha8Rng) -> Vec<RegisterOp> {
    let mut draw = |bound: u64| chance.next_u64() % bound;
    let writes = 1 + draw(4) as u32;
    let (length, span) = (1 + draw(6), 2 + draw(12));
    let mut ops = Vec::new();
    for value in 1..=writes {
        let begun = 1 + draw(span * 2);
        let ended = (draw(4) > 0).then(|| begun + draw(length));
        ops.push(RegisterOp { begun, ended, action: Action::Write(value) });
    }
    for _ in 0..draw(6) {
        let begun = 1 + draw(span * 2);
        let action = Action::Read(draw(u64::from(writes) + 1) as u32);
        ops.push(RegisterOp { begun, ended: Some(begun + draw(length)), action });
    }
    ops
}

fn searched(ops: &[RegisterOp]) -> Decision {
    search(ops, &mut 1_000_000)
}

#[test]
fn the_zone_test_and_the_general_search_agree_on_thousands_of_random_histories() {
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let mut linearizable = 0;
    for number in 0..HISTORIES {
        let ops = random(&mut chance);
        let found = zones(&ops);
        let decision = searched(&ops);
        let expected = if found.is_none() { Decision::Linearizable } else { Decision::NotLinearizable };
        assert_eq!(decision, expected, "history {number}: {found:?} in {ops:#?}");
        linearizable += u64::from(found.is_none());
    }
    let share = linearizable as f64 / HISTORIES as f64;
    assert!((0.2..0.8).contains(&share), "{share} of them are linearizable: too one-sided to say much");
}

/// Tries every order: the definition itself.
fn by_definition(ops: &[RegisterOp]) -> bool {
    fn go(ops: &[RegisterOp], done: &mut Vec<usize>, value: u32) -> bool {
        let is_done = |at: usize, done: &[usize]| done.contains(&at);
        if (0..ops.len()).all(|at| is_done(at, done) || ops[at].ended.is_none()) {
            return true;
        }
        for at in 0..ops.len() {
            let first = |other: usize| ops[other].ended.is_some_and(|ended| ended < ops[at].begun);
            let too_early = (0..ops.len()).any(|other| !is_done(other, done) && first(other));
            if is_done(at, done) || too_early {
                continue;
            }
            let after = match ops[at].action {
                Action::Write(value) => value,
                Action::Read(read) if read == value => value,
                Action::Read(_) => continue,
            };
            done.push(at);
            if go(ops, done, after) {
                return true;
            }
            done.pop();
        }
        false
    }
    go(ops, &mut Vec::new(), 0)
}

#[test]
fn the_general_search_agrees_with_the_definition_also_where_values_are_written_twice() {
    let mut chance = ChaCha8Rng::seed_from_u64(2);
    let mut linearizable = 0;
    for number in 0..4_000 {
        let mut ops = random(&mut chance);
        for op in &mut ops {
            let (Action::Write(value) | Action::Read(value)) = &mut op.action;
            *value %= 3;
        }
        let expected = by_definition(&ops);
        linearizable += u64::from(expected);
        let decision = if expected { Decision::Linearizable } else { Decision::NotLinearizable };
        assert_eq!(searched(&ops), decision, "history {number}: {ops:#?}");
    }
    assert!((1_000..3_500).contains(&linearizable), "{linearizable}");
}

#[test]
fn a_search_that_runs_out_of_steps_says_so() {
    // Many writes at once and a read of what none wrote: each would have to be tried as the last.
    let write = |value| RegisterOp { begun: 1, ended: Some(10), action: Action::Write(value) };
    let mut ops: Vec<RegisterOp> = (1..=24).map(write).collect();
    ops.push(RegisterOp { begun: 20, ended: Some(30), action: Action::Read(99) });
    let mut budget = 10;
    assert_eq!(search(&ops, &mut budget), Decision::Undecided);
    assert!(budget < 2, "{budget}");
    assert!(zones(&ops).is_some(), "the zone test is not impressed");
}
