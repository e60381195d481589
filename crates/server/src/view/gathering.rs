//! A status in the making: every shard adds its part, the last one gets them all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use quorate_coordinator::Origin;
use quorate_node::ShardStatus;
use quorate_types::NodeId;
use tokio::sync::oneshot;

use crate::metrics::requests::RequestCounts;

/// Status requests that may be under way on a node; more are `Overloaded`.
pub(crate) const GATHERINGS_MAX: usize = 64;

/// One status in the making, for a client.
pub(crate) type StatusGathering = Gathering<Origin, ShardStatus>;
/// What metrics are made of, in the making.
pub(crate) type Scrape = Gathering<Scraper, ShardPart>;

/// What is put together of the parts of all shards.
#[derive(Debug)]
pub(crate) struct Gathering<W, P> {
    /// Who gets it.
    pub(crate) whom: W,
    parts: Mutex<Vec<P>>,
    shards: usize,
    _place: Place,
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
pub(crate) struct Scraper(Mutex<Option<oneshot::Sender<Vec<ShardPart>>>>);

impl Scraper {
    pub(crate) fn new() -> (Scraper, oneshot::Receiver<Vec<ShardPart>>) {
        let (parts, gathered) = oneshot::channel();
        (Scraper(Mutex::new(Some(parts))), gathered)
    }

    /// The parts are there.
    pub(crate) fn hand_over(&self, parts: Vec<ShardPart>) {
        if let Some(waiting) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Whoever asked may be gone.
            let _ = waiting.send(parts);
        }
    }
}

/// A place within [`GATHERINGS_MAX`], free again when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Place {
    /// A place among those that `taken` counts, if one is free.
    pub(crate) fn take(taken: &Arc<AtomicUsize>) -> Option<Place> {
        let place = Place(Arc::clone(taken));
        (taken.fetch_add(1, Ordering::AcqRel) < GATHERINGS_MAX).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<W, P> Gathering<W, P> {
    /// For `whom`, of `shards` shards.
    pub(crate) fn new(whom: W, shards: usize, place: Place) -> Gathering<W, P> {
        Gathering { whom, parts: Mutex::default(), shards, _place: place }
    }

    /// Adds a shard's part; all parts if it was the last.
    pub(crate) fn add(&self, part: P) -> Option<Vec<P>> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.push(part);
        (parts.len() == self.shards).then(|| std::mem::take(&mut *parts))
    }
}
