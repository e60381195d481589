//! A connection as its owner sees it: frames come out of a source, frames go into a sink.
//!
//! Invariants:
//! - a sink's queue is bounded in bytes; when it is full the frame is refused at once, never waited for;
//! - a connection is closed by its owner (`close`, `reset`, dropping the source) or by an error that the source
//!   reports; after that every `try_send` says so;
//! - the first frame each way is the handshake.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{SendError, TransportError};

/// A way to reach others: TCP or memory.
#[async_trait]
pub trait Transport: Send + Sync {
    /// A connection to `addr` (`host:port`), not yet greeted.
    async fn dial(&self, addr: &str) -> Result<Connection, TransportError>;

    /// Takes connections to `addr`; port 0 takes any free one.
    async fn listen(&self, addr: &str) -> Result<Box<dyn Listener>, TransportError>;
}

/// Takes connections.
#[async_trait]
pub trait Listener: Send + Sync {
    /// Where it listens, with the port that was taken.
    fn local_addr(&self) -> String;

    /// The next connection, not yet greeted. Cancel-safe.
    async fn accept(&self) -> Result<Connection, TransportError>;
}

/// Both directions to one other process.
pub struct Connection {
    /// What it sends.
    pub source: Box<dyn FrameSource>,
    /// What we send.
    pub sink: FrameSink,
    /// Who it is, for messages.
    pub peer_addr: String,
}

/// The receiving side of a connection. Dropping it closes the connection.
#[async_trait]
pub trait FrameSource: Send {
    /// Appends all complete frames that one read gave to `out`, at least one; each is a whole frame for
    /// [`quorate_wire::decode`]. The handshake frame comes alone, without its magic.
    ///
    /// Cancel-safe: nothing that was read is lost. After an error there are no more frames.
    async fn recv(&mut self, out: &mut Vec<Bytes>) -> Result<(), TransportError>;

    /// Takes the connection off this thread's runtime; `sink` is its only sender.
    fn detach(self: Box<Self>, sink: FrameSink) -> Result<Detached, TransportError>;
}

impl Connection {
    /// Takes the connection off the runtime that it was made on, to be attached to another thread's.
    ///
    /// # Errors
    /// [`TransportError::InUse`] if its sink was cloned or has bytes queued; the connection is closed.
    pub fn detach(self) -> Result<Detached, TransportError> {
        self.source.detach(self.sink)
    }
}

/// A connection on its way from one thread to another.
pub struct Detached(Box<dyn FnOnce() -> Result<Connection, TransportError> + Send>);

impl Detached {
    pub(crate) fn new(
        attach: impl FnOnce() -> Result<Connection, TransportError> + Send + 'static,
    ) -> Detached {
        Detached(Box::new(attach))
    }

    /// The connection, on the runtime of the calling task.
    pub fn attach(self) -> Result<Connection, TransportError> {
        (self.0)()
    }
}

/// The sending side of a connection. Cheap to clone.
#[derive(Clone)]
pub struct FrameSink(pub(crate) Arc<dyn Sink>);

#[async_trait]
pub(crate) trait Sink: Send + Sync {
    fn try_send(&self, frame: Bytes) -> Result<(), SendError>;
    fn queued_bytes(&self) -> usize;
    fn close(&self);
    fn reset(&self);
    async fn flushed(&self);
}

impl FrameSink {
    /// Sends `frame`, as [`FrameWriter::finish`](quorate_wire::FrameWriter::finish) gave it: at once if the socket
    /// takes it, from the queue otherwise. An empty frame is nothing to send.
    ///
    /// # Errors
    /// [`SendError::Full`]: it was not taken, the connection goes on. [`SendError::Closed`]: it is over.
    pub fn try_send(&self, frame: Bytes) -> Result<(), SendError> {
        if frame.is_empty() { Ok(()) } else { self.0.try_send(frame) }
    }

    /// Bytes that were taken and not yet given to the system.
    pub fn queued_bytes(&self) -> usize {
        self.0.queued_bytes()
    }

    /// Sends what is queued, then closes the connection in order. Nothing is received or taken any more.
    pub fn close(&self) {
        self.0.close();
    }

    /// Closes the connection at once: what is queued is lost, the other side sees a reset (as soon as source and
    /// sinks are dropped).
    pub fn reset(&self) {
        self.0.reset();
    }

    /// Waits until nothing is queued or the connection is over. Cancel-safe.
    pub async fn flushed(&self) {
        self.0.flushed().await;
    }
}
