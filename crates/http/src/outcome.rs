//! Outcomes as statuses. Proxies and clients retry some statuses by themselves, so what may have been applied has one
//! of its own (504 with `"outcome":"unknown"`), and 429 and 503 always mean that nothing was changed.
//!
//! | status | when | `outcome` |
//! |---|---|---|
//! | 400, 413, 501 | the request can't be served as it is | rejected |
//! | 429 | a queue or budget is full; its name is `limit` | failed |
//! | 503 | too few replicas are alive, shutting down, the log failed, clocks | failed |
//! | 504 | a read had too few answers in time | failed |
//! | 504 | a write had too few acknowledgements in time | unknown |

use axum::http::StatusCode;
use quorate_types::{ReadOutcome, Record, Refusal, Version, WriteOutcome};
use quorate_wire::{RequestBody, ResponseBody};

use crate::problem::Problem;
use crate::retry::Retry;

/// A write that is on disk at the level asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub(crate) version: Version,
    pub(crate) expires_at_ms: Option<u64>,
}

/// What a read found.
#[derive(Clone, Debug)]
pub(crate) enum Read {
    Found(Record),
    /// A deletion is the newest.
    Deleted(Version),
    /// It has expired.
    Expired(Version),
    /// Nobody that answered has ever heard of it.
    Absent,
}

impl Read {
    /// The newest version that the read has seen.
    pub(crate) fn version(&self) -> Option<Version> {
        match self {
            Read::Found(record) => Some(record.version),
            Read::Deleted(version) | Read::Expired(version) => Some(*version),
            Read::Absent => None,
        }
    }
}

/// What a put or delete came to; `attempt` is what was asked.
pub(crate) fn written(attempt: &RequestBody, body: ResponseBody) -> Result<Written, Problem> {
    match body {
        ResponseBody::Write(WriteOutcome::Written { version, expires_at_ms, .. }) => {
            Ok(Written { version, expires_at_ms })
        }
        ResponseBody::Write(WriteOutcome::Unavailable { required, alive }) => {
            Err(unavailable("write", required, alive))
        }
        ResponseBody::Write(WriteOutcome::Indeterminate { acked, required, version, expires_at_ms }) => {
            let problem = Problem::unknown(
                "write-unacknowledged",
                format!(
                    "{acked} of the {required} replicas needed acknowledged in time; the write may survive. Send it again \
                     with this version, or read the key before you write it again"
                ),
            );
            let problem = problem.with("acks", acked).with("needed", required);
            let retry = version.map(|version| Retry::of(attempt, version, expires_at_ms).to_text());
            let problem = problem.with("version", retry);
            Err(match expires_at_ms {
                Some(at) => problem.with("expires_at_ms", at),
                None => problem,
            })
        }
        ResponseBody::Write(WriteOutcome::Rejected { reason }) => Err(refused(&reason)),
        other => Err(unfitting(other)),
    }
}

/// What a get came to.
pub(crate) fn read(body: ResponseBody) -> Result<Read, Problem> {
    match body {
        ResponseBody::Read(ReadOutcome::Found { record }) => Ok(Read::Found(record)),
        ResponseBody::Read(ReadOutcome::Deleted { version }) => Ok(Read::Deleted(version)),
        ResponseBody::Read(ReadOutcome::NotFound { expired }) => {
            Ok(expired.map_or(Read::Absent, Read::Expired))
        }
        ResponseBody::Read(ReadOutcome::Unavailable { required, alive }) => {
            Err(unavailable("read", required, alive))
        }
        ResponseBody::Read(ReadOutcome::TimedOut { answered, required }) => {
            Err(timed_out(answered, required))
        }
        ResponseBody::Read(ReadOutcome::Rejected { reason }) => Err(refused(&reason)),
        other => Err(unfitting(other)),
    }
}

/// The node ended while a read was under way.
pub(crate) fn read_lost() -> Problem {
    let detail = "the node ended before it answered; a read changes nothing";
    Problem::failed(StatusCode::SERVICE_UNAVAILABLE, "node-ended", detail).retry_soon()
}

/// The node ended while a write was under way.
pub(crate) fn write_lost() -> Problem {
    Problem::unknown("node-ended", "the node ended before it answered; the write may survive: read the key")
        .with("version", serde_json::Value::Null)
}

/// What is no answer to what was asked: a refusal, or a bug.
pub(crate) fn unfitting(body: ResponseBody) -> Problem {
    match body {
        ResponseBody::Refused(refusal) => refused(&refusal),
        // Can't be: a node answers what it was asked.
        _ => write_lost(),
    }
}

pub(crate) fn unavailable(what: &str, required: u8, alive: u8) -> Problem {
    let detail = format!(
        "the {what} needs {required} replicas and {alive} are alive: nothing was sent, nothing has changed"
    );
    Problem::failed(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
        .with("needed", required)
        .with("alive", alive)
        .retry_soon()
}

pub(crate) fn timed_out(answered: u8, required: u8) -> Problem {
    let detail =
        format!("{answered} of the {required} replicas needed answered in time; a read changes nothing");
    Problem::failed(StatusCode::GATEWAY_TIMEOUT, "read-timeout", detail)
        .with("answers", answered)
        .with("needed", required)
}

/// The node did not do it.
pub(crate) fn refused(refusal: &Refusal) -> Problem {
    let detail = format!("{refusal}; nothing was changed");
    let rejected = |status, kind| Problem::rejected(status, kind, detail.clone());
    let failed = |kind| Problem::failed(StatusCode::SERVICE_UNAVAILABLE, kind, detail.clone()).retry_soon();
    match refusal {
        Refusal::Overloaded { limit } => {
            Problem::failed(StatusCode::TOO_MANY_REQUESTS, "overloaded", detail.clone())
                .with("limit", limit.clone())
                .retry_soon()
        }
        Refusal::DeadlinePassed => failed("deadline-passed"),
        Refusal::ShuttingDown => failed("shutting-down"),
        Refusal::LogFailed => failed("log-failed"),
        Refusal::KeyLength { .. } => rejected(StatusCode::BAD_REQUEST, "key-length"),
        Refusal::ValueTooLarge { bytes_max, .. } => {
            rejected(StatusCode::PAYLOAD_TOO_LARGE, "value-too-large").with("bytes_max", *bytes_max)
        }
        Refusal::LevelUnmeetable { required, n } => {
            rejected(StatusCode::BAD_REQUEST, "level-unmeetable").with("needed", *required).with("n", *n)
        }
        Refusal::UnknownKeyspace => rejected(StatusCode::BAD_REQUEST, "unknown-keyspace"),
        Refusal::Unsupported { .. } => rejected(StatusCode::NOT_IMPLEMENTED, "unsupported"),
        Refusal::ClockSkew { .. } | Refusal::ClockBehind { .. } | Refusal::ClockAhead { .. } => {
            failed("clock-skew")
        }
        _ => failed("refused"),
    }
}
