//! Commands about when keys expire. All times are absolute from the coordinator on.

use quorate_wire::ExpiryRequest;

use super::Connection;
use crate::effects::Effects;
use crate::parse::Args;
use crate::part::Shape;
use crate::table::{ExpireUnit, TimeUnit};

/// An error was replied: there is nothing more to do.
pub(super) struct Replied;

/// A positive time to live.
pub(super) fn ttl(time: i64, unit: TimeUnit) -> Option<ExpiryRequest> {
    positive(time, unit).map(ExpiryRequest::TtlMs)
}

fn at(time: i64, unit: TimeUnit) -> Option<ExpiryRequest> {
    positive(time, unit).map(ExpiryRequest::AtMs)
}

/// Milliseconds, if that is positive and a wall clock could still count them on.
fn positive(time: i64, unit: TimeUnit) -> Option<u64> {
    let time = u64::try_from(time).ok().filter(|time| *time > 0)?;
    let ms = match unit {
        TimeUnit::Seconds => time.checked_mul(1_000)?,
        TimeUnit::Milliseconds => time,
    };
    (ms < i64::MAX as u64 / 2).then_some(ms)
}

impl Connection {
    #[cold]
    pub(super) fn invalid_expire_time(&mut self, name: &str, effects: &mut Effects) {
        self.error(&format!("ERR invalid expire time in '{name}' command"), effects);
    }

    /// The options from argument `from` on: `EX`, `PX`, `EXAT`, `PXAT`, `KEEPTTL` or `PERSIST`, one of them at most.
    pub(super) fn expiry_options(
        &mut self,
        args: &Args<'_>,
        from: usize,
        name: &str,
        effects: &mut Effects,
    ) -> Result<Option<ExpiryRequest>, Replied> {
        let word = |word: &str| args.is(from, word);
        let keeps = name != "getex" && from < args.len() && word("KEEPTTL");
        let persists = name == "getex" && from < args.len() && word("PERSIST");
        match args.len().checked_sub(from) {
            Some(0) => return Ok(None),
            Some(1) if keeps => return Ok(Some(ExpiryRequest::Keep)),
            Some(1) if persists => return Ok(Some(ExpiryRequest::Never)),
            Some(2) if ["EX", "PX", "EXAT", "PXAT"].iter().any(|option| word(option)) => {}
            _ => {
                self.syntax_error(effects);
                return Err(Replied);
            }
        }
        let Some(time) = args.integer(from + 1) else {
            self.not_a_number(effects);
            return Err(Replied);
        };
        let unit = if word("EX") || word("EXAT") { TimeUnit::Seconds } else { TimeUnit::Milliseconds };
        let expiry = if word("EX") || word("PX") { ttl(time, unit) } else { at(time, unit) };
        if expiry.is_none() {
            self.invalid_expire_time(name, effects);
            return Err(Replied);
        }
        Ok(expiry)
    }

    pub(super) fn expire(&mut self, unit: ExpireUnit, args: &Args<'_>, effects: &mut Effects) {
        let Some(time) = args.integer(2) else { return self.not_a_number(effects) };
        if args.len() > 3 {
            return self.conditional_expire(args, effects);
        }
        let (ms_each, relative) = match unit {
            ExpireUnit::InSeconds => (1_000, true),
            ExpireUnit::InMilliseconds => (1, true),
            ExpireUnit::AtSeconds => (1_000, false),
            ExpireUnit::AtMilliseconds => (1, false),
        };
        let ms = time.checked_mul(ms_each).filter(|ms| ms.unsigned_abs() < i64::MAX as u64 / 2);
        let Some(ms) = ms else {
            let name = args.text(0).to_lowercase();
            return self.invalid_expire_time(&name, effects);
        };
        // A time in the past deletes, as in Redis: hidden from now on, and gone with the next write.
        let past = u64::try_from(ms).unwrap_or(0);
        let expiry = if relative { ExpiryRequest::TtlMs(past) } else { ExpiryRequest::AtMs(past) };
        let (key, terms) = (args.bytes(1), self.terms());
        let body = terms.expire(key.clone(), expiry);
        self.begin(Shape::Expire, key, terms, body, effects);
    }

    #[cold]
    fn conditional_expire(&mut self, args: &Args<'_>, effects: &mut Effects) {
        for at in 3..args.len() {
            if !["NX", "XX", "GT", "LT"].iter().any(|word| args.is(at, word)) {
                return self.error(&format!("ERR Unsupported option {}", args.text(at)), effects);
            }
        }
        effects.counts.refused += 1;
        let (name, option) = (args.text(0).to_uppercase(), args.text(3).to_uppercase());
        let why = crate::table::Why::ReadModifyWrite.sentence();
        self.error(&format!("ERR {name} {option} is not offered: {why}."), effects);
    }

    pub(super) fn persist(&mut self, args: &Args<'_>, effects: &mut Effects) {
        let (key, terms) = (args.bytes(1), self.terms());
        let body = terms.get(key.clone());
        self.begin(Shape::Persist { expires: false }, key, terms, body, effects);
    }

    pub(super) fn get_ex(&mut self, args: &Args<'_>, effects: &mut Effects) {
        let Ok(expiry) = self.expiry_options(args, 2, "getex", effects) else { return };
        let Some(expiry) = expiry else { return self.get(args, effects) };
        let (key, terms) = (args.bytes(1), self.terms());
        let body = terms.get(key.clone());
        self.begin(Shape::GetEx { expiry, found: None }, key, terms, body, effects);
    }
}
