//! A status in the making: every shard adds its part, the last one gets them all.
//!
//! Whoever asks for a status while one is being gathered waits for the next, which is theirs together: it begins after
//! they have asked, so that they find in it what they have done before, and a crowd costs two rounds.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quorate_coordinator::Origin;
use quorate_node::ShardStatus;
use quorate_types::NodeId;
use tokio::sync::oneshot;

use crate::metrics::requests::RequestCounts;

/// `scrapes_max`: scrapes that may be under way on a node; more are `Overloaded`.
const SCRAPES_MAX: usize = 64;
/// `status_requests_max`: requests that may wait for the next status; more are `Overloaded`.
const STATUS_REQUESTS_MAX: usize = 16_384;

/// One status in the making, for whoever asked before it began.
pub(crate) type StatusGathering = Gathering<Vec<Origin>, ShardStatus>;
/// What metrics are made of, in the making.
pub(crate) type Scrape = Gathering<Scraper, ShardPart>;

/// What is put together of the parts of all shards.
#[derive(Debug)]
pub(crate) struct Gathering<W, P> {
    /// Who gets it.
    pub(crate) whom: W,
    parts: Mutex<Vec<P>>,
    shards: usize,
}

/// A shard's part of what metrics are made of.
#[derive(Debug)]
pub(crate) struct ShardPart {
    pub(crate) status: ShardStatus,
    pub(crate) requests: RequestCounts,
    /// Its clients that speak the own protocol.
    pub(crate) connections: u64,
    /// Bytes that wait on each of its links, by the peer at the other end.
    pub(crate) links: Vec<(NodeId, u64)>,
}

/// Who waits for a scrape.
#[derive(Debug)]
pub(crate) struct Scraper {
    waiting: Mutex<Option<oneshot::Sender<Vec<ShardPart>>>>,
    _place: Place,
}

impl Scraper {
    pub(crate) fn new(place: Place) -> (Scraper, oneshot::Receiver<Vec<ShardPart>>) {
        let (parts, gathered) = oneshot::channel();
        (Scraper { waiting: Mutex::new(Some(parts)), _place: place }, gathered)
    }

    /// The parts are there.
    pub(crate) fn hand_over(&self, parts: Vec<ShardPart>) {
        if let Some(waiting) = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Whoever asked may be gone.
            let _ = waiting.send(parts);
        }
    }
}

/// A place within `scrapes_max`, free again when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Place {
    /// A place among those that `taken` counts, if one is free.
    pub(crate) fn take(taken: &Arc<AtomicUsize>) -> Option<Place> {
        let place = Place(Arc::clone(taken));
        (taken.fetch_add(1, Ordering::AcqRel) < SCRAPES_MAX).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Those who ask for a status. Locked once per request for one.
#[derive(Debug, Default)]
pub(crate) struct StatusLine(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    under_way: bool,
    whom: Vec<Origin>,
}

/// `status_requests_max` wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineFull;

impl StatusLine {
    /// `whom` asks; for whom a status is to be gathered now, if none is under way.
    pub(crate) fn ask(&self, whom: Origin) -> Result<Option<Vec<Origin>>, LineFull> {
        let mut waiting = self.lock();
        if waiting.whom.len() >= STATUS_REQUESTS_MAX {
            return Err(LineFull);
        }
        if !std::mem::replace(&mut waiting.under_way, true) {
            return Ok(Some(vec![whom]));
        }
        waiting.whom.push(whom);
        Ok(None)
    }

    /// The status that was under way is there; for whom the next one is to be gathered now, if anybody waits.
    pub(crate) fn gathered(&self) -> Option<Vec<Origin>> {
        let mut waiting = self.lock();
        let whom = std::mem::take(&mut waiting.whom);
        waiting.under_way = !whom.is_empty();
        waiting.under_way.then_some(whom)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W, P> Gathering<W, P> {
    /// For `whom`, of `shards` shards.
    pub(crate) fn new(whom: W, shards: usize) -> Gathering<W, P> {
        Gathering { whom, parts: Mutex::default(), shards }
    }

    /// Adds a shard's part; all parts if it was the last.
    pub(crate) fn add(&self, part: P) -> Option<Vec<P>> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.push(part);
        (parts.len() == self.shards).then(|| std::mem::take(&mut *parts))
    }
}

#[cfg(test)]
mod tests {
    use quorate_coordinator::Tag;
    use quorate_types::SessionId;

    use super::*;

    fn asker(number: u64) -> Origin {
        Origin { connection: 1, session: SessionId::NONE, number, tag: Tag::default() }
    }

    #[test]
    fn whoever_asks_while_a_status_is_gathered_gets_the_next_one_together_with_all_others() {
        let line = StatusLine::default();
        assert_eq!(line.ask(asker(0)), Ok(Some(vec![asker(0)])));
        for number in 1..=300 {
            assert_eq!(line.ask(asker(number)), Ok(None), "the one under way may have begun before");
        }
        assert_eq!(line.gathered(), Some((1..=300).map(asker).collect()));
        assert_eq!(line.ask(asker(301)), Ok(None));
        assert_eq!(line.gathered(), Some(vec![asker(301)]));
        assert_eq!(line.gathered(), None);
        assert_eq!(line.ask(asker(302)), Ok(Some(vec![asker(302)])));
    }

    #[test]
    fn only_so_many_wait() {
        let line = StatusLine::default();
        for number in 0..=STATUS_REQUESTS_MAX as u64 {
            assert!(line.ask(asker(number)).is_ok());
        }
        assert_eq!(line.ask(asker(1 << 20)), Err(LineFull));
        assert_eq!(line.gathered().map(|whom| whom.len()), Some(STATUS_REQUESTS_MAX));
        assert_eq!(line.ask(asker(1 << 20)), Ok(None));
    }
}
