//! When someone should look: what the alert rules and docs/metrics.md are made of.
//!
//! Thresholds fit the defaults of the configuration; where one follows from a setting, `action` names it.

/// How soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    /// At once: clients are refused, or data is at risk.
    Critical,
    /// Within the day.
    Warning,
}

/// One rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alert {
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    /// PromQL; true is bad.
    pub(super) expr: &'static str,
    /// How long it must be true.
    pub(super) held: &'static str,
    /// What it means.
    pub(super) meaning: &'static str,
    /// What to do.
    pub(super) action: &'static str,
}

const fn critical(name: &'static str, expr: &'static str, held: &'static str) -> Alert {
    Alert { name, severity: Severity::Critical, expr, held, meaning: "", action: "" }
}

const fn warning(name: &'static str, expr: &'static str, held: &'static str) -> Alert {
    Alert { severity: Severity::Warning, ..critical(name, expr, held) }
}

impl Alert {
    const fn means(self, meaning: &'static str) -> Alert {
        Alert { meaning, ..self }
    }

    const fn so(self, action: &'static str) -> Alert {
        Alert { action, ..self }
    }
}

impl Severity {
    pub(super) fn word(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
        }
    }
}

/// See the module.
pub(super) const ALERTS: &[Alert] = &[
    critical("QuorateNodeDown", "up{job=\"quorate\"} == 0", "1m")
        .means("The node does not answer its scrapes.")
        .so("See whether the process runs and what its last log lines say; the others keep hints for it for hint_window."),
    warning("QuoratePeerDown", "quorate_peer_alive == 0", "1m")
        .means("This node sends no requests to the peer.")
        .so("`kvctl status` says why: refused, silent, or another ring. If both are up, look at the network between them."),
    critical(
        "QuorateUnavailable",
        "sum by (instance) (rate(quorate_requests_total{outcome=\"unavailable\"}[5m])) > 0",
        "1m",
    )
    .means("Requests found fewer replicas alive than their level needs; nothing was sent.")
    .so("Bring the missing nodes back; until then clients may use a lower level."),
    warning(
        "QuorateUncertain",
        "sum by (instance) (rate(quorate_requests_total{outcome=~\"indeterminate|timed_out\"}[5m])) \
         > 0.01 * sum by (instance) (rate(quorate_requests_total[5m]))",
        "5m",
    )
    .means("More than one request in a hundred did not get enough answers before its deadline.")
    .so("Compare quorate_peer_rtt_seconds and the sync times of the nodes: one of them is slow and not yet down."),
    warning(
        "QuorateSlow",
        "histogram_quantile(0.99, sum by (instance, door, verb, le) \
         (rate(quorate_request_duration_seconds_bucket{verb=~\"get|put|delete\"}[5m]))) > 0.25",
        "10m",
    )
    .means("One request in a hundred takes longer than a quarter of a second.")
    .so("The log lines \"a slow request\" say what was waited for; their receipts name the replica."),
    warning(
        "QuorateLimitHit",
        "sum by (instance, limit) (rate(quorate_limit_hits_total{limit!~\"key_bytes_max|value_bytes_max|value_bytes_warn|\
         clock_skew_.*|hint_window|hints_bytes_per_target_max|hedge_percent_max|stragglers_max|background_max\"}[5m])) > 0",
        "5m",
    )
    .means("Work is refused because a limit is reached.")
    .so("If the machine has room, raise the limit by its name; if not, spread the load or add nodes."),
    critical("QuorateLogFailed", "quorate_wal_failed == 1", "0m")
        .means("The log could not be written or synced: the node takes no writes and serves reads only.")
        .so("See to the disk (the log line says which call failed), then restart the node: it recovers from its log."),
    warning(
        "QuorateSyncSlow",
        "rate(quorate_wal_sync_duration_seconds_total[5m]) / rate(quorate_wal_syncs_total[5m]) > 0.05",
        "10m",
    )
    .means("A sync of the log takes more than 50 ms on average; every write waits for one.")
    .so("Look for another user of the disk, or for a disk that fails; the log belongs on a disk of its own."),
    critical("QuorateCheckpointsFail", "increase(quorate_checkpoints_failed_total[15m]) > 0", "0m")
        .means("A checkpoint could not be written; the log is kept and grows.")
        .so("See to room and health of the disk; the log line names the file."),
    warning("QuorateLogGrows", "quorate_wal_retained_bytes > 2147483648", "10m")
        .means("The log is twice as large as the default of wal_bytes_max: checkpoints don't keep up.")
        .so("See whether checkpoints are published (quorate_checkpoints_published_total), and quorate_wal_replay_records."),
    warning("QuorateHintsWait", "quorate_hints_oldest_age_seconds > 3600", "5m")
        .means("Hints have waited for their target for an hour, a third of the default of hint_window.")
        .so("Bring the target back before hint_window has passed; after that it needs a repair."),
    critical(
        "QuorateHintsLost",
        "increase(quorate_hints_refused_total[10m]) > 0 or increase(quorate_hints_expired_total[10m]) > 0 or \
         increase(quorate_hints_dropped_total[10m]) > 0 or \
         increase(quorate_limit_hits_total{limit=\"hint_window\"}[10m]) > 0",
        "0m",
    )
    .means("Writes that a replica missed are not kept for it any more: only read repair will bring them.")
    .so("Read the affected keyspaces at ALL once the target is back (`kvctl scan`), or raise hint_window and hints_bytes_per_target_max."),
    warning("QuorateFramesDropped", "rate(quorate_peer_frames_dropped_total[5m]) > 0", "5m")
        .means("A peer does not take what is sent to it; its writes become hints.")
        .so("Look at the peer's processor and at the network to it."),
    warning("QuorateClockSkew", "abs(quorate_peer_clock_ahead_seconds) > 0.5", "2m")
        .means("Two nodes' clocks differ by more than the default of clock_skew_warn.")
        .so("See to the time service (chrony, ntpd) of both: the last writer wins by these clocks."),
    critical("QuorateClockRefused", "increase(quorate_limit_hits_total{limit=\"clock_skew_max\"}[5m]) > 0", "0m")
        .means("Writes are refused because their stamp is further ahead than clock_skew_max.")
        .so("Find the node whose clock is ahead (quorate_peer_clock_ahead_seconds) and set it right."),
    warning("QuorateGarbage", "rate(quorate_connections_garbled_total[5m]) > 1", "5m")
        .means("Connections send what is no message of the protocol.")
        .so("Something else talks to this port: a scanner, or a client of another protocol. The log lines have its address."),
    warning("QuorateDescriptors", "process_open_fds{job=\"quorate\"} / process_max_fds{job=\"quorate\"} > 0.8", "5m")
        .means("The process is about to run out of file descriptors.")
        .so("Raise the limit (`ulimit -n`, LimitNOFILE), or lower connections_max."),
    warning("QuorateRestarts", "changes(process_start_time_seconds{job=\"quorate\"}[1h]) > 2", "0m")
        .means("The node was started more than twice within an hour.")
        .so("Its last log lines before each end say why; 12 as exit code means a damaged log."),
];
