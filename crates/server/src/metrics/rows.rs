//! The rows of the table that are more than one plain counter.

use std::borrow::Cow;

use quorate_wire::KeyspaceStatus;

use super::requests::Door;
use super::scene::{PeerScene, Sample, Scene, Value};
use super::table::{Group, Kind, Metric, Source, Unit};

type Find = fn(&Scene) -> Vec<Sample>;

/// A row whose name says its unit.
const fn row(group: Group, kind: Kind, name: &'static str, help: &'static str, find: Find) -> Metric {
    let unit = if ends_with(name, "_seconds") {
        Unit::Seconds
    } else if ends_with(name, "_bytes") {
        Unit::Bytes
    } else {
        Unit::None
    };
    Metric { name: Cow::Borrowed(name), group, kind, unit, labels: &[], help, source: Source::Found(find) }
}

const fn gauge(group: Group, name: &'static str, help: &'static str, find: Find) -> Metric {
    row(group, Kind::Gauge, name, help, find)
}

const fn counter(group: Group, name: &'static str, help: &'static str, find: Find) -> Metric {
    row(group, Kind::Counter, name, help, find)
}

const fn ends_with(text: &str, end: &str) -> bool {
    let (text, end) = (text.as_bytes(), end.as_bytes());
    let mut at = 0;
    while at < end.len() {
        if text.len() < end.len() || text[text.len() - end.len() + at] != end[at] {
            return false;
        }
        at += 1;
    }
    true
}

impl Metric {
    const fn by(mut self, labels: &'static [&'static str]) -> Metric {
        self.labels = labels;
        self
    }

    const fn showing(mut self, counter: &'static str) -> Metric {
        self.source = Source::Counter(counter);
        self
    }

    const fn showing_each(mut self, counters: &'static [(&'static str, &'static str)]) -> Metric {
        self.source = Source::Counters(counters);
        self
    }
}

fn bare(value: impl Into<Value>) -> Vec<Sample> {
    vec![Sample::bare(value)]
}

fn micros(micros: u32) -> f64 {
    f64::from(micros) / 1e6
}

fn per_peer<V: Into<Value>>(scene: &Scene, value: impl Fn(&PeerScene) -> V) -> Vec<Sample> {
    scene.peers.iter().map(|peer| Sample::of(&peer.name, value(peer))).collect()
}

fn per_keyspace(scene: &Scene, value: impl Fn(&KeyspaceStatus) -> u64) -> Vec<Sample> {
    scene.status.keyspaces.iter().map(|keyspace| Sample::of(&keyspace.name, value(keyspace))).collect()
}

fn per_target<V: Into<Value>>(
    scene: &Scene,
    value: impl Fn(&quorate_wire::HintStatus) -> Option<V>,
) -> Vec<Sample> {
    let sample = |(name, hints): &(String, _)| value(hints).map(|value| Sample::of(name, value));
    scene.hints.iter().filter_map(sample).collect()
}

fn answers(scene: &Scene) -> Vec<Sample> {
    let sample = |row: super::requests::Answers| Sample {
        labels: [row.door, row.verb, row.level, row.outcome].map(str::to_owned).into(),
        value: row.count.into(),
    };
    scene.requests.answers().map(sample).collect()
}

fn latencies(scene: &Scene) -> Vec<Sample> {
    let sample = |(door, verb, latency): (&str, &str, &super::latency::Latency)| Sample {
        labels: vec![door.to_owned(), verb.to_owned()],
        value: Value::Histogram { sum: latency.sum_seconds(), buckets: latency.buckets() },
    };
    scene.requests.latencies().map(sample).collect()
}

fn connections(scene: &Scene) -> Vec<Sample> {
    Door::WORDS.iter().zip(scene.clients).map(|(door, open)| Sample::of(door, open)).collect()
}

fn oldest_hints(scene: &Scene) -> Vec<Sample> {
    let age = |hints: &quorate_wire::HintStatus| {
        hints.oldest_wall_ms.map(|oldest| scene.wall_ms.saturating_sub(oldest) as f64 / 1e3)
    };
    per_target(scene, age)
}

fn node(scene: &Scene) -> Vec<Sample> {
    let status = &scene.status;
    vec![Sample {
        labels: vec![status.name.clone(), scene.cluster_name.clone(), status.generation.0.to_string()],
        value: Value::Whole(1),
    }]
}

fn maybe<V: Into<Value>>(value: Option<V>) -> Vec<Sample> {
    value.map(Sample::bare).into_iter().collect()
}

/// Each limit by its name in the configuration (or, where it can't be set, in the code), with the counter of its hits.
pub(crate) const LIMITS: &[(&str, &str)] = &[
    ("requests_max", "limit_requests"),
    ("request_bytes_max", "limit_request_bytes"),
    ("value_bytes_max", "limit_value_bytes"),
    ("value_bytes_warn", "values_large"),
    ("key_bytes_max", "limit_key_bytes"),
    ("peer_requests_max", "limit_peer_requests"),
    ("peer_bytes_max", "limit_peer_bytes"),
    ("link_outstanding_bytes_max", "limit_link_outstanding"),
    ("link_queue_bytes_max", "link_queue_bytes_max_hit"),
    ("connections_max", "connections_max_hit"),
    ("shard_queue_max", "shard_queue_max_hit"),
    ("status_requests_max", "status_requests_max_hit"),
    ("scrapes_max", "scrapes_max_hit"),
    ("hints_pending_max", "limit_hints_pending"),
    ("hints_bytes_per_target_max", "hints_bytes_per_target_max_hit"),
    ("hint_window", "hints_beyond_window"),
    ("clock_parked_max", "limit_clock_parked"),
    ("clock_skew_max", "clock_skew_refused"),
    ("clock_skew_warn", "clock_skew_warned"),
    ("stragglers_max", "stragglers_cut"),
    ("background_max", "background_skipped"),
    ("hedge_percent_max", "hedges_withheld"),
    ("resp.connections_max", "resp_connections_max_hit"),
    ("resp.output_bytes_max", "resp_output_bytes_max_hit"),
    ("resp.write_timeout", "resp_write_timeout_hit"),
    ("resp.command_timeout", "resp_command_timeout_hit"),
    ("resp.commands_bytes_max", "resp_commands_bytes_max_hit"),
    ("http.connections_max", "http_connections_max_hit"),
    ("http.requests_max", "http_requests_max_hit"),
    ("http.body_bytes_max", "http_body_bytes_max_hit"),
    ("http.bodies_bytes_max", "http_bodies_bytes_max_hit"),
    ("http.body_timeout", "http_body_timeout_hit"),
    ("http.write_timeout", "http_write_timeout_hit"),
    ("http.subscribers_max", "http_subscribers_max_hit"),
    ("http.events_kept_max", "http_subscribers_cut_off"),
];

/// See the module.
pub(crate) const ROWS: &[Metric] = &[
    counter(
        Group::Requests,
        "quorate_requests",
        "Requests of clients, counted when their answer leaves. A command of a Redis client on several keys is as many \
         requests; `duplicate` is one that was under way already.",
        answers,
    )
    .by(&["door", "verb", "level", "outcome"]),
    row(
        Group::Requests,
        Kind::Histogram,
        "quorate_request_duration_seconds",
        "From a request's turn in its shard to its answer.",
        latencies,
    )
    .by(&["door", "verb"]),
    counter(
        Group::Requests,
        "quorate_requests_begun",
        "Requests of clients that came to the shard of their key, duplicates included.",
        |_| Vec::new(),
    )
    .showing("requests"),
    gauge(
        Group::Requests,
        "quorate_requests_in_flight",
        "Requests that this node coordinates and has not answered.",
        |scene| bare(scene.counter("requests_in_flight")),
    ),
    gauge(Group::Requests, "quorate_connections_open", "Connections of clients.", connections).by(&["door"]),
    gauge(
        Group::Requests,
        "quorate_sessions",
        "Client sessions whose writes are remembered, so that a duplicate is not executed again.",
        |scene| bare(scene.counter("sessions")),
    ),
    counter(
        Group::Limits,
        "quorate_limit_hits",
        "Times that a limit was reached, by its name in the configuration.",
        |_| Vec::new(),
    )
    .by(&["limit"])
    .showing_each(LIMITS),
    gauge(Group::Peers, "quorate_peer_alive", "1 while requests are sent to the peer.", |scene| {
        per_peer(scene, |peer| u64::from(peer.alive))
    })
    .by(&["peer"]),
    gauge(
        Group::Peers,
        "quorate_peer_rtt_seconds",
        "Round trip of the pings to the peer, smoothed; 0: none yet.",
        |scene| per_peer(scene, |peer| micros(peer.rtt_us)),
    )
    .by(&["peer"]),
    gauge(
        Group::Peers,
        "quorate_peer_in_flight",
        "Writes and reads sent to the peer and not answered yet.",
        |scene| per_peer(scene, |peer| peer.in_flight),
    )
    .by(&["peer"]),
    gauge(
        Group::Peers,
        "quorate_peer_queue_bytes",
        "Bytes for the peer that the system has not taken yet.",
        |scene| per_peer(scene, |peer| peer.queue_bytes),
    )
    .by(&["peer"]),
    gauge(Group::Peers, "quorate_peer_links", "Links to and from the peer that are up.", |scene| {
        per_peer(scene, |peer| peer.links)
    })
    .by(&["peer"]),
    gauge(
        Group::Clocks,
        "quorate_peer_clock_ahead_seconds",
        "How far the peer's clock is ahead of this node's, as its last answer to a ping shows; negative: behind.",
        |scene| per_peer(scene, |peer| peer.clock_ahead_ms as f64 / 1e3),
    )
    .by(&["peer"]),
    counter(Group::Log, "quorate_wal_records", "Records taken by the log.", |scene| {
        bare(scene.wal.0.appends)
    }),
    counter(
        Group::Log,
        "quorate_wal_record_bytes",
        "Bytes of the records taken by the log, without their headers.",
        |scene| bare(scene.wal.0.append_bytes),
    ),
    counter(Group::Log, "quorate_wal_batches", "Batches written to the log.", |scene| {
        bare(scene.wal.0.batches)
    }),
    counter(
        Group::Log,
        "quorate_wal_batch_records",
        "Records in the batches written: divided by the batches, the size of a batch.",
        |scene| bare(scene.wal.0.batch_records),
    ),
    counter(
        Group::Log,
        "quorate_wal_written_bytes",
        "Bytes written to the log, headers and padding included.",
        |scene| bare(scene.wal.0.batch_bytes),
    ),
    counter(Group::Log, "quorate_wal_syncs", "Batches that were synced.", |scene| bare(scene.wal.0.syncs)),
    counter(
        Group::Log,
        "quorate_wal_sync_duration_seconds",
        "Time spent in syncs: divided by the syncs, the time of one.",
        |scene| bare(scene.wal.0.sync_time.as_secs_f64()),
    ),
    gauge(Group::Log, "quorate_wal_sync_max_seconds", "The longest sync since the start.", |scene| {
        bare(scene.wal.0.sync_time_max.as_secs_f64())
    }),
    gauge(
        Group::Log,
        "quorate_wal_sync_recent_seconds",
        "What a sync takes the disk lately: the first quartile of the last sixteen.",
        |scene| bare(micros(scene.status.wal.sync_us)),
    ),
    gauge(
        Group::Log,
        "quorate_wal_durable_lag_records",
        "Records taken by the log and not durable yet.",
        |scene| bare(scene.wal.1.staged.get().saturating_sub(scene.wal.1.durable.get())),
    ),
    gauge(
        Group::Log,
        "quorate_wal_staged_bytes",
        "Bytes that wait for the log's disk or are on their way to it.",
        |scene| bare(scene.wal.0.staged_bytes),
    ),
    gauge(
        Group::Log,
        "quorate_wal_replay_records",
        "Records that a start would replay: those since the last checkpoint.",
        |scene| bare(scene.status.wal.appended_lsn.saturating_sub(scene.status.wal.replay_lsn)),
    ),
    gauge(Group::Log, "quorate_wal_segments", "Segments of the log on disk.", |scene| {
        bare(scene.wal.0.segments)
    }),
    gauge(Group::Log, "quorate_wal_retained_bytes", "Bytes of the log that are kept on disk.", |scene| {
        bare(scene.wal.0.retained_bytes)
    }),
    counter(Group::Log, "quorate_wal_rotations", "Changes of the log to another segment.", |scene| {
        bare(scene.wal.0.rotations)
    }),
    counter(
        Group::Log,
        "quorate_wal_rotation_stalls",
        "Changes of segment that waited for the next one to be made.",
        |scene| bare(scene.wal.0.rotation_stalls),
    ),
    gauge(
        Group::Log,
        "quorate_wal_failed",
        "1 when the log failed: the node takes no writes until it is restarted.",
        |scene| bare(u64::from(scene.status.wal.failed.is_some())),
    ),
    gauge(
        Group::Store,
        "quorate_store_keys",
        "Records with a value in this node's copies, expired ones included.",
        |scene| per_keyspace(scene, |keyspace| keyspace.keys),
    )
    .by(&["keyspace"]),
    gauge(Group::Store, "quorate_store_tombstones", "Deletions in this node's copies.", |scene| {
        per_keyspace(scene, |keyspace| keyspace.tombstones)
    })
    .by(&["keyspace"]),
    gauge(
        Group::Store,
        "quorate_store_bytes",
        "Bytes of keys and values in this node's copies.",
        |scene| per_keyspace(scene, |keyspace| keyspace.bytes),
    )
    .by(&["keyspace"]),
    gauge(Group::Hints, "quorate_hints_durable", "Hints on disk that wait for their target.", |scene| {
        per_target(scene, |hints| Some(hints.durable))
    })
    .by(&["target"]),
    gauge(Group::Hints, "quorate_hints_bytes", "Bytes on disk of the hints for a target.", |scene| {
        per_target(scene, |hints| Some(hints.bytes))
    })
    .by(&["target"]),
    gauge(
        Group::Hints,
        "quorate_hints_oldest_age_seconds",
        "How long the oldest hint for a target has waited.",
        oldest_hints,
    )
    .by(&["target"]),
    gauge(Group::Hints, "quorate_hints_pending", "Hints that wait for this node's disk.", |scene| {
        bare(scene.counter("hints_pending"))
    }),
    gauge(
        Group::RedisClients,
        "quorate_resp_half_commands_bytes",
        "Bytes of `resp.commands_bytes_max` that commands hold whose rest has not come.",
        |scene| bare(scene.half_commands_bytes),
    ),
    gauge(
        Group::HttpClients,
        "quorate_http_requests_under_way",
        "Requests of HTTP clients that hold one of `http.requests_max` places.",
        |scene| bare(scene.http.requests),
    ),
    gauge(
        Group::HttpClients,
        "quorate_http_bodies_bytes",
        "Bytes of `http.bodies_bytes_max` that bodies under way hold.",
        |scene| bare(scene.http.bodies_bytes),
    ),
    row(Group::Node, Kind::Info, "quorate_build", "The software.", |_| {
        vec![Sample::of(env!("CARGO_PKG_VERSION"), 1)]
    })
    .by(&["version"]),
    row(Group::Node, Kind::Info, "quorate_node", "The node, and the incarnation of its process.", node)
        .by(&["node", "cluster", "generation"]),
    gauge(Group::Node, "quorate_uptime_seconds", "Time since the node's start.", |scene| {
        bare(scene.status.uptime_ms as f64 / 1e3)
    }),
    gauge(Group::Node, "quorate_shards", "Threads that own data.", |scene| {
        bare(u64::from(scene.status.shards))
    }),
    counter(Group::Node, "process_cpu_seconds", "Processor time, user and system.", |scene| {
        maybe(scene.process.cpu_seconds)
    }),
    gauge(Group::Node, "process_resident_memory_bytes", "Memory that is resident.", |scene| {
        maybe(scene.process.resident_bytes)
    }),
    gauge(Group::Node, "process_open_fds", "Open file descriptors.", |scene| maybe(scene.process.open_fds)),
    gauge(Group::Node, "process_max_fds", "Most file descriptors that may be open.", |scene| {
        maybe(scene.process.max_fds)
    }),
    gauge(Group::Node, "process_threads", "Threads.", |scene| maybe(scene.process.threads)),
    gauge(
        Group::Node,
        "process_start_time_seconds",
        "When the process started, seconds since the Unix epoch.",
        |scene| maybe(scene.process.start_seconds),
    ),
];
