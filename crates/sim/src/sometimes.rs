//! What must happen now and then: a sweep in which one of these never does tests less than it seems to.
//!
//! Source: Antithesis's *sometimes* assertions; FoundationDB's `TEST` macros.

use quorate_types::points::Point;

use crate::plan::Fault;

/// Every kind of fault, every kind of recovery, every limit that plans can reach, every named point.
pub fn names() -> impl Iterator<Item = &'static str> {
    Fault::NAMES.iter().chain(HAPPENINGS).copied().chain(Point::all().map(Point::name))
}

/// Beside faults and points: what runs count, what nodes count, and what becomes of frames.
const HAPPENINGS: &[&str] = &[
    "idle in peace",
    "frames dropped",
    "frames duplicated",
    "frames reordered",
    "checkpoint recovered",
    "torn tail cut",
    "recovery interrupted",
    "number of shards changed",
    "request sent twice",
    "sent again with its version",
    "converged by hints alone",
    "converged after a read at ALL",
    "hints_appended",
    "hints_replayed",
    "hints_refused",
    "hint_pages_failed",
    "repairs_blocking",
    "repairs_background",
    "digest_mismatches",
    "peer_batches_duplicate",
    "duplicates_answered",
    "duplicates_in_flight",
    "clock_skew_refused",
    "clock_parked",
    "writes_lost",
    "writes_indeterminate",
    "writes_rejected",
    "unavailable",
    "reads_timed_out",
    "limit_peer_requests",
    "limit_link_outstanding",
    "limit_hints_pending",
    "rot refused, disk wiped",
    "tail lost with a bad disk",
    "explained",
    "pages_answered",
    "explains_answered",
    "hints_expired",
    "hints_dropped",
    "hints_rerouted",
    "clock_ahead_refused",
    "limit_peer_bytes",
    "stragglers_cut",
    "background_skipped",
    "reads_first",
    "peer_batches_too_old",
    "requests_rejected",
    "hint syncs failed",
];
