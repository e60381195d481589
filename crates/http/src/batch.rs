//! `POST /api/v1/batch`: many gets, puts and deletes, a line of JSON each; a line of JSON with a status for each.
//!
//! Invariants:
//! - answers come in the order of the questions, one for each line, whatever became of the others: there is no
//!   transaction here;
//! - up to [`UNDER_WAY_MAX`] are under way at once; one that names a key that is under way waits for it, so that a get
//!   behind a put sees it;
//! - the answer is bounded: when it has [`ANSWER_BYTES_MAX`] bytes nothing more is begun, and the lines say so.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use quorate_types::{KeyspaceId, Level};
use quorate_wire::{ExpiryRequest, RequestBody};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::body::{self, Encoding};
use crate::door::{Asked, Asking, Door};
use crate::outcome::{self, Read};
use crate::params::{self, Params};
use crate::problem::Problem;
use crate::reply::Text;
use crate::scan::{ndjson, push_line};

/// Requests of one batch that are under way at once.
const UNDER_WAY_MAX: usize = 64;
/// Bytes of an answer from which on nothing more is begun.
const ANSWER_BYTES_MAX: usize = 8 << 20;
const SHAPE: &str =
    r#"a line {"op":"get"|"put"|"delete","key":"...", and for a put "value":"...","ttl_ms":N}"#;

/// One line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    op: Op,
    key: Option<String>,
    key64: Option<String>,
    value: Option<String>,
    #[serde(default)]
    encoding: Encoding,
    ttl_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Op {
    Get,
    Put,
    Delete,
}

/// What all lines of a batch have in common.
struct Common {
    keyspace: KeyspaceId,
    level: Option<Level>,
    deadline_ms: u32,
}

/// One that was asked.
struct UnderWay<'a> {
    op: Op,
    key: Bytes,
    /// What was asked, for whoever sends it again.
    attempt: RequestBody,
    asked: Asked<'a>,
}

pub(crate) async fn batch(State(door): State<Arc<Door>>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let params = Params::parse(parts.uri.query(), params::BATCH)?;
    let common = Common {
        keyspace: params.keyspace(door.about())?,
        level: params.level()?,
        deadline_ms: params.deadline_ms()?,
    };
    let whole = body::read(&door, body).await?;
    let mut answers = Vec::new();
    let mut under_way: VecDeque<Result<UnderWay<'_>, Problem>> = VecDeque::new();
    for line in whole.bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        let item = item(line, &common);
        let key = item.as_ref().ok().map(|(_, key, _)| key.clone());
        let same = |one: &Result<UnderWay<'_>, Problem>| {
            one.as_ref().is_ok_and(|one| Some(&one.key) == key.as_ref())
        };
        while under_way.len() >= UNDER_WAY_MAX || under_way.iter().any(same) {
            settle(&mut under_way, &mut answers).await;
        }
        let begun = item.and_then(|(op, key, body)| {
            room(&answers)?;
            let asking = Asking { deadline_ms: common.deadline_ms, want_receipt: false };
            Ok(UnderWay { op, key, attempt: body.clone(), asked: door.begin(body, asking)? })
        });
        under_way.push_back(begun);
    }
    while !under_way.is_empty() {
        settle(&mut under_way, &mut answers).await;
    }
    Ok(ndjson(answers))
}

fn room(answers: &[u8]) -> Result<(), Problem> {
    if answers.len() < ANSWER_BYTES_MAX {
        return Ok(());
    }
    let detail = format!(
        "the answer has {ANSWER_BYTES_MAX} bytes already; this was not begun: send it in another batch"
    );
    Err(Problem::failed(StatusCode::TOO_MANY_REQUESTS, "answer-too-large", detail))
}

/// Waits for the first that is under way.
async fn settle(under_way: &mut VecDeque<Result<UnderWay<'_>, Problem>>, answers: &mut Vec<u8>) {
    let Some(first) = under_way.pop_front() else { return };
    let line = match first {
        Ok(one) => answered(one).await,
        Err(problem) => Err(problem),
    };
    push_line(answers, &line.unwrap_or_else(|problem| problem.document()));
}

async fn answered(UnderWay { op, attempt, asked, .. }: UnderWay<'_>) -> Result<Value, Problem> {
    let body = asked.answer().await?.body;
    if op != Op::Get {
        let written = outcome::written(&attempt, body)?;
        let (status, message) = if op == Op::Put { (201, "key store") } else { (204, "deleted") };
        return Ok(json!({ "status": status, "message": message, "version": written.version.to_string() }));
    }
    match outcome::read(body)? {
        Read::Found(record) => {
            let value = serde_json::to_value(Text::of(record.value.as_deref().unwrap_or_default()));
            let mut line = Map::new();
            line.insert("status".to_owned(), 200.into());
            line.insert("message".to_owned(), "found".into());
            if let Ok(Value::Object(value)) = value {
                line.extend(value);
            }
            line.insert("version".to_owned(), record.version.to_string().into());
            Ok(Value::Object(line))
        }
        _ => Ok(json!({ "status": 404, "message": "not found", "value": "" })),
    }
}

/// What `line` asks for.
fn item(line: &[u8], common: &Common) -> Result<(Op, Bytes, RequestBody), Problem> {
    let Item { op, key, key64, value, encoding, ttl_ms } = body::json(line, SHAPE)?;
    let missing = || Problem::bad("key-missing", format!("name a key: {SHAPE}"));
    let named = body::key(key.as_deref(), key64.as_deref())?.ok_or_else(missing)?;
    let (keyspace, key, level) = (common.keyspace, named.clone(), common.level);
    let request = match (op, value, ttl_ms) {
        (Op::Get, None, None) => RequestBody::Get { keyspace, key, level },
        (Op::Delete, None, None) => RequestBody::Delete { keyspace, key, level, version: None },
        (Op::Put, Some(value), ttl_ms) if ttl_ms != Some(0) => {
            let value = encoding.decoded(value)?;
            let expiry = ttl_ms.map_or(ExpiryRequest::Never, ExpiryRequest::TtlMs);
            RequestBody::Put { keyspace, key, value, level, expiry, version: None }
        }
        (Op::Put, Some(_), _) => {
            let detail =
                format!("ttl_ms: 0 is no time of at least 1 ms; leave it out, or delete the key: {SHAPE}");
            return Err(Problem::bad("bad-json", detail));
        }
        _ => return Err(Problem::bad("bad-json", format!("{}: {SHAPE}", misfit(op)))),
    };
    Ok((op, named, request))
}

/// What is wrong with a line whose members do not fit its verb.
fn misfit(op: Op) -> &'static str {
    match op {
        Op::Put => "a put has a value",
        Op::Get | Op::Delete => "a get or delete has neither value nor ttl_ms",
    }
}
