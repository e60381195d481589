//! The trace that a request belongs to, as the client says it in `traceparent`: it is on every log line of the request,
//! goes with what the node asks its replicas, and is given back with the answer.
//!
//! The request is a span of its own in it, which the node names; to replicas that span is the parent. `tracestate` is not
//! passed on. What is no valid header is ignored, as the specification wants it: the request is served all the same.
//!
//! Source: Trace Context level 1 (W3C), §3.2 and §4.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use quorate_types::{SpanId, Trace, TraceId};
use tracing::{Span, error_span};

pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

tokio::task_local! {
    /// What whoever is asked for the request at hand is told.
    static PASSED_ON: Option<Trace>;
}

/// A request's part in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traced {
    /// As the client said it.
    pub(crate) trace: Trace,
    /// The request's own.
    pub(crate) span: SpanId,
}

impl Traced {
    /// What log lines of the request are written in, whatever the filter.
    pub(crate) fn lines(&self) -> Span {
        let Trace { id, parent, .. } = self.trace;
        error_span!("request", trace = %id, parent = %parent, span = %self.span)
    }

    fn passed_on(&self) -> Trace {
        self.trace.passed_on_by(self.span)
    }
}

/// Serves a request: what it asks of the node, [`passed_on`] goes with.
pub(crate) async fn within<T>(traced: Option<Traced>, serving: impl Future<Output = T>) -> T {
    PASSED_ON.scope(traced.as_ref().map(Traced::passed_on), serving).await
}

/// What the node is told of the trace of the request at hand, if it has one.
pub(crate) fn passed_on() -> Option<Trace> {
    PASSED_ON.try_with(|trace| *trace).unwrap_or(None)
}

/// The trace that `headers` name, if they name one.
pub(crate) fn named_in(headers: &HeaderMap) -> Option<Trace> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let (only, None) = (values.next()?, values.next()) else { return None };
    parse(only.to_str().ok()?)
}

fn parse(text: &str) -> Option<Trace> {
    let mut fields = text.splitn(5, '-');
    let (version, id) = (byte(fields.next()?)?, TraceId::from_hex(fields.next()?)?);
    let (parent, flags) = (SpanId::from_hex(fields.next()?)?, byte(fields.next()?)?);
    // Later versions may add fields behind these; this one has none, and ff there never will be.
    let ends = fields.next().is_none();
    (version != 0xff && (ends || version != 0)).then_some(Trace { id, parent, flags })
}

fn byte(digits: &str) -> Option<u8> {
    let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let valid = digits.len() == 2 && digits.bytes().all(lower);
    valid.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// The header that says `trace`.
pub(crate) fn header(trace: &Trace) -> HeaderValue {
    let Trace { id, parent, flags } = trace;
    let text = format!("00-{id}-{parent}-{flags:02x}");
    HeaderValue::from_str(&text).expect("hexadecimal digits and dashes are a header's value")
}

/// A body whose log lines, while it is sent, are the request's too.
pub(crate) struct TracedBody {
    pub(crate) body: Body,
    pub(crate) lines: Span,
}

impl hyper::body::Body for TracedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let _entered = this.lines.enter();
        Pin::new(&mut this.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    #[test]
    fn a_valid_header_is_given_back_as_it_came_and_one_of_a_later_version_in_ours() {
        let text = format!("00-{TRACE}-{PARENT}-01");
        assert_eq!(header(&parse(&text).unwrap()), text);
        for later in [format!("cc-{TRACE}-{PARENT}-01"), format!("cc-{TRACE}-{PARENT}-01-what-else")] {
            assert_eq!(header(&parse(&later).unwrap()), text);
        }
    }

    #[test]
    fn what_the_specification_forbids_is_no_trace() {
        let zeros = "0".repeat(32);
        for bad in [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{TRACE}-{PARENT}-1"),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("00-{TRACE}-{PARENT}-01-"),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("00-{zeros}-{PARENT}-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{PARENT}-0g"),
            format!(" 00-{TRACE}-{PARENT}-01"),
        ] {
            assert_eq!(parse(&bad), None, "{bad:?}");
        }
    }

    #[test]
    fn two_headers_are_none() {
        let text = format!("00-{TRACE}-{PARENT}-01");
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, HeaderValue::from_str(&text).unwrap());
        assert!(named_in(&headers).is_some());
        headers.append(TRACEPARENT, HeaderValue::from_str(&text).unwrap());
        assert_eq!(named_in(&headers), None);
    }
}
