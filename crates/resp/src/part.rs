//! One request of a command, from its key to its reply.
//!
//! Most commands are one request; some are two on the same key, the second after the first has been answered (`DEL`
//! reads to count; `GETEX` reads, then sets the expiry). The key stays taken from the first to the last.

use bytes::Bytes;
use quorate_types::{KeyspaceId, Level, ReadOutcome, Record, Version, WriteOutcome};
use quorate_wire::{ExpiryRequest, RequestBody, ResponseBody};

use crate::encode::Writer;
use crate::order::Mode;
use crate::outcome;
use crate::settings::About;
use crate::table::TimeUnit;

/// What is asked and how the answer is replied.
#[derive(Debug)]
pub(crate) enum Shape {
    Get,
    Strlen,
    GetRange {
        start: i64,
        end: i64,
    },
    Type,
    Ttl(TimeUnit),
    ExpireTime(TimeUnit),
    /// 1 or 0.
    Exists,
    Usage {
        key_bytes: usize,
    },
    /// A write that is replied to with `OK`.
    Set,
    /// A write that is replied to with what became of it.
    PutMeta,
    /// A delete without a read.
    Unlink,
    Expire,
    /// A read, then a delete.
    Del {
        existed: Option<bool>,
    },
    /// A read, then a change of the expiry.
    GetEx {
        expiry: ExpiryRequest,
        found: Option<Box<Record>>,
    },
    /// A read, then, if it expires, a change of the expiry.
    Persist {
        expires: bool,
    },
    GetMeta,
    Explain,
}

impl Shape {
    /// Whether a second request on the key may follow from the answer.
    pub(crate) fn may_ask_again(&self) -> bool {
        matches!(self, Shape::Del { .. } | Shape::GetEx { .. } | Shape::Persist { .. })
    }
}

/// Where requests go and what they need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) keyspace: KeyspaceId,
    pub(crate) read: Option<Level>,
    pub(crate) write: Option<Level>,
    /// That of the first attempt, if this is a retry.
    pub(crate) version: Option<Version>,
}

impl Terms {
    pub(crate) fn get(self, key: Bytes) -> RequestBody {
        RequestBody::Get { keyspace: self.keyspace, key, level: self.read }
    }

    pub(crate) fn put(self, key: Bytes, value: Bytes, expiry: ExpiryRequest) -> RequestBody {
        let Terms { keyspace, write: level, version, .. } = self;
        RequestBody::Put { keyspace, key, value, level, expiry, version }
    }

    pub(crate) fn delete(self, key: Bytes) -> RequestBody {
        RequestBody::Delete { keyspace: self.keyspace, key, level: self.write, version: self.version }
    }

    pub(crate) fn expire(self, key: Bytes, expiry: ExpiryRequest) -> RequestBody {
        let Terms { keyspace, read, write, .. } = self;
        RequestBody::Expire { keyspace, key, expiry, read, write, version: None }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) shape: Shape,
    pub(crate) token: u64,
    pub(crate) mode: Mode,
    /// Empty if nobody needs it any more: no second request, and no error that names it.
    key: Bytes,
    terms: Terms,
    answer: Option<ResponseBody>,
}

impl Part {
    pub(crate) fn new(shape: Shape, token: u64, key: Bytes, terms: Terms) -> Part {
        let mode = match shape {
            Shape::Get
            | Shape::Strlen
            | Shape::GetRange { .. }
            | Shape::Type
            | Shape::Ttl(_)
            | Shape::ExpireTime(_)
            | Shape::Exists
            | Shape::Usage { .. }
            | Shape::GetMeta
            | Shape::Explain => Mode::Read,
            Shape::Set
            | Shape::PutMeta
            | Shape::Unlink
            | Shape::Expire
            | Shape::Del { .. }
            | Shape::GetEx { .. }
            | Shape::Persist { .. } => Mode::Write,
        };
        Part { shape, token, mode, key, terms, answer: None }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.answer.is_some()
    }

    /// Whether its answer, or the first of them, is a value: of a size that nobody knows before.
    pub(crate) fn reads(&self) -> bool {
        !matches!(self.shape, Shape::Set | Shape::PutMeta | Shape::Unlink | Shape::Expire)
    }

    /// Bytes of the value that is kept for the reply.
    pub(crate) fn value_bytes(&self) -> usize {
        self.value().map_or(0, Bytes::len)
    }

    /// There will be no reply made of the value.
    pub(crate) fn let_value_go(&mut self) {
        if let Some(ResponseBody::Read(ReadOutcome::Found { record })) = &mut self.answer {
            record.value = None;
        }
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Takes an answer; the request that follows from it, if one does.
    pub(crate) fn take(&mut self, body: ResponseBody) -> Option<RequestBody> {
        if let ResponseBody::Read(outcome) = &body {
            let readable = outcome::error(&body).is_none();
            match (&mut self.shape, outcome) {
                (Shape::Del { existed: existed @ None }, outcome) if readable => {
                    *existed = Some(matches!(outcome, ReadOutcome::Found { .. }));
                    return Some(self.terms.delete(self.key.clone()));
                }
                (Shape::GetEx { expiry, found: found @ None }, ReadOutcome::Found { record }) => {
                    *found = Some(Box::new(record.clone()));
                    return Some(self.terms.expire(self.key.clone(), *expiry));
                }
                (Shape::Persist { expires }, ReadOutcome::Found { record })
                    if !*expires && record.expiry.at_ms.is_some() =>
                {
                    *expires = true;
                    return Some(self.terms.expire(self.key.clone(), ExpiryRequest::Never));
                }
                _ => {}
            }
        }
        self.answer = Some(body);
        if matches!(self.shape, Shape::Exists | Shape::Type | Shape::Ttl(_) | Shape::ExpireTime(_)) {
            self.let_value_go();
        }
        None
    }

    /// Why it failed, if it did.
    pub(crate) fn error(&self) -> Option<String> {
        self.answer.as_ref().and_then(outcome::error)
    }

    /// How many replicas had the write when it was answered; `None`: it was none, or failed.
    pub(crate) fn acked(&self) -> Option<u8> {
        match &self.answer {
            Some(ResponseBody::Write(WriteOutcome::Written { acked, .. })) => Some(*acked),
            _ => None,
        }
    }

    /// Whether it was a read that found something, or found nothing.
    pub(crate) fn hit(&self) -> Option<bool> {
        match (&self.answer, self.mode) {
            (Some(ResponseBody::Read(outcome)), Mode::Read) => match outcome {
                ReadOutcome::Found { .. } => Some(true),
                ReadOutcome::Deleted { .. } | ReadOutcome::NotFound { .. } => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    fn record(&self) -> Option<&Record> {
        match &self.answer {
            Some(ResponseBody::Read(ReadOutcome::Found { record })) => Some(record),
            _ => None,
        }
    }

    /// The value that was read.
    pub(crate) fn value(&self) -> Option<&Bytes> {
        let kept = if let Shape::GetEx { found, .. } = &self.shape { found.as_deref() } else { None };
        kept.or(self.record()).and_then(|record| record.value.as_ref())
    }

    /// What it adds to a count of keys.
    pub(crate) fn count(&self) -> i64 {
        match &self.shape {
            Shape::Exists => i64::from(self.record().is_some()),
            Shape::Del { existed } => i64::from(*existed == Some(true)),
            _ => 1,
        }
    }

    /// The reply of the node of `about`; `wall_ms` is now.
    pub(crate) fn reply(&self, about: &About, wall_ms: u64, w: &mut Writer<'_>) {
        if let Some(error) = self.error() {
            return w.error(&error);
        }
        let (record, value) = (self.record(), self.value());
        match &self.shape {
            Shape::Get | Shape::GetEx { .. } => w.bulk_or_null(value.map(|value| &value[..])),
            Shape::Strlen => w.count(value.map_or(0, |value| value.len() as u64)),
            Shape::GetRange { start, end } => w.bulk(value.map_or(&[], |value| range(value, *start, *end))),
            Shape::Type => w.status(if record.is_some() { "string" } else { "none" }),
            Shape::Ttl(unit) => w.integer(record.map_or(-2, |record| ttl(record, *unit, wall_ms))),
            Shape::ExpireTime(unit) => w.integer(record.map_or(-2, |record| expire_time(record, *unit))),
            Shape::Exists | Shape::Del { .. } | Shape::Unlink => w.integer(self.count()),
            Shape::Usage { key_bytes } => match value {
                Some(value) => w.count(usage(*key_bytes, value.len())),
                None => w.null(),
            },
            Shape::Set => w.status("OK"),
            Shape::Expire | Shape::Persist { .. } => w.integer(i64::from(self.acked().is_some())),
            Shape::PutMeta | Shape::GetMeta | Shape::Explain => self.reply_own(about, w),
        }
    }

    fn reply_own(&self, about: &About, w: &mut Writer<'_>) {
        match &self.answer {
            Some(ResponseBody::Write(outcome)) => crate::own::written(outcome, w),
            Some(ResponseBody::Read(outcome)) => crate::own::read(outcome, w),
            Some(ResponseBody::Explain(explanation)) => crate::own::explained(explanation, about, w),
            _ => w.null(),
        }
    }
}

/// `value` from `start` to `end`, both included, counted from the end if negative.
fn range(value: &[u8], start: i64, end: i64) -> &[u8] {
    let len = signed(value.len() as u64);
    let place = |at: i64| if at < 0 { (len + at).max(0) } else { at };
    if start < 0 && end < 0 && start > end {
        return &[];
    }
    let (start, end) = (place(start), place(end).min(len - 1));
    if start > end || len == 0 { &[] } else { &value[start as usize..=end as usize] }
}

fn ttl(record: &Record, unit: TimeUnit, wall_ms: u64) -> i64 {
    let Some(at) = record.expiry.at_ms else { return -1 };
    let left = at.saturating_sub(wall_ms);
    signed(match unit {
        // As Redis rounds.
        TimeUnit::Seconds => left.saturating_add(500) / 1_000,
        TimeUnit::Milliseconds => left,
    })
}

fn expire_time(record: &Record, unit: TimeUnit) -> i64 {
    let Some(at) = record.expiry.at_ms else { return -1 };
    signed(match unit {
        TimeUnit::Seconds => at.saturating_add(500) / 1_000,
        TimeUnit::Milliseconds => at,
    })
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Key, value, their header in the bucket, and the slot and allocation that hold them.
fn usage(key_bytes: usize, value_bytes: usize) -> u64 {
    const HEADER_SLOT_ALLOCATION: usize = 13 + 2 + 18 + 16;
    (key_bytes + value_bytes + HEADER_SLOT_ALLOCATION) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_counted_from_either_end_and_never_goes_beyond() {
        let cut = |start, end| std::str::from_utf8(range(b"This is a string", start, end)).unwrap();
        assert_eq!(cut(0, 3), "This");
        assert_eq!(cut(-3, -1), "ing");
        assert_eq!(cut(0, -1), "This is a string");
        assert_eq!(cut(10, 100), "string");
        assert_eq!((cut(5, 3), cut(-1, -5), cut(100, 200)), ("", "", ""));
        assert_eq!(cut(i64::MIN, i64::MAX), "This is a string");
        assert_eq!(range(b"", 0, -1), b"");
    }
}
