//! Commands about when keys expire. All times are absolute from the coordinator on.

use quorate_wire::ExpiryRequest;

use super::Connection;
use crate::effects::Effects;
use crate::parse::Args;
use crate::part::Shape;
use crate::table::{ExpireUnit, TimeUnit};

/// An error was replied: there is nothing more to do.
pub(super) struct Replied;

/// A positive time to live from `wall_ms` on, whose end is a time that a reply can tell.
pub(super) fn ttl(time: i64, unit: TimeUnit, wall_ms: u64) -> Option<ExpiryRequest> {
    let ms = positive(time, unit)?;
    ends_in_time(ms, wall_ms).then_some(ExpiryRequest::TtlMs(ms))
}

fn at(time: i64, unit: TimeUnit) -> Option<ExpiryRequest> {
    positive(time, unit).map(ExpiryRequest::AtMs)
}

/// Milliseconds, if that is positive.
fn positive(time: i64, unit: TimeUnit) -> Option<u64> {
    let ms = match unit {
        TimeUnit::Seconds => time.checked_mul(1_000)?,
        TimeUnit::Milliseconds => time,
    };
    u64::try_from(ms).ok().filter(|ms| *ms > 0)
}

fn ends_in_time(ms: u64, wall_ms: u64) -> bool {
    ms.checked_add(wall_ms).is_some_and(|end| i64::try_from(end).is_ok())
}

impl Connection {
    #[cold]
    pub(super) fn invalid_expire_time(&mut self, name: &str, effects: &mut Effects) {
        self.error(&format!("ERR invalid expire time in '{name}' command"), effects);
    }

    /// The options from argument `from` on: `EX`, `PX`, `EXAT`, `PXAT`, `KEEPTTL` or `PERSIST`, one of them at most; if it
    /// stands there several times, the last counts.
    pub(super) fn expiry_options(
        &mut self,
        args: &Args<'_>,
        from: usize,
        name: &str,
        effects: &mut Effects,
    ) -> Result<Option<ExpiryRequest>, Replied> {
        let (flag, flagged) = match name {
            "getex" => ("PERSIST", ExpiryRequest::Never),
            _ => ("KEEPTTL", ExpiryRequest::Keep),
        };
        let mut left = from..args.len();
        if left.is_empty() {
            return Ok(None);
        }
        if left.all(|at| args.is(at, flag)) {
            return Ok(Some(flagged));
        }
        let option = ["EX", "PX", "EXAT", "PXAT"].into_iter().find(|option| args.is(from, option));
        let count = args.len() - from;
        let again = |option: &str| (from..args.len()).step_by(2).all(|at| args.is(at, option));
        if !count.is_multiple_of(2) || !option.is_some_and(again) {
            self.syntax_error(effects);
            return Err(Replied);
        }
        let Some(time) = args.integer(args.len() - 1) else {
            self.not_a_number(effects);
            return Err(Replied);
        };
        let word = |word: &str| args.is(from, word);
        let unit = if word("EX") || word("EXAT") { TimeUnit::Seconds } else { TimeUnit::Milliseconds };
        let relative = word("EX") || word("PX");
        let expiry = if relative { ttl(time, unit, self.now.wall_ms) } else { at(time, unit) };
        if expiry.is_none() {
            self.invalid_expire_time(name, effects);
            return Err(Replied);
        }
        Ok(expiry)
    }

    pub(super) fn expire(&mut self, unit: ExpireUnit, args: &Args<'_>, effects: &mut Effects) {
        let conditional = args.len() > 3;
        if conditional && self.expire_condition_is_wrong(args, effects) {
            return;
        }
        let Some(time) = args.integer(2) else { return self.not_a_number(effects) };
        let (ms_each, relative) = match unit {
            ExpireUnit::InSeconds => (1_000, true),
            ExpireUnit::InMilliseconds => (1, true),
            ExpireUnit::AtSeconds => (1_000, false),
            ExpireUnit::AtMilliseconds => (1, false),
        };
        // A time in the past deletes, as in Redis: hidden from now on, and gone with the next write.
        let ms = time.checked_mul(ms_each).map(|ms| u64::try_from(ms).unwrap_or(0));
        let Some(ms) = ms.filter(|ms| !relative || ends_in_time(*ms, self.now.wall_ms)) else {
            let name = args.text(0).to_lowercase();
            return self.invalid_expire_time(&name, effects);
        };
        if conditional {
            return self.needs_compare_and_set(&[args.text(0), args.text(3)], effects);
        }
        let expiry = if relative { ExpiryRequest::TtlMs(ms) } else { ExpiryRequest::AtMs(ms) };
        let (key, terms) = (args.bytes(1), self.terms());
        self.begin(Shape::Expire, key, terms, |key| terms.expire(key, expiry), effects);
    }

    /// Whether what follows the time is no condition, or are two that exclude each other; if so, that was replied.
    #[cold]
    fn expire_condition_is_wrong(&mut self, args: &Args<'_>, effects: &mut Effects) -> bool {
        let options = 3..args.len();
        let known = |at: usize| ["NX", "XX", "GT", "LT"].iter().any(|word| args.is(at, word));
        if let Some(at) = options.clone().find(|at| !known(*at)) {
            self.error(&format!("ERR Unsupported option {}", args.text(at)), effects);
            return true;
        }
        let has = |word: &str| options.clone().any(|at| args.is(at, word));
        let together = if has("NX") && (has("XX") || has("GT") || has("LT")) {
            "NX and XX, GT or LT"
        } else if has("GT") && has("LT") {
            "GT and LT"
        } else {
            return false;
        };
        self.error(&format!("ERR {together} options at the same time are not compatible"), effects);
        true
    }

    /// Refuses a command for its option.
    #[cold]
    pub(super) fn needs_compare_and_set(&mut self, name_and_option: &[String; 2], effects: &mut Effects) {
        effects.counts.refused += 1;
        let words = name_and_option.join(" ").to_uppercase();
        let why = crate::table::Why::ReadModifyWrite.sentence();
        self.error(&format!("ERR {words} is not offered: {why}."), effects);
    }

    pub(super) fn persist(&mut self, args: &Args<'_>, effects: &mut Effects) {
        let (key, terms) = (args.bytes(1), self.terms());
        self.begin(Shape::Persist { expires: false }, key, terms, |key| terms.get(key), effects);
    }

    pub(super) fn get_ex(&mut self, args: &Args<'_>, effects: &mut Effects) {
        let Ok(expiry) = self.expiry_options(args, 2, "getex", effects) else { return };
        let Some(expiry) = expiry else { return self.get(args, effects) };
        let (key, terms) = (args.bytes(1), self.terms());
        self.begin(Shape::GetEx { expiry, found: None }, key, terms, |key| terms.get(key), effects);
    }
}
