//! One connection over the memory network: its two halves.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use quorate_types::Mono;
use quorate_types::limits::FRAME_BYTES_MAX;
use quorate_wire::FrameReader;
use tokio::sync::Notify;

use super::Place;
use super::fabric::{Shared, opens_connection};
use crate::connection::Sink;
use crate::{Connection, Detached, FrameSink, FrameSource, SendError, TransportError};

/// What ends a connection in order. No frame is empty.
const END: Bytes = Bytes::new();
/// What breaks one. No frame is so short.
pub(super) const RESET: Bytes = Bytes::from_static(b"!");

pub(super) fn is_reset(frame: &Bytes) -> bool {
    *frame == RESET
}

/// The two places of a connection, as one of them sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pipe {
    pub(super) near: Place,
    pub(super) far: Place,
}

/// What has arrived at a place and was not received.
#[derive(Default)]
pub(super) struct Inbox {
    frames: VecDeque<Bytes>,
    bytes: usize,
    over: Option<Over>,
    /// Rings when something was put in, and when the network changed.
    pub(super) changed: Arc<Notify>,
}

#[derive(Clone, Copy, Debug)]
enum Over {
    Closed,
    Reset,
}

impl Inbox {
    pub(super) fn put(&mut self, frame: Bytes) {
        if self.over.is_some() {
            return;
        }
        match frame {
            frame if frame == END => self.over = Some(Over::Closed),
            frame if is_reset(&frame) => {
                self.frames.clear();
                self.over = Some(Over::Reset);
            }
            frame => {
                self.bytes += frame.len();
                self.frames.push_back(frame);
            }
        }
        self.changed.notify_waiters();
    }

    fn take(&mut self, frames_max: usize, out: &mut Vec<Bytes>) {
        let before = out.len();
        out.extend(self.frames.drain(..frames_max.min(self.frames.len())));
        self.bytes -= out[before..].iter().map(Bytes::len).sum::<usize>();
    }
}

/// The half of a connection that `pipe` names.
pub(super) fn connection(shared: &Arc<Shared>, pipe: Pipe) -> Connection {
    let end = End { shared: Arc::clone(shared), pipe };
    let sink = FrameSink(Arc::new(PipeSink(end.clone())));
    let changed = shared.lock().inboxes.get(&pipe.near).map(|inbox| Arc::clone(&inbox.changed));
    let source = PipeSource { end, changed: changed.unwrap_or_default(), greeted: false };
    let peer_addr = format!("memory:{}/{}", pipe.far.node, pipe.far.port);
    Connection { source: Box::new(source), sink, peer_addr }
}

#[derive(Clone)]
struct End {
    shared: Arc<Shared>,
    pipe: Pipe,
}

impl End {
    /// Ends this half, telling the other one by `last`.
    fn finish(&self, last: Bytes) {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        let Some(inbox) = state.inboxes.remove(&self.pipe.near) else { return };
        inbox.changed.notify_waiters();
        if inbox.over.is_none() {
            state.network.send_in_order(now, self.pipe.near, self.pipe.far, last);
        }
        state.network.forget_way(self.pipe.far, self.pipe.near);
        wake(&state.inboxes, self.pipe.far);
    }
}

fn wake(inboxes: &BTreeMap<Place, Inbox>, place: Place) {
    if let Some(inbox) = inboxes.get(&place) {
        inbox.changed.notify_waiters();
    }
}

struct PipeSource {
    end: End,
    /// The inbox's bell.
    changed: Arc<Notify>,
    greeted: bool,
}

impl Drop for PipeSource {
    fn drop(&mut self) {
        self.end.finish(END);
    }
}

/// What a source finds when it looks.
enum Found {
    Frames,
    /// Something arrives somewhere at that time.
    Nothing {
        next_at: Option<Mono>,
    },
}

impl PipeSource {
    fn look(&mut self, out: &mut Vec<Bytes>) -> Result<Found, TransportError> {
        let mut state = self.end.shared.lock();
        state.deliver(self.end.shared.now());
        let next_at = state.network.next_at();
        let Some(inbox) = state.inboxes.get_mut(&self.end.pipe.near) else {
            return Err(TransportError::ClosedHere);
        };
        if inbox.frames.is_empty() {
            return match inbox.over {
                None => Ok(Found::Nothing { next_at }),
                Some(Over::Closed) => Err(TransportError::Closed),
                Some(Over::Reset) => {
                    Err(TransportError::Lost { source: io::ErrorKind::ConnectionReset.into() })
                }
            };
        }
        inbox.take(if self.greeted { usize::MAX } else { 1 }, out);
        drop(state);
        if !std::mem::replace(&mut self.greeted, true) {
            strip_magic(out)?;
        }
        Ok(Found::Frames)
    }
}

/// The handshake frame that came last, without its magic.
fn strip_magic(out: &mut Vec<Bytes>) -> Result<(), TransportError> {
    let mut reader = FrameReader::from_handshake(FRAME_BYTES_MAX);
    reader.buffer().extend_from_slice(&out.pop().unwrap_or_default());
    out.extend(reader.next_frame()?);
    Ok(())
}

#[async_trait]
impl FrameSource for PipeSource {
    async fn recv(&mut self, out: &mut Vec<Bytes>) -> Result<(), TransportError> {
        loop {
            let bell = Arc::clone(&self.changed);
            let changed = bell.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let Found::Nothing { next_at } = self.look(out)? else { return Ok(()) };
            match next_at {
                None => changed.await,
                Some(at) => tokio::select! {
                    biased;
                    () = changed => {}
                    () = tokio::time::sleep_until(self.end.shared.instant(at)) => {}
                },
            }
        }
    }

    fn detach(self: Box<Self>, sink: FrameSink) -> Result<Detached, TransportError> {
        if Arc::strong_count(&sink.0) > 1 {
            return Err(TransportError::InUse);
        }
        let peer_addr = format!("memory:{}/{}", self.end.pipe.far.node, self.end.pipe.far.port);
        Ok(Detached::new(move || Ok(Connection { source: self, sink, peer_addr })))
    }
}

struct PipeSink(End);

#[async_trait]
impl Sink for PipeSink {
    fn try_send(&self, frame: Bytes) -> Result<(), SendError> {
        let End { shared, pipe } = &self.0;
        let (now, queue_bytes_max) = (shared.now(), shared.options.link_queue_bytes_max);
        let mut state = shared.lock();
        if state.inboxes.get(&pipe.near).is_none_or(|inbox| inbox.over.is_some()) {
            return Err(SendError::Closed);
        }
        let queued_bytes = state.inboxes.get(&pipe.far).map_or(0, |inbox| inbox.bytes);
        if queued_bytes > 0 && queued_bytes + frame.len() > queue_bytes_max {
            return Err(SendError::Full { queued_bytes, queue_bytes_max });
        }
        if opens_connection(&frame) {
            state.network.send_in_order(now, pipe.near, pipe.far, frame);
        } else {
            state.network.send(now, pipe.near, pipe.far, frame);
        }
        wake(&state.inboxes, pipe.far);
        Ok(())
    }

    fn queued_bytes(&self) -> usize {
        self.0.shared.lock().inboxes.get(&self.0.pipe.far).map_or(0, |inbox| inbox.bytes)
    }

    fn close(&self) {
        self.0.finish(END);
    }

    fn reset(&self) {
        self.0.finish(RESET);
    }

    async fn flushed(&self) {}
}
