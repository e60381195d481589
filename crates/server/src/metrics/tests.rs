//! The tables, and what is made of them.

use std::collections::{BTreeMap, BTreeSet};

use quorate_coordinator::Counters as CoordinatorCounters;
use quorate_node::{LimitsReached, NodeCounters};

use super::alerts::ALERTS;
use super::pages::{self, sample_name};
use super::rows::LIMITS;
use super::table::{Kind, Source, Unit, table};
use crate::counters::Counters;

pub(crate) mod openmetrics;

/// Limits that can't be set.
const FIXED: &[&str] = &[
    "key_bytes_max",
    "peer_bytes_max",
    "link_outstanding_bytes_max",
    "status_requests_max",
    "clock_parked_max",
    "stragglers_max",
    "background_max",
];

#[test]
fn every_counter_is_shown_once_and_every_counter_that_is_shown_exists() {
    let shown = table().into_iter().flat_map(|metric| match metric.source {
        Source::Counter(name) => vec![name],
        Source::Counters(counters) => counters.iter().map(|(_, name)| *name).collect(),
        Source::Found(_) => Vec::new(),
    });
    let mut shown: Vec<&str> = shown.collect();
    let counted = [CoordinatorCounters::DESCRIPTIONS, NodeCounters::DESCRIPTIONS, Counters::DESCRIPTIONS];
    let mut counted: Vec<&str> = counted.into_iter().flatten().map(|(name, _)| *name).collect();
    shown.sort_unstable();
    counted.sort_unstable();
    assert_eq!(shown, counted);
}

#[test]
fn names_say_their_unit_and_a_meaning_is_one_line() {
    let mut names = BTreeSet::new();
    for metric in table() {
        let name = metric.name.as_ref();
        assert!(names.insert(name.to_owned()), "{name} is there twice");
        assert!(name.starts_with("quorate_") || name.starts_with("process_"), "{name}");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{name}");
        assert!(!["_total", "_info", "_count", "_sum"].iter().any(|end| name.ends_with(end)), "{name}");
        let said = [("_seconds", Unit::Seconds), ("_bytes", Unit::Bytes)];
        let said = said.iter().find(|(end, _)| name.ends_with(end)).map_or(Unit::None, |(_, unit)| *unit);
        assert_eq!(metric.unit, said, "{name}");
        let help = metric.help;
        assert!(help.ends_with('.') && !help.contains(['\n', '\\', '|']), "{name}: {help:?}");
        assert!(!help.starts_with("Of those"), "{name}: {help:?} does not stand alone");
    }
}

#[test]
fn limits_are_called_what_the_configuration_calls_them() {
    let rendered = crate::config::render_default();
    let (mut section, mut keys) = (String::new(), BTreeSet::new());
    for line in rendered.lines().map(|line| line.trim_start_matches(['#', ' '])) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = name.trim_matches('[').to_owned();
        } else if let Some((key, _)) = line.split_once(" = ") {
            keys.insert(key.to_owned());
            keys.insert(format!("{section}.{key}"));
        }
    }
    let unknown: Vec<&str> =
        LIMITS.iter().map(|(limit, _)| *limit).filter(|limit| !keys.contains(*limit)).collect();
    let mut fixed = FIXED.to_vec();
    fixed.sort_unstable();
    assert_eq!(unknown.into_iter().collect::<BTreeSet<_>>(), fixed.into_iter().collect());
}

#[test]
fn every_limit_that_shards_tell_of_has_a_name() {
    for (counter, _) in LimitsReached::default().counted() {
        assert!(LIMITS.iter().any(|(_, counts)| *counts == counter), "{counter}");
    }
}

/// The metrics that `expr` names.
fn named(expr: &str) -> Vec<&str> {
    let words = expr.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("quorate_") || word.starts_with("process_")).collect()
}

#[test]
fn alert_rules_ask_for_metrics_and_label_values_that_exist() {
    let mut samples: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for metric in table() {
        let endings: &[&str] =
            if metric.kind == Kind::Histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
        for ending in endings {
            samples.insert(format!("{}{ending}", sample_name(&metric)), metric.labels.to_vec());
        }
    }
    let mut names = BTreeSet::new();
    for alert in ALERTS {
        assert!(names.insert(alert.name), "{} is there twice", alert.name);
        assert!(alert.meaning.ends_with('.') && alert.action.ends_with('.'), "{}", alert.name);
        for name in named(alert.expr) {
            assert!(samples.contains_key(name), "{} asks for {name}, which there is not", alert.name);
        }
        let limits = alert.expr.split("limit=\"").skip(1).filter_map(|rest| rest.split('"').next());
        for limit in limits {
            assert!(LIMITS.iter().any(|(known, _)| *known == limit), "{}: {limit}", alert.name);
        }
    }
    assert_eq!(named("rate(quorate_x_total{a=\"quorateless\"}[5m])"), ["quorate_x_total"]);
}

#[test]
fn the_page_the_rules_and_the_dashboard_are_those_of_the_tables() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let files = [
        ("metrics.md", pages::page()),
        ("operations/alerts.yml", pages::rules()),
        ("operations/dashboard.json", pages::dashboard()),
    ];
    for (name, text) in files {
        let path = docs.join(name);
        if std::env::var_os("WRITE_METRICS_DOCS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let held = std::fs::read_to_string(&path).unwrap_or_default();
        let remedy = "WRITE_METRICS_DOCS=1 cargo test -p quorate-server --lib metrics";
        assert!(held == text, "docs/{name} is not what the tables say; write it anew: {remedy}");
    }
}

#[test]
fn every_metric_is_on_the_dashboard_and_panels_do_not_overlap() {
    let board: serde_json::Value = serde_json::from_str(&pages::dashboard()).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let exprs: String = panels.iter().map(|panel| panel["targets"].to_string()).collect();
    let shown: BTreeSet<&str> = named(&exprs).into_iter().collect();
    for metric in table().into_iter().filter(|metric| metric.kind != Kind::Info) {
        let name = sample_name(&metric);
        let name = if metric.kind == Kind::Histogram { format!("{name}_bucket") } else { name };
        assert!(shown.contains(name.as_str()), "{name} is on no panel");
    }
    let places: BTreeSet<(u64, u64)> = panels
        .iter()
        .map(|panel| &panel["gridPos"])
        .map(|place| (place["y"].as_u64().unwrap(), place["x"].as_u64().unwrap()))
        .collect();
    assert_eq!(places.len(), panels.len());
}
