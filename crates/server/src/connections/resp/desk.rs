//! The Redis clients of one shard: their machines, and what a turn has for each of them.
//!
//! Invariants:
//! - what one turn has for one client leaves as one write; what the socket does not take waits in the machine, which
//!   then begins nothing more, and is sent when the socket is writable again;
//! - a client that takes nothing of its replies for `resp.write_timeout` is cut off, one that does not end a command
//!   in `resp.command_timeout` is told so and closed: they are looked for while there are such, a few times a timeout;
//! - requests go the way of all others: bounded in time, to the shard that owns their key, as one batch a turn.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use quorate_coordinator::{Origin, Tag};
use quorate_resp::{Connection, Counts, Effects, Question, Told};
use quorate_types::{Mono, Now, SessionId};
use quorate_wire::{Request, Response};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;
use tracing::{debug, info, warn};

use super::door::RespArrival;
use super::half_commands::HalfCommand;
use super::reader::{ReadGate, Reader};
use super::sweep::Sweep;
use crate::common::Common;
use crate::connections::ConnectionId;
use crate::connections::desk::NumberHasher;
use crate::shard::item::Item;

/// How long the last replies may take to be sent.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(1);
/// Memory for replies that a connection keeps while it has none.
const OUTPUT_KEPT_BYTES: usize = 16 << 10;

struct Open {
    machine: Connection,
    half: Arc<OwnedWriteHalf>,
    reader: AbortHandle,
    gate: Arc<ReadGate>,
    /// Since when the socket takes less than there is; a task tells when it takes more.
    blocked: Option<Mono>,
    waking: Option<AbortHandle>,
    dirty: bool,
    half_command: HalfCommand,
    /// Its place within `resp.connections_max`.
    _permit: OwnedSemaphorePermit,
}

impl Open {
    /// Whether time will tell about it.
    fn is_watched(&self) -> bool {
        self.blocked.is_some() || self.machine.half_command_bytes() > 0
    }

    /// Puts itself, which is `id`, among those to be sent to, once.
    fn mark(&mut self, id: ConnectionId, dirty: &mut Vec<ConnectionId>) {
        if !std::mem::replace(&mut self.dirty, true) {
            dirty.push(id);
        }
    }
}

/// See the module.
pub(crate) struct RespDesk {
    common: Arc<Common>,
    shard: usize,
    now: Now,
    open: HashMap<u64, Open, BuildHasherDefault<NumberHasher>>,
    dirty: Vec<ConnectionId>,
    effects: Effects,
    requests: Vec<(Origin, Request)>,
    sweep: Sweep,
}

impl RespDesk {
    pub(crate) fn new(common: Arc<Common>, shard: usize) -> RespDesk {
        RespDesk {
            common,
            shard,
            now: Now::default(),
            open: HashMap::default(),
            dirty: Vec::new(),
            effects: Effects::default(),
            requests: Vec::new(),
            sweep: Sweep::default(),
        }
    }

    /// What time it is in this turn.
    pub(crate) fn at(&mut self, now: Now) {
        self.now = now;
    }

    /// Whether something is left for the next turn.
    pub(crate) fn has_work(&self) -> bool {
        !self.requests.is_empty() || !self.dirty.is_empty()
    }

    /// Requests that have come about since this was last called; give the buffer back by [`RespDesk::reuse`].
    pub(crate) fn take_requests(&mut self) -> Vec<(Origin, Request)> {
        std::mem::take(&mut self.requests)
    }

    pub(crate) fn reuse(&mut self, mut requests: Vec<(Origin, Request)>) {
        requests.clear();
        if self.requests.is_empty() {
            self.requests = requests;
        }
    }

    /// Gives back what more clients than now, or turns of more than `kept` requests, have taken.
    pub(crate) fn shrink(&mut self, kept: usize) {
        // Room for as many again: they come and go.
        self.open.shrink_to(self.open.len() * 2);
        self.dirty.shrink_to(kept);
        self.requests.shrink_to(kept);
    }

    /// Takes over a client; must be called on the shard's runtime.
    pub(crate) fn on_arrival(&mut self, arrival: RespArrival) {
        let RespArrival { id, peer, stream, settings, permit } = arrival;
        let stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(failure) => return debug!(%failure, "a connection ended on its way to its shard"),
        };
        let (read, write) = stream.into_split();
        let machine = Connection::new(settings, peer, self.now);
        self.common.resp_clients.set(id, machine.facts());
        let gate = Arc::new(ReadGate::new());
        let inbox = Arc::clone(&self.common.inboxes[self.shard]);
        let reader = tokio::spawn(Reader { id, inbox, gate: Arc::clone(&gate) }.run(read)).abort_handle();
        let half = Arc::new(write);
        let half_command = HalfCommand::new(&self.common.resp_clients.half_commands);
        let (blocked, waking, dirty) = (None, None, false);
        let open =
            Open { machine, half, reader, gate, blocked, waking, dirty, half_command, _permit: permit };
        self.open.insert(id.0, open);
    }

    /// The client sent `bytes`.
    pub(crate) fn on_bytes(&mut self, id: ConnectionId, bytes: Bytes) {
        let Some(open) = self.open.get_mut(&id.0) else { return };
        open.machine.on_bytes(self.now, bytes, &mut self.effects);
        self.carry_out(id);
    }

    /// The client sends no more.
    pub(crate) fn on_finished(&mut self, id: ConnectionId) {
        let Some(open) = self.open.get_mut(&id.0) else { return };
        open.machine.on_finished(self.now, &mut self.effects);
        self.carry_out(id);
    }

    /// A request of the client was answered.
    pub(crate) fn on_response(&mut self, id: ConnectionId, response: Response) {
        let Some(open) = self.open.get_mut(&id.0) else { return };
        open.machine.on_response(self.now, response, &mut self.effects);
        if self.effects.is_quiet() {
            // The usual case, once per request: all the rest is done when the turn's replies leave.
            open.mark(id, &mut self.dirty);
        } else {
            self.carry_out(id);
        }
    }

    /// The client's socket takes more.
    pub(crate) fn on_writable(&mut self, id: ConnectionId) {
        let Some(open) = self.open.get_mut(&id.0) else { return };
        (open.blocked, open.waking) = (None, None);
        self.mark(id);
    }

    /// Carries out what the machine of `id` wants.
    fn carry_out(&mut self, id: ConnectionId) {
        while let Some((number, question)) = self.effects.questions.pop() {
            let told = self.answer(question);
            let Some(open) = self.open.get_mut(&id.0) else { return };
            open.machine.on_told(self.now, number, &told, &mut self.effects);
        }
        let session = SessionId::NONE;
        for ask in self.effects.asks.drain(..) {
            let origin = Origin { connection: id.0, session, number: ask.number, tag: Tag::default() };
            let request = Request {
                number: ask.number,
                time_left_ms: 0,
                want_receipt: ask.want_receipt,
                body: ask.body,
            };
            self.requests.push((origin, request));
        }
        if std::mem::take(&mut self.effects.facts_changed)
            && let Some(open) = self.open.get(&id.0)
        {
            self.common.resp_clients.set(id, open.machine.facts());
        }
        if std::mem::take(&mut self.effects.cross_protocol)
            && let Some(open) = self.open.get(&id.0)
        {
            let peer_addr = open.machine.facts().peer.addr;
            warn!(
                peer_addr,
                "closed: POST or Host: at the Redis door; perhaps a web page that makes a browser speak to it \
                 (cross-protocol attack)"
            );
        }
        let Some(open) = self.open.get_mut(&id.0) else { return };
        let half = open.machine.half_command_bytes();
        if !open.half_command.takes(half, open.machine.limits().commands_bytes_max) {
            self.common.counters.resp_commands_bytes_max_hit.increment();
            open.machine.refuse_half_command(self.now, &mut self.effects);
            open.half_command.takes(0, 0);
        }
        open.gate.follow(&open.machine);
        if open.blocked.is_none() && !open.machine.is_idle_or_waiting() {
            open.mark(id, &mut self.dirty);
        }
        if half > 0 {
            self.sweep.arm(&self.common.inboxes[self.shard], open.machine.limits());
        }
    }

    fn answer(&self, question: Question) -> Told {
        match question {
            Question::Clients => Told::Clients(self.common.resp_clients.all()),
            Question::Down => {
                let own = self.common.is_draining().then_some(self.common.about.node);
                Told::Down(self.common.standing.down().into_iter().chain(own).collect())
            }
            Question::Kill(whom) => {
                let meant = self.common.resp_clients.fitting(&whom);
                for id in &meant {
                    self.common.inboxes[id.shard()].push(Item::RespKill(*id));
                }
                Told::Killed(meant.len() as u64)
            }
        }
    }

    fn mark(&mut self, id: ConnectionId) {
        if let Some(open) = self.open.get_mut(&id.0) {
            open.mark(id, &mut self.dirty);
        }
    }

    /// Sends what there is, one write per client.
    pub(crate) fn flush(&mut self) {
        self.count();
        let mut dirty = std::mem::take(&mut self.dirty);
        for id in dirty.drain(..) {
            self.flush_one(id);
        }
        if self.dirty.is_empty() {
            self.dirty = dirty;
        }
    }

    fn flush_one(&mut self, id: ConnectionId) {
        let Some(open) = self.open.get_mut(&id.0) else { return };
        open.dirty = false;
        let paused = !open.machine.wants_bytes();
        let sent = if open.blocked.is_some() { Ok(()) } else { send(&open.half, open.machine.output()) };
        if let Err(failure) = sent {
            if failure.kind() != io::ErrorKind::WouldBlock {
                return self.close(id);
            }
            open.blocked = Some(self.now.mono);
            open.waking = Some(self.common.wake_when_writable(id, &open.half));
            self.sweep.arm(&self.common.inboxes[self.shard], open.machine.limits());
        }
        if open.machine.is_over() && open.machine.output().is_empty() {
            return self.close(id);
        }
        if paused {
            open.machine.on_sent(self.now, &mut self.effects);
            self.carry_out(id);
        } else {
            open.gate.follow(&open.machine);
        }
    }

    fn count(&mut self) {
        let Counts {
            commands,
            refused,
            errors,
            hits,
            misses,
            replies_too_large,
            overdue,
            auth_failures,
            garbled,
            cross_protocol,
        } = std::mem::take(&mut self.effects.counts);
        let counters = &self.common.counters;
        for (counter, count) in [
            (&counters.resp_commands, commands),
            (&counters.resp_refused, refused),
            (&counters.resp_errors, errors),
            (&counters.resp_hits, hits),
            (&counters.resp_misses, misses),
            (&counters.resp_output_bytes_max_hit, replies_too_large),
            (&counters.resp_command_timeout_hit, overdue),
            (&counters.resp_auth_failures, auth_failures),
            (&counters.resp_garbled, garbled),
            (&counters.resp_cross_protocol, cross_protocol),
        ] {
            if count > 0 {
                counter.add(count);
            }
        }
    }

    /// Looks at those that are watched.
    pub(crate) fn sweep(&mut self) {
        self.sweep.came();
        let watched = self.open.iter().filter(|(_, open)| open.is_watched());
        let watched: Vec<ConnectionId> = watched.map(|(&id, _)| ConnectionId(id)).collect();
        for id in watched {
            self.look_at(id);
        }
    }

    fn look_at(&mut self, id: ConnectionId) {
        let Some(open) = self.open.get_mut(&id.0) else { return };
        let timeout = open.machine.limits().write_timeout;
        if open.blocked.is_some_and(|since| self.now.mono.since(since) >= timeout) {
            self.common.counters.resp_write_timeout_hit.increment();
            warn!(
                connection = id.0,
                "closed: the Redis client does not take its replies (resp.write_timeout)"
            );
            return self.reset(id);
        }
        self.sweep.arm(&self.common.inboxes[self.shard], open.machine.limits());
        open.machine.on_tick(self.now, &mut self.effects);
        self.carry_out(id);
    }

    /// Ends the connection; what was sent is still delivered.
    pub(crate) fn close(&mut self, id: ConnectionId) {
        if let Some(open) = self.open.remove(&id.0) {
            self.common.resp_clients.remove(id);
            open.reader.abort();
            open.waking.inspect(AbortHandle::abort);
        }
    }

    /// Ends the connection at once: what was not delivered is lost.
    fn reset(&mut self, id: ConnectionId) {
        if let Some(open) = self.open.get(&id.0) {
            let stream: &TcpStream = (*open.half).as_ref();
            // If it can't be set, the system closes it in order.
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
        self.close(id);
    }

    /// Another client asked for it.
    pub(crate) fn kill(&mut self, id: ConnectionId) {
        info!(connection = id.0, "closed: CLIENT KILL");
        self.flush_one(id);
        self.close(id);
    }

    /// Ends every connection at once.
    pub(crate) fn reset_all(&mut self) {
        for id in self.ids() {
            self.reset(id);
        }
    }

    /// Ends every connection in order, within [`CLOSING_TIMEOUT`].
    pub(crate) async fn close_all(&mut self) {
        self.flush();
        let sent = async {
            for open in self.open.values_mut() {
                while send(&open.half, open.machine.output())
                    .is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
                {
                    if open.half.writable().await.is_err() {
                        break;
                    }
                }
            }
        };
        // A client that does not take its last replies in time goes without.
        let _ = tokio::time::timeout(CLOSING_TIMEOUT, sent).await;
        for id in self.ids() {
            self.close(id);
        }
    }

    fn ids(&self) -> Vec<ConnectionId> {
        self.open.keys().map(|&id| ConnectionId(id)).collect()
    }
}

/// Writes what the socket takes of `output`.
fn send(half: &OwnedWriteHalf, output: &mut BytesMut) -> io::Result<()> {
    while !output.is_empty() {
        let sent = half.try_write(output)?;
        if sent == output.len() {
            output.clear();
        } else {
            output.advance(sent);
        }
    }
    if output.capacity() > OUTPUT_KEPT_BYTES {
        *output = BytesMut::new();
    }
    Ok(())
}

impl Common {
    /// Tells the connection's shard when `half` takes more; whoever closes the connection ends it.
    fn wake_when_writable(self: &Arc<Self>, id: ConnectionId, half: &Arc<OwnedWriteHalf>) -> AbortHandle {
        let (common, half) = (Arc::clone(self), Arc::clone(half));
        let waking = tokio::spawn(async move {
            // An error is found by the next write.
            let _ = half.writable().await;
            common.inboxes[id.shard()].push(Item::RespWritable(id));
        });
        waking.abort_handle()
    }
}
