//! `/api/v1/store`: get, put and delete by one key, in the path, the query or the body.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header, request};
use axum::response::Response;
use bytes::Bytes;
use quorate_types::{KeyspaceId, Version};
use quorate_wire::RequestBody;

use crate::accept::{self, Form};
use crate::body::{self, KeyForm, Media, PutForm, Whole};
use crate::context::Context;
use crate::door::{Answered, Asking, Door};
use crate::key;
use crate::outcome::{self, Read, Written};
use crate::params::{self, Params};
use crate::problem::Problem;
use crate::reply::{self, KeyText, ReadBody, Text, WriteBody};

/// The path in front of a key.
const PREFIX: &str = "/api/v1/store/";
const PUT_SHAPE: &str = r#"{"key": "...", "value": "..."}, with "key64" for a key and "encoding": "base64" for a value that is no text"#;
const KEY_SHAPE: &str = r#"{"key": "..."} or {"key64": "..."}"#;

/// Where a key is.
struct Place {
    keyspace: KeyspaceId,
    key: Bytes,
}

impl Place {
    fn pair(&self) -> (KeyspaceId, &[u8]) {
        (self.keyspace, &self.key)
    }
}

/// The request's key, if it is in the path.
fn path_key(parts: &request::Parts) -> Result<Option<Bytes>, Problem> {
    let path = parts.uri.path();
    path.starts_with(PREFIX).then(|| key::in_path(path, PREFIX)).transpose()
}

/// The key in path or query: in one of them.
fn named_key(parts: &request::Parts, params: &Params) -> Result<Option<Bytes>, Problem> {
    one_key(path_key(parts)?, params.key()?)
}

fn one_key(first: Option<Bytes>, second: Option<Bytes>) -> Result<Option<Bytes>, Problem> {
    match (first, second) {
        (Some(first), Some(second)) if first != second => {
            Err(Problem::bad("key-twice", "the request names two different keys"))
        }
        (first, second) => Ok(first.or(second)),
    }
}

fn no_key() -> Problem {
    Problem::bad(
        "key-missing",
        "name a key: /api/v1/store/KEY, ?key=, ?key64= (base64url), or in a JSON body",
    )
}

/// `GET`: 200 with the value, 304, or 404.
pub(crate) async fn get(State(door): State<Arc<Door>>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let params = Params::parse(parts.uri.query(), params::READ)?;
    let key = named_key(&parts, &params)?.ok_or_else(no_key)?;
    let form = accept::form(&parts.headers)?;
    let context = context(&parts.headers)?;
    let place = Place { keyspace: params.keyspace(door.about())?, key };
    let (keyspace, key) = (place.keyspace, place.key.clone());
    let body = RequestBody::Get { keyspace, key, level: params.level()? };
    let answered = door.ask(body, Asking { deadline_ms: params.deadline_ms()?, ..Asking::default() }).await?;
    let Answered { body, receipt } = answered;
    let read = outcome::read(body)?;
    not_older(&place, &read, context)?;
    matched(&read, &parts.headers)?;
    let mut response = read_response(&read, form, &parts.headers);
    if let Some(version) = read.version() {
        reply::add_version(response.headers_mut(), place.pair(), version);
    }
    if let Some(receipt) = receipt {
        reply::add_receipt(response.headers_mut(), door.about(), &receipt);
    }
    Ok(response)
}

fn read_response(read: &Read, form: Form, headers: &HeaderMap) -> Response {
    let absent = match read {
        Read::Found(record) => {
            let mut response = found(record.value.clone().unwrap_or_default(), record.version, form, headers);
            reply::add_expiry(response.headers_mut(), record.expiry.at_ms);
            reply::add(response.headers_mut(), header::VARY, "accept");
            return response;
        }
        Read::Deleted(_) => "deleted",
        Read::Expired(_) => "expired",
        Read::Absent => "never written",
    };
    let body = ReadBody { message: "not found", value: Text::Plain { value: "" } };
    let mut response = reply::json(StatusCode::NOT_FOUND, &body);
    reply::add(response.headers_mut(), reply::ABSENT, absent);
    response
}

fn found(value: Bytes, version: Version, form: Form, headers: &HeaderMap) -> Response {
    if reply::is_known(headers, version) {
        return reply::empty(StatusCode::NOT_MODIFIED);
    }
    match form {
        Form::Raw => reply::raw(value),
        Form::Json => reply::json(StatusCode::OK, &ReadBody { message: "found", value: Text::of(&value) }),
    }
}

/// `If-Match` on a value that is there; without one it is 404 either way (RFC 9110 §13.2.1).
fn matched(read: &Read, headers: &HeaderMap) -> Result<(), Problem> {
    if !matches!(read, Read::Found(_)) || !reply::is_unmatched(headers) {
        return Ok(());
    }
    let detail = "If-Match compares strongly, and the ETags here are weak: nothing but * is met. Compare the ETag of the \
                  answer, or send If-None-Match";
    Err(Problem::rejected(StatusCode::PRECONDITION_FAILED, "precondition-failed", detail))
}

/// An answer that is older than what the client has seen of this key is none.
fn not_older(place: &Place, read: &Read, context: Option<Context>) -> Result<(), Problem> {
    let Some(context) = context.filter(|context| context.is_of(place.keyspace, &place.key)) else {
        return Ok(());
    };
    if read.version() >= Some(context.version) {
        return Ok(());
    }
    let detail = "the replicas that answered hold an older version than the context has seen: ask again, or at a higher level";
    Err(Problem::failed(StatusCode::SERVICE_UNAVAILABLE, "stale-read", detail)
        .with("seen", context.version.to_string())
        .with("held", read.version().map(|version| version.to_string()))
        .retry_soon())
}

/// `PUT` and `POST`: 201 when the value is on disk at the level, 204 if no body is wanted.
pub(crate) async fn put(State(door): State<Arc<Door>>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    unconditional(&parts.headers)?;
    let params = Params::parse(parts.uri.query(), params::WRITE)?;
    let named = named_key(&parts, &params)?;
    let media = put_media(&parts.headers, named.as_ref())?;
    let wanted = returning(&parts.headers, &params)?;
    let whole = body::read(&door, body).await?;
    let (key, value) = put_parts(&whole, named, media)?;
    let place = Place { keyspace: params.keyspace(door.about())?, key };
    let ask = RequestBody::Put {
        keyspace: place.keyspace,
        key: place.key.clone(),
        value: value.clone(),
        level: params.level()?,
        expiry: params.expiry()?,
        version: None,
    };
    let mut response = write(&door, &parts, &params, (&place, ask)).await?;
    if wanted == Returning::Representation {
        let body = WriteBody { message: "key store", key: KeyText::of(&place.key), value: Text::of(&value) };
        response = with_headers_of(reply::json(StatusCode::CREATED, &body), response);
    }
    Ok(response)
}

/// Whether the body is JSON. Without a key elsewhere it has to be, whatever `curl -d` calls it.
fn put_media(headers: &HeaderMap, named: Option<&Bytes>) -> Result<Media, Problem> {
    match (body::media(headers), named.is_some()) {
        (Media::Json, _) | (Media::Unsaid, false) => Ok(Media::Json),
        (_, true) => Ok(Media::Other),
        (Media::Other, false) => {
            let detail =
                format!("without a key in path or query the body must be application/json: {PUT_SHAPE}");
            Err(Problem::rejected(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail))
        }
    }
}

fn put_parts(whole: &Whole, named: Option<Bytes>, media: Media) -> Result<(Bytes, Bytes), Problem> {
    if media != Media::Json {
        return Ok((named.ok_or_else(no_key)?, whole.bytes.clone()));
    }
    let PutForm { key, key64, value, encoding } = body::json(&whole.bytes, PUT_SHAPE)?;
    let key = one_key(named, body::key(key.as_deref(), key64.as_deref())?)?.ok_or_else(no_key)?;
    Ok((key, encoding.decoded(value)?))
}

/// `DELETE`: 204, or 200 with a body if one is asked for.
pub(crate) async fn delete(State(door): State<Arc<Door>>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    unconditional(&parts.headers)?;
    let params = Params::parse(parts.uri.query(), params::DELETE)?;
    let named = named_key(&parts, &params)?;
    let key = one_key(named, body_key(&door, body).await?)?.ok_or_else(no_key)?;
    let place = Place { keyspace: params.keyspace(door.about())?, key };
    let ask = RequestBody::Delete {
        keyspace: place.keyspace,
        key: place.key.clone(),
        level: params.level()?,
        version: None,
    };
    let mut response = write(&door, &parts, &params, (&place, ask)).await?;
    if asked_for(&parts.headers, &params)? == Some(Returning::Representation) {
        let value = Text::Plain { value: "" };
        let body = WriteBody { message: "key store", key: KeyText::of(&place.key), value };
        response = with_headers_of(reply::json(StatusCode::OK, &body), response);
    }
    Ok(response)
}

/// The key in the body of a `DELETE`: it is looked at even if there is one elsewhere, for it may be another.
async fn body_key(door: &Door, body: Body) -> Result<Option<Bytes>, Problem> {
    let whole = body::read(door, body).await?;
    if whole.bytes.is_empty() {
        return Ok(None);
    }
    let KeyForm { key, key64 } = body::json(&whole.bytes, KEY_SHAPE)?;
    body::key(key.as_deref(), key64.as_deref())
}

/// Sends the write of `place`, perhaps again; a 204 with the version, the context and the receipt.
async fn write(
    door: &Door,
    parts: &request::Parts,
    params: &Params,
    (place, body): (&Place, RequestBody),
) -> Result<Response, Problem> {
    let deadline_ms = params.deadline_ms()?;
    let body = match params.retry()? {
        Some(retry) => retry.resumes(body)?,
        None => body,
    };
    let attempt = body.clone();
    if let Some(context) = context(&parts.headers)? {
        pass(door, context, deadline_ms).await?;
    }
    let answered = door.ask(body, Asking { deadline_ms, ..Asking::default() }).await?;
    let Written { version, expires_at_ms } = outcome::written(&attempt, answered.body)?;
    let mut response = reply::empty(StatusCode::NO_CONTENT);
    reply::add_version(response.headers_mut(), place.pair(), version);
    reply::add_expiry(response.headers_mut(), expires_at_ms);
    if let Some(receipt) = answered.receipt {
        reply::add_receipt(response.headers_mut(), door.about(), &receipt);
    }
    Ok(response)
}

fn with_headers_of(mut response: Response, other: Response) -> Response {
    response.headers_mut().extend(other.into_parts().0.headers);
    response
}

/// Longest wait for the clock to pass what a context saw, if the request names no deadline.
const PASS_MS_MAX: u64 = 5_000;

/// Lets the clock pass what the context saw: whatever is stamped after that is newer.
async fn pass(door: &Door, context: Context, deadline_ms: u32) -> Result<(), Problem> {
    let seen_ms = context.version.timestamp.wall_ms();
    let Some(ahead_ms) = (seen_ms + 1).checked_sub(door.wall_ms()).filter(|ahead| *ahead > 0) else {
        return Ok(());
    };
    let bound_ms = if deadline_ms == 0 { PASS_MS_MAX } else { u64::from(deadline_ms).min(PASS_MS_MAX) };
    if ahead_ms > bound_ms {
        let detail = format!("the context is {ahead_ms} ms ahead of this node's clock; nothing was written");
        return Err(Problem::failed(StatusCode::SERVICE_UNAVAILABLE, "clock-behind", detail).retry_soon());
    }
    tokio::time::sleep(Duration::from_millis(ahead_ms)).await;
    Ok(())
}

fn context(headers: &HeaderMap) -> Result<Option<Context>, Problem> {
    headers.get(reply::CONTEXT).map(|value| Context::from_text(value.as_bytes())).transpose()
}

/// A condition that is checked before a write and not with it is worse than none.
fn unconditional(headers: &HeaderMap) -> Result<(), Problem> {
    let conditions =
        [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE];
    let Some(name) = conditions.into_iter().find(|name| headers.contains_key(name)) else { return Ok(()) };
    let detail = format!(
        "{name} on a write would be checked before it and not with it: two racing writers could both pass; nothing was written"
    );
    Err(Problem::rejected(StatusCode::NOT_IMPLEMENTED, "conditional-writes-not-atomic", detail))
}

/// Whether a write's answer has a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Returning {
    Minimal,
    Representation,
}

fn returning(headers: &HeaderMap, params: &Params) -> Result<Returning, Problem> {
    Ok(asked_for(headers, params)?.unwrap_or(Returning::Representation))
}

/// `?return=` or, less strictly, `Prefer: return=` (RFC 7240: what is not understood is no error).
fn asked_for(headers: &HeaderMap, params: &Params) -> Result<Option<Returning>, Problem> {
    let preferred = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let preferred = preferred.flat_map(|value| value.split([',', ';'])).find_map(|one| match one.trim() {
        "return=minimal" => Some(Returning::Minimal),
        "return=representation" => Some(Returning::Representation),
        _ => None,
    });
    match params.text("return")? {
        None => Ok(preferred),
        Some("minimal") => Ok(Some(Returning::Minimal)),
        Some("representation") => Ok(Some(Returning::Representation)),
        Some(other) => Err(Problem::bad(
            "bad-parameter",
            format!("return: {other:?} is neither minimal nor representation"),
        )),
    }
}
