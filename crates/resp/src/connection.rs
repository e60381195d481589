//! One client's connection as a machine: bytes and answers in, requests and replies out.
//!
//! ```text
//!  bytes ─► input ─► command ─┬─ replied to at once ───────────────┐
//!                             └─ requests, in the order of each key ─► node ─► answers ─► pending ─► output
//! ```
//!
//! Invariants:
//! - replies are in the order of the commands, one each (but for `CLIENT REPLY OFF`);
//! - a command on a key waits for those before it on the same key that it must see, and for no other;
//! - while `pipeline_max` commands wait for answers, or `output_pause_bytes` of answers for their turn or the client,
//!   or as many reads are under way as may be (`room`), nothing more is taken from the input;
//! - after `QUIT` or what is no command nothing is executed, and the connection ends with its last reply; so it does
//!   when the client sends no more, after all that came whole was executed.

mod cluster;
mod connecting;
mod dispatch;
mod expiring;
mod introspection;
mod keys;
mod own;
mod replies;
mod several;

pub(crate) use connecting::NAME_BYTES_MAX;
pub(crate) use keys::SCAN_COUNT_MAX;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use quorate_types::{Now, Token};
use quorate_wire::{RequestBody, Response};

use crate::effects::{Ask, Effects, Question, Told};
use crate::encode::Writer;
use crate::input::{Input, Taken};
use crate::limits::{Limits, Who};
use crate::order::KeyOrder;
use crate::parse::Args;
use crate::part::{Part, Shape, Terms};
use crate::pending::{Entry, Pending, Telling, Work, number, place_and_part};
use crate::room::Room;
use crate::scan::Scan;
use crate::session::{Past, ReplyMode, Session};
use crate::settings::{ClientFacts, Peer, Settings};

/// See the module.
#[derive(Debug)]
pub struct Connection {
    settings: Arc<Settings>,
    peer: Peer,
    session: Session,
    past: Past,
    input: Input,
    pending: Pending,
    order: KeyOrder,
    room: Room,
    output: BytesMut,
    /// Whether nothing more is executed.
    ending: bool,
    /// Whether the client sends no more.
    finished: bool,
    /// Whether the command that is being executed is replied to.
    muted: bool,
    now: Now,
}

impl Connection {
    /// A client has come.
    pub fn new(settings: Arc<Settings>, peer: Peer, now: Now) -> Connection {
        let session = Session::new(settings.newcomer(), now.wall_ms);
        let room = Room::new(&settings.limits);
        Connection {
            settings,
            peer,
            session,
            past: Past::default(),
            input: Input::default(),
            pending: Pending::default(),
            order: KeyOrder::default(),
            room,
            output: BytesMut::new(),
            ending: false,
            finished: false,
            muted: false,
            now,
        }
    }

    /// The client sent `bytes`.
    pub fn on_bytes(&mut self, now: Now, bytes: Bytes, effects: &mut Effects) {
        self.now = now;
        if !self.ending {
            self.input.push(bytes);
            self.execute(effects);
        }
    }

    /// The client sends no more, and may still read: what came whole is executed and replied to.
    pub fn on_finished(&mut self, now: Now, effects: &mut Effects) {
        self.now = now;
        self.finished = true;
        self.execute(effects);
    }

    /// The node answered a request.
    pub fn on_response(&mut self, now: Now, response: Response, effects: &mut Effects) {
        self.now = now;
        let Response { number: asked, body, receipt } = response;
        let (place, part) = place_and_part(asked);
        if receipt.is_some() {
            self.past.receipt = receipt;
        }
        let Some(entry) = self.pending.at(place) else { return };
        match &mut entry.work {
            Work::One(one) => {
                if let Some(body) = one.take(body) {
                    self.ask(asked, body, effects);
                } else {
                    if one.reads() {
                        self.room.read_answered(one.value_bytes(), &self.settings.limits);
                    }
                    self.order.release(one.token, one.mode, &mut effects.asks);
                }
            }
            Work::Many(_) => self.on_part(place, part, body, effects),
            Work::Scan(scan) => {
                if scan.take(part, body) {
                    let pages = scan.next_pages();
                    if pages.is_empty() {
                        self.room.hold(scan.found_bytes());
                        self.room.last_done();
                    }
                    self.ask_pages(place, pages, effects);
                }
            }
            Work::Status(_, answer) => {
                *answer = Some(Box::new(body));
                self.room.last_done();
            }
            Work::Ready(_) | Work::Told(..) | Work::Before(_) => return,
        }
        if self.room.has_last() {
            self.begin_rest(effects);
        }
        self.settle(effects);
        self.execute(effects);
    }

    /// The driver answered a question.
    pub fn on_told(&mut self, now: Now, asked: u64, told: &Told, effects: &mut Effects) {
        self.now = now;
        let wall_ms = now.wall_ms;
        let Some(Entry { proto, work: Work::Told(telling, answer), .. }) =
            self.pending.at(place_and_part(asked).0)
        else {
            return;
        };
        let mut reply = BytesMut::new();
        let mut w = Writer::new(&mut reply, *proto);
        match (told, telling) {
            (Told::Killed(0), Telling::TheOne) => {
                effects.counts.errors += 1;
                w.error("ERR No such client");
            }
            (Told::Killed(_), Telling::TheOne) => w.status("OK"),
            (Told::Clients(clients), _) => {
                w.verbatim(&clients.iter().map(|client| client.line(wall_ms)).collect::<String>());
            }
            (Told::Killed(count), _) => w.count(*count),
            (Told::Down(down), Telling::Cluster(view)) => {
                if let Some(map) = &self.settings.cluster {
                    map.reply(*view, down, &mut w);
                }
            }
            (Told::Down(_), _) => w.null(),
        }
        self.room.hold(reply.len());
        self.room.last_done();
        *answer = Some(reply.freeze());
        self.settle(effects);
        self.execute(effects);
    }

    /// Time went on: a command that was begun must be whole by now.
    pub fn on_tick(&mut self, now: Now, effects: &mut Effects) {
        self.now = now;
        if !self.wants_bytes() {
            return self.input.excuse(now.mono);
        }
        let timeout = self.settings.limits.command_timeout;
        if self.input.begun().is_some_and(|begun| now.mono.since(begun) >= timeout) {
            effects.counts.overdue += 1;
            let ms = timeout.as_millis();
            let text =
                format!("ERR a command must be whole {ms} ms after its first byte (resp.command_timeout)");
            self.give_up(&text, effects);
        }
    }

    /// The node has no room for the command whose rest has not come.
    pub fn refuse_half_command(&mut self, now: Now, effects: &mut Effects) {
        self.now = now;
        let max = self.settings.limits.commands_bytes_max;
        let text = format!(
            "TRYAGAIN commands that are not whole have the {max} bytes that they may have (resp.commands_bytes_max)"
        );
        self.give_up(&text, effects);
    }

    /// Ends the connection because of a command that is not whole; those before it are still replied to.
    fn give_up(&mut self, why: &str, effects: &mut Effects) {
        self.input = Input::default();
        self.muted = false;
        self.error(&format!("{why}: nothing of it was executed, and the connection is closed"), effects);
        self.ending = true;
    }

    /// Replies were sent: there may be room for more.
    pub fn on_sent(&mut self, now: Now, effects: &mut Effects) {
        self.now = now;
        self.input.excuse(now.mono);
        self.settle(effects);
        self.execute(effects);
    }

    /// Replies that wait to be sent; the driver takes them off its front.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// Whether more bytes are of use: if not, read none, so that TCP slows the client down.
    pub fn wants_bytes(&self) -> bool {
        !self.ending && !self.finished && !self.input.waits() && self.has_room_for_bytes()
    }

    /// Bytes that are here of a command whose rest has not come.
    pub fn half_command_bytes(&self) -> usize {
        self.input.half_bytes()
    }

    /// What bounds it.
    pub fn limits(&self) -> &Limits {
        &self.settings.limits
    }

    /// Whether the connection ends once its output was sent.
    pub fn is_over(&self) -> bool {
        self.ending && self.pending.is_empty()
    }

    /// Whether there is nothing to send, and nothing to end.
    pub fn is_idle_or_waiting(&self) -> bool {
        self.output.is_empty() && !self.is_over()
    }

    /// What others may be told of it.
    pub fn facts(&self) -> ClientFacts {
        ClientFacts {
            peer: self.peer.clone(),
            name: self.session.name.clone(),
            lib_name: self.session.lib_name.clone(),
            lib_version: self.session.lib_version.clone(),
            protocol: self.session.proto as u8 + 2,
            since_ms: self.session.since_ms,
        }
    }

    fn has_room(&self) -> bool {
        self.room.takes_a_command() && self.has_room_for_bytes()
    }

    fn has_room_for_bytes(&self) -> bool {
        let limits = &self.settings.limits;
        self.pending.len() < limits.pipeline_max
            && self.output.len() + self.room.held() < limits.output_pause_bytes
    }

    /// Executes what was read, as far as there is room for it.
    fn execute(&mut self, effects: &mut Effects) {
        while !self.ending && self.has_room() {
            let limits = self.settings.limits;
            let limits = match self.session.who {
                Who::Known => limits,
                Who::Stranger => limits.of_a_stranger(),
            };
            match self.input.next(&limits, self.session.who) {
                Ok(None) => {
                    self.ending |= self.finished;
                    self.input.rests(self.now.mono);
                    return;
                }
                Ok(Some(Taken::Array { base })) => {
                    let (frame, spans) = self.input.lend();
                    self.command(&Args::new(&frame, base, &spans), effects);
                    self.input.take_back((frame, spans));
                }
                Ok(Some(Taken::Line(line))) => self.command(&Args::new(&line.frame, 0, &line.spans), effects),
                Err(error) => {
                    effects.counts.garbled += 1;
                    self.muted = false;
                    self.error(&format!("ERR Protocol error: {error}"), effects);
                    self.ending = true;
                }
            }
        }
    }

    fn command(&mut self, args: &Args<'_>, effects: &mut Effects) {
        effects.counts.commands += 1;
        self.muted = match self.session.reply {
            ReplyMode::On => false,
            ReplyMode::Off => true,
            ReplyMode::SkipNext => {
                self.session.reply = ReplyMode::On;
                true
            }
        };
        self.dispatch(args, effects);
    }

    /// Replies to the command that is being executed.
    fn reply(&mut self, write: impl FnOnce(&mut Writer<'_>)) {
        if self.pending.is_empty() {
            if !self.muted {
                write(&mut Writer::new(&mut self.output, self.session.proto));
            }
            return;
        }
        let mut reply = BytesMut::new();
        write(&mut Writer::new(&mut reply, self.session.proto));
        self.push(Work::Ready(reply.freeze()));
    }

    fn ok(&mut self) {
        self.reply(|w| w.status("OK"));
    }

    fn error(&mut self, text: &str, effects: &mut Effects) {
        effects.counts.errors += 1;
        self.reply(|w| w.error(text));
    }

    /// What the command that is being executed waits for.
    fn push(&mut self, work: Work) {
        match &work {
            Work::Ready(reply) => self.room.hold(reply.len()),
            Work::Many(_) | Work::Scan(_) | Work::Status(..) | Work::Told(..) => self.room.last_begun(),
            Work::One(part) if part.reads() => self.room.read_begun(),
            Work::One(_) | Work::Before(_) => {}
        }
        self.pending.push(Entry { proto: self.session.proto, muted: self.muted, work });
    }

    fn terms(&self) -> Terms {
        Terms {
            keyspace: self.settings.keyspace,
            read: self.session.read.or(self.settings.read),
            write: self.session.write.or(self.settings.write),
            version: None,
        }
    }

    fn token(&self, key: &[u8]) -> u64 {
        Token::of(key, self.settings.hash_seed).0
    }

    /// Begins a command of one request.
    fn begin(
        &mut self,
        shape: Shape,
        key: Bytes,
        terms: Terms,
        body: impl FnOnce(Bytes) -> RequestBody,
        effects: &mut Effects,
    ) {
        let place = self.pending.next_place();
        let kept = if shape.may_ask_again() { key.clone() } else { Bytes::new() };
        let part = Part::new(shape, self.token(&key), kept, terms);
        let body = body(key);
        let (token, mode) = (part.token, part.mode);
        self.push(Work::One(part));
        let ask = Ask { number: number(place, 0), want_receipt: self.session.receipts, body };
        effects.asks.extend(self.order.admit(token, mode, ask));
    }

    fn begin_scan(&mut self, mut scan: Scan, effects: &mut Effects) {
        let (place, pages) = (self.pending.next_place(), scan.next_pages());
        self.push(Work::Scan(Box::new(scan)));
        self.ask_pages(place, pages, effects);
    }

    fn ask_pages(&mut self, place: u64, pages: Vec<RequestBody>, effects: &mut Effects) {
        for (at, body) in pages.into_iter().enumerate() {
            self.ask(number(place, at), body, effects);
        }
    }

    fn ask(&mut self, number: u64, body: RequestBody, effects: &mut Effects) {
        effects.asks.push(Ask { number, want_receipt: self.session.receipts, body });
    }

    fn ask_driver(&mut self, question: Question, telling: Telling, effects: &mut Effects) {
        effects.questions.push((number(self.pending.next_place(), 0), question));
        self.push(Work::Told(telling, None));
    }
}

#[cfg(test)]
mod tests;
