//! A connection that has shaken hands, on its way to the shard that will own it.

use quorate_node::{Direction, LinkPeer};
use quorate_transport::{Connection, Detached, TransportError};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::connections::ConnectionId;

/// Who is at the other end.
#[derive(Debug)]
pub(crate) enum Who {
    /// A client; the permit is its place within `connections_max`.
    Client(OwnedSemaphorePermit),
    /// A node, on a link that it or we dialled.
    Peer { peer: LinkPeer, direction: Direction },
}

/// How it gets to its shard.
pub(crate) enum Way {
    /// It was made on the shard's own runtime.
    Here(Connection),
    /// It was made on another thread's.
    Moved(Detached),
}

impl Way {
    /// The connection, on the calling task's runtime.
    pub(crate) fn arrive(self) -> Result<Connection, TransportError> {
        match self {
            Way::Here(connection) => Ok(connection),
            Way::Moved(detached) => detached.attach(),
        }
    }
}

/// A connection that has shaken hands.
pub(crate) struct Arrival {
    pub(crate) id: ConnectionId,
    pub(crate) way: Way,
    pub(crate) who: Who,
    /// Dropped when the connection is gone, so that whoever dialled dials again.
    pub(crate) ended: Option<oneshot::Sender<()>>,
}

impl std::fmt::Debug for Arrival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrival").field("id", &self.id).field("who", &self.who).finish_non_exhaustive()
    }
}
