//! `SCAN`: all keys, a partition after the other, with a cursor that any node goes on with.
//!
//! The cursor is a place on the ring: the first 63 bits of the token at which to go on (so that clients with signed
//! numbers take it); 0 is the beginning and the end. Nothing is kept between two calls.
//!
//! Invariants:
//! - a key that is there from the first call to the last is returned, if fewer keys than a page holds share the 63
//!   bits of a token; it may be returned twice, as in Redis;
//! - one call looks at [`PARTITIONS_MAX`] partitions at most, [`WINDOW_MAX`] of them at one time, whatever it finds.

use bytes::Bytes;
use quorate_types::{KeyspaceId, Level, PARTITIONS, PageStart, PartitionId, Token};
use quorate_wire::{PageOutcome, RequestBody, ResponseBody};

use crate::encode::Writer;
use crate::{glob, outcome};

/// Partitions that one call looks at.
const PARTITIONS_MAX: usize = 512;
/// Partitions that are looked at in one go; it begins with one and doubles while little is found.
const WINDOW_MAX: usize = 64;
/// Entries of one page; `COUNT` may ask for fewer.
const PAGE_ENTRIES_MAX: u32 = 1_000;

/// What a scan looks for.
#[derive(Debug)]
pub(crate) struct Scan {
    keyspace: KeyspaceId,
    level: Option<Level>,
    hash_seed: u64,
    pattern: Option<Bytes>,
    /// Keys that suffice.
    count: usize,
    /// Whether keys of the wanted type can exist.
    strings: bool,
    /// Where the first page of the window began.
    from: Token,
    pages: Vec<Option<ResponseBody>>,
    window: usize,
    looked_at: usize,
    found: Vec<Bytes>,
    seen: usize,
    end: Option<Result<u64, String>>,
}

/// What a command asks for.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) cursor: u64,
    pub(crate) pattern: Option<Bytes>,
    pub(crate) count: usize,
    pub(crate) strings: bool,
}

impl Scan {
    pub(crate) fn new(
        (keyspace, hash_seed): (KeyspaceId, u64),
        level: Option<Level>,
        wanted: Wanted,
    ) -> Scan {
        let Wanted { cursor, pattern, count, strings } = wanted;
        Scan {
            keyspace,
            level,
            hash_seed,
            pattern,
            count,
            strings,
            from: Token(cursor << 1),
            pages: Vec::new(),
            window: 1,
            looked_at: 0,
            found: Vec::new(),
            seen: 0,
            end: None,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.end.is_some()
    }

    /// The pages to ask for next, none if the scan is done.
    pub(crate) fn next_pages(&mut self) -> Vec<RequestBody> {
        if self.end.is_some() {
            return Vec::new();
        }
        let first = usize::from(self.from.partition().0);
        let pages = self.window.min(PARTITIONS - first);
        self.pages = vec![None; pages];
        (first..first + pages).map(|partition| self.page(partition, first)).collect()
    }

    fn page(&self, partition: usize, first: usize) -> RequestBody {
        let partition = PartitionId(partition as u16);
        let begins_inside = usize::from(partition.0) == first && self.from != partition.first_token();
        RequestBody::Page {
            keyspace: self.keyspace,
            partition,
            start: if begins_inside { PageStart::At(self.from) } else { PageStart::First },
            // One more than wanted: the last one may be given back, see `cut`.
            limit: (self.count as u32).saturating_add(1).clamp(2, PAGE_ENTRIES_MAX),
            level: self.level,
        }
    }

    /// Takes an answer; whether that was the last of its window.
    pub(crate) fn take(&mut self, part: usize, body: ResponseBody) -> bool {
        if let Some(page) = self.pages.get_mut(part) {
            *page = Some(body);
        }
        let complete = self.pages.iter().all(Option::is_some);
        if complete {
            self.digest();
        }
        complete
    }

    /// Goes through the window's pages in the order of the ring, as far as keys are wanted.
    fn digest(&mut self) {
        let first = usize::from(self.from.partition().0);
        for (at, page) in std::mem::take(&mut self.pages).into_iter().enumerate() {
            let Some(ResponseBody::Page(PageOutcome::Page { entries, next })) = page else {
                let error = page.as_ref().and_then(outcome::error);
                return self
                    .fail(error.unwrap_or_else(|| "ERR the scan was not answered by a page".to_owned()));
            };
            self.looked_at += 1;
            let keys: Vec<Bytes> = entries.into_iter().map(|(key, _)| key).collect();
            if let Some(next) = next {
                return self.cut(keys, &next);
            }
            for key in keys {
                self.add(key);
            }
            let behind = first + at + 1;
            if behind == PARTITIONS {
                self.end = Some(Ok(0));
                return;
            }
            self.from = PartitionId(behind as u16).first_token();
            if self.seen >= self.count {
                return self.stop();
            }
        }
        self.window = (self.window * 2).min(WINDOW_MAX);
        if self.looked_at >= PARTITIONS_MAX {
            self.stop();
        }
    }

    /// A page that ended inside its partition, at the key `last`: what shares the last token comes again, because more
    /// of its keys may follow; unless there is nothing else, which only keys of equal tokens bring about.
    fn cut(&mut self, keys: Vec<Bytes>, last: &Bytes) {
        let end = self.place(last);
        let before: usize = keys.iter().take_while(|key| self.place(key) < end).count();
        let stuck = before == 0 && end <= self.from.0 >> 1;
        let (taken, from) = if stuck { (keys.len(), end + 1) } else { (before, end) };
        for key in keys.into_iter().take(taken) {
            self.add(key);
        }
        self.from = Token(from << 1);
        self.stop();
    }

    fn place(&self, key: &[u8]) -> u64 {
        Token::of(key, self.hash_seed).0 >> 1
    }

    fn add(&mut self, key: Bytes) {
        self.seen += 1;
        if self.strings && self.pattern.as_ref().is_none_or(|pattern| glob::fits(pattern, &key)) {
            self.found.push(key);
        }
    }

    fn stop(&mut self) {
        self.end = Some(Ok(self.from.0 >> 1));
    }

    fn fail(&mut self, error: String) {
        self.end = Some(Err(error));
    }

    pub(crate) fn reply(&self, w: &mut Writer<'_>) {
        match &self.end {
            Some(Ok(cursor)) => {
                w.array(2);
                w.bulk(cursor.to_string().as_bytes());
                w.array(self.found.len());
                for key in &self.found {
                    w.bulk(key);
                }
            }
            Some(Err(error)) => w.error(error),
            None => w.error("ERR the scan is not done"),
        }
    }

    /// Bytes of the keys that it has found.
    pub(crate) fn found_bytes(&self) -> usize {
        self.found.iter().map(Bytes::len).sum()
    }

    /// Why it failed, if it did.
    pub(crate) fn failed(&self) -> bool {
        matches!(self.end, Some(Err(_)))
    }
}
