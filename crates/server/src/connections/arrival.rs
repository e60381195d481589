//! A connection that has shaken hands, on its way to the shard that will own it; and the task that reads it there.

use std::sync::Arc;

use bytes::Bytes;
use quorate_node::{Direction, LinkLoss, LinkPeer};
use quorate_transport::{Connection, Detached, FrameSource, TransportError};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::connections::gate::Gate;
use crate::shard::inbox::Inbox;
use crate::shard::item::{ConnectionId, Item};

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

/// Reads a connection into its shard's inbox.
pub(crate) struct Reader {
    pub(crate) id: ConnectionId,
    pub(crate) inbox: Arc<Inbox>,
    /// A client's reader waits here while too many of its requests are under way.
    pub(crate) gate: Option<Arc<Gate>>,
}

impl Reader {
    /// Until the connection ends. `kept` lives as long.
    pub(crate) async fn run<T>(self, mut source: Box<dyn FrameSource>, kept: T) {
        let why = self.read(source.as_mut()).await;
        self.inbox.push(Item::Closed { connection: self.id, why });
        drop(kept);
    }

    async fn read(&self, source: &mut dyn FrameSource) -> LinkLoss {
        loop {
            if let Some(gate) = &self.gate {
                gate.open().await;
            }
            let mut frames = Vec::new();
            if let Err(lost) = source.recv(&mut frames).await {
                return loss(&lost);
            }
            let bytes = frames.iter().map(Bytes::len).sum();
            self.inbox.push_frames(Item::Frames { connection: self.id, frames, bytes }, bytes).await;
        }
    }
}

fn loss(failure: &TransportError) -> LinkLoss {
    match failure {
        TransportError::Closed => LinkLoss::Closed,
        TransportError::ClosedHere => LinkLoss::Ours,
        TransportError::WriteStalled { .. } => LinkLoss::WriteTimeout,
        TransportError::Wire { .. } => LinkLoss::Garbage,
        _ => LinkLoss::Reset,
    }
}
