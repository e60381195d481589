//! Commands on keys and their values.

use bytes::Bytes;
use quorate_wire::{ExpiryRequest, RequestBody};

use super::Connection;
use crate::effects::Effects;
use crate::parse::Args;
use crate::part::{Part, Shape, Terms};
use crate::pending::{Before, Together, Work};
use crate::scan::{Scan, Wanted};
use crate::table::{Command, TimeUnit, Verb};

/// What `SCAN` gives if it is not told how much.
const SCAN_COUNT_DEFAULT: usize = 10;
/// The most that it gives in one call.
pub(crate) const SCAN_COUNT_MAX: i64 = 100_000;

impl Connection {
    pub(super) fn get(&mut self, args: &Args<'_>, effects: &mut Effects) {
        self.read(Shape::Get, args.bytes(1), effects);
    }

    fn read(&mut self, shape: Shape, key: Bytes, effects: &mut Effects) {
        let terms = self.terms();
        self.begin(shape, key, terms, |key| terms.get(key), effects);
    }

    pub(super) fn put(
        &mut self,
        shape: Shape,
        args: (Bytes, Bytes),
        expiry: ExpiryRequest,
        effects: &mut Effects,
    ) {
        let ((key, value), terms) = (args, self.terms());
        self.begin(shape, key, terms, |key| terms.put(key, value, expiry), effects);
    }

    pub(super) fn set(&mut self, args: &Args<'_>, effects: &mut Effects) {
        if args.len() == 3 {
            return self.put(Shape::Set, (args.bytes(1), args.bytes(2)), ExpiryRequest::Never, effects);
        }
        let conditions = conditions(args);
        if !conditions.is_empty() {
            return self.conditional_set(&conditions, args, effects);
        }
        let Ok(expiry) = self.expiry_options(args, 3, "set", effects) else { return };
        let expiry = expiry.unwrap_or(ExpiryRequest::Never);
        self.put(Shape::Set, (args.bytes(1), args.bytes(2)), expiry, effects);
    }

    /// Refused, unless something else is wrong with it, which Redis says first.
    #[cold]
    fn conditional_set(&mut self, conditions: &[usize], args: &Args<'_>, effects: &mut Effects) {
        let has = |word: &str| conditions.iter().any(|at| args.is(*at, word));
        if has("NX") && has("XX") {
            return self.syntax_error(effects);
        }
        let rest = args.spans_but(conditions);
        if self.expiry_options(&args.with(&rest), 3, "set", effects).is_ok() {
            self.needs_compare_and_set(&[args.text(0), args.text(conditions[0])], effects);
        }
    }

    pub(super) fn set_ex(&mut self, unit: TimeUnit, args: &Args<'_>, effects: &mut Effects) {
        let name = if unit == TimeUnit::Seconds { "setex" } else { "psetex" };
        let Some(time) = args.integer(2) else { return self.not_a_number(effects) };
        let Some(ttl) = super::expiring::ttl(time, unit, self.now.wall_ms) else {
            return self.invalid_expire_time(name, effects);
        };
        self.put(Shape::Set, (args.bytes(1), args.bytes(3)), ttl, effects);
    }

    pub(super) fn mget(&mut self, args: &Args<'_>, effects: &mut Effects) {
        self.on_each(Together::Values, args, effects, || Shape::Get);
    }

    pub(super) fn exists(&mut self, args: &Args<'_>, effects: &mut Effects) {
        self.on_each(Together::Count, args, effects, || Shape::Exists);
    }

    pub(super) fn del(&mut self, args: &Args<'_>, effects: &mut Effects) {
        self.on_each(Together::Count, args, effects, || Shape::Del { existed: None });
    }

    pub(super) fn unlink(&mut self, args: &Args<'_>, effects: &mut Effects) {
        self.on_each(Together::Count, args, effects, || Shape::Unlink);
    }

    /// One request for each argument, which is a key.
    fn on_each(
        &mut self,
        together: Together,
        args: &Args<'_>,
        effects: &mut Effects,
        shape: impl Fn() -> Shape,
    ) {
        let terms = self.terms();
        let ask = if matches!(shape(), Shape::Unlink) { Terms::delete } else { Terms::get };
        if args.len() == 2 && together != Together::Values {
            return self.begin(shape(), args.bytes(1), terms, |key| ask(terms, key), effects);
        }
        let (mut parts, mut asks) = (Vec::with_capacity(args.len() - 1), Vec::with_capacity(args.len() - 1));
        for at in 1..args.len() {
            let key = args.bytes(at);
            asks.push(ask(terms, key.clone()));
            parts.push(Part::new(shape(), self.token(&key), key, terms));
        }
        self.begin_many(together, parts, asks, effects);
    }

    pub(super) fn mset(&mut self, args: &Args<'_>, effects: &mut Effects) {
        if args.len().is_multiple_of(2) {
            return self.wrong_arity("mset", effects);
        }
        let (terms, pairs) = (self.terms(), args.len() / 2);
        let (mut parts, mut asks) = (Vec::with_capacity(pairs), Vec::with_capacity(pairs));
        for at in (1..args.len()).step_by(2) {
            let key = args.bytes(at);
            asks.push(terms.put(key.clone(), args.bytes(at + 1), ExpiryRequest::Never));
            parts.push(Part::new(Shape::Set, self.token(&key), key, terms));
        }
        self.begin_many(Together::Written, parts, asks, effects);
    }

    /// Commands that read one key and say something of it.
    pub(super) fn look(&mut self, command: &Command, args: &Args<'_>, effects: &mut Effects) {
        let (at, shape) = match command.verb {
            Verb::Strlen => (1, Shape::Strlen),
            Verb::Type => (1, Shape::Type),
            Verb::Ttl(unit) => (1, Shape::Ttl(unit)),
            Verb::ExpireTime(unit) => (1, Shape::ExpireTime(unit)),
            _ => (2, Shape::Usage { key_bytes: args.at(2).len() }),
        };
        if at == 2 && args.len() > 3 {
            match (args.len() == 5 && args.is(3, "SAMPLES")).then(|| args.integer(4)) {
                None | Some(Some(..0)) => return self.syntax_error(effects),
                Some(None) => return self.not_a_number(effects),
                Some(Some(_)) => {}
            }
        }
        self.read(shape, args.bytes(at), effects);
    }

    pub(super) fn get_range(&mut self, args: &Args<'_>, effects: &mut Effects) {
        let (Some(start), Some(end)) = (args.integer(2), args.integer(3)) else {
            return self.not_a_number(effects);
        };
        self.read(Shape::GetRange { start, end }, args.bytes(1), effects);
    }

    pub(super) fn kv_explain(&mut self, args: &Args<'_>, effects: &mut Effects) {
        let (key, terms) = (args.bytes(1), self.terms());
        self.begin(
            Shape::Explain,
            key,
            terms,
            |key| RequestBody::Explain { keyspace: terms.keyspace, key },
            effects,
        );
    }

    pub(super) fn wait(&mut self, args: &Args<'_>, effects: &mut Effects) {
        match (args.integer(1), args.integer(2)) {
            (None, _) => self.not_a_number(effects),
            (_, None) => self.error("ERR timeout is not an integer or out of range", effects),
            (_, Some(..0)) => self.error("ERR timeout is negative", effects),
            _ => {
                self.push(Work::Before(Before::Acked));
                self.settle(effects);
            }
        }
    }

    pub(super) fn scan(&mut self, args: &Args<'_>, effects: &mut Effects) {
        let cursor = std::str::from_utf8(args.at(1)).ok().and_then(|text| text.parse::<u64>().ok());
        let Some(cursor) = cursor.filter(|cursor| *cursor < 1 << 63) else {
            return self.error("ERR invalid cursor", effects);
        };
        let mut wanted = Wanted { cursor, pattern: None, count: SCAN_COUNT_DEFAULT, strings: true };
        let mut at = 2;
        while at < args.len() {
            if at + 1 == args.len() {
                return self.syntax_error(effects);
            }
            if args.is(at, "MATCH") {
                wanted.pattern = Some(args.bytes(at + 1)).filter(|pattern| &pattern[..] != b"*");
            } else if args.is(at, "COUNT") {
                match args.integer(at + 1) {
                    None => return self.not_a_number(effects),
                    Some(..1) => return self.syntax_error(effects),
                    Some(count) => wanted.count = count.min(SCAN_COUNT_MAX) as usize,
                }
            } else if args.is(at, "TYPE") {
                wanted.strings = args.is(at + 1, "string");
            } else {
                return self.syntax_error(effects);
            }
            at += 2;
        }
        let place = (self.settings.keyspace, self.settings.hash_seed);
        self.begin_scan(Scan::new(place, self.terms().read, wanted), effects);
    }
}

/// Where in a `SET` the options stand that need compare-and-set.
fn conditions(args: &Args<'_>) -> Vec<usize> {
    let (mut found, mut at) = (Vec::new(), 3);
    while at < args.len() {
        let is_one_of = |words: &[&str]| words.iter().any(|word| args.is(at, word));
        if is_one_of(&["NX", "XX", "GET"]) {
            found.push(at);
        }
        at += if is_one_of(&["EX", "PX", "EXAT", "PXAT"]) { 2 } else { 1 };
    }
    found
}
