//! What many runs, or one, came to: in words and as fields.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use quorate_sim::run::Ending;
use quorate_sim::sweep::Sweep;
use serde_json::{Value, json};

use super::Done;
use crate::answer::Answer;
use crate::exit::Exit;

/// Entries on one line of a tally.
const PER_LINE: usize = 4;

pub fn of(done: &Done, name: Option<&str>, again: Option<String>) -> Answer {
    let mut all = Sweep::default();
    done.sweeps.iter().for_each(|(_, sweep)| all.merge(sweep.clone()));
    let mut text = String::new();
    for report in &done.reports {
        let _ = writeln!(text, "{}", report.text);
    }
    tell(&all, &mut text);
    let hash = (all.runs == 1).then(|| format!("{:016x}", done.hash));
    if let Some(hash) = &hash {
        let _ = writeln!(text, "trace: {hash}: the same for this plan wherever it is run with this version");
    }
    // Of one run, or of a scenario, nobody expects everything.
    let never: Vec<&str> =
        if all.runs > 1 && name.is_none() { all.never_fired().collect() } else { Vec::new() };
    if !never.is_empty() {
        let _ = writeln!(text, "never:       {}: more seeds, or longer runs, may show it", never.join(", "));
    }
    if done.sweeps.len() > 1 {
        tell_variants(&done.sweeps, &mut text);
    }
    let seconds = done.took.as_secs_f64();
    if seconds > 0.0 {
        let _ = writeln!(
            text,
            "{} runs in {seconds:.1} s: {:.0} simulated seconds and {:.0} thousand events a second",
            all.runs,
            all.simulated.as_secs_f64() / seconds,
            all.events as f64 / seconds / 1e3
        );
    }
    let exit = match all.ending() {
        Ending::Well => Exit::Ok,
        Ending::Undecided => Exit::Undecided,
        Ending::Violated => Exit::Violated,
    };
    tell_ending(&all, again, &mut text);
    Answer::new(exit, text, fields(done, (&all, hash), name))
}

fn tell_ending(all: &Sweep, again: Option<String>, text: &mut String) {
    let what = match all.ending() {
        Ending::Well => {
            let _ = writeln!(text, "ok: every promise was kept in {} runs", all.runs);
            return;
        }
        Ending::Undecided => "undecided: no promise is broken, but not everything could be decided",
        Ending::Violated => "VIOLATED",
    };
    let Some(again) = again else {
        let _ = writeln!(text, "{what}");
        return;
    };
    let seeds = if all.bad.is_empty() { &all.undecided } else { &all.bad };
    let first: Vec<String> = seeds.iter().take(20).map(u64::to_string).collect();
    let _ = writeln!(text, "{what} in {} of {} runs: seeds {}", seeds.len(), all.runs, first.join(", "));
    let _ = writeln!(text, "again: {again}");
}

fn tell(all: &Sweep, text: &mut String) {
    let hours = all.simulated.as_secs_f64() / 3_600.0;
    let _ = writeln!(
        text,
        "simulated: {:.1} s ({hours:.2} h), {} events",
        all.simulated.as_secs_f64(),
        all.events
    );
    tell_tally("faults", &all.faults, text);
    tell_tally("operations", &all.operations, text);
    tell_tally("network", &all.network, text);
    tell_tally("judged", &all.judged, text);
    tell_tally("happened", &all.sometimes, text);
    for (level, (answered, stale)) in &all.reads {
        let share = *stale as f64 * 100.0 / (*answered).max(1) as f64;
        let _ = writeln!(text, "reads at {level}: {answered}, of which {stale} stale ({share:.3} %)");
    }
}

fn tell_tally(name: &str, tally: &BTreeMap<&'static str, u64>, text: &mut String) {
    let there: Vec<String> = tally
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    for (at, line) in there.chunks(PER_LINE).enumerate() {
        let head = if at == 0 { format!("{name}:") } else { String::new() };
        let _ = writeln!(text, "{head:<12} {}", line.join(", "));
    }
}

fn tell_variants(sweeps: &[(String, Sweep)], text: &mut String) {
    for (name, sweep) in sweeps {
        let (answered, stale) = client_reads(name, sweep);
        let share = stale as f64 * 100.0 / answered.max(1) as f64;
        let _ = writeln!(text, "{name}: {answered} reads, {stale} stale ({share:.3} %)");
    }
}

/// The reads of the level that a variant's name begins with; others are the judge's own.
fn client_reads(name: &str, sweep: &Sweep) -> (u64, u64) {
    let level = name.trim_start_matches("R ").split(',').next().unwrap_or_default();
    sweep.reads.get(level).copied().unwrap_or_default()
}

fn fields(done: &Done, (all, hash): (&Sweep, Option<String>), name: Option<&str>) -> Value {
    let violations: Vec<Value> = done
        .reports
        .iter()
        .flat_map(|report| {
            report.violations.iter().map(|violation| {
                json!({ "seed": report.seed, "about": violation.about, "key": violation.key, "what": violation.what })
            })
        })
        .collect();
    let undecided: Vec<Value> = done
        .reports
        .iter()
        .flat_map(|report| report.undecided.iter().map(|what| json!({ "seed": report.seed, "what": what })))
        .collect();
    let reads: BTreeMap<&String, Value> = all
        .reads
        .iter()
        .map(|(level, (answered, stale))| (level, json!({ "answered": answered, "stale": stale })))
        .collect();
    json!({
        "verb": "sim", "scenario": name, "runs": all.runs, "bad_seeds": all.bad, "undecided_seeds": all.undecided, "violations": violations,
        "undecided": undecided,
        "trace_hash": hash, "simulated_s": all.simulated.as_secs_f64(), "events": all.events, "took_s": done.took.as_secs_f64(),
        "faults": all.faults, "operations": all.operations, "network": all.network, "judged": all.judged,
        "never_fired": all.never_fired().collect::<Vec<_>>(), "happened": all.sometimes, "reads": reads,
    })
}
