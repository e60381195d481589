//! `cargo run --release -p quorate-sim --features mutants -- mutants [NAME…] [--ranges N] [--seeds N]`: looks for each
//! planted bug in several ranges of seeds, and prints after how many seeds it was found, and by what.
//!
//! Exit code 0: all were found in every range; 1: one was not; 2: it was called wrongly.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use quorate_sim::mutants::{Mutant, SEEDS_MAX, Search, look};
use quorate_sim::run::silence_panics;

/// Ranges of seeds by default.
const RANGES: u64 = 5;

/// What was asked for.
struct Asked {
    mutants: Vec<Mutant>,
    ranges: u64,
    seeds_max: u64,
}

fn asked(mut words: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked { mutants: Vec::new(), ranges: RANGES, seeds_max: SEEDS_MAX };
    if words.next().as_deref() != Some("mutants") {
        return Err("the one thing to do is `mutants`".to_owned());
    }
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|text| text.parse().ok()).filter(|number| *number > 0);
        match word.as_str() {
            "--ranges" => asked.ranges = number().ok_or("--ranges wants a number")?,
            "--seeds" => asked.seeds_max = number().ok_or("--seeds wants a number")?,
            name => {
                let known = Mutant::all().into_iter().find(|mutant| mutant.to_string() == name);
                asked.mutants.push(known.ok_or(format!("no mutant is called {name}"))?);
            }
        }
    }
    if asked.mutants.is_empty() {
        asked.mutants = Mutant::all();
    }
    Ok(asked)
}

/// One mutant's line; whether it was found in every range.
fn line(mutant: Mutant, asked: &Asked) -> (String, bool) {
    let searches: Vec<Search> = (0..asked.ranges).map(|range| look(mutant, range, asked.seeds_max)).collect();
    let ours =
        searches.iter().find_map(|search| if let Search::Ours(seed) = search { Some(*seed) } else { None });
    if let Some(seed) = ours {
        return (format!("{mutant:<26} seed {seed} ends badly without any planted bug"), false);
    }
    let mut seeds: Vec<u64> = Vec::new();
    let mut by = "-";
    for search in &searches {
        match search {
            Search::Found(found) => {
                seeds.push(found.seeds);
                by = &found.by;
            }
            _ => seeds.push(u64::MAX),
        }
    }
    seeds.sort_unstable();
    let count = |seeds: u64| if seeds == u64::MAX { "missed".to_owned() } else { seeds.to_string() };
    let (median, worst) = (seeds[seeds.len() / 2], seeds[seeds.len() - 1]);
    let by: String = by.chars().take(110).collect();
    (format!("{mutant:<26} {:>6} {:>6}  {by}", count(median), count(worst)), worst != u64::MAX)
}

fn main() -> ExitCode {
    let asked = match asked(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(why) => {
            eprintln!("{why}\nusage: mutants [NAME…] [--ranges N] [--seeds N]");
            return ExitCode::from(2);
        }
    };
    silence_panics();
    println!(
        "{:<26} median  worst  found by ({} ranges of at most {} seeds)",
        "mutant", asked.ranges, asked.seeds_max
    );
    let (next, missed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(mutant) = asked.mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (line, found) = line(*mutant, &asked);
            println!("{line}");
            std::io::stdout().flush().expect("somebody reads it");
            if !found {
                missed.lock().expect("nobody panics with it").push(*mutant);
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let missed = missed.into_inner().expect("nobody panics with it");
    if missed.is_empty() {
        println!("{} mutants, each found in every range", asked.mutants.len());
        return ExitCode::SUCCESS;
    }
    let names: Vec<String> = missed.iter().map(Mutant::to_string).collect();
    println!("not found in every range: {}", names.join(", "));
    ExitCode::FAILURE
}
