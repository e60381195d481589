//! Bodies: read within their limit, their time and the room that all of them have; then raw, or one of the JSON forms.

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;

use crate::door::Door;
use crate::key;
use crate::node::Count;
use crate::problem::Problem;

/// A whole body, and its place among the bytes of all bodies.
pub(crate) struct Whole {
    pub(crate) bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

/// Reads `body`. One of unknown length takes the room of the largest.
pub(crate) async fn read(door: &Door, body: Body) -> Result<Whole, Problem> {
    let limit = door.limits().body_bytes_max;
    let length = body.size_hint().exact();
    if length.is_some_and(|length| length > limit as u64) {
        return Err(too_long(door));
    }
    let room = door.room_for(length.map_or(limit, |length| length as usize))?;
    let collected = tokio::time::timeout(door.limits().body_timeout, Limited::new(body, limit).collect());
    match collected.await {
        Ok(Ok(collected)) => Ok(Whole { bytes: collected.to_bytes(), _room: room }),
        Ok(Err(failure)) if failure.is::<LengthLimitError>() => Err(too_long(door)),
        Ok(Err(failure)) => {
            Err(Problem::bad("body-broken", format!("the body did not come whole: {failure}")))
        }
        Err(_) => {
            door.count(Count::BodyTimeout);
            let detail = "the body did not come within http.body_timeout; nothing was done";
            Err(Problem::failed(StatusCode::REQUEST_TIMEOUT, "body-timeout", detail)
                .header(header::CONNECTION, header::HeaderValue::from_static("close")))
        }
    }
}

fn too_long(door: &Door) -> Problem {
    door.count(Count::BodyBytesMax);
    let limit = door.limits().body_bytes_max;
    let detail = format!("a body has at most http.body_bytes_max = {limit} bytes; nothing was done");
    Problem::rejected(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail)
        .with("limit", "http.body_bytes_max")
        .with("bytes_max", limit)
}

/// What a body is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    /// `application/json`.
    Json,
    /// Nothing, or what `curl -d` says by itself.
    Unsaid,
    /// Something else.
    Other,
}

/// What `headers` say of the body.
pub(crate) fn media(headers: &HeaderMap) -> Media {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Media::Unsaid };
    let text = value.to_str().unwrap_or_default();
    let name = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match name.as_str() {
        "application/json" => Media::Json,
        "application/x-www-form-urlencoded" => Media::Unsaid,
        _ => Media::Other,
    }
}

/// How a value is written in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encoding {
    /// As it is.
    #[default]
    Utf8,
    /// base64, with padding.
    Base64,
}

/// `{"value"}` and `{"key","value"}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutForm {
    pub(crate) key: Option<String>,
    pub(crate) key64: Option<String>,
    pub(crate) value: String,
    #[serde(default)]
    pub(crate) encoding: Encoding,
}

/// `{"key"}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyForm {
    pub(crate) key: Option<String>,
    pub(crate) key64: Option<String>,
}

impl Encoding {
    /// The bytes that `value` is written for.
    pub(crate) fn decoded(self, value: String) -> Result<Bytes, Problem> {
        match self {
            Encoding::Utf8 => Ok(value.into()),
            Encoding::Base64 => {
                let wrong = |why| Problem::bad("bad-base64", format!("value is no base64: {why}"));
                STANDARD.decode(value).map(Bytes::from).map_err(wrong)
            }
        }
    }
}

/// The key in a form's `key` or `key64`, if it has one.
pub(crate) fn key(plain: Option<&str>, base64: Option<&str>) -> Result<Option<Bytes>, Problem> {
    key::one_of(plain.map(str::as_bytes), base64.map(str::as_bytes))
}

/// The JSON form in `bytes`; `shape` is what it looks like.
pub(crate) fn json<T: DeserializeOwned>(bytes: &[u8], shape: &str) -> Result<T, Problem> {
    let wrong = |why| Problem::bad("bad-json", format!("the body must be {shape}: {why}"));
    serde_json::from_slice(bytes).map_err(wrong)
}
