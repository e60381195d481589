//! The table of metrics: every row with its name, kind, labels and meaning, and where its samples come from.
//!
//! Rows are of two sorts: those written out here, and one for each plain counter of the node, the coordinator and the
//! driver, whose name and meaning are those of the counter. A counter that a row here shows under a label has no row of
//! its own: nothing is counted twice.

use std::borrow::Cow;

use quorate_coordinator::Counters as CoordinatorCounters;
use quorate_node::NodeCounters;

use super::rows::ROWS;
use super::scene::{Sample, Scene};
use crate::counters::Counters;

/// In front of every name but those of the process.
pub(crate) const PREFIX: &str = "quorate_";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only grows; its samples are called NAME_total.
    Counter,
    Gauge,
    Histogram,
    /// Texts as labels of the value 1; its sample is called NAME_info.
    Info,
}

/// What a number counts, said at the end of the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    None,
    Seconds,
    Bytes,
}

/// What a metric is about: a heading of the page, a row of the dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Requests,
    Limits,
    Coordinator,
    Replica,
    Peers,
    Clocks,
    Log,
    Store,
    Hints,
    RedisClients,
    HttpClients,
    Node,
}

/// Where samples come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// The plain counter of this name.
    Counter(&'static str),
    /// Plain counters, each as a value of the row's label.
    Counters(&'static [(&'static str, &'static str)]),
    /// Whatever this finds.
    Found(fn(&Scene) -> Vec<Sample>),
}

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Metric {
    /// With prefix and unit, without `_total` or `_info`.
    pub(crate) name: Cow<'static, str>,
    pub(crate) group: Group,
    pub(crate) kind: Kind,
    pub(crate) unit: Unit,
    pub(crate) labels: &'static [&'static str],
    pub(crate) help: &'static str,
    pub(crate) source: Source,
}

impl Metric {
    /// Its samples in `scene`.
    pub(crate) fn samples(&self, scene: &Scene) -> Vec<Sample> {
        match self.source {
            Source::Counter(name) => vec![Sample::bare(scene.counter(name))],
            Source::Counters(counters) => {
                counters.iter().map(|(label, name)| Sample::of(label, scene.counter(name))).collect()
            }
            Source::Found(find) => find(scene),
        }
    }
}

impl Unit {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Unit::None => "",
            Unit::Seconds => "seconds",
            Unit::Bytes => "bytes",
        }
    }
}

impl Group {
    pub(crate) const ALL: [Group; 12] = [
        Group::Requests,
        Group::Limits,
        Group::Coordinator,
        Group::Replica,
        Group::Peers,
        Group::Clocks,
        Group::Log,
        Group::Store,
        Group::Hints,
        Group::RedisClients,
        Group::HttpClients,
        Group::Node,
    ];

    /// Where a plain counter belongs, by how its name begins; `otherwise` if that says nothing.
    fn of_counter(name: &str, otherwise: Group) -> Group {
        const BEGINNINGS: &[(&str, Group)] = &[
            ("hint", Group::Hints),
            ("clock", Group::Clocks),
            ("resp_", Group::RedisClients),
            ("http_", Group::HttpClients),
            ("log_", Group::Log),
            ("checkpoints", Group::Log),
            ("peers_", Group::Peers),
            ("peer_frames", Group::Peers),
            ("links_", Group::Peers),
            ("dials_", Group::Peers),
            ("duplicates", Group::Requests),
            ("requests", Group::Requests),
            ("slow_", Group::Requests),
            ("connections", Group::Requests),
            ("handshakes", Group::Requests),
            ("values_", Group::Requests),
        ];
        BEGINNINGS.iter().find(|(start, _)| name.starts_with(start)).map_or(otherwise, |(_, group)| *group)
    }
}

/// All rows, group by group.
pub(crate) fn table() -> Vec<Metric> {
    let plain = [
        (CoordinatorCounters::DESCRIPTIONS, Group::Coordinator),
        (NodeCounters::DESCRIPTIONS, Group::Replica),
        (Counters::DESCRIPTIONS, Group::Node),
    ];
    let plain = plain.into_iter().flat_map(|(counters, group)| counters.iter().map(move |one| (one, group)));
    let plain = plain.filter(|((name, _), _)| !is_shown(name));
    let plain = plain.map(|((name, help), group)| Metric {
        name: format!("{PREFIX}{name}").into(),
        group: Group::of_counter(name, group),
        kind: Kind::Counter,
        unit: Unit::None,
        labels: &[],
        help: help.trim_start(),
        source: Source::Counter(name),
    });
    let mut rows: Vec<Metric> = ROWS.iter().cloned().chain(plain).collect();
    rows.sort_by_key(|row| Group::ALL.iter().position(|group| *group == row.group));
    rows
}

/// Whether a row that is written out shows the counter.
fn is_shown(counter: &str) -> bool {
    ROWS.iter().any(|row| match row.source {
        Source::Counter(name) => name == counter,
        Source::Counters(names) => names.iter().any(|(_, name)| *name == counter),
        Source::Found(_) => false,
    })
}
