//! What a bench says in the end.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use hdrhistogram::Histogram;
use quorate_types::Level;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::bench::tally::{Tally, corrected};
use crate::cli::{Bench, Preset};
use crate::exit::Exit;
use crate::table::{Side, Table};
use crate::text::{bytes, count, elapsed, micros};

const QUANTILES: [(&str, f64); 5] =
    [("P50", 0.5), ("P90", 0.9), ("P99", 0.99), ("P99.9", 0.999), ("MAX", 1.0)];

/// A bench that has run.
pub struct Run {
    pub tally: Tally,
    pub elapsed: Duration,
    /// CPU time of kvctl's thread, where the system says so.
    pub cpu: Option<Duration>,
    pub clients: usize,
    pub workers: usize,
    /// The file with its history, and how many operations are in it.
    pub history: Option<(PathBuf, u64)>,
    /// What it says of the end, if there is a history.
    pub read_back: Option<ReadBack>,
}

/// Whether all that was written was read once more in the end.
pub enum ReadBack {
    /// Not by kvctl: whoever tells of the nodes heals them, and knows when it is time to read.
    LeftOut,
    Done {
        /// Keys that were written.
        keys: u64,
        /// Of those, the ones that could not be read.
        unread: u64,
        /// The last failure.
        why: Option<String>,
    },
}

impl ReadBack {
    fn line(&self) -> String {
        match self {
            ReadBack::LeftOut => {
                "read back: no, as with --events whoever tells of the nodes heals them and reads; what nobody reads is not judged".to_owned()
            }
            ReadBack::Done { keys, unread: 0, .. } => {
                format!("read back: all {} keys that were written, at ALL", count(*keys))
            }
            ReadBack::Done { keys, unread, why } => {
                let why = why.as_deref().unwrap_or("the time was over");
                let (unread, keys) = (count(*unread), count(*keys));
                format!("read back: {unread} of {keys} keys that were written could not be read at ALL ({why}); what nobody reads is not judged")
            }
        }
    }

    fn fields(&self) -> Value {
        match self {
            ReadBack::LeftOut => json!({ "keys": null, "unread": null }),
            ReadBack::Done { keys, unread, why } => json!({ "keys": keys, "unread": unread, "why": why }),
        }
    }
}

/// The report.
pub fn told(args: &Bench, run: &Run) -> Answer {
    let (l, r) = (Side::Left, Side::Right);
    let mut columns = vec![("OP", l), ("COUNT", r), ("RATE/s", r)];
    columns.extend(QUANTILES.map(|(name, _)| (name, r)));
    let mut table = Table::new(&columns);
    let mut ops = Vec::new();
    let mut all = vec![("all", run.tally.all())];
    let single = run.tally.latencies().len() < 2;
    let each = run.tally.latencies().iter().map(|(op, latencies)| (op.name(), latencies.clone()));
    all.splice(0..usize::from(single), each);
    for (name, measured) in &all {
        let fixed = fixed(args, run, measured);
        let rate = measured.len() as f64 / run.elapsed.as_secs_f64();
        let mut cells = vec![(*name).to_owned(), count(measured.len()), count(rate as u64)];
        cells.extend(QUANTILES.map(|(_, quantile)| elapsed(fixed.value_at_quantile(quantile))));
        table.row(cells);
        ops.push(op_json(name, measured, &fixed, rate));
    }
    let text = format!("{}\n{}{}", head(args, run), table.render(), foot(args, run));
    Answer::new(run.tally.exit(), text, fields(args, run, &ops))
}

/// Latencies corrected for coordinated omission: in an open loop they are so as measured.
fn fixed(args: &Bench, run: &Run, measured: &Histogram<u64>) -> Histogram<u64> {
    if args.rate.is_some() { measured.clone() } else { corrected(measured, run.workers, run.elapsed) }
}

fn level(level: Option<Level>) -> String {
    level.map_or_else(|| "default".to_owned(), |level| level.to_string())
}

fn preset(preset: Preset) -> &'static str {
    match preset {
        Preset::Write => "write",
        Preset::Read => "read",
        Preset::A => "A",
        Preset::B => "B",
        Preset::C => "C",
        Preset::F => "F",
        Preset::Mixed => "mixed",
    }
}

fn head(args: &Bench, run: &Run) -> String {
    let pace =
        args.rate.map_or_else(|| "closed loop".to_owned(), |rate| format!("{} requests/s", count(rate)));
    format!(
        "bench {}: {pace}, {} connections of {} clients, {} requests under way, {} keys, values of {}, r={} w={}, {:.1}s",
        preset(args.preset),
        args.connections,
        run.clients,
        count(run.workers as u64),
        count(args.keys),
        bytes(args.value_size.into()),
        level(args.manner.read_level()),
        level(args.manner.write_level()),
        run.elapsed.as_secs_f64(),
    )
}

fn foot(args: &Bench, run: &Run) -> String {
    let outcomes: Vec<String> =
        run.tally.outcomes().iter().map(|(name, times)| format!("{name} {}", count(*times))).collect();
    let cpu = cpu_us_per_op(run)
        .map_or_else(String::new, |us| format!("; kvctl itself {us:.2} us CPU per operation"));
    let failure = run.tally.last_failure().map_or_else(String::new, |last| format!("last failure: {last}\n"));
    let how = if args.rate.is_some() {
        "latencies from the time at which each request was due"
    } else {
        "latencies corrected for coordinated omission"
    };
    let history = run.history.as_ref().map_or_else(String::new, |(file, operations)| {
        let file = file.display();
        format!(
            "history: {} operations in {file}; judge them with `kvctl check {file}`\n",
            count(*operations)
        )
    });
    let read_back = run.read_back.as_ref().map_or_else(String::new, |back| format!("{}\n", back.line()));
    format!("outcomes: {}\n{failure}{how}{cpu}\n{history}{read_back}", outcomes.join(", "))
}

fn cpu_us_per_op(run: &Run) -> Option<f64> {
    let ops = run.tally.ops() + run.tally.failed();
    run.cpu.filter(|_| ops > 0).map(|cpu| cpu.as_secs_f64() * 1e6 / ops as f64)
}

fn op_json(name: &str, measured: &Histogram<u64>, fixed: &Histogram<u64>, rate: f64) -> Value {
    let quantiles = |histogram: &Histogram<u64>| {
        let of = |(name, quantile): (&str, f64)| {
            (
                format!("{}_us", name.to_lowercase().replace('.', "_")),
                json!(histogram.value_at_quantile(quantile)),
            )
        };
        Value::Object(QUANTILES.into_iter().map(of).collect())
    };
    json!({
        "op": name,
        "count": measured.len(),
        "per_second": rate,
        "corrected": quantiles(fixed),
        "measured": quantiles(measured),
        "mean_us": measured.mean(),
    })
}

fn fields(args: &Bench, run: &Run, ops: &[Value]) -> Value {
    let outcomes = run.tally.outcomes().iter().map(|(name, times)| ((*name).to_owned(), json!(times)));
    json!({
        "verb": "bench",
        "preset": preset(args.preset),
        "rate": args.rate,
        "connections": args.connections,
        "clients": run.clients,
        "in_flight": args.in_flight,
        "workers": run.workers,
        "keys": args.keys,
        "value_bytes": args.value_size,
        "seed": args.seed,
        "read_level": args.manner.read_level().map(|level| level.to_string()),
        "write_level": args.manner.write_level().map(|level| level.to_string()),
        "elapsed_us": micros(run.elapsed),
        "ops": ops,
        "failed": run.tally.failed(),
        "outcomes": Value::Object(outcomes.collect()),
        "client_cpu_us_per_op": cpu_us_per_op(run),
        "history": run.history.as_ref().map(|(file, operations)| {
            json!({ "file": file.display().to_string(), "operations": operations })
        }),
        "read_back": run.read_back.as_ref().map(ReadBack::fields),
    })
}

/// The keys could not all be written: nothing was measured.
pub fn load_failed(tally: &Tally) -> Answer {
    let note = format!(
        "error: {} of {} keys could not be written: {}\n  state: nothing was measured\n  try:   `kvctl status`, or --no-load if the keys are there\n",
        count(tally.failed()),
        count(tally.failed() + tally.ops()),
        tally.last_failure().unwrap_or("no failure")
    );
    let exit = if tally.ops() == 0 { tally.exit() } else { Exit::Partial };
    let fields = json!({ "verb": "bench", "result": "load_failed", "failed": tally.failed() });
    Answer::new(exit, "", fields).with_note(note)
}

/// The history could not be written: what was measured is not told, as the disk slowed it down.
pub fn not_recorded(args: &Bench, error: &io::Error) -> Answer {
    let file = args.history.as_ref().map_or_else(String::new, |file| file.display().to_string());
    let note = format!(
        "error: the history can't be written to {file}: {error}\n  state: the cluster holds what was written up to then; the file, if it is new, ends there\n  try:   another file: it must not be there yet, and its disk must have room\n"
    );
    let fields =
        json!({ "verb": "bench", "result": "not_recorded", "file": file, "error": error.to_string() });
    Answer::new(Exit::Usage, "", fields).with_note(note)
}

/// What was said of the nodes could not be recorded, so the history would not tell what happened.
pub fn not_an_event(why: &str) -> Answer {
    let note = format!(
        "error: standard input: {why}\n  state: the run ended there; the history holds what was asked and answered up to then\n  try:   lines `NODE WHAT`; docs/formats.md lists what happens to nodes (crash, start, pause, resume...)\n"
    );
    let fields = json!({ "verb": "bench", "result": "not_an_event", "error": why });
    Answer::new(Exit::Usage, "", fields).with_note(note)
}

/// Values that can't all differ.
pub fn too_small(bytes: usize) -> Answer {
    let note = format!(
        "error: with --history every value differs, which takes {bytes} bytes\n  state: nothing was sent\n  try:   --value-size {bytes} or more\n"
    );
    let fields =
        json!({ "verb": "bench", "result": "rejected", "error": "value_size", "state": "nothing_sent" });
    Answer::new(Exit::Usage, "", fields).with_note(note)
}

/// A history without the ring could not say what was promised.
pub fn no_ring() -> Answer {
    let note = "error: no node described the ring or the keyspace, so the history could not say what was promised\n  state: nothing was sent\n  try:   again, or `kvctl ring`\n";
    let fields = json!({ "verb": "bench", "result": "no_ring", "state": "nothing_sent" });
    Answer::new(Exit::NotConnected, "", fields).with_note(note)
}

/// CPU time of the calling thread so far, on Linux.
pub fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::bench::tally::Op;
    use crate::cli::{Cli, Verb};

    fn bench(args: &[&str]) -> Bench {
        let args = ["kvctl", "bench"].into_iter().chain(args.iter().copied());
        let Verb::Bench(bench) = Cli::parse_from(args).verb else { panic!("a bench") };
        bench
    }

    #[test]
    fn the_report_has_a_line_per_operation_the_outcomes_and_how_latencies_were_taken() {
        let mut tally = Tally::new();
        for k in 1..=100 {
            tally.done(Op::Get, Duration::from_micros(k * 10), "found");
            tally.done(Op::Put, Duration::from_micros(k * 20), "written");
        }
        let run = Run {
            tally,
            elapsed: Duration::from_secs(2),
            cpu: Some(Duration::from_millis(1)),
            clients: 16,
            workers: 1024,
            history: None,
            read_back: None,
        };
        let answer = told(&bench(&["--preset", "a", "-w", "quorum", "--rate", "100"]), &run);
        assert_eq!(
            answer.text,
            "bench A: 100 requests/s, 64 connections of 16 clients, 1,024 requests under way, 100,000 keys, values of 100 B, r=default w=QUORUM, 2.0s\n\
             OP   COUNT  RATE/s    P50    P90    P99  P99.9    MAX\n\
             get    100      50  500us  900us  990us  1.0ms  1.0ms\n\
             put    100      50  1.0ms  1.8ms  2.0ms  2.0ms  2.0ms\n\
             all    200     100  670us  1.6ms  2.0ms  2.0ms  2.0ms\n\
             outcomes: found 100, written 100\n\
             latencies from the time at which each request was due; kvctl itself 5.00 us CPU per operation\n"
        );
        assert_eq!(answer.json["ops"][0]["corrected"]["p50_us"], json!(500));
        assert_eq!(answer.json["ops"][2]["measured"]["p99_9_us"], json!(2000));
    }
}
