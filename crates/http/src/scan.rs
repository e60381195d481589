//! `GET /api/v1/scan`: the live records of a keyspace, in the order of (token, key), as lines of JSON.
//!
//! Invariants:
//! - an answer is bounded: by `limit`, by [`ANSWER_BYTES_MAX`] and one page (with [`AHEAD`] pages waiting), and in time; its last line says whether and
//!   where to go on;
//! - whoever goes on from a cursor, at any node, gets each record that was there all the time once.

use std::collections::VecDeque;
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

use crate::door::{Asked, Asking, Door};
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
/// Pages that are asked for at one time: most partitions of a small store are empty.
const AHEAD: usize = 16;
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

/// What is walked.
struct Scope {
    keyspace: KeyspaceId,
    level: Option<Level>,
    deadline_ms: u32,
    prefix: Vec<u8>,
}

/// How far a walk has come.
struct Walk<'a> {
    door: &'a Door,
    scope: Scope,
    left: u64,
    lines: Vec<u8>,
    /// Pages that are asked for, in the order of what they hold.
    under_way: VecDeque<(Cursor, Asked<'a>)>,
    /// The first partition that is not asked for.
    next: usize,
}

/// Where a page ended, seen from its walk.
enum Ended {
    /// The partition has no more.
    Partition,
    /// It goes on there.
    Within(Cursor),
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
        let next = walk.page().await?;
        let enough = walk.left == 0 || walk.lines.len() >= ANSWER_BYTES_MAX || began.elapsed() >= TIME_MAX;
        if next.is_none() || enough {
            push_line(&mut walk.lines, &serde_json::json!({ "next": next.as_ref().map(Cursor::to_text) }));
            return Ok(ndjson(walk.lines));
        }
    }
}

/// A scan is no register: where each key is read by itself, LINEARIZABLE would promise what many keys together don't keep.
fn level(params: &Params) -> Result<Option<Level>, Problem> {
    match params.level()? {
        Some(Level::Linearizable) => {
            let detail = "level: a scan is not offered at linearizable; read it at quorum";
            Err(Problem::bad("bad-parameter", detail).with("parameter", "level"))
        }
        level => Ok(level),
    }
}

impl<'a> Walk<'a> {
    /// A walk whose first page is asked for.
    fn new(door: &'a Door, params: &Params) -> Result<Walk<'a>, Problem> {
        let limit = params.number("limit")?.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            let detail = format!("limit: {limit} is not from 1 to {LIMIT_MAX}");
            return Err(Problem::bad("bad-parameter", detail).with("parameter", "limit"));
        }
        let first = params.bytes("cursor").map_or(Ok(Cursor::before(0)), Cursor::from_text)?;
        let scope = Scope {
            keyspace: params.keyspace(door.about())?,
            level: level(params)?,
            deadline_ms: params.deadline_ms()?,
            prefix: params.bytes("prefix").unwrap_or_default().to_vec(),
        };
        let next = usize::from(first.partition.0) + 1;
        let mut walk = Walk { door, scope, left: limit, lines: Vec::new(), under_way: VecDeque::new(), next };
        let asked = walk.ask(&first)?;
        walk.under_way.push_back((first, asked));
        Ok(walk)
    }

    fn ask(&self, at: &Cursor) -> Result<Asked<'a>, Problem> {
        let body = RequestBody::Page {
            keyspace: self.scope.keyspace,
            partition: at.partition,
            start: PageStart::from(at.after.clone()),
            limit: self.left.min(PAGE_LIMIT) as u32,
            level: self.scope.level,
        };
        self.door.begin(body, Asking { deadline_ms: self.scope.deadline_ms, want_receipt: false })
    }

    /// Asks for what comes next, up to [`AHEAD`]. Where the door is full, what is under way must do.
    fn ask_ahead(&mut self) {
        while self.under_way.len() < AHEAD && self.next < PARTITIONS {
            let at = Cursor::before(self.next);
            let Ok(asked) = self.ask(&at) else { return };
            self.under_way.push_back((at, asked));
            self.next += 1;
        }
    }

    /// Takes the next page; where the one behind it begins, if there is one.
    async fn page(&mut self) -> Result<Option<Cursor>, Problem> {
        self.ask_ahead();
        let Some((at, asked)) = self.under_way.pop_front() else { return Ok(None) };
        let (entries, after) = page(asked.answer().await?.body)?;
        match self.take(&at, &entries, after) {
            Ended::Partition => self.following(),
            Ended::Within(next) if self.left == 0 => Ok(Some(next)),
            Ended::Within(next) => {
                let asked = self.ask(&next)?;
                self.under_way.push_front((next.clone(), asked));
                Ok(Some(next))
            }
        }
    }

    /// Where the first partition that was not taken yet begins; asked for, if nothing is.
    fn following(&mut self) -> Result<Option<Cursor>, Problem> {
        if let Some((next, _)) = self.under_way.front() {
            return Ok(Some(next.clone()));
        }
        if self.next == PARTITIONS {
            return Ok(None);
        }
        let next = Cursor::before(self.next);
        if self.left > 0 {
            let asked = self.ask(&next)?;
            self.under_way.push_back((next.clone(), asked));
            self.next += 1;
        }
        Ok(Some(next))
    }

    /// Takes of `entries` what the limit allows.
    fn take(&mut self, at: &Cursor, entries: &[(Bytes, Record)], after: Option<Bytes>) -> Ended {
        let within = |after| Ended::Within(Cursor { partition: at.partition, after });
        let mut last = at.after.clone();
        for (key, record) in entries {
            if self.left == 0 {
                return within(last);
            }
            self.line(key, record);
            last = Some(key.clone());
        }
        after.map_or(Ended::Partition, |after| within(Some(after)))
    }

    fn line(&mut self, key: &[u8], record: &Record) {
        let Some(value) = record.value.as_deref().filter(|_| key.starts_with(&self.scope.prefix)) else {
            return;
        };
        let line = Line {
            key: KeyText::of(key),
            value: Text::of(value),
            version: record.version.to_string(),
            expires_at_ms: record.expiry.at_ms,
        };
        push_line(&mut self.lines, &line);
        self.left -= 1;
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
    /// Before the first record of a partition.
    fn before(partition: usize) -> Cursor {
        Cursor { partition: PartitionId(partition as u16), after: None }
    }

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
