//! Problem documents (RFC 9457): every error has one, and it says what became of the data.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// What became of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing was done, and as it is it never will be.
    Rejected,
    /// Nothing was changed; ask again.
    Failed,
    /// The write may survive.
    Unknown,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Outcome::Rejected => "rejected",
            Outcome::Failed => "failed",
            Outcome::Unknown => "unknown",
        }
    }
}

/// One problem; boxed, for it travels in every `Result`.
#[derive(Clone, Debug)]
pub(crate) struct Problem(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    status: StatusCode,
    kind: &'static str,
    outcome: Outcome,
    detail: String,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, outcome: Outcome, detail: impl Into<String>) -> Problem {
        let (members, headers) = (Map::new(), Vec::new());
        Problem(Box::new(Parts { status, kind, outcome, detail: detail.into(), members, headers }))
    }

    /// The request is none that can be served: 400 unless `status` says better.
    pub(crate) fn rejected(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Problem {
        Problem::new(status, kind, Outcome::Rejected, detail)
    }

    /// 400.
    pub(crate) fn bad(kind: &'static str, detail: impl Into<String>) -> Problem {
        Problem::rejected(StatusCode::BAD_REQUEST, kind, detail)
    }

    /// It was not done now, and may be later.
    pub(crate) fn failed(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Problem {
        Problem::new(status, kind, Outcome::Failed, detail)
    }

    /// 504: nobody knows whether the write survives.
    pub(crate) fn unknown(kind: &'static str, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::GATEWAY_TIMEOUT, kind, Outcome::Unknown, detail)
    }

    /// Adds an extension member.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Problem {
        self.0.members.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Problem {
        self.0.headers.push((name, value));
        self
    }

    /// It is worth a try after a second.
    pub(crate) fn retry_soon(self) -> Problem {
        self.header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The document.
    pub(crate) fn document(&self) -> Value {
        let Parts { status, kind, outcome, detail, members, .. } = &*self.0;
        let mut document = json!({
            "type": format!("urn:quorate:problem:{kind}"),
            "title": kind.replace('-', " "),
            "status": status.as_u16(),
            "outcome": outcome.name(),
            "detail": detail,
        });
        if let Value::Object(map) = &mut document {
            map.extend(members.clone());
        }
        document
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body::from(self.document().to_string());
        let mut response = Response::new(body);
        *response.status_mut() = self.0.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        for (name, value) in self.0.headers {
            headers.insert(name, value);
        }
        response
    }
}
