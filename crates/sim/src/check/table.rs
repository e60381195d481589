//! The history of one key as a small table.

use std::collections::BTreeSet;

use quorate_types::NodeId;

use crate::history::{Answer, Held, History, KeyNumber, Op, OpKind, Outcome, When};

/// So many lines are told; the others are counted.
const ROWS_MAX: usize = 40;

const HEAD: [&str; 8] = ["", "FROM ms", "TO ms", "OP", "CLIENT", "NODE", "ASKED", "ANSWERED"];

/// A line: when, and its cells.
type Row = (u64, [String; 8]);

/// All about `key` in the order of time; of a long history what lies around the `marked` operations.
pub(super) fn table(history: &History, key: KeyNumber, marked: &[usize]) -> String {
    let marked: BTreeSet<usize> = marked.iter().copied().collect();
    let mut rows: Vec<Row> = Vec::new();
    for (at, op) in history.ops().iter().enumerate() {
        let scanned = |answer: &Answer| answer.scanned.contains(&key);
        if op.key() == Some(key) || op.answers.iter().any(scanned) {
            rows.extend(op_rows(history, (at, op), key, &marked));
        }
    }
    rows.extend(copies(history, key));
    let (first, last) = span(&rows);
    rows.extend(node_events(history).filter(|(at, _)| (first..=last).contains(at)));
    rows.sort_by_key(|(at, _)| *at);
    let focus = rows.iter().position(|(_, cells)| cells[0] == "*").unwrap_or(0);
    let last_mark = rows.iter().rposition(|(_, cells)| cells[0] == "*").unwrap_or(focus);
    cut(&rows, focus, last_mark)
}

fn span(rows: &[Row]) -> (u64, u64) {
    let times = || rows.iter().map(|(at, _)| *at);
    (times().min().unwrap_or(0), times().max().unwrap_or(0))
}

/// What is told of `rows`: all, or so many around the marked ones.
fn cut(rows: &[Row], focus: usize, last_mark: usize) -> String {
    if rows.len() <= ROWS_MAX {
        return align(rows.iter().map(|(_, cells)| cells));
    }
    let marks = last_mark.saturating_sub(focus).min(ROWS_MAX / 2);
    let from = focus.saturating_sub((ROWS_MAX - marks) / 2).min(rows.len() - ROWS_MAX);
    let told = &rows[from..from + ROWS_MAX];
    let far: Vec<&Row> = rows[from + ROWS_MAX..].iter().filter(|(_, cells)| cells[0] == "*").collect();
    let text = align(told.iter().chain(far).map(|(_, cells)| cells));
    let (before, after) = (from, rows.len() - from - ROWS_MAX);
    format!(
        "  … {before} earlier lines\n{text}  … {after} later lines, of which only marked ones are shown\n"
    )
}

fn op_rows<'a>(
    history: &'a History,
    (at, op): (usize, &'a Op),
    key: KeyNumber,
    marked: &BTreeSet<usize>,
) -> Vec<Row> {
    let mark = if marked.contains(&at) { "*" } else { "" };
    let again = op.retry_of.map_or_else(String::new, |of| format!(" again, as #{}", history.ops()[of].id));
    let asked = match &op.kind {
        OpKind::Get(_) => "get".to_owned(),
        OpKind::Put { value, expires, .. } => {
            format!("put {value}{}", if *expires { ", expires" } else { "" })
        }
        OpKind::Delete(_) => "delete".to_owned(),
        OpKind::Scan => "scan".to_owned(),
    };
    let row = |answer: Option<&Answer>| {
        let node = answer.and_then(|answer| answer.coordinator).or(op.coordinator);
        let cells = [
            mark.to_owned(),
            ms(op.begun.0),
            answer.map_or_else(|| "-".to_owned(), |answer| ms(answer.at.0)),
            format!("#{}", op.id),
            op.session.map_or_else(|| op.client.to_string(), |session| format!("{}/{session}", op.client)),
            node.map_or_else(|| "-".to_owned(), |node| history.node_name(node)),
            format!("{asked} at {}{again}", op.level),
            answer.map_or_else(|| "nothing".to_owned(), |answer| told(answer, key)),
        ];
        (op.begun.0, cells)
    };
    if op.answers.is_empty() {
        return vec![row(None)];
    }
    op.answers.iter().map(|answer| row(Some(answer))).collect()
}

fn told(answer: &Answer, key: KeyNumber) -> String {
    match &answer.outcome {
        Outcome::Written { version, acked, required, .. } => {
            format!("written {version}, {acked} of {required} acks")
        }
        Outcome::Indeterminate { acked, required, version } => {
            let version = version.map_or_else(|| "unknown".to_owned(), |version| version.to_string());
            format!("indeterminate, {acked} of {required} acks, version {version}")
        }
        Outcome::Found(record) => held(Some(record)),
        Outcome::Deleted { version } => format!("deleted {version}"),
        Outcome::NotFound { expired: None } => "not found".to_owned(),
        Outcome::NotFound { expired: Some(version) } => format!("expired {version}"),
        Outcome::Scanned { entries } => {
            let of_key = answer.scanned.iter().position(|scanned| *scanned == key);
            held(of_key.map(|at| &entries[at].record))
        }
        Outcome::TimedOut { answered, required } => format!("timed out, {answered} of {required} answered"),
        Outcome::Unavailable { required, alive } => format!("unavailable, {alive} of {required} alive"),
        Outcome::Rejected { reason } => format!("rejected: {reason}"),
    }
}

fn held(record: Option<&Held>) -> String {
    match record {
        None => "nothing".to_owned(),
        Some(Held { version, value: Some(value), .. }) => format!("{value} {version}"),
        Some(Held { version, value: None, .. }) => format!("tombstone {version}"),
    }
}

fn copies(history: &History, key: KeyNumber) -> impl Iterator<Item = Row> {
    history.copies().iter().filter(move |copy| copy.key == key).map(|copy| {
        let when = if copy.moment == When::Final { "copy at the end" } else { "copy" };
        (copy.at.0, aside(history, (copy.at.0, copy.node), when, held(copy.held.as_ref())))
    })
}

fn node_events(history: &History) -> impl Iterator<Item = Row> {
    let of = |event: &crate::history::NodeEvent| (event.at_ns, event.node);
    let events = history.seen().nodes.iter();
    events.map(move |event| (event.at_ns, aside(history, of(event), event.what.name(), String::new())))
}

/// A line that is no operation.
fn aside(history: &History, (at, node): (u64, NodeId), what: &str, told: String) -> [String; 8] {
    let none = String::new;
    [none(), ms(at), none(), none(), none(), history.node_name(node), what.to_owned(), told]
}

fn ms(ns: u64) -> String {
    format!("{}.{:06}", ns / 1_000_000, ns % 1_000_000)
}

fn align<'a>(rows: impl Iterator<Item = &'a [String; 8]>) -> String {
    let rows = rows.map(|row| row.each_ref().map(String::as_str));
    let rows: Vec<[&str; 8]> = std::iter::once(HEAD).chain(rows).collect();
    let mut text = String::new();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            // Times keep to the right, so that their points stand below each other.
            if (1..=2).contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        text.extend([cells.collect::<Vec<_>>().join("  ").trim_end(), "\n"]);
    }
    text
}
