//! What a turn takes in: the inbox, and what is due.

use std::sync::Arc;

use bytes::Bytes;
use quorate_coordinator::{Origin, Tag};
use quorate_node::{Event, LinkId, LinkLoss, TracedRequest};
use quorate_types::{Now, PartitionId, SessionId, Trace};
use quorate_wire::{PeerMessage, Request, RequestBody, Response, ResponseBody, WireError, decode};
use tracing::{debug, info};

use crate::common::Common;
use crate::connections::ConnectionId;
use crate::connections::arrival::{Arrival, Who};
use crate::connections::desk::Use;
use crate::connections::gate::Gate;
use crate::connections::reader::Reader;
use crate::give_back::Pace;
use crate::shard::item::{Ask, Item, Settled};
use crate::shard::turns::{
    Draining, SHARD_QUEUE_MAX, STATUS_REQUESTS_MAX, ShardLoop, TURN_BYTES_MAX, TURN_MESSAGES_MAX,
};
use crate::view::gathering::{Scrape, ShardPart, StatusGathering};
use crate::view::status::merged;

/// What a turn has taken so far.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    messages: usize,
    bytes: usize,
}

impl Taken {
    fn is_enough(self) -> bool {
        self.messages >= TURN_MESSAGES_MAX || self.bytes >= TURN_BYTES_MAX
    }
}

impl ShardLoop {
    /// Takes what waits, up to the turn's budget; whether more is left.
    pub(super) fn take_in(&mut self, now: Now) -> bool {
        if self.shard.next_timer().is_some_and(|due| due <= now.mono) {
            self.shard.on_event(now, Event::Tick, &mut self.effects);
        }
        self.common.inboxes[self.index].take(&mut self.waiting);
        let mut taken = Taken::default();
        taken.messages += self.take_resp_requests(now);
        while !taken.is_enough() {
            let Some(item) = self.waiting.pop_front() else { break };
            self.on_item(now, item, &mut taken);
        }
        if taken.bytes > 0 {
            self.common.inboxes[self.index].frames_handled(taken.bytes);
        }
        !self.waiting.is_empty()
    }

    fn on_item(&mut self, now: Now, item: Item, taken: &mut Taken) {
        match item {
            Item::Frames { connection, frames, bytes } => {
                taken.bytes += bytes;
                taken.messages += self.on_frames(now, connection, frames);
            }
            Item::RespBytes { connection, bytes } => {
                taken.bytes += bytes.len();
                self.resp.on_bytes(connection, bytes);
                taken.messages += self.take_resp_requests(now);
            }
            Item::Ask(ask, waiting) => {
                taken.messages += 1;
                let origin = self.asks.begin(self.index, waiting);
                let Ask { request, trace } = *ask;
                self.on_request(now, origin, request, trace);
            }
            Item::RespFinished(connection) => {
                self.resp.on_finished(connection);
                taken.messages += self.take_resp_requests(now);
            }
            Item::RespArrived(arrival) => self.resp.on_arrival(*arrival),
            Item::RespWritable(connection) => self.resp.on_writable(connection),
            Item::RespSweep => self.resp.sweep(),
            Item::RespKill(connection) => self.resp.kill(connection),
            Item::Closed { connection, .. } if connection.is_resp() => self.resp.close(connection),
            Item::Arrived(arrival) => self.on_arrival(now, *arrival),
            Item::Closed { connection, why } => self.on_closed(now, connection, why),
            Item::DialFailed { peer, why } => self.event(now, Event::DialFailed { peer, why }),
            Item::Requests(requests) => {
                taken.messages += requests.len();
                self.common.inboxes[self.index].batch_handled();
                for (origin, request) in requests {
                    self.event(now, Event::Request { origin, request });
                }
            }
            Item::Answers(settled) => {
                taken.messages += settled.answers.len();
                self.on_settled(settled);
            }
            Item::Answer(origin, response) => self.deliver(origin, *response),
            Item::Happened(event) => self.event(now, *event),
            Item::Walk(step) => self.walking.step(&self.shard, &self.log, step),
            Item::Status(gathering) => self.on_status(&gathering),
            Item::Scrape(scrape) => self.on_scrape(&scrape),
            Item::Drain(drain) => {
                self.draining = Draining::Begun(drain);
                self.event(now, Event::Drain(drain));
            }
            Item::GiveBack(pace) => self.give_back(pace),
        }
    }

    /// What bursts have made large here becomes small first, then the allocator looks at what is free.
    fn give_back(&mut self, pace: Pace) {
        if pace == Pace::Quiet {
            self.common.inboxes[self.index].shrink(TURN_MESSAGES_MAX);
            self.waiting.shrink_to(TURN_MESSAGES_MAX);
            self.resp.shrink(TURN_MESSAGES_MAX);
            self.desk.shrink();
            self.asks.shrink();
        }
        if let Some(give_back) = self.common.give_back {
            give_back(pace);
        }
    }

    fn on_settled(&mut self, Settled { from, answers, unanswered }: Settled) {
        self.across.settled(from, answers.len() + unanswered.len());
        for (origin, response) in answers {
            self.deliver(origin, response);
        }
        for origin in unanswered {
            self.settle_here(origin);
        }
    }

    fn event(&mut self, now: Now, event: Event) {
        self.shard.on_event(now, event, &mut self.effects);
    }

    /// The messages in `frames`, up to the first that is none: then the connection is closed.
    fn on_frames(&mut self, now: Now, connection: ConnectionId, frames: Vec<Bytes>) -> usize {
        let taken = match self.desk.used(connection) {
            None => Ok(0),
            Some(Use::Client(gate)) => {
                let gate = Arc::clone(gate);
                self.on_requests(now, connection, &gate, frames)
            }
            Some(Use::Link(_)) => self.on_peer_messages(now, connection, frames),
        };
        taken.unwrap_or_else(|garbled| {
            self.common.counters.connections_garbled.increment();
            info!(connection = connection.0, %garbled, "closed: what came over the connection is no message");
            self.on_closed(now, connection, LinkLoss::Garbage);
            0
        })
    }

    fn on_peer_messages(
        &mut self,
        now: Now,
        link: ConnectionId,
        frames: Vec<Bytes>,
    ) -> Result<usize, WireError> {
        let mut taken = 0;
        for message in frames.into_iter().flat_map(decode) {
            let message = PeerMessage::try_from(message?)?;
            taken += 1;
            self.event(now, Event::Peer { link: LinkId(link.0), message });
        }
        Ok(taken)
    }

    fn on_requests(
        &mut self,
        now: Now,
        connection: ConnectionId,
        gate: &Gate,
        frames: Vec<Bytes>,
    ) -> Result<usize, WireError> {
        let mut taken = 0;
        for message in frames.into_iter().flat_map(decode) {
            let request = Request::try_from(message?)?;
            taken += 1;
            gate.taken();
            let session = SessionId(connection.0);
            let origin =
                Origin { connection: connection.0, session, number: request.number, tag: Tag::default() };
            self.on_request(now, origin, request, None);
        }
        Ok(taken)
    }

    /// Takes the requests that Redis clients have come to; how many there were.
    fn take_resp_requests(&mut self, now: Now) -> usize {
        let mut requests = self.resp.take_requests();
        let taken = requests.len();
        for (origin, request) in requests.drain(..) {
            self.on_request(now, origin, request, None);
        }
        self.resp.reuse(requests);
        taken
    }

    /// Only HTTP clients name a trace, and what they ask is put to the shard that owns it at once: none crosses.
    fn on_request(&mut self, now: Now, mut origin: Origin, mut request: Request, trace: Option<Trace>) {
        origin.tag = self.meter.tag(now.mono, &request.body);
        self.admission.admit(now.mono, &mut request, &self.common.counters);
        match owner(&request.body, &self.common) {
            Owner::Shard(shard) if shard == self.index => self.event(now, asked(origin, request, trace)),
            Owner::Shard(shard) => {
                if let Err(refused) = self.across.ask(shard, origin, request) {
                    self.refuse(refused, SHARD_QUEUE_MAX);
                }
            }
            Owner::Driver(Question::Ring) => {
                let ring = self.common.overview.ring(&self.common.standing.down());
                self.answer_here(origin, ResponseBody::Ring(Box::new(ring)));
            }
            Owner::Driver(Question::Status) => {
                if self.common.gather_status(origin).is_err() {
                    self.refuse(origin, STATUS_REQUESTS_MAX);
                }
            }
        }
    }

    /// Adds this shard's part; the last shard answers all who wait for it.
    fn on_status(&mut self, gathering: &StatusGathering) {
        let Some(parts) = gathering.add(self.shard.status()) else { return };
        let status = merged(&self.common, &parts);
        for &origin in &gathering.whom {
            let body = ResponseBody::Status(Box::new(status.clone()));
            let response = Response { number: origin.number, body, receipt: None };
            let home = ConnectionId(origin.connection).shard();
            self.common.inboxes[home].push(Item::Answer(origin, Box::new(response)));
        }
        self.common.status_gathered();
    }

    /// Adds this shard's part to a scrape; the last shard hands all of them over.
    fn on_scrape(&mut self, scrape: &Scrape) {
        let part = ShardPart {
            status: self.shard.status(),
            requests: self.meter.counts().clone(),
            connections: self.desk.clients(),
            links: self.desk.links(),
        };
        if let Some(parts) = scrape.add(part) {
            scrape.whom.hand_over(parts);
        }
    }

    fn on_arrival(&mut self, now: Now, arrival: Arrival) {
        let Arrival { id, way, who, ended } = arrival;
        let connection = match way.arrive() {
            Ok(connection) => connection,
            Err(error) => return debug!(%error, "a connection ended on its way to its shard"),
        };
        let inbox = Arc::clone(&self.common.inboxes[self.index]);
        match who {
            Who::Client(permit) => {
                let gate = Arc::new(Gate::default());
                let reader = Reader { id, inbox, gate: Some(Arc::clone(&gate)) };
                let reader = tokio::spawn(reader.run(connection.source, permit));
                self.desk.add(id, connection.sink, Use::Client(gate), reader.abort_handle());
            }
            Who::Peer { peer, direction } => {
                let reader = tokio::spawn(Reader { id, inbox, gate: None }.run(connection.source, ended));
                self.desk.add(id, connection.sink, Use::Link(peer.node), reader.abort_handle());
                self.event(now, Event::LinkUp { link: LinkId(id.0), peer, direction });
            }
        }
    }

    fn on_closed(&mut self, now: Now, connection: ConnectionId, why: LinkLoss) {
        match self.desk.used(connection) {
            None => return,
            Some(Use::Link(_)) => self.event(now, Event::LinkDown { link: LinkId(connection.0), why }),
            Some(Use::Client(_)) => self.common.session_closed(SessionId(connection.0)),
        }
        self.desk.close(connection);
    }
}

fn asked(origin: Origin, request: Request, trace: Option<Trace>) -> Event {
    match trace {
        None => Event::Request { origin, request },
        Some(trace) => Event::TracedRequest(Box::new(TracedRequest { origin, request, trace })),
    }
}

/// The shard whose inbox a request that comes from outside the shards is best put into.
pub(crate) fn home(body: &RequestBody, common: &Common) -> usize {
    match owner(body, common) {
        Owner::Shard(shard) => shard,
        Owner::Driver(_) => 0,
    }
}

/// Who answers a request.
enum Owner {
    Shard(usize),
    Driver(Question),
}

/// What no shard owns.
enum Question {
    Ring,
    Status,
}

fn owner(body: &RequestBody, common: &Common) -> Owner {
    let of_partition = |partition: PartitionId| Owner::Shard(partition.shard(common.inboxes.len()));
    match body {
        RequestBody::Get { key, .. }
        | RequestBody::Put { key, .. }
        | RequestBody::Delete { key, .. }
        | RequestBody::Expire { key, .. }
        | RequestBody::Explain { key, .. } => of_partition(common.ring.token(key).partition()),
        RequestBody::Page { partition, .. } => of_partition(*partition),
        RequestBody::Status => Owner::Driver(Question::Status),
        RequestBody::Ring => Owner::Driver(Question::Ring),
    }
}
