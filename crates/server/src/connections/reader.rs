//! The task that reads one connection into its shard's inbox.

use std::sync::Arc;

use bytes::Bytes;
use quorate_node::LinkLoss;
use quorate_transport::{FrameSource, TransportError};

use crate::connections::ConnectionId;
use crate::connections::gate::Gate;
use crate::shard::inbox::Inbox;
use crate::shard::item::Item;

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
