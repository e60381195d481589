//! What a request's head must be before anybody looks for what is asked: within its limits, for one host, in no coding that
//! nobody undoes, from no page of another site, and without words to the node that it does not know.

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header, request};

use crate::door::Door;
use crate::limits::HEADERS_MAX;
use crate::node::Count;
use crate::problem::Problem;
use crate::reply;

/// What headers to the node begin with.
const OURS: &str = "x-kv-";
/// Where a context is looked at.
const STORE: &str = "/api/v1/store";

/// Whether `request` may go on.
pub(crate) fn checked(door: &Door, request: Request) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    limited(door, &parts)?;
    one_host(&parts)?;
    uncoded(&parts)?;
    known(&parts)?;
    from_here(&parts)?;
    Ok(Request::from_parts(parts, body))
}

/// hyper looks at the length of heads that are not complete, and reads in larger and larger pieces: one that comes in
/// one piece can be longer than the limit.
fn limited(door: &Door, parts: &request::Parts) -> Result<(), Problem> {
    let bytes_max = door.limits().head_bytes_max;
    if bytes(parts) <= bytes_max {
        return Ok(());
    }
    door.count(Count::HeadBroken);
    Err(too_large(bytes_max).header(header::CONNECTION, HeaderValue::from_static("close")))
}

/// The head has more bytes or headers than it may have.
pub(crate) fn too_large(bytes_max: usize) -> Problem {
    let detail = format!(
        "a request's head has at most http.head_bytes_max = {bytes_max} bytes and {HEADERS_MAX} headers; nothing was done, \
         and the connection ends"
    );
    Problem::rejected(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large", detail)
}

/// The head's length as `name: value` lines: blanks that a client adds are not counted.
fn bytes(parts: &request::Parts) -> usize {
    const BETWEEN: usize = ": \r\n".len();
    let line = parts.method.as_str().len() + parts.uri.to_string().len() + "  HTTP/1.1\r\n".len();
    let headers = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + BETWEEN);
    line + headers.sum::<usize>() + "\r\n".len()
}

/// RFC 9112 §3.2: exactly one `Host` that could be one, or it is a request for nobody knows whom.
fn one_host(parts: &request::Parts) -> Result<(), Problem> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let detail = match (hosts.next(), hosts.next()) {
        (None, _) if parts.version == Version::HTTP_10 => return Ok(()),
        (None, _) => "a request has a header Host",
        (Some(_), Some(_)) => "there are two headers Host: send one",
        (Some(host), None) if is_host(host) => return Ok(()),
        (Some(_), None) => "the header Host is no host: write name, name:port or [address]:port",
    };
    Err(Problem::bad("bad-host", detail))
}

fn is_host(value: &HeaderValue) -> bool {
    let authority = value.to_str().ok().and_then(|text| text.parse::<Authority>().ok());
    value.is_empty() || authority.is_some_and(|authority| !authority.as_str().contains('@'))
}

/// A value in a coding would be stored as its coded bytes, and come back without a word of the coding.
fn uncoded(parts: &request::Parts) -> Result<(), Problem> {
    let others = |name: HeaderName, plain: &[u8]| {
        parts.headers.get_all(name).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(plain))
    };
    if others(header::TRANSFER_ENCODING, b"chunked") {
        let detail = "no transfer coding but chunked is offered; nothing was done";
        return Err(Problem::rejected(StatusCode::NOT_IMPLEMENTED, "transfer-coding", detail));
    }
    if others(header::CONTENT_ENCODING, b"identity") {
        let detail = "bodies are taken as they are: send this one without Content-Encoding; nothing was done";
        let accepted = HeaderValue::from_static("identity");
        return Err(Problem::rejected(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-coding", detail)
            .header(header::ACCEPT_ENCODING, accepted));
    }
    if parts.headers.contains_key(header::CONTENT_RANGE) {
        return Err(Problem::bad(
            "content-range",
            "a value is written whole, not a range of it; nothing was done",
        ));
    }
    Ok(())
}

/// Who writes `x-kv-write: all` wants to be heard, or told.
fn known(parts: &request::Parts) -> Result<(), Problem> {
    let is_known = |name: &HeaderName| *name == reply::CONTEXT && parts.uri.path().starts_with(STORE);
    let mut ours = parts.headers.keys().filter(|name| name.as_str().starts_with(OURS));
    let Some(name) = ours.find(|name| !is_known(name)) else { return Ok(()) };
    let detail = format!(
        "there is no header {name} to a node here: X-Kv-Context goes with {STORE}, a level into the query (?level=); \
         nothing was done"
    );
    Err(Problem::bad("unknown-header", detail))
}

/// A browser says when a page of another site sends a request: such a page may not write, for nobody asked it to. Old ones
/// only say from where it is.
fn from_here(parts: &request::Parts) -> Result<(), Problem> {
    let reads = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if reads || !is_elsewhere(&parts.headers) {
        return Ok(());
    }
    let detail = "a page of another site may not write here; nothing was done";
    Err(Problem::rejected(StatusCode::FORBIDDEN, "cross-site", detail))
}

fn is_elsewhere(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site.as_bytes() == b"cross-site";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes).unwrap_or_default();
    let from = |scheme: &[u8]| origin.as_bytes().strip_prefix(scheme);
    from(b"http://").or_else(|| from(b"https://")) != Some(host)
}
