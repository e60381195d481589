//! What can go wrong between two sockets, told apart by what the caller may conclude.

use std::io;
use std::time::Duration;

use quorate_wire::{HandshakeRefusal, WireError};
use thiserror::Error;

/// Why there is no connection, or no longer one.
///
/// Frames that were accepted by [`FrameSink::try_send`](crate::FrameSink::try_send) before it may or may not have
/// arrived; frames that were received before it are complete and sound.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The address means nothing.
    #[error("address {addr:?} can't be resolved; write host:port")]
    Address {
        /// The address.
        addr: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// Nothing listens there: the process is down now.
    #[error("nothing listens at {addr}")]
    Refused {
        /// The address.
        addr: String,
        /// What the system says.
        source: io::Error,
    },
    /// There is no way there.
    #[error("{addr} can't be reached")]
    Unreachable {
        /// The address.
        addr: String,
        /// What the system says.
        source: io::Error,
    },
    /// No answer came, not even a refusal.
    #[error("{addr} did not answer the dial within {after:?}")]
    DialTimeout {
        /// The address.
        addr: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// Somebody else listens on the address.
    #[error("address {addr} is in use by another process; stop it or choose another address")]
    AddressInUse {
        /// The address.
        addr: String,
        /// What the system says.
        source: io::Error,
    },
    /// The address can't be listened on.
    #[error("can't listen on {addr}")]
    CannotListen {
        /// The address.
        addr: String,
        /// What the system says.
        source: io::Error,
    },
    /// No connection could be taken, for want of descriptors or memory: wait before the next try.
    #[error("can't accept a connection")]
    Accept {
        /// What the system says.
        source: io::Error,
    },
    /// The other side closed the connection in order: everything that it sent has been received.
    #[error("the other side closed the connection")]
    Closed,
    /// This side closed it.
    #[error("the connection was closed on this side")]
    ClosedHere,
    /// The connection broke.
    #[error("the connection broke")]
    Lost {
        /// What the system says.
        source: io::Error,
    },
    /// The other side took nothing for too long; the connection was closed, what was queued is lost.
    #[error(
        "the other side read nothing for {after:?} with {queued_bytes} bytes waiting; the connection was closed"
    )]
    WriteStalled {
        /// The write deadline.
        after: Duration,
        /// What was waiting.
        queued_bytes: usize,
    },
    /// The other side sent what is no frame.
    #[error("the connection carries what can't be read")]
    Wire {
        /// What is wrong.
        #[from]
        source: WireError,
    },
    /// The other side said nothing, or not enough, in time.
    #[error("{peer_addr} did not complete the handshake within {after:?}")]
    HandshakeTimeout {
        /// The other side.
        peer_addr: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The two may not talk; nothing was exchanged but the greeting.
    #[error("the handshake with {peer_addr} was refused: {refusal}")]
    HandshakeRefused {
        /// The other side.
        peer_addr: String,
        /// Why.
        refusal: HandshakeRefusal,
    },
    /// A connection in use can't change its thread.
    #[error("the connection still has senders or bytes to write and can't change its thread")]
    InUse,
}

impl TransportError {
    /// Whether the process at the other end is certainly not serving at this moment: nothing listens, or the system
    /// reset the connection. Silence proves nothing.
    pub fn proves_down(&self) -> bool {
        match self {
            TransportError::Refused { .. } => true,
            TransportError::Lost { source } => matches!(
                source.kind(),
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted
            ),
            _ => false,
        }
    }
}

/// Why a frame was not taken. None of it will be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The queue has reached its limit: the other side reads too slowly.
    #[error("{queued_bytes} bytes wait to be sent, the limit is link_queue_bytes_max = {queue_bytes_max}")]
    Full {
        /// What waits.
        queued_bytes: usize,
        /// The limit.
        queue_bytes_max: usize,
    },
    /// The connection is closed; receiving says why.
    #[error("the connection is closed")]
    Closed,
}
