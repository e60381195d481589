//! Our own commands: levels per command and per connection, receipts.

use quorate_types::{Level, LevelInvalid, Version};
use quorate_wire::ExpiryRequest;

use super::Connection;
use super::expiring::Replied;
use crate::effects::Effects;
use crate::parse::Args;
use crate::part::Shape;
use crate::pending::{Before, Work};
use crate::table::Access;

/// Why a write is not repeated with a time to live: the second would expire later than the first.
const RELATIVE_EXPIRY: &str = "ERR VERSION repeats a write, which expires when the first attempt does: use PXAT with the \
    expires_at_ms of its answer, not EX or PX";

/// The options behind the fixed arguments of a `KV.` command.
struct Options {
    level: Option<Level>,
    expiry: Option<ExpiryRequest>,
    version: Option<Version>,
    meta: bool,
}

impl Connection {
    /// The options from argument `from` on.
    fn kv_options(
        &mut self,
        args: &Args<'_>,
        from: usize,
        access: Access,
        effects: &mut Effects,
    ) -> Result<Options, Replied> {
        let mut options = Options { level: None, expiry: None, version: None, meta: false };
        let mut at = from;
        while at < args.len() {
            let has_more = at + 1 < args.len();
            if args.is(at, "META") {
                options.meta = true;
                at += 1;
            } else if args.is(at, "LEVEL") && has_more {
                options.level = Some(self.level(args, at + 1, effects)?);
                at += 2;
            } else if args.is(at, "VERSION") && has_more && access != Access::Read {
                options.version = Some(self.version(args, at + 1, effects)?);
                at += 2;
            } else if access == Access::Write && options.expiry.is_none() {
                let len = if args.is(at, "KEEPTTL") { 1 } else { 2 };
                let upto = args.upto(at + len);
                options.expiry = self.expiry_options(&upto, at, "kv.put", effects)?;
                at += len;
            } else {
                self.syntax_error(effects);
                return Err(Replied);
            }
        }
        Ok(options)
    }

    fn level(&mut self, args: &Args<'_>, at: usize, effects: &mut Effects) -> Result<Level, Replied> {
        args.text(at).parse().map_err(|invalid: LevelInvalid| {
            self.error(&format!("ERR {invalid}"), effects);
            Replied
        })
    }

    fn version(&mut self, args: &Args<'_>, at: usize, effects: &mut Effects) -> Result<Version, Replied> {
        args.text(at).parse().map_err(|invalid| {
            self.error(&format!("ERR {invalid}"), effects);
            Replied
        })
    }

    pub(super) fn kv_get(&mut self, args: &Args<'_>, effects: &mut Effects) {
        let Ok(options) = self.kv_options(args, 2, Access::Read, effects) else { return };
        let (key, mut terms) = (args.bytes(1), self.terms());
        terms.read = options.level.or(terms.read);
        let shape = if options.meta { Shape::GetMeta } else { Shape::Get };
        self.begin(shape, key, terms, |key| terms.get(key), effects);
    }

    pub(super) fn kv_put(&mut self, args: &Args<'_>, effects: &mut Effects) {
        let Ok(options) = self.kv_options(args, 3, Access::Write, effects) else { return };
        if options.version.is_some() && matches!(options.expiry, Some(ExpiryRequest::TtlMs(_))) {
            return self.error(RELATIVE_EXPIRY, effects);
        }
        let (key, mut terms) = (args.bytes(1), self.terms());
        (terms.write, terms.version) = (options.level.or(terms.write), options.version);
        let shape = if options.meta { Shape::PutMeta } else { Shape::Set };
        self.begin(
            shape,
            key,
            terms,
            |key| terms.put(key, args.bytes(2), options.expiry.unwrap_or_default()),
            effects,
        );
    }

    pub(super) fn kv_del(&mut self, args: &Args<'_>, effects: &mut Effects) {
        // A delete has no expiry: what a write of a value may say of it is no option here.
        let Ok(options) = self.kv_options(args, 2, Access::None, effects) else { return };
        let (key, mut terms) = (args.bytes(1), self.terms());
        (terms.write, terms.version) = (options.level.or(terms.write), options.version);
        let shape = if options.meta { Shape::PutMeta } else { Shape::Set };
        self.begin(shape, key, terms, |key| terms.delete(key), effects);
    }

    pub(super) fn kv_consistency(&mut self, args: &Args<'_>, effects: &mut Effects) {
        let (mut read, mut write) = (self.session.read, self.session.write);
        for at in (1..args.len()).step_by(2) {
            if at + 1 == args.len() || !(args.is(at, "READ") || args.is(at, "WRITE")) {
                return self.syntax_error(effects);
            }
            let Ok(level) = self.level(args, at + 1, effects) else { return };
            if args.is(at, "READ") { read = Some(level) } else { write = Some(level) }
        }
        (self.session.read, self.session.write) = (read, write);
        if args.len() > 1 {
            return self.ok();
        }
        let terms = self.terms();
        let word =
            |level: Option<Level>| level.map_or("the keyspace's".to_owned(), |level| level.to_string());
        self.reply(|w| {
            w.map(2);
            for (name, level) in [("read", terms.read), ("write", terms.write)] {
                w.bulk(name.as_bytes());
                w.bulk(word(level).as_bytes());
            }
        });
    }

    pub(super) fn kv_receipt(&mut self, args: &Args<'_>, effects: &mut Effects) {
        match args.len() {
            1 => {
                self.push(Work::Before(Before::Receipt));
                self.settle(effects);
            }
            2 if args.is(1, "ON") || args.is(1, "OFF") => {
                self.session.receipts = args.is(1, "ON");
                self.ok();
            }
            _ => self.syntax_error(effects),
        }
    }
}
