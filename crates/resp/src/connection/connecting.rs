//! Commands about the connection itself.

use std::hint::black_box;

use super::Connection;
use crate::Proto;
use crate::effects::{Effects, Question, Whom};
use crate::limits::Who;
use crate::parse::Args;
use crate::pending::Telling;
use crate::session::{ReplyMode, Session};
use crate::settings::REDIS_VERSION;
use crate::table::Verb;

const NOT_KNOWN: &str = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
    <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at \
    the same time";
const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";
const NO_PASSWORD: &str = "ERR AUTH <password> called without any password configured for the default user. Are you \
    sure your configuration is correct?";
/// The one user.
const USER: &[u8] = b"default";
/// Bytes of a name that a client gives itself.
pub(crate) const NAME_BYTES_MAX: usize = 256;

impl Connection {
    pub(super) fn connecting(&mut self, verb: Verb, args: &Args<'_>, effects: &mut Effects) {
        match verb {
            Verb::Ping => match args.len() {
                1 => self.reply(|w| w.status("PONG")),
                2 => self.reply(|w| w.bulk(args.at(1))),
                _ => self.wrong_arity("ping", effects),
            },
            Verb::Echo => self.reply(|w| w.bulk(args.at(1))),
            Verb::Hello => self.hello(args, effects),
            Verb::Auth => self.auth(args, effects),
            Verb::Select => match args.integer(1) {
                Some(0) => self.ok(),
                Some(_) => self.error("ERR DB index is out of range", effects),
                None => self.not_a_number(effects),
            },
            Verb::Quit => {
                self.ok();
                self.ending = true;
            }
            Verb::Reset => self.reset(effects),
            Verb::NoOp => self.ok(),
            Verb::Client => self.wrong_arity("client", effects),
            other => self.client(other, args, effects),
        }
    }

    fn client(&mut self, verb: Verb, args: &Args<'_>, effects: &mut Effects) {
        match verb {
            Verb::ClientId => self.reply_number(self.peer.id),
            Verb::ClientGetName => {
                let name = self.session.name.clone();
                self.reply(|w| if name.is_empty() { w.null() } else { w.bulk(name.as_bytes()) });
            }
            Verb::ClientSetName => match name(args.at(2), "Client names") {
                Ok(name) => {
                    self.session.name = name;
                    effects.facts_changed = true;
                    self.ok();
                }
                Err(why) => self.error(&why, effects),
            },
            Verb::ClientSetInfo => self.set_info(args, effects),
            Verb::ClientInfo => {
                let line = self.facts().line(self.now.wall_ms);
                self.reply(|w| w.verbatim(&line));
            }
            Verb::ClientList if args.len() == 2 => self.ask_driver(Question::Clients, Telling::AsIs, effects),
            Verb::ClientKill => self.kill(args, effects),
            Verb::ClientNoOp if args.is(2, "ON") || args.is(2, "OFF") => self.ok(),
            Verb::ClientReply => self.reply_mode(args, effects),
            _ => self.syntax_error(effects),
        }
    }

    pub(super) fn reply_number(&mut self, number: u64) {
        self.reply(|w| w.count(number));
    }

    fn set_info(&mut self, args: &Args<'_>, effects: &mut Effects) {
        let text = match name(args.at(3), &args.text(2)) {
            Ok(text) => text,
            Err(why) => return self.error(&why, effects),
        };
        if args.is(2, "LIB-NAME") {
            self.session.lib_name = text;
        } else if args.is(2, "LIB-VER") {
            self.session.lib_version = text;
        } else {
            return self.error(&format!("ERR Unrecognized option '{}'", args.text(2)), effects);
        }
        effects.facts_changed = true;
        self.ok();
    }

    fn reply_mode(&mut self, args: &Args<'_>, effects: &mut Effects) {
        if args.is(2, "ON") {
            (self.session.reply, self.muted) = (ReplyMode::On, false);
            return self.ok();
        }
        self.session.reply = if args.is(2, "OFF") {
            ReplyMode::Off
        } else if args.is(2, "SKIP") {
            ReplyMode::SkipNext
        } else {
            return self.syntax_error(effects);
        };
    }

    fn kill(&mut self, args: &Args<'_>, effects: &mut Effects) {
        if args.len() == 3 {
            let whom = Whom { addr: Some(args.text(2)), ..Whom::default() };
            return self.ask_driver(Question::Kill(whom), Telling::TheOne, effects);
        }
        let mut whom = Whom { but: Some(self.peer.id), ..Whom::default() };
        for at in (2..args.len()).step_by(2) {
            if at + 1 == args.len() {
                return self.syntax_error(effects);
            }
            if args.is(at, "ID") {
                let Some(id) =
                    args.integer(at + 1).and_then(|id| u64::try_from(id).ok()).filter(|id| *id > 0)
                else {
                    return self.error("ERR client-id should be greater than 0", effects);
                };
                whom.id = Some(id);
            } else if args.is(at, "ADDR") {
                whom.addr = Some(args.text(at + 1));
            } else if args.is(at, "LADDR") {
                whom.local_addr = Some(args.text(at + 1));
            } else if args.is(at, "SKIPME") && args.is(at + 1, "no") {
                whom.but = None;
            } else if !(args.is(at, "SKIPME") && args.is(at + 1, "yes")) {
                return self.syntax_error(effects);
            }
        }
        self.ask_driver(Question::Kill(whom), Telling::AsIs, effects);
    }

    fn reset(&mut self, effects: &mut Effects) {
        self.session = Session::new(self.settings.newcomer(), self.session.since_ms);
        self.past.receipt = None;
        self.muted = false;
        effects.facts_changed = true;
        self.reply(|w| w.status("RESET"));
    }

    fn auth(&mut self, args: &Args<'_>, effects: &mut Effects) {
        let (user, password) = match args.len() {
            2 => (USER, args.at(1)),
            3 => (args.at(1), args.at(2)),
            _ => return self.syntax_error(effects),
        };
        if self.settings.password.is_none() && args.len() == 2 {
            return self.error(NO_PASSWORD, effects);
        }
        if self.knows(user, password, effects) {
            self.ok();
        } else {
            self.error(WRONG_PASSWORD, effects);
        }
    }

    /// Whether these are the right words; if so, the client is known from here on.
    fn knows(&mut self, user: &[u8], password: &[u8], effects: &mut Effects) -> bool {
        let right = match &self.settings.password {
            Some(wanted) => user == USER && equal(wanted, password),
            None => user == USER,
        };
        if right {
            self.session.who = Who::Known;
        } else {
            effects.counts.auth_failures += 1;
        }
        right
    }

    fn hello(&mut self, args: &Args<'_>, effects: &mut Effects) {
        let proto = match (args.len(), args.len().checked_sub(2).and_then(|_| args.integer(1))) {
            (1, _) => self.session.proto,
            (_, Some(2)) => Proto::Resp2,
            (_, Some(3)) => Proto::Resp3,
            (_, Some(_)) => return self.error("NOPROTO unsupported protocol version", effects),
            (_, None) => {
                return self.error("ERR Protocol version is not an integer or out of range", effects);
            }
        };
        let (mut at, mut named) = (2, None);
        while at < args.len() {
            if args.is(at, "AUTH") && at + 2 < args.len() {
                if !self.knows(args.at(at + 1), args.at(at + 2), effects) {
                    return self.error(WRONG_PASSWORD, effects);
                }
                at += 3;
            } else if args.is(at, "SETNAME") && at + 1 < args.len() {
                named = match name(args.at(at + 1), "Client names") {
                    Ok(name) => Some(name),
                    Err(why) => return self.error(&why, effects),
                };
                at += 2;
            } else {
                let option = args.text(at);
                return self.error(&format!("ERR Syntax error in HELLO option '{option}'"), effects);
            }
        }
        if self.session.who == Who::Stranger {
            return self.error(NOT_KNOWN, effects);
        }
        self.session.proto = proto;
        if let Some(named) = named {
            self.session.name = named;
        }
        effects.facts_changed = true;
        self.greet();
    }

    fn greet(&mut self) {
        let (id, proto, mode) = (self.peer.id, self.session.proto as u64 + 2, self.settings.mode());
        self.reply(|w| {
            w.map(7);
            for (name, text) in [("server", "redis"), ("version", REDIS_VERSION)] {
                w.bulk(name.as_bytes());
                w.bulk(text.as_bytes());
            }
            for (name, number) in [("proto", proto), ("id", id)] {
                w.bulk(name.as_bytes());
                w.count(number);
            }
            for (name, text) in [("mode", mode), ("role", "master")] {
                w.bulk(name.as_bytes());
                w.bulk(text.as_bytes());
            }
            w.bulk(b"modules");
            w.array(0);
        });
    }
}

/// A name that a client may give itself: printable, without blanks, of a length that others can be told; else why not.
fn name(text: &[u8], what: &str) -> Result<String, String> {
    if !text.iter().all(u8::is_ascii_graphic) {
        return Err(format!("ERR {what} cannot contain spaces, newlines or special characters."));
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(format!("ERR {what} can have {NAME_BYTES_MAX} bytes at most."));
    }
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// Whether both are the same; the time that it takes says nothing of where they differ.
fn equal(wanted: &[u8], said: &[u8]) -> bool {
    let mut differs = u8::from(wanted.len() != said.len());
    for (at, byte) in said.iter().enumerate() {
        differs |= byte ^ wanted[at % wanted.len().max(1)];
    }
    black_box(differs) == 0
}
