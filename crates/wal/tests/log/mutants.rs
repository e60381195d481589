//! The proofs proved: each planted bug is found by the oracle, the matrix or the enumeration as they are, and without one they
//! find nothing.
//!
//! `cargo test -p quorate-wal --features mutants mutants -- --nocapture` prints the table: which proof was the
//! first to find which bug, after how many seeds, states or cases. `WAL_MUTANTS=all` asks every proof about every bug.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use quorate_wal::mutants::{Mutant, with};

use crate::tally::Looked;
use crate::{enumeration, matrix, oracle, rotten};

/// Within so many seeds a bug must be found.
const SEEDS_MAX: u64 = 200;

/// A proof, and what it counts.
struct Proof {
    name: &'static str,
    unit: &'static str,
    run: fn(&Looked),
}

const PROOFS: &[Proof] = &[
    Proof { name: "oracle", unit: "seeds", run: |looked| seeds(looked, |seed| drop(oracle::run(seed))) },
    Proof {
        name: "followers",
        unit: "seeds",
        run: |looked| seeds(looked, |seed| drop(oracle::followers::run(seed))),
    },
    Proof { name: "rotten", unit: "seeds", run: |looked| seeds(looked, |seed| drop(rotten::run(seed))) },
    Proof { name: "matrix", unit: "cases", run: cases },
    Proof { name: "enumeration", unit: "states", run: enumeration::run },
];

fn seeds(looked: &Looked, history: fn(u64)) {
    for seed in 0..SEEDS_MAX {
        looked.states.set(seed + 1);
        history(seed);
    }
}

fn cases(looked: &Looked) {
    for (_, case) in matrix::CASES {
        looked.states.set(looked.states.get() + 1);
        case();
    }
}

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Panics of this thread that are expected are not printed.
fn silence_what_is_expected() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !EXPECTED.get() {
                before(info);
            }
        }));
    });
}

/// After how much this proof found the bug, and what it said; `None` if it did not.
fn finds(proof: &Proof, mutant: Option<Mutant>) -> Option<(u64, String)> {
    let looked = Looked::default();
    EXPECTED.set(true);
    let outcome = with(mutant, || panic::catch_unwind(AssertUnwindSafe(|| (proof.run)(&looked))));
    EXPECTED.set(false);
    let said = outcome.err()?;
    Some((looked.states.get() + looked.nested.get(), first_line(&*said)))
}

fn first_line(said: &(dyn Any + Send)) -> String {
    let text = said.downcast_ref::<String>().map(String::as_str).or(said.downcast_ref::<&str>().copied());
    let line = text.and_then(|text| text.lines().next()).unwrap_or("?");
    line.chars().take(70).collect()
}

#[test]
fn every_planted_bug_is_found_and_without_one_nothing_is() {
    silence_what_is_expected();
    for proof in PROOFS {
        assert_eq!(finds(proof, None), None, "{} finds a bug where none was planted", proof.name);
    }
    let ask_all = std::env::var_os("WAL_MUTANTS").is_some_and(|which| which == "all");
    let mut missed = Vec::new();
    for mutant in Mutant::ALL {
        println!("{mutant:?}: {}", mutant.description());
        let mut found = false;
        for proof in PROOFS {
            let Some((count, said)) = finds(proof, Some(*mutant)) else { continue };
            println!("    {:<11} after {count:>5} {:<6}  {said}", proof.name, proof.unit);
            found = true;
            if !ask_all {
                break;
            }
        }
        if !found {
            println!("    NOT FOUND");
            missed.push(mutant);
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
    assert!(Mutant::ALL.len() >= 20, "{} planted bugs", Mutant::ALL.len());
}
