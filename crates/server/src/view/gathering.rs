//! A status in the making: every shard adds its part, the last one gets them all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use quorate_coordinator::Origin;
use quorate_node::ShardStatus;

/// Status requests that may be under way on a node; more are `Overloaded`.
pub(crate) const GATHERINGS_MAX: usize = 64;

/// One status in the making.
#[derive(Debug)]
pub(crate) struct Gathering {
    pub(crate) origin: Origin,
    parts: Mutex<Vec<ShardStatus>>,
    shards: usize,
    _place: Place,
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

impl Gathering {
    /// A status of `shards` shards, for `origin`.
    pub(crate) fn new(origin: Origin, shards: usize, place: Place) -> Gathering {
        Gathering { origin, parts: Mutex::default(), shards, _place: place }
    }

    /// Adds a shard's part; all parts if it was the last.
    pub(crate) fn add(&self, part: ShardStatus) -> Option<Vec<ShardStatus>> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.push(part);
        (parts.len() == self.shards).then(|| std::mem::take(&mut *parts))
    }
}
