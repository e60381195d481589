//! The trace that a request belongs to, as the client says it in `traceparent`: it is on every log line of the request
//! and is given back with the answer. It ends here: the protocol between nodes carries none.
//!
//! What is no valid header is ignored, as the specification wants it: the request is served all the same.
//!
//! Source: Trace Context (W3C), §3.2.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tracing::{Span, error_span};

pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A valid `traceparent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    id: String,
    parent: String,
    flags: String,
}

impl Trace {
    /// The trace that `headers` name, if they name one.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Trace> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let (only, None) = (values.next()?, values.next()) else { return None };
        Trace::parse(only.to_str().ok()?)
    }

    fn parse(text: &str) -> Option<Trace> {
        let mut fields = text.splitn(5, '-');
        let mut field = |length| fields.next().filter(|field| field.len() == length && is_hex(field));
        let [version, trace, parent, flags] = [field(2)?, field(32)?, field(16)?, field(2)?];
        // Later versions may add fields behind these; this one has none, and ff there never will be.
        let ends = fields.next().is_none();
        let zero = |field: &str| field.bytes().all(|byte| byte == b'0');
        let valid = version != "ff" && (ends || version != "00") && !zero(trace) && !zero(parent);
        let owned = |field: &str| field.to_owned();
        valid.then(|| Trace { id: owned(trace), parent: owned(parent), flags: owned(flags) })
    }

    /// What log lines of the request are written in, whatever the filter.
    pub(crate) fn span(&self) -> Span {
        error_span!("request", trace = %self.id, parent = %self.parent)
    }

    /// The header of the answer.
    pub(crate) fn header(&self) -> HeaderValue {
        let text = format!("00-{}-{}-{}", self.id, self.parent, self.flags);
        HeaderValue::from_str(&text).expect("hexadecimal digits and dashes are a header's value")
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// A body that is made within the request's span: a scan asks the node while it is sent.
pub(crate) struct Traced {
    pub(crate) body: Body,
    pub(crate) span: Span,
}

impl hyper::body::Body for Traced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let _entered = this.span.enter();
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
        assert_eq!(Trace::parse(&text).unwrap().header(), text);
        for later in [format!("cc-{TRACE}-{PARENT}-01"), format!("cc-{TRACE}-{PARENT}-01-what-else")] {
            assert_eq!(Trace::parse(&later).unwrap().header(), text);
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
            assert_eq!(Trace::parse(&bad), None, "{bad:?}");
        }
    }

    #[test]
    fn two_headers_are_none() {
        let text = format!("00-{TRACE}-{PARENT}-01");
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, HeaderValue::from_str(&text).unwrap());
        assert!(Trace::of(&headers).is_some());
        headers.append(TRACEPARENT, HeaderValue::from_str(&text).unwrap());
        assert_eq!(Trace::of(&headers), None);
    }
}
