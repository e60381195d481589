//! What the driver of a replica counts: plain atomics, one set per replica, read for a status.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)*) => {
        /// Everything that the driver counts since the start.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $($(#[doc = $doc])+ pub(crate) $name: Counter,)* }

        impl Counters {
            /// Every counter's name with what it counts, in the order of [`Counters::list`].
            pub(crate) const DESCRIPTIONS: &[(&str, &str)] = &[$((stringify!($name), concat!($($doc),+))),*];

            /// Names and values, in the order of the table.
            pub(crate) fn list(&self) -> Vec<(String, u64)> {
                vec![$((stringify!($name).to_owned(), self.$name.value())),*]
            }
        }
    };
}

counters! {
    /// Client connections taken.
    connections_accepted,
    /// Connections closed at the handshake, for whatever reason but `connections_max`.
    handshakes_refused,
    /// Connections refused because `connections_max` were open.
    connections_max_hit,
    /// Connections closed because what came over them made no sense.
    connections_garbled,
    /// Connections closed because their reader did not take answers: `link_queue_bytes_max`.
    link_queue_bytes_max_hit,
    /// Frames that a link to a peer could not take: `link_queue_bytes_max`. Their writes become hints.
    peer_frames_dropped,
    /// Requests refused because the queue to the shard that owns their key was full: `shard_queue_max`.
    shard_queue_max_hit,
    /// Requests for a status refused because `status_requests_max` waited for one.
    status_requests_max_hit,
    /// Scrapes refused because `scrapes_max` were under way.
    scrapes_max_hit,
    /// Requests answered `log.slow_request` or longer after they came; of at most one a second and shard there is a log line.
    slow_requests,
    /// Values of at least `value_bytes_warn`.
    values_large,
    /// Links to peers made.
    links_dialled,
    /// Dials that came to nothing.
    dials_failed,
    /// Connections of Redis clients taken.
    resp_connections_accepted,
    /// Connections of Redis clients refused because `resp.connections_max` were open.
    resp_connections_max_hit,
    /// Connections of Redis clients refused because the node is draining.
    resp_refused_draining,
    /// Commands of Redis clients refused because their reply would have been too large: `resp.output_bytes_max`.
    resp_output_bytes_max_hit,
    /// Connections of Redis clients closed because they took nothing of their replies for `resp.write_timeout`.
    resp_write_timeout_hit,
    /// Connections of Redis clients closed because a command was not whole in time: `resp.command_timeout`.
    resp_command_timeout_hit,
    /// Connections of Redis clients closed because commands that are not whole had `resp.commands_bytes_max`.
    resp_commands_bytes_max_hit,
    /// Connections of Redis clients closed because they sent what is no command, or too large a one.
    resp_garbled,
    /// Connections closed at the Redis door because they spoke HTTP (`POST`, `Host:`): perhaps a web page's attack.
    resp_cross_protocol,
    /// Commands of Redis clients.
    resp_commands,
    /// Commands of Redis clients refused because they are not offered.
    resp_refused,
    /// Replies to Redis clients that were errors.
    resp_errors,
    /// Reads of Redis clients that found their key.
    resp_hits,
    /// Reads of Redis clients that did not.
    resp_misses,
    /// Wrong passwords of Redis clients.
    resp_auth_failures,
    /// Connections of HTTP clients taken.
    http_connections_accepted,
    /// Connections of HTTP clients refused because `http.connections_max` were open.
    http_connections_max_hit,
    /// Requests of HTTP clients.
    http_requests,
    /// Requests of HTTP clients refused because `http.requests_max` were under way.
    http_requests_max_hit,
    /// Bodies refused because they were longer than `http.body_bytes_max`.
    http_body_bytes_max_hit,
    /// Bodies refused because all of them together would have had more than `http.bodies_bytes_max`.
    http_bodies_bytes_max_hit,
    /// Bodies that did not come within `http.body_timeout`.
    http_body_timeout_hit,
    /// Connections closed because their client took nothing for `http.write_timeout`.
    http_write_timeout_hit,
    /// Streams of events refused because `http.subscribers_max` were open.
    http_subscribers_max_hit,
    /// Streams of events ended because their client was more than `http.events_kept_max` events behind.
    http_subscribers_cut_off,
    /// Connections closed because no whole head came: garbage, longer than `http.head_bytes_max`, `http.head_timeout`.
    http_heads_broken,
    /// Answers to HTTP clients that blamed them.
    http_client_errors,
    /// Answers to HTTP clients that blamed the node.
    http_server_errors,
    /// Turns of all shards.
    turns,
    /// Turns that ended at their budget with work left.
    turns_over_budget,
    /// Log batches that a shard wrote and synced by itself.
    log_batches_inline,
    /// Log batches handed to the flusher thread.
    log_batches_flushed,
    /// Hint batches written and synced.
    hint_batches,
    /// Hints that were not stored because those for their target have `hints_bytes_per_target_max`.
    hints_bytes_per_target_max_hit,
    /// Hints that could not be stored, for want of room or because the disk failed.
    hints_not_stored,
    /// Checkpoints published.
    checkpoints_published,
    /// Checkpoints that failed; the log was kept.
    checkpoints_failed,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn increment(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
