//! The tables, in Markdown.

use std::fmt::Write;

use super::{Board, Replays, Temperature, Workload};
use crate::contender::Contender;
use crate::contenders::{BARE, NAIVE};

/// A number with thousands set apart.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn cell(value: Option<f64>, digits: usize) -> String {
    value.map_or(String::new(), |value| format!("{value:.digits$}"))
}

/// One workload: a row per contender.
pub fn appends_table(board: &Board, workload: Workload, field: &[&dyn Contender]) -> String {
    let mut table = format!(
        "### `{}`\n\n| | records/s | p50 us | p99 us | of bare calls | of naive |\n|---|---|---|---|---|---|\n",
        workload.name()
    );
    for contender in field {
        let name = contender.name();
        let way = if workload == Workload::Async { contender.async_way() } else { None };
        let label = way.map_or(name.to_owned(), |way| format!("{name}: {way}"));
        let Some(rate) = board.per_second(workload, name) else {
            if workload != (Workload::Durable { writers: 1 }) && name != BARE && name != NAIVE {
                let _ = writeln!(table, "| {label} | none | | | | |");
            }
            continue;
        };
        let _ = writeln!(
            table,
            "| {label} | {} | {} | {} | {} | {} |",
            grouped(rate),
            cell(board.percentile_us(workload, name, 50.0), 0),
            cell(board.percentile_us(workload, name, 99.0), 0),
            cell(board.ratio(workload, name, BARE), 2),
            cell(board.ratio(workload, name, NAIVE), 2),
        );
    }
    table
}

/// All replays: a row per contender and temperature.
pub fn replays_table(replays: &Replays) -> String {
    let mut table = String::from(
        "### `replay/payload=128`\n\n| | | records | records/s | GB/s | opening ms | records/s with opening | memory MiB | read from disk MiB |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for temperature in [Temperature::Warm, Temperature::Cold] {
        for name in replays.contenders() {
            let median = |value: fn(&super::Replayed) -> f64| replays.median(temperature, name, value);
            let _ = writeln!(
                table,
                "| {name} | {} | {} | {} | {} | {} | {} | {} | {} |",
                if temperature == Temperature::Warm { "warm" } else { "cold" },
                grouped(median(|r| r.records as f64).unwrap_or_default()),
                grouped(median(super::Replayed::per_second).unwrap_or_default()),
                cell(median(super::Replayed::gigabytes_per_second), 2),
                cell(median(|r| r.opening * 1e3), 1),
                grouped(median(super::Replayed::per_second_with_opening).unwrap_or_default()),
                cell(median(super::Replayed::memory_mib), 1),
                cell(median(|r| r.disk_bytes as f64 / 1_048_576.0), 0),
            );
        }
    }
    table
}

/// Who they are: version and options.
pub fn settings_table(field: &[&dyn Contender]) -> String {
    let mut table = String::from("| | version | how it is called |\n|---|---|---|\n");
    for contender in field {
        let _ = writeln!(
            table,
            "| {} | {} | {} |",
            contender.name(),
            version(contender.name()),
            contender.settings()
        );
    }
    table
}

/// From the lock file that this program was built with.
fn version(name: &str) -> &'static str {
    const LOCK: &str = include_str!("../../Cargo.lock");
    let package = name.split([' ', ',']).next().unwrap_or(name);
    let head = format!("name = \"{package}\"\nversion = \"");
    LOCK.split_once(&head).and_then(|(_, rest)| rest.split('"').next()).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0.4, 999.0, 1000.0, 1_234_567.4].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn versions_are_those_of_the_lock_file() {
        assert_eq!(version("okaywal"), "0.3.1");
        assert!(version("wal-db, segmented").starts_with("1."));
        assert!(version("open-wal (queue)").starts_with("0.2."));
        assert_eq!(version("bare calls"), "");
    }
}
