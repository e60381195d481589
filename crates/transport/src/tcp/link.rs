//! The sending half of a TCP connection, and the state that both halves share.
//!
//! ```text
//! Open --close, queue not empty--> Closing --queue empty--> Over(Here)
//!   |--close, queue empty--------------------------------^     ^
//!   |--reset, source dropped, error, write deadline------------+ (with what ended it)
//! ```

use std::io;
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::TcpOptions;
use super::queue::OutQueue;
use crate::connection::Sink;
use crate::{SendError, TransportError};

/// A socket with its queue.
pub(super) struct Link {
    pub(super) stream: TcpStream,
    pub(super) options: TcpOptions,
    out: Mutex<Out>,
    /// Rings when the connection is over, and when the queue has run empty.
    changed: Notify,
    runtime: Handle,
}

struct Out {
    queue: OutQueue,
    state: State,
    /// Whether a task is writing what is queued.
    writing: bool,
}

#[derive(Debug)]
enum State {
    Open,
    Closing,
    Over(End),
}

/// What ended a connection, until the source has reported it.
#[derive(Debug)]
enum End {
    Here,
    Error(io::Error),
    Stalled { after: Duration, queued_bytes: usize },
}

impl Link {
    /// A link over `stream`, on the runtime of the calling task.
    pub(super) fn new(stream: TcpStream, options: TcpOptions) -> Arc<Link> {
        let queue = OutQueue::new(options.link_queue_bytes_max);
        Arc::new(Link {
            stream,
            options,
            out: Mutex::new(Out { queue, state: State::Open, writing: false }),
            changed: Notify::new(),
            runtime: Handle::current(),
        })
    }

    /// The stream alone, if it is open and nothing waits.
    pub(super) fn into_idle_stream(self) -> Option<TcpStream> {
        let out = self.out.into_inner().unwrap_or_else(PoisonError::into_inner);
        (matches!(out.state, State::Open) && out.queue.is_empty()).then_some(self.stream)
    }

    /// Waits until the connection is over on this side. Cancel-safe.
    pub(super) async fn over(&self) {
        self.until(|out| matches!(out.state, State::Closing | State::Over(_))).await;
    }

    /// Why the connection is over on this side, if it is.
    pub(super) fn end(&self) -> Option<TransportError> {
        let mut out = self.lock();
        let State::Over(end) = &mut out.state else {
            return matches!(out.state, State::Closing).then_some(TransportError::ClosedHere);
        };
        Some(match std::mem::replace(end, End::Here) {
            End::Here => TransportError::ClosedHere,
            End::Error(source) => TransportError::Lost { source },
            End::Stalled { after, queued_bytes } => TransportError::WriteStalled { after, queued_bytes },
        })
    }

    /// Sends what is queued, then ends the connection in order.
    pub(super) fn close(&self) {
        let mut out = self.lock();
        match out.state {
            State::Open if out.writing => {
                out.state = State::Closing;
                self.changed.notify_waiters();
            }
            State::Open => self.finish(&mut out, End::Here),
            State::Closing | State::Over(_) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish(&self, out: &mut Out, end: End) {
        if matches!(out.state, State::Over(_)) {
            return;
        }
        // The other side may be gone already; then there is nobody to tell.
        let _ = SockRef::from(&self.stream).shutdown(Shutdown::Write);
        self.end_with(out, end);
    }

    fn end_with(&self, out: &mut Out, end: End) {
        out.queue.clear();
        out.state = State::Over(end);
        self.changed.notify_waiters();
    }

    /// Writes `frame` in the calling task as far as the socket takes it; the rest waits for a writing task.
    fn write_now(self: &Arc<Self>, out: &mut Out, mut frame: Bytes) -> Result<(), SendError> {
        match self.stream.try_write(&frame) {
            Ok(written) if written == frame.len() => return Ok(()),
            Ok(written) => frame.advance(written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                self.finish(out, End::Error(error));
                return Err(SendError::Closed);
            }
        }
        out.queue.push(frame)?;
        out.writing = true;
        // It ends when the queue is empty, at the write deadline, or when the connection is over.
        self.runtime.spawn(Arc::clone(self).write_queued());
        Ok(())
    }

    async fn write_queued(self: Arc<Self>) {
        loop {
            let after = self.options.write_deadline;
            let ready = tokio::select! {
                biased;
                () = self.until(|out| matches!(out.state, State::Over(_))) => return,
                ready = tokio::time::timeout(after, self.stream.writable()) => ready,
            };
            let mut out = self.lock();
            let end = match ready {
                Ok(Ok(())) => self.write_some(&mut out).err().map(End::Error),
                Ok(Err(error)) => Some(End::Error(error)),
                Err(_) => Some(End::Stalled { after, queued_bytes: out.queue.bytes() }),
            };
            if let Some(end) = end {
                self.finish(&mut out, end);
            }
            if out.queue.is_empty() {
                self.written(&mut out);
                return;
            }
        }
    }

    fn write_some(&self, out: &mut Out) -> io::Result<()> {
        match out.queue.write_with(|slices| self.stream.try_write_vectored(slices)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            written => written,
        }
    }

    fn written(&self, out: &mut Out) {
        out.writing = false;
        if matches!(out.state, State::Closing) {
            self.finish(out, End::Here);
        }
        self.changed.notify_waiters();
    }

    async fn until(&self, condition: impl Fn(&Out) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if condition(&self.lock()) {
                return;
            }
            changed.await;
        }
    }
}

/// The sink of a link.
pub(super) struct LinkSink(pub(super) Arc<Link>);

#[async_trait]
impl Sink for LinkSink {
    fn try_send(&self, frame: Bytes) -> Result<(), SendError> {
        let mut out = self.0.lock();
        match (&out.state, out.writing) {
            (State::Open, false) => self.0.write_now(&mut out, frame),
            (State::Open, true) => out.queue.push(frame),
            (State::Closing | State::Over(_), _) => Err(SendError::Closed),
        }
    }

    fn queued_bytes(&self) -> usize {
        self.0.lock().queue.bytes()
    }

    fn close(&self) {
        self.0.close();
    }

    fn reset(&self) {
        // Should it fail, the other side sees an orderly end instead of a reset.
        let _ = SockRef::from(&self.0.stream).set_linger(Some(Duration::ZERO));
        self.0.end_with(&mut self.0.lock(), End::Here);
    }

    async fn flushed(&self) {
        self.0.until(|out| out.queue.is_empty() || matches!(out.state, State::Over(_))).await;
    }
}
