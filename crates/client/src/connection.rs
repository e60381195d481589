//! One connection to one node: requests go in from any task, one driver task owns the socket.
//!
//! Invariants:
//! - the driver takes all that was submitted since its last turn as one frame, and hands out all answers that one
//!   read gave at once;
//! - no request waits longer than its deadline, [`ANSWER_GRACE`] and one [`TICK`];
//! - when the driver ends, everybody who waits is told, and nothing more is taken on.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use quorate_transport::{Connection as Wire, FrameSink, SendError};
use quorate_types::NodeId;
use quorate_wire::{Message, Request, RequestBody, Response, WireError, decode};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use crate::ClientConfig;
use crate::pipeline::{Frame, Lost, Pipeline, SubmitError, Ticket};

/// How often the deadlines of what is under way are looked at.
const TICK: Duration = Duration::from_millis(25);
/// How long after its deadline a request still waits for the coordinator to say what became of it.
const ANSWER_GRACE: Duration = Duration::from_millis(150);
/// Values from this size on take part of the byte budget.
const LARGE_BYTES: usize = 64 << 10;
/// The unit of the byte budget.
const BUDGET_UNIT_BYTES: usize = 1 << 10;

/// See the module's head. Whoever drops it ends the connection.
pub(crate) struct Connection {
    shared: Arc<Shared>,
    pub(crate) node: NodeId,
    pub(crate) ring_hash: u64,
    used: AtomicBool,
}

struct Shared {
    pipeline: Mutex<Pipeline>,
    /// Something was submitted, or nobody holds the connection any more.
    wake: Notify,
    ended: AtomicBool,
    room: Semaphore,
    room_bytes: Semaphore,
    room_bytes_max: u32,
}

/// Why a call has no answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The request was lost.
    Lost(Lost),
    /// It fits in no frame.
    Unencodable(WireError),
}

impl Connection {
    /// A connection over `wire`, whose handshake is done, and the driver that must be run for it.
    pub(crate) fn new(
        wire: Wire,
        (node, ring_hash): (NodeId, u64),
        config: &ClientConfig,
    ) -> (Connection, impl Future<Output = ()> + Send + 'static) {
        let room_bytes_max =
            u32::try_from(config.in_flight_bytes_max / BUDGET_UNIT_BYTES).unwrap_or(u32::MAX >> 4).max(1);
        let shared = Arc::new(Shared {
            pipeline: Mutex::new(Pipeline::default()),
            wake: Notify::new(),
            ended: AtomicBool::new(false),
            room: Semaphore::new(config.in_flight_max.max(1)),
            room_bytes: Semaphore::new(room_bytes_max as usize),
            room_bytes_max,
        });
        (
            Connection { shared: Arc::clone(&shared), node, ring_hash, used: AtomicBool::new(false) },
            drive(shared, wire),
        )
    }

    /// Whether it takes requests.
    pub(crate) fn is_open(&self) -> bool {
        !self.shared.ended.load(Ordering::Relaxed)
    }

    /// Whether this is asked for the first time.
    pub(crate) fn is_first_use(&self) -> bool {
        !self.used.load(Ordering::Relaxed) && !self.used.swap(true, Ordering::Relaxed)
    }

    /// Sends `request` and waits for its answer, until a little after `until`.
    ///
    /// Waits for room first, if as much is under way as may be.
    pub(crate) async fn call(&self, request: &mut Request, until: Instant) -> Result<Response, CallError> {
        let _room = self.room(1, &self.shared.room, until).await?;
        let large = payload_bytes(&request.body) / BUDGET_UNIT_BYTES;
        let _room_bytes = if large * BUDGET_UNIT_BYTES >= LARGE_BYTES {
            let units = (large as u32).min(self.shared.room_bytes_max);
            Some(self.room(units, &self.shared.room_bytes, until).await?)
        } else {
            None
        };
        let submitted = self.shared.pipeline().submit(request, until + ANSWER_GRACE);
        let (ticket, frame) = submitted.map_err(|error| match error {
            SubmitError::Ended => CallError::Lost(Lost::Unsent),
            SubmitError::Unencodable(error) => CallError::Unencodable(error),
        })?;
        let answer = Answer { shared: &self.shared, ticket: Some(ticket) };
        if frame == Frame::New {
            self.shared.wake.notify_one();
        }
        answer.await.map_err(CallError::Lost)
    }

    async fn room<'a>(
        &self,
        units: u32,
        room: &'a Semaphore,
        until: Instant,
    ) -> Result<SemaphorePermit<'a>, CallError> {
        if let Ok(permit) = room.try_acquire_many(units) {
            return Ok(permit);
        }
        match timeout_at(until, room.acquire_many(units)).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(CallError::Lost(Lost::Unsent)),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.end();
        self.shared.wake.notify_one();
    }
}

impl Shared {
    fn pipeline(&self) -> MutexGuard<'_, Pipeline> {
        self.pipeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        let mut wakers = Vec::new();
        self.pipeline().end(&mut wakers);
        wakers.into_iter().for_each(Waker::wake);
    }
}

fn payload_bytes(body: &RequestBody) -> usize {
    if let RequestBody::Put { value, .. } = body { value.len() } else { 0 }
}

/// The wait for one answer; dropped before it came, the request is given up.
struct Answer<'a> {
    shared: &'a Shared,
    ticket: Option<Ticket>,
}

impl Future for Answer<'_> {
    type Output = Result<Response, Lost>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(ticket) = self.ticket else { return Poll::Ready(Err(Lost::Unsent)) };
        let answer = self.shared.pipeline().poll(ticket, context);
        if answer.is_ready() {
            self.ticket = None;
        }
        answer
    }
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.shared.pipeline().abandon(ticket);
        }
    }
}

/// Runs one connection to its end.
async fn drive(shared: Arc<Shared>, wire: Wire) {
    let Wire { mut source, sink, .. } = wire;
    let (mut received, mut leaving, mut wakers) = (Vec::new(), Vec::new(), Vec::new());
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looked_at = Instant::now();
    loop {
        let busy = shared.pipeline().is_busy();
        let turn = tokio::select! {
            biased;
            // The end of the connection before what was submitted: that must know that it never left.
            read = source.recv(&mut received) => read.map_err(|_| Ended),
            () = shared.wake.notified() => Ok(()),
            // What found no room in the sink goes when the sink is empty.
            () = sink.flushed(), if !leaving.is_empty() => Ok(()),
            _ = ticks.tick(), if busy => Ok(()),
        };
        let turn = turn.and_then(|()| hand_out(&shared, &mut received, &mut wakers));
        // By the clock, not by the tick: while answers pour in, the ticks' turn does not come.
        let now = Instant::now();
        if now >= looked_at + TICK {
            shared.pipeline().expire(now, &mut wakers);
            looked_at = now;
        }
        wakers.drain(..).for_each(Waker::wake);
        let sent = turn.and_then(|()| send(&shared, &sink, &mut leaving));
        if sent.is_err() || shared.ended.load(Ordering::Relaxed) {
            break;
        }
    }
    sink.close();
    shared.end();
}

/// The connection is of no use any more.
struct Ended;

/// Gives the answers in `received` to those who wait for them.
fn hand_out(shared: &Shared, received: &mut Vec<Bytes>, wakers: &mut Vec<Waker>) -> Result<(), Ended> {
    if received.is_empty() {
        return Ok(());
    }
    let mut pipeline = shared.pipeline();
    for message in received.drain(..).flat_map(decode) {
        match message {
            Ok(Message::Response(response)) => pipeline.deliver(response, wakers),
            // What comes behind garbage can't be trusted.
            Ok(_) | Err(_) => return Err(Ended),
        }
    }
    Ok(())
}

/// Sends what was submitted; what finds no room stays in `leaving` for the next turn.
fn send(shared: &Shared, sink: &FrameSink, leaving: &mut Vec<Bytes>) -> Result<(), Ended> {
    shared.pipeline().take_frames(leaving);
    let mut sent = 0;
    for frame in leaving.iter() {
        match sink.try_send(frame.clone()) {
            Ok(()) => sent += 1,
            Err(SendError::Full { .. }) => break,
            Err(_) => return Err(Ended),
        }
    }
    leaving.drain(..sent);
    Ok(())
}
