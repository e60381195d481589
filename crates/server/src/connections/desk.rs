//! The outgoing side of a shard: its open connections, and what a turn has for each of them.
//!
//! Invariants:
//! - what one turn has for one connection leaves as one frame and one write (more only above
//!   [`FRAME_BYTES_WANTED`]);
//! - a client that does not take its answers is cut off; a peer's link that is full loses the frame, whose writes
//!   time out and become hints: nothing here waits.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::Duration;

use quorate_node::LinkId;
use quorate_transport::{FrameSink, SendError};
use quorate_types::{NodeId, Refusal};
use quorate_wire::{Encode, FrameWriter, PeerMessage, Response, ResponseBody, WireError};
use tokio::task::AbortHandle;
use tracing::{error, warn};

use crate::connections::ConnectionId;
use crate::connections::gate::Gate;
use crate::counters::Counters;

/// From this size on a frame is finished although the turn goes on, so that the receiver can begin.
const FRAME_BYTES_WANTED: usize = 1 << 20;
/// How long the last answers may take to be sent.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(1);

/// What a connection is for.
#[derive(Clone, Debug)]
pub(crate) enum Use {
    /// A client's; the gate holds its reader back while it has too much under way.
    Client(Arc<Gate>),
    /// A link from or to this peer.
    Link(NodeId),
}

struct Open {
    sink: FrameSink,
    writer: FrameWriter,
    reader: AbortHandle,
    used: Use,
}

/// The open connections of a shard.
pub(crate) struct Desk {
    open: HashMap<u64, Open, BuildHasherDefault<NumberHasher>>,
    dirty: Vec<u64>,
    counters: Arc<Counters>,
}

impl Desk {
    pub(crate) fn new(counters: Arc<Counters>) -> Desk {
        Desk { open: HashMap::default(), dirty: Vec::new(), counters }
    }

    /// Takes over a connection that has shaken hands.
    pub(crate) fn add(&mut self, connection: ConnectionId, sink: FrameSink, used: Use, reader: AbortHandle) {
        self.open.insert(connection.0, Open { sink, writer: FrameWriter::default(), reader, used });
    }

    /// Gives back what more connections than now have taken.
    pub(crate) fn shrink(&mut self) {
        // Room for as many again: they come and go.
        self.open.shrink_to(self.open.len() * 2);
        self.dirty.shrink_to(self.open.len());
    }

    /// What the connection is for; `None`: it is gone.
    pub(crate) fn used(&self, connection: ConnectionId) -> Option<&Use> {
        self.open.get(&connection.0).map(|open| &open.used)
    }

    /// Clients connected.
    pub(crate) fn clients(&self) -> u64 {
        self.open.values().filter(|open| matches!(open.used, Use::Client(_))).count() as u64
    }

    /// Bytes that wait on each link, by the peer at its other end.
    pub(crate) fn links(&self) -> Vec<(NodeId, u64)> {
        let link = |open: &Open| match open.used {
            Use::Link(peer) => Some((peer, open.sink.queued_bytes() as u64)),
            Use::Client(_) => None,
        };
        self.open.values().filter_map(link).collect()
    }

    /// Puts `response` into the connection's next frame; drops it if the connection is gone.
    pub(crate) fn answer(&mut self, connection: ConnectionId, response: &Response) {
        if let Err(WireError::MessageTooLarge { .. }) = self.settle(connection, response) {
            // Can't be: pages and values are bounded far below a frame. The client must not wait for ever.
            let refusal = Refusal::Overloaded { limit: "frame_bytes_max".to_owned() };
            let (number, body) = (response.number, ResponseBody::Refused(refusal));
            let instead = Response { number, body, receipt: None };
            let _ = self.push(connection.0, &instead);
        }
    }

    fn settle(&mut self, connection: ConnectionId, response: &Response) -> Result<(), WireError> {
        let Some(open) = self.open.get_mut(&connection.0) else { return Ok(()) };
        if let Use::Client(gate) = &open.used {
            gate.settled();
        }
        match put(open, &mut self.dirty, connection.0, response) {
            Put::Taken => Ok(()),
            Put::Full => self.push(connection.0, response),
            Put::Refused(failure) => Err(failure),
        }
    }

    /// A request of the connection is done with, without an answer of its own.
    pub(crate) fn unanswered(&self, connection: ConnectionId) {
        if let Some(Use::Client(gate)) = self.used(connection) {
            gate.settled();
        }
    }

    /// Puts `message` into the link's next frame; drops it if the link is gone.
    pub(crate) fn send(&mut self, link: LinkId, message: &PeerMessage) {
        if let Err(too_large) = self.push(link.0, message) {
            error!(%too_large, "a message between nodes was dropped; its writes time out and become hints");
        }
    }

    fn push(&mut self, id: u64, message: &impl Encode) -> Result<(), WireError> {
        let Some(open) = self.open.get_mut(&id) else { return Ok(()) };
        match put(open, &mut self.dirty, id, message) {
            Put::Taken => Ok(()),
            Put::Full => {
                self.flush_one(id);
                self.push(id, message)
            }
            Put::Refused(failure) => Err(failure),
        }
    }

    /// Sends what was put, one frame per connection.
    pub(crate) fn flush(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for id in dirty.drain(..) {
            self.flush_one(id);
        }
        self.dirty = dirty;
    }

    fn flush_one(&mut self, id: u64) {
        let Some(open) = self.open.get_mut(&id) else { return };
        if open.writer.is_empty() {
            return;
        }
        match (open.sink.try_send(open.writer.finish()), &open.used) {
            (Ok(()) | Err(SendError::Closed), _) => {}
            (Err(_), Use::Link(_)) => self.counters.peer_frames_dropped.increment(),
            (Err(_), Use::Client(_)) => {
                self.counters.link_queue_bytes_max_hit.increment();
                warn!(connection = id, "closed: the client does not take its answers (link_queue_bytes_max)");
                open.sink.close();
            }
        }
    }

    /// Ends the connection: what was queued is still sent, nothing more is read.
    pub(crate) fn close(&mut self, connection: ConnectionId) {
        if let Some(open) = self.open.remove(&connection.0) {
            open.reader.abort();
            open.sink.close();
        }
    }

    /// Ends every connection at once: what was queued is lost, the other side sees a reset.
    pub(crate) fn reset_all(&mut self) {
        for (_, open) in self.open.drain() {
            open.sink.reset();
            open.reader.abort();
        }
    }

    /// Ends every connection in order, within [`CLOSING_TIMEOUT`].
    pub(crate) async fn close_all(&mut self) {
        self.flush();
        let open: Vec<_> = self.open.drain().map(|(_, open)| open).collect();
        let flushed = async {
            for open in &open {
                open.sink.flushed().await;
            }
        };
        // A client that does not read its last answers in time goes without.
        let _ = tokio::time::timeout(CLOSING_TIMEOUT, flushed).await;
        for open in open {
            open.sink.close();
            open.reader.abort();
        }
    }
}

/// What became of a message for the next frame.
enum Put {
    Taken,
    /// The frame has its size: send it, then put the message again.
    Full,
    Refused(WireError),
}

fn put(open: &mut Open, dirty: &mut Vec<u64>, id: u64, message: &impl Encode) -> Put {
    if open.writer.bytes_len() >= FRAME_BYTES_WANTED {
        return Put::Full;
    }
    let first = open.writer.is_empty();
    match open.writer.push(message) {
        Ok(()) => {
            if first {
                dirty.push(id);
            }
            Put::Taken
        }
        Err(WireError::FrameFull { .. }) => Put::Full,
        Err(failure) => Put::Refused(failure),
    }
}

/// Connection numbers are ours and count up: one multiplication spreads them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(8) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
