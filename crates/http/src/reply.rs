//! What every answer about a key carries beside its body: version, context, receipt.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use quorate_types::{KeyspaceId, Receipt, Version};
use serde::Serialize;

use crate::context::Context;
use crate::key::BASE64URL;
use crate::node::About;

pub(crate) const CONTEXT: HeaderName = HeaderName::from_static("x-kv-context");
pub(crate) const COORDINATOR: HeaderName = HeaderName::from_static("x-kv-coordinator");
pub(crate) const ABSENT: HeaderName = HeaderName::from_static("x-kv-absent");
const REPLICAS: HeaderName = HeaderName::from_static("x-kv-replicas");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-kv-timestamp");
const EXPIRES: HeaderName = HeaderName::from_static("x-kv-expires-at-ms");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// `{"message":"found","value"}`, and the 404.
#[derive(Debug, Serialize)]
pub(crate) struct ReadBody<'a> {
    pub(crate) message: &'static str,
    #[serde(flatten)]
    pub(crate) value: Text<'a>,
}

/// `{"message":"key store","key","value"}`.
#[derive(Debug, Serialize)]
pub(crate) struct WriteBody<'a> {
    pub(crate) message: &'static str,
    #[serde(flatten)]
    pub(crate) key: KeyText<'a>,
    #[serde(flatten)]
    pub(crate) value: Text<'a>,
}

/// Bytes as `value`: as they are if they are UTF-8, else as base64, which `encoding` then says.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Text<'a> {
    Plain { value: &'a str },
    Base64 { value: String, encoding: &'static str },
}

/// A key as `key` if it is UTF-8, else as `key64`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum KeyText<'a> {
    Plain { key: &'a str },
    Base64 { key64: String },
}

impl<'a> Text<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Text<'a> {
        match std::str::from_utf8(bytes) {
            Ok(value) => Text::Plain { value },
            Err(_) => Text::Base64 { value: STANDARD.encode(bytes), encoding: "base64" },
        }
    }
}

impl<'a> KeyText<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> KeyText<'a> {
        match std::str::from_utf8(bytes) {
            Ok(key) => KeyText::Plain { key },
            Err(_) => KeyText::Base64 { key64: BASE64URL.encode(bytes) },
        }
    }
}

/// `body` as JSON.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let bytes = serde_json::to_vec(body).expect("texts, numbers and maps with text keys are JSON");
    with_type(status, bytes.into(), "application/json")
}

/// `bytes` as they are.
pub(crate) fn raw(bytes: Bytes) -> Response {
    with_type(StatusCode::OK, bytes, "application/octet-stream")
}

/// Nothing but a status and headers.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

pub(crate) fn with_type(status: StatusCode, bytes: Bytes, media_type: &'static str) -> Response {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// The version as a validator: a weak one, for the JSON form and the bytes of a value share it (RFC 9110 §8.8.3).
fn etag(version: Version) -> String {
    format!("W/\"{version}\"")
}

/// Whether `If-None-Match` names `version`.
pub(crate) fn is_known(headers: &HeaderMap, version: Version) -> bool {
    if !headers.contains_key(header::IF_NONE_MATCH) {
        return false;
    }
    let etag = etag(version);
    let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).any(|one| {
        // RFC 9110 §13.1.2: compared weakly.
        one == "*" || opaque(one) == opaque(&etag)
    })
}

/// Whether `If-Match` is there and fails: it is compared strongly (RFC 9110 §13.1.1), which no weak validator survives, so
/// nothing but `*` is met.
pub(crate) fn is_unmatched(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::IF_MATCH).iter().peekable();
    values.peek().is_some() && !values.any(|value| value.as_bytes().trim_ascii() == b"*")
}

/// Adds version and context of a key.
pub(crate) fn add_version(headers: &mut HeaderMap, (keyspace, key): (KeyspaceId, &[u8]), version: Version) {
    add(headers, header::ETAG, &etag(version));
    add(headers, TIMESTAMP, &version.timestamp.wall_ms().to_string());
    add(headers, CONTEXT, &Context::new(keyspace, key, version).to_text());
}

/// Adds when the value expires.
pub(crate) fn add_expiry(headers: &mut HeaderMap, at_ms: Option<u64>) {
    if let Some(at_ms) = at_ms {
        add(headers, EXPIRES, &at_ms.to_string());
    }
}

/// Adds who did what: how many of the replicas answered, and how long each took.
pub(crate) fn add_receipt(headers: &mut HeaderMap, about: &About, receipt: &Receipt) {
    add(headers, REPLICAS, &format!("{}/{}", receipt.answered.len(), receipt.replicas.len()));
    let timings = receipt.queried.iter().map(|timing| ("-query", timing));
    let timings = timings.chain(receipt.answered.iter().map(|timing| ("", timing)));
    let entry = |(suffix, timing): (&str, &quorate_types::NodeTiming)| {
        let ms = f64::from(timing.elapsed_us) / 1e3;
        format!("{}{suffix};dur={ms:.3}", metric_name(&about.name(timing.node)))
    };
    let mut entries: Vec<String> = timings.map(entry).collect();
    entries.extend(
        receipt.hinted.iter().map(|node| format!("{};desc=\"hint\"", metric_name(&about.name(*node)))),
    );
    add(headers, SERVER_TIMING, &entries.join(", "));
}

/// A node's id as a token, which is what a metric's name must be.
fn metric_name(name: &str) -> String {
    let token = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    name.chars().map(token).collect()
}

/// Sets a header; a value that no header can have (a name with line feeds in it) is left out.
pub(crate) fn add(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
