//! A stream on which hyper's own refusals are problem documents, as all others are.
//!
//! hyper answers what it can't parse by itself, without a body and without a word to the door, and then closes. Which bytes
//! are such an answer is not for their content to say (values may look like anything) but for the turn in which they come:
//!
//! ```text
//!           the service is called            the answer's body is gone
//! Quiet ──────────────────────► Answering ────────────────────────────► Answered
//!   ▲                                                                      │
//!   └──────────────────────── all is flushed ◄─────────────────────────────┘
//! ```
//!
//! Whatever hyper writes in a quiet turn nobody asked it to. (It flushes the stream only when its own buffer is empty.)

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::head;
use crate::limits::Limits;
use crate::problem::Problem;

const QUIET: u8 = 0;
const ANSWERING: u8 = 1;
const ANSWERED: u8 = 2;

/// Whose turn it is to write on a connection; see the module.
#[derive(Debug, Default)]
pub(crate) struct Turn(AtomicU8);

/// An answer in the making, until its body is gone.
pub(crate) struct Answering(Arc<Turn>);

impl Turn {
    /// The service is called.
    pub(crate) fn begin(self: &Arc<Turn>) -> Answering {
        self.0.store(ANSWERING, Ordering::Relaxed);
        Answering(Arc::clone(self))
    }

    fn is_quiet(&self) -> bool {
        self.0.load(Ordering::Relaxed) == QUIET
    }

    fn flushed(&self) {
        // Unless another answer has begun, or this one goes on.
        let _ = self.0.compare_exchange(ANSWERED, QUIET, Ordering::Relaxed, Ordering::Relaxed);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.store(ANSWERED, Ordering::Relaxed);
    }
}

/// The body of an answer.
pub(crate) struct Answer {
    pub(crate) body: Body,
    pub(crate) _answering: Answering,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// See the module.
pub(crate) struct Worded<S> {
    stream: S,
    turn: Arc<Turn>,
    head_bytes_max: usize,
    /// What is sent in the place of hyper's words.
    instead: Option<Bytes>,
}

impl<S> Worded<S> {
    pub(crate) fn new(stream: S, turn: Arc<Turn>, limits: &Limits) -> Worded<S> {
        Worded { stream, turn, head_bytes_max: limits.head_bytes_max, instead: None }
    }

    /// Whether `bytes` are hyper's own, and something else is sent.
    fn is_replaced(&mut self, bytes: &[u8]) -> bool {
        if self.instead.is_none() && self.turn.is_quiet() {
            self.instead = in_words(bytes, self.head_bytes_max);
        }
        self.instead.is_some()
    }
}

impl<S: AsyncWrite + Unpin> Worded<S> {
    fn poll_instead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.instead.as_mut().filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(rest.split_to(written)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// hyper's answer `bare`, with a problem document for its body; `None`: it is none that we know.
fn in_words(bare: &[u8], head_bytes_max: usize) -> Option<Bytes> {
    const EMPTY: &str = "content-length: 0\r\n";
    let head = std::str::from_utf8(bare).ok().filter(|head| head.contains(EMPTY))?;
    let document = problem(head.split(' ').nth(1)?, head_bytes_max)?.document().to_string();
    let length = document.len();
    let described = format!("content-type: application/problem+json\r\ncontent-length: {length}\r\n");
    Some((head.replacen(EMPTY, &described, 1) + &document).into())
}

fn problem(status: &str, head_bytes_max: usize) -> Option<Problem> {
    match status {
        "400" => {
            let detail = "this is no head of an HTTP/1.1 request: its first line, a header, a length or a coding is wrong; \
                          nothing was done, and the connection ends";
            Some(Problem::bad("bad-head", detail))
        }
        "414" => {
            let detail =
                "path and query have at most 65,534 bytes: send the key in a JSON body; nothing was done";
            Some(Problem::rejected(StatusCode::URI_TOO_LONG, "uri-too-long", detail))
        }
        "431" => Some(head::too_large(head_bytes_max)),
        _ => None,
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Worded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Worded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_replaced(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A head lies in one piece.
        let first = slices.iter().find(|slice| !slice.is_empty()).map(|slice| &**slice).unwrap_or_default();
        if self.is_replaced(first) {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(context))?;
        self.turn.flushed();
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
