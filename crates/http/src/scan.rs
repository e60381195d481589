//! `GET /api/v1/scan`: the live records of a keyspace, in the order of (token, key), as lines of JSON.
//!
//! Invariants:
//! - an answer is bounded: by `limit`, by [`ANSWER_BYTES_MAX`] and one page, and in time; its last line says whether and
//!   where to go on;
//! - whoever goes on from a cursor, at any node, gets each record that was there all the time once.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use bytes::Bytes;
use quorate_types::{KeyspaceId, Level, PARTITIONS, PageStart, PartitionId, Record};
use quorate_wire::{PageOutcome, RequestBody, ResponseBody};
use serde::Serialize;
use tokio::time::Instant;

use crate::door::{Asking, Door};
use crate::key::{self, BASE64URL};
use crate::outcome;
use crate::params::{self, Params};
use crate::problem::Problem;
use crate::reply::{KeyText, Text};

/// Records of an answer, if the request does not say.
const LIMIT_DEFAULT: u64 = 1_000;
/// Records of an answer at most.
const LIMIT_MAX: u64 = 10_000;
/// Records of one page.
const PAGE_LIMIT: u64 = 1_000;
/// Bytes after which no further page is asked for.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Time after which no further page is asked for.
const TIME_MAX: Duration = Duration::from_secs(2);

/// A place between two records: where the next page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cursor {
    partition: PartitionId,
    after: Option<Bytes>,
}

/// What is walked, and how far it has come.
struct Walk {
    keyspace: KeyspaceId,
    level: Option<Level>,
    deadline_ms: u32,
    prefix: Vec<u8>,
    left: u64,
    lines: Vec<u8>,
    at: Option<Cursor>,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    key: KeyText<'a>,
    #[serde(flatten)]
    value: Text<'a>,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_ms: Option<u64>,
}

pub(crate) async fn scan(State(door): State<Arc<Door>>, request: Request) -> Result<Response, Problem> {
    let params = Params::parse(request.uri().query(), params::SCAN)?;
    let mut walk = Walk::new(&door, &params)?;
    let began = Instant::now();
    loop {
        walk.page(&door).await?;
        let enough = walk.left == 0 || walk.lines.len() >= ANSWER_BYTES_MAX || began.elapsed() >= TIME_MAX;
        if walk.at.is_none() || enough {
            return Ok(walk.answer());
        }
    }
}

impl Walk {
    fn new(door: &Door, params: &Params) -> Result<Walk, Problem> {
        let limit = params.number("limit")?.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            let detail = format!("limit: {limit} is not from 1 to {LIMIT_MAX}");
            return Err(Problem::bad("bad-parameter", detail).with("parameter", "limit"));
        }
        let first = Cursor { partition: PartitionId(0), after: None };
        Ok(Walk {
            keyspace: params.keyspace(door.about())?,
            level: params.level()?,
            deadline_ms: params.deadline_ms()?,
            prefix: params.bytes("prefix").unwrap_or_default().to_vec(),
            left: limit,
            lines: Vec::new(),
            at: Some(params.bytes("cursor").map_or(Ok(first), Cursor::from_text)?),
        })
    }

    /// Takes the next page.
    async fn page(&mut self, door: &Door) -> Result<(), Problem> {
        let Some(Cursor { partition, after }) = self.at.take() else { return Ok(()) };
        let body = RequestBody::Page {
            keyspace: self.keyspace,
            partition,
            start: PageStart::from(after),
            limit: self.left.min(PAGE_LIMIT) as u32,
            level: self.level,
        };
        let asking = Asking { deadline_ms: self.deadline_ms, want_receipt: false };
        let (entries, next) = page(door.ask(body, asking).await?.body)?;
        for (key, record) in &entries {
            self.take(key, record);
        }
        let following = partition.0 + 1;
        self.at = match next {
            Some(after) => Some(Cursor { partition, after: Some(after) }),
            None if usize::from(following) < PARTITIONS => {
                Some(Cursor { partition: PartitionId(following), after: None })
            }
            None => None,
        };
        Ok(())
    }

    fn take(&mut self, key: &[u8], record: &Record) {
        let Some(value) = record.value.as_deref().filter(|_| key.starts_with(&self.prefix)) else { return };
        let line = Line {
            key: KeyText::of(key),
            value: Text::of(value),
            version: record.version.to_string(),
            expires_at_ms: record.expiry.at_ms,
        };
        push_line(&mut self.lines, &line);
        self.left = self.left.saturating_sub(1);
    }

    /// The lines; the last says where to go on.
    fn answer(mut self) -> Response {
        let next = self.at.as_ref().map(Cursor::to_text);
        push_line(&mut self.lines, &serde_json::json!({ "next": next }));
        ndjson(self.lines)
    }
}

/// Records, and the key behind which the partition goes on.
type Page = (Vec<(Bytes, Record)>, Option<Bytes>);

fn page(body: ResponseBody) -> Result<Page, Problem> {
    match body {
        ResponseBody::Page(PageOutcome::Page { entries, next }) => Ok((entries, next)),
        ResponseBody::Page(PageOutcome::Unavailable { required, alive }) => {
            Err(outcome::unavailable("scan", required, alive))
        }
        ResponseBody::Page(PageOutcome::TimedOut { answered, required }) => {
            Err(outcome::timed_out(answered, required))
        }
        ResponseBody::Page(PageOutcome::Rejected { reason }) => Err(outcome::refused(&reason)),
        other => Err(outcome::unfitting(other)),
    }
}

/// Adds `line` and its end.
pub(crate) fn push_line(lines: &mut Vec<u8>, line: &impl Serialize) {
    let text = serde_json::to_vec(line).expect("texts, numbers and maps with text keys are JSON");
    lines.extend(text);
    lines.push(b'\n');
}

/// Lines of JSON.
pub(crate) fn ndjson(lines: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(lines));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

impl Cursor {
    /// Opaque: 2 bytes of partition, then the key, if there is one behind a byte 1.
    fn to_text(&self) -> String {
        let mut bytes = self.partition.0.to_be_bytes().to_vec();
        if let Some(after) = &self.after {
            bytes.push(1);
            bytes.extend_from_slice(after);
        }
        BASE64URL.encode(bytes)
    }

    fn from_text(text: &[u8]) -> Result<Cursor, Problem> {
        let wrong =
            || Problem::bad("bad-cursor", "the cursor is none that a scan gave out: begin without one");
        let bytes = key::decoded(text, "cursor").map_err(|_| wrong())?;
        let (partition, rest) = bytes.split_first_chunk().ok_or_else(wrong)?;
        let partition = PartitionId(u16::from_be_bytes(*partition));
        let after = match rest.split_first() {
            None => None,
            Some((1, after)) => Some(key::key(after.to_vec()).map_err(|_| wrong())?),
            Some(_) => return Err(wrong()),
        };
        (usize::from(partition.0) < PARTITIONS).then_some(Cursor { partition, after }).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_and_anything_else_is_refused() {
        for after in [None, Some(Bytes::from("k")), Some(Bytes::from_static(b"\0\xff"))] {
            let cursor = Cursor { partition: PartitionId(4_095), after };
            assert_eq!(Cursor::from_text(cursor.to_text().as_bytes()).unwrap(), cursor);
        }
        for bad in ["", "AA", "EAA", "AAAB", "AAAC", "*"] {
            assert!(Cursor::from_text(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
