//! docs/metrics.md, the alert rules and the dashboard, rendered from the tables.

use std::fmt::Write;

use serde_json::{Value, json};

use super::alerts::ALERTS;
use super::requests::{Door, LEVELS, Outcome, Verb};
use super::table::{Group, Kind, Metric, Source, Unit, table};

/// What its samples are called; those of a histogram have endings of their own.
pub(super) fn sample_name(metric: &Metric) -> String {
    match metric.kind {
        Kind::Counter => format!("{}_total", metric.name),
        Kind::Info => format!("{}_info", metric.name),
        Kind::Gauge | Kind::Histogram => metric.name.to_string(),
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Info => "info",
    }
}

fn heading(group: Group) -> &'static str {
    match group {
        Group::Requests => "Requests",
        Group::Limits => "Limits",
        Group::Coordinator => "Coordinating",
        Group::Replica => "Replica",
        Group::Peers => "Peers",
        Group::Clocks => "Clocks",
        Group::Log => "Log and checkpoints",
        Group::Store => "Store",
        Group::Hints => "Hints",
        Group::RedisClients => "Redis clients",
        Group::HttpClients => "HTTP clients",
        Group::Node => "Node and process",
    }
}

/// docs/metrics.md.
pub(super) fn page() -> String {
    let rows = table();
    let mut text = String::from(HEAD);
    for group in Group::ALL {
        let _ = write!(
            text,
            "\n## {}\n\n| metric | kind | labels | what it is |\n|---|---|---|---|\n",
            heading(group)
        );
        for metric in rows.iter().filter(|metric| metric.group == group) {
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let (name, kind) = (sample_name(metric), kind(metric.kind));
            let _ = writeln!(text, "| `{name}` | {kind} | {} | {} |", labels.join(", "), metric.help);
        }
    }
    text.push_str(LABELS);
    for (label, values) in
        [("door", Door::WORDS), ("verb", Verb::WORDS), ("level", &LEVELS), ("outcome", Outcome::WORDS)]
    {
        let _ = writeln!(text, "| `{label}` | {} |", values.join(", "));
    }
    let limits = rows.iter().filter_map(|metric| match metric.source {
        Source::Counters(counters) => Some((metric.labels[0], counters)),
        _ => None,
    });
    for (label, counters) in limits {
        let values: Vec<&str> = counters.iter().map(|(value, _)| *value).collect();
        let _ = writeln!(text, "| `{label}` | {} |", values.join(", "));
    }
    text.push_str(ALERTS_HEAD);
    for alert in ALERTS {
        let (name, severity) = (alert.name, alert.severity.word());
        let _ = write!(text, "\n**{name}** ({severity}). {}\n{}\n\n", alert.meaning, alert.action);
        let _ = writeln!(text, "    {}\n    for {}", alert.expr, alert.held);
    }
    text + LOG_LINES
}

/// The alert rules, as Prometheus reads them. A JSON text is a YAML text too.
pub(super) fn rules() -> String {
    let mut text = String::from(RULES_HEAD);
    for alert in ALERTS {
        let quoted = |text: &str| Value::from(text).to_string();
        let _ = write!(
            text,
            "      - alert: {}\n        expr: {}\n        for: {}\n        labels:\n          severity: {}\n        \
             annotations:\n          summary: {}\n          action: {}\n",
            alert.name,
            quoted(alert.expr),
            alert.held,
            alert.severity.word(),
            quoted(&format!("{{{{ $labels.instance }}}}: {}", alert.meaning)),
            quoted(alert.action),
        );
    }
    text
}

const PANEL_WIDTH: u64 = 8;
const PANEL_HEIGHT: u64 = 7;

/// The dashboard, as Grafana imports it: a row per group, a panel per metric, one for all plain counters of a group.
pub(super) fn dashboard() -> String {
    let (mut panels, mut y) = (Vec::new(), 0);
    let rows = table();
    for group in Group::ALL {
        let of_group: Vec<&Metric> = rows.iter().filter(|metric| metric.group == group).collect();
        panels.push(json!({
            "type": "row", "title": heading(group), "collapsed": false, "panels": [],
            "gridPos": { "x": 0, "y": y, "w": 24, "h": 1 },
        }));
        y += 1;
        let own = panels_of(&of_group);
        for (at, mut panel) in own.into_iter().enumerate() {
            let x = at as u64 % 3 * PANEL_WIDTH;
            if at > 0 && x == 0 {
                y += PANEL_HEIGHT;
            }
            panel["gridPos"] = json!({ "x": x, "y": y, "w": PANEL_WIDTH, "h": PANEL_HEIGHT });
            panels.push(panel);
        }
        y += PANEL_HEIGHT;
    }
    for (at, panel) in panels.iter_mut().enumerate() {
        panel["id"] = json!(at + 1);
    }
    let variable = |name: &str, rest: Value| {
        let mut variable = json!({ "name": name, "label": name });
        variable.as_object_mut().expect("it is one").extend(rest.as_object().expect("so is this").clone());
        variable
    };
    let board = json!({
        "title": "Quorate", "uid": "quorate", "tags": ["quorate"], "schemaVersion": 39, "version": 1,
        "editable": true, "refresh": "10s", "time": { "from": "now-1h", "to": "now" },
        "templating": { "list": [
            variable("datasource", json!({ "type": "datasource", "query": "prometheus" })),
            variable("instance", json!({
                "type": "query", "datasource": datasource(), "query": "label_values(quorate_uptime_seconds, instance)",
                "refresh": 2, "multi": true, "includeAll": true, "allValue": ".*",
                "current": { "text": "All", "value": "$__all" },
            })),
        ] },
        "panels": panels,
    });
    serde_json::to_string_pretty(&board).expect("it is JSON") + "\n"
}

fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

fn panels_of(metrics: &[&Metric]) -> Vec<Value> {
    let is_plain = |metric: &&&Metric| matches!(metric.source, Source::Counter(_));
    let own = metrics.iter().filter(|metric| !is_plain(metric) && metric.kind != Kind::Info);
    let mut panels: Vec<Value> =
        own.map(|metric| panel(&metric.name, metric.help, unit(metric), targets(metric))).collect();
    let plain: Vec<Value> = metrics.iter().filter(is_plain).flat_map(|metric| targets(metric)).collect();
    if !plain.is_empty() {
        panels.push(panel("counted", "Each per second; docs/metrics.md says what they are.", "cps", plain));
    }
    panels
}

fn panel(title: &str, description: &str, unit: &str, mut targets: Vec<Value>) -> Value {
    for (at, target) in targets.iter_mut().enumerate() {
        target["refId"] = json!(format!("R{at}"));
        target["datasource"] = datasource();
    }
    json!({
        "type": "timeseries", "title": title, "description": description, "datasource": datasource(),
        "fieldConfig": { "defaults": { "unit": unit }, "overrides": [] },
        "options": { "legend": { "displayMode": "list", "placement": "bottom" }, "tooltip": { "mode": "multi" } },
        "targets": targets,
    })
}

fn unit(metric: &Metric) -> &'static str {
    match (metric.unit, metric.kind) {
        (Unit::Seconds, Kind::Counter) => "percentunit",
        (Unit::Seconds, _) if metric.name.ends_with("start_time_seconds") => "dateTimeAsIso",
        (Unit::Seconds, _) => "s",
        (Unit::Bytes, Kind::Counter) => "Bps",
        (Unit::Bytes, _) => "bytes",
        (Unit::None, Kind::Counter) => "cps",
        (Unit::None, _) => "short",
    }
}

fn targets(metric: &Metric) -> Vec<Value> {
    let name = sample_name(metric);
    let here = "{instance=~\"$instance\"}";
    let labels: Vec<&str> = metric.labels.to_vec();
    let by = |first: &str| [&[first], labels.as_slice()].concat().join(", ");
    let legend = labels.iter().fold(String::new(), |legend, label| legend + " {{" + label + "}}");
    let target = |expr: String, legend: String| json!({ "expr": expr, "legendFormat": legend });
    match metric.kind {
        Kind::Histogram => [0.5, 0.99]
            .map(|quantile| {
                let rate = format!("rate({name}_bucket{here}[$__rate_interval])");
                let expr = format!("histogram_quantile({quantile}, sum by ({}) ({rate}))", by("le"));
                target(expr, format!("{quantile}{legend}"))
            })
            .into(),
        Kind::Counter => {
            let what = if metric.labels.is_empty() { format!(" {}", metric.name) } else { legend };
            let expr = format!("sum by ({}) (rate({name}{here}[$__rate_interval]))", by("instance"));
            vec![target(expr, format!("{{{{instance}}}}{what}"))]
        }
        Kind::Gauge | Kind::Info => {
            vec![target(format!("{name}{here}"), format!("{{{{instance}}}}{legend}"))]
        }
    }
}

const HEAD: &str = "# Metrics

Rendered, with the [alert rules](operations/alerts.yml) and the [dashboard](operations/dashboard.json), from the tables in
`crates/server/src/metrics`; a test holds the three files against them, and writes them anew with

```sh
WRITE_METRICS_DOCS=1 cargo test -p quorate-server --lib metrics
```

A node that listens for HTTP clients (`http_addr` of its `[[node]]`) answers `GET /metrics` with OpenMetrics text. Prometheus
reads it, and the rules, with

```yaml
rule_files: [alerts.yml]
scrape_configs:
  - job_name: quorate
    static_configs:
      - targets: [\"127.0.0.1:7380\", \"127.0.0.1:7390\", \"127.0.0.1:7400\", \"127.0.0.1:7410\"]
```

Counters begin at 0 with the process. Figures are of one moment per shard, summed over the shards one after the other. Every
label's values come from a list or from the configuration: what clients send makes no new ones.
";

const LABELS: &str = "
## Labels

`peer`, `target` and `node` are ids of nodes, `keyspace` is a name of one, as the configuration has them.

| label | values |
|---|---|
";

const ALERTS_HEAD: &str = "
## When someone should look

Critical: clients are refused or data is at risk, at once. Warning: within the day. Thresholds fit the default settings.
";

const LOG_LINES: &str = "
## Log lines

They go to standard error, as text or as an object of JSON a line (`log.format`, `--log-format`), by `log.filter`: a level, or
filters such as `info,quorate_node=debug`. Control characters are escaped, wherever they come from.

A request that is answered `log.slow_request` or longer after its node took it up is logged as `a slow request`, whatever it waited
for: another shard, the disk, replicas. At most one such line a second and shard; `passed_over` says how many there would have been
since the one before, and `quorate_slow_requests_total` counts all. On every line are `door`, `verb`, `level`, `outcome`,
`elapsed_ms`, and

| field | what it says |
|---|---|
| `keyspace` | its name |
| `key` | the key, escaped, the first 64 bytes; not of a page of a scan |
| `partition`, `start` | of a page, instead: the partition, and where in it the page begins (`first`, `after` a key, `at token` so-and-so) |
| `waited` | what it waited for, one after the other, with how long; together that is `elapsed_ms` |
| `receipt` | its replicas, when each answered, who was asked and silent, for whom a hint was kept, who refused; or `no replica was asked` (`to write`, if one was read first) |
| `read_first` | of a write that reads first, if it was slow when that read was over: the read's receipt |

| `waited` for | until |
|---|---|
| `shard` | the shard that owns the key took it out of its queue: it came to another one, and this one was busy or stood still |
| `clock ceiling` | the log had made the clock's ceiling durable, below which a write is stamped |
| `read first` | the replicas had answered what an expire, or a put that keeps the expiry, reads before it writes |
| `earlier` | its replicas were asked, or the next of these began: the first phase of a LINEARIZABLE write (`queried` in the receipt), or any of the above that was over before the request was slow and is not told apart |
| `replicas` | it was answered |

Not in it are what an answer waits on its way to a connection of another shard (`quorate_request_duration_seconds` has it), what
a request waits in the inbox before a shard takes it up for the first time, and questions to the node itself (`status`, `ring`).
If the HTTP request named a trace (`traceparent`, W3C), `trace`, `parent` and `span`, the coordinator's own, are on the line and on
all others of the request; one of level `debug` says that it is answered.

The coordinator passes the trace on to every replica that it asks for the request, its own copy included. Each logs its part at
level `debug` (`quorate_server=debug`): `trace`, `parent` (the coordinator's span), a `span` of its own, whether it is `sampled`,
`replica`, `coordinator`, `what` (write, repair, read, page), `keyspace`, `token`, `outcome` and `elapsed_us`, the log's sync included. Each is
a span that any tracing system can be fed with. Repairs that the answer waits for are part of the trace; what happens after the
answer (repair in the background, hints and their delivery) is not. Peers that speak protocol 1 are asked without the trace.
";

const RULES_HEAD: &str =
    "# Rendered from the table in crates/server/src/metrics; docs/metrics.md says how. Don't edit.
groups:
  - name: quorate
    rules:
";
